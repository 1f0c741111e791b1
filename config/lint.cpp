// One function for each thing that is worth a warning.
#include "config/lint.h"

#include "config/glob.h"
#include "config/units.h"
#include "http/ascii.h"
#include "http/list_parser.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace gatehouse::config {
namespace {

// Patterns are compared in pairs; a file with more behaviors than this is compared only so far.
constexpr std::size_t kMostCompared = 500;
constexpr std::uint64_t kLongForBrowsers = 86'400; // seconds

enum class Rule : std::uint8_t {
    AdminReachable,
    CookiesInKey,
    CorsWithoutVary,
    ForwardedUnkeyed,
    HiddenFailures,
    HostsMixed,
    IdleConnections,
    LargeObjects,
    LifetimeOverAll,
    LongForBrowsers,
    NoEffect,
    PlainHttpToApiGateway,
    PostForAll,
    PrivateShared,
    SetCookieShared,
    TrustsEverybody,
    UnreachableBehavior,
    UnusedOrigin,
    UnusedPolicy,
    UnverifiedOrigin,
    UserAgentInKey,
    VaryIgnored,
    ViewerHostToApiGateway,
};

// In the order of Rule.
constexpr LintRule kRules[] = {
    {"admin-reachable", "`admin.address` is a TCP address that is not a loopback one: who reaches it may purge."},
    {"cookies-in-key", "`key.cookies: all`, or `Cookie` in `key.headers`: hardly two visitors share a response."},
    {"cors-without-vary",
     "A headers policy puts `Access-Control-Allow-Origin` for one origin without `Vary: Origin`: caches behind give it to "
     "the scripts of every origin."},
    {"forwarded-unkeyed", "`forward_only`, or an origin request policy: what the origin makes of a parameter or cookie "
                          "that the key does not have goes to "
                          "everybody."},
    {"hidden-failures",
     "`error_pages` that send a page for a 5xx with status 200: search engines, monitors and caches take the "
     "failure for the content."},
    {"hosts-mixed", "`host: viewer` with a policy of `key.host: any`: the origin's answer for one host goes to all."},
    {"idle-connections", "`max_idle_connections` is larger than `max_connections`."},
    {"large-objects", "`cache.memory.max_object_size` is more than half of `size`: one response evicts most others."},
    {"lifetime-over-all",
     "A behavior for every request has an own policy with `min_ttl` or `ttl`: what the origin meant "
     "for one visitor, and marked only with `max-age=0`, is kept and shared too."},
    {"long-for-browsers",
     "`client_cache_control` of more than a day without `immutable`: browsers keep what a purge does not "
     "reach."},
    {"no-effect",
     "A value that another one makes meaningless: `min_ttl`, `default_ttl` or `error_ttl` beside `ttl`; "
     "an `error_ttl` below `min_ttl`; `stale_if_disconnected` beside `stale_if_error`; `stale_if_slow` where "
     "nothing may be served stale, or, like `max_wait` and `refresh_ahead`, beside slices; a wait longer than `total_timeout`; options of TLS with a url of http; "
     "`cached_methods` beside a policy that caches nothing; `key.max_body_size` where no behavior caches POST."},
    {"plain-http-to-api-gateway", "An origin of API Gateway with a url of http; it answers https only."},
    {"post-for-all", "`cached_methods` with POST in a behavior for every request: a POST that changes something is "
                     "answered from the cache and never reaches the origin."},
    {"private-shared", "`override` of `private`, `no-store` or `authorization` with a key that does not tell visitors "
                       "apart, by cookies or `Authorization`: what the origin made for one goes to all."},
    {"set-cookie-shared",
     "`set_cookie: honor`, or `override` of `set-cookie`: a stored Set-Cookie goes to everybody who "
     "gets the response."},
    {"trusts-everybody",
     "A network of length 0 in `trusted_proxies` or in `authorized_requests`: every client may say who it is, or ask for "
     "fresh answers."},
    {"unreachable-behavior", "An earlier behavior takes every path of this one."},
    {"unused-origin", "No behavior names this origin."},
    {"unused-policy", "No behavior names this cache policy."},
    {"unverified-origin", "`verify: false` with a url of https: anybody on the way may answer in the origin's place."},
    {"user-agent-in-key", "`User-Agent` in `key.headers` without `normalize`: it has thousands of values."},
    {"vary-ignored", "`vary` ignores names that the key does not have: the variant that came first goes to everybody."},
    {"viewer-host-to-api-gateway", "`host: viewer`, or an origin request policy that has it such as AllViewer, with an "
                                   "origin of API Gateway, which answers 403 to a Host that it "
                                   "does not know."},
};

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), http::to_lower);
    return out;
}

