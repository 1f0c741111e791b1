// `${NAME}`, `${NAME:-default}` and `${file:PATH}` in the values of a configuration. They are put in after the YAML was
// parsed, so that what they stand for is always text within one value and never structure.
#pragma once

#include "config/outside.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace gatehouse::config {

// LIMIT: a value with its variables put in is not longer than this.
inline constexpr std::size_t kLongestValue = 64 * 1024;

struct Expanded {
    std::string text;
    bool secret = false;        // a part of it is the content of a file, which no message may show
    std::string problem;        // why there is no text; empty when there is one
    std::size_t problem_at = 0; // where in the value, in bytes
};

bool has_variables(std::string_view text) noexcept;

// The value with its variables put in. `$${` stands for `${`. As in a shell, a default counts when the variable is not
// set or empty. A relative PATH starts at the directory of `yaml_file`; a line end at the end of that file is not part
// of the value. What is put in is not looked at again.
Expanded expand_variables(std::string_view text, const std::string& yaml_file, const Outside& outside);

} // namespace gatehouse::config
