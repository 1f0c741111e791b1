#include "cache/store/disk_index.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace gatehouse::cache::store::disk {

namespace {

// Full at 85 %: with linear probing a search that fails looks at 22 slots then, which lie in a row.
constexpr std::size_t kFullPercent = 85;
constexpr std::size_t kGrowthPercent = 120;
constexpr std::size_t kFirstSlots = 16;
constexpr std::size_t kSparePercent = 2;

// rest: kind (3 bits), uses (2), verified (1), then the marker (16)
constexpr unsigned kUsesShift = 3;
constexpr unsigned kVerifiedShift = 5;
constexpr unsigned kMarkerShift = 6;

bool is_full(std::size_t used, std::size_t slots) noexcept { return used * 100 >= slots * kFullPercent; }

// Another number for each part, so that they do not all grow together.
std::size_t first_slots(std::size_t number) noexcept { return kFirstSlots + number / 4; }

// So many that they are not full, and from the first part to the last up to one growth more.
std::size_t slots_for(std::size_t entries, std::size_t number) noexcept {
    const std::size_t least = entries * 100 / kFullPercent + 2;
    return std::max(first_slots(number), least + least * (kGrowthPercent - 100) / 100 * number / DiskIndex::kParts);
}

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

// Returns how many slots there are with its hash: all of them lie between its home and the next free one.
std::size_t DiskIndex::place(std::vector<Slot>& slots, const Slot& slot) noexcept {
    std::size_t same = 1;
    std::size_t index = home_of(slot, slots.size());
    while (slots[index].location != 0) {
        same += slots[index].low == slot.low && slots[index].high == slot.high ? 1 : 0;
        index = index + 1 == slots.size() ? 0 : index + 1;
    }
    slots[index] = slot;
    return same;
}

void DiskIndex::resize(Part& part, std::size_t slots) {
    std::vector<Slot> resized;
    resized.reserve(slots); // exactly, which resize alone would not promise
    resized.resize(slots);
    for (const Slot& slot : part.slots) {
        if (slot.location != 0) {
            place(resized, slot);
        }
    }
    part.slots = std::move(resized);
}

void DiskIndex::grow_if_full(Part& part, std::size_t number) {
    if (part.slots.empty()) {
        resize(part, first_slots(number));
    } else if (is_full(part.used + 1, part.slots.size())) {
        resize(part, part.slots.size() * kGrowthPercent / 100 + 1);
    }
}

// Hashes spread over the parts evenly; one that gets more than the others grows.
void DiskIndex::reserve(std::size_t entries) {
    const std::size_t in_part = entries / kParts * (100 + kSparePercent) / 100;
    for (std::size_t number = 0; number < kParts; ++number) {
        Part& part = parts_[number];
        const std::lock_guard lock(part.mutex);
        const std::size_t slots = slots_for(in_part, number);
        if (in_part > 0 && slots > part.slots.size()) {
            resize(part, slots);
        }
    }
}

void DiskIndex::expect(const KeyHash& hash) const noexcept {
    const Part& part = parts_[part_of(hash)];
    const std::lock_guard lock(part.mutex);
    if (!part.slots.empty()) {
        __builtin_prefetch(&part.slots[home_of({hash.low, 0, 0, 0, 0}, part.slots.size())], 1);
    }
}

void DiskIndex::fit() {
    for (std::size_t number = 0; number < kParts; ++number) {
        Part& part = parts_[number];
        const std::lock_guard lock(part.mutex);
        const std::size_t slots = slots_for(part.used, number);
        if (part.slots.size() > slots + slots * 2 * kSparePercent / 100) {
            resize(part, slots);
        }
    }
}

std::size_t DiskIndex::insert(const KeyHash& hash, const IndexEntry& entry) {
    const std::size_t number = part_of(hash);
    Part& part = parts_[number];
    const std::lock_guard lock(part.mutex);
    grow_if_full(part, number);
    ++part.used;
    return place(part.slots, pack(hash, entry));
}

std::size_t DiskIndex::replace(const KeyHash& hash, const IndexEntry& entry) {
    const std::size_t number = part_of(hash);
    Part& part = parts_[number];
    const std::lock_guard lock(part.mutex);
    grow_if_full(part, number);
    std::size_t same = 0;
    Slot* older = nullptr;
    std::size_t index = home_of({hash.low, 0, 0, 0, 0}, part.slots.size());
    while (part.slots[index].location != 0) {
        Slot& slot = part.slots[index];
        if (slot.low == hash.low && slot.high == hash.high) {
            ++same;
            older = unpack(slot).secondary_marker == entry.secondary_marker ? &slot : older;
        }
        index = index + 1 == part.slots.size() ? 0 : index + 1;
    }
    if (older == nullptr) {
        ++same;
        ++part.used;
        older = &part.slots[index];
    }
    *older = pack(hash, entry);
    return same;
}

IndexEntries DiskIndex::find(const KeyHash& hash, std::size_t most) const {
    IndexEntries found;
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

const DiskIndex::Slot* DiskIndex::find_slot(const Part& part, const KeyHash& hash, const Location& location) noexcept {
    if (part.slots.empty()) {
        return nullptr;
    }
    const std::uint64_t wanted = pack(location);
    std::size_t index = home_of({hash.low, 0, 0, 0, 0}, part.slots.size());
    while (part.slots[index].location != 0) {
        const Slot& slot = part.slots[index];
        if (slot.location == wanted && slot.low == hash.low && slot.high == hash.high) {
            return &slot;
        }
        index = index + 1 == part.slots.size() ? 0 : index + 1;
    }
    return nullptr;
}

DiskIndex::Slot* DiskIndex::find_slot(Part& part, const KeyHash& hash, const Location& location) noexcept {
    return const_cast<Slot*>(find_slot(std::as_const(part), hash, location));
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

void DiskIndex::erase_marked(const KeyHash& hash, std::uint16_t marker) {
    Part& part = parts_[part_of(hash)];
    const std::lock_guard lock(part.mutex);
    if (part.slots.empty()) {
        return;
    }
    std::size_t index = home_of({hash.low, 0, 0, 0, 0}, part.slots.size());
    while (part.slots[index].location != 0) {
        const Slot& slot = part.slots[index];
        if (slot.low == hash.low && slot.high == hash.high && unpack(slot).secondary_marker == marker) {
            free_slot(part, index); // what moved up is looked at next
        } else {
            index = index + 1 == part.slots.size() ? 0 : index + 1;
        }
    }
}

void DiskIndex::erase_segments(const std::function<bool(std::uint32_t segment)>& is_gone) {
    for (Part& part : parts_) {
        const std::lock_guard lock(part.mutex);
        // What moves up into the place that becomes free is looked at next. What moves from the front of the table to
        // its end, round the corner, was looked at already.
        for (std::size_t index = 0; index < part.slots.size();) {
            const Slot& slot = part.slots[index];
            if (slot.location != 0 && is_gone(unpack(slot).location.segment)) {
                free_slot(part, index);
            } else {
                ++index;
            }
        }
    }
}

std::optional<IndexEntry> DiskIndex::look(const KeyHash& hash, const Location& location) const {
    const Part& part = parts_[part_of(hash)];
    const std::lock_guard lock(part.mutex);
    const Slot* const slot = find_slot(part, hash, location);
    return slot == nullptr ? std::nullopt : std::optional(unpack(*slot));
}

bool DiskIndex::use(const KeyHash& hash, const Location& location) {
    Part& part = parts_[part_of(hash)];
    const std::lock_guard lock(part.mutex);
    Slot* const slot = find_slot(part, hash, location);
    if (slot == nullptr) {
        return false;
    }
    if (unpack(*slot).uses < kMostUses) {
        slot->rest += 1U << kUsesShift;
    }
    slot->rest |= 1U << kVerifiedShift;
    return true;
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
