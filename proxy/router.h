// Which behavior a request belongs to: the first whose pattern matches the normalised path.
#pragma once

#include "config/config.h"
#include "http/target.h"

#include <optional>

namespace gatehouse::proxy {

// Index into config.behaviors; nullopt when none matches. Allocation-free for paths that are already normal.
std::optional<std::size_t> route(const config::Config& config, const http::Target& target);

} // namespace gatehouse::proxy
