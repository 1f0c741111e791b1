#include "cache/store/arena.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <new>
#include <string>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace gatehouse::cache::store {

namespace {

// Of the range is made usable at once; as much as a huge page.
constexpr std::size_t kStep = 2 * 1024 * 1024;
// So many are asked for together when they are first used. OPTIMIZATION: a fault for each page of 4 KiB made a miss of 8 kB
// 3 to 6 % dearer (docs/PERFORMANCE.md, "Misses, and the allocator").
constexpr std::size_t kPagesAtOnce = 128 * 1024;
static_assert(kStep % kPagesAtOnce == 0);
// A rest that is smaller stays with the piece: nothing stored is as small.
constexpr std::uint32_t kLeastHoleUnits = 4;
// Holes that are larger are not joined with their neighbours, so that sizes fit in 32 bits.
constexpr std::uint32_t kMostHoleUnits = 1u << 26;
constexpr std::uint64_t kLoanPiece = 64 * 1024; // at most

constexpr std::uint32_t kFree = 1u << 31;

// Who uses what was given back, or never taken, is found by the address sanitizer as with malloc.
void forbid([[maybe_unused]] void* from, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
    ASAN_POISON_MEMORY_REGION(from, bytes);
#endif
}
void allow([[maybe_unused]] void* from, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(from, bytes);
#endif
}

} // namespace

// What stands before each piece and each hole. Chunks follow one another without a gap, so that both neighbours are
// found.
struct Arena::Chunk {
    std::uint32_t units_before; // of the chunk before this one; 0: this is the first
    std::uint32_t units_and_use;
    // Of a hole: its neighbours in its list.
    Chunk* next;
    Chunk* previous;

    std::uint32_t units() const noexcept { return units_and_use & ~kFree; }
    bool is_free() const noexcept { return (units_and_use & kFree) != 0; }
    std::uint64_t bytes() const noexcept { return std::uint64_t{units()} * kUnit; }
    char* begin() noexcept { return reinterpret_cast<char*>(this); }
    char* end() noexcept { return begin() + bytes(); }
    char* piece() noexcept { return begin() + kHeaderBytes; }
    Chunk* before() noexcept { return at(begin() - std::uint64_t{units_before} * kUnit); }
    void set(std::uint32_t units, bool free) noexcept { units_and_use = units | (free ? kFree : 0); }
    static Chunk* at(char* begin) noexcept { return reinterpret_cast<Chunk*>(begin); }
};

std::uint32_t Arena::units_for(std::uint64_t wanted, std::size_t header) noexcept {
    const std::uint64_t units = (wanted + header + kUnit - 1) / kUnit;
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(units, 2)); // a hole's links have to fit
}

std::uint64_t Arena::reserved_bytes() const noexcept {
    return (std::max<std::uint64_t>(limit_, 1) + kStep - 1) / kStep * kStep;
}

Arena::Arena(std::uint64_t bytes) : limit_(bytes) {
    const std::uint64_t reserved = reserved_bytes();
    void* const range = ::mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) {
        throw std::system_error(errno, std::generic_category(),
                                "reserving " + std::to_string(reserved) + " bytes of addresses for stored responses");
    }
    base_ = static_cast<char*>(range);
    usable_ = base_;
    present_ = base_;
    // Headers stand 8 bytes before a multiple of 16, so that pieces are at one.
    top_ = base_ + kUnit - kHeaderBytes;
    end_ = base_ + bytes;
    top_end_ = end_;
    free_.store(top_units() * kUnit, std::memory_order_relaxed);
}

Arena::~Arena() {
    assert(pieces_.load(std::memory_order_relaxed) == 0);
    allow(base_, static_cast<std::size_t>(usable_ - base_));
    ::munmap(base_, reserved_bytes());
}

std::size_t Arena::taken_by(const void* piece) noexcept {
    const auto* const chunk = reinterpret_cast<const Chunk*>(static_cast<const char*>(piece) - kHeaderBytes);
    return chunk->bytes();
}

std::size_t Arena::taken_for(std::size_t wanted) noexcept {
    return std::size_t{units_for(wanted, kHeaderBytes)} * kUnit;
}

// ---- holes by size

Arena::Place Arena::place_of(std::uint32_t units) noexcept {
    if (units < kColumns) {
        return {0, units};
    }
    const unsigned top_bit = static_cast<unsigned>(std::bit_width(units)) - 1;
    const Place place{top_bit - 3, (units >> (top_bit - 4)) % kColumns};
    return place.row < kRows ? place : Place{kRows - 1, kColumns - 1};
}

void Arena::put(Chunk* hole) noexcept {
    const Place place = place_of(hole->units());
    Chunk*& first = holes_[place.row][place.column];
    hole->previous = nullptr;
    hole->next = first;
    if (first != nullptr) {
        first->previous = hole;
    }
    first = hole;
    columns_[place.row] |= 1u << place.column;
    rows_ |= 1u << place.row;
}

