// The configuration as plain values: what the YAML says after it was read, checked and completed with defaults.
//
// A Config is immutable once loaded and shared by pointer; a reload builds another one. No YAML type appears here and
// every number carries its unit in its type or its name. Every queue, wait, size and count of the program is a field
// of this file.
#pragma once

#include "config/basics.h"
#include "config/request_rules.h"
#include "config/response_rules.h"
#include "config/rule_test.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::config {

// "0.0.0.0:8080", "[::1]:8080", "unix:/run/gatehouse.sock"
struct Address {
    enum class Kind : std::uint8_t { Tcp, Unix };
    Kind kind = Kind::Tcp;
    std::string host; // IP literal without brackets (listeners take no names)
    std::uint16_t port = 0;
    std::string path; // Unix
    std::string text; // as written
};

struct Listener {
    Address address;
};

struct Admin {
    std::optional<Address> address; // absent: no admin listener
    // Host names the admin listener answers to beside IP literals and "localhost" (DNS rebinding).
    std::vector<std::string> allowed_hosts;
};

struct MemoryCache {
    // Bytes for heads, bodies, index, ghosts, bodies in flight and evicted bodies that are still being read.
    // Default: a quarter of the cgroup's (or the machine's) memory, at most 1 GiB; resolved by the loader.
    std::uint64_t size_bytes = 0;
    // A response larger than this is not kept in memory. Default: the smaller of 8 MiB and a quarter of the size.
    std::uint64_t max_object_bytes = 0;
    // Buffers of responses that pass through without being stored. Default: the smaller of 64 MiB and an eighth of
    // size.
    std::uint64_t relay_bytes = 0;
    unsigned shards = 16;       // power of two
    unsigned max_variants = 32; // stored responses per key (Vary)
};

struct Cache {
    MemoryCache memory;
};

