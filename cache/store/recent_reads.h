// Which keys were read from a slower tier lately: a key that is read twice is worth memory, one that is read once is not.
//
// A fixed table of fingerprints: a key takes the slot of the one before it, so that it is remembered for about as many
// reads of others as there are slots. Any thread; two that write one slot at once lose one of the two, which costs a read.
#pragma once

#include "cache/store/store.h"
#include "cache/store/zeroed_array.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace gatehouse::cache::store {

class RecentReads {
public:
    // About as many as the objects that a memory of so many bytes holds.
    explicit RecentReads(std::uint64_t memory_bytes)
        : slots_(std::bit_floor(static_cast<std::size_t>(
              std::clamp<std::uint64_t>(memory_bytes / kBytesPerObject, kFewestSlots, kMostSlots)))) {}

    // Notes that this key is read. Whether it was lately.
    bool note(const KeyHash& hash) noexcept {
        std::atomic<std::uint32_t>& slot = slots_[hash.low & (slots_.size() - 1)];
        const auto fingerprint = static_cast<std::uint32_t>(hash.high >> 32) | 1U; // an empty slot is 0
        if (slot.load(std::memory_order_relaxed) == fingerprint) {
            return true;
        }
        slot.store(fingerprint, std::memory_order_relaxed);
        return false;
    }

private:
    static constexpr std::uint64_t kBytesPerObject = 8 * 1024;
    static constexpr std::uint64_t kFewestSlots = 256;
    static constexpr std::uint64_t kMostSlots = 1 << 20;

    ZeroedArray<std::atomic<std::uint32_t>> slots_;
};

} // namespace gatehouse::cache::store