void Arena::remove(Chunk* hole) noexcept {
    const Place place = place_of(hole->units());
    if (hole->next != nullptr) {
        hole->next->previous = hole->previous;
    }
    if (hole->previous != nullptr) {
        hole->previous->next = hole->next;
        return;
    }
    holes_[place.row][place.column] = hole->next;
    if (hole->next == nullptr) {
        columns_[place.row] &= ~(1u << place.column);
        rows_ &= columns_[place.row] == 0 ? ~(1u << place.row) : ~0u;
    }
}

// A hole of so many units or more, out of the first list that has nothing else. Those of the list before, in which some
// may be large enough, have a say with their first.
Arena::Chunk* Arena::find(std::uint32_t units) const noexcept {
    Place place = place_of(units);
    Chunk* const close = holes_[place.row][place.column];
    if (close != nullptr && close->units() >= units) {
        return close;
    }
    if (++place.column == kColumns) {
        place = {place.row + 1, 0};
    }
    std::uint32_t columns = place.row < kRows ? columns_[place.row] & (~0u << place.column) : 0;
    if (columns == 0) {
        const std::uint32_t rows = place.row + 1 < kRows ? rows_ & (~0u << (place.row + 1)) : 0;
        if (rows == 0) {
            return nullptr;
        }
        place.row = static_cast<unsigned>(std::countr_zero(rows));
        columns = columns_[place.row];
    }
    return holes_[place.row][static_cast<unsigned>(std::countr_zero(columns))];
}

// One of the largest, within a sixteenth.
Arena::Chunk* Arena::largest() const noexcept {
    if (rows_ == 0) {
        return nullptr;
    }
    const unsigned row = static_cast<unsigned>(std::bit_width(rows_)) - 1;
    return holes_[row][static_cast<unsigned>(std::bit_width(columns_[row])) - 1];
}

// ---- taking and giving back

std::uint64_t Arena::top_units() const noexcept {
    return top_ < top_end_ ? static_cast<std::uint64_t>(top_end_ - top_) / kUnit : 0;
}

// The system gives no more: what it has given so far is what there is.
void Arena::end_at_usable() noexcept {
    const std::uint64_t before = top_units();
    top_end_ = std::min(top_end_, usable_);
    free_.fetch_sub((before - top_units()) * kUnit, std::memory_order_relaxed);
}

bool Arena::may_use_up_to(char* end) noexcept {
    if (end <= usable_) {
        return true;
    }
    const std::size_t bytes = (static_cast<std::size_t>(end - usable_) + kStep - 1) / kStep * kStep;
    if (::mprotect(usable_, bytes, PROT_READ | PROT_WRITE) != 0) {
        end_at_usable();
        return false;
    }
    usable_ += bytes;
    return true;
}

// Where the kernel does not know the call (before 5.14), or has no memory, each page comes with its first use.
void Arena::have_pages_up_to(const char* end) noexcept {
    while (present_ < end) {
        ::madvise(present_, kPagesAtOnce, MADV_POPULATE_WRITE);
        present_ += kPagesAtOnce;
    }
}

Arena::Chunk* Arena::take_from_top(std::uint32_t units) noexcept {
    char* const end = top_ + std::uint64_t{units} * kUnit;
    // The links of the chunk lie before its end, too: it has two units at least.
    if (!may_use_up_to(end)) {
        return nullptr;
    }
    have_pages_up_to(end);
    allow(top_, static_cast<std::size_t>(end - top_));
    Chunk* const chunk = Chunk::at(top_);
    chunk->units_before = units_before_top_;
    chunk->set(units, false);
    top_ = end;
    units_before_top_ = units;
    return chunk;
}

void Arena::set_units_before(char* end, std::uint32_t units) noexcept {
    (end == top_ ? units_before_top_ : Chunk::at(end)->units_before) = units;
}

// Leaves `units` in the chunk and makes a hole of the rest, if it is worth it.
void Arena::cut(Chunk* chunk, std::uint32_t units) noexcept {
    const std::uint32_t rest = chunk->units() - units;
    if (rest < kLeastHoleUnits) {
        return;
    }
    char* const end = chunk->end();
    chunk->set(units, false);
    Chunk* const hole = Chunk::at(chunk->end());
    allow(hole, sizeof(Chunk));
    hole->units_before = units;
    hole->set(rest, true);
    set_units_before(end, rest);
    put(hole);
}

