#include "cache/store/disk_index.h"

#include <algorithm>
#include <cassert>

namespace gatehouse::cache::store::disk {

namespace {

// Full at 85 %: with linear probing a search that fails looks at 22 slots then, which lie in a row.
constexpr std::size_t kFullPercent = 85;
constexpr std::size_t kGrowthPercent = 120;
constexpr std::size_t kFirstSlots = 16;

// rest: kind (3 bits), uses (2), verified (1), then the marker (16)
constexpr unsigned kUsesShift = 3;
constexpr unsigned kVerifiedShift = 5;
constexpr unsigned kMarkerShift = 6;

bool is_full(std::size_t used, std::size_t slots) noexcept { return used * 100 >= slots * kFullPercent; }

} // namespace

// The high bits of the product choose the slot, so that the number of slots need not be a power of two. The part was
// chosen by bits of the other half.
std::size_t DiskIndex::home_of(const Slot& slot, std::size_t slots) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::size_t>((Wide{slot.low} * slots) >> 64);
}

// segment (20 bits), units (22), length (22). A length of zero does not exist, so that no location is 0.
std::uint64_t DiskIndex::pack(const Location& location) noexcept {
    assert(location.segment < Location::kMostSegments && location.units < Location::kMostUnits);
    assert(location.length_units > 0 && location.length_units < Location::kMostUnits);
    return std::uint64_t{location.segment} << 44 | std::uint64_t{location.units} << 22 | location.length_units;
}

DiskIndex::Slot DiskIndex::pack(const KeyHash& hash, const IndexEntry& entry) noexcept {
    const std::uint32_t rest =
        static_cast<std::uint32_t>(entry.kind) | std::uint32_t{std::min(entry.uses, kMostUses)} << kUsesShift |
        std::uint32_t{entry.verified} << kVerifiedShift | std::uint32_t{entry.secondary_marker} << kMarkerShift;
    return {hash.low, hash.high, pack(entry.location), entry.expires_seconds, rest};
}

IndexEntry DiskIndex::unpack(const Slot& slot) noexcept {
    IndexEntry entry;
    entry.location.segment = static_cast<std::uint32_t>(slot.location >> 44);
    entry.location.units = static_cast<std::uint32_t>(slot.location >> 22) & (Location::kMostUnits - 1);
    entry.location.length_units = static_cast<std::uint32_t>(slot.location) & (Location::kMostUnits - 1);
    entry.expires_seconds = slot.expires;
    entry.kind = static_cast<RecordKind>(slot.rest & 7);
    entry.uses = static_cast<std::uint8_t>(slot.rest >> kUsesShift & kMostUses);
    entry.verified = (slot.rest >> kVerifiedShift & 1) != 0;
    entry.secondary_marker = static_cast<std::uint16_t>(slot.rest >> kMarkerShift);
    return entry;
}

void DiskIndex::place(std::vector<Slot>& slots, const Slot& slot) noexcept {
    std::size_t index = home_of(slot, slots.size());
    while (slots[index].location != 0) {
        index = index + 1 == slots.size() ? 0 : index + 1;
    }
    slots[index] = slot;
}

// The first size of each part is another one, so that they do not all grow together.
void DiskIndex::grow(Part& part, std::size_t number) {
    const std::size_t wanted =
        part.slots.empty() ? kFirstSlots + number / 4 : part.slots.size() * kGrowthPercent / 100 + 1;
    std::vector<Slot> larger;
    larger.reserve(wanted); // exactly, which resize alone would not promise
    larger.resize(wanted);
    for (const Slot& slot : part.slots) {
        if (slot.location != 0) {
            place(larger, slot);
        }
    }
    part.slots = std::move(larger);
}

void DiskIndex::insert(const KeyHash& hash, const IndexEntry& entry) {
    const std::size_t number = part_of(hash);
    Part& part = parts_[number];
    const std::lock_guard lock(part.mutex);
    if (part.slots.empty() || is_full(part.used + 1, part.slots.size())) {
        grow(part, number);
    }
    place(part.slots, pack(hash, entry));
    ++part.used;
}

