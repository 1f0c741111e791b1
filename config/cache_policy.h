// What a cache policy is: which responses may be stored, for how long, under which key, and what is served when the origin
// is slow, down or asked too often. Plain values, as everything in config.h.
#pragma once

#include "config/basics.h"
#include "config/request_rules.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::config {

struct KeyRules {
    NameSelection query_strings{NameSelection::Mode::All, {}};
    NameSelection headers{NameSelection::Mode::None, {}}; // None or Allow
    NameSelection cookies{NameSelection::Mode::None, {}};
    bool any_host = false;   // host: any
    bool sort_query = false; // the order of query parameters makes no difference
    std::uint64_t max_body_bytes = 64 * 1024; // of a cached POST: its content is keyed by a hash up to this size
};

// A duration keyed by status: exact codes ("404") and classes ("5xx"); exact wins.
struct StatusDurations {
    std::map<int, Milliseconds> by_status; // 404
    std::map<int, Milliseconds> by_class;  // 5 for 5xx
    std::optional<Milliseconds> find(int status) const;
    bool empty() const noexcept { return by_status.empty() && by_class.empty(); }
};

// Which requests that differ in Accept-Language get the same stored response where Vary names it.
enum class LanguageMatching : std::uint8_t {
    AsSent,   // those whose field means the same
    AnyOrder, // those that list the same languages with the same weights
    Preferred // also those that prefer, above all others, the language that Content-Language names
};

// Which prohibitions of an origin an operator takes back, one by one.
struct Overrides {
    bool no_store = false;
    bool is_private = false;
    bool no_cache = false;
    bool set_cookie = false;
    bool authorization = false;
    bool any() const noexcept { return no_store || is_private || no_cache || set_cookie || authorization; }
};

// What a client's Cache-Control and Pragma may do: what RFC 9111 section 5.2.1 says, nothing, or the one for those who
// show that they may and the other for everybody else.
enum class RequestCacheControl : std::uint8_t { Honor, Ignore, Authorized };

// Who may ask for an answer of the origin under RequestCacheControl::Authorized, and what becomes of a request that may
// not: API Gateway's rules for the invalidation of a cache entry.
struct AuthorizedRequests {
    enum class Otherwise : std::uint8_t {
        Warn,   // its directives are ignored, and a Warning field says so
        Ignore, // they are ignored
        Refuse  // 403
    };
    std::string header = "X-Gatehouse-Secret"; // field that carries the secret; the origin never gets it
    std::vector<std::string> secrets;          // any of them
    std::vector<std::string> networks;         // CIDR; clients of any of them need no secret
    Otherwise otherwise = Otherwise::Warn;
};

// Which names of the origin's Vary count.
struct VaryRule {
    bool ignore_all = false;          // none but `*`
    std::vector<std::string> ignored; // all but these, in lower case
    bool any() const noexcept { return ignore_all || !ignored.empty(); }
};

// Request fields that are reduced to a few values before anything is looked up; empty: as they come.
struct Normalization {
    std::vector<std::string> accept_encoding; // the codings that matter, in the order of the reduced field
    std::vector<std::string> accept_language; // the languages there are; the first is for everybody else
    bool device_class = false;                // User-Agent becomes mobile, tablet or desktop
    bool any() const noexcept { return !accept_encoding.empty() || !accept_language.empty() || device_class; }
};

// Statuses, and classes of them.
struct StatusSet {
    std::vector<int> statuses; // 503
    std::vector<int> classes;  // 5 for 5xx
    bool contains(int status) const noexcept;
};

// What is done with a Range that nothing stored covers (docs/RANGES.md).
enum class RangeHandling : std::uint8_t {
    Auto, // Fill for what is known to be small, Pass for everything else
    Pass, // it is forwarded, and the part that comes is stored
    Fill, // the whole is fetched and stored, and the range is answered out of it
    Slice // the whole and every range of it are put together from slices of slice_bytes
};

struct CachePolicy {
    std::string name;
    bool disabled = false; // CachingDisabled: neither looked up nor stored
    // RFC9111: everything is forwarded and the whole query keyed; Vary protects the rest. Own policies remove unkeyed
    // cookies and query parameters towards the origin.
    bool forward_everything = false;
    Milliseconds min_ttl{0};
    std::optional<Milliseconds> default_ttl;            // only when the origin names no lifetime
    std::optional<Milliseconds> max_ttl;                // only when it does
    std::optional<Milliseconds> ttl;                    // instead of the origin's
    std::optional<Milliseconds> stale_while_revalidate; // when the response names none
    std::optional<Milliseconds> stale_if_error;         // when the response names none
    // While the origin cannot be reached at all, when nothing says anything about errors (RFC 9111 section 4.2.4).
    Milliseconds stale_if_disconnected{86'400'000};
    StatusDurations error_ttl;
    bool heuristic = true;         // RFC 9111 section 4.2.2; off where default_ttl is set
    bool immutable = false;        // the content at a URL never changes, whatever validators say of it
    bool refuse_set_cookie = true; // own policies; RFC9111 stores it when the origin names a lifetime
    Overrides overrides;
    StatusSet stale_if_error_statuses{{500, 502, 503, 504}, {}};
    // An origin that has not answered a validation for this long counts, for the request that waits, as one that cannot
    // be reached; the validation goes on. Absent: requests wait.
    std::optional<Milliseconds> stale_if_slow;
    // How much of each lifetime is taken off at most, so that what was stored together does not end together.
    unsigned jitter_percent = 0;
    // XFetch's beta: how eagerly a response is fetched again before its end; 0: never.
    unsigned refresh_ahead = 0;
    RequestCacheControl request_cache_control = RequestCacheControl::Honor;
    AuthorizedRequests authorized_requests;
    VaryRule vary;
    bool no_vary_search = true; // the origin's No-Vary-Search makes queries equal
    Normalization normalize;
    // Built in under a name of CloudFront's: errors live for the longer of error_ttl and what the origin says, none lives
    // by default_ttl, and max_ttl bounds what the origin says of stale responses.
    bool cloudfront = false;
    LanguageMatching accept_language = LanguageMatching::AsSent;
    bool collapse = true; // requests wait for what another one has asked for
    Milliseconds collapse_max_wait{0}; // for no longer than this; 0: as long as it takes
    RangeHandling range = RangeHandling::Auto;
    std::uint64_t slice_bytes = 0; // RangeHandling::Slice
    KeyRules key;
    ForwardOnly forward_only; // own policies
    std::vector<std::string> targeted_cache_control{"CDN-Cache-Control"};
    bool withhold_targeted_cache_control = false; // targeted_cache_control_to_clients: remove
    SourcePlace place;
};

} // namespace gatehouse::config
