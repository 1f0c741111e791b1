#include "cache/store/body.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace gatehouse::cache::store {

namespace {

// Blocks of a body whose length is not known: most responses are small, and those that are not reach large blocks soon.
constexpr std::array<std::size_t, 4> kGrowth = {4 * 1024, 16 * 1024, 64 * 1024, Block::kMaxPayload};

} // namespace

Body::Body(Mode mode, BlockSource& source, const Relay& relay, std::optional<std::uint64_t> expected_bytes)
    : source_(source), relay_(relay), expected_(expected_bytes), mode_(mode), first_(Block::allocate_anchor()),
      last_(first_) {}

Body::~Body() {
    last_.reset();
    first_.reset();
    if (alive_.load(std::memory_order_acquire) != 0) {
        // A cursor outlives its body: its next step would write into freed memory, so it is safer to end here.
        std::fputs("gatehouse: a body was destroyed while a cursor still reads from it\n", stderr);
        std::abort();
    }
}

void Body::set_listener(BodyListener* listener) noexcept {
    const std::lock_guard lock(listener_mutex_);
    listener_ = listener;
}

// ---- writer

Body::Room Body::prepare() {
    if (last_used_ == last_->capacity()) {
        const bool retain = mode() == Mode::Retain;
        BlockRef block = retain ? next_retained_block() : next_window_block();
        if (!block) {
            return Room{retain ? RoomState::Exhausted : RoomState::Full, {}};
        }
        last_window_charge_ = retain ? 0 : block->charged();
        ++blocks_taken_;
        last_->set_next(block);
        last_ = std::move(block);
        last_used_ = 0;
    }
    return Room{RoomState::Room, std::span<char>(last_->data() + last_used_, last_->capacity() - last_used_)};
}

std::size_t Body::wanted_bytes(std::size_t most) const noexcept {
    const std::uint64_t taken = published_.load(std::memory_order_relaxed);
    if (expected_ && *expected_ > taken) {
        return static_cast<std::size_t>(std::min<std::uint64_t>(*expected_ - taken, most));
    }
    // Also when more comes than was announced: that is for the caller to refuse, and needs little room until then.
    return std::min(most, kGrowth[std::min<std::size_t>(blocks_taken_, kGrowth.size() - 1)]);
}

BlockRef Body::next_retained_block() {
    const std::size_t wanted = wanted_bytes(Block::kMaxPayload);
    BlockRef block = source_.allocate_block(wanted, conceded_);
    if (block && block->capacity() < wanted) {
        conceded_ = conceded_ == 0 ? block->capacity() : std::min(conceded_, block->capacity());
    }
    return block;
}

// No wake-up is lost: the writer sets writer_waits_ and then reads alive_ again; a reader that frees a block lowers
// alive_ and then takes writer_waits_. All four are sequentially consistent, so either the reader sees the flag and
// calls on_room, or the writer sees the lowered count. Whenever Full is the answer, the second look found a block alive
// that is not the writer's last one. That block is freed after this look, and then on_room is called, unless another
// block's freeing, also after the flag was set, has called it already.
BlockRef Body::next_window_block() {
    const std::size_t wanted = wanted_bytes(relay_.block_bytes);
    const std::uint64_t charge = Block::charge_for(wanted);
    for (const bool announced : {false, true}) {
        if (announced) {
            writer_waits_.store(true, std::memory_order_seq_cst);
        }
        const std::uint64_t alive = alive_.load(std::memory_order_seq_cst);
        BlockRef block;
        if (alive + charge <= relay_.window_bytes && relay_.budget.try_charge(charge)) {
            block = allocate_window_block(wanted, false);
        } else if (alive == last_window_charge_) {
            // Nothing is alive but the last block. It may be read to its end already: its readers stay on it until
            // there is a next one, so waiting for it to be freed would be waiting for ourselves.
            block = allocate_window_block(std::min(wanted, relay_.guaranteed_block_bytes), true);
        }
        if (block) {
            writer_waits_.store(false, std::memory_order_relaxed);
            return block;
        }
    }
    return BlockRef();
}

BlockRef Body::allocate_window_block(std::size_t wanted, bool guaranteed) {
    const std::uint64_t charge = Block::charge_for(wanted);
    if (guaranteed) {
        relay_.budget.charge(charge);
    }
    BlockRef block = Block::allocate(wanted, relay_.budget, this);
    if (!block) {
        // Neither Full nor Exhausted would be true: there is nothing to wait for and nothing smaller to try.
        relay_.budget.release(charge);
        throw std::bad_alloc();
    }
    alive_.fetch_add(charge, std::memory_order_seq_cst);
    return block;
}

