// Sets of slots that are written in place; whoever asks reads the slots first and the floor last.
#include "cache/purge_table.h"

#include <algorithm>

namespace gatehouse::cache {

void PurgeTable::record(const store::KeyHash& hash, std::uint64_t number) noexcept {
    Set& set = sets_[hash.low & (sets_.size() - 1)];
    const std::uint64_t tag = hash.high & kTagMask;
    std::atomic<std::uint64_t>* place = &set.slots[0];
    for (auto& slot : set.slots) {
        const std::uint64_t value = slot.load(std::memory_order_relaxed);
        if (value != 0 && (value & kTagMask) == tag) {
            place = &slot;
            break;
        }
        if (value < place->load(std::memory_order_relaxed)) {
            place = &slot; // a free one, or the one with the smallest number
        }
    }
    const std::uint64_t old = place->load(std::memory_order_relaxed);
    if (old != 0 && (old & kTagMask) != tag) {
        // Before the slot is written: whoever finds the old purge gone finds the floor that covers it, be it another
        // thread or the process that comes after this one was killed between the two.
        set.floor.store(old >> kTagBits, std::memory_order_release);
    }
    place->store(number << kTagBits | tag, std::memory_order_release);
}

bool PurgeTable::kills(const store::KeyHash& hash, std::uint64_t after) const noexcept {
    const Set& set = sets_[hash.low & (sets_.size() - 1)];
    const std::uint64_t tag = hash.high & kTagMask;
    for (const auto& slot : set.slots) {
        const std::uint64_t value = slot.load(std::memory_order_acquire);
        if ((value >> kTagBits) > after && (value & kTagMask) == tag) {
            return true;
        }
    }
    return set.floor.load(std::memory_order_acquire) > after;
}

std::uint64_t PurgeTable::Set::largest() const noexcept {
    std::uint64_t found = floor.load(std::memory_order_relaxed);
    for (const auto& slot : slots) {
        found = std::max(found, slot.load(std::memory_order_relaxed) >> kTagBits);
    }
    return found;
}

std::uint64_t PurgeTable::largest() const noexcept {
    std::uint64_t found = 0;
    for (const Set& set : sets_) {
        found = std::max(found, set.largest());
    }
    return found;
}

} // namespace gatehouse::cache