struct OriginTimeouts {
    Milliseconds connect{5'000};     // name, TCP and TLS together
    Milliseconds first_byte{30'000}; // request sent to response head complete
    Milliseconds between_bytes{30'000};
    Milliseconds total{0}; // 0: none
};

struct OriginTls {
    bool verify = true;
    std::string ca_file;     // PEM; empty: the system's roots
    std::string server_name; // SNI and the name verified; empty: the url's host
};

struct Origin {
    std::string name;
    std::string url; // as written
    // Taken from the url:
    bool tls = false;
    std::string host; // without brackets
    std::uint16_t port = 0;
    std::string authority; // Host field towards the origin
    std::string path;      // put in front of the request's path; "" or "/prod"
    OriginTimeouts timeouts;
    OriginTls tls_options;
    unsigned max_connections = 1024;    // per origin, all cores
    unsigned max_idle_connections = 64; // per origin and core
    Milliseconds idle_timeout{60'000};
    SourcePlace place;
};

struct KeyRules {
    NameSelection query_strings{NameSelection::Mode::All, {}};
    NameSelection headers{NameSelection::Mode::None, {}}; // None or Allow
    NameSelection cookies{NameSelection::Mode::None, {}};
    bool any_host = false;   // host: any
    bool sort_query = false; // the order of query parameters makes no difference
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

// What a client's Cache-Control and Pragma may do: what RFC 9111 section 5.2.1 says, or nothing.
enum class RequestCacheControl : std::uint8_t { Honor, Ignore };

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
    RequestCacheControl request_cache_control = RequestCacheControl::Honor;
    Normalization normalize;
    // Built in under a name of CloudFront's: errors live for the longer of error_ttl and what the origin says, none lives
    // by default_ttl, and max_ttl bounds what the origin says of stale responses.
    bool cloudfront = false;
    LanguageMatching accept_language = LanguageMatching::AsSent;
    bool collapse = true; // requests wait for what another one has asked for
    RangeHandling range = RangeHandling::Auto;
    std::uint64_t slice_bytes = 0; // RangeHandling::Slice
    KeyRules key;
    ForwardOnly forward_only; // own policies
    std::vector<std::string> targeted_cache_control{"CDN-Cache-Control"};
    bool withhold_targeted_cache_control = false; // targeted_cache_control_to_clients: remove
    SourcePlace place;
};

// What a client gets that did not come over HTTPS.
enum class ViewerProtocolPolicy : std::uint8_t { AllowAll, RedirectToHttps, HttpsOnly };

struct Behavior {
    std::string path_pattern; // CloudFront glob: `*` crosses '/', `?` is one character
    RequestConditions when;
    OriginRequestRules origin_request;
    std::vector<std::string> allowed_methods; // empty: every method
    ViewerProtocolPolicy viewer_protocol_policy = ViewerProtocolPolicy::AllowAll;
    std::string share; // behaviors that name the same one share their stored responses
    std::string origin;       // name
    std::string cache_policy; // name; "RFC9111" when absent
    enum class HostMode : std::uint8_t { Origin, Viewer };
    HostMode host = HostMode::Origin;
    bool cache_status_key = false; // Cache-Status shows the key
    EtagRule etag = EtagRule::Keep;
    ClientCacheControl client_cache_control;
    std::vector<std::string> response_headers_policies; // names, applied in this order
    SourcePlace place;
    // Resolved by validation; they live as long as the Config.
    const Origin* origin_ref = nullptr;
    const CachePolicy* policy_ref = nullptr;
    std::string when_text; // when.text(), which tells its stored responses from those of other conditions
    std::vector<const ResponseHeadersPolicy*> headers_refs;
    const ClientCacheControl* client_cache_control_ref = nullptr; // null: the origin's fields stay
    // Whether any of the rules for responses is given: where none is, nothing is asked about them.
    bool shapes_responses = false;
};

struct Dns {
    std::vector<std::string> servers; // "192.0.2.53", "192.0.2.53:5353", "[::1]:53"; empty: resolv.conf
    Milliseconds min_ttl{1'000};
    Milliseconds max_ttl{300'000};
    Milliseconds stale{86'400'000}; // how long the last good answer is used while the resolver fails
    Milliseconds timeout{2'000};    // of one query
};

struct Limits {
    std::uint32_t head_bytes = 64 * 1024; // request line and fields
    std::uint32_t target_bytes = 8192;    // request-target
    std::uint32_t head_fields = 128;
    std::uint32_t response_head_bytes = 128 * 1024;
    std::uint32_t response_head_fields = 256;
    std::uint32_t connections = 20'000;     // clients, all listeners
    std::uint64_t drain_bytes = 256 * 1024; // of a request body nobody reads, before the connection is closed instead
    std::uint32_t unsent_bytes = 1024 * 1024; // of responses, per client, that the kernel takes ahead of the client
    std::uint32_t replay_bytes = 64 * 1024; // of a request body kept so that it can be sent again
    std::uint32_t waiters_per_fetch = 100'000;
    std::uint32_t interim_responses = 16; // 1xx per response
};

struct Timeouts {
    Milliseconds header{10'000}; // first byte of a head to its end
    Milliseconds idle{75'000};   // between requests
    Milliseconds body{30'000};   // between two reads of a request body
    Milliseconds send{30'000};   // a client that takes nothing: between two successful writes
    Milliseconds tunnel_idle{600'000};
    Milliseconds slow_reader{10'000};    // how long a fetch waits for its slowest reader
    Milliseconds expect_continue{1'000}; // for the origin's 100 before the body is sent anyway
    Milliseconds shutdown{30'000};
    Milliseconds uncacheable_memory{60'000}; // how long a key found not storable is not queued for
};

struct AccessLog {
    bool enabled = true;
    std::string path = "-";             // "-": standard output
    std::uint32_t queue_records = 8192; // per core; more are dropped and counted
};

struct Config {
    std::string file;
    std::vector<Listener> listeners;
    Admin admin;
    unsigned workers = 0; // 0: auto, what the cgroup grants
    Cache cache;
    std::map<std::string, Origin> origins;
    std::map<std::string, CachePolicy> cache_policies; // with the built-in ones
    std::map<std::string, ResponseHeadersPolicy> response_headers_policies; // likewise
    std::vector<Behavior> behaviors;
    std::vector<std::string> trusted_proxies; // CIDR
    std::vector<RuleTest> tests;
    // Where each field stands that is written, by its path: "cache_policies.catalogue.max_ttl".
    std::map<std::string, SourcePlace> places;
    Dns dns;
    Limits limits;
    Timeouts timeouts;
    AccessLog access_log;

    Config() = default;
    Config(const Config&) = delete; // behaviors point into it
    Config& operator=(const Config&) = delete;
};

// The policy every behavior without cache_policy uses.
inline constexpr const char* kRfc9111PolicyName = "RFC9111";
inline constexpr const char* kCachingDisabledPolicyName = "CachingDisabled";

} // namespace gatehouse::config
