// Which rule of No-Vary-Search each resource gave last (cache/policy/no_vary_search.h): what tells a request where the
// response to an equal one is stored.
//
// A resource is all that a key says but its query. A rule has the number of the moment at which it was learnt, from the
// counter of requests and purges (cache/purge_log.h), and the keys of what is stored by it have that number. So nothing
// depends on a rule being remembered: what is stored by one that made room, or has another in its place, is found by
// nobody any more and is evicted in time, and a rule that is learnt again has another number. That costs misses, never
// correctness; a resource that gives several rules in turn has misses only. A response without the field leaves the rule
// in force: one query could otherwise end what is stored for all others.
//
// Bounded: kMaxRules in all; the one that was asked for the longest time ago makes room.
//
// Any thread may call everything.
#pragma once

#include "cache/policy/no_vary_search.h"
#include "cache/purge_log.h"
#include "cache/store/store.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gatehouse::cache {

class SearchRules {
public:
    static constexpr std::size_t kShards = 16;
    static constexpr std::size_t kMaxPerShard = 256;
    static constexpr std::size_t kMaxRules = kShards * kMaxPerShard;

    struct Known {
        std::shared_ptr<const policy::SearchRule> rule;
        std::uint64_t number = 0;
    };

    // `key`, here and below: any key of the resource.
    std::optional<Known> find(std::string_view key);
    // The same, and it does not count as asked for.
    std::optional<Known> peek(std::string_view key) const;
    // The rule's number: that under which it is known, or a new one of `numbers`.
    std::uint64_t learn(std::string_view key, policy::SearchRule rule, PurgeLog& numbers);
    // One load: whether there is any rule at all.
    bool empty() const noexcept { return count_.load(std::memory_order_seq_cst) == 0; }
    std::size_t size() const noexcept { return count_.load(std::memory_order_seq_cst); }
    // The rules of all resources with this path, each once. A rule that is not among them is learnt after this call.
    // nullopt: there are more than kMostOfPath.
    static constexpr std::size_t kMostOfPath = 16;
    std::optional<std::vector<std::shared_ptr<const policy::SearchRule>>> of_path(std::string_view path) const;

private:
    struct Entry {
        store::KeyHash resource;
        std::uint64_t path = 0;
        Known known;
    };
    struct Hash {
        std::size_t operator()(const store::KeyHash& hash) const noexcept { return hash.high; }
    };
    using Order = std::list<Entry>; // the one asked for last comes first
    struct Shard {
        mutable std::mutex mutex;
        Order order;
        std::unordered_map<store::KeyHash, Order::iterator, Hash> by_resource;
        std::unordered_multimap<std::uint64_t, Order::iterator> by_path;
    };
    Shard& shard(const store::KeyHash& resource) noexcept { return shards_[resource.low % kShards]; }
    void remove(Shard& shard, Order::iterator entry);

    std::array<Shard, kShards> shards_;
    std::atomic<std::size_t> count_{0};
};

} // namespace gatehouse::cache