// The names that API Gateway gives itself; an own domain name does not look like one, and is none of these mistakes.
bool is_execute_api(std::string_view host) {
    const std::string low = lower(host);
    const bool is_amazon = low.ends_with(".amazonaws.com") || low.ends_with(".amazonaws.com.cn");
    return is_amazon && low.find(".execute-api.") != std::string::npos;
}

bool is_loopback(const Address& address) {
    return address.kind == Address::Kind::Unix || address.host.starts_with("127.") || address.host == "::1";
}

bool is_set(const std::optional<Milliseconds>& value) { return value && value->count() > 0; }

// The max-age of a value that does not say that the content never changes; 0 where there is none.
std::uint64_t browser_seconds(const ClientCacheControl::Value& value) {
    if (value.immutable || value.no_store) return 0;
    for (const std::string_view member : http::split_list(value.text)) {
        const auto directive = http::parse_directive(member);
        if (!directive || !http::iequals(directive->name, "max-age") || !directive->argument) continue;
        std::uint64_t seconds = 0;
        const std::string& digits = *directive->argument;
        std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
        return seconds;
    }
    return 0;
}

class Linter {
public:
    Linter(const Config& config, const Findings& read, Findings& warnings)
        : config_(config), read_(read), warnings_(warnings) {}

    void run() {
        for (const Behavior& behavior : config_.behaviors) {
            used_.insert(behavior.origin_ref);
            const CachePolicy* const policy = &config_.cache_policies.at(behavior.cache_policy);
            used_.insert(policy);
            if (behavior.caches_post) keyed_by_content_.insert(policy);
        }
        admin();
        memory();
        trusted_proxies();
        for (const auto& [name, origin] : config_.origins) check_origin(origin, "origins." + printable_key(name));
        for (const auto& [name, policy] : config_.cache_policies) {
            if (policy.place.line > 0) check_policy(policy, "cache_policies." + printable_key(name));
        }
        for (const auto& [name, policy] : config_.response_headers_policies) {
            if (policy.place.line > 0) cors_without_vary(policy, "response_headers_policies." + printable_key(name));
        }
        for (std::size_t i = 0; i < config_.behaviors.size(); ++i) check_behavior(i);
    }

private:
    void warn_at(Mark place, const std::string& path, Rule rule, std::string message) {
        message += " [" + std::string(kRules[static_cast<std::size_t>(rule)].name) + "]";
        warnings_.problem(place, path, std::move(message));
    }

    // Nothing to say of a field that is not written: it has its default, and nobody could change it there.
    void warn(const std::string& path, Rule rule, std::string message) {
        if (const auto place = read_.place_of(path)) warn_at(*place, path, rule, std::move(message));
    }

    static std::string path_of(std::size_t behavior) { return "behaviors[" + std::to_string(behavior) + "]"; }

    void admin() {
        if (!config_.admin.address || is_loopback(*config_.admin.address)) return;
        warn("admin.address", Rule::AdminReachable,
             "whoever reaches this address may purge and read the metrics; listen on 127.0.0.1, ::1 or a Unix socket");
    }

    void memory() {
        const MemoryCache& memory = config_.cache.memory;
        if (memory.max_object_bytes <= memory.size_bytes / 2) return;
        warn("cache.memory.max_object_size", Rule::LargeObjects,
             "one response may take more than half of the store, whose size is " + format_size(memory.size_bytes) +
                 "; a quarter is the default");
    }

    void trusted_proxies() {
        for (std::size_t i = 0; i < config_.trusted_proxies.size(); ++i) {
            if (!config_.trusted_proxies[i].ends_with("/0")) continue;
            warn("trusted_proxies[" + std::to_string(i) + "]", Rule::TrustsEverybody,
                 "every client may say in X-Forwarded-For who it is; name the networks of your own proxies");
        }
    }

