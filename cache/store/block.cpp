#include "cache/store/block.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <new>

namespace gatehouse::cache::store {

namespace {

// Below this a class would differ from its neighbour by less than the 16 bytes malloc rounds to.
constexpr std::size_t kMinPayload = 64;

// What glibc's malloc adds: 8 bytes before each allocation, and the whole rounded up to 16. The program's own (mimalloc)
// adds nothing before, and rounds up to an eighth of a power of two, which the classes above are mostly.
constexpr std::size_t kMallocHeader = 8;
constexpr std::size_t kMallocAlign = 16;
// From here on malloc may take whole pages from mmap. It stops doing so for a size once such a block was freed, so the
// charge is then up to a page too high.
constexpr std::size_t kMmapThreshold = 128 * 1024;
constexpr std::size_t kPage = 4096;

constexpr std::size_t round_up(std::size_t value, std::size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

} // namespace

std::size_t Block::capacity_for(std::size_t wanted) noexcept {
    assert(wanted <= kMaxPayload);
    if (wanted <= kMinPayload) {
        return kMinPayload;
    }
    // Four steps for each power of two: at most a fifth of a block is lost. The classes are of the payload, not of the
    // allocation, because bodies are often powers of two.
    return round_up(wanted, std::bit_floor(wanted - 1) / 4);
}

std::uint64_t Block::charge_for(std::size_t wanted) noexcept {
    const std::size_t taken = round_up(sizeof(Block) + capacity_for(wanted) + kMallocHeader, kMallocAlign);
    return taken < kMmapThreshold ? taken : round_up(taken + kMallocHeader, kPage);
}

BlockRef Block::allocate(std::size_t wanted, MemoryBudget& budget, BlockOwner* owner) {
    const std::size_t capacity = capacity_for(wanted);
    void* memory = std::malloc(sizeof(Block) + capacity);
    if (memory == nullptr) {
        return BlockRef();
    }
    return BlockRef(new (memory) Block(capacity, &budget, owner));
}

BlockRef Block::allocate(std::size_t least, std::size_t wanted, Arena& arena) noexcept {
    void* const memory = arena.take(sizeof(Block) + least, sizeof(Block) + wanted);
    if (memory == nullptr) {
        return BlockRef();
    }
    return BlockRef(new (memory) Block(Arena::room_of(memory) - sizeof(Block), &arena));
}

BlockRef Block::allocate_beside(std::size_t wanted, Arena& arena, std::size_t least_piece) {
    if (!arena.lend(taken_for(wanted), least_piece)) {
        return BlockRef();
    }
    void* const memory = std::malloc(sizeof(Block) + wanted);
    if (memory == nullptr) {
        arena.end_loan(taken_for(wanted));
        return BlockRef();
    }
    return BlockRef(new (memory) Block(wanted, &arena));
}

std::uint64_t Block::taken_for(std::size_t wanted) noexcept { return Arena::taken_for(sizeof(Block) + wanted); }

BlockRef Block::allocate_anchor() {
    void* memory = std::malloc(sizeof(Block));
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return BlockRef(new (memory) Block(0, nullptr));
}

std::uint64_t Block::charged() const noexcept {
    if (budget_ != nullptr) {
        return charge_for(capacity_);
    }
    if (arena_ == nullptr) {
        return 0;
    }
    return arena_->contains(this) ? Arena::taken_by(this) : taken_for(capacity_);
}

void Block::free(Block* block) noexcept {
    const std::uint64_t charged = block->charged();
    MemoryBudget* const budget = block->budget_;
    if (budget == nullptr) {
        Arena* const arena = block->arena_;
        block->~Block();
        if (arena != nullptr && arena->contains(block)) {
            arena->give_back(block);
            return;
        }
        std::free(block);
        if (arena != nullptr) {
            arena->end_loan(charged);
        }
        return;
    }
    BlockOwner* const owner = block->owner_;
    block->~Block();
    std::free(block);
    budget->release(charged);
    // Last, so that whoever is woken by this finds the room.
    if (owner != nullptr) {
        owner->on_block_freed(charged);
    }
}

void BlockRef::release(Block* block) noexcept {
    // The reference that a dying block holds on the next one is taken from it before it is freed: a chain of any
    // length is freed in this loop, on a constant stack.
    while (block != nullptr && block->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        Block* const next = std::exchange(block->next_.block_, nullptr);
        Block::free(block);
        block = next;
    }
}

} // namespace gatehouse::cache::store