std::vector<IndexEntry> DiskIndex::find(const KeyHash& hash, std::size_t most) const {
    std::vector<IndexEntry> found;
    const Part& part = parts_[part_of(hash)];
    const std::lock_guard lock(part.mutex);
    if (part.slots.empty()) {
        return found;
    }
    std::size_t index = home_of({hash.low, 0, 0, 0, 0}, part.slots.size());
    while (part.slots[index].location != 0 && found.size() < most) {
        const Slot& slot = part.slots[index];
        if (slot.low == hash.low && slot.high == hash.high) {
            found.push_back(unpack(slot));
        }
        index = index + 1 == part.slots.size() ? 0 : index + 1;
    }
    return found;
}

DiskIndex::Slot* DiskIndex::find_slot(Part& part, const KeyHash& hash, const Location& location) noexcept {
    if (part.slots.empty()) {
        return nullptr;
    }
    const std::uint64_t wanted = pack(location);
    std::size_t index = home_of({hash.low, 0, 0, 0, 0}, part.slots.size());
    while (part.slots[index].location != 0) {
        Slot& slot = part.slots[index];
        if (slot.location == wanted && slot.low == hash.low && slot.high == hash.high) {
            return &slot;
        }
        index = index + 1 == part.slots.size() ? 0 : index + 1;
    }
    return nullptr;
}

// What follows in the row moves up, so that no search ends too early; there are no tombstones.
void DiskIndex::free_slot(Part& part, std::size_t index) noexcept {
    std::vector<Slot>& slots = part.slots;
    std::size_t hole = index;
    std::size_t next = hole;
    for (;;) {
        next = next + 1 == slots.size() ? 0 : next + 1;
        if (slots[next].location == 0) {
            break;
        }
        // It may move into the hole unless its home lies behind the hole and not behind itself, on the way round.
        const std::size_t home = home_of(slots[next], slots.size());
        const bool home_is_between = hole <= next ? hole < home && home <= next : hole < home || home <= next;
        if (!home_is_between) {
            slots[hole] = slots[next];
            hole = next;
        }
    }
    slots[hole] = Slot{};
    --part.used;
}

bool DiskIndex::erase(const KeyHash& hash, const Location& location) {
    Part& part = parts_[part_of(hash)];
    const std::lock_guard lock(part.mutex);
    Slot* const slot = find_slot(part, hash, location);
    if (slot == nullptr) {
        return false;
    }
    free_slot(part, static_cast<std::size_t>(slot - part.slots.data()));
    return true;
}

std::optional<IndexEntry> DiskIndex::use(const KeyHash& hash, const Location& location) {
    Part& part = parts_[part_of(hash)];
    const std::lock_guard lock(part.mutex);
    Slot* const slot = find_slot(part, hash, location);
    if (slot == nullptr) {
        return std::nullopt;
    }
    const IndexEntry before = unpack(*slot);
    if (before.uses < kMostUses) {
        slot->rest += 1U << kUsesShift;
    }
    return before;
}

bool DiskIndex::mark_verified(const KeyHash& hash, const Location& location) {
    Part& part = parts_[part_of(hash)];
    const std::lock_guard lock(part.mutex);
    Slot* const slot = find_slot(part, hash, location);
    if (slot != nullptr) {
        slot->rest |= 1U << kVerifiedShift;
    }
    return slot != nullptr;
}

std::size_t DiskIndex::size() const {
    std::size_t total = 0;
    for (const Part& part : parts_) {
        const std::lock_guard lock(part.mutex);
        total += part.used;
    }
    return total;
}

std::uint64_t DiskIndex::memory_bytes() const {
    std::uint64_t total = sizeof *this;
    for (const Part& part : parts_) {
        const std::lock_guard lock(part.mutex);
        total += part.slots.capacity() * sizeof(Slot);
    }
    return total;
}

} // namespace gatehouse::cache::store::disk
