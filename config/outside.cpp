#include "config/outside.h"

#include <cstdlib>

namespace gatehouse::config {
namespace {

std::optional<std::string> environment_variable(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
}

} // namespace

const Outside& system_outside() {
    static const Outside kSystem{environment_variable, read_file};
    return kSystem;
}

} // namespace gatehouse::config
