// Every reason this cache ever gives, once: it is the `detail` of Cache-Status (RFC 9211), the log field, the metric
// label and the text of an explanation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gatehouse::cache::policy {

enum class Reason : std::uint8_t {
    None, // nothing to explain: a fresh hit, or a miss that was stored
    // Why a request was not answered from the cache.
    UriMiss,             // nothing is stored for this key
    VaryMiss,            // something is stored, but for other request fields
    Method,              // the method is never answered from cache
    CachingDisabled,     // the behavior's policy switches caching off
    RequestNoCache,      // Cache-Control: no-cache (or Pragma) in the request
    RequestMaxAge,       // older than the request's max-age
    RequestMinFresh,     // not fresh for as long as the request's min-fresh
    OnlyIfCached,        // 504: the request forbids forwarding
    Stale,               // the stored response is stale and may not be served so
    ResponseNoCache,     // the stored response must be validated before each use
    PolicyChanged,       // today's rules would not have stored it
    Purged,              // an operator purged it
    Invalidated,         // an unsafe request invalidated it (RFC 9111 section 4.4)
    RequestBody,         // a GET or HEAD with content is never looked up on behalf of others
    RequestRange,        // a range of something that is not stored
    PartialMiss,         // only a part is stored, and the request wants more than that
    RequestPrecondition, // If-Match or If-Unmodified-Since: the origin decides
    RequestUpgrade,      // a protocol switch is tunnelled
    KnownUncacheable,    // an earlier answer to this key could not be stored; not queued for
    NotShareable,        // the answer waited for may not be used for this request
    TooManyWaiters,      // limits.waiters_per_fetch requests wait for the answer already
    WaitedTooLong,       // the answer of another request's fetch did not come within the policy's max_wait
    RequestTooLarge,     // the content of a cached POST is larger than what the key takes
    // Why a response was not stored.
    RequestNoStore,
    ResponseNoStore,
    ResponsePrivate,
    Authorization, // RFC 9111 section 3.5
    SetCookie,
    CookieForwarded, // the request's cookies reached the origin without being in the key
    VaryStar,
    StatusNotStorable, // not final, or 304; not understood where that matters
    ContentRange,      // a 206 that does not say which part it is, or is not what it says
    NoLifetime,        // no explicit lifetime, no default, and heuristics do not apply
    ResponseTooLarge,
    MemoryBudget, // all memory is pinned
    TooManyVariants,
    Incomplete,      // the content ended early
    OriginError,     // no answer at all
    PurgedMeanwhile, // purged or invalidated while it was being fetched
    Superseded,      // the answer to a later request was stored before it
    // Why a stale response was served.
    StaleWhileRevalidate,
    StaleIfError,
    StaleIfDisconnected,
    StaleIfSlow, // the origin has not answered the validation within stale_if_slow; it goes on
    RequestMaxStale,
    // Why a fresh response was fetched again while it was served.
    RefreshAhead,
    kCount
};

inline constexpr std::size_t kReasonCount = static_cast<std::size_t>(Reason::kCount);

// Whether what was served was stale: at once, or after the origin had been asked in vain.
constexpr bool is_served_stale(Reason reason) noexcept {
    return reason == Reason::StaleWhileRevalidate || reason == Reason::RequestMaxStale ||
           reason == Reason::StaleIfError || reason == Reason::StaleIfDisconnected || reason == Reason::StaleIfSlow;
}
// The latter of the two: the client does not see what became of its request.
constexpr bool hides_origin(Reason reason) noexcept {
    return reason == Reason::StaleIfError || reason == Reason::StaleIfDisconnected || reason == Reason::StaleIfSlow;
}

// "uri_miss", "set_cookie", ...: a token, stable across versions.
std::string_view to_string(Reason reason) noexcept;
// One sentence for people, e.g. "The response sets a cookie and names no lifetime of its own."
std::string_view sentence(Reason reason) noexcept;

} // namespace gatehouse::cache::policy
