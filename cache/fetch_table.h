// Fetches in flight by key: collapsed forwarding (DESIGN 4.5), and a short memory of keys that cannot be shared.
#pragma once

#include "cache/fetch.h"
#include "cache/store/zeroed_array.h"
#include "http/time.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gatehouse::cache {

class FetchTable {
public:
    // Looks through the fetches of this key, newest first, and joins the first for which `fits` says yes; otherwise
    // inserts what `make` gives. Both run under the shard's lock: short, no waiting. `make` may look at the fetches
    // that do not fit (their answers tell which fields vary), and may give none after all.
    struct Found {
        std::shared_ptr<Fetch> fetch; // null: none fitted, and none was made
        bool leader = false;
    };
    Found join_or_insert(std::string_view key, const store::KeyHash& hash,
                         const std::function<bool(const Fetch&)>& fits,
                         const std::function<std::shared_ptr<Fetch>(const std::vector<std::shared_ptr<Fetch>>&)>& make);
    // From now on it is joined under this key, which becomes its own. Nothing but its key changes when nobody could
    // join it. Its home core.
    void move(Fetch& fetch, std::string key);
    // No more joining. Idempotent.
    void remove(const Fetch& fetch);
    std::size_t size() const;
    // How many are in flight under this key.
    std::size_t count(std::string_view key, const store::KeyHash& hash) const;

private:
    static constexpr std::size_t kShards = 64;
    struct Shard {
        mutable std::mutex mutex;
        std::unordered_map<std::string, std::vector<std::shared_ptr<Fetch>>> by_key;
    };
    Shard& shard(const store::KeyHash& hash) noexcept { return shards_[hash.low % kShards]; }
    std::array<Shard, kShards> shards_;
};

// Keys whose answer could not be stored a moment ago: requests for them do not queue behind one another. A fixed table
// of atomics: two keys that fall on the same slot forget each other, which costs a wait, never correctness.
class UncacheableMemory {
public:
    explicit UncacheableMemory(std::size_t slots = kSlots) : slots_(slots) {}
    void remember(const store::KeyHash& hash, http::WallTime until) noexcept;
    void forget(const store::KeyHash& hash) noexcept;
    bool remembers(const store::KeyHash& hash, http::WallTime now) const noexcept {
        return until(hash, now).has_value();
    }
    // Until when it is remembered.
    std::optional<http::WallTime> until(const store::KeyHash& hash, http::WallTime now) const noexcept;

private:
    static constexpr std::size_t kSlots = 1 << 16;
    static std::uint64_t tag(const store::KeyHash& hash) noexcept { return hash.high & 0xffffffff00000000ULL; }
    store::ZeroedArray<std::atomic<std::uint64_t>> slots_; // upper half: tag, lower half: second it ends
};

} // namespace gatehouse::cache