    void check_origin(const Origin& origin, const std::string& path) {
        unverified(origin, path);
        plain_http(origin, path);
        waits(origin.timeouts, path);
        if (origin.max_idle_connections > origin.max_connections) {
            const bool is_written = read_.place_of(path + ".max_idle_connections").has_value();
            warn(path + (is_written ? ".max_idle_connections" : ".max_connections"), Rule::IdleConnections,
                 "each worker may keep " + std::to_string(origin.max_idle_connections) +
                     " unused connections, but all together may have " + std::to_string(origin.max_connections));
        }
        if (used_.count(&origin) == 0) {
            warn_at(read_.mark(origin.place), path, Rule::UnusedOrigin, "no behavior has this origin");
        }
    }

    void unverified(const Origin& origin, const std::string& path) {
        if (!origin.tls) {
            for (const char* option : {".ca_file", ".server_name", ".verify"}) {
                warn(path + option, Rule::NoEffect, "no effect: the url is one of http, which has no certificate");
            }
        } else if (!origin.tls_options.verify) {
            warn(path + ".verify", Rule::UnverifiedOrigin,
                 "anybody on the way can answer in the origin's place; give its certificate's signer as `ca_file`, or "
                 "its name as `server_name`");
        }
    }

    void plain_http(const Origin& origin, const std::string& path) {
        if (origin.tls || !is_execute_api(origin.host)) return;
        warn(path + ".url", Rule::PlainHttpToApiGateway, "API Gateway answers https only; write https://");
    }

    void waits(const OriginTimeouts& timeouts, const std::string& path) {
        if (timeouts.total.count() == 0) return;
        const std::pair<const char*, Milliseconds> parts[] = {{".connect_timeout", timeouts.connect},
                                                              {".first_byte_timeout", timeouts.first_byte},
                                                              {".between_bytes_timeout", timeouts.between_bytes}};
        for (const auto& [name, wait] : parts) {
            if (wait <= timeouts.total) continue;
            warn(path + name, Rule::NoEffect,
                 "no effect: total_timeout, which is " + format_duration(timeouts.total) + ", ends first");
        }
    }

    void check_policy(const CachePolicy& policy, const std::string& path) {
        key(policy, path + ".key");
        overrides(policy, path + ".override");
        forwarded(policy.forward_only.query_strings, path + ".forward_only.query_strings");
        forwarded(policy.forward_only.cookies, path + ".forward_only.cookies");
        vary(policy, path + ".vary");
        beside_ttl(policy, path);
        short_errors(policy, path);
        const Milliseconds disconnected = policy.stale_if_disconnected;
        const bool is_own = disconnected.count() > 0 && disconnected != CachePolicy().stale_if_disconnected;
        if (policy.stale_if_error && is_own) {
            warn(path + ".stale_if_disconnected", Rule::NoEffect,
                 "no effect: stale_if_error speaks of an origin that cannot be reached too");
        }
        const bool is_never_stale =
            policy.stale_if_error ? policy.stale_if_error->count() == 0 : disconnected.count() == 0;
        if (policy.stale_if_slow && is_never_stale) {
            warn(path + ".stale_if_slow", Rule::NoEffect,
                 "no effect on responses without a stale-if-error of their own: " +
                     std::string(policy.stale_if_error ? "stale_if_error" : "stale_if_disconnected") +
                     " is 0s, so nothing else may be served stale");
        }
        if (policy.range == RangeHandling::Slice) {
            for (const char* field : {".stale_if_slow", ".refresh_ahead"}) {
                const bool is_given = field == std::string_view(".stale_if_slow") ? policy.stale_if_slow.has_value()
                                                                                  : policy.refresh_ahead > 0;
                if (is_given) warn(path + field, Rule::NoEffect, "no effect on what is stored in slices");
            }
            if (policy.collapse_max_wait.count() > 0) {
                warn(path + ".collapse", Rule::NoEffect, "max_wait has no effect on what is stored in slices");
            }
        }
        const auto& networks = policy.authorized_requests.networks;
        for (std::size_t i = 0; i < networks.size(); ++i) {
            if (!networks[i].ends_with("/0")) continue;
            warn(path + ".authorized_requests.networks[" + std::to_string(i) + "]", Rule::TrustsEverybody,
                 "every client may ask the origin for a fresh answer; name the networks that may");
        }
        if (!policy.refuse_set_cookie) {
            warn(path + ".set_cookie", Rule::SetCookieShared,
                 "a stored Set-Cookie goes to everybody who gets the response; use this only where the cookie is the "
                 "same for all");
        }
        if (used_.count(&policy) == 0) {
            warn_at(read_.mark(policy.place), path, Rule::UnusedPolicy, "no behavior has this policy");
        }
    }

