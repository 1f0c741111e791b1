#include "cache/store/entry_table.h"

#include <bit>
#include <cassert>

namespace gatehouse::cache::store {

EntryTable::EntryTable() {
    segments_[0] = std::make_unique<Entry*[]>(kFirstSegment);
}

Entry*& EntryTable::slot(std::size_t index) const noexcept {
    // Segment 0 holds buckets [0, 16), segment n > 0 holds [8 << n, 16 << n).
    const std::size_t number = static_cast<std::size_t>(std::bit_width(index / kFirstSegment));
    const std::size_t first = number == 0 ? 0 : (kFirstSegment / 2) << number;
    return segments_[number][index - first];
}

void EntryTable::insert(Entry* entry) noexcept {
    Entry*& head = slot(index_of(entry->hash_));
    entry->chain_ = head;
    head = entry;
    ++size_;
    // Two, so that the table catches up after it had to wait for a segment.
    for (int i = 0; i < 2 && size_ > bucket_count_ && bucket_count_ < capacity_; ++i) {
        split();
    }
}

void EntryTable::remove(Entry* entry) noexcept {
    Entry** link = &slot(index_of(entry->hash_));
    while (*link != entry) {
        assert(*link != nullptr);
        link = &(*link)->chain_;
    }
    *link = entry->chain_;
    entry->chain_ = nullptr;
    --size_;
}

// Moves one half of the next bucket in turn into a new bucket; both halves keep their order.
void EntryTable::split() noexcept {
    const std::size_t added = bucket_count_;
    Entry** stay = &slot(added - base_);
    Entry** move = &slot(added);
    Entry* entry = *stay;
    while (entry != nullptr) {
        Entry**& end = (entry->hash_ & (2 * base_ - 1)) == added ? move : stay;
        *end = entry;
        end = &entry->chain_;
        entry = entry->chain_;
    }
    *stay = nullptr;
    *move = nullptr;
    ++bucket_count_;
    if (bucket_count_ == 2 * base_) {
        base_ *= 2;
    }
}

bool EntryTable::add_segment(Segment& segment, std::size_t buckets) noexcept {
    if (buckets != capacity_ || segment_count_ == segments_.size()) {
        return false;
    }
    segments_[segment_count_++] = std::move(segment);
    capacity_ += buckets;
    return true;
}

std::uint64_t EntryTable::charged() const noexcept {
    std::uint64_t sum = charge_for(kFirstSegment);
    for (std::size_t buckets = kFirstSegment; buckets < capacity_; buckets *= 2) {
        sum += charge_for(buckets);
    }
    return sum;
}

std::size_t EntryTable::collect(std::size_t from, std::size_t most, std::vector<EntryRef>& into) const {
    for (std::size_t index = from; index < bucket_count_; ++index) {
        if (into.size() >= most) {
            return index;
        }
        for (Entry* entry = slot(index); entry != nullptr; entry = entry->chain_) {
            entry->references_.fetch_add(1, std::memory_order_relaxed);
            into.push_back(EntryRef(entry));
        }
    }
    return 0;
}

} // namespace gatehouse::cache::store
