// Invalidation after unsafe requests, for every key that an invalidated URI (RFC 9111 section 4.4) may be stored under,
// and of cache groups (RFC 9875).
#pragma once

#include "cache/http_cache.h"
#include "config/config.h"
#include "http/message.h"
#include "http/target.h"

#include <string_view>

namespace gatehouse::proxy {

// Effective when it returns.
void invalidate(cache::HttpCache& cache, const config::Config& config, http::Method method, std::string_view scheme,
                const http::Target& target, const http::ResponseHead& response);

} // namespace gatehouse::proxy
