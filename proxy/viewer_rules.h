// What a behavior answers by itself, without cache and origin: methods that it does not allow, clients that did not
// come over HTTPS where it asks for that, and preflights where its CORS block says so.
#pragma once

#include "config/config.h"
#include "http/message.h"
#include "http/target.h"
#include "proxy/error_response.h"

#include <optional>

namespace gatehouse::proxy {

// "GET, HEAD": the value of Allow (RFC 9110 section 10.2.1).
std::string allow_value(const std::vector<std::string>& methods);

// Nothing: the request goes on. `over_https`: the client's own connection, or that to a trusted proxy, is encrypted.
std::optional<ErrorResponse> answer_of_viewer_rules(const config::Behavior& behavior, const http::RequestHead& request,
                                                    const http::Target& target, bool over_https);

// Whether a trusted proxy says so (X-Forwarded-Proto).
bool was_forwarded_over_https(const http::RequestHead& request);

} // namespace gatehouse::proxy
