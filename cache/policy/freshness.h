// Freshness (RFC 9111 section 4.2), in the order of DESIGN section 6. Pure: `now` is a parameter.
#pragma once

#include "cache/policy/facts.h"

namespace gatehouse::cache::policy {

enum class LifetimeSource : std::uint8_t {
    PolicyTtl,
    Targeted,
    SMaxage,
    MaxAge,
    Expires,
    ErrorTtl,
    DefaultTtl,
    Heuristic,
    None
};
std::string_view to_string(LifetimeSource source) noexcept;

struct Lifetime {
    Duration duration{0};
    LifetimeSource source = LifetimeSource::None;
    bool is_explicit() const noexcept {
        return source == LifetimeSource::Targeted || source == LifetimeSource::SMaxage ||
               source == LifetimeSource::MaxAge || source == LifetimeSource::Expires;
    }
};

struct Freshness {
    Lifetime lifetime;
    Duration age{0}; // RFC 9111 section 4.2.3, never negative
    Duration ttl() const noexcept { return lifetime.duration - age; }
    bool is_fresh() const noexcept { return lifetime.duration > age; }
};

// 1 `ttl` of the policy; 2 targeted field; 3 s-maxage, max-age, Expires (an invalid value is a lifetime of zero with
// that source); 4 error_ttl for status 400 and above; 5 default_ttl; 6 heuristic: 10 % of the time since Last-Modified,
// at most one day, only where default_ttl is not set. 5 and 6 only for heuristically cacheable statuses or `public`.
// max_ttl caps 2, 3 and 6; min_ttl raises 2 to 6. 4, 5, 6 and `ttl` give nothing (source None) to a response with
// Set-Cookie or to a request whose Cookie was forwarded unkeyed (DESIGN 4.17); min_ttl does not raise those either.
// The policy's jitter shortens what comes out, but not below min_ttl.
Lifetime freshness_lifetime(const ResponseFacts& facts, const config::CachePolicy& policy) noexcept;

// RFC 9111 section 4.2.3: apparent age, corrected by response delay, plus resident time.
Duration current_age(const ResponseFacts& response, WallTime now) noexcept;

Freshness freshness(const ResponseFacts& response, const config::CachePolicy& policy, WallTime now) noexcept;

// How long after becoming stale it may be served while it is revalidated (RFC 5861 section 3): the response's own
// value, else the policy's, else zero. Zero when must-revalidate, proxy-revalidate or no-cache forbid it; s-maxage
// implies proxy-revalidate (RFC 9111 section 5.2.2.10) only as long as no allowance is explicitly given.
Duration stale_while_revalidate_window(const ResponseFacts& response, const config::CachePolicy& policy) noexcept;
Duration stale_if_error_window(const ResponseFacts& response, const RequestFacts& request,
                               const config::CachePolicy& policy) noexcept;
// The same while the origin cannot be reached at all: what stale_if_error_window gives, or, where neither the response
// nor the policy says anything about errors, the policy's stale_if_disconnected. RFC 9111 section 4.2.4 lets a cache
// that is disconnected serve stale responses; s-maxage forbids it (RFC 9111 section 5.2.2.10), and so does a client
// that asks for a fresh response. A response that was never fresh is not meant to be used without asking, and gets
// nothing.
Duration disconnected_window(const ResponseFacts& response, const RequestFacts& request,
                             const config::CachePolicy& policy, const Lifetime& lifetime) noexcept;
// Whether staleness is forbidden whatever is allowed elsewhere (RFC 9111 section 4.2.4).
bool must_not_serve_stale(const ResponseFacts& response, const config::CachePolicy& policy) noexcept;

} // namespace gatehouse::cache::policy
