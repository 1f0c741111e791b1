// `include`: a configuration in several files.
#pragma once

#include "config/document.h"
#include "config/findings.h"
#include "config/outside.h"

#include <cstddef>
#include <functional>
#include <string>

namespace gatehouse::config {

// LIMIT: files of one configuration.
inline constexpr std::size_t kMostFiles = 100;

// Text to a tree, whose marks name that file; null after a problem was added.
using ParseFile = std::function<NodePtr(std::string_view text, int file)>;

// The tree of a file together with those of the files that it includes, and they include: what they hold of the same
// block is in one, the lists one behind the other, included ones first and in the order of their names. A field or a
// name that is given in two files stays there twice, for the reader to report. A file that is named several times is
// taken once; one that includes itself is a problem, like one that cannot be read. `include` is in the result no more.
// Requires: root is a mapping, of the first file of `findings`.
NodePtr with_includes(const NodePtr& root, const Outside& outside, const ParseFile& parse, Findings& findings);

} // namespace gatehouse::config
