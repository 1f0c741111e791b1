// Warnings: for each kind, what raises it and what does not.
#include "config/lint.h"

#include "config/glob.h"
#include "config/loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

using namespace gatehouse::config;

namespace {

const std::string kApi = "https://a.Execute-Api.eu-west-1.amazonaws.com/prod";

struct LintRow {
    std::string name;
    std::string rule;              // "": no warning
    std::string path;              // of the warning
    std::string at;                // the first text that stands at its place
    std::string message;           // a part of it
    std::string policy = {};       // the fields of cache_policies.p
    std::string origin = {};       // the fields of origins.a
    std::string behaviors = {};    // instead of the usual ones
    std::string further = {};      // a line at the end
    std::string more_origins = {}; // behind origins.a
};

std::string yaml_of(const LintRow& row) {
    const std::string origin = row.origin.empty() ? "url: 'https://b'" : row.origin;
    const std::string behaviors = row.behaviors.empty()
                                      ? "{path_pattern: /p/*, origin: a, cache_policy: p}, {path_pattern: '*', "
                                        "origin: a}"
                                      : row.behaviors;
    return "listeners: [{address: '127.0.0.1:0'}]\norigins: {a: {" + origin + "}" + row.more_origins +
           "}\ncache_policies:\n  p: {" + row.policy + "}\nbehaviors: [" + behaviors + "]\n" + row.further + "\n";
}

const std::string kFirst = "{path_pattern: /p/*, origin: a, cache_policy: p}, ";
const std::string kAll = "{path_pattern: '*', origin: a, cache_policy: p}";

LintRow policy_row(std::string name, std::string policy, std::string rule = "", std::string field = "",
                   std::string at = "", std::string message = "") {
    LintRow row{std::move(name), std::move(rule), "", std::move(at), std::move(message)};
    row.path = "cache_policies.p" + field;
    row.policy = std::move(policy);
    return row;
}

LintRow origin_row(std::string name, std::string origin, std::string rule = "", std::string field = "",
                   std::string at = "", std::string message = "") {
    LintRow row{std::move(name), std::move(rule), "", std::move(at), std::move(message)};
    row.path = "origins.a" + field;
    row.origin = std::move(origin);
    return row;
}

LintRow behavior_row(std::string name, std::string behaviors, std::string rule = "", std::string path = "",
                     std::string at = "", std::string message = "") {
    LintRow row{std::move(name), std::move(rule), std::move(path), std::move(at), std::move(message)};
    row.behaviors = std::move(behaviors);
    return row;
}

LintRow further_row(std::string name, std::string further, std::string rule = "", std::string path = "",
                    std::string at = "", std::string message = "") {
    LintRow row{std::move(name), std::move(rule), std::move(path), std::move(at), std::move(message)};
    row.further = std::move(further);
    return row;
}

LintRow with_origin(LintRow row, std::string origin) {
    row.origin = std::move(origin);
    return row;
}

LintRow with_policy(LintRow row, std::string policy) {
    row.policy = std::move(policy);
    return row;
}

const LintRow kRows[] = {
    policy_row("nothing to say", ""),
    // Behaviors.
    behavior_row("the same pattern twice",
                 "{path_pattern: /a, origin: a, cache_policy: p}, {path_pattern: \"/a\", origin: a}",
                 "unreachable-behavior", "behaviors[1].path_pattern", "\"/a\"",
                 "never reached: `/a` of behaviors[0] on line 5 takes every path of this pattern; move this behavior"),
    behavior_row("a pattern behind one for all", kAll + ", {path_pattern: /a/*, origin: a}", "unreachable-behavior",
                 "behaviors[1].path_pattern", "/a/*", "or remove it"),
    behavior_row("a pattern in front of one for all", "{path_pattern: /a/*, origin: a}, " + kAll),
    behavior_row("a pattern behind one for all that asks for more",
                 "{path_pattern: '*', origin: a, when: {methods: [GET]}}, " + kAll),
    behavior_row("the same pattern with the same conditions",
                 "{path_pattern: '*', origin: a, when: {methods: [GET, HEAD]}, cache_policy: p}, "
                 "{path_pattern: \"*\", origin: a, when: {methods: [HEAD, GET]}}, " +
                     kAll,
                 "unreachable-behavior", "behaviors[1].path_pattern", "\"*\"", "never reached"),
    behavior_row("more than a day for browsers",
                 "{path_pattern: '*', origin: a, cache_policy: p, client_cache_control: \"public, max-age=86401\"}",
                 "long-for-browsers", "behaviors[0].client_cache_control", "\"public", "no purge reaches them"),
    behavior_row("a day for browsers",
                 "{path_pattern: '*', origin: a, cache_policy: p, client_cache_control: \"public, max-age=86400\"}"),
    behavior_row("a year for what never changes",
                 "{path_pattern: '*', origin: a, cache_policy: p, client_cache_control: "
                 "\"public, max-age=31536000, immutable\"}"),
    behavior_row("patterns that share paths", "{path_pattern: /a/*, origin: a}, {path_pattern: '*.jpg', origin: a, "
                                              "cache_policy: p}"),
    with_origin(behavior_row("the viewer's Host for API Gateway",
                             "{path_pattern: '*', origin: a, cache_policy: p, host: viewer}",
                             "viewer-host-to-api-gateway", "behaviors[0].host", "viewer",
                             "write `host: origin`, or make an own domain name of API Gateway the url of `a`"),
                "url: '" + kApi + "'"),
    with_origin(behavior_row("the origin's Host for API Gateway",
                             "{path_pattern: '*', origin: a, cache_policy: p, host: origin}"),
                "url: '" + kApi + "'"),
    behavior_row("the viewer's Host for another origin",
                 "{path_pattern: '*', origin: a, cache_policy: p, host: viewer}"),
    with_origin(behavior_row("the viewer's Host for a name that only looks like it",
                             "{path_pattern: '*', origin: a, cache_policy: p, host: viewer}"),
                "url: 'https://a.execute-api.example.com'"),
    with_policy(behavior_row("hosts that share responses, told apart by the origin",
                             "{path_pattern: '*', origin: a, cache_policy: p, host: viewer}", "hosts-mixed",
                             "behaviors[0].host", "viewer", "`p` stores one response for all of them"),
                "key: {host: any}"),
    with_policy(behavior_row("hosts that share responses", kAll), "key: {host: any}"),
    // Cached methods.
    behavior_row("POST cached for every request",
                 "{path_pattern: '*', origin: a, cache_policy: p, cached_methods: [GET, HEAD, POST]}", "post-for-all",
                 "behaviors[0].cached_methods", "[GET", "never reaches the origin; name the paths that only ask"),
    behavior_row("POST cached for every POST",
                 "{path_pattern: /*, origin: a, cache_policy: p, cached_methods: [HEAD, GET, POST], when: {methods: "
                 "[POST]}}",
                 "post-for-all", "behaviors[0].cached_methods", "[HEAD", "or what tells such requests apart in `when`"),
    behavior_row("POST cached for what a field marks",
                 "{path_pattern: '*', origin: a, cache_policy: p, cached_methods: [GET, HEAD, POST], when: {headers: "
                 "{X-Operation: query}}}"),
    behavior_row("POST cached for a path",
                 "{path_pattern: /search, origin: a, cache_policy: p, cached_methods: [GET, HEAD, POST]}"),
    behavior_row("OPTIONS cached for every request",
                 "{path_pattern: '*', origin: a, cache_policy: p, cached_methods: [GET, HEAD, OPTIONS]}"),
    behavior_row("methods cached by a policy that caches nothing",
                 "{path_pattern: /a, origin: a, cache_policy: CachingDisabled, cached_methods: [GET, HEAD, POST]}, "
                 "{path_pattern: '*', origin: a, cache_policy: p}",
                 "no-effect", "behaviors[0].cached_methods", "[GET", "no effect: `CachingDisabled` caches nothing"),
    with_policy(behavior_row("a size of keyed content", kAll, "no-effect", "cache_policies.p.key.max_body_size", "1KiB",
                             "no behavior with this policy has POST in its `cached_methods`"),
                "key: {max_body_size: 1KiB}"),
    with_policy(behavior_row("a size of keyed content where POST is cached",
                             "{path_pattern: /a, origin: a, cache_policy: p, cached_methods: [GET, HEAD, POST]}"),
                "key: {max_body_size: 1KiB}"),
    with_origin(
        behavior_row("AllViewer for API Gateway",
                     kFirst + "{path_pattern: '*', origin: a, cache_policy: CachingDisabled, origin_request_policy: "
                              "AllViewer}",
                     "viewer-host-to-api-gateway", "behaviors[1].origin_request_policy", "AllViewer",
                     "answers 403 to a name it does not know; write `host: origin`"),
        "url: '" + kApi + "'"),
    with_origin(
        behavior_row("HostHeaderOnly for API Gateway",
                     kFirst + "{path_pattern: '*', origin: a, origin_request_policy: HostHeaderOnly}",
                     "viewer-host-to-api-gateway", "behaviors[1].origin_request_policy", "HostHeaderOnly", "403"),
        "url: '" + kApi + "'"),
    with_origin(behavior_row("AllViewer for API Gateway with the origin's Host",
                             kFirst + "{path_pattern: '*', origin: a, origin_request_policy: AllViewer, host: origin}"),
                "url: '" + kApi + "'"),
    with_origin(
        behavior_row("the policy that is made for API Gateway",
                     kFirst + "{path_pattern: '*', origin: a, cache_policy: CachingDisabled, origin_request_policy: "
                              "AllViewerExceptHostHeader}"),
        "url: '" + kApi + "'"),
    behavior_row("a policy that forwards what another does not key",
                 kFirst + "{path_pattern: '*', origin: a, cache_policy: CachingOptimized, origin_request_policy: "
                          "AllViewerExceptHostHeader}",
                 "forwarded-unkeyed", "behaviors[1].origin_request_policy", "AllViewer",
                 "the origin sees parameters and cookies that the key of `CachingOptimized` does not have"),
    behavior_row("a policy that forwards nothing unkeyed",
                 kFirst + "{path_pattern: '*', origin: a, cache_policy: CachingOptimized, origin_request_policy: "
                          "CORS-CustomOrigin}"),
    behavior_row("a failure that looks like success",
                 "{path_pattern: '*', origin: a, cache_policy: p, error_pages: {5xx: {page: /a, status: 200}}}",
                 "hidden-failures", "behaviors[0].error_pages.5xx", "{page", "take the failure for the content"),
    behavior_row("a failure that looks like success, by its exact status",
                 "{path_pattern: '*', origin: a, cache_policy: p, error_pages: {503: {page: /a, status: 200}}}",
                 "hidden-failures", "behaviors[0].error_pages.503", "{page", "leave `status` out"),
    behavior_row("pages that say what they stand for",
                 "{path_pattern: '*', origin: a, cache_policy: p, error_pages: {404: {page: /a, status: 200}, 5xx: "
                 "{page: /a}, 500: {page: /a, status: 503}}}"),
    with_policy(behavior_row("min_ttl for every path", kAll, "lifetime-over-all", "behaviors[0].cache_policy", "p}]",
                             "with `min_ttl` in a policy for every path"),
                "min_ttl: 1ms"),
    with_policy(
        behavior_row("ttl for every path", "{path_pattern: /*, origin: a, cache_policy: \"p\"}", "lifetime-over-all",
                     "behaviors[0].cache_policy", "\"p\"", "with `ttl` in a policy for every path"),
        "ttl: 1m"),
    with_policy(behavior_row("min_ttl for every path of some requests",
                             "{path_pattern: '*', origin: a, cache_policy: p, when: {methods: [GET]}}"),
                "min_ttl: 1m"),
    behavior_row("min_ttl of a built-in policy for every path",
                 "{path_pattern: /p/*, origin: a, cache_policy: p}, {path_pattern: '*', origin: a, cache_policy: "
                 "CachingOptimized}"),
    with_policy(behavior_row("min_ttl of nothing for every path", kAll), "min_ttl: 0s"),
    with_policy(behavior_row("ttl of nothing for every path", kAll), "ttl: 0s"),
    with_policy(behavior_row("default_ttl for every path", kAll), "default_ttl: 1m"),
    policy_row("min_ttl for some paths", "min_ttl: 1m"),
    // The key.
    policy_row("every cookie in the key", "key: {cookies: all}", "cookies-in-key", ".key.cookies", "all",
               "`cookies: {allow: [names]}`"),
    policy_row("some cookies in the key", "key: {cookies: {allow: [a]}}"),
    policy_row("all cookies but some in the key", "key: {cookies: {except: [a]}}"),
    policy_row("the whole Cookie in the key", "key: {headers: [Accept, cookie]}", "cookies-in-key", ".key.headers[1]",
               "cookie]", "name those that change it in `key.cookies`"),
    policy_row("a glob that takes Cookie", "key: {headers: {allow: ['coo*']}}", "cookies-in-key",
               ".key.headers.allow[0]", "'coo*'", "hardly two visitors"),
    policy_row("all of Vary ignored", "vary: ignore", "vary-ignored", ".vary", "ignore",
               "the variant that the first client got goes to everybody; use this only"),
    policy_row("names of Vary ignored", "key: {headers: [X-B]}, vary: {ignore: [X-A, x-b, X-C]}", "vary-ignored",
               ".vary.ignore", "[X-A", "whatever they send as `x-a`, `x-c`; use this only"),
    policy_row("only keyed names of Vary ignored", "key: {headers: [X-A, X-B*]}, vary: {ignore: [X-A, X-Bc]}"),
    policy_row("one that is reduced, and not keyed",
               "normalize: {accept_encoding: [br]}, vary: {ignore: [Accept-Encoding]}", "vary-ignored", ".vary.ignore",
               "[Accept-Encoding", "`accept-encoding`"),
    policy_row("all of Vary honoured", "vary: honor"),
    policy_row("User-Agent in the key", "key: {headers: [User-Agent]}", "user-agent-in-key", ".key.headers[0]",
               "User-Agent]", "thousands of values"),
    policy_row("User-Agent in the key, reduced to few values",
               "key: {headers: [User-Agent]}, normalize: {user_agent: device_class}"),
    policy_row("harmless fields in the key", "key: {headers: [Accept, User, Cookies]}"),
    policy_row("a parameter that is forwarded without being keyed", "forward_only: {query_strings: [a]}",
               "forwarded-unkeyed", ".forward_only.query_strings", "[a", "its answer goes to everybody"),
    policy_row("a cookie that is forwarded without being keyed", "forward_only: {cookies: all}", "forwarded-unkeyed",
               ".forward_only.cookies", "all", "its answer goes to everybody"),
    policy_row("nothing is forwarded without being keyed", "forward_only: {cookies: none}"),
    policy_row("set_cookie: honor", "set_cookie: honor", "set-cookie-shared", ".set_cookie", "honor",
               "only where the cookie is the same for all"),
    policy_row("set_cookie: refuse", "set_cookie: refuse"),
    policy_row("override of set-cookie", "override: [set-cookie]", "set-cookie-shared", ".override", "[set-cookie",
               "only where the cookie is the same for all"),
    policy_row("override of no-cache", "override: [no-cache]"),
    policy_row("override of private", "override: [private]", "private-shared", ".override", "[private",
               "put what tells visitors apart into the key, as `headers: [Authorization]`"),
    policy_row("override of no-store", "override: [no-store]", "private-shared", ".override", "[no-store",
               "what the origin made for one visitor goes to all"),
    policy_row("override of authorization", "override: [authorization], key: {cookies: {allow: [a]}}", "private-shared",
               ".override", "[authorization", "goes to all"),
    policy_row("override of authorization, which is in the key",
               "override: [authorization], key: {headers: [authorization]}"),
    policy_row("override of private with cookies in the key", "override: [private], key: {cookies: {allow: [id]}}"),
    policy_row("override of private with Authorization in the key",
               "override: [private, no-store], key: {headers: {allow: ['Auth*']}}"),
    // Lifetimes that contradict each other.
    policy_row("min_ttl beside ttl", "ttl: 1m, min_ttl: 30s", "no-effect", ".min_ttl", "30s",
               "no effect: ttl, which is 1m, is the lifetime of every response"),
    policy_row("default_ttl beside ttl", "ttl: 1m, default_ttl: 30s", "no-effect", ".default_ttl", "30s",
               "no effect: ttl, which is 1m"),
    policy_row("error_ttl beside ttl", "ttl: 1m, error_ttl: {404: 1s}", "no-effect", ".error_ttl", "{404",
               "is the lifetime of errors too"),
    policy_row("max_ttl beside ttl, for what sets cookies", "ttl: 1m, max_ttl: 2m"),
    policy_row("ttl alone", "ttl: 1m"),
    policy_row("error_ttl below min_ttl", "min_ttl: 2m, error_ttl: {404: 119999ms}", "no-effect", ".error_ttl.404",
               "119999ms", "no effect: min_ttl makes it 2m"),
    policy_row("error_ttl of a class below min_ttl", "min_ttl: 2m, error_ttl: {5xx: 0}", "no-effect", ".error_ttl.5xx",
               "0}}", "no effect: min_ttl makes it 2m"),
    policy_row("error_ttl of min_ttl", "min_ttl: 2m, error_ttl: {404: 2m}"),
    policy_row("stale_if_disconnected beside stale_if_error", "stale_if_error: 1m, stale_if_disconnected: 1h",
               "no-effect", ".stale_if_disconnected", "1h", "stale_if_error speaks of an origin"),
    policy_row("stale_if_slow without anything stale", "stale_if_slow: 1s, stale_if_disconnected: 0s", "no-effect",
               ".stale_if_slow", "1s", "stale_if_disconnected is 0s"),
    policy_row("stale_if_slow without errors that are hidden", "stale_if_slow: 1s, stale_if_error: 0s", "no-effect",
               ".stale_if_slow", "1s", "stale_if_error is 0s"),
    policy_row("stale_if_slow with a little", "stale_if_slow: 1s, stale_if_error: 1ms"),
    policy_row("stale_if_slow as it is", "stale_if_slow: 1s"),
    policy_row("stale_if_slow of slices", "stale_if_slow: 1s, range: {slice: 1MiB}", "no-effect", ".stale_if_slow", "1s",
               "stored in slices"),
    policy_row("refresh_ahead of slices", "refresh_ahead: 37, range: {slice: 1MiB}", "no-effect", ".refresh_ahead", "37",
               "stored in slices"),
    policy_row("max_wait of slices", "collapse: {max_wait: 2s}, range: {slice: 1MiB}", "no-effect", ".collapse",
               "{max_wait", "stored in slices"),
    policy_row("slices that wait for as long as it takes", "range: {slice: 1MiB}"),
    policy_row("everybody may refresh",
               "request_cache_control: authorized, authorized_requests: {networks: [10.0.0.0/8, '::/0']}",
               "trusts-everybody", ".authorized_requests.networks[1]", "'::/0'", "every client may ask"),
    policy_row("stale_if_disconnected of nothing", "stale_if_error: 1m, stale_if_disconnected: 0s"),
    policy_row("stale_if_disconnected as it is anyway", "stale_if_error: 1m, stale_if_disconnected: 1d"),
    policy_row("stale_if_disconnected alone", "stale_if_disconnected: 1h"),
    // Origins.
    origin_row("a certificate that nobody looks at", "url: 'https://b', verify: false", "unverified-origin", ".verify",
               "false", "give its certificate's signer as `ca_file`"),
    origin_row("a certificate that is looked at", "url: 'https://b', verify: true"),
    origin_row("options of TLS without TLS", "url: 'http://b', verify: false", "no-effect", ".verify", "false",
               "no effect: the url is one of http"),
    origin_row("a server name without TLS", "url: 'http://b', server_name: c", "no-effect", ".server_name", "c}",
               "which has no certificate"),
    origin_row("a server name with TLS", "url: 'https://b', server_name: c"),
    origin_row("API Gateway over http", "url: 'http://a.execute-api.eu-west-1.amazonaws.com'",
               "plain-http-to-api-gateway", ".url", "'http:", "write https://"),
    origin_row("API Gateway over https", "url: '" + kApi + "'"),
    origin_row("another origin over http", "url: 'http://b'"),
    origin_row("a wait that cannot end", "url: 'https://b', first_byte_timeout: 61s, total_timeout: 1m", "no-effect",
               ".first_byte_timeout", "61s", "no effect: total_timeout, which is 1m, ends first"),
    origin_row("a wait as long as the total", "url: 'https://b', first_byte_timeout: 1m, total_timeout: 1m"),
    origin_row("no total", "url: 'https://b', first_byte_timeout: 1h, total_timeout: 0s"),
    origin_row("waits that are not written", "url: 'https://b', total_timeout: 1s"),
    origin_row("more unused connections than there may be", "url: 'https://b', max_connections: 63", "idle-connections",
               ".max_connections", "63", "may keep 64 unused connections, but all together"),
    origin_row("more unused connections, written", "url: 'https://b', max_connections: 63, max_idle_connections: 65",
               "idle-connections", ".max_idle_connections", "65", "may keep 65 unused connections"),
    origin_row("as many unused connections as there may be", "url: 'https://b', max_connections: 64"),
    // What is not used.
    {"an origin that no behavior names", "unused-origin", "origins.c", "c:", "no behavior has this origin", "", "", "",
     "", ", c: {url: 'https://c'}"},
    {"an origin that a behavior names", "", "", "", "", "", "",
     "{path_pattern: /p, origin: c, cache_policy: p}, {path_pattern: '*', origin: a}", "", ", c: {url: 'https://c'}"},
    behavior_row("a policy that no behavior names", "{path_pattern: '*', origin: a}", "unused-policy",
                 "cache_policies.p", "p: {", "no behavior has this policy"),
    // The rest.
    further_row("an admin listener for everybody", "admin: {address: '0.0.0.0:9180'}", "admin-reachable",
                "admin.address", "'0.0.0.0", "listen on 127.0.0.1, ::1 or a Unix socket"),
    further_row("an admin listener for everybody, IPv6", "admin: {address: '[::]:9180'}", "admin-reachable",
                "admin.address", "'[::]", "may purge"),
    further_row("an admin listener on IPv4 loopback", "admin: {address: '127.8.0.1:9180'}"),
    further_row("an admin listener on IPv6 loopback", "admin: {address: '[::1]:9180'}"),
    further_row("an admin listener on a socket", "admin: {address: 'unix:/run/g'}"),
    further_row("everybody is a proxy", "trusted_proxies: [10.0.0.0/8, 0.0.0.0/0]", "trusts-everybody",
                "trusted_proxies[1]", "0.0.0.0/0", "name the networks of your own proxies"),
    further_row("everybody is a proxy, IPv6", "trusted_proxies: ['::/0']", "trusts-everybody", "trusted_proxies[0]",
                "'::/0'", "who it is"),
    further_row("half of everybody", "trusted_proxies: [0.0.0.0/1]"),
    further_row("one origin for everybody",
                "response_headers_policies: {h: {set: {access-control-allow-origin: 'https://a.example'}}}",
                "cors-without-vary", "response_headers_policies.h.set", "{access-control", "write a `cors` block"),
    further_row("one origin by default",
                "response_headers_policies: {h: {default: {Access-Control-Allow-Origin: 'null'}}}",
                "cors-without-vary", "response_headers_policies.h.default", "{Access-Control", "Vary: Origin"),
    further_row("every origin for everybody",
                "response_headers_policies: {h: {set: {Access-Control-Allow-Origin: '*'}}}"),
    further_row("one origin, and it is said",
                "response_headers_policies: {h: {set: {Access-Control-Allow-Origin: 'https://a.example'}, add: {Vary: "
                "'Accept, origin'}}}"),
    further_row("one response in most of the store", "cache: {memory: {size: 1MiB, max_object_size: 524289}}",
                "large-objects", "cache.memory.max_object_size", "524289", "whose size is 1MiB"),
    further_row("one response in half of the store", "cache: {memory: {size: 1MiB, max_object_size: 512KiB}}"),
};

std::string all_warnings(const LoadResult& result) {
    std::string out;
    for (const Problem& warning : result.warnings) out += warning.to_string() + "\n";
    return out;
}

struct Where {
    int line;
    int column;
};

Where place_of(const std::string& text, const std::string& part) {
    const std::size_t at = text.find(part);
    REQUIRE(at != std::string::npos);
    const std::size_t line_start = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    const auto lines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    return {static_cast<int>(lines) + 1, static_cast<int>(at - line_start) + 1};
}

} // namespace

