// The configuration as plain values: what the YAML says after it was read, checked and completed with defaults.
//
// A Config is immutable once loaded and shared by pointer; a reload builds another one. No YAML type appears here and
// every number carries its unit in its type or its name. Every queue, wait, size and count of the program is a field
// of this file.
#pragma once

#include "config/basics.h"
#include "config/cache_policy.h"
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

// The store below the one in memory (docs/DISK.md).
struct DiskCache {
    std::string path; // a directory; empty: there is no disk store
    std::uint64_t size_bytes = std::uint64_t{10} << 30;
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;
    // A response larger than this is not written. Default: an eighth of the size, at most 1 GiB.
    std::uint64_t max_object_bytes = 0;
    std::uint64_t write_bytes_per_second = 0; // on average; 0: no bound
    bool verify_always = false;               // not only at the first read since the start
    // How it is waited for. Auto: by io_uring where the kernel allows it, else by threads.
    enum class Io : std::uint8_t { Auto, Threads, IoUring };
    Io io = Io::Auto;
    // How long a body is still sent from a segment that was given up.
    Milliseconds pin_timeout{60'000};
};

struct Cache {
    MemoryCache memory;
    DiskCache disk;
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

// What a client gets that did not come over HTTPS.
enum class ViewerProtocolPolicy : std::uint8_t { AllowAll, RedirectToHttps, HttpsOnly };

struct Behavior {
    std::string path_pattern; // CloudFront glob: `*` crosses '/', `?` is one character
    RequestConditions when;
    OriginRequestRules origin_request;
    std::string origin_request_policy; // name; empty: none
    std::vector<std::string> allowed_methods; // empty: every method
    std::vector<std::string> cached_methods{"GET", "HEAD"};
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
    ErrorPages error_pages;
    SourcePlace place;
    // Resolved by validation; they live as long as the Config.
    const Origin* origin_ref = nullptr;
    const CachePolicy* policy_ref = nullptr;
    // The cache policy and what origin_request_policy forwards beside its key: then policy_ref is this one.
    std::shared_ptr<const CachePolicy> widened_policy;
    std::string key_prefix; // key_prefix_of(*this): config/key_prefix.h. Empty: to be asked for
    std::string when_text; // when.text(), which tells its stored responses from those of other conditions
    std::vector<const ResponseHeadersPolicy*> headers_refs;
    const ClientCacheControl* client_cache_control_ref = nullptr; // null: the origin's fields stay
    // Whether any of the rules for responses is given: where none is, nothing is asked about them.
    bool shapes_responses = false;
    bool caches_post = false;    // cached_methods has POST
    bool caches_options = false; // and OPTIONS
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
    std::uint64_t keyed_content_bytes = 64 * 1024 * 1024; // of cached POSTs that are held, of all clients together
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
    std::map<std::string, OriginRequestPolicy> origin_request_policies;     // likewise
    std::map<std::string, ResponseHeadersPolicy> response_headers_policies; // likewise
    std::vector<Behavior> behaviors;
    std::vector<std::string> trusted_proxies; // CIDR
    std::vector<std::string> secret_fields;   // of requests, in which policies look for a secret; nobody else sees them
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
