// The rules of a behavior for what clients get to see of a response: plain values, as everything in config.h. Who
// applies them is cache/policy/client_head.h.
#pragma once

#include "config/basics.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::config {

// What clients are told about how long they may keep a response.
struct ClientCacheControl {
    // A value of Cache-Control; empty: the origin's fields stay.
    struct Value {
        std::string text;
        bool no_store = false;
        bool no_cache = false;
        bool is_private = false;
        bool immutable = false;
        bool passes() const noexcept { return text.empty(); }
    };
    bool configured = false;        // false: what a headers policy says, else the origin's fields stay
    Value value;                    // for what may be stored and kept by clients
    std::map<int, Value> by_status; // when_status
    std::map<int, Value> by_class;  // 4 for 4xx
    // What when_status says of this status, if anything; an exact status wins over its class.
    const Value* named(int status) const;
};

// One field that a headers policy sends.
struct FieldLine {
    std::string name;
    std::string value;
};

// The CORS block of a headers policy (the Fetch standard's fields, with CloudFront's meaning).
struct Cors {
    bool configured = false;
    std::vector<std::string> allow_origins; // `*`, https://a.example, *.a.example, https://*.a.example
    std::vector<std::string> allow_methods; // or ALL
    std::vector<std::string> allow_headers; // or `*`
    std::vector<std::string> expose_headers;
    bool allow_credentials = false;
    std::optional<Milliseconds> max_age;
    bool overrides = true; // replaces what the origin sends; false: gives way to any CORS field of the origin
    // Made of these by complete(): values as they are sent.
    std::string methods_text;
    std::string headers_text;
    std::string expose_text;
    std::string max_age_text;
    bool any_origin = false; // `*`
    bool answers_preflights = false; // here, without the origin
};

// The security block: each is sent only where it is given.
struct SecurityHeaders {
    struct Hsts {
        bool configured = false;
        Milliseconds max_age{std::chrono::hours(365 * 24)};
        bool include_subdomains = false;
        bool preload = false;
        bool overrides = false;
    };
    struct Text { // Content-Security-Policy, Referrer-Policy, X-Frame-Options
        std::string value;
        bool overrides = false;
    };
    struct TypeOptions {
        bool configured = false;
        bool overrides = true;
    };
    struct XssProtection {
        bool configured = false;
        bool protection = true;
        bool mode_block = false;
        std::string report_uri;
        bool overrides = false;
    };
    Hsts strict_transport_security;
    Text content_security_policy;
    Text referrer_policy;
    Text frame_options;
    TypeOptions content_type_options;
    XssProtection xss_protection;
};

struct ResponseHeadersPolicy {
    std::string name;
    // Which responses it is for; empty: all.
    std::vector<std::string> statuses;      // "404", "5xx"
    std::vector<std::string> content_types; // "text/html", "text/*"
    // In this order: remove, then the rest. A field that is removed and set is there.
    std::vector<std::string> remove;    // names; a `*` at the end is a glob
    std::vector<FieldLine> set;         // instead of what the origin sends
    std::vector<FieldLine> add;         // beside it
    std::vector<FieldLine> when_absent; // `default`: only where the origin sends none
    Cors cors;
    SecurityHeaders security;
    ClientCacheControl client_cache_control; // for behaviors that say nothing
    SourcePlace place;
};

// What becomes of the origin's entity tag.
enum class EtagRule : std::uint8_t {
    Keep,
    Generate, // a strong one from the stored content where the origin sends none that is valid
    Weaken,
    Remove
};

// What a client gets instead of an error: another resource of the same host, with the status it is given (CloudFront's
// custom error responses).
struct ErrorPage {
    std::string page; // path and query, such as /index.html
    int status = 0;   // 0: that of the error
};
struct ErrorPages {
    std::map<int, ErrorPage> by_status; // 404
    std::map<int, ErrorPage> by_class;  // 5 for 5xx
    bool empty() const noexcept { return by_status.empty() && by_class.empty(); }
    // An exact status wins over its class; null: the error stays.
    const ErrorPage* find(int status) const;
};

// The most lines that one policy sets, adds or defaults, and the most policies of one behavior.
inline constexpr std::size_t kMostFieldLines = 64;
inline constexpr std::size_t kMostHeadersPolicies = 8;

} // namespace gatehouse::config
