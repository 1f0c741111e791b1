// Who asks, as far as an origin can tell from the fields of a request.
//
// A response that has to be validated for every request lets the origin look at each of them: it may refuse one client
// what it gave another a moment ago, although no Vary says so. One validation therefore stands for several requests
// only where nothing in them could have made a difference to that decision.
#pragma once

#include "config/config.h"
#include "http/message.h"

#include <string>

namespace gatehouse::cache::policy {

// The lines that may say who asks: all but those that are known not to (content negotiation, conditions, caching,
// tracing, what a browser says of itself, what proxies say of the way here). Equal texts: the same client, or clients
// that the origin cannot tell apart. Cookies that are not forwarded do not take part; keyed ones are in the cache key.
std::string identity_of(const http::RequestHead& request, const config::CachePolicy& policy);

} // namespace gatehouse::cache::policy