void Body::on_block_freed(std::uint64_t charged_bytes) noexcept {
    alive_.fetch_sub(charged_bytes, std::memory_order_seq_cst);
    if (writer_waits_.exchange(false, std::memory_order_seq_cst)) {
        const std::lock_guard lock(listener_mutex_);
        if (listener_ != nullptr) {
            listener_->on_room();
        }
    }
}

void Body::publish(std::size_t bytes) {
    assert(bytes <= last_->capacity() - last_used_);
    if (bytes == 0) {
        return;
    }
    last_used_ += bytes;
    // Release: whoever reads this length sees the bytes before it, and the links to the blocks they are in.
    published_.store(published_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
    if (mode() == Mode::Window) {
        drop_first();
    }
    tell_published();
}

void Body::switch_to_window() {
    mode_.store(Mode::Window, std::memory_order_release);
    drop_first();
}

void Body::drop_first() noexcept {
    BlockRef first;
    {
        const std::lock_guard lock(first_mutex_);
        std::swap(first, first_);
    }
    // The chain is freed here, outside the lock.
}

void Body::complete() {
    state_.store(State::Complete, std::memory_order_release);
    tell_published();
}

void Body::fail() {
    state_.store(State::Failed, std::memory_order_release);
    tell_published();
}

void Body::tell_published() noexcept {
    const std::lock_guard lock(listener_mutex_);
    if (listener_ != nullptr) {
        listener_->on_published();
    }
}

// ---- anybody

BlockRef Body::first_block() const {
    if (published() == 0) {
        return BlockRef();
    }
    const std::lock_guard lock(first_mutex_);
    return first_ ? first_->next() : BlockRef();
}

std::optional<Body::Cursor> Body::open() const {
    Cursor cursor;
    {
        const std::lock_guard lock(first_mutex_);
        cursor.own_ = first_;
    }
    if (!cursor.own_) {
        return std::nullopt;
    }
    cursor.block_ = cursor.own_.get();
    cursor.body_ = this;
    return cursor;
}

std::uint64_t Body::Cursor::readable() const noexcept {
    return (body_ != nullptr ? body_->published() : limit_) - position_;
}

void Body::Cursor::skip_finished_blocks() const {
    // The link to the next block may be read because something readable lies behind it: its writer set it before.
    while (offset_ == block_->capacity()) {
        const BlockRef& next = block_->next();
        block_ = next.get();
        if (own_) {
            own_ = BlockRef(next);
        }
        offset_ = 0;
    }
}

std::size_t Body::Cursor::peek(std::span<iovec> slots, std::uint64_t bytes) const {
    std::uint64_t left = std::min(readable(), bytes);
    if (left == 0) {
        return 0;
    }
    skip_finished_blocks();
    Block* block = block_;
    std::size_t offset = offset_;
    std::size_t filled = 0;
    while (left > 0 && filled < slots.size()) {
        const std::size_t piece = static_cast<std::size_t>(std::min<std::uint64_t>(left, block->capacity() - offset));
        slots[filled++] = iovec{block->data() + offset, piece};
        left -= piece;
        if (left > 0) {
            block = block->next().get();
            offset = 0;
        }
    }
    return filled;
}

void Body::Cursor::advance(std::uint64_t bytes) {
    assert(bytes <= readable());
    while (bytes > 0) {
        skip_finished_blocks();
        const std::uint64_t step = std::min<std::uint64_t>(bytes, block_->capacity() - offset_);
        offset_ += static_cast<std::size_t>(step);
        position_ += step;
        bytes -= step;
    }
    if (readable() > 0) {
        skip_finished_blocks();
    }
}

void Body::Cursor::copy_to(std::string& out, std::uint64_t bytes) {
    std::array<iovec, 16> pieces;
    while (bytes > 0) {
        std::uint64_t copied = 0;
        for (const iovec& piece : std::span(pieces).first(peek(pieces, bytes))) {
            out.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
            copied += piece.iov_len;
        }
        if (copied == 0) {
            return;
        }
        advance(copied);
        bytes -= copied;
    }
}

} // namespace gatehouse::cache::store
