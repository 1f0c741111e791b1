// Defaults that the fields themselves cannot hold.
#include "config/complete.h"

#include "config/cloudfront.h"
#include "config/origin_request_policies.h"
#include "config/response_headers.h"
#include "config/text_file.h"
#include "config/key_prefix.h"

#include <algorithm>

namespace gatehouse::config {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kMostMemoryByDefault = 1024 * kMiB;
constexpr std::uint64_t kLeastMemory = kMiB;
constexpr std::uint64_t kMemoryWhenUnknown = 256 * kMiB; // of which a quarter is 64 MiB
constexpr std::uint64_t kMostObjectByDefault = 8 * kMiB;
constexpr std::uint64_t kMostRelayByDefault = 64 * kMiB;
constexpr std::uint64_t kMostOnDiskByDefault = 1024 * kMiB;

void complete_memory(MemoryCache& memory, std::uint64_t available) {
    if (available == 0) available = kMemoryWhenUnknown;
    if (memory.size_bytes == 0) memory.size_bytes = std::clamp(available / 4, kLeastMemory, kMostMemoryByDefault);
    if (memory.max_object_bytes == 0) memory.max_object_bytes = std::min(kMostObjectByDefault, memory.size_bytes / 4);
    if (memory.relay_bytes == 0) memory.relay_bytes = std::min(kMostRelayByDefault, memory.size_bytes / 8);
}

void complete_disk(DiskCache& disk) {
    if (disk.max_object_bytes == 0) disk.max_object_bytes = std::min(kMostOnDiskByDefault, disk.size_bytes / 8);
}

// Relative paths start at the file that they stand in.
void complete_paths(Config& config, const Findings& findings) {
    for (auto& [name, origin] : config.origins) {
        std::string& ca_file = origin.tls_options.ca_file;
        ca_file = path_beside(origin.place.file, ca_file);
    }
    if (const auto disk = findings.place_of("cache.disk.path")) {
        config.cache.disk.path = path_beside(findings.file(disk->file), config.cache.disk.path);
    }
    const auto place = findings.place_of("access_log.path");
    std::string& log = config.access_log.path;
    if (place && log != "-") log = path_beside(findings.file(place->file), log);
}

CachePolicy forwarding_policy(const char* name) {
    CachePolicy policy;
    policy.name = name;
    policy.forward_everything = true;
    policy.refuse_set_cookie = false;
    return policy;
}

} // namespace

std::vector<CachePolicy> builtin_policies() {
    std::vector<CachePolicy> out;
    out.push_back(forwarding_policy(kRfc9111PolicyName));
    out.push_back(forwarding_policy(kCachingDisabledPolicyName));
    out.back().disabled = true;
    for (CachePolicy& policy : cloudfront_policies()) out.push_back(std::move(policy));
    return out;
}

void complete(Config& config, const Findings& findings, std::uint64_t memory_bytes) {
    complete_memory(config.cache.memory, memory_bytes);
    complete_disk(config.cache.disk);
    complete_paths(config, findings);
    for (auto& [name, policy] : config.cache_policies) {
        if (policy.default_ttl) policy.heuristic = false;
    }
    for (CachePolicy& policy : builtin_policies()) config.cache_policies.try_emplace(policy.name, std::move(policy));
    for (ResponseHeadersPolicy& policy : builtin_headers_policies()) {
        config.response_headers_policies.try_emplace(policy.name, std::move(policy));
    }
    complete_origin_requests(config, findings);
    for (std::size_t i = 0; i < config.behaviors.size(); ++i) {
        Behavior& behavior = config.behaviors[i];
        const std::string path = "behaviors[" + std::to_string(i) + "].cache_policy";
        if (behavior.cache_policy.empty() && !findings.failed(path)) behavior.cache_policy = kRfc9111PolicyName;
        if (config.cache_policies.count(behavior.cache_policy) == 0) {
            behavior.cache_policy = policy_name_of(behavior.cache_policy);
        }
    }
}

void resolve_references(Config& config) {
    const auto caches = [](const Behavior& behavior, const char* method) {
        const auto& methods = behavior.cached_methods;
        return !behavior.policy_ref->disabled && std::find(methods.begin(), methods.end(), method) != methods.end();
    };
    for (Behavior& behavior : config.behaviors) {
        behavior.origin_ref = &config.origins.at(behavior.origin);
        behavior.policy_ref = &config.cache_policies.at(behavior.cache_policy);
        behavior.when_text = behavior.when.text();
        behavior.caches_post = caches(behavior, "POST");
        behavior.caches_options = caches(behavior, "OPTIONS");
    }
    for (const auto& [name, policy] : config.cache_policies) {
        if (policy.request_cache_control == RequestCacheControl::Authorized) {
            config.secret_fields.push_back(policy.authorized_requests.header);
        }
    }
    resolve_origin_requests(config);
    for (Behavior& behavior : config.behaviors) {
        behavior.key_prefix = key_prefix_of(behavior);
    }
    resolve_response_rules(config);
}

} // namespace gatehouse::config
