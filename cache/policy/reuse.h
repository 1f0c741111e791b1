// May a stored response answer this request (RFC 9111 section 4)?
#pragma once

#include "cache/policy/facts.h"
#include "cache/policy/freshness.h"
#include "cache/policy/reason.h"
#include "cache/policy/stored_head.h"
#include "http/result.h"

#include <optional>
#include <span>

namespace gatehouse::cache::policy {

// Whether this request may be looked up, and whether its answer may be stored for others, before anything is looked
// up. `lookup == false` means: forward, for `reason`. A response to a request that was not looked up is not stored,
// except where `may_store` says so (GET with no-cache goes around the lookup but refreshes the entry).
struct RequestDecision {
    bool lookup = false;    // look into the cache
    bool may_store = false; // the answer may be stored
    Reason reason = Reason::None;
};
// lookup is refused for: methods other than GET and HEAD that the behavior does not cache either (Method), a disabled
// policy (CachingDisabled), Upgrade (RequestUpgrade), If-Match and If-Unmodified-Since (RequestPrecondition); of the
// methods that a behavior caches, a POST with too much content (RequestTooLarge) and OPTIONS with any (RequestBody). A
// GET with content may be answered from the cache but its answer is not stored (RequestBody, may_store false). Range:
// lookup, and the answer to a forwarded range is stored as a part. Request no-store: lookup (RFC 9111 section 5.2.1.5
// speaks of storing), may_store false.
RequestDecision decide_request(const RequestFacts& request, const config::CachePolicy& policy) noexcept;

struct ReuseDecision {
    enum class Kind : std::uint8_t {
        ServeFresh,
        ServeStale,           // and nothing else: max-stale
        ServeStaleRevalidate, // and revalidate in the background
        Validate,             // forward a conditional request
        Forward,              // forward without a condition: the stored response has no validator
        GatewayTimeout        // only-if-cached (RFC 9111 section 5.2.1.7)
    };
    Kind kind = Kind::Forward;
    Reason reason = Reason::None;
    Freshness freshness;
};

// For a stored response whose variant already matches. Order: storable by today's rules (else Forward,
// PolicyChanged); response no-cache; request no-cache, max-age, min-fresh; fresh; stale-while-revalidate; max-stale
// (never past must-revalidate, proxy-revalidate, s-maxage, no-cache); else Validate or Forward, or GatewayTimeout.
// The reason names a request directive only where the stored response is fresh; one that is stale is forwarded with
// reason Stale (RFC 9211 section 2.2: `request` is about a fresh response). A request with max-age=0 is never served
// fresh. One with max-age or min-fresh is not served stale unless it also says max-stale.
ReuseDecision decide_reuse(const RequestFacts& request, const ResponseFacts& stored, const config::CachePolicy& policy,
                           WallTime now) noexcept;

// Whether a response like this is asked about for every request: no-cache, or no lifetime at all.
bool is_validated_each_time(const ResponseFacts& stored, const config::CachePolicy& policy) noexcept;

// Whether an answer that may not be reused without validation (no-cache, no lifetime, or one that ran out on its way
// here) may answer this request as well as the one that caused it, given that the origin was asked after this request
// had arrived, and that both are the same to it (identity.h). Not where this request makes demands of its own on the
// answer's age, which the origin was not told.
bool answers_collapsed(const RequestFacts& request, const ResponseFacts& answer,
                       const config::CachePolicy& policy) noexcept;

// Why the stored response may answer although the origin failed: StaleIfError (RFC 5861 section 4), StaleIfDisconnected
// (RFC 9111 section 4.2.4), or None when it may not. What is fresh, but was not fresh enough for the request, may as
// StaleIfError.
enum class OriginFailure : std::uint8_t {
    Error,       // an answer with a status that a stale response may hide, or one that cannot be used
    Disconnected // no answer at all: it cannot be reached, or says nothing
};
OriginFailure failure_of(http::ErrorKind error) noexcept;
Reason reason_to_serve_on(OriginFailure failure, const RequestFacts& request, const ResponseFacts& stored,
                          const config::CachePolicy& policy, WallTime now) noexcept;
inline bool may_serve_on_error(const RequestFacts& request, const ResponseFacts& stored,
                               const config::CachePolicy& policy, WallTime now) noexcept {
    return reason_to_serve_on(OriginFailure::Error, request, stored, policy, now) != Reason::None;
}
// Why the stored response may answer while the origin takes longer than the policy's stale_if_slow: StaleIfSlow, or
// None. It may when it might be served if the origin could not be reached, but not to a client that asks for a fresher
// answer.
Reason reason_to_serve_while_slow(const RequestFacts& request, const ResponseFacts& stored,
                                  const config::CachePolicy& policy, WallTime now) noexcept;
// Whether a fresh response is to be fetched again while it is served: XFetch, "Optimal probabilistic cache stampede
// prevention" (Vattani, Chierichetti, Lowenstein, VLDB 2015). The nearer its end, and the longer the origin took to
// make it, the more likely; `dice` is a random number of 64 bits.
bool refreshes_ahead(const ResponseFacts& stored, const Freshness& freshness, const config::CachePolicy& policy,
                     std::uint64_t dice) noexcept;
// RFC 5861 section 4 names 500, 502, 503 and 504; a policy may name others.
bool is_stale_if_error_status(int status, const config::CachePolicy& policy) noexcept;

// Which of several stored responses that match is used: the one with the latest Date, then the latest response_time
// (RFC 9111 section 4). Index into `candidates`; nullopt when none matches the request's fields. Parts are passed over.
std::optional<std::size_t> select_variant(std::span<const StoredHead> candidates, const http::Fields& request,
                                          config::LanguageMatching matching = config::LanguageMatching::AsSent);

} // namespace gatehouse::cache::policy
