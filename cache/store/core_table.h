// What one core keeps of a store for itself: references to what it serves most, so that another hit on it takes no lock
// and writes nothing that other cores read.
//
// A slot holds what lookup() found for one key, with a true reference to each entry, and the number that
// Store::changes() had before. As long as the number is the same, the same would be found, and lookup() here gives that
// out, held by the slot's own plain count (Pin). Once a call that erased or replaced an entry has returned, whoever
// knows of its return finds the number grown, and asks the store: what was removed is never found here.
//
// What is kept is in use: the store does not evict it. So little may be kept, and not for long. A slot takes what was
// asked for several times (uses_to_keep) within about a tick, and of what competes for it the one that is asked for
// more often. tidy(), at each tick, lets go of what the store does not have any more, and of what was not used since.
// Until then an entry that was removed stays charged, and as long as a slow reader pins it, as with every reader; a
// slot that is pinned takes nothing else meanwhile.
//
// Beside each entry there is a place for a Companion, which goes when the slot lets go of the entry.
//
// All functions run on the core's thread, and all that it found is let go of there, before it ends.
#pragma once

#include "cache/store/store.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace gatehouse::cache::store {

class CoreTable {
public:
    static constexpr std::size_t kSlots = 256;
    // A key with more variants is always asked for in the store, and so is one whose entries, heads and bodies of all
    // variants together, are larger: there what is shared costs little beside what is sent. So is what has its body in a
    // file.
    static constexpr std::size_t kMostVariants = 4;
    static constexpr std::uint64_t kMostSlotBytes = 64 * 1024;
    // What all slots may hold: a share of the store, and no more than this.
    static constexpr std::uint64_t kShareOfStore = 256;
    static constexpr std::uint64_t kMostBytes = 4 * 1024 * 1024;
    static constexpr std::uint32_t kUsesToKeep = 4;

    // `store` outlives it. `begins_to_keep`: something is kept where nothing was; tidy() is to be called at each tick
    // until keeps_nothing().
    explicit CoreTable(
        Store& store, std::function<void()> begins_to_keep = [] {}, std::uint32_t uses_to_keep = kUsesToKeep);
    ~CoreTable();
    CoreTable(const CoreTable&) = delete;
    CoreTable& operator=(const CoreTable&) = delete;

    // As Store::lookup(). Requires: `found` is empty.
    void lookup(const KeyHash& hash, std::string_view key, Candidates& found) {
        Slot& slot = slot_of(hash);
        if (slot.hash == hash && slot.is_current() && slot.entries[0]->key() == key) {
            ++slot.uses;
            for (std::size_t i = 0; i < slot.count; ++i) {
                found.push(HeldEntry(slot.entries[i], Pin(slot.pins), slot.companions[i]));
            }
            return;
        }
        look_up_in_store(slot, hash, key, found);
    }
    void tidy() noexcept;
    bool keeps_nothing() const noexcept { return kept_ == 0; }
    std::uint64_t kept_bytes() const noexcept { return kept_bytes_; }
    std::uint64_t most_bytes() const noexcept { return most_bytes_; }

private:
    struct alignas(64) Slot {
        KeyHash hash;
        const std::atomic<std::uint64_t>* changes = nullptr;
        std::uint64_t changes_seen = 0;
        std::uint32_t count = 0; // of entries; 0: the slot is free
        std::uint32_t pins = 0;
        std::uint32_t uses = 0;                      // since the last tick
        std::uint32_t challenges = 0;                // uses of the key that would like to have the slot
        std::array<EntryRef, kMostVariants> entries; // of one key, newest first
        std::array<std::unique_ptr<Companion>, kMostVariants> companions; // of these
        std::uint64_t challenger = 0;                                     // KeyHash::low
        std::uint64_t bytes = 0;                                          // that the entries are charged

        bool is_current() const noexcept {
            return count > 0 && changes->load(std::memory_order_acquire) == changes_seen;
        }
        bool has_key(const KeyHash& wanted, std::string_view key) const noexcept {
            return count > 0 && hash == wanted && entries[0]->key() == key;
        }
        bool has_just(const Candidates& found) const noexcept;
    };
    Slot& slot_of(const KeyHash& hash) noexcept { return slots_[hash.high % kSlots]; }
    void look_up_in_store(Slot& slot, const KeyHash& hash, std::string_view key, Candidates& found);
    bool wins(Slot& slot, const KeyHash& hash) const noexcept;
    bool fits(const Slot& slot, const Candidates& found) const noexcept;
    void take(Slot& slot, const Candidates& found);
    void let_go(Slot& slot) noexcept;

    Store& store_;
    std::function<void()> begins_to_keep_;
    const std::uint32_t uses_to_keep_;
    const std::uint64_t most_bytes_;
    std::size_t kept_ = 0; // slots in use
    std::uint64_t kept_bytes_ = 0;
    std::unique_ptr<Slot[]> slots_;
};

} // namespace gatehouse::cache::store
