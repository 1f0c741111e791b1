// The Store contract. A store knows no HTTP: it keeps, per key, up to max_variants entries, each with opaque metadata
// (a stored head), a body, and a hint for eviction. Every implementation passes the suite in
// tests/store/store_contract.h.
//
// Absent is not an error. Nothing is visible before commit: a Writer that is dropped without it leaves nothing behind,
// so a truncated response never becomes a hit. Entries are immutable: freshening replaces an entry by another that
// shares its body, and whoever still holds the old one keeps it alive (and charged).
//
// All functions may be called from any thread; none blocks on I/O or on another caller's work beyond a short mutex.
#pragma once

#include "cache/store/entry.h"
#include "cache/store/store_stats.h"

#include <boost/container/static_vector.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::store {

// 128-bit keyed hash: it finds, the full key decides.
struct KeyHash {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool operator==(const KeyHash&) const = default;
};
// Keyed with a secret drawn at start, so that collisions cannot be prepared.
KeyHash hash_key(std::string_view key) noexcept;

class Load; // cache/store/load.h

// The entries found for one key, newest first. Fixed room: a lookup allocates nothing.
class Candidates {
public:
    static constexpr std::size_t kMax = 32; // upper bound of cache.memory.max_variants
    void push(HeldEntry entry) noexcept { entries_.push_back(std::move(entry)); }
    // Those of that key that are not there yet, as many as there is room for.
    void add(const std::vector<EntryRef>& entries, std::string_view key) noexcept {
        for (const EntryRef& entry : entries) {
            const bool is_new = std::none_of(entries_.begin(), entries_.end(),
                                             [&entry](const HeldEntry& one) { return one == entry; });
            if (entry->key() == key && is_new && entries_.size() < kMax) {
                entries_.push_back(entry);
            }
        }
    }
    void clear() noexcept { entries_.clear(); }
    std::size_t size() const noexcept { return entries_.size(); }
    bool empty() const noexcept { return entries_.empty(); }
    const HeldEntry& operator[](std::size_t index) const noexcept { return entries_[index]; }
    // Leaves null in its place.
    HeldEntry take(std::size_t index) noexcept { return std::move(entries_[index]); }

private:
    boost::container::static_vector<HeldEntry, kMax> entries_; // room that costs nothing until it is used
};

struct PutFacts {
    std::string_view key;
    KeyHash hash;
    std::string_view secondary_key;
    std::uint64_t sequence = 0;
};

// A response on its way into the store. Move-only through unique_ptr; destroyed without commit: nothing is left.
class Writer {
public:
    virtual ~Writer() = default;
    // The body to fill and to read from meanwhile. Shared: readers may outlive the writer.
    virtual const std::shared_ptr<Body>& body() const noexcept = 0;
    // Makes the entry visible, replacing the one with the same secondary key and, when the key has max_variants, the
    // oldest. An entry with the same secondary key and a larger sequence stays: its request was sent later. Returns
    // what is stored now: the new entry, or that one. Requires: the body is complete, and what open_writer() gave in Retain
    // mode. Null when it
    // could not be stored (no room for the head): the body stays readable. May be called once.
    virtual EntryRef commit(std::string_view metadata) = 0;
    // What was published, in order. Only a writer of open_large_writer() needs it.
    virtual void took(std::span<const char> /*bytes*/) {}
    // Not null: too much waits to be written; the next bytes should not be taken before this has finished.
    virtual std::shared_ptr<Load> pause() { return nullptr; }
};

// What a slower tier has of a key beyond what lookup() finds.
struct Below {
    enum class Kind : std::uint8_t {
        Nothing,
        Brought, // lookup() finds more now, or there is something in `unlisted`
        Coming   // it has to be waited for: `load`
    };
    Kind kind = Kind::Nothing;
    std::shared_ptr<Load> load = {};
    // Entries that lookup() does not find: with their body in files, or for those alone who wait for them now.
    std::vector<EntryRef> unlisted = {};
};

