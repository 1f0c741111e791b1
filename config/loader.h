// YAML to Config. All problems are reported at once; an unknown field is one of them.
#pragma once

#include "config/config.h"
#include "config/document.h"
#include "config/outside.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::config {

enum class Severity : std::uint8_t { Error, Warning };

struct Problem {
    SourcePlace place;
    std::string path;    // "cache_policies.catalogue.max_tll"
    std::string message; // "unknown field; did you mean max_ttl?"
    std::string source;  // the line of YAML it is about, a long one cut; may be empty
    int shift = 0;       // how much further left than place.column the place stands in `source`
    Severity severity = Severity::Error;

    // "file:line:column: error: path: message", then the source line and a caret under the column.
    std::string to_string() const;
    // The first line of it.
    std::string summary() const;
};

struct LoadResult {
    std::shared_ptr<const Config> config; // null when there are problems
    std::vector<Problem> problems;        // in the order of the file
    std::vector<Problem> warnings;        // what is legal and seldom meant (lint.h); none where there are problems
    bool more_problems = false;           // than are listed; the last one says so
    std::vector<std::string> files;       // that were asked for, also where they could not be read
};

// The text as a tree, for readers that want its shape without its meaning; null when it is no YAML that is accepted.
NodePtr load_tree(std::string_view text);

// Reads the file. A file that cannot be read is a problem too.
LoadResult load_file(const std::string& path, const Outside& outside = system_outside());
// The same for text; `file` is the name for messages, and where relative paths start.
LoadResult load_text(std::string_view text, const std::string& file, const Outside& outside = system_outside());

} // namespace gatehouse::config
