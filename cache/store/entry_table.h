// The index of one shard: chained buckets that grow by linear hashing.
//
// An insertion splits at most two buckets, so growth never stalls the shard. The bucket array is a list of segments,
// each as large as all before it; a new one is allocated by the caller, outside the lock, and handed in. The table does
// not shrink: 8 bytes for each of the most entries it ever held.
//
// Entries of one bucket stand newest first, hence so do the variants of one key. Not thread-safe: the shard locks.
#pragma once

#include "cache/store/store.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace gatehouse::cache::store {

class EntryTable {
public:
    using Segment = std::unique_ptr<Entry*[]>;
    static constexpr std::size_t kFirstSegment = 16;

    EntryTable();

    // The newest entry of the bucket in which `hash` belongs; the others follow along chain_.
    Entry* bucket(std::uint64_t hash) const noexcept { return slot(index_of(hash)); }
    void insert(Entry* entry) noexcept;
    void remove(Entry* entry) noexcept; // Requires: it is in the table

    std::size_t size() const noexcept { return size_; }
    // Buckets of the segment that is to be added, 0 while there is room. Without it chains become longer, no more.
    std::size_t wanted_segment() const noexcept {
        return size_ > bucket_count_ && bucket_count_ == capacity_ ? capacity_ : 0;
    }
    // Returns false, and leaves `segment` alone, when another thread was faster.
    bool add_segment(Segment& segment, std::size_t buckets) noexcept;
    // Bytes that a segment takes, with what malloc adds, and that all of them take.
    static std::uint64_t charge_for(std::size_t buckets) noexcept { return buckets * sizeof(Entry*) + 16; }
    std::uint64_t charged() const noexcept;

    // Appends the entries of whole buckets, beginning with `from`, until `most` are reached; returns the bucket to go
    // on with, 0 at the end. Entries only ever move to later buckets: such a walk misses none, and may see one twice.
    std::size_t collect(std::size_t from, std::size_t most, std::vector<EntryRef>& into) const;

private:
    std::size_t index_of(std::uint64_t hash) const noexcept {
        const std::size_t index = hash & (2 * base_ - 1);
        return index < bucket_count_ ? index : index - base_;
    }
    Entry*& slot(std::size_t index) const noexcept;
    void split() noexcept;

    std::array<Segment, 32> segments_;
    std::size_t segment_count_ = 1;
    std::size_t capacity_ = kFirstSegment;
    std::size_t bucket_count_ = kFirstSegment; // buckets in use; base_ <= bucket_count_ < 2 * base_
    std::size_t base_ = kFirstSegment;         // power of two
    std::size_t size_ = 0;
};

} // namespace gatehouse::cache::store
