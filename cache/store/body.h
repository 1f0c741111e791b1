// A body that one writer fills while any number of readers on any core follow it.
//
// The writer appends into blocks and publishes a length; readers never look beyond it. In Retain mode the body keeps
// its first block, so that readers may join at any time and the whole can be stored. In Window mode it keeps only its
// last block: a block is freed as soon as the last reader has passed it, and the writer is refused room while
// `window` bytes are alive: that is the back-pressure.
//
// Threads: one writer thread; readers on any thread. Nothing here blocks or wakes anybody: after publish, complete,
// fail and after room came free, the Listener is told, and it does the waking.
//
// The chain of blocks begins with an anchor, a block without bytes. Every cursor starts there, so that it finds the
// first real block through the chain, without a lock, also when it was opened before that block existed.
#pragma once

#include "cache/store/block.h"
#include "cache/store/pin.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sys/uio.h>

namespace gatehouse::cache::store {

// Whoever calls a function of a body or of a cursor holds no lock that these functions take.
class BodyListener {
public:
    // New bytes, or the end. Called on the writer's thread.
    virtual void on_published() noexcept = 0;
    // A block was freed after prepare() had answered Full: the writer may find room. Called on any reader's thread,
    // once for each Full, and possibly before the prepare() in question has returned: it has to be remembered.
    virtual void on_room() noexcept = 0;

protected:
    ~BodyListener() = default;
};

// Gives blocks for a body in Retain mode, making room by eviction. Null: all memory is pinned. `conceded`: the least that the
// body was given of what it wanted; not more has to be freed for it to be given as much again. 0: it got all it wanted.
class BlockSource {
public:
    virtual BlockRef allocate_block(std::size_t wanted, std::size_t conceded) = 0;

protected:
    ~BlockSource() = default;
};

class Body final : public BlockOwner {
public:
    enum class State : std::uint8_t { Filling, Complete, Failed };
    enum class Mode : std::uint8_t { Retain, Window };

    // Shared by the relays of all requests that pass through without being stored.
    struct Relay {
        MemoryBudget& budget;
        std::uint64_t window_bytes = 1024 * 1024;
        std::size_t block_bytes = 64 * 1024;
        // A relay always gets one block of this size, also when the relay budget is used up: otherwise a slow reader
        // could stop everybody else.
        std::size_t guaranteed_block_bytes = 2 * 1024;
    };

    // `source` gives Retain blocks, `relay` Window blocks; both outlive the body. `expected_bytes`: Content-Length when
    // known (blocks are then cut to fit). `listener` may be null; it outlives the body or is cleared first.
    Body(Mode mode, BlockSource& source, const Relay& relay, std::optional<std::uint64_t> expected_bytes);
    ~Body();
    Body(const Body&) = delete;
    Body& operator=(const Body&) = delete;

    // Before the first publish; null to clear (any thread). Once it returns, the former listener is not called any
    // more, nor is it being called, except by this very thread further up the stack.
    void set_listener(BodyListener* listener) noexcept;

    // ---- writer
    enum class RoomState : std::uint8_t {
        Room,      // `room` is not empty
        Full,      // Window mode: readers have to move first; on_room will be called
        Exhausted  // Retain mode: the source has nothing left; switch_to_window, then ask again
    };
    struct Room {
        RoomState state;
        std::span<char> room;
    };
    // Free bytes at the end of the last block, allocating one when it is full.
    Room prepare();
    void publish(std::size_t bytes); // at most what prepare() gave
    // No reader can join any more; what has been passed is freed. Idempotent. Retained blocks stay charged where they
    // are until they are freed.
    void switch_to_window();
    void complete(); // the content is whole
    void fail();     // it never will be

    // ---- anybody
    State state() const noexcept { return state_.load(std::memory_order_acquire); }
    std::uint64_t published() const noexcept { return published_.load(std::memory_order_acquire); }
    Mode mode() const noexcept { return mode_.load(std::memory_order_acquire); }
    std::optional<std::uint64_t> expected_bytes() const noexcept { return expected_; }
    // Bytes of window blocks alive now.
    std::uint64_t alive_bytes() const noexcept { return alive_.load(std::memory_order_acquire); }
    // The first block, for the store (Retain mode, complete). Null for an empty body.
    BlockRef first_block() const;

    // A position in a body. Not thread-safe itself; moves with its owner.
    class Cursor {
    public:
        Cursor() = default;
        // Reads a complete body from its first block (a hit): no Body object needed.
        Cursor(BlockRef first, std::uint64_t size) : block_(first.get()), own_(std::move(first)), limit_(size) {}
        // The same where a pin keeps all of its blocks: it counts nothing at them, and stays on its core.
        Cursor(Block* first, std::uint64_t size, Pin pin) : block_(first), pin_(std::move(pin)), limit_(size) {}

        std::uint64_t position() const noexcept { return position_; }
        // Up to slots.size() pieces that are readable now, at most `bytes` in all. Returns how many slots were filled.
        // The pieces stay valid until advance().
        std::size_t peek(std::span<iovec> slots, std::uint64_t bytes) const;
        // Moves on; blocks that were passed are let go.
        void advance(std::uint64_t bytes);
        // Skips to a later position. Precondition: it is published.
        void seek(std::uint64_t position) { advance(position - position_); }
        std::uint64_t readable() const noexcept; // published - position
        // Appends the next `bytes` to `out`, or as many as are readable now, and moves on.
        void copy_to(std::string& out, std::uint64_t bytes);

    private:
        friend class Body;
        // Lets go of blocks that were read to their end, if something readable follows.
        void skip_finished_blocks() const;

        const Body* body_ = nullptr;     // null for a complete stored body
        mutable Block* block_ = nullptr; // null only for an empty stored body
        mutable BlockRef own_;           // the same block; null where it is pinned
        Pin pin_;
        mutable std::size_t offset_ = 0;
        std::uint64_t position_ = 0;
        std::uint64_t limit_ = 0;
    };
    // A cursor at the start. nullopt when the body no longer keeps its start (Window mode after the first publish).
    // The Body must outlive the cursor.
    std::optional<Cursor> open() const;

private:
    void on_block_freed(std::uint64_t charged_bytes) noexcept override;
    BlockRef next_retained_block();
    BlockRef next_window_block();
    BlockRef allocate_window_block(std::size_t wanted, bool guaranteed);
    std::size_t wanted_bytes(std::size_t most) const noexcept;
    void drop_first() noexcept;
    void tell_published() noexcept;

    BlockSource& source_;
    Relay relay_;
    std::optional<std::uint64_t> expected_;
    std::atomic<Mode> mode_;
    std::atomic<State> state_{State::Filling};
    std::atomic<std::uint64_t> published_{0};
    std::atomic<std::uint64_t> alive_{0};
    // The last prepare() answered Full, and no block was freed since. See next_window_block().
    std::atomic<bool> writer_waits_{false};
    // Held while the listener is called. Recursive, because a listener may resume a reader in place, and that reader
    // may free a block or clear the listener.
    std::recursive_mutex listener_mutex_;
    BodyListener* listener_ = nullptr;
    mutable std::mutex first_mutex_; // guards first_ between open() and drop_first()
    BlockRef first_;                 // the anchor, as long as readers may join

    // Only the writer uses these.
    BlockRef last_;
    std::size_t last_used_ = 0;
    std::uint64_t last_window_charge_ = 0; // 0 when last_ is no window block
    unsigned blocks_taken_ = 0;
    std::size_t conceded_ = 0; // of BlockSource
};

} // namespace gatehouse::cache::store
