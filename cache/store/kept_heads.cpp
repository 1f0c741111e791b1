#include "cache/store/kept_heads.h"

#include "cache/store/file_body.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace gatehouse::cache::store {

KeptHeads::KeptHeads(std::uint64_t memory_bytes)
    : most_bytes_(std::min(memory_bytes / kShareOfMemory, kMostBytes)),
      sets_(std::bit_ceil(std::max<std::uint64_t>(1, most_bytes_ / kBytesPerSlot / kWays))) {}

template <class Goes>
void KeptHeads::drop_if(Goes goes) {
    for (std::size_t index = 0; index < sets_.size() && bytes() > 0; ++index) {
        std::array<EntryRef, kWays> dropped; // freed without the lock
        const std::lock_guard lock(mutex_of(index));
        for (std::size_t way = 0; way < kWays; ++way) {
            const Slot& slot = sets_[index].slots[way];
            if (slot.head && goes(slot)) {
                dropped[way] = empty(sets_[index], way);
            }
        }
    }
}

KeptHeads::~KeptHeads() {
    drop_if([](const Slot&) { return true; });
}

std::size_t KeptHeads::Set::free_way() const noexcept {
    const auto found = std::find_if(slots.begin(), slots.end(), [](const Slot& slot) { return !slot.head; });
    return static_cast<std::size_t>(found - slots.begin());
}

void KeptHeads::expect(const KeyHash& hash) const noexcept {
    const Set& set = sets_[index_of(hash)];
    __builtin_prefetch(&set);
    for (const Slot& slot : set.slots) {
        __builtin_prefetch(&slot);
    }
}

// OPTIMIZATION: nearly all of it is read now, and it is in no cache.
void KeptHeads::expect(const Slot& slot) noexcept {
    __builtin_prefetch(slot.head.body);
    __builtin_prefetch(reinterpret_cast<const char*>(slot.head.body) + 64);
    __builtin_prefetch(reinterpret_cast<const char*>(slot.head.body) + 128);
    const char* const head = reinterpret_cast<const char*>(slot.head.entry.get());
    for (std::size_t at = 0; at < kExpectedBytes; at += 64) {
        __builtin_prefetch(head + at);
    }
}

template <class Fits>
KeptHeads::Found KeptHeads::find_if(const KeyHash& hash, Fits fits) {
    const std::size_t index = index_of(hash);
    const std::lock_guard lock(mutex_of(index));
    Set& set = sets_[index];
    for (std::size_t way = 0; way < kWays; ++way) {
        if (set.tags[way] != hash.high || !set.slots[way].head) {
            continue;
        }
        expect(set.slots[way]);
        if (fits(set.slots[way])) {
            set.uses[way] = static_cast<std::uint8_t>(std::min<int>(set.uses[way] + 1, kMostUses));
            return set.slots[way].head;
        }
    }
    return {};
}

KeptHeads::Found KeptHeads::find(const KeyHash& hash, std::string_view key, std::uint64_t changes) {
    return find_if(hash,
                   [&](const Slot& slot) { return slot.changes == changes && slot.head.entry->key() == key; });
}

KeptHeads::Found KeptHeads::find_at(const KeyHash& hash, const disk::Location& location, std::uint64_t generation,
                                    std::uint64_t changes) {
    return find_if(hash, [&](Slot& slot) {
        const bool is_it =
            slot.units == location.units && slot.segment == location.segment && slot.generation == generation;
        slot.changes = is_it ? changes : slot.changes;
        return is_it;
    });
}

EntryRef KeptHeads::empty(Set& set, std::size_t way) noexcept {
    bytes_.fetch_sub(set.slots[way].head.entry->charged_bytes(), std::memory_order_relaxed);
    set.tags[way] = 0;
    set.uses[way] = 0;
    return std::exchange(set.slots[way], Slot()).head.entry;
}

bool KeptHeads::makes_room(const KeyHash& hash) {
    EntryRef dropped; // freed without the lock
    const std::size_t index = index_of(hash);
    const std::lock_guard lock(mutex_of(index));
    Set& set = sets_[index];
    if (set.free_way() < kWays && bytes() + kMostHeadBytes <= most_bytes_) {
        return true;
    }
    for (std::size_t way = 0; way < kWays; ++way) {
        if (set.slots[way].head && set.uses[way] == 0) {
            dropped = empty(set, way);
            return true;
        }
    }
    for (std::uint8_t& uses : set.uses) {
        uses = static_cast<std::uint8_t>(std::max(uses - 1, 0));
    }
    return false;
}

void KeptHeads::keep(const KeyHash& hash, const disk::Location& location, std::uint64_t generation,
                     std::uint64_t changes, EntryRef entry) {
    const std::uint64_t charge = entry->charged_bytes();
    const std::size_t index = index_of(hash);
    const std::lock_guard lock(mutex_of(index));
    Set& set = sets_[index];
    const std::size_t way = set.free_way();
    if (way < kWays && charge <= kMostHeadBytes && bytes() + charge <= most_bytes_) {
        bytes_.fetch_add(charge, std::memory_order_relaxed);
        set.tags[way] = hash.high;
        set.uses[way] = 0;
        const FileBody* const body = entry->file_body();
        set.slots[way] = {{std::move(entry), body}, changes, generation, location.segment, location.units};
    }
}

void KeptHeads::drop_given_up() {
    drop_if([](const Slot& slot) { return slot.head.body->is_given_up(); });
}

} // namespace gatehouse::cache::store
