// What no single field can tell: whether the parts of a configuration fit together.
#pragma once

#include "config/config.h"
#include "config/findings.h"

#include <functional>
#include <string>

namespace gatehouse::config {

// What validation asks about the world outside the file; tests answer as they like.
struct Surroundings {
    std::function<bool(const std::string& path)> is_readable_file;
};

// Adds one problem for each thing that does not fit, at the place of the value that should change. Fields that already
// have a problem are not looked at again. `config` is complete()d.
void validate(const Config& config, Findings& findings, const Surroundings& surroundings);

} // namespace gatehouse::config
