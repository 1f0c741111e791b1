#include "cache/store/kept_heads.h"

#include "cache/store/file_body.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace gatehouse::cache::store {

KeptHeads::KeptHeads(std::uint64_t memory_bytes)
    : most_bytes_(std::min(memory_bytes / kShareOfMemory, kMostBytes)),
      sets_(std::bit_ceil(std::max<std::uint64_t>(1, most_bytes_ / kBytesPerSlot / kWays))) {}

KeptHeads::~KeptHeads() {
    drop_if([](const Slot&) { return true; });
}

std::size_t KeptHeads::Set::free_way() const noexcept {
    const auto found = std::find_if(slots.begin(), slots.end(), [](const Slot& slot) { return !slot.head; });
    return static_cast<std::size_t>(found - slots.begin());
}

std::size_t KeptHeads::Set::idle_way() const noexcept {
    std::size_t way = 0;
    while (way < kWays && (uses[way] > 0 || !slots[way].head)) {
        ++way;
    }
    return way;
}

void KeptHeads::Set::age() noexcept {
    for (std::uint8_t& count : uses) {
        count = static_cast<std::uint8_t>(std::max(count - 1, 0));
    }
}

// OPTIMIZATION: nearly all of it is read now.
void KeptHeads::expect(const Slot& slot) noexcept {
    const char* const body = reinterpret_cast<const char*>(slot.head.body);
    for (std::size_t at = 0; at < kBytesBeside - sizeof(Slot); at += 64) {
        __builtin_prefetch(body + at);
    }
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

// What is returned is let go of without the lock.
EntryRef KeptHeads::empty(Set& set, std::size_t way) noexcept {
    bytes_.fetch_sub(bytes_of(*set.slots[way].head.entry), std::memory_order_relaxed);
    set.tags[way] = 0;
    set.uses[way] = 0;
    return std::exchange(set.slots[way], Slot()).head.entry;
}

bool KeptHeads::makes_room(const KeyHash& hash, std::uint64_t text_bytes) {
    if (text_bytes > kMostTextBytes) {
        return false;
    }
    {
        EntryRef dropped;
        const std::size_t index = index_of(hash);
        const std::lock_guard lock(mutex_of(index));
        Set& set = sets_[index];
        if (set.free_way() == kWays) {
            const std::size_t idle = set.idle_way();
            if (idle == kWays) {
                set.age();
                return false;
            }
            dropped = empty(set, idle);
        }
    }
    return bytes() + sizeof(Entry) + text_bytes + kBytesBeside <= most_bytes_ || makes_room_elsewhere();
}

// All that may be taken is: one head goes that was not asked for since the hand came by, whichever set it is in.
bool KeptHeads::makes_room_elsewhere() {
    for (std::size_t swept = 0; swept < kMostSetsSwept; ++swept) {
        EntryRef dropped;
        const std::size_t index = hand_.fetch_add(1, std::memory_order_relaxed) & (sets_.size() - 1);
        const std::lock_guard lock(mutex_of(index));
        Set& set = sets_[index];
        if (const std::size_t idle = set.idle_way(); idle < kWays) {
            dropped = empty(set, idle);
            return true;
        }
        set.age();
    }
    return false;
}

void KeptHeads::keep(const KeyHash& hash, const disk::Location& location, std::uint64_t generation,
                     std::uint64_t changes, EntryRef entry) {
    const std::uint64_t needed = bytes_of(*entry);
    const std::size_t index = index_of(hash);
    const std::lock_guard lock(mutex_of(index));
    Set& set = sets_[index];
    const std::size_t way = set.free_way();
    const FileBody* const body = entry->file_body();
    // Who gives a file up says so first, and has the sets looked through then.
    if (way == kWays || bytes() + needed > most_bytes_ || body->is_given_up()) {
        return;
    }
    bytes_.fetch_add(needed, std::memory_order_relaxed);
    set.tags[way] = hash.high;
    set.uses[way] = 0;
    set.slots[way] = {{std::move(entry), body}, changes, generation, location.segment, location.units};
}

template <class Goes>
void KeptHeads::drop_if(Goes goes) {
    for (std::size_t index = 0; index < sets_.size(); ++index) {
        std::array<EntryRef, kWays> dropped;
        const std::lock_guard lock(mutex_of(index));
        for (std::size_t way = 0; way < kWays; ++way) {
            const Slot& slot = sets_[index].slots[way];
            if (slot.head && goes(slot)) {
                dropped[way] = empty(sets_[index], way);
            }
        }
    }
}

void KeptHeads::drop_given_up() {
    drop_if([](const Slot& slot) { return slot.head.body->is_given_up(); });
}

} // namespace gatehouse::cache::store
