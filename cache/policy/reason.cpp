#include "cache/policy/reason.h"

namespace gatehouse::cache::policy {

namespace {

struct Row {
    Reason reason;
    std::string_view token;
    std::string_view sentence;
};

constexpr std::array<Row, kReasonCount> kRows = {{
    {Reason::None, "none", "There is nothing to explain."},
    {Reason::UriMiss, "uri_miss", "Nothing is stored for this URL."},
    {Reason::VaryMiss, "vary_miss",
     "Something is stored for this URL, but for other values of the fields that Vary names."},
    {Reason::Method, "method",
     "Only GET and HEAD are answered from the cache; stored are answers to GET, and to a POST that say so themselves."},
    {Reason::CachingDisabled, "caching_disabled", "The behavior's cache policy switches caching off."},
    {Reason::RequestNoCache, "request_no_cache",
     "The request says no-cache: it wants an answer that the origin confirmed."},
    {Reason::RequestMaxAge, "request_max_age", "The stored response is older than the request's max-age allows."},
    {Reason::RequestMinFresh, "request_min_fresh",
     "The stored response does not stay fresh for as long as the request's min-fresh asks."},
    {Reason::OnlyIfCached, "only_if_cached",
     "The request says only-if-cached, and the cache has no answer it may give."},
    {Reason::Stale, "stale", "The stored response is stale and may not be served stale."},
    {Reason::ResponseNoCache, "response_no_cache",
     "The stored response says no-cache: it is validated before each use."},
    {Reason::PolicyChanged, "policy_changed",
     "The configuration changed, and by today's rules the response would not be stored."},
    {Reason::Purged, "purged", "The stored response was purged."},
    {Reason::Invalidated, "invalidated", "A request that changes the resource invalidated the stored response."},
    {Reason::RequestBody, "request_body", "The request carries content, so its answer is not kept for others."},
    {Reason::RequestRange, "request_range", "The request asks for a range of something that is not stored."},
    {Reason::PartialMiss, "partial", "Only a part of the response is stored, and the request asks for more."},
    {Reason::RequestPrecondition, "request_precondition",
     "The request says If-Match or If-Unmodified-Since, which only the origin may evaluate."},
    {Reason::RequestUpgrade, "request_upgrade", "The request asks to switch protocols."},
    {Reason::KnownUncacheable, "known_uncacheable",
     "An earlier answer to this URL could not be stored, so this request did not wait for another one."},
    {Reason::NotShareable, "not_shareable", "The answer this request waited for may not be used for it."},
    {Reason::TooManyWaiters, "too_many_waiters",
     "As many requests as limits.waiters_per_fetch allows waited for this answer already."},
    {Reason::WaitedTooLong, "waited_too_long",
     "The answer that another request had asked for did not come within the policy's collapse max_wait."},
    {Reason::RequestTooLarge, "request_too_large",
     "The content of the request is larger than key.max_body_size, so it cannot be part of the key."},
    {Reason::RequestNoStore, "request_no_store", "The request says no-store."},
    {Reason::ResponseNoStore, "response_no_store", "The response says no-store."},
    {Reason::ResponsePrivate, "response_private", "The response says private: it is meant for one user."},
    {Reason::Authorization, "authorization",
     "The request carries Authorization, and the response does not say that it may be shared all the same."},
    {Reason::SetCookie, "set_cookie",
     "The response sets a cookie, and the policy or the missing lifetime forbids storing it."},
    {Reason::CookieForwarded, "cookie_forwarded",
     "The origin saw cookies that are not part of the key, and the response names no lifetime of its own."},
    {Reason::VaryStar, "vary_star", "The response says Vary: *, so no other request could use it."},
    {Reason::StatusNotStorable, "status_not_storable",
     "The status is not final, or this cache does not understand it and the origin names no lifetime."},
    {Reason::ContentRange, "content_range",
     "The response is partial, and its Content-Range is missing, has no complete length, or is not what came."},
    {Reason::NoLifetime, "no_lifetime",
     "The response names no lifetime, no default applies, or it would be stale at once and could not be validated."},
    {Reason::ResponseTooLarge, "response_too_large", "The response is larger than the largest one that is stored."},
    {Reason::MemoryBudget, "memory_budget", "All of the cache's memory is in use by responses being sent."},
    {Reason::TooManyVariants, "too_many_variants", "Too many variants of this URL are stored already."},
    {Reason::Incomplete, "incomplete", "The content ended before it was complete."},
    {Reason::OriginError, "origin_error", "The origin did not answer."},
    {Reason::PurgedMeanwhile, "purged_meanwhile", "It was purged or invalidated while it was being fetched."},
    {Reason::Superseded, "superseded", "The answer to a request that was sent later had been stored before it came."},
    {Reason::StaleWhileRevalidate, "stale_while_revalidate",
     "The response is stale and is served while it is revalidated."},
    {Reason::StaleIfError, "stale_if_error",
     "The origin failed, and the stored response may be served although it is stale."},
    {Reason::StaleIfDisconnected, "stale_if_disconnected",
     "The origin cannot be reached, and the policy lets the stored response be served stale meanwhile."},
    {Reason::StaleIfSlow, "stale_if_slow",
     "The origin took longer than stale_if_slow to answer, and the stored response may be served stale meanwhile."},
    {Reason::RequestMaxStale, "request_max_stale", "The response is stale, and the request's max-stale accepts that."},
    {Reason::RefreshAhead, "refresh_ahead", "The response is fresh, and is fetched again before its end."},
}};

constexpr bool rows_are_in_order() {
    for (std::size_t i = 0; i < kRows.size(); ++i) {
        if (static_cast<std::size_t>(kRows[i].reason) != i || kRows[i].token.empty() || kRows[i].sentence.empty()) {
            return false;
        }
    }
    return true;
}
static_assert(rows_are_in_order(), "one row for each Reason, in the order of the enumeration");

const Row& row_of(Reason reason) noexcept {
    const auto index = static_cast<std::size_t>(reason);
    return kRows[index < kRows.size() ? index : 0];
}

} // namespace

std::string_view to_string(Reason reason) noexcept { return row_of(reason).token; }

std::string_view sentence(Reason reason) noexcept { return row_of(reason).sentence; }

} // namespace gatehouse::cache::policy
