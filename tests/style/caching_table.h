// The rule on docs/CACHING.md: the table of RFC 9111's requirements is complete, and what it refers to exists.
#pragma once

#include "tests/style/rules.h"

#include <string_view>
#include <vector>

namespace gatehouse::style {

// A section of RFC 9111 and the levels of its requirements, in their order.
struct Rfc9111Section {
    std::string_view number;
    std::vector<std::string_view> levels; // MUST, MUST NOT, SHOULD, SHOULD NOT, MAY
};

// Every section that asks something of a cache. One without a requirement of these levels still needs a row.
const std::vector<Rfc9111Section>& rfc9111_sections();

// The page has a heading and rows for each section; the rows of a section are numbered and have its levels in order
// (rows of level `says` come in addition); each row names functions and tests, or says that it is not ours; functions
// and tests exist where the links say; and every section of RFC 9111 that the code cites is one of those.
Findings check_caching_table(const SourceFile& page, const std::vector<SourceFile>& tree,
                             const std::vector<Rfc9111Section>& sections);

} // namespace gatehouse::style