    static bool varies_by_origin(const FieldLine& line) {
        const auto members = http::split_list(line.value);
        const auto is_origin = [](std::string_view one) { return one == "*" || http::iequals(one, "Origin"); };
        return http::iequals(line.name, "Vary") && std::any_of(members.begin(), members.end(), is_origin);
    }

    void cors_without_vary(const ResponseHeadersPolicy& policy, const std::string& path) {
        const std::pair<const char*, const std::vector<FieldLine>&> all[] = {
            {".set", policy.set}, {".add", policy.add}, {".default", policy.when_absent}};
        for (const auto& [field, lines] : all) {
            if (std::any_of(lines.begin(), lines.end(), varies_by_origin)) return;
        }
        for (const auto& [field, lines] : all) {
            const bool names_origin = std::any_of(lines.begin(), lines.end(), [](const FieldLine& line) {
                return http::iequals(line.name, "Access-Control-Allow-Origin") && line.value != "*";
            });
            if (!names_origin) continue;
            warn(path + field, Rule::CorsWithoutVary,
                 "Access-Control-Allow-Origin names one origin, and nothing says that the answer is another one for "
                 "others; write a `cors` block, which does, or add `Vary: Origin`");
        }
    }

    void forwarded(const NameSelection& names, const std::string& path) {
        if (names.mode == NameSelection::Mode::None) return;
        warn(
            path, Rule::ForwardedUnkeyed,
            "the origin sees what the key does not have, and its answer goes to everybody; use this only for what does "
            "not change the answer");
    }

    void key(const CachePolicy& policy, const std::string& path) {
        const KeyRules& key = policy.key;
        if (key.max_body_bytes != KeyRules().max_body_bytes && keyed_by_content_.count(&policy) == 0) {
            warn(path + ".max_body_size", Rule::NoEffect,
                 "no effect: no behavior with this policy has POST in its `cached_methods`");
        }
        if (key.cookies.mode == NameSelection::Mode::All) {
            warn(path + ".cookies", Rule::CookiesInKey,
                 "with every cookie in the key hardly two visitors share a response; name those that change it: "
                 "`cookies: {allow: [names]}`");
        }
        for (std::size_t i = 0; i < key.headers.names.size(); ++i) {
            const std::string item = "[" + std::to_string(i) + "]";
            const std::string place = path + ".headers" + item;
            key_field(policy, key.headers.names[i], read_.place_of(place) ? place : path + ".headers.allow" + item);
        }
    }

    void key_field(const CachePolicy& policy, const std::string& name, const std::string& path) {
        if (name_matches(name, "Cookie", true)) {
            warn(path, Rule::CookiesInKey,
                 "with every cookie in the key hardly two visitors share a response; name those that change it in "
                 "`key.cookies`");
        } else if (name_matches(name, "User-Agent", true) && !policy.normalize.device_class) {
            warn(path, Rule::UserAgentInKey,
                 "User-Agent has thousands of values, each with stored responses of its own; leave it out of the key, "
                 "or "
                 "reduce it with `normalize: {user_agent: device_class}`");
        }
    }

    static bool has_key_field(const KeyRules& key, std::string_view name) {
        return std::any_of(key.headers.names.begin(), key.headers.names.end(),
                           [name](const std::string& pattern) { return name_matches(pattern, name, true); });
    }

    // That a field is reduced to few values keeps nothing apart: only the key does, or Vary.
    void vary(const CachePolicy& policy, const std::string& path) {
        std::string unkeyed;
        for (const std::string& name : policy.vary.ignored) {
            if (!has_key_field(policy.key, name)) unkeyed += (unkeyed.empty() ? "" : ", ") + quote(name);
        }
        if (unkeyed.empty() && !policy.vary.ignore_all) return;
        warn(policy.vary.ignore_all ? path : path + ".ignore", Rule::VaryIgnored,
             "the variant that the first client got goes to everybody" +
                 (unkeyed.empty() ? std::string() : ", whatever they send as " + unkeyed) +
                 "; use this only where all variants do for all, or put what tells them apart into `key.headers`");
    }

