// A stored response as the store keeps it, and the two ways to hold one.
#pragma once

#include "cache/store/body.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace gatehouse::cache::store {

class FileBody;
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
    const FileBody* file_body() const noexcept { return has_file_ ? file_place().get() : nullptr; } // the same, not held
    bool has_file() const noexcept { return has_file_; }
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
    std::uint64_t hash_ = 0;         // KeyHash::low
    Entry* chain_ = nullptr;         // index: the next entry of its bucket (guarded by the shard)
    Entry* newer_ = nullptr;         // eviction: neighbours in its queue (guarded by the shard)
    Entry* older_ = nullptr;         //
    std::uint32_t charge_units_ = 0; // of head and body, in units of 16 bytes
    std::uint32_t queued_at_ = 0;    // eviction: when it joined its queue (guarded by the shard)
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

// What the layer above keeps with an entry, for as long as a core keeps that for itself (cache/store/core_table.h).
// Belongs to that core.
class Companion {
public:
    virtual ~Companion() = default;
};

// What a lookup gives: an entry that is held on one core, by a reference of its own or by a pin of what the core keeps
// (cache/store/core_table.h). It stays on its core; what leaves it is an EntryRef, which it becomes by itself.
class HeldEntry {
public:
    HeldEntry() noexcept = default;
    HeldEntry(EntryRef own) noexcept : entry_(std::exchange(own.entry_, nullptr)) {}
    // `companion` is there as long as the pin is.
    HeldEntry(const EntryRef& kept, Pin pin, std::unique_ptr<Companion>& companion) noexcept
        : entry_(kept.entry_), pin_(std::move(pin)), companion_(&companion) {}
    HeldEntry(const HeldEntry& other) noexcept
        : entry_(other.pin_ ? other.entry_ : Entry::share(other.entry_)),
          pin_(other.pin_),
          companion_(other.companion_) {}
    HeldEntry(HeldEntry&& other) noexcept
        : entry_(std::exchange(other.entry_, nullptr)),
          pin_(std::move(other.pin_)),
          companion_(std::exchange(other.companion_, nullptr)) {}
    HeldEntry& operator=(HeldEntry other) noexcept {
        std::swap(entry_, other.entry_);
        std::swap(pin_, other.pin_);
        std::swap(companion_, other.companion_);
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
    // Where the layer above keeps something with it; null: this core does not keep the entry.
    std::unique_ptr<Companion>* companion() const noexcept { return companion_; }
    const Entry* get() const noexcept { return entry_; }
    const Entry* operator->() const noexcept { return entry_; }
    const Entry& operator*() const noexcept { return *entry_; }
    explicit operator bool() const noexcept { return entry_ != nullptr; }
    bool operator==(const HeldEntry& other) const noexcept { return entry_ == other.entry_; }
    bool operator==(const EntryRef& other) const noexcept { return entry_ == other.entry_; }

private:
    Entry* entry_ = nullptr;
    Pin pin_; // null: the reference is its own
    std::unique_ptr<Companion>* companion_ = nullptr;
};

} // namespace gatehouse::cache::store
