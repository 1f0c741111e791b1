#include "cache/policy/identity.h"

#include "http/ascii.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace gatehouse::cache::policy {

namespace {

// Sorted. What is not listed counts as a credential: an unknown field is a secret of its own more often than not
// (X-Api-Key, X-Amz-Security-Token).
constexpr std::array<std::string_view, 44> kAnonymous = {
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "baggage",
    "cache-control",
    "connection",
    "content-length",
    "device-memory",
    "dnt",
    "downlink",
    "dpr",
    "ect",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "pragma",
    "priority",
    "range",
    "referer",
    "rtt",
    "save-data",
    "sec-gpc",
    "te",
    "traceparent",
    "tracestate",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-correlation-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-request-id",
};
static_assert(std::is_sorted(kAnonymous.begin(), kAnonymous.end()));

// Client hints and fetch metadata; traces of Zipkin and of X-Ray. Not all of Sec- and X-Forwarded-: tokens are bound by
// the one, and authenticating proxies name their user in the other (X-Forwarded-User, X-Forwarded-Access-Token).
constexpr std::array<std::string_view, 4> kAnonymousPrefixes = {"sec-ch-", "sec-fetch-", "x-b3-", "x-amzn-trace-"};

bool is_anonymous(std::string_view lower_name) noexcept {
    return std::binary_search(kAnonymous.begin(), kAnonymous.end(), lower_name) ||
           std::any_of(kAnonymousPrefixes.begin(), kAnonymousPrefixes.end(),
                       [&](std::string_view prefix) { return lower_name.starts_with(prefix); });
}

} // namespace

std::string identity_of(const http::RequestHead& request, const config::CachePolicy& policy) {
    std::string identity;
    const bool sends_cookies =
        policy.forward_everything || policy.forward_only.cookies.mode != config::NameSelection::Mode::None;
    for (const auto line : request.fields) {
        const std::string name = http::lower(line.name);
        if (is_anonymous(name) || (name == "cookie" && !sends_cookies)) {
            continue;
        }
        identity.append(name).append(1, ':').append(line.value).append(1, '\n');
    }
    return identity;
}

} // namespace gatehouse::cache::policy
