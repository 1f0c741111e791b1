// The memory that stored heads and bodies live in: one range of addresses, as long as the budget says.
//
// What is stored can never take more of the machine's memory than the range is long, whatever sizes come and go: free
// space between pieces is inside the range and is found again, because neighbours that are free become one hole. Where
// no hole is large enough, the caller evicts, or takes a smaller piece than it wanted (bodies are chains of blocks).
// malloc with the same budget held a third more than was stored (docs/PERFORMANCE.md).
//
// Holes are found by two-level segregated fit (Masmano et al., TLSF): lists of holes by size, sixteen for each power of
// two, and bitmaps of lists that are not empty. Taking and giving back a piece are a few steps under a mutex, without a
// system call once the range has been in use.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace gatehouse::cache::store {

class Arena {
public:
    // Only addresses are reserved; memory is taken as pieces are written for the first time. Throws std::system_error
    // when the system has no such range.
    explicit Arena(std::uint64_t bytes);
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    static constexpr std::size_t kLargestPiece = 1024 * 1024;

    // At least `least` bytes, aligned to 16, and not many more than `wanted`: as many as there are together where that
    // is less than `wanted`. Null: there is no such hole. Requires: 0 < least <= wanted <= kLargestPiece. Any thread.
    void* take(std::size_t least, std::size_t wanted) noexcept;
    void give_back(void* piece) noexcept; // any thread
    // Bytes that the owner of a piece may use, and that it takes from the arena.
    static std::size_t room_of(const void* piece) noexcept { return taken_by(piece) - kHeaderBytes; }
    static std::size_t taken_by(const void* piece) noexcept;
    static std::size_t taken_for(std::size_t wanted) noexcept; // by a piece that has as much as was wanted

    // Room for memory that is charged here and lies elsewhere, such as an index: as many bytes of the range, in pieces
    // of at least `least_piece` but for the last, are not used, and the whole pages among them are given to the system.
    // False: there is no such room.
    bool lend(std::uint64_t bytes, std::uint64_t least_piece);
    void end_loan(std::uint64_t bytes) noexcept; // of any that were lent

    bool contains(const void* piece) const noexcept { return piece >= base_ && piece < end_; }
    std::uint64_t limit() const noexcept { return limit_; }
    // Pieces, and what is lent.
    std::uint64_t used() const noexcept {
        return pieces_.load(std::memory_order_relaxed) + lent_.load(std::memory_order_relaxed);
    }
    // In holes of any size, and never used so far.
    std::uint64_t free_bytes() const noexcept { return free_.load(std::memory_order_relaxed); }

private:
    struct Chunk;
    struct Place {
        unsigned row;
        unsigned column;
    };
    static constexpr std::size_t kUnit = 16; // sizes are multiples of it
    static constexpr std::size_t kHeaderBytes = 8;
    static constexpr unsigned kColumns = 16;
    static constexpr unsigned kRows = 24;

    static std::uint32_t units_for(std::uint64_t wanted, std::size_t header) noexcept;
    static Place place_of(std::uint32_t units) noexcept;
    std::uint64_t reserved_bytes() const noexcept;
    std::uint64_t top_units() const noexcept;
    Chunk* find(std::uint32_t units) const noexcept;
    Chunk* largest() const noexcept;
    void put(Chunk* hole) noexcept;
    void remove(Chunk* hole) noexcept;
    void set_units_before(char* end, std::uint32_t units) noexcept;
    void cut(Chunk* chunk, std::uint32_t units) noexcept;
    Chunk* take_from_top(std::uint32_t units) noexcept;
    Chunk* take_locked(std::uint32_t least, std::uint32_t wanted) noexcept;
    void free_locked(Chunk* chunk) noexcept;
    bool may_use_up_to(char* end) noexcept;
    void have_pages_up_to(const char* end) noexcept;
    void end_at_usable() noexcept;
    void repay_locked() noexcept;

    const std::uint64_t limit_;
    char* base_ = nullptr;
    char* end_ = nullptr;
    std::atomic<std::uint64_t> pieces_{0};
    std::atomic<std::uint64_t> lent_{0};
    std::atomic<std::uint64_t> free_{0};

    std::mutex mutex_;        // guards what follows, and all headers
    char* top_ = nullptr;     // behind the last chunk; from here on nothing is used
    char* top_end_ = nullptr; // and up to here it may be used: to the end, as long as the system gives memory
    char* usable_ = nullptr;  // the system has been asked for what lies before
    char* present_ = nullptr; // and has been asked for the pages of that
    std::uint32_t units_before_top_ = 0;
    std::uint32_t rows_ = 0; // which have holes
    std::array<std::uint32_t, kRows> columns_{};
    std::array<std::array<Chunk*, kColumns>, kRows> holes_{};
    std::vector<Chunk*> loans_;
    std::uint64_t loan_bytes_ = 0; // of these chunks; at least lent_
};

} // namespace gatehouse::cache::store
