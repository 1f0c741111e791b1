// Vary (RFC 9111 section 4.1): the secondary key of a stored response.
#pragma once

#include "config/config.h"
#include "http/fields.h"

#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// The names that all Vary lines nominate and the rule does not ignore: lower case, sorted, unique, joined with ','. "*"
// when any member is `*`, which no rule ignores.
std::string nominated_names(const http::Fields& response, const config::VaryRule& rule = {});

// For each nominated name the normalised value in the request: lines combined with ", ", white space around commas
// folded, and letters folded where they mean nothing (RFC 9111 section 4.1 allows what does not change meaning). A
// missing field differs from an empty one. Empty when names is empty. Values are separated so that no two different
// requests give the same text. `language` is what Content-Language of the response names, for
// LanguageMatching::Preferred.
std::string variant_key(std::string_view names, const http::Fields& request,
                        config::LanguageMatching matching = config::LanguageMatching::AsSent,
                        std::string_view language = {});

// Whether the request selects a stored response with these names and that key. `*` never matches. A key made under
// another matching matches nothing that is compared otherwise. Allocation-free, but for Accept-Language under another
// matching than AsSent.
bool variant_matches(std::string_view names, std::string_view key, const http::Fields& request,
                     config::LanguageMatching matching = config::LanguageMatching::AsSent);

} // namespace gatehouse::cache::policy
