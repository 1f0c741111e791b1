#include "cache/policy/storability.h"

#include "http/message.h"

namespace gatehouse::cache::policy {

namespace {

constexpr Duration kZero{0};

// The status is final, and where must-understand is there its caching requirements are understood. RFC 9111 section 3
bool is_storable_status(const ResponseFacts& response) noexcept {
    const int status = response.status;
    // A 416 speaks of one request's Range, and would be the answer to everybody. RFC 9110 section 15.5.17
    const bool is_about_request = status == 304 || status == 416;
    return status >= 200 && !is_about_request && (!response.must_understand || http::is_understood(status));
}

// DEVIATION: RFC 9111 section 3 asks for understanding a status only with must-understand, 206 and 304. A lifetime
// that is assumed, by a policy or by heuristics, is given to no other status either: what is not understood may not be
// what it seems, so the origin itself has to say that it may be kept.
bool is_assumed_of_unknown(const ResponseFacts& response, const Lifetime& lifetime) noexcept {
    return !http::is_understood(response.status) && !lifetime.is_explicit() && !response.is_public;
}

// The answer to a request with Authorization is shared only with a directive that says so: must-revalidate, public
// or s-maxage. RFC 9111 section 3.5
bool authorization_forbids(const ResponseFacts& response) noexcept {
    return response.request_authorization && !response.is_public && !response.must_revalidate &&
           !response.s_maxage.valid();
}

// Set-Cookie does not stop a cache by itself (RFC 9111 section 7.3), but the origin has to mean it.
bool set_cookie_forbids(const ResponseFacts& response, const Lifetime& lifetime,
                        const config::CachePolicy& policy) noexcept {
    if (!response.has_set_cookie) {
        return false;
    }
    // A lifetime of zero is stored to be validated; each user would then be given the cookie of another.
    return policy.refuse_set_cookie || !lifetime.is_explicit() || lifetime.duration <= kZero || response.no_cache;
}

bool may_ever_be_served_stale(const ResponseFacts& response, const config::CachePolicy& policy) noexcept {
    return stale_while_revalidate_window(response, policy) > kZero ||
           stale_if_error_window(response, RequestFacts{}, policy) > kZero;
}

// Whether a stored copy could ever be of use: served fresh, served stale, or validated.
bool is_worth_storing(const ResponseFacts& response, const Lifetime& lifetime,
                      const config::CachePolicy& policy) noexcept {
    // no-cache: validated before each use. RFC 9111 section 5.2.2.4
    // Without explicit freshness the status must be heuristically cacheable, or the response public.
    // RFC 9111 section 3
    if (response.no_cache) {
        const bool is_allowed = lifetime.source != LifetimeSource::None || response.is_public ||
                                http::is_heuristically_cacheable(response.status);
        return is_allowed && response.has_validator;
    }
    if (lifetime.duration > kZero) {
        return true;
    }
    // A `ttl`, `default_ttl` or `error_ttl` of zero says: not stored.
    return lifetime.is_explicit() && (response.has_validator || may_ever_be_served_stale(response, policy));
}

// Why the directives and the status forbid storing, or None.
Reason forbidden_by_response(const ResponseFacts& response) noexcept {
    // no-store in the request: neither the request nor its answer is stored. RFC 9111 section 5.2.1.5
    if (response.request_no_store) {
        return Reason::RequestNoStore;
    }
    // The method must be understood by the cache; the answer to HEAD has no content to store. RFC 9111 section 3
    if (!response.method_is_get && !response.from_post) {
        return Reason::Method;
    }
    if (!is_storable_status(response)) {
        return Reason::StatusNotStorable;
    }
    // A partial response is stored where it is understood which part it is. RFC 9111 section 3.3
    if (response.status == 206 && !response.is_part) {
        return Reason::ContentRange;
    }
    // no-store forbids storing (RFC 9111 section 5.2.2.5), but beside must-understand it is ignored where the status is
    // understood, which it is here: RFC 9111 section 5.2.2.3
    if (response.no_store && !response.must_understand) {
        return Reason::ResponseNoStore;
    }
    // private without names: a shared cache does not store it. RFC 9111 section 5.2.2.7
    if (response.is_private) {
        return Reason::ResponsePrivate;
    }
    if (authorization_forbids(response)) {
        return Reason::Authorization;
    }
    // Vary: * never matches another request, so that the copy could never be used. RFC 9111 section 4.1
    return response.vary_star ? Reason::VaryStar : Reason::None;
}

} // namespace

StoreDecision decide_storability(const ResponseFacts& facts, const config::CachePolicy& policy) noexcept {
    if (policy.disabled) {
        return {false, Reason::CachingDisabled, {}};
    }
    const ObeyedFacts obeyed(facts, policy);
    const ResponseFacts& response = obeyed.get();
    if (const Reason reason = forbidden_by_response(response); reason != Reason::None) {
        return {false, reason, {}};
    }
    const Lifetime lifetime = freshness_lifetime(response, policy);
    // The answer to a POST is stored only with an explicit lifetime. RFC 9110 section 9.3.3
    if (response.from_post && !lifetime.is_explicit()) {
        return {false, Reason::Method, {}};
    }
    if (is_assumed_of_unknown(response, lifetime)) {
        return {false, Reason::StatusNotStorable, {}};
    }
    if (set_cookie_forbids(response, lifetime, policy)) {
        return {false, Reason::SetCookie, {}};
    }
    if (response.request_cookie_unkeyed && !lifetime.is_explicit()) {
        return {false, Reason::CookieForwarded, {}};
    }
    if (!is_worth_storing(response, lifetime, policy)) {
        return {false, Reason::NoLifetime, {}};
    }
    return {true, Reason::None, lifetime};
}

} // namespace gatehouse::cache::policy
