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

#include "cache/store/body.h"
#include "cache/store/store_stats.h"

#include <boost/container/static_vector.hpp>

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

class FileBody;
class Load; // cache/store/load.h
class Shard;

// One stored response. Immutable but for its two memo words, which belong to the layer above.
//
// It lives in its own head block: the entry, then key, secondary key and metadata. 104 bytes, the links of the index
// and of the eviction queues included.
class Entry {
public:
    std::string_view key() const noexcept { return {text(), key_size_}; }
    std::string_view secondary_key() const noexcept { // opaque: tells variants apart
        return {text() + key_size_, secondary_size_};
    }
    std::string_view metadata() const noexcept { return {text() + key_size_ + secondary_size_, metadata_size_}; }
    const BlockRef& body() const noexcept { return body_; } // null when empty
    std::uint64_t body_size() const noexcept { return body_size_; }
    // Where the body lies when it is not in memory: then body() is null although body_size() is not 0. Null: in memory.
    std::shared_ptr<const FileBody> file() const noexcept { return has_file_ ? file_place() : nullptr; }
    bool is_passing() const noexcept { return is_passing_; } // by make_passing_entry(): the store may have its twin
    // Number of the moment its request to the origin was sent: purges and entries with a later number win
    // (DESIGN 4.11).
    std::uint64_t sequence() const noexcept { return sequence_; }
    // What head and body are charged.
    std::uint64_t charged_bytes() const noexcept { return std::uint64_t{charge_units_} * 16; }
    // The last purge number it was checked against.
    std::atomic<std::uint64_t>& checked_sequence() const noexcept { return checked_sequence_; }
    // Configuration generation for which it was last found storable (0: none). See DESIGN 4.12.
    std::atomic<std::uint64_t>& storable_generation() const noexcept { return storable_generation_; }

private:
    friend class EntryRef;
    friend class HeldEntry;
    friend class MemoryStore;
    friend class Shard;
    friend class EntryQueue;
    friend class EntryTable;
    Entry() = default;
    ~Entry() = default;
    static void destroy(Entry* entry) noexcept;
    static Entry* share(Entry* entry) noexcept { // counts one reference more; null stays null
        if (entry != nullptr) {
            entry->references_.fetch_add(1, std::memory_order_relaxed);
        }
        return entry;
    }
    const char* text() const noexcept { return reinterpret_cast<const char*>(this + 1); }
    using FilePointer = std::shared_ptr<const FileBody>;
    // It stands behind the texts, where there is one.
    static std::size_t file_offset(std::size_t text_size) noexcept;
    const FilePointer& file_place() const noexcept;

    mutable std::atomic<std::uint64_t> checked_sequence_{0};
    mutable std::atomic<std::uint64_t> storable_generation_{0};
    std::uint64_t sequence_ = 0;
    std::uint64_t body_size_ = 0;
    BlockRef body_;
    std::uint64_t hash_ = 0;        // KeyHash::low
    Entry* chain_ = nullptr;        // index: the next entry of its bucket (guarded by the shard)
    Entry* newer_ = nullptr;        // eviction: neighbours in its queue (guarded by the shard)
    Entry* older_ = nullptr;        //
    std::uint32_t charge_units_ = 0; // of head and body, in units of 16 bytes
    std::uint32_t queued_at_ = 0;   // eviction: when it joined its queue (guarded by the shard)
    std::uint32_t key_size_ = 0;
    std::uint32_t secondary_size_ = 0;
    std::uint32_t metadata_size_ = 0;
    mutable std::atomic<std::uint32_t> references_{1};
    mutable std::atomic<std::uint8_t> uses_{0}; // eviction: reuse count, saturating
    std::uint8_t queue_ = 0;                    // eviction: which queue (guarded by the shard)
    bool has_file_ = false;
    bool is_passing_ = false;
};

