// Invalidation after unsafe methods (RFC 9111 section 4.4).
#pragma once

#include "http/message.h"
#include "http/target.h"

#include <string>
#include <vector>

namespace gatehouse::cache::policy {

// A URI whose stored responses are dead, for every key-rule set: authority as in Target, path and query as sent.
struct InvalidatedUri {
    std::string authority;
    std::string path;
    std::string query;
    bool operator==(const InvalidatedUri&) const = default;
};

// Nothing for safe methods and for error answers (a non-error answer is 2xx or 3xx). Else the target URI, and Location
// and Content-Location when they have the same origin as the target (absolute, or relative to it).
// `scheme` is what the listener speaks.
std::vector<InvalidatedUri> invalidated_uris(http::Method method, std::string_view scheme, const http::Target& target,
                                             const http::ResponseHead& response);

// Whether the answer to a POST says that it is the representation of the target itself: its Content-Location names the
// target. Only then, and with an explicit lifetime, may it be stored and answer GET (RFC 9110 section 9.3.3).
bool represents_target(std::string_view scheme, const http::Target& target, const http::ResponseHead& response);

} // namespace gatehouse::cache::policy
