// What is legal and seldom meant. A configuration with warnings is used like any other.
#pragma once

#include "config/config.h"
#include "config/findings.h"

#include <span>
#include <string_view>

namespace gatehouse::config {

// A kind of warning: the name that stands in brackets behind each, and what raises it, as documentation says it.
struct LintRule {
    std::string_view name;
    std::string_view raised_by;
};
std::span<const LintRule> lint_rules();

// Adds one warning for each such thing, at the place of the value that should change, with what to do about it.
// `config` is valid; `read` knows where its fields stand.
void lint(const Config& config, const Findings& read, Findings& warnings);

} // namespace gatehouse::config