    void overrides(const CachePolicy& policy, const std::string& path) {
        const Overrides& taken_back = policy.overrides;
        if (taken_back.set_cookie) {
            warn(path, Rule::SetCookieShared,
                 "a stored Set-Cookie goes to everybody who gets the response; use this only where the cookie is the "
                 "same for all");
        }
        const bool by_authorization = has_key_field(policy.key, "Authorization");
        const bool by_cookies =
            policy.key.cookies.mode != NameSelection::Mode::None || has_key_field(policy.key, "Cookie");
        const bool shares_private = (taken_back.is_private || taken_back.no_store) && !by_authorization && !by_cookies;
        if (!shares_private && (!taken_back.authorization || by_authorization)) return;
        warn(path, Rule::PrivateShared,
             "what the origin made for one visitor goes to all; put what tells visitors apart into the key, as "
             "`headers: [Authorization]`, or use this only where the responses are the same for all");
    }

    void beside_ttl(const CachePolicy& policy, const std::string& path) {
        if (!policy.ttl) return;
        for (const char* name : {".min_ttl", ".default_ttl"}) {
            warn(path + name, Rule::NoEffect,
                 "no effect: ttl, which is " + format_duration(*policy.ttl) + ", is the lifetime of every response");
        }
        if (policy.error_ttl.empty()) return;
        warn(path + ".error_ttl", Rule::NoEffect,
             "no effect: ttl, which is " + format_duration(*policy.ttl) + ", is the lifetime of errors too");
    }

    void short_errors(const CachePolicy& policy, const std::string& path) {
        if (policy.ttl) return;
        const auto check = [this, &policy, &path](const std::string& status, Milliseconds lifetime) {
            if (lifetime >= policy.min_ttl) return;
            warn(path + ".error_ttl." + status, Rule::NoEffect,
                 "no effect: min_ttl makes it " + format_duration(policy.min_ttl));
        };
        for (const auto& [status, lifetime] : policy.error_ttl.by_status) check(std::to_string(status), lifetime);
        for (const auto& [status, lifetime] : policy.error_ttl.by_class) check(std::to_string(status) + "xx", lifetime);
    }

    void check_behavior(std::size_t index) {
        unreachable(index);
        const Behavior& behavior = config_.behaviors[index];
        if (behavior.host == Behavior::HostMode::Viewer) {
            const std::string host = path_of(index) + ".host";
            viewer_host(behavior, read_.place_of(host) ? host : path_of(index) + ".origin_request_policy");
        }
        forwarded_by_policy(behavior, path_of(index) + ".origin_request_policy");
        hidden_failures(behavior, path_of(index) + ".error_pages.");
        if (browser_seconds(behavior.client_cache_control.value) > kLongForBrowsers) {
            warn(path_of(index) + ".client_cache_control", Rule::LongForBrowsers,
                 "browsers keep the answer for that long, and no purge reaches them; say `immutable` where the content "
                 "of a "
                 "URL never changes, or name a shorter time");
        }
        cached_methods(behavior, path_of(index) + ".cached_methods");
        const CachePolicy& policy = *behavior.policy_ref;
        const bool is_for_all = behavior.when.empty() && glob_covers(behavior.path_pattern, "/*");
        const bool is_own = policy.place.line > 0;
        if (!is_for_all || !is_own || (policy.min_ttl.count() == 0 && !is_set(policy.ttl))) return;
        warn(path_of(index) + ".cache_policy", Rule::LifetimeOverAll,
             "with `" + std::string(is_set(policy.ttl) ? "ttl" : "min_ttl") +
                 "` in a policy for every path, what is meant for one visitor and says only max-age=0 is shared too; "
                 "use it for the paths that are the same for all");
    }

