// The last purge of each of many things, by hash: what exact purges are kept in (cache/purge_log.h).
//
// A fixed table. The hash of what was purged selects one set, which is one cache line: seven slots of a tag and the
// number of the last purge, and one floor. When all slots of a set are taken, the oldest one is given up and the floor
// takes its number: from then on everything of that set counts as purged at that time. A tag that two things share
// makes each die with the other. Both may kill too much within one set, never too little, and what was looked at since
// (checked, or asked for, after the floor) is not touched.
//
// 16,384 sets of seven: 1 MiB. Tags have 16 bits, so that a purge kills one thing in a billion by mistake; numbers have
// 48, enough for a million a second over eight years.
//
// One thread at a time may record, any number may ask meanwhile without a lock. The order of the two stores serves a
// third reader as well: the process that finds the sets in a file after this one was killed (cache/purge_file.h).
#pragma once

#include "cache/store/store.h"
#include "cache/store/zeroed_array.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace gatehouse::cache {

class PurgeTable {
public:
    static constexpr std::size_t kSets = std::size_t{1} << 14;
    static constexpr std::size_t kSlots = 7;

    // All in one cache line: a question costs one miss at most. All zeros is an empty one.
    struct alignas(64) Set {
        std::array<std::atomic<std::uint64_t>, kSlots> slots{}; // number << kTagBits | tag; 0 when free
        std::atomic<std::uint64_t> floor{0};

        std::uint64_t largest() const noexcept;
    };
    static_assert(sizeof(Set) == 64 && std::atomic<std::uint64_t>::is_always_lock_free);

    // `sets`: a power of two.
    explicit PurgeTable(std::size_t sets = kSets) : own_(std::in_place, sets), sets_(&(*own_)[0], sets) {}
    // In memory of the caller, with what is recorded there.
    explicit PurgeTable(std::span<Set> sets) noexcept : sets_(sets) {}

    // `number` is larger than any before.
    void record(const store::KeyHash& hash, std::uint64_t number) noexcept;
    // Whether what has this hash was purged, or may have been, with a number larger than `after`.
    bool kills(const store::KeyHash& hash, std::uint64_t after) const noexcept;
    // The largest number that is there; 0: nothing was recorded. Reads everything.
    std::uint64_t largest() const noexcept;

private:
    static constexpr unsigned kTagBits = 16;
    static constexpr std::uint64_t kTagMask = (1U << kTagBits) - 1;

    std::optional<store::ZeroedArray<Set>> own_; // most are never touched
    std::span<Set> sets_;
};

} // namespace gatehouse::cache
