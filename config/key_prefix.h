// What all keys of a behavior begin with: how it is told from other behaviors, and its origin.
#pragma once

#include "config/config.h"

#include <string>

namespace gatehouse::config {

// Rule set '\n' origin. Precondition: the behavior's references are resolved.
std::string key_prefix_of(const Behavior& behavior);

} // namespace gatehouse::config
