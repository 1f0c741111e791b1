#include "cache/policy/freshness.h"

#include "cache/policy/reuse.h"
#include "http/message.h"

#include <algorithm>

namespace gatehouse::cache::policy {

namespace {

using std::chrono::floor;
using std::chrono::seconds;

constexpr Duration kZero{0};
constexpr Duration kLongest = std::chrono::hours(24 * 365 * 100); // of what is shortened
constexpr int kHeuristicFraction = 10;                            // one tenth of the time since Last-Modified
constexpr Duration kHeuristicMax = std::chrono::hours(24);        // DESIGN section 6

// What was made for one user, or may have been: only the origin itself may say how long it lives.
bool needs_origin_lifetime(const ResponseFacts& response) noexcept {
    return response.has_set_cookie || response.request_cookie_unkeyed;
}

// Freshness information that is invalid lets the response be taken as stale. RFC 9111 section 4.2.1
Duration lifetime_of(const http::DeltaSeconds& value) noexcept {
    return value.valid() ? Duration(value.value()) : kZero;
}

// The first of these that is there counts: s-maxage, because this cache is shared; max-age; Expires minus Date.
// RFC 9111 section 4.2.1
Lifetime origin_lifetime(const ResponseFacts& response) noexcept {
    // s-maxage overrides max-age and Expires, also when it is invalid. RFC 9111 section 5.2.2.10
    if (response.s_maxage.present()) {
        return {lifetime_of(response.s_maxage), LifetimeSource::SMaxage};
    }
    // Expires is ignored where there is max-age. RFC 9111 section 5.3
    if (response.max_age.present()) {
        return {lifetime_of(response.max_age), LifetimeSource::MaxAge};
    }
    if (response.expires_state == LifetimeState::Absent) {
        return {};
    }
    // An invalid Expires, such as "0", is a time in the past. RFC 9111 section 5.3
    const bool is_valid = response.expires_state == LifetimeState::Valid;
    return {is_valid ? std::max(response.expires - response.date, kZero) : kZero, LifetimeSource::Expires};
}

// A lifetime may be guessed only for statuses defined as heuristically cacheable, or with `public`.
// RFC 9111 section 4.2.2
bool may_guess(const ResponseFacts& response) noexcept {
    return response.is_public || http::is_heuristically_cacheable(response.status);
}

// A fraction of the time since the last modification. RFC 9111 section 4.2.2
Lifetime heuristic_lifetime(const ResponseFacts& response) noexcept {
    if (!response.has_last_modified || response.last_modified >= response.date) {
        return {};
    }
    const Duration unchanged_for = response.date - response.last_modified;
    return {std::min(unchanged_for / kHeuristicFraction, kHeuristicMax), LifetimeSource::Heuristic};
}

// What the operator or a guess gives where the origin says nothing: DESIGN section 6, numbers 4 to 6.
Lifetime assumed_lifetime(const ResponseFacts& response, const config::CachePolicy& policy) noexcept {
    if (response.status >= 400) {
        // DEVIATION: RFC 9111 section 4.2.2 lets no lifetime be guessed for most errors; here an operator names one.
        if (const auto error_ttl = policy.error_ttl.find(response.status)) {
            return {*error_ttl, LifetimeSource::ErrorTtl};
        }
    }
    if (!may_guess(response) || (policy.cloudfront && response.status >= 400)) {
        return {};
    }
    if (policy.default_ttl) {
        return {*policy.default_ttl, LifetimeSource::DefaultTtl};
    }
    return policy.heuristic ? heuristic_lifetime(response) : Lifetime{};
}

// Shortened by a share of its own that is up to the policy's jitter. A cache may take any response for stale earlier
// than it has to.
Lifetime jittered(Lifetime lifetime, const ResponseFacts& response, const config::CachePolicy& policy) noexcept {
    if (policy.jitter_percent > 0) {
        constexpr std::int64_t kSides = 65'536; // of the dice
        lifetime.duration = std::min(lifetime.duration, kLongest);
        const std::int64_t share = std::int64_t{policy.jitter_percent} * response.dice;
        // Divided first: a century in milliseconds times percent and dice is more than 63 bits hold.
        lifetime.duration -= Duration(lifetime.duration.count() / 100 * share / kSides +
                                      lifetime.duration.count() % 100 * share / 100 / kSides);
    }
    return lifetime;
}

// DEVIATION: RFC 9111 section 4.2.1 knows no limits; max_ttl and min_ttl are an operator's word about the lifetimes
// that an origin names. Where both apply min_ttl has the last word.
Lifetime limited(Lifetime lifetime, const ResponseFacts& response, const config::CachePolicy& policy) noexcept {
    const bool is_capped = lifetime.is_explicit() || lifetime.source == LifetimeSource::Heuristic;
    if (is_capped && policy.max_ttl) {
        lifetime.duration = std::min(lifetime.duration, *policy.max_ttl);
    }
    lifetime = jittered(lifetime, response, policy);
    if (lifetime.source != LifetimeSource::None && !needs_origin_lifetime(response)) {
        lifetime.duration = std::max(lifetime.duration, policy.min_ttl);
    }
    return lifetime;
}

// The allowance of the response, else that of the policy.
Duration allowance(const http::DeltaSeconds& own, const std::optional<config::Milliseconds>& configured,
                   const ResponseFacts& response, const config::CachePolicy& policy) noexcept {
    if (own.valid()) {
        const Duration said = own.value();
        return policy.cloudfront && policy.max_ttl ? std::min<Duration>(said, *policy.max_ttl) : said;
    }
    // What hides an origin's errors does not prolong them: a stored error is not served stale by a policy's word.
    return is_stale_if_error_status(response.status, policy) ? kZero : configured.value_or(kZero);
}

} // namespace

std::string_view to_string(LifetimeSource source) noexcept {
    switch (source) {
    case LifetimeSource::PolicyTtl: return "ttl";
    case LifetimeSource::Targeted: return "targeted";
    case LifetimeSource::SMaxage: return "s-maxage";
    case LifetimeSource::MaxAge: return "max-age";
    case LifetimeSource::Expires: return "expires";
    case LifetimeSource::ErrorTtl: return "error_ttl";
    case LifetimeSource::DefaultTtl: return "default_ttl";
    case LifetimeSource::Heuristic: return "heuristic";
    case LifetimeSource::None: break;
    }
    return "none";
}

Lifetime freshness_lifetime(const ResponseFacts& facts, const config::CachePolicy& policy) noexcept {
    const ObeyedFacts obeyed(facts, policy);
    const ResponseFacts& response = obeyed.get();
    const bool may_assume = !needs_origin_lifetime(response);
    // DEVIATION: RFC 9111 section 4.2.1 asks the origin first; `ttl` is the operator's word instead of it.
    if (policy.ttl && may_assume) {
        return jittered({*policy.ttl, LifetimeSource::PolicyTtl}, response, policy);
    }
    Lifetime lifetime = origin_lifetime(response);
    if (lifetime.source != LifetimeSource::None && response.targeted) {
        lifetime.source = LifetimeSource::Targeted;
    }
    // A lifetime is guessed only where none is named. RFC 9111 section 4.2.2
    if (lifetime.source == LifetimeSource::None && may_assume) {
        lifetime = assumed_lifetime(response, policy);
    }
    lifetime = limited(lifetime, response, policy);
    // CloudFront keeps an error for the longer of what the origin and its error caching TTL say. DESIGN section 6
    if (policy.cloudfront && may_assume && response.status >= 400) {
        const auto error_ttl = policy.error_ttl.find(response.status);
        if (error_ttl && *error_ttl > lifetime.duration) {
            return jittered({*error_ttl, LifetimeSource::ErrorTtl}, response, policy);
        }
    }
    return lifetime;
}

// RFC 9111 section 4.2.3
Duration current_age(const ResponseFacts& response, WallTime now) noexcept {
    // apparent_age = max(0, response_time - date_value): RFC 9111 section 4.2.3
    // Date has whole seconds, so response_time is cut to whole seconds too: an answer that took no time has no age.
    const Duration apparent_age = std::max<Duration>(kZero, floor<seconds>(response.response_time) - response.date);
    // response_delay = response_time - request_time: RFC 9111 section 4.2.3
    const Duration response_delay = std::max<Duration>(kZero, response.response_time - response.request_time);
    // corrected_age_value = age_value + response_delay: RFC 9111 section 4.2.3
    const Duration corrected_age_value = seconds(response.age_seconds) + response_delay;
    // corrected_initial_age = max(apparent_age, corrected_age_value): RFC 9111 section 4.2.3
    const Duration corrected_initial_age = std::max(apparent_age, corrected_age_value);
    // resident_time = now - response_time; a clock that was set back makes nothing younger: RFC 9111 section 4.2.3
    const Duration resident_time = std::max<Duration>(kZero, now - response.response_time);
    return corrected_initial_age + resident_time;
}

// Fresh while freshness_lifetime > current_age. RFC 9111 section 4.2
Freshness freshness(const ResponseFacts& response, const config::CachePolicy& policy, WallTime now) noexcept {
    return {freshness_lifetime(response, policy), current_age(response, now)};
}

Duration stale_while_revalidate_window(const ResponseFacts& response, const config::CachePolicy& policy) noexcept {
    if (must_not_serve_stale(response, policy)) {
        return kZero;
    }
    return allowance(response.stale_while_revalidate, policy.stale_while_revalidate, response, policy);
}

Duration stale_if_error_window(const ResponseFacts& response, const RequestFacts& request,
                               const config::CachePolicy& policy) noexcept {
    if (must_not_serve_stale(response, policy)) {
        return kZero;
    }
    const Duration granted = allowance(response.stale_if_error, policy.stale_if_error, response, policy);
    // A request may allow it as well as a response (RFC 5861 section 4), but not against the proxy-revalidate that
    // s-maxage implies: RFC 9111 section 5.2.2.10
    const auto& asked = request.cache_control.stale_if_error;
    return asked.valid() && !response.s_maxage.present() ? std::max<Duration>(granted, asked.value()) : granted;
}

Duration disconnected_window(const ResponseFacts& response, const RequestFacts& request,
                             const config::CachePolicy& policy, const Lifetime& lifetime) noexcept {
    const Duration granted = stale_if_error_window(response, request, policy);
    const bool is_decided = response.stale_if_error.present() || policy.stale_if_error.has_value();
    // s-maxage implies proxy-revalidate. RFC 9111 section 5.2.2.10
    const bool is_forbidden = must_not_serve_stale(response, policy) || response.s_maxage.present() ||
                              is_stale_if_error_status(response.status, policy) || lifetime.duration <= kZero;
    // Who says no-cache, max-age or min-fresh wants nothing stale, unless max-stale is there too.
    // RFC 9111 section 5.2.1.1
    const auto& wishes = request.cache_control;
    const bool accepts_stale = wishes.max_stale_any || wishes.max_stale.valid();
    const bool is_unwanted =
        wishes.no_cache || ((wishes.max_age.valid() || wishes.min_fresh.valid()) && !accepts_stale);
    if (is_decided || is_forbidden || is_unwanted) {
        return granted;
    }
    // A cache that is disconnected may serve stale responses. RFC 9111 section 4.2.4
    return std::max<Duration>(granted, policy.stale_if_disconnected);
}

// A cache does not serve stale what an explicit directive forbids to: must-revalidate, proxy-revalidate (this cache is
// shared) and no-cache. RFC 9111 section 4.2.4
bool must_not_serve_stale(const ResponseFacts& response, const config::CachePolicy& policy) noexcept {
    return response.must_revalidate || response.proxy_revalidate || (response.no_cache && !policy.overrides.no_cache);
}

} // namespace gatehouse::cache::policy
