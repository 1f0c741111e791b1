// What of a configuration a running program cannot change.
#pragma once

#include "config/config.h"

#include <string>
#include <vector>

namespace gatehouse::proxy {

// The fields in which `next` differs from `current` and that take effect only with the next start.
std::vector<std::string> fields_that_need_a_restart(const config::Config& current, const config::Config& next);

} // namespace gatehouse::proxy
