// What an operator's purge means to the cache.
#pragma once

#include "cache/http_cache.h"
#include "config/config.h"
#include "proxy/admin.h"

namespace gatehouse::proxy {

// Effective when it returns, for what is stored and what is in flight. It walks over the store to free what it killed:
// not for an event loop that clients wait for. Says in the log what was purged.
PurgeOutcome purge(cache::HttpCache& cache, const config::Config& config, const PurgeRequest& request);

} // namespace gatehouse::proxy