TEST_CASE("What is legal and seldom meant is a warning, with what to do about it") {
    for (const LintRow& row : kRows) {
        CAPTURE(row.name);
        const std::string text = yaml_of(row);
        const LoadResult result = load_text(text, "a.yaml");
        CHECK(result.config != nullptr);
        CAPTURE(all_warnings(result));
        REQUIRE(result.warnings.size() == (row.rule.empty() ? 0 : 1));
        if (row.rule.empty()) continue;
        const Problem& warning = result.warnings.front();
        const Where where = place_of(text, row.at);
        CHECK(warning.place.line == where.line);
        CHECK(warning.place.column == where.column);
        CHECK(warning.path == row.path);
        CHECK(warning.message.find(row.message) != std::string::npos);
        CHECK(warning.message.ends_with(" [" + row.rule + "]"));
        CHECK(warning.summary().find(": warning: " + row.path + ": ") != std::string::npos);
        CHECK(warning.to_string().ends_with("^"));
    }
}

TEST_CASE("Every kind of warning is raised by a test") {
    std::set<std::string_view> raised;
    for (const LintRow& row : kRows) raised.insert(row.rule);
    for (const LintRule& rule : lint_rules()) {
        CAPTURE(rule.name);
        CHECK(raised.count(rule.name) == 1);
        CHECK(rule.raised_by.back() == '.');
    }
    CHECK(raised.size() == lint_rules().size() + 1); // and those rows that raise none
}

