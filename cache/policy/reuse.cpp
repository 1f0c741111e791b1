#include "cache/policy/reuse.h"

#include "cache/policy/storability.h"
#include "cache/policy/variant.h"

#include <algorithm>
#include <cmath>

namespace gatehouse::cache::policy {

namespace {

using Kind = ReuseDecision::Kind;

constexpr Duration kZero{0};

// How far past its lifetime it is; zero at the instant it becomes stale, negative while it is fresh.
Duration staleness_of(const Freshness& freshness) noexcept { return -freshness.ttl(); }

bool accepts_stale(const http::RequestCacheControl& request) noexcept {
    return request.max_stale_any || request.max_stale.valid();
}

// max-age: the client wants no response older than this. RFC 9111 section 5.2.1.1
// A reload says max-age=0 and means an answer of the origin, however young the stored one is.
bool is_too_old(const http::RequestCacheControl& request, Duration age) noexcept {
    return request.max_age.valid() && (request.max_age.seconds == 0 || age > request.max_age.value());
}

// Why a fresh response is not good enough for this request, or None.
Reason refused_by_request(const http::RequestCacheControl& request, const Freshness& freshness) noexcept {
    // no-cache: the client wants no stored response without successful validation. RFC 9111 section 5.2.1.4
    if (request.no_cache) {
        return Reason::RequestNoCache;
    }
    if (is_too_old(request, freshness.age)) {
        return Reason::RequestMaxAge;
    }
    // min-fresh: the lifetime is no less than the age plus this many seconds. RFC 9111 section 5.2.1.3
    if (request.min_fresh.valid() && freshness.ttl() < request.min_fresh.value()) {
        return Reason::RequestMinFresh;
    }
    return Reason::None;
}

ReuseDecision forward(const RequestFacts& request, const ResponseFacts& stored, Reason reason,
                      const Freshness& freshness) noexcept {
    // only-if-cached: a response that is stored, or 504. RFC 9111 section 5.2.1.7
    if (request.cache_control.only_if_cached) {
        return {Kind::GatewayTimeout, Reason::OnlyIfCached, freshness};
    }
    // What has no validator cannot be asked about (RFC 9111 section 4.3.1), and what today's rules would not store is
    // not asked about.
    const bool may_validate = stored.has_validator && reason != Reason::PolicyChanged;
    return {may_validate ? Kind::Validate : Kind::Forward, reason, freshness};
}

// max-stale: the client takes a response past its lifetime by no more than this. RFC 9111 section 5.2.1.2
// It does not reach past an explicit prohibition, or the proxy-revalidate that s-maxage implies.
// RFC 9111 section 4.2.4
bool max_stale_allows(const http::RequestCacheControl& request, const ResponseFacts& stored,
                      const config::CachePolicy& policy, const Freshness& freshness) noexcept {
    if (must_not_serve_stale(stored, policy) || stored.s_maxage.present()) {
        return false;
    }
    return request.max_stale_any || (request.max_stale.valid() && staleness_of(freshness) <= request.max_stale.value());
}

// What is stale is forwarded because it is stale, whatever the request says about it (RFC 9211 section 2.2).
ReuseDecision decide_stale(const RequestFacts& request, const ResponseFacts& stored, const config::CachePolicy& policy,
                           const Freshness& freshness) noexcept {
    const http::RequestCacheControl& wishes = request.cache_control;
    if (wishes.no_cache || is_too_old(wishes, freshness.age)) {
        return forward(request, stored, Reason::Stale, freshness);
    }
    // Who says max-age or min-fresh wants nothing stale, unless max-stale is there too. RFC 9111 section 5.2.1.1
    const bool wants_fresh = (wishes.max_age.valid() || wishes.min_fresh.valid()) && !accepts_stale(wishes);
    const Duration window = stale_while_revalidate_window(stored, policy);
    // For this long after it became stale it may be served while it is revalidated. RFC 5861 section 3
    if (window > kZero && staleness_of(freshness) <= window && !wants_fresh) {
        return {Kind::ServeStaleRevalidate, Reason::StaleWhileRevalidate, freshness};
    }
    if (max_stale_allows(wishes, stored, policy, freshness)) {
        return {Kind::ServeStale, Reason::RequestMaxStale, freshness};
    }
    return forward(request, stored, Reason::Stale, freshness);
}

} // namespace

RequestDecision decide_request(const RequestFacts& request, const config::CachePolicy& policy) noexcept {
    // Stored responses answer GET and HEAD, and what an operator says is asked like them; everything else is written
    // through. RFC 9111 section 4
    const bool is_get_or_head = request.method == http::Method::Get || request.method == http::Method::Head;
    if (!is_get_or_head && !request.method_is_cached) {
        return {false, false, Reason::Method};
    }
    if (policy.disabled) {
        return {false, false, Reason::CachingDisabled};
    }
    if (request.upgrade) {
        return {false, false, Reason::RequestUpgrade};
    }
    // If-Match and If-Unmodified-Since are not for a cache to evaluate. RFC 9111 section 4.3.2
    if (request.origin_only_precondition) {
        return {false, false, Reason::RequestPrecondition};
    }
    if (request.content_too_large) {
        return {false, false, Reason::RequestTooLarge};
    }
    // Of OPTIONS the key has the fields only.
    if (request.has_content && request.method == http::Method::Options) {
        return {false, false, Reason::RequestBody};
    }
    // Content in a GET has no defined meaning (RFC 9110 section 9.3.1), but the origin might look at it.
    if (request.has_content && is_get_or_head) {
        return {true, false, Reason::RequestBody};
    }
    // no-store speaks of storing; it does not keep a stored response from being used. RFC 9111 section 5.2.1.5
    if (request.cache_control.no_store) {
        return {true, false, Reason::RequestNoStore};
    }
    // The answer to a range may be stored as a part. RFC 9111 section 3.3
    if (request.range) {
        return {true, true, Reason::RequestRange};
    }
    return {true, true, Reason::None};
}

ReuseDecision decide_reuse(const RequestFacts& request, const ResponseFacts& stored, const config::CachePolicy& policy,
                           WallTime now) noexcept {
    const StoreDecision today = decide_storability(stored, policy);
    const Freshness freshness{today.lifetime, current_age(stored, now)};
    if (!today.store) {
        return forward(request, stored, Reason::PolicyChanged, freshness);
    }
    // no-cache: not used without successful validation. RFC 9111 section 5.2.2.4
    if (stored.no_cache && !policy.overrides.no_cache) {
        return forward(request, stored, Reason::ResponseNoCache, freshness);
    }
    if (!freshness.is_fresh()) {
        return decide_stale(request, stored, policy, freshness);
    }
    const Reason refused = refused_by_request(request.cache_control, freshness);
    if (refused != Reason::None) {
        return forward(request, stored, refused, freshness);
    }
    // A fresh response is used without asking the origin. RFC 9111 section 4
    return {Kind::ServeFresh, Reason::None, freshness};
}

bool is_validated_each_time(const ResponseFacts& stored, const config::CachePolicy& policy) noexcept {
    return (stored.no_cache && !policy.overrides.no_cache) || freshness_lifetime(stored, policy).duration <= kZero;
}

// Requests may be combined into one forwarded request, and its answer used for each that it may be reused for.
// RFC 9111 section 4
// no-cache asks that a request be forwarded for validation before the response answers it (RFC 9111 section 5.2.2.4),
// and so does staleness (RFC 9111 section 4): a request that had arrived when the combined one was sent has been
// forwarded with it, and what came back is the successful validation for both.
bool answers_collapsed(const RequestFacts& request, const ResponseFacts& answer,
                       const config::CachePolicy& policy) noexcept {
    const http::RequestCacheControl& wishes = request.cache_control;
    const bool makes_demands = wishes.no_cache || wishes.max_age.valid() || wishes.min_fresh.valid();
    return !makes_demands && decide_storability(answer, policy).store;
}

// A cache is disconnected when it cannot contact the origin or find another way forward. RFC 9111 section 4.2.4
OriginFailure failure_of(http::ErrorKind error) noexcept {
    switch (error) {
    case http::ErrorKind::DnsError:
    case http::ErrorKind::DnsTimeout:
    case http::ErrorKind::ConnectionRefused:
    case http::ErrorKind::ConnectionTimeout:
    case http::ErrorKind::ConnectionTerminated:
    case http::ErrorKind::ResponseTimeout:
    case http::ErrorKind::OriginUnavailable: return OriginFailure::Disconnected;
    default: return OriginFailure::Error;
    }
}

Reason reason_to_serve_on(OriginFailure failure, const RequestFacts& request, const ResponseFacts& stored,
                          const config::CachePolicy& policy, WallTime now) noexcept {
    const StoreDecision today = decide_storability(stored, policy);
    // no-cache: not even when the origin cannot be reached. RFC 9111 section 5.2.2.4
    if (!today.store || (stored.no_cache && !policy.overrides.no_cache)) {
        return Reason::None;
    }
    const Freshness freshness{today.lifetime, current_age(stored, now)};
    // What is still fresh was forwarded only because the request wanted it fresher. With no-cache it is used only
    // where an allowance for errors was given. RFC 9111 section 5.2.1.4
    if (freshness.is_fresh() && !request.cache_control.no_cache) {
        return Reason::StaleIfError;
    }
    const auto is_within = [&](Duration window) { return window > kZero && staleness_of(freshness) <= window; };
    // RFC 5861 section 4: for this long after it became stale; zero where RFC 9111 section 4.2.4 forbids it.
    if (is_within(stale_if_error_window(stored, request, policy))) {
        return Reason::StaleIfError;
    }
    const bool is_disconnected = failure == OriginFailure::Disconnected;
    return is_disconnected && is_within(disconnected_window(stored, request, policy, today.lifetime))
               ? Reason::StaleIfDisconnected
               : Reason::None;
}

Reason reason_to_serve_while_slow(const RequestFacts& request, const ResponseFacts& stored,
                                  const config::CachePolicy& policy, WallTime now) noexcept {
    const http::RequestCacheControl& wishes = request.cache_control;
    // Whoever wants it fresher than it is has to wait for that. RFC 9111 section 5.2.1
    const bool makes_demands = wishes.no_cache || wishes.max_age.valid() || wishes.min_fresh.valid();
    if (!policy.stale_if_slow || makes_demands) {
        return Reason::None;
    }
    const Reason reason = reason_to_serve_on(OriginFailure::Disconnected, request, stored, policy, now);
    return reason == Reason::None ? Reason::None : Reason::StaleIfSlow;
}

bool refreshes_ahead(const ResponseFacts& stored, const Freshness& freshness, const config::CachePolicy& policy,
                     std::uint64_t dice) noexcept {
    if (policy.refresh_ahead == 0) {
        return false;
    }
    constexpr Duration kLeastDelay{1}; // what took less than the clock tells took something
    constexpr double kLongestGap = 45; // -ln(2^-64), rounded up
    const Duration delay = std::max(kLeastDelay, stored.response_time - stored.request_time);
    const double scale = static_cast<double>(delay.count()) * policy.refresh_ahead;
    const auto left = static_cast<double>(freshness.ttl().count());
    if (left > scale * kLongestGap) {
        return false; // no throw reaches that far
    }
    // now - delta * beta * ln(rand()) >= expiry, with rand() in (0, 1]
    const double share = (static_cast<double>(dice >> 11) + 1) * 0x1p-53;
    return -scale * std::log(share) >= left;
}

// The errors that a stale response may hide. RFC 5861 section 4
bool is_stale_if_error_status(int status, const config::CachePolicy& policy) noexcept {
    return policy.stale_if_error_statuses.contains(status);
}

// With several that match, the most recent one is used. RFC 9111 section 4
std::optional<std::size_t> select_variant(std::span<const StoredHead> candidates, const http::Fields& request,
                                          config::LanguageMatching matching) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const StoredHead& candidate = candidates[i];
        // A part answers only ranges that lie within it: see cache/policy/partial.h. RFC 9111 section 3.3
        if (candidate.facts.is_part) {
            continue;
        }
        if (!variant_matches(candidate.vary_names, candidate.vary_values, request, matching)) {
            continue;
        }
        const auto recency = [](const StoredHead& head) {
            return std::pair(head.facts.date, head.facts.response_time);
        };
        if (!best || recency(candidate) > recency(candidates[*best])) {
            best = i;
        }
    }
    return best;
}

} // namespace gatehouse::cache::policy