class Store {
public:
    virtual ~Store() = default;
    // Entries of this key, newest first; counts a use of none (see touch). One with its body in a file: that is in the
    // kernel's memory, as far as it is sent at once.
    virtual void lookup(const KeyHash& hash, std::string_view key, Candidates& found) = 0;
    // A number that has grown before a call returns that changes what lookup() finds for a key of this hash (it may
    // grow for others, too). So what was found after it was read is what is stored as long as it is the same: a core
    // may keep it (cache/store/core_table.h). That does not go for what has its body in a file, nor for its absence: that
    // is asked for each time. Lives as long as the store. Null: there is none.
    virtual const std::atomic<std::uint64_t>* changes(const KeyHash& /*hash*/) const noexcept { return nullptr; }
    // What lookup() does not find because a slower tier has it, where there is one. `at_hand`: what lookup() found.
    // `may_wait` false: what would have to be waited for counts as Nothing. What comes is not newer than what is at
    // hand, and what was erased or replaced meanwhile does not come.
    virtual Below bring(const KeyHash& /*hash*/, std::string_view /*key*/, const Candidates& /*at_hand*/,
                        bool /*may_wait*/) {
        return {};
    }
    // Has the kernel read a part of a body that lies in files. Null: that cannot be done now.
    virtual std::shared_ptr<Load> read_in(std::shared_ptr<const FileBody> /*body*/, std::uint64_t /*first*/,
                                          std::uint64_t /*bytes*/) {
        return nullptr;
    }
    // An entry that lookup() does not find, with its body in files. Null when there is no room.
    enum class FileEntryFor : std::uint8_t {
        Request, // in the memory of what passes through
        Keeping  // in that of what is stored
    };
    virtual EntryRef make_file_entry(const PutFacts& /*facts*/, std::string_view /*metadata*/,
                                     std::shared_ptr<const FileBody> /*body*/, FileEntryFor /*use*/) {
        return {};
    }
    // An entry that lookup() does not find, of at most Block::kMaxPayload bytes, in the memory of what passes through.
    // Null when that is short.
    virtual EntryRef make_passing_entry(const PutFacts& /*facts*/, std::string_view /*metadata*/,
                                        std::string_view /*body*/) {
        return {};
    }
    // Whether so many bytes can be stored without evicting anything. Any thread.
    virtual bool has_room_for(std::uint64_t /*bytes*/) const noexcept { return true; }
    // Counts a use for eviction. Lock-free.
    virtual void touch(const Entry& entry) noexcept = 0;
    // expected_bytes: Content-Length when known. Null when the object is larger than this store takes.
    virtual std::unique_ptr<Writer> open_writer(const PutFacts& facts, std::optional<std::uint64_t> expected_bytes) = 0;
    // For content that is larger than memory takes, where a slower tier takes it. Its body is relayed (Window mode), and
    // what was published is handed over with took(). Null: it is not stored.
    virtual std::unique_ptr<Writer> open_large_writer(const PutFacts& /*facts*/, std::uint64_t /*bytes*/) {
        return nullptr;
    }
    // A body that is only relayed (Window mode), charged to the relay budget.
    virtual std::shared_ptr<Body> open_relay(std::optional<std::uint64_t> expected_bytes) = 0;
    // Whether what passes through has little of its memory left: nothing of it should be kept elsewhere then. Any thread.
    virtual bool relays_are_short() const noexcept { return false; }
    // Replaces `old` by an entry with this metadata and sequence that shares its body. Null when `old` is no longer
    // the stored one (it was replaced, erased or evicted meanwhile), there is no room, or the secondary key is that of
    // another entry with a larger sequence: `old` itself stays usable.
    virtual EntryRef replace_metadata(const EntryRef& old, std::string_view secondary_key, std::string_view metadata,
                                      std::uint64_t sequence) = 0;
    // Removes exactly this entry if it is still stored.
    virtual bool erase(const EntryRef& entry) = 0;
    virtual std::uint64_t max_object_bytes() const noexcept = 0;
    // Visits all entries, shard by shard, no lock held while visiting. For inspection and purge walks.
    virtual void for_each(const std::function<void(const EntryRef&)>& visit) = 0;
    virtual StoreStats stats() const = 0;
};

} // namespace gatehouse::cache::store
