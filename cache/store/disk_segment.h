// One segment of the disk store's log, as it is known while the log is open; and what its parts share.
#pragma once

#include "cache/store/disk_files.h"
#include "cache/store/disk_format.h"
#include "cache/store/disk_index.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

namespace gatehouse::cache::store::disk {

inline constexpr std::string_view kSegmentPrefix = "segment-";

// Readers on other threads look at `generation` before and after they read, and find what they read to be worth
// nothing when it changed: it changes before the first byte of what was there is written over.
struct Segment {
    enum class State : std::uint8_t {
        Free,    // to be begun
        Open,    // being filled
        Sealed,  // full
        Bad,     // a write failed: what it holds is read as long as a sealed one would be, but it is not begun again
        Foreign, // of another version: left alone
        GivenUp  // its file is removed
    };

    std::shared_ptr<File> file; // while readers > 0 or generation != 0; replaced while readers == 0 or not at all
    std::uint32_t number = 0;
    State state = State::Free;                // the writing thread's
    std::atomic<std::uint64_t> generation{0}; // 0: none that can be read
    std::atomic<std::uint32_t> readers{0};

    // Nothing that is written from here on is seen by a reader that still sees the generation of before.
    void begin_generation(std::uint64_t number_of_it) noexcept {
        generation.store(number_of_it, std::memory_order_seq_cst);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    // For a reader that has read: whether nothing of it was written over.
    bool is_still(std::uint64_t number_of_it) const noexcept {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return generation.load(std::memory_order_seq_cst) == number_of_it;
    }
};

// Keeps the file of a segment open for a reader. Look at the generation after this: 0 means that there is no file.
class SegmentReader {
public:
    explicit SegmentReader(Segment& segment) noexcept : segment_(segment) {
        segment_.readers.fetch_add(1, std::memory_order_seq_cst);
    }
    ~SegmentReader() { segment_.readers.fetch_sub(1, std::memory_order_seq_cst); }
    SegmentReader(const SegmentReader&) = delete;
    SegmentReader& operator=(const SegmentReader&) = delete;

private:
    Segment& segment_;
};

inline std::uint32_t secondary_hash(std::string_view secondary_key) noexcept {
    return static_cast<std::uint32_t>(checksum(secondary_key));
}

inline std::uint16_t marker(std::uint32_t secondary_hash) noexcept {
    return static_cast<std::uint16_t>(secondary_hash);
}

IndexEntry entry_of(const FooterEntry& footer, std::uint32_t segment) noexcept;

} // namespace gatehouse::cache::store::disk
