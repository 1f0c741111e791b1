// A sharded map of fetches, touched on misses only.
#include "cache/fetch_table.h"

#include <algorithm>

namespace gatehouse::cache {

FetchTable::Found FetchTable::join_or_insert(
    std::string_view key, const store::KeyHash& hash, const std::function<bool(const Fetch&)>& fits,
    const std::function<std::shared_ptr<Fetch>(const std::vector<std::shared_ptr<Fetch>>&)>& make) {
    Shard& here = shard(hash);
    const std::lock_guard lock(here.mutex);
    auto& fetches = here.by_key[std::string(key)];
    for (auto it = fetches.rbegin(); it != fetches.rend(); ++it) {
        if (fits(**it)) {
            return {*it, false};
        }
    }
    auto made = make(fetches);
    if (made) {
        fetches.push_back(made);
    } else if (fetches.empty()) {
        here.by_key.erase(std::string(key));
    }
    const bool leader = made != nullptr;
    return {std::move(made), leader};
}

void FetchTable::move(Fetch& fetch, std::string key) {
    const store::KeyHash hash = store::hash_key(key);
    std::shared_ptr<Fetch> joined;
    {
        Shard& here = shard(fetch.hash);
        const std::lock_guard lock(here.mutex);
        if (const auto found = here.by_key.find(fetch.key); found != here.by_key.end()) {
            for (const auto& other : found->second) {
                joined = other.get() == &fetch ? other : joined;
            }
        }
    }
    // Found under both for a moment rather than under none.
    if (joined) {
        Shard& there = shard(hash);
        const std::lock_guard lock(there.mutex);
        there.by_key[key].push_back(joined);
    }
    remove(fetch);
    fetch.key = std::move(key);
    fetch.hash = hash;
}

void FetchTable::remove(const Fetch& fetch) {
    if (fetch.is_private) {
        return; // it never was in here
    }
    const bool has_own_key = !fetch.join_key.empty();
    Shard& here = shard(has_own_key ? fetch.join_hash : fetch.hash);
    const std::lock_guard lock(here.mutex);
    const auto found = here.by_key.find(has_own_key ? fetch.join_key : fetch.key);
    if (found == here.by_key.end()) {
        return;
    }
    std::erase_if(found->second, [&fetch](const auto& other) { return other.get() == &fetch; });
    if (found->second.empty()) {
        here.by_key.erase(found);
    }
}

std::size_t FetchTable::size() const {
    std::size_t total = 0;
    for (const Shard& each : shards_) {
        const std::lock_guard lock(each.mutex);
        for (const auto& [key, fetches] : each.by_key) {
            total += fetches.size();
        }
    }
    return total;
}

std::size_t FetchTable::count(std::string_view key, const store::KeyHash& hash) const {
    const Shard& here = shards_[hash.low % kShards];
    const std::lock_guard lock(here.mutex);
    const auto found = here.by_key.find(std::string(key));
    return found == here.by_key.end() ? 0 : found->second.size();
}

namespace {
std::uint64_t seconds_of(http::WallTime time) noexcept {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0)) & 0xffffffffULL;
}
} // namespace

void UncacheableMemory::remember(const store::KeyHash& hash, http::WallTime until) noexcept {
    // Rounded up: less than a second is better remembered too long than not at all.
    const auto end = std::chrono::ceil<std::chrono::seconds>(until);
    slots_[hash.low % slots_.size()].store(tag(hash) | seconds_of(end), std::memory_order_relaxed);
}

void UncacheableMemory::forget(const store::KeyHash& hash) noexcept {
    auto& slot = slots_[hash.low % slots_.size()];
    if ((slot.load(std::memory_order_relaxed) & 0xffffffff00000000ULL) == tag(hash)) {
        slot.store(0, std::memory_order_relaxed);
    }
}

std::optional<http::WallTime> UncacheableMemory::until(const store::KeyHash& hash, http::WallTime now) const noexcept {
    const std::uint64_t slot = slots_[hash.low % slots_.size()].load(std::memory_order_relaxed);
    const std::uint64_t end = slot & 0xffffffffULL;
    const bool is_remembered = (slot & 0xffffffff00000000ULL) == tag(hash) && end > seconds_of(now);
    return is_remembered ? std::optional(http::WallTime(std::chrono::seconds(end))) : std::nullopt;
}

} // namespace gatehouse::cache
