// What the decisions are made from: the facts of a request and of a response, parsed once.
//
// ResponseFacts is trivially copyable and is stored in front of a stored head, so that freshness and storability can
// be decided again at any time, by the rules of that time (DESIGN: "the store's expiry is only a hint").
#pragma once

#include "config/config.h"
#include "http/cache_control.h"
#include "http/message.h"
#include "http/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace gatehouse::cache::policy {

using http::Duration;
using http::WallTime;

struct RequestFacts {
    http::Method method = http::Method::Get;
    http::RequestCacheControl cache_control;
    bool authorization = false;
    bool cookie = false;
    bool range = false;
    bool has_content = false;              // Content-Length over 0 or chunked
    bool upgrade = false;                  // Connection: upgrade with an Upgrade field
    bool origin_only_precondition = false; // If-Match, If-Unmodified-Since
    // POST or OPTIONS, in a behavior whose `cached_methods` names it: a question like GET, with a key of its own.
    bool method_is_cached = false;
    bool content_too_large = false; // of such a POST: for the key
};

RequestFacts request_facts(const http::RequestHead& request, bool has_content);
// Whether the client's Cache-Control or Pragma says anything.
bool has_wishes(const RequestFacts& request) noexcept;
// Whether it asks for more than a response that is stored and fresh, or for its answer not to be stored.
bool asks_for_fresher(const RequestFacts& request) noexcept;
// What becomes of the client's own Cache-Control and Pragma, for a request that the cache is asked about.
enum class Wishes : std::uint8_t {
    Obeyed,
    Ignored,
    IgnoredAndTold, // with a Warning field in the answer
    Refused         // with a 403
};
// `authorized`: the client is one of the policy's authorized_requests; asked for only where that matters.
Wishes decide_wishes(const RequestFacts& request, const config::CachePolicy& policy, bool authorized) noexcept;
// Those that are not obeyed are taken out of the request.
inline void drop_wishes(RequestFacts& request) noexcept { request.cache_control = {}; }
// What the behavior's `cached_methods` say of this request. `content_bytes`: as far as is known before it came.
void apply_cached_methods(RequestFacts& facts, const http::Fields& request, const config::Behavior& behavior,
                          std::uint64_t content_bytes);

// An explicit lifetime field: absent, usable, or present and invalid (which means stale: RFC 9111 section 4.2.1).
enum class LifetimeState : std::uint8_t { Absent, Valid, Invalid };

struct ResponseFacts {
    // When the request to the origin was sent and when the head of the answer had arrived (RFC 9111 section 4.2.3).
    WallTime request_time{};
    WallTime response_time{};
    WallTime date{};               // Date; response_time when absent or invalid (RFC 9110 section 6.6.1)
    WallTime expires{};            // valid only with expires_state == Valid
    WallTime last_modified{};      // valid only with has_last_modified
    std::uint32_t age_seconds = 0; // Age of the response, 0 when absent or invalid (first member of a list counts)
    std::uint16_t status = 0;

    // From the request that caused it.
    bool method_is_get = true; // or is cached like it; a HEAD answer never makes a body entry
    bool from_post = false;    // a POST whose answer represents the target (RFC 9110 section 9.3.3)
    std::uint16_t dice = 0;    // thrown by the coordinator once for each answer: how much jitter takes off its lifetime
    std::uint64_t asker = 0;   // hash of identity_of (identity.h), set by the coordinator: who asked for it last
    bool request_authorization = false;
    bool request_no_store = false;
    bool request_cookie_unkeyed = false; // a Cookie field was forwarded that the key does not contain

    // From Cache-Control, or from the targeted field that replaced it (RFC 9213 section 2.1).
    bool targeted = false;
    bool no_store = false;
    bool no_cache = false;
    bool is_private = false;
    bool is_public = false;
    bool must_revalidate = false;
    bool proxy_revalidate = false;
    bool must_understand = false;
    bool immutable = false;
    http::DeltaSeconds max_age;
    http::DeltaSeconds s_maxage;
    http::DeltaSeconds stale_while_revalidate;
    http::DeltaSeconds stale_if_error;
    LifetimeState expires_state = LifetimeState::Absent;

    // What Cache-Control itself says, which is what clients are told, also where a targeted field replaced it here.
    bool field_no_store = false;
    bool field_no_cache = false; // also with names
    bool field_private = false;  // also with names

    bool has_last_modified = false;
    bool has_validator = false;  // of the origin's, to GET: a well-formed ETag or a valid Last-Modified
    bool etag_generated = false; // the stored ETag is ours (cache/policy/etag_rule.h)
    bool has_set_cookie = false;
    bool vary_star = false;
    bool is_part = false; // a 206 whose Content-Range says which part of how much it is (cache/policy/partial.h)
};
static_assert(std::is_trivially_copyable_v<ResponseFacts>);

// `targeted_names`: field names consulted in order before Cache-Control (RFC 9213). A targeted field that is present
// and parses is used alone; one that is present and does not parse is ignored.
ResponseFacts response_facts(const http::RequestHead& request, const RequestFacts& request_facts,
                             bool cookie_forwarded_unkeyed, const http::ResponseHead& response, WallTime request_time,
                             WallTime response_time, const std::vector<std::string>& targeted_names);

// The facts as far as the policy obeys them: without what its `override` names. A copy is made only where it names
// something.
class ObeyedFacts {
public:
    ObeyedFacts(const ResponseFacts& facts, const config::CachePolicy& policy) noexcept;
    ObeyedFacts(const ObeyedFacts&) = delete;
    ObeyedFacts& operator=(const ObeyedFacts&) = delete;
    const ResponseFacts& get() const noexcept { return changed_ ? *changed_ : facts_; }

private:
    const ResponseFacts& facts_;
    std::optional<ResponseFacts> changed_;
};

} // namespace gatehouse::cache::policy