TEST_CASE("A file with errors has no warnings, which could be wrong") {
    const LoadResult result = load_text(yaml_of(policy_row("", "key: {cookies: all}, zz_q: 1")), "a.yaml");
    CHECK(result.problems.size() == 1);
    CHECK(result.warnings.empty());
}

TEST_CASE("Warnings come in the order of the file, and a flood of them is cut") {
    const LoadResult result =
        load_text("admin: {address: '0.0.0.0:1'}\n" + yaml_of(policy_row("", "set_cookie: honor, key: {cookies: all}")),
                  "a.yaml");
    REQUIRE(result.warnings.size() == 3);
    CHECK(result.warnings[0].path == "admin.address");
    CHECK(result.warnings[1].path == "cache_policies.p.set_cookie");
    CHECK(result.warnings[2].path == "cache_policies.p.key.cookies");
    std::string origins;
    for (int i = 0; i < 500; ++i) origins += ", o" + std::to_string(i) + ": {url: 'http://b'}";
    LintRow row;
    row.more_origins = origins;
    CHECK(load_text(yaml_of(row), "a.yaml").warnings.size() == 100);
}

TEST_CASE("The examples raise no warning") {
    for (const char* name : {"api-gateway.yaml", "full.yaml", "graphql.yaml", "lambda-url.yaml", "minimal.yaml", "sample.yaml",
                             "spa.yaml", "static-site.yaml"}) {
        CAPTURE(name);
        CHECK(all_warnings(load_file(std::string(GATEHOUSE_SOURCE_DIR) + "/conf/" + name)) == "");
    }
}

