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

// What glibc's malloc adds: 8 bytes before each allocation, and the whole rounded up to 16.
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
    return BlockRef(new (memory) Block(capacity, charge_for(wanted), &budget, owner));
}

BlockRef Block::allocate_anchor() {
    void* memory = std::malloc(sizeof(Block));
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return BlockRef(new (memory) Block(0, 0, nullptr, nullptr));
}

Block::Block(std::size_t capacity, std::uint64_t charged, MemoryBudget* budget, BlockOwner* owner) noexcept
    : capacity_(static_cast<std::uint32_t>(capacity)), charged_(charged), budget_(budget), owner_(owner) {}

void Block::free(Block* block) noexcept {
    const std::uint64_t charged = block->charged_;
    MemoryBudget* const budget = block->budget_;
    BlockOwner* const owner = block->owner_;
    block->~Block();
    std::free(block);
    if (budget != nullptr) {
        budget->release(charged);
    }
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