    void cached_methods(const Behavior& behavior, const std::string& path) {
        const auto has = [&behavior](std::string_view method) {
            const auto& methods = behavior.cached_methods;
            return std::find(methods.begin(), methods.end(), method) != methods.end();
        };
        if (behavior.policy_ref->disabled && (has("POST") || has("OPTIONS"))) {
            warn(path, Rule::NoEffect, "no effect: " + quote(behavior.cache_policy) + " caches nothing");
        }
        RequestConditions others = behavior.when;
        others.methods.clear();
        if (!behavior.caches_post || !others.empty() || !glob_covers(behavior.path_pattern, "/*")) return;
        warn(path, Rule::PostForAll,
             "a POST that changes something is answered from the cache and never reaches the origin; name the paths "
             "that "
             "only ask, such as /search, or what tells such requests apart in `when`");
    }

    void forwarded_by_policy(const Behavior& behavior, const std::string& path) {
        using Mode = NameSelection::Mode;
        const CachePolicy& policy = *behavior.policy_ref;
        if (behavior.origin_request_policy.empty() || policy.disabled || policy.forward_everything) return;
        const ForwardOnly& beside = config_.origin_request_policies.at(behavior.origin_request_policy).beside;
        const bool query = beside.query_strings.mode != Mode::None && policy.key.query_strings.mode != Mode::All;
        const bool cookies = beside.cookies.mode != Mode::None && policy.key.cookies.mode != Mode::All;
        if (!query && !cookies) return;
        warn(path, Rule::ForwardedUnkeyed,
             std::string("the origin sees ") + (query ? "parameters" : "cookies") +
                 (query && cookies ? " and cookies" : "") + " that the key of " + quote(behavior.cache_policy) +
                 " does not have, and its answer goes to everybody; key those that change the answer");
    }

    void hidden_failures(const Behavior& behavior, const std::string& path) {
        const auto check = [&](const std::string& status, const ErrorPage& page) {
            if (page.status != 200) return;
            warn(path + status, Rule::HiddenFailures,
                 "search engines, monitors and caches take the failure for the content; leave `status` out");
        };
        for (const auto& [status, page] : behavior.error_pages.by_status) {
            if (status >= 500) check(std::to_string(status), page);
        }
        for (const auto& [status, page] : behavior.error_pages.by_class) {
            if (status == 5) check("5xx", page);
        }
    }

    // The first match wins, so a later behavior needs a path that no earlier one takes, or asks for something beside
    // it.
    void unreachable(std::size_t index) {
        if (index >= kMostCompared) return;
        const Behavior& behavior = config_.behaviors[index];
        const std::string& pattern = behavior.path_pattern;
        for (std::size_t i = 0; i < index; ++i) {
            const Behavior& earlier = config_.behaviors[i];
            if (!earlier.when.empty() && earlier.when_text != behavior.when_text) continue;
            if (!glob_covers(earlier.path_pattern, pattern)) continue;
            const Mark here = read_.mark(config_.behaviors[index].place);
            warn(path_of(index) + ".path_pattern", Rule::UnreachableBehavior,
                 "never reached: " + quote(earlier.path_pattern) + " of " + path_of(i) + " on " +
                     read_.line_text(read_.mark(earlier.place), here) +
                     " takes every path of this pattern; move this behavior above it, or remove it");
            return;
        }
    }

    void viewer_host(const Behavior& behavior, const std::string& path) {
        if (is_execute_api(behavior.origin_ref->host)) {
            warn(path, Rule::ViewerHostToApiGateway,
                 "API Gateway finds the API by Host and answers 403 to a name it does not know; write `host: origin`, "
                 "or make an own domain name of API Gateway the url of " +
                     quote(behavior.origin));
        } else if (behavior.policy_ref->key.any_host) {
            warn(path, Rule::HostsMixed,
                 "the origin sees the viewer's Host, but " + quote(behavior.cache_policy) +
                     " stores one response for all of them (`key.host: any`); what one asked for goes to the others");
        }
    }

    const Config& config_;
    const Findings& read_;
    Findings& warnings_;
    std::set<const void*> used_;             // origins and policies that behaviors name
    std::set<const void*> keyed_by_content_; // policies of behaviors that cache POST
};

} // namespace

std::span<const LintRule> lint_rules() { return kRules; }

void lint(const Config& config, const Findings& read, Findings& warnings) { Linter(config, read, warnings).run(); }

} // namespace gatehouse::config
