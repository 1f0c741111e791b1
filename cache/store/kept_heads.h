// Heads of bodies that are sent from their files, kept in memory: what was asked for lately is asked for again, and then
// nothing of its record has to be read, checked and taken apart but the body, which the kernel sends.
//
// A head is found in two ways. By its key alone, as long as nothing has changed: it was all that was stored for the key
// when the store's number of changes for it was what it is now. Else by the place of its record and the generation of that
// segment, which name the same bytes for ever; that this record is what is stored, the index of the disk has to say. So
// nobody has to take out what was replaced or removed.
//
// Sets of four, by the hash of the key. A head that is not asked for makes room for a new one after a few of those have
// come; so what is asked for once, one after the other, does not drive out what is in use.
//
// A kept head keeps the file of its body open, and with it the space of a segment that was given up: drop_given_up().
//
// All functions may be called from any thread; each locks a mutex for a bounded amount of work, drop_given_up() one after
// the other.
#pragma once

#include "cache/store/disk_index.h"
#include "cache/store/store.h"
#include "cache/store/zeroed_array.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

namespace gatehouse::cache::store {

class KeptHeads {
public:
    // What they may take of a memory store of `memory_bytes`. The heads are charged to it; what belongs to each beside
    // (kBytesBeside, a third of what a small one takes) is counted here alone, and free slots are not.
    static constexpr std::uint64_t kShareOfMemory = 16;
    static constexpr std::uint64_t kMostBytes = 64ull * 1024 * 1024;
    // Key, secondary key and metadata of one that is kept.
    static constexpr std::uint64_t kMostTextBytes = 8 * 1024;
    // As a number of changes: it is not all that is stored for its key.
    static constexpr std::uint64_t kOneOfSeveral = ~std::uint64_t{0};

    explicit KeptHeads(std::uint64_t memory_bytes);
    ~KeptHeads();
    KeptHeads(const KeptHeads&) = delete;
    KeptHeads& operator=(const KeptHeads&) = delete;

    struct Found {
        EntryRef entry;
        const FileBody* body = nullptr; // of the entry
        explicit operator bool() const noexcept { return static_cast<bool>(entry); }
    };
    // That this hash is asked for soon: the wait for memory may begin.
    void expect(const KeyHash& hash) const noexcept { __builtin_prefetch(&sets_[index_of(hash)]); }
    // What is all that is stored for the key where its number of changes is `changes`. Null: it is not known.
    Found find(const KeyHash& hash, std::string_view key, std::uint64_t changes);
    // The head of the record at that place, which is found by `changes` from now on. Null: it is not kept.
    Found find_at(const KeyHash& hash, const disk::Location& location, std::uint64_t generation,
                  std::uint64_t changes);
    // Whether a head with so many bytes of texts may be kept under this hash now; others may go for it. False: those in use
    // stay, and are worth less from now on.
    bool makes_room(const KeyHash& hash, std::uint64_t text_bytes);
    // Requires: its body lies in a file. It is not kept where makes_room() was not asked, others came in between, or its file
    // was given up. `changes`: what the number was before its record was looked for, or kOneOfSeveral.
    void keep(const KeyHash& hash, const disk::Location& location, std::uint64_t generation, std::uint64_t changes,
              EntryRef entry);
    // Lets go of those whose files were given up before.
    void drop_given_up();
    std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
    std::uint64_t most_bytes() const noexcept { return most_bytes_; }

private:
    static constexpr std::size_t kWays = 4;
    static constexpr std::size_t kMutexes = 64;
    static constexpr std::size_t kMostSetsSwept = 16; // for one that comes
    static constexpr std::uint8_t kMostUses = 3;
    static constexpr std::size_t kExpectedBytes = 768; // most heads are no longer
    // OPTIMIZATION: two cache lines are touched to find a head, and they are in no processor's cache.
    struct alignas(64) Slot {
        Found head; // null: free
        std::uint64_t changes = 0;
        std::uint64_t generation = 0;
        std::uint32_t segment = 0;
        std::uint32_t units = 0;
    };
    struct alignas(64) Set { // all zeros: nothing is kept
        std::array<std::uint64_t, kWays> tags; // KeyHash::high
        std::array<std::uint8_t, kWays> uses;
        std::array<Slot, kWays> slots;
        std::size_t free_way() const noexcept; // kWays: there is none
        std::size_t idle_way() const noexcept; // one that was not asked for lately; kWays: there is none
        void age() noexcept;
    };
    static constexpr std::uint64_t kBytesPerSlot = 512; // of its share; a small head has more
    static constexpr std::uint64_t kBytesBeside = sizeof(Slot) + 192; // of each head: its FileBody

    std::size_t index_of(const KeyHash& hash) const noexcept { return hash.low & (sets_.size() - 1); }
    std::mutex& mutex_of(std::size_t index) noexcept { return mutexes_[index % kMutexes]; }
    static std::uint64_t bytes_of(const Entry& entry) noexcept { return entry.charged_bytes() + kBytesBeside; }
    EntryRef empty(Set& set, std::size_t way) noexcept;
    bool makes_room_elsewhere();
    template <class Goes>
    void drop_if(Goes goes);
    static void expect(const Slot& slot) noexcept;
    template <class Fits>
    Found find_if(const KeyHash& hash, Fits fits);

    const std::uint64_t most_bytes_;
    ZeroedArray<Set, Ends::ByOwner> sets_;
    std::array<std::mutex, kMutexes> mutexes_;
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::size_t> hand_{0}; // the set that is swept next
};

} // namespace gatehouse::cache::store
