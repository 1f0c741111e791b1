// One shard of the memory store: an index, the two queues of S3-FIFO, the ghosts, and the mutex that guards them.
//
// S3-FIFO: a new entry joins the small queue. At its end, one that was reused often enough moves to the main queue, the
// others are evicted and leave a ghost; an entry whose ghost is still known joins the main queue at once. At the end of
// the main queue, an entry that was reused goes round once more, at the price of a use. A hit therefore moves nothing.
//
// The queues of all shards act as two queues: the store decides by the bytes of all shards which queue gives, and takes
// the shard whose last entry has been there longest (see memory_store.cpp). Every shard of its own would cost hits.
//
// All functions lock the mutex, do a bounded amount of work and free nothing: what is dropped is handed out.
#pragma once

#include "cache/store/entry_table.h"
#include "cache/store/ghost_table.h"
#include "cache/store/store.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace gatehouse::cache::store {

enum class Queue : std::uint8_t { None, Small, Main };

// What the shards have in common. Approximate at any moment, exact when nobody is at work.
struct EvictionState {
    std::atomic<std::uint64_t> small_bytes{0};
    std::atomic<std::uint64_t> main_bytes{0};
    std::atomic<std::uint64_t> objects{0};
    std::atomic<std::uint64_t> ghost_bytes{0};  // evicted into ghosts since the start: the clock of the ghosts
    std::atomic<std::uint32_t> queue_clock{0};  // entries put into queues since the start: their order
    unsigned ghost_shift = 0;                   // a unit of the ghosts' time is 1 << ghost_shift bytes

    std::uint64_t bytes() const noexcept {
        return small_bytes.load(std::memory_order_relaxed) + main_bytes.load(std::memory_order_relaxed);
    }
    std::uint32_t ghost_now() const noexcept {
        return static_cast<std::uint32_t>(ghost_bytes.load(std::memory_order_relaxed) >> ghost_shift);
    }
    // Ghosts of as many bytes as are stored.
    std::uint32_t ghost_window() const noexcept { return static_cast<std::uint32_t>(bytes() >> ghost_shift); }
};

// A first-in first-out queue, doubly linked so that an entry can be removed from its middle.
class EntryQueue {
public:
    Entry* oldest() const noexcept { return oldest_; }
    void push(Entry* entry, std::uint32_t now) noexcept;
    void remove(Entry* entry) noexcept;
    void replace(Entry* old, Entry* entry) noexcept;

    // When the oldest entry joined. May be read without the lock, as a hint.
    bool is_empty_hint() const noexcept { return (oldest_hint_.load(std::memory_order_relaxed) >> 32) == 0; }
    std::uint32_t oldest_hint() const noexcept {
        return static_cast<std::uint32_t>(oldest_hint_.load(std::memory_order_relaxed));
    }

private:
    void publish_oldest() noexcept;

    Entry* newest_ = nullptr;
    Entry* oldest_ = nullptr;
    std::atomic<std::uint64_t> oldest_hint_{0}; // upper half: whether there is one; lower half: queued_at_
};

// Entries that were dropped under the lock, let go of after it.
class Dropped {
public:
    void add(EntryRef entry) noexcept { entries_[count_++] = std::move(entry); }

private:
    std::array<EntryRef, 2> entries_;
    std::size_t count_ = 0;
};

class alignas(64) Shard {
public:
    explicit Shard(EvictionState& state) noexcept : state_(state) {}
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;
    ~Shard();

    // Counts of use saturate here: more would keep an entry long after its time.
    static constexpr std::uint8_t kMostUses = 7;
    // So many, so that a change makes few cores ask again for what has not changed.
    static constexpr std::size_t kChangeCounters = 64;

    void lookup(std::uint64_t hash, std::string_view key, Candidates& found);
    // Store::changes
    const std::atomic<std::uint64_t>& changes(std::uint64_t hash) const noexcept {
        return changes_[change_counter(hash)];
    }
    // Takes a reference to `entry` for the index. Replaces the entry with the same secondary key, else drops the oldest
    // when there are max_variants. Returns what is stored: the one with the same secondary key where its sequence is
    // larger.
    EntryRef insert(EntryRef entry, unsigned max_variants, Dropped& dropped);
    // Puts `entry` in the place of `old`. False when `old` is not stored any more, or another one with the same
    // secondary key and a larger sequence is.
    bool replace(const EntryRef& old, EntryRef entry, Dropped& dropped);
    bool erase(const EntryRef& entry, Dropped& dropped);

    enum class Step : std::uint8_t {
        Empty,   // the queue has no entries
        Pinned,  // somebody holds the oldest: evicting it would free nothing, so it went round its queue
        Kept,    // the oldest was reused, and went to the main queue or round it
        Evicted  // the oldest was evicted
    };
    // Deals with the oldest entry of a queue. `forced`: reuse keeps it no longer, only being in use does.
    Step evict(Queue queue, bool forced, EntryRef& victim);
    const EntryQueue& queue_hint(Queue queue) const noexcept { return queue == Queue::Small ? small_ : main_; }

    // Memory that the shard would like to have; asked for and allocated outside the lock.
    struct Growth {
        std::size_t buckets = 0; // 0: none wanted
        std::size_t ghosts = 0;
    };
    Growth wanted_growth(std::size_t ghosts_max);
    // There was no room for it: none is wanted until the shard has an eighth more entries.
    void growth_was_refused();
    // Each returns the charge that is to be released: of what was replaced, or of what came too late.
    std::uint64_t add_buckets(std::size_t buckets);
    std::uint64_t add_ghosts(std::size_t ghosts);

    std::size_t collect(std::size_t from, std::size_t most, std::vector<EntryRef>& into);
    void add_stats(StoreStats& stats);

private:
    EntryQueue& queue_of(const Entry& entry) noexcept {
        return static_cast<Queue>(entry.queue_) == Queue::Small ? small_ : main_;
    }
    void enqueue(Entry* entry, Queue queue) noexcept;
    void dequeue(Entry* entry) noexcept;
    void count_bytes(Queue queue, std::uint64_t added, std::uint64_t removed) noexcept;
    void drop(Entry* entry, Dropped& dropped) noexcept;
    static EntryRef share(Entry* entry) noexcept { return EntryRef(Entry::share(entry)); }
    void add_to_index(Entry* entry) noexcept;
    void remove_from_index(Entry* entry) noexcept;
    void note_change(std::uint64_t hash) noexcept;
    static std::size_t change_counter(std::uint64_t hash) noexcept {
        return (hash >> 16) % kChangeCounters; // bits that do not choose the shard
    }
    void take_place(Entry* old, Entry* entry, Dropped& dropped) noexcept;
    static std::uint64_t charge_of(const Entry& entry) noexcept { return std::uint64_t{entry.charge_units_} * 16; }
    static std::uint64_t fingerprint(const Entry& entry) noexcept;
    static bool is_pinned(const Entry& entry) noexcept;
    unsigned size_class(const Entry& entry) const noexcept;

    EvictionState& state_;
    std::mutex mutex_;
    EntryTable table_;
    EntryQueue small_;
    EntryQueue main_;
    GhostTable ghosts_;
    std::size_t no_growth_below_ = 0; // entries: there was no room for a larger index
    std::uint64_t evictions_ = 0;
    std::uint64_t insertions_ = 0;
    std::uint64_t ghost_hits_ = 0;
    // Read by all cores for each hit, and written with the index alone: not on one line with the mutex.
    alignas(64) std::array<std::atomic<std::uint64_t>, kChangeCounters> changes_{};
};

} // namespace gatehouse::cache::store
