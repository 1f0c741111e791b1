// Reference-counted memory blocks: what heads and bodies live in.
//
// A block is one allocation, header and bytes together. What is stored lives in an arena, which is its budget; what is
// only relayed comes from malloc and is charged to a budget by its class until it is freed. Blocks of a body form a
// singly linked chain; each block owns a reference to the next one. Whoever holds a block therefore holds all that
// follow, and what lies before the slowest holder frees itself.
//
// Reference counts are atomic (any core may hold a block). Bytes are written by one writer and read by others only
// after the writer has published them (see body.h).
#pragma once

#include "cache/store/arena.h"
#include "cache/store/budget.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace gatehouse::cache::store {

class Block;
// Called with the charged bytes when a block is freed; runs on the freeing thread and must not block.
class BlockOwner {
public:
    virtual void on_block_freed(std::uint64_t charged_bytes) noexcept = 0;

protected:
    ~BlockOwner() = default;
};

class BlockRef {
public:
    BlockRef() noexcept = default;
    inline BlockRef(const BlockRef& other) noexcept;
    BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    BlockRef& operator=(BlockRef other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~BlockRef() { reset(); }
    void reset() noexcept { // frees a long chain iteratively, never recursively
        if (block_ != nullptr) {
            release(std::exchange(block_, nullptr));
        }
    }

    Block* get() const noexcept { return block_; }
    Block* operator->() const noexcept { return block_; }
    Block& operator*() const noexcept { return *block_; }
    explicit operator bool() const noexcept { return block_ != nullptr; }

private:
    friend class Block;
    explicit BlockRef(Block* adopted) noexcept : block_(adopted) {}
    static void release(Block* block) noexcept;
    Block* block_ = nullptr;
};

class Block {
public:
    // The largest payload of one block; bodies beyond it are chains.
    static constexpr std::size_t kMaxPayload = 256 * 1024;

    // Payload capacity of the class that holds `wanted` bytes (1 to kMaxPayload), and what it is charged.
    static std::size_t capacity_for(std::size_t wanted) noexcept;
    static std::uint64_t charge_for(std::size_t wanted) noexcept;

    // A block with at least `wanted` bytes of room, already charged by the caller: charge_for(wanted) bytes are
    // released to `budget`, which must live that long, when it is freed. `owner` (may be null) is told as well. Null
    // when the allocation itself fails; the charge is then the caller's to release.
    static BlockRef allocate(std::size_t wanted, MemoryBudget& budget, BlockOwner* owner = nullptr);

    // A block in an arena, which lives as long: with room for at least `least` bytes, and for `wanted` where there is a
    // hole as large. Null: there is none. Requires: 0 < least <= wanted <= kMaxPayload.
    static BlockRef allocate(std::size_t least, std::size_t wanted, Arena& arena) noexcept;
    // The same for what cannot lie in pieces where no hole is as large: from malloc, with as many bytes lent by the
    // arena, in pieces of at least `least_piece`.
    static BlockRef allocate_beside(std::size_t wanted, Arena& arena, std::size_t least_piece);
    // What a block in an arena takes of it, with room for so many bytes.
    static std::uint64_t taken_for(std::size_t wanted) noexcept;

    // A block without any bytes: a place for readers to stand before there is something to read. It has no
    // capacity and is not charged; the body it belongs to is not either. Throws std::bad_alloc.
    static BlockRef allocate_anchor();
    // For an object that lives in the block it owns: disown() gives up the reference without releasing it and returns
    // the block's bytes, adopt() takes the reference back.
    static void* disown(BlockRef block) noexcept { return std::exchange(block.block_, nullptr)->data(); }
    static BlockRef adopt(void* data) noexcept { return BlockRef(static_cast<Block*>(data) - 1); }
    static const Block& of(const void* data) noexcept { return *(static_cast<const Block*>(data) - 1); }

    char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
    const char* data() const noexcept { return reinterpret_cast<const char*>(this + 1); }
    std::size_t capacity() const noexcept { return capacity_; }
    // To its budget, or taken from its arena.
    std::uint64_t charged() const noexcept;
    // The following block of the chain. Written once by the writer, before the bytes in it are published.
    const BlockRef& next() const noexcept { return next_; }
    void set_next(BlockRef next) noexcept { next_ = std::move(next); }
    bool is_unique() const noexcept { return references_.load(std::memory_order_acquire) == 1; }

private:
    friend class BlockRef;
    Block(std::size_t capacity, MemoryBudget* budget, BlockOwner* owner) noexcept
        : capacity_(static_cast<std::uint32_t>(capacity)), budget_(budget), owner_(owner) {}
    Block(std::size_t capacity, Arena* arena) noexcept
        : capacity_(static_cast<std::uint32_t>(capacity)), arena_(arena) {}
    ~Block() = default;
    static void free(Block* block) noexcept;

    std::atomic<std::uint32_t> references_{1};
    std::uint32_t capacity_;
    MemoryBudget* budget_ = nullptr; // null: in an arena, or an anchor
    union {
        BlockOwner* owner_; // where there is a budget
        Arena* arena_;      // where there is none; null: an anchor
    };
    BlockRef next_;
};

inline BlockRef::BlockRef(const BlockRef& other) noexcept : block_(other.block_) {
    if (block_ != nullptr) {
        block_->references_.fetch_add(1, std::memory_order_relaxed);
    }
}

} // namespace gatehouse::cache::store
