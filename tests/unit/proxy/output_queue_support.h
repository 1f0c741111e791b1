// What the tests of the queue of a connection's output share: sockets that take little at a time, and bodies of many blocks.
#pragma once

#include "cache/store/body.h"
#include "cache/store/budget.h"
#include "proxy/output_queue.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <string>

#include <sys/socket.h>
#include <unistd.h>

namespace gatehouse::proxy::testing {

using cache::store::Body;
using Flush = OutputQueue::Flush;

// Two connected sockets that hold little, so that sends stop half way.
class Pair {
public:
    explicit Pair(int buffer_bytes = 1) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
        near_ = ends[0];
        far_ = ends[1];
        ::setsockopt(near_, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
    }
    ~Pair() {
        ::close(near_);
        close_far();
    }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    int near_end() const { return near_; }
    void close_far() {
        if (far_ >= 0) {
            ::close(far_);
            far_ = -1;
        }
    }
    std::string receive(std::size_t most) {
        std::string text(most, '\0');
        const ssize_t got = ::recv(far_, text.data(), most, MSG_DONTWAIT);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    // Flushes and receives in turns until nothing is left.
    std::string receive_all(OutputQueue& queue) {
        std::string all;
        for (int round = 0; round < 1'000'000; ++round) {
            const Flush state = queue.try_flush(near_);
            REQUIRE(state != Flush::Failed);
            for (std::string text = receive(65536); !text.empty(); text = receive(65536)) {
                all += text;
            }
            if (state == Flush::Done) {
                return all;
            }
        }
        FAIL("the queue never became empty");
        return all;
    }

private:
    int near_ = -1;
    int far_ = -1;
};

inline std::string letters(std::size_t bytes, unsigned seed = 0) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>('a' + (i * 7 + i / 26 + seed) % 26);
    }
    return text;
}

// A body of many small blocks: one announced length after another would be one block each, so the chain is made by
// hand from blocks that hold what they are asked for.
class Chain {
public:
    Chain(std::size_t blocks, std::size_t bytes_each) : budget_(1ULL << 30) {
        for (std::size_t i = 0; i < blocks; ++i) {
            const std::uint64_t charge = cache::store::Block::charge_for(bytes_each);
            REQUIRE(budget_.try_charge(charge));
            auto block = cache::store::Block::allocate(bytes_each, budget_);
            const std::string part = letters(block->capacity(), static_cast<unsigned>(i));
            std::memcpy(block->data(), part.data(), part.size());
            text += part;
            if (last_) {
                last_->set_next(block);
            } else {
                first_ = block;
            }
            last_ = block;
        }
        last_.reset();
    }
    Body::Cursor cursor() const { return {first_, text.size()}; }
    std::string text;

private:
    cache::store::MemoryBudget budget_;
    cache::store::BlockRef first_;
    cache::store::BlockRef last_;
};

} // namespace gatehouse::proxy::testing