Arena::Chunk* Arena::take_locked(std::uint32_t least, std::uint32_t wanted) noexcept {
    Chunk* hole = find(wanted);
    if (hole == nullptr) {
        const std::uint64_t at_top = top_units();
        Chunk* const large = largest();
        const std::uint32_t large_units = large != nullptr ? large->units() : 0;
        if (at_top >= std::min(wanted, std::max(least, large_units))) {
            Chunk* const taken = take_from_top(static_cast<std::uint32_t>(std::min<std::uint64_t>(at_top, wanted)));
            // Where the system refuses, there is less at the top than it seemed.
            return taken != nullptr || top_units() == at_top ? taken : take_locked(least, wanted);
        }
        if (large_units < least) {
            return nullptr;
        }
        hole = large;
    }
    remove(hole);
    hole->set(hole->units(), false);
    cut(hole, std::min(wanted, hole->units()));
    return hole;
}

void Arena::free_locked(Chunk* chunk) noexcept {
    std::uint32_t units = chunk->units();
    forbid(chunk->piece() + 2 * sizeof(Chunk*), chunk->bytes() - kHeaderBytes - 2 * sizeof(Chunk*));
    if (chunk->end() != top_) {
        Chunk* const next = Chunk::at(chunk->end());
        if (next->is_free() && units + next->units() <= kMostHoleUnits) {
            remove(next);
            units += next->units();
        }
    }
    if (chunk->units_before != 0) {
        Chunk* const before = chunk->before();
        if (before->is_free() && units + before->units() <= kMostHoleUnits) {
            remove(before);
            units += before->units();
            chunk = before;
        }
    }
    chunk->set(units, true);
    if (chunk->end() == top_) {
        top_ = chunk->begin();
        units_before_top_ = chunk->units_before;
        return;
    }
    set_units_before(chunk->end(), units);
    put(chunk);
}

void* Arena::take(std::size_t least, std::size_t wanted) noexcept {
    assert(least > 0 && least <= wanted && wanted <= kLargestPiece);
    const std::uint32_t least_units = units_for(least, kHeaderBytes);
    const std::uint32_t wanted_units = units_for(wanted, kHeaderBytes);
    const std::lock_guard lock(mutex_);
    Chunk* const chunk = take_locked(least_units, wanted_units);
    if (chunk == nullptr) {
        return nullptr;
    }
    allow(chunk->piece(), chunk->bytes() - kHeaderBytes);
    pieces_.fetch_add(chunk->bytes(), std::memory_order_relaxed);
    free_.fetch_sub(chunk->bytes(), std::memory_order_relaxed);
    return chunk->piece();
}

void Arena::give_back(void* piece) noexcept {
    Chunk* const chunk = Chunk::at(static_cast<char*>(piece) - kHeaderBytes);
    const std::lock_guard lock(mutex_);
    pieces_.fetch_sub(chunk->bytes(), std::memory_order_relaxed);
    free_.fetch_add(chunk->bytes(), std::memory_order_relaxed);
    free_locked(chunk);
}

// ---- loans

bool Arena::lend(std::uint64_t bytes, std::uint64_t least_piece) {
    static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const std::lock_guard lock(mutex_);
    const std::uint64_t lent = lent_.load(std::memory_order_relaxed) + bytes;
    if (lent > loan_bytes_ + free_.load(std::memory_order_relaxed)) {
        return false;
    }
    while (loan_bytes_ < lent) {
        const std::uint64_t wanted = std::min(lent - loan_bytes_, kLoanPiece);
        loans_.push_back(nullptr); // may throw, hence first
        Chunk* const chunk = take_locked(units_for(std::min(wanted, least_piece), 0), units_for(wanted, 0));
        if (chunk == nullptr) {
            loans_.pop_back();
            repay_locked();
            return false;
        }
        loans_.back() = chunk;
        loan_bytes_ += chunk->bytes();
        free_.fetch_sub(chunk->bytes(), std::memory_order_relaxed);
        const auto from = (reinterpret_cast<std::uintptr_t>(chunk->piece()) + page - 1) / page * page;
        const auto to = reinterpret_cast<std::uintptr_t>(chunk->end()) / page * page;
        if (from < to) {
            ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
        }
    }
    lent_.store(lent, std::memory_order_relaxed);
    return true;
}

void Arena::end_loan(std::uint64_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    lent_.fetch_sub(bytes, std::memory_order_relaxed);
    repay_locked();
}

// Takes chunks back as long as the rest is enough.
void Arena::repay_locked() noexcept {
    while (!loans_.empty()) {
        Chunk* const chunk = loans_.back();
        const std::uint64_t bytes = chunk->bytes();
        if (loan_bytes_ - bytes < lent_.load(std::memory_order_relaxed)) {
            return;
        }
        loans_.pop_back();
        loan_bytes_ -= bytes;
        free_.fetch_add(bytes, std::memory_order_relaxed);
        free_locked(chunk);
    }
}

} // namespace gatehouse::cache::store