// Shared ownership of an Entry; cheap to copy, any thread. Let go of all before the Store is destroyed.
class EntryRef {
public:
    EntryRef() noexcept = default;
    EntryRef(const EntryRef& other) noexcept : entry_(Entry::share(other.entry_)) {}
    EntryRef(EntryRef&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    EntryRef& operator=(EntryRef other) noexcept {
        std::swap(entry_, other.entry_);
        return *this;
    }
    ~EntryRef() {
        if (entry_ != nullptr && entry_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            Entry::destroy(entry_);
        }
    }
    const Entry* get() const noexcept { return entry_; }
    const Entry* operator->() const noexcept { return entry_; }
    const Entry& operator*() const noexcept { return *entry_; }
    explicit operator bool() const noexcept { return entry_ != nullptr; }
    bool operator==(const EntryRef&) const = default;

private:
    friend class HeldEntry;
    friend class MemoryStore;
    friend class Shard;
    friend class EntryTable;
    explicit EntryRef(Entry* adopted) noexcept : entry_(adopted) {}
    Entry* entry_ = nullptr;
};

// What a lookup gives: an entry that is held on one core, by a reference of its own or by a pin of what the core keeps
// (cache/store/core_table.h). It stays on its core; what leaves it is an EntryRef, which it becomes by itself.
class HeldEntry {
public:
    HeldEntry() noexcept = default;
    HeldEntry(EntryRef own) noexcept : entry_(std::exchange(own.entry_, nullptr)) {}
    HeldEntry(const EntryRef& kept, Pin pin) noexcept : entry_(kept.entry_), pin_(std::move(pin)) {}
    HeldEntry(const HeldEntry& other) noexcept
        : entry_(other.pin_ ? other.entry_ : Entry::share(other.entry_)), pin_(other.pin_) {}
    HeldEntry(HeldEntry&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)), pin_(std::move(other.pin_)) {}
    HeldEntry& operator=(HeldEntry other) noexcept {
        std::swap(entry_, other.entry_);
        std::swap(pin_, other.pin_);
        return *this;
    }
    ~HeldEntry() {
        if (entry_ != nullptr && !pin_) {
            const EntryRef own(entry_);
        }
    }
    operator EntryRef() const noexcept { return EntryRef(Entry::share(entry_)); }
    // Its body from the start, kept for as long as the cursor is there. Requires: it is in memory, or empty.
    Body::Cursor open_body() const {
        return pin_ ? Body::Cursor(entry_->body().get(), entry_->body_size(), pin_)
                    : Body::Cursor(entry_->body(), entry_->body_size());
    }
    const Entry* get() const noexcept { return entry_; }
    const Entry* operator->() const noexcept { return entry_; }
    const Entry& operator*() const noexcept { return *entry_; }
    explicit operator bool() const noexcept { return entry_ != nullptr; }
    bool operator==(const HeldEntry& other) const noexcept { return entry_ == other.entry_; }
    bool operator==(const EntryRef& other) const noexcept { return entry_ == other.entry_; }

private:
    Entry* entry_ = nullptr;
    Pin pin_; // null: the reference is its own
};

// The entries found for one key, newest first. Fixed room: a lookup allocates nothing.
class Candidates {
public:
    static constexpr std::size_t kMax = 32; // upper bound of cache.memory.max_variants
    void push(HeldEntry entry) noexcept { entries_.push_back(std::move(entry)); }
    // Those of that key, as many as there is room for.
    void add(const std::vector<EntryRef>& entries, std::string_view key) noexcept {
        for (const EntryRef& entry : entries) {
            if (entry->key() == key && entries_.size() < kMax) {
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
    // Entries of this key, newest first; counts a use of none (see touch).
    virtual void lookup(const KeyHash& hash, std::string_view key, Candidates& found) = 0;
    // A number that has grown before a call returns that changes what lookup() finds for a key of this hash (it may
    // grow for others, too). So what was found after it was read is what is stored as long as it is the same: a core
    // may keep it (cache/store/core_table.h). Lives as long as the store. Null: there is none.
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
    virtual EntryRef make_file_entry(const PutFacts& /*facts*/, std::string_view /*metadata*/,
                                     std::shared_ptr<const FileBody> /*body*/) {
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
