// What the answer to an unsafe request does to the store: it invalidates (RFC 9111 section 4.4, RFC 9875), under every
// key that an invalidated URI may be stored under, and that of a POST may take the place of what it invalidated.
#pragma once

#include "cache/http_cache.h"
#include "config/config.h"
#include "http/message.h"
#include "http/target.h"

#include <string>

namespace gatehouse::proxy {

// What an unsafe request was for.
struct UnsafeTarget {
    http::Target target;
    std::string scheme;
};

// Before the answer is judged. Effective when it returns, whatever becomes of the answer on its way to the client. Says
// in `sent` whether it is that of a POST which represents the target; then it counts as newer than its own
// invalidation, but not than a purge that came while it was on its way.
void take_unsafe_answer(cache::HttpCache& cache, const config::Config& config, const UnsafeTarget& unsafe,
                        cache::Fetch& fetch, const http::ResponseHead& answer, cache::FetchRequest& sent);

} // namespace gatehouse::proxy
