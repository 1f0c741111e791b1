// Bodies between threads: every reader sees every byte, and nobody waits for a wake-up that was lost. Meant for
// ThreadSanitizer; a lost wake-up hangs the test.
#include "cache/store/body.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace gatehouse::cache::store;

namespace {

class Source final : public BlockSource {
public:
    explicit Source(std::uint64_t limit) : budget(limit) {}
    BlockRef allocate_block(std::size_t wanted, std::size_t /*conceded*/) override {
        if (!budget.try_charge(Block::charge_for(wanted))) {
            return BlockRef();
        }
        return Block::allocate(wanted, budget);
    }
    MemoryBudget budget;
};

// A flag that stays up until it is waited for.
class Event {
public:
    void raise() {
        {
            const std::lock_guard lock(mutex_);
            raised_ = true;
        }
        condition_.notify_one();
    }
    void wait() {
        std::unique_lock lock(mutex_);
        condition_.wait(lock, [this] { return raised_; });
        raised_ = false;
    }

private:
    std::mutex mutex_;
    std::condition_variable condition_;
    bool raised_ = false;
};

class Listener final : public BodyListener {
public:
    explicit Listener(std::size_t readers) : readers_(readers) {}
    void on_published() noexcept override {
        for (Event& reader : readers_) {
            reader.raise();
        }
    }
    void on_room() noexcept override { writer.raise(); }
    Event& reader(std::size_t index) { return readers_[index]; }
    Event writer;

private:
    std::vector<Event> readers_;
};

char byte_at(std::uint64_t position) { return static_cast<char>((position * 31 + position / 251) % 256); }

void fill(Body& body, Event& room_came, std::uint64_t bytes, std::atomic<int>& waits) {
    std::size_t step = 1;
    while (body.published() < bytes) {
        const Body::Room room = body.prepare();
        if (room.state == Body::RoomState::Full) {
            ++waits;
            room_came.wait();
            continue;
        }
        if (room.state == Body::RoomState::Exhausted) {
            body.switch_to_window();
            continue;
        }
        step = step * 5 % 4099 + 1;
        const std::uint64_t start = body.published();
        const auto count = static_cast<std::size_t>(
            std::min<std::uint64_t>({room.room.size(), step, bytes - start}));
        for (std::size_t i = 0; i < count; ++i) {
            room.room[i] = byte_at(start + i);
        }
        body.publish(count);
    }
    body.complete();
}

// Returns the number of bytes that were right, up to the first that was not.
std::uint64_t follow(const Body& body, Body::Cursor cursor, Event& published, std::uint64_t stride) {
    for (;;) {
        const bool is_complete = body.state() == Body::State::Complete;
        std::array<iovec, 4> pieces;
        const std::size_t count = cursor.peek(pieces, stride);
        std::uint64_t read = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const char* bytes = static_cast<const char*>(pieces[i].iov_base);
            for (std::size_t j = 0; j < pieces[i].iov_len; ++j, ++read) {
                if (bytes[j] != byte_at(cursor.position() + read)) {
                    return cursor.position() + read;
                }
            }
        }
        cursor.advance(read);
        if (read == 0) {
            if (is_complete) {
                return cursor.position();
            }
            published.wait();
        }
    }
}

struct Run {
    Body::Mode mode = Body::Mode::Retain;
    std::uint64_t bytes = 3'000'000;
    std::uint64_t source_limit = std::uint64_t{1} << 30;
    std::uint64_t relay_limit = 1024 * 1024;
    std::uint64_t window_bytes = 1024 * 1024;
    std::size_t block_bytes = 64 * 1024;
};