TEST_CASE("A pattern covers another when it takes every path of it") {
    struct Row {
        std::string_view general;
        std::string_view special;
        bool covers;
    };
    const Row rows[] = {
        {"*", "*", true},         {"*", "/a/b?c*", true}, {"*", "a", true},        {"/*", "/a*", true},
        {"/a*", "/a*", true},     {"/a*", "/ab*c", true}, {"/a*", "a/b", true},    {"a*", "/ab", true},
        {"/a?", "/ab", true},     {"/a?", "/a?", true},   {"/*b*", "/a*bc", true}, {"/a", "/a", true},
        {"/a*", "/a**", true},    {"/*a*", "/aaa", true}, {"/a?*", "/ab*", true},  {"/a?", "/a*", false},
        {"/ab", "/a?", false},    {"/a*", "/*a", false},  {"/a*b", "/a*", false},  {"*.jpg", "/a*", false},
        {"/a/*", "/a", false},    {"/a", "/A", false},    {"/a?", "/a", false},    {"/a?*", "/a*", false},
        {"/a*b*", "/b*a", false}, {"/*", "*", false}, // OPTIONS * is for the second
    };
    for (const Row& row : rows) {
        CAPTURE(row.general);
        CAPTURE(row.special);
        CHECK(glob_covers(row.general, row.special) == row.covers);
    }
}

TEST_CASE("A pattern that covers another matches whatever the other matches") {
    // All patterns and all texts of up to four of these characters.
    const std::string_view signs = "/a?*";
    std::vector<std::string> patterns{""};
    for (std::size_t i = 0; i < patterns.size() && patterns[i].size() < 3; ++i) {
        const std::string shorter = patterns[i];
        for (const char sign : signs) patterns.push_back(shorter + sign);
    }
    std::vector<std::string> texts{""};
    for (std::size_t i = 0; i < texts.size() && texts[i].size() < 5; ++i) {
        const std::string shorter = texts[i];
        for (const char sign : std::string_view("/ab")) texts.push_back(shorter + sign);
    }
    texts.emplace_back("*"); // OPTIONS *
    std::size_t covered = 0;
    for (const std::string& general : patterns) {
        for (const std::string& special : patterns) {
            if (!glob_covers(general, special)) continue;
            ++covered;
            const bool holds = std::all_of(texts.begin(), texts.end(), [&](const std::string& text) {
                return !glob_matches(special, text) || glob_matches(general, text);
            });
            CAPTURE(general);
            CAPTURE(special);
            CHECK(holds);
        }
    }
    CHECK(covered > 500);
}
