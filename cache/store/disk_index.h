// The disk store's index: where the records of a key stand, 32 bytes each, in memory.
//
// The hash of a key may have several entries (variants, and keys that collide): what is found is a place to look, and
// the record there decides. Open addressing with linear probing in 64 parts, each with its own short mutex. A part
// grows by a fifth when it is 85 % full, at another time than the others, so that an entry costs 38 to 46 bytes at any
// size and no growth copies more than a 64th of them.
//
// Any thread may call everything.
#pragma once

#include "cache/store/disk_format.h"

#include <boost/container/small_vector.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace gatehouse::cache::store::disk {

// Where a record stands in a segment: units of kUnitBytes, so that a segment has at most 256 MiB.
struct Location {
    static constexpr std::uint32_t kMostSegments = 1U << 20;
    static constexpr std::uint32_t kMostUnits = 1U << 22;
    std::uint32_t segment = 0;
    std::uint32_t units = 0;
    std::uint32_t length_units = 0; // 1 to kMostUnits - 1
    bool operator==(const Location&) const = default;
};

struct IndexEntry {
    Location location;
    std::uint32_t expires_seconds = 0;   // since 1970, at least 1; later than 2106 counts as the latest; a hint
    std::uint16_t secondary_marker = 0;  // of the secondary key, so that of many variants few are read
    RecordKind kind = RecordKind::Whole; // Whole, Manifest or Metadata
    std::uint8_t uses = 0;               // reads since it was written, up to 3
    bool verified = false;               // its body was read once and found right
    bool operator==(const IndexEntry&) const = default;
};

// Most hashes have one.
using IndexEntries = boost::container::small_vector<IndexEntry, 4>;

class DiskIndex {
public:
    static constexpr std::size_t kParts = 64;
    static constexpr std::uint8_t kMostUses = 3;

    DiskIndex() = default;
    DiskIndex(const DiskIndex&) = delete;
    DiskIndex& operator=(const DiskIndex&) = delete;

    // Returns how many entries the hash has now. Requires: no entry of that hash has that location. Throws
    // std::bad_alloc, and then nothing has changed.
    std::size_t insert(const KeyHash& hash, const IndexEntry& entry);
    // The same in place of the entry with its secondary marker, if there is one.
    std::size_t replace(const KeyHash& hash, const IndexEntry& entry);
    // All entries of that hash, in no order; at most `most`.
    IndexEntries find(const KeyHash& hash, std::size_t most) const;
    // Removes exactly the entry that has this location. False: there is none.
    bool erase(const KeyHash& hash, const Location& location);
    // Removes the entries of that hash whose secondary key has this marker.
    void erase_marked(const KeyHash& hash, std::uint16_t marker);
    // Removes the entries of those segments. It looks at every entry.
    void erase_segments(const std::function<bool(std::uint32_t segment)>& is_gone);
    // nullopt: there is no entry at that location.
    std::optional<IndexEntry> look(const KeyHash& hash, const Location& location) const;
    // Counts a read that found everything right. False: there is no such entry.
    bool use(const KeyHash& hash, const Location& location);

    // Room for so many entries, before many are entered; and what is not used of it given back.
    void reserve(std::size_t entries);
    void fit();
    // That this hash is asked for soon: the wait for memory may begin.
    void expect(const KeyHash& hash) const noexcept;

    std::size_t size() const;
    std::uint64_t memory_bytes() const; // of the tables

private:
    struct Slot {
        std::uint64_t low = 0;
        std::uint64_t high = 0;
        std::uint64_t location = 0; // 0: free
        std::uint32_t expires = 0;
        std::uint32_t rest = 0;
    };
    static_assert(sizeof(Slot) == 32);

    struct alignas(64) Part {
        mutable std::mutex mutex;
        std::vector<Slot> slots;
        std::size_t used = 0;
    };

    static std::size_t part_of(const KeyHash& hash) noexcept { return hash.high >> 58; }
    static std::size_t home_of(const Slot& slot, std::size_t slots) noexcept;
    static std::uint64_t pack(const Location& location) noexcept;
    static Slot pack(const KeyHash& hash, const IndexEntry& entry) noexcept;
    static IndexEntry unpack(const Slot& slot) noexcept;
    static std::size_t place(std::vector<Slot>& slots, const Slot& slot) noexcept;
    static const Slot* find_slot(const Part& part, const KeyHash& hash, const Location& location) noexcept;
    static Slot* find_slot(Part& part, const KeyHash& hash, const Location& location) noexcept;
    static void resize(Part& part, std::size_t slots);
    static void grow_if_full(Part& part, std::size_t number);
    static void free_slot(Part& part, std::size_t index) noexcept;

    std::array<Part, kParts> parts_;
};

} // namespace gatehouse::cache::store::disk
