#include "cache/search_rules.h"

#include "cache/policy/cache_key.h"

#include <algorithm>
#include <utility>

namespace gatehouse::cache {

namespace {

constexpr std::string_view kPost = "@POST"; // how a key begins with what it says of the content of a POST
constexpr std::string_view kEmptyQuery = "?\n"; // how a key says that there is a query, and that it is empty

// The halves change places, so that what stands before the query and what stands behind it cannot.
store::KeyHash resource_of(std::string_view key, const policy::KeyParts& parts) noexcept {
    std::string_view fields = parts.fields;
    if (fields.starts_with(kEmptyQuery)) {
        fields.remove_prefix(kEmptyQuery.size());
    }
    // Cached POSTs of one URL are one resource, whatever their contents are; clients choose those.
    const std::size_t of_method = fields.rfind(kPost);
    const bool has_content = of_method != std::string_view::npos && (of_method == 0 || fields[of_method - 1] == '\n');
    fields = fields.substr(0, has_content ? of_method + kPost.size() : fields.size());
    const auto before = store::hash_key(key.substr(0, static_cast<std::size_t>(parts.query.data() - key.data())));
    const auto behind = store::hash_key(fields);
    return {before.low + behind.high, before.high + behind.low};
}

std::uint64_t hash_of_path(std::string_view path) noexcept { return store::hash_key(path).low; }

} // namespace

std::optional<SearchRules::Known> SearchRules::find(std::string_view key) {
    const store::KeyHash resource = resource_of(key, policy::split_cache_key(key));
    Shard& here = shard(resource);
    const std::lock_guard lock(here.mutex);
    const auto found = here.by_resource.find(resource);
    if (found == here.by_resource.end()) {
        return std::nullopt;
    }
    here.order.splice(here.order.begin(), here.order, found->second);
    return found->second->known;
}

std::optional<SearchRules::Known> SearchRules::peek(std::string_view key) const {
    const store::KeyHash resource = resource_of(key, policy::split_cache_key(key));
    const Shard& here = shards_[resource.low % kShards];
    const std::lock_guard lock(here.mutex);
    const auto found = here.by_resource.find(resource);
    return found == here.by_resource.end() ? std::nullopt : std::optional(found->second->known);
}

std::uint64_t SearchRules::learn(std::string_view key, policy::SearchRule rule, PurgeLog& numbers) {
    const policy::KeyParts parts = policy::split_cache_key(key);
    const store::KeyHash resource = resource_of(key, parts);
    Shard& here = shard(resource);
    const std::lock_guard lock(here.mutex);
    const auto found = here.by_resource.find(resource);
    if (found != here.by_resource.end() && *found->second->known.rule == rule) {
        return found->second->known.number;
    }
    if (found != here.by_resource.end()) {
        remove(here, found->second);
    } else if (here.order.size() >= kMaxPerShard) {
        remove(here, std::prev(here.order.end()));
    }
    // Counted before it has its number: a purge that sees no rule has a smaller number than any that is learnt then.
    count_.fetch_add(1, std::memory_order_seq_cst);
    const std::uint64_t number = numbers.mark();
    const std::uint64_t path = hash_of_path(parts.path);
    here.order.push_front({resource, path, {std::make_shared<const policy::SearchRule>(std::move(rule)), number}});
    here.by_resource.emplace(resource, here.order.begin());
    here.by_path.emplace(path, here.order.begin());
    return number;
}

void SearchRules::remove(Shard& shard, Order::iterator entry) {
    auto [at, end] = shard.by_path.equal_range(entry->path);
    while (at != end && at->second != entry) {
        ++at;
    }
    shard.by_path.erase(at);
    shard.by_resource.erase(entry->resource);
    shard.order.erase(entry);
    count_.fetch_sub(1, std::memory_order_seq_cst);
}

std::optional<std::vector<std::shared_ptr<const policy::SearchRule>>>
SearchRules::of_path(std::string_view path) const {
    std::vector<std::shared_ptr<const policy::SearchRule>> rules;
    if (empty()) {
        return rules;
    }
    const std::uint64_t hash = hash_of_path(path);
    for (const Shard& each : shards_) {
        const std::lock_guard lock(each.mutex);
        const auto [begin, end] = each.by_path.equal_range(hash);
        for (auto at = begin; at != end; ++at) {
            const auto& rule = at->second->known.rule;
            const auto is_it = [&rule](const auto& one) { return one == rule || *one == *rule; };
            if (std::any_of(rules.begin(), rules.end(), is_it)) {
                continue;
            }
            if (rules.size() == kMostOfPath) {
                return std::nullopt;
            }
            rules.push_back(rule);
        }
    }
    return rules;
}

} // namespace gatehouse::cache