// One writer, four readers from the start and, where it may be, one that joins later. Returns how often it was Full.
int run(const Run& what) {
    constexpr std::size_t kReaders = 4;
    Source source(what.source_limit);
    MemoryBudget relay_budget(what.relay_limit);
    Body::Relay relay{relay_budget};
    relay.window_bytes = what.window_bytes;
    relay.block_bytes = what.block_bytes;
    std::atomic<int> waits{0};
    {
        Listener listener(kReaders + 1);
        const auto body = std::make_shared<Body>(what.mode, source, relay, std::nullopt);
        body->set_listener(&listener);
        std::array<std::uint64_t, kReaders> right{};
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < kReaders; ++i) {
            threads.emplace_back([&, i, cursor = *body->open()]() mutable {
                right[i] = follow(*body, std::move(cursor), listener.reader(i), 1000 + 7000 * i);
            });
        }
        threads.emplace_back([&] { fill(*body, listener.writer, what.bytes, waits); });
        std::uint64_t late = what.bytes;
        if (auto cursor = body->open()) {
            late = follow(*body, std::move(*cursor), listener.reader(kReaders), 5000);
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        for (const std::uint64_t bytes : right) {
            CHECK(bytes == what.bytes);
        }
        CHECK(late == what.bytes);
        body->set_listener(nullptr);
    }
    CHECK(source.budget.used() == 0);
    CHECK(relay_budget.used() == 0);
    return waits;
}

} // namespace

TEST_CASE("body race: readers of a retained body") { CHECK(run({}) == 0); }

TEST_CASE("body race: readers of a window that is often full") {
    for (int round = 0; round < 3; ++round) {
        run({.mode = Body::Mode::Window, .bytes = 1'000'000, .window_bytes = 20'000, .block_bytes = 1000});
    }
}

TEST_CASE("body race: readers of a relay without any budget") {
    for (int round = 0; round < 3; ++round) {
        run({.mode = Body::Mode::Window, .bytes = 1'000'000, .relay_limit = 0, .block_bytes = 1000});
    }
}

TEST_CASE("body race: from retained to a window while readers join") {
    for (int round = 0; round < 5; ++round) {
        run({.bytes = 500'000, .source_limit = 100'000, .window_bytes = 40'000, .block_bytes = 8192});
    }
}

// The window holds two blocks and the only reader never waits, so that nearly every block is freed while the writer is
// deciding whether it has to wait, and nothing else is freed that could wake it by chance.
TEST_CASE("body race: the one block that makes room is freed while the writer decides to wait") {
    constexpr std::uint64_t kBytes = 3'000'000;
    Source source(0);
    MemoryBudget relay_budget(1024 * 1024);
    Body::Relay relay{relay_budget};
    relay.block_bytes = 64;
    relay.window_bytes = 2 * Block::charge_for(64);
    Listener listener(0);
    Body body(Body::Mode::Window, source, relay, std::nullopt);
    body.set_listener(&listener);
    std::atomic<int> waits{0};
    std::thread reader([cursor = *body.open()]() mutable {
        while (cursor.position() < kBytes) {
            cursor.advance(cursor.readable());
        }
    });
    fill(body, listener.writer, kBytes, waits);
    reader.join();
    CHECK(body.published() == kBytes);
    body.set_listener(nullptr);
}

TEST_CASE("body race: a listener is cleared and destroyed while blocks are freed") {
    for (int round = 0; round < 200; ++round) {
        Source source(std::uint64_t{1} << 30);
        MemoryBudget relay_budget(1024 * 1024);
        Body::Relay relay{relay_budget};
        relay.window_bytes = 4096;
        relay.block_bytes = 512;
        Body body(Body::Mode::Window, source, relay, 1'000'000);
        auto listener = std::make_unique<Listener>(0);
        body.set_listener(listener.get());
        std::optional<Body::Cursor> cursor = body.open();
        while (body.prepare().state == Body::RoomState::Room) {
            body.publish(body.prepare().room.size());
        }
        std::thread reader([&] { cursor.reset(); });
        body.set_listener(nullptr);
        listener.reset();
        reader.join();
        REQUIRE(body.alive_bytes() <= 2 * Block::charge_for(512));
    }
}
