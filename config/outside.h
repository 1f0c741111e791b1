// What a configuration takes from outside its own file.
#pragma once

#include "config/text_file.h"

#include <functional>
#include <optional>
#include <string>

namespace gatehouse::config {

// Tests answer as they like.
struct Outside {
    std::function<std::optional<std::string>(const std::string& name)> variable; // of the environment
    std::function<FileText(const std::string& path)> file;
};

// The environment and the files of this process. The environment must not be changed while it is read.
const Outside& system_outside();

} // namespace gatehouse::config
