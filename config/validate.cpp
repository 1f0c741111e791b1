// Checks across fields. Each looks only at fields that were read without a problem.
#include "config/validate.h"

#include "config/address.h"
#include "config/complete.h"
#include "config/glob.h"
#include "config/origin_request_policies.h"
#include "config/response_headers.h"
#include "config/suggest.h"
#include "config/units.h"
#include "http/target.h"

#include <algorithm>
#include <map>

namespace gatehouse::config {
namespace {

void problem_at(Findings& findings, const std::string& path, std::string message) {
    if (const auto place = findings.place_of(path)) findings.problem(*place, path, std::move(message));
}

// Names become metric labels and parts of response fields, so they are kept plain.
bool is_plain_name(std::string_view name) { return printable_key(name) == name; }

template <class Map>
void check_names(const Map& named, const std::string& parent, Findings& findings) {
    for (const auto& [name, item] : named) {
        if (item.place.line == 0 || is_plain_name(name)) continue;
        findings.problem(findings.mark(item.place), parent + "." + printable_key(name),
                         "expected a name of letters, digits and _-. of at most 60 characters; found " + quote(name));
    }
}

template <class Map>
std::vector<std::string> names_of(const Map& named) {
    std::vector<std::string> out;
    out.reserve(named.size());
    for (const auto& [name, item] : named) out.push_back(printable_key(name));
    return out;
}

// Listeners, then the admin listener: each address once.
void check_listeners(const Config& config, Findings& findings) {
    if (config.listeners.empty()) problem_at(findings, "listeners", "at least one listener is needed");
    std::map<std::string, std::string> taken;
    const auto check = [&taken, &findings](const std::string& path, const Address& address) {
        const std::string key = endpoint_key(address);
        if (key.empty() || !findings.place_of(path)) return;
        const auto [first, is_new] = taken.emplace(key, path);
        if (!is_new) problem_at(findings, path, "the same address as " + first->second);
    };
    for (std::size_t i = 0; i < config.listeners.size(); ++i) {
        check("listeners[" + std::to_string(i) + "].address", config.listeners[i].address);
    }
    if (config.admin.address) check("admin.address", *config.admin.address);
}

void check_memory(const MemoryCache& memory, Findings& findings) {
    if (findings.failed("cache.memory.size") || memory.max_object_bytes <= memory.size_bytes) return;
    problem_at(findings, "cache.memory.max_object_size",
               "larger than cache.memory.size, which is " + format_size(memory.size_bytes));
}

void check_disk(const DiskCache& disk, Findings& findings) {
    constexpr std::uint64_t kLeastSegments = 4;
    constexpr std::uint64_t kMostSegments = std::uint64_t{1} << 20;
    if (findings.failed("cache.disk.segment_size")) return;
    const std::string of_segments = " segments of " + format_size(disk.segment_bytes);
    if (disk.size_bytes < kLeastSegments * disk.segment_bytes) {
        problem_at(findings, "cache.disk.size", "less than " + std::to_string(kLeastSegments) + of_segments);
    }
    if (disk.size_bytes / disk.segment_bytes > kMostSegments) {
        problem_at(findings, "cache.disk.size", "more than " + std::to_string(kMostSegments) + of_segments);
    }
    if (disk.max_object_bytes > disk.size_bytes / 4) {
        problem_at(findings, "cache.disk.max_object_size",
                   "larger than a quarter of cache.disk.size, which is " + format_size(disk.size_bytes));
    }
}

void check_origins(const Config& config, Findings& findings, const Surroundings& surroundings) {
    check_names(config.origins, "origins", findings);
    if (config.origins.empty()) problem_at(findings, "origins", "at least one origin is needed");
    for (const auto& [name, origin] : config.origins) {
        const std::string path = "origins." + printable_key(name) + ".ca_file";
        const std::string& file = origin.tls_options.ca_file;
        if (!file.empty() && !surroundings.is_readable_file(file)) {
            problem_at(findings, path, "no readable file " + quote(file));
        }
    }
}

// One problem for each policy at most: the first pair that is in the wrong order.
void check_ttls(const CachePolicy& policy, Findings& findings) {
    struct Named {
        const char* name;
        std::optional<Milliseconds> value;
    };
    const std::string parent = "cache_policies." + printable_key(policy.name) + ".";
    std::vector<Named> order{
        {"min_ttl", policy.min_ttl}, {"default_ttl", policy.default_ttl}, {"max_ttl", policy.max_ttl}};
    order.erase(std::remove_if(order.begin(), order.end(), [](const Named& one) { return !one.value; }), order.end());
    for (std::size_t i = 1; i < order.size(); ++i) {
        const Named& shorter = order[i - 1];
        const Named& longer = order[i];
        if (*shorter.value <= *longer.value) continue;
        problem_at(findings, parent + shorter.name,
                   format_duration(*shorter.value) + " is longer than " + longer.name + ", which is " +
                       format_duration(*longer.value));
        return;
    }
}

// A slice that the store does not take would be fetched for nothing.
void check_slices(const CachePolicy& policy, const MemoryCache& memory, Findings& findings) {
    if (policy.slice_bytes <= memory.max_object_bytes || findings.failed("cache.memory.max_object_size")) return;
    problem_at(findings, "cache_policies." + printable_key(policy.name) + ".range",
               "slices of " + format_size(policy.slice_bytes) +
                   " are larger than cache.memory.max_object_size, which is " + format_size(memory.max_object_bytes));
}

// Nobody could ask for anything, or what is given is for nothing.
void check_authorized_requests(const CachePolicy& policy, Findings& findings) {
    const std::string parent = "cache_policies." + printable_key(policy.name) + ".";
    const AuthorizedRequests& authorized = policy.authorized_requests;
    const bool is_asked = policy.request_cache_control == RequestCacheControl::Authorized;
    // A list that was not read looks like one that is not there.
    if (findings.failed(parent + "request_cache_control") || findings.failed_within(parent + "authorized_requests")) {
        return;
    }
    if (is_asked && authorized.secrets.empty() && authorized.networks.empty()) {
        problem_at(
            findings, parent + "request_cache_control",
            "authorized_requests has neither secrets nor networks, so nobody is authorized; write ignore, or name "
            "who is");
    }
    const AuthorizedRequests fresh;
    const bool is_used = !authorized.secrets.empty() || !authorized.networks.empty() ||
                         authorized.header != fresh.header || authorized.otherwise != fresh.otherwise;
    if (!is_asked && is_used) {
        problem_at(findings, parent + "authorized_requests", "has no effect without request_cache_control: authorized");
    }
}

void check_policies(const Config& config, Findings& findings) {
    check_names(config.cache_policies, "cache_policies", findings);
    for (const CachePolicy& builtin : builtin_policies()) {
        const CachePolicy& present = config.cache_policies.at(builtin.name);
        if (present.place.line == 0) continue;
        findings.problem(findings.mark(present.place), "cache_policies." + builtin.name,
                         "a built-in policy has this name; choose another");
    }
    for (const auto& [name, policy] : config.cache_policies) {
        check_ttls(policy, findings);
        check_slices(policy, config.cache.memory, findings);
        check_authorized_requests(policy, findings);
    }
}

template <class Map>
void check_reference(Findings& findings, const std::string& path, const std::string& name, std::string_view what,
                     const Map& named) {
    if (named.count(name) != 0 || findings.full()) return;
    problem_at(findings, path,
               "no " + std::string(what) + " has the name " + quote(name) +
                   did_you_mean(name, names_of(named), "; there are: "));
}

bool has_method(const std::vector<std::string>& methods, std::string_view method) {
    return std::find(methods.begin(), methods.end(), method) != methods.end();
}

// GET and HEAD are what a cache is for; what a behavior does not answer is not answered from the cache either.
void check_cached_methods(const Behavior& behavior, const std::string& parent, Findings& findings) {
    const std::string path = parent + ".cached_methods";
    if (!findings.place_of(path)) return;
    for (const char* method : {"GET", "HEAD"}) {
        if (has_method(behavior.cached_methods, method)) continue;
        problem_at(findings, path,
                   "without " + std::string(method) + "; GET and HEAD are always cached, write [GET, HEAD, POST] or " +
                       "[GET, HEAD, OPTIONS], and `CachingDisabled` as cache_policy where nothing is");
        return;
    }
    if (behavior.allowed_methods.empty() || findings.failed(parent + ".allowed_methods")) return;
    for (const char* method : {"POST", "OPTIONS"}) {
        if (!has_method(behavior.cached_methods, method) || has_method(behavior.allowed_methods, method)) continue;
        problem_at(findings, path, std::string(method) + " is not among allowed_methods: it is answered with 405");
        return;
    }
}

void check_behaviors(const Config& config, Findings& findings) {
    if (config.behaviors.empty()) problem_at(findings, "behaviors", "at least one behavior is needed");
    const bool origins_known = findings.place_of("origins").has_value() && !config.origins.empty();
    const bool policies_known = !findings.failed("cache_policies");
    for (std::size_t i = 0; i < config.behaviors.size(); ++i) {
        const Behavior& behavior = config.behaviors[i];
        const std::string path = "behaviors[" + std::to_string(i) + "]";
        check_cached_methods(behavior, path, findings);
        if (origins_known) check_reference(findings, path + ".origin", behavior.origin, "origin", config.origins);
        if (!policies_known) continue;
        check_reference(findings, path + ".cache_policy", behavior.cache_policy, "cache policy", config.cache_policies);
    }
}

// A page that no behavior takes could never be given. What its behavior asks for beside the path is known with the
// request only.
void check_error_pages(const Config& config, Findings& findings) {
    const auto is_taken = [&config](const std::string& page) {
        const std::string path = http::normalised_path(page.substr(0, page.find('?')));
        return std::any_of(config.behaviors.begin(), config.behaviors.end(),
                           [&path](const Behavior& one) { return glob_matches(one.path_pattern, path); });
    };
    for (std::size_t i = 0; i < config.behaviors.size(); ++i) {
        const ErrorPages& pages = config.behaviors[i].error_pages;
        const auto check = [&](const std::string& status, const ErrorPage& page) {
            const std::string path = "behaviors[" + std::to_string(i) + "].error_pages." + status + ".page";
            if (page.page.empty() || is_taken(page.page)) return;
            problem_at(findings, path, "no behavior is for the path of this page");
        };
        for (const auto& [status, page] : pages.by_status) check(std::to_string(status), page);
        for (const auto& [status, page] : pages.by_class) check(std::to_string(status) + "xx", page);
    }
}

// Keys hold the names of policy and origin: behaviors that differ in them would share nothing.
void check_shares(const Config& config, Findings& findings) {
    std::map<std::string, std::size_t> first_of;
    for (std::size_t i = 0; i < config.behaviors.size(); ++i) {
        const Behavior& behavior = config.behaviors[i];
        const std::string path = "behaviors[" + std::to_string(i) + "]";
        if (behavior.share.empty()) continue;
        const auto [entry, is_new] = first_of.emplace(behavior.share, i);
        const Behavior& first = config.behaviors[entry->second];
        if (is_new || (first.origin == behavior.origin && first.cache_policy == behavior.cache_policy)) continue;
        problem_at(findings, path + ".share",
                   "behaviors[" + std::to_string(entry->second) +
                       "] has the same name and another origin or cache policy; what they store cannot be shared");
    }
}

// One request, or steps with one each.
void check_tests(const Config& config, Findings& findings) {
    for (std::size_t i = 0; i < config.tests.size(); ++i) {
        const RuleTest& test = config.tests[i];
        const std::string path = "tests[" + std::to_string(i) + "]";
        const auto failed = [&](const std::string& field) { return findings.failed(path + field); };
        if (failed("") || failed(".steps") || failed(".request")) continue;
        const bool has_request = findings.place_of(path + ".request").has_value();
        if (has_request == !test.steps.empty()) {
            problem_at(findings, path,
                       has_request ? "has a request and steps; keep one of them" : "has neither a request nor steps");
            continue;
        }
        for (const char* field : {".response", ".pages", ".expect"}) {
            if (has_request || !findings.place_of(path + field)) continue;
            problem_at(findings, path + field, "has no effect beside steps; each of them has its own");
        }
        if (has_request && test.only.request.url.empty() && !findings.failed(path + ".request.url")) {
            problem_at(findings, path + ".request", "missing required field url");
        }
        for (std::size_t k = 0; k < test.steps.size(); ++k) {
            const std::string step = path + ".steps[" + std::to_string(k) + "]";
            const bool is_told =
                findings.failed(step) || findings.failed(step + ".request") || findings.failed(step + ".request.url");
            if (!test.steps[k].request.url.empty() || is_told) continue;
            problem_at(
                findings, findings.place_of(step + ".request") ? step + ".request" : step,
                findings.place_of(step + ".request") ? "missing required field url" : "missing required field request");
        }
    }
}

void check_dns(const Dns& dns, Findings& findings) {
    if (findings.failed("dns.min_ttl") || findings.failed("dns.max_ttl") || dns.min_ttl <= dns.max_ttl) return;
    const char* path = findings.place_of("dns.min_ttl") ? "dns.min_ttl" : "dns.max_ttl";
    problem_at(findings, path,
               "min_ttl, which is " + format_duration(dns.min_ttl) + ", is longer than max_ttl, which is " +
                   format_duration(dns.max_ttl));
}

void check_shutdown(Findings& findings) {
    if (!findings.place_of("timeouts.shutdown")) return;
    problem_at(findings, "shutdown_timeout", "timeouts.shutdown, which means the same, is given too; keep one");
}

void check_limits(const Limits& limits, Findings& findings) {
    if (findings.failed("limits.head_size") || findings.failed("limits.target_size")) return;
    if (limits.target_bytes <= limits.head_bytes) return;
    const char* path = findings.place_of("limits.target_size") ? "limits.target_size" : "limits.head_size";
    problem_at(findings, path,
               "target_size, which is " + format_size(limits.target_bytes) + ", is larger than head_size, which is " +
                   format_size(limits.head_bytes));
}

} // namespace

void validate(const Config& config, Findings& findings, const Surroundings& surroundings) {
    check_listeners(config, findings);
    check_memory(config.cache.memory, findings);
    if (!config.cache.disk.path.empty()) check_disk(config.cache.disk, findings);
    check_origins(config, findings, surroundings);
    check_policies(config, findings);
    check_behaviors(config, findings);
    check_shares(config, findings);
    check_error_pages(config, findings);
    check_tests(config, findings);
    validate_origin_requests(config, findings);
    validate_response_headers(config, findings);
    check_dns(config.dns, findings);
    check_limits(config.limits, findings);
    check_shutdown(findings);
}

} // namespace gatehouse::config
