// Who may ask for an answer of the origin although one is stored (request_cache_control: authorized).
#pragma once

#include "config/config.h"
#include "http/message.h"
#include "proxy/trusted_proxies.h"

#include <string_view>

namespace gatehouse::proxy {

// Whether the request carries one of the secrets, or its client is in one of the networks. `peer`: the address of
// whoever connects; if that is a trusted proxy the client is who X-Forwarded-For says, counted from its end up to the
// first address that is not a trusted proxy's, and nobody where there is none. Secrets are compared in a time that
// tells nothing of where they differ.
bool is_authorized(const config::AuthorizedRequests& rules, const http::RequestHead& request, std::string_view peer,
                   const TrustedProxies& trusted);

} // namespace gatehouse::proxy
