#include "cache/store/core_table.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace gatehouse::cache::store {

namespace {

std::uint64_t bytes_of(const Candidates& found) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        sum += found[i]->charged_bytes();
    }
    return sum;
}

// What lies in a file may be given up at any time, and whether it is in the kernel's memory is asked each time.
bool has_file(const Candidates& found) noexcept {
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (found[i]->has_file()) {
            return true;
        }
    }
    return false;
}

} // namespace

CoreTable::CoreTable(Store& store, std::function<void()> begins_to_keep, std::uint32_t uses_to_keep)
    : store_(store),
      begins_to_keep_(std::move(begins_to_keep)),
      uses_to_keep_(uses_to_keep),
      most_bytes_(std::min(kMostBytes, store.stats().bytes_limit / kShareOfStore)),
      slots_(std::make_unique<Slot[]>(kSlots)) {}

CoreTable::~CoreTable() {
    assert(std::all_of(slots_.get(), slots_.get() + kSlots, [](const Slot& slot) { return slot.pins == 0; }) &&
           "what a core keeps is held longer than the core keeps it");
}

bool CoreTable::Slot::has_just(const Candidates& found) const noexcept {
    bool is_same = found.size() == count;
    for (std::size_t i = 0; is_same && i < count; ++i) {
        is_same = found[i].get() == entries[i].get();
    }
    return is_same;
}

void CoreTable::look_up_in_store(Slot& slot, const KeyHash& hash, std::string_view key, Candidates& found) {
    assert(found.empty());
    const std::atomic<std::uint64_t>* const changes = store_.changes(hash);
    // Before the lookup: what changes meanwhile makes the number another one.
    const std::uint64_t changes_seen = changes != nullptr ? changes->load(std::memory_order_acquire) : 0;
    store_.lookup(hash, key, found);
    if (changes == nullptr) {
        return;
    }
    const bool is_kept = slot.has_key(hash, key);
    if (is_kept && slot.has_just(found)) {
        ++slot.uses; // something else has changed
        slot.changes_seen = changes_seen;
        return;
    }
    const bool has_room = slot.pins == 0 && fits(slot, found);
    if (has_room && (is_kept || wins(slot, hash))) {
        slot.uses = is_kept ? slot.uses + 1 : std::exchange(slot.challenges, 0);
        slot.hash = hash;
        slot.changes = changes;
        slot.changes_seen = changes_seen;
        take(slot, found);
    } else if (is_kept && slot.pins == 0) {
        let_go(slot);
    }
}

// Whether this key has been asked for often enough, and more often than what is kept. A majority vote, so that what
// is asked for now and then, among much else, does not get there by and by.
bool CoreTable::wins(Slot& slot, const KeyHash& hash) const noexcept {
    if (slot.challenger != hash.low) {
        if (slot.challenges > 0) {
            --slot.challenges;
            return false;
        }
        slot.challenger = hash.low;
    }
    ++slot.challenges;
    return slot.challenges >= uses_to_keep_ && (slot.challenges > slot.uses || !slot.is_current());
}

// In the place of what the slot has.
bool CoreTable::fits(const Slot& slot, const Candidates& found) const noexcept {
    if (found.empty() || found.size() > kMostVariants || has_file(found)) {
        return false;
    }
    const std::uint64_t bytes = bytes_of(found);
    return bytes <= kMostSlotBytes && kept_bytes_ - slot.bytes + bytes <= most_bytes_;
}

void CoreTable::take(Slot& slot, const Candidates& found) {
    let_go(slot);
    slot.count = static_cast<std::uint32_t>(found.size());
    slot.bytes = bytes_of(found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        slot.entries[i] = found[i];
    }
    kept_bytes_ += slot.bytes;
    if (++kept_ == 1) {
        begins_to_keep_();
    }
}

// Requires: it is not pinned.
void CoreTable::let_go(Slot& slot) noexcept {
    if (slot.count == 0) {
        return;
    }
    for (std::size_t i = 0; i < slot.count; ++i) {
        slot.companions[i].reset();
        slot.entries[i] = EntryRef();
    }
    slot.count = 0;
    kept_bytes_ -= std::exchange(slot.bytes, 0);
    --kept_;
}

void CoreTable::tidy() noexcept {
    for (std::size_t i = 0; i < kSlots && kept_ > 0; ++i) {
        Slot& slot = slots_[i];
        slot.challenges /= 2;
        const bool is_wanted = std::exchange(slot.uses, 0) > 0 && slot.is_current();
        if (!is_wanted && slot.pins == 0) {
            let_go(slot);
        }
    }
}

} // namespace gatehouse::cache::store
