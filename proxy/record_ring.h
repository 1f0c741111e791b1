// A bounded queue of byte records between two threads: one produces, one consumes, nobody waits, nothing is allocated
// after construction.
//
// Records lie one behind the other in one block, each behind a header that says its size and each contiguous: one
// that does not fit before the end of the block starts at its beginning, and a filler header marks the gap. Bytes are
// what bounds the memory, whatever a client sends; the number of records is bounded beside it.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace gatehouse::proxy {

class RecordRing {
public:
    // Room for max_records records, as long as they fit into `bytes` (rounded up to a power of two).
    RecordRing(std::size_t bytes, std::size_t max_records)
        : capacity_(std::bit_ceil(bytes < kMinBytes ? kMinBytes : bytes)),
          largest_(capacity_ / 4),
          max_records_(max_records),
          block_(std::make_unique_for_overwrite<char[]>(capacity_)),
          writable_until_(capacity_),
          publishable_until_(max_records) {}

    // Producer: room for a record of this size; null when the queue is full, and always for one that is larger than a
    // quarter of it. publish() makes it visible; a second reserve() before that gives the room up.
    char* reserve(std::size_t size) noexcept {
        const std::size_t at = offset(written_);
        const std::size_t needed = kHeader + rounded(size);
        const bool fits = needed <= capacity_ - at && written_ + needed <= writable_until_ &&
                          published_ != publishable_until_ && size <= largest_;
        if (!fits) [[unlikely]] {
            return reserve_elsewhere(size);
        }
        put_header(at, size);
        reserved_tail_ = written_ + needed;
        return block_.get() + at + kHeader;
    }
    // Sequentially consistent, so that a producer that looks next whether the consumer sleeps, and a consumer that
    // looks once more for records before it does, cannot miss one another.
    void publish() noexcept {
        ++published_;
        written_ = reserved_tail_;
        tail_.store(reserved_tail_, std::memory_order_seq_cst);
    }
    // Producer: whether more than half of the room is taken.
    bool is_half_full() noexcept {
        if (!is_half_full_as_seen()) {
            return false;
        }
        look_at_consumer();
        return is_half_full_as_seen();
    }

    // Consumer: the oldest record; its data is null when there is none. Valid until pop().
    std::span<const char> front() noexcept {
        std::uint64_t head = head_.load(std::memory_order_relaxed);
        const std::uint64_t tail = tail_.load(std::memory_order_seq_cst);
        if (head == tail) {
            return {};
        }
        if (header(offset(head)) == kFiller) {
            head += capacity_ - offset(head);
            head_.store(head, std::memory_order_release);
        }
        const std::size_t at = offset(head);
        return {block_.get() + at + kHeader, static_cast<std::size_t>(header(at))};
    }
    // Consumer. Requires: front() gave a record.
    void pop() noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        const std::size_t size = static_cast<std::size_t>(header(offset(head)));
        consumed_.store(consumed_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        head_.store(head + kHeader + rounded(size), std::memory_order_release);
    }
    // Any thread.
    bool empty() const noexcept {
        return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_seq_cst);
    }
    std::size_t capacity() const noexcept { return capacity_; }
    // Where the records lie: tests check that it never changes.
    const char* block() const noexcept { return block_.get(); }

private:
    static constexpr std::size_t kMinBytes = 256;
    static constexpr std::size_t kHeader = sizeof(std::uint64_t);
    static constexpr std::uint64_t kFiller = ~std::uint64_t{0};

    static constexpr std::size_t rounded(std::size_t size) noexcept { return (size + kHeader - 1) & ~(kHeader - 1); }
    std::size_t offset(std::uint64_t position) const noexcept {
        return static_cast<std::size_t>(position & (capacity_ - 1));
    }
    void put_header(std::size_t at, std::uint64_t size) noexcept {
        std::memcpy(block_.get() + at, &size, sizeof(size));
    }
    std::uint64_t header(std::size_t at) const noexcept {
        std::uint64_t size = 0;
        std::memcpy(&size, block_.get() + at, sizeof(size));
        return size;
    }
    bool is_half_full_as_seen() const noexcept {
        return writable_until_ - written_ < capacity_ / 2 ||
               publishable_until_ - published_ < max_records_ - max_records_ / 2;
    }
    void look_at_consumer() noexcept {
        writable_until_ = head_.load(std::memory_order_acquire) + capacity_;
        publishable_until_ = consumed_.load(std::memory_order_acquire) + max_records_;
    }
    // Where the consumer has gone on meanwhile, or at the beginning of the block.
    [[gnu::noinline]] char* reserve_elsewhere(std::size_t size) noexcept {
        const std::size_t at = offset(written_);
        const std::size_t needed = kHeader + rounded(size);
        const std::size_t gap = needed > capacity_ - at ? capacity_ - at : 0;
        look_at_consumer();
        if (size > largest_ || published_ == publishable_until_ || written_ + gap + needed > writable_until_) {
            return nullptr;
        }
        if (gap != 0) {
            put_header(at, kFiller);
        }
        const std::size_t start = gap != 0 ? 0 : at;
        put_header(start, size);
        reserved_tail_ = written_ + gap + needed;
        return block_.get() + start + kHeader;
    }

    const std::size_t capacity_;
    const std::size_t largest_;
    const std::size_t max_records_;
    const std::unique_ptr<char[]> block_;
    // Positions only grow; the offset is their remainder. Producer and consumer write to lines of their own.
    alignas(64) std::atomic<std::uint64_t> tail_{0};
    std::uint64_t reserved_tail_ = 0; // these: producer only
    std::uint64_t written_ = 0;       // tail_
    std::uint64_t published_ = 0;
    std::uint64_t writable_until_; // by what the producer last saw of the consumer
    std::uint64_t publishable_until_;
    alignas(64) std::atomic<std::uint64_t> head_{0};
    std::atomic<std::uint64_t> consumed_{0};
};

} // namespace gatehouse::proxy
