// Bodies: one writer, readers that follow, a window that pushes back.
#include "cache/store/body.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace gatehouse::cache::store;

namespace {

class Source final : public BlockSource {
public:
    BlockRef allocate_block(std::size_t wanted, std::size_t /*conceded*/) override {
        if (is_exhausted || !budget.try_charge(Block::charge_for(wanted))) {
            return BlockRef();
        }
        return Block::allocate(wanted, budget);
    }
    MemoryBudget budget{std::uint64_t{1} << 32};
    bool is_exhausted = false;
};

class Listener final : public BodyListener {
public:
    void on_published() noexcept override { ++published; }
    void on_room() noexcept override { ++rooms; }
    int published = 0;
    int rooms = 0;
};

struct Fixture {
    std::unique_ptr<Body> make(Body::Mode mode, std::optional<std::uint64_t> expected = std::nullopt) {
        return std::make_unique<Body>(mode, source, relay, expected);
    }
    Source source;
    MemoryBudget relay_budget{1024 * 1024};
    Body::Relay relay{relay_budget, 1024 * 1024, 64 * 1024, 16 * 1024};
};

// The bytes of a body are a function of their position, so that any piece can be checked.
char byte_at(std::uint64_t position) { return static_cast<char>((position * 31 + position / 251) % 256); }

// Writes up to `bytes`; returns how many there was room for.
std::uint64_t write(Body& body, std::uint64_t bytes) {
    std::uint64_t written = 0;
    while (written < bytes) {
        const Body::Room room = body.prepare();
        if (room.state != Body::RoomState::Room) {
            break;
        }
        const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(room.room.size(), bytes - written));
        for (std::size_t i = 0; i < step; ++i) {
            room.room[i] = byte_at(body.published() + i);
        }
        body.publish(step);
        written += step;
    }
    return written;
}

// Reads and checks up to `bytes`; returns how many were readable.
std::uint64_t read(Body::Cursor& cursor, std::uint64_t bytes = ~std::uint64_t{0}) {
    std::uint64_t done = 0;
    while (done < bytes) {
        std::array<iovec, 3> pieces;
        const std::size_t count = cursor.peek(pieces, bytes - done);
        std::uint64_t peeked = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const std::string_view piece(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
            bool is_right = true;
            for (const char byte : piece) {
                is_right = is_right && byte == byte_at(cursor.position() + peeked++);
            }
            REQUIRE(is_right);
        }
        if (peeked == 0) {
            break;
        }
        cursor.advance(peeked);
        done += peeked;
    }
    return done;
}

} // namespace

TEST_CASE("body: a known length is taken in one block that fits") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Retain, 1000);
    CHECK(body->expected_bytes() == 1000);
    CHECK(body->prepare().room.size() == 1024);
    CHECK(fixture.source.budget.used() == Block::charge_for(1000));
    CHECK(write(*body, 1000) == 1000);
    CHECK(body->published() == 1000);
    CHECK(body->prepare().room.size() == 24);
}

TEST_CASE("body: a long known length is a chain whose end is cut to fit") {
    Fixture fixture;
    constexpr std::uint64_t kSize = 2 * Block::kMaxPayload + 10'000;
    const auto body = fixture.make(Body::Mode::Retain, kSize);
    CHECK(write(*body, kSize) == kSize);
    CHECK(fixture.source.budget.used() == 2 * Block::charge_for(Block::kMaxPayload) + Block::charge_for(10'000));
}

TEST_CASE("body: an unknown length begins with small blocks") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Retain);
    for (const std::size_t size : {4096, 16384, 65536, 262144, 262144}) {
        CHECK(body->prepare().room.size() == size);
        CHECK(write(*body, size) == size);
    }
}

TEST_CASE("body: more than was announced finds room as well") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Retain, 64);
    CHECK(write(*body, 64) == 64);
    CHECK(write(*body, 100) == 100);
    Body::Cursor cursor = *body->open();
    CHECK(read(cursor) == 164);
}

TEST_CASE("body: readers join at any time and see all of it") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Retain);
    Body::Cursor before = *body->open(); // no block exists yet
    CHECK(before.readable() == 0);
    CHECK(read(before) == 0);
    CHECK(write(*body, 5000) == 5000);
    Body::Cursor during = *body->open();
    CHECK(read(before) == 5000);
    CHECK(write(*body, 100'000) == 100'000);
    CHECK(read(during) == 105'000);
    CHECK(read(before) == 100'000);
    body->complete();
    Body::Cursor after = *body->open();
    CHECK(read(after) == 105'000);
    CHECK(body->state() == Body::State::Complete);
    CHECK(body->mode() == Body::Mode::Retain);
}

TEST_CASE("body: a cursor peeks into as many pieces as it is given, and no further than asked") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Retain);
    write(*body, 4096 + 16384 + 100);
    const Body::Cursor cursor = *body->open();
    std::array<iovec, 8> pieces;
    CHECK(cursor.peek({pieces.data(), 0}, 100) == 0);
    CHECK(cursor.peek(pieces, 0) == 0);
    CHECK(cursor.peek({pieces.data(), 2}, 1'000'000) == 2);
    CHECK(pieces[0].iov_len == 4096);
    CHECK(pieces[1].iov_len == 16384);
    CHECK(cursor.peek(pieces, 4096) == 1);
    CHECK(cursor.peek(pieces, 4097) == 2);
    CHECK(pieces[1].iov_len == 1);
    CHECK(cursor.peek(pieces, 1'000'000) == 3);
    CHECK(pieces[2].iov_len == 100);
}

TEST_CASE("body: a cursor skips to a later position, across and up to the end of blocks") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Retain);
    write(*body, 30'000);
    for (const std::uint64_t position : {0, 1, 4095, 4096, 4097, 20'479, 20'480, 20'481, 29'999, 30'000}) {
        CAPTURE(position);
        Body::Cursor cursor = *body->open();
        cursor.seek(position);
        CHECK(cursor.position() == position);
        CHECK(read(cursor) == 30'000 - position);
    }
}

TEST_CASE("body: a stored chain is read without its body") {
    Fixture fixture;
    auto body = fixture.make(Body::Mode::Retain);
    CHECK_FALSE(body->first_block());
    write(*body, 50'000);
    body->complete();
    BlockRef first = body->first_block();
    body.reset();
    Body::Cursor cursor(first, 50'000);
    Body::Cursor copy = cursor;
    CHECK(read(cursor, 10'000) == 10'000);
    CHECK(read(copy) == 50'000);
    CHECK(read(cursor) == 40'000);
    first.reset();
    copy = Body::Cursor();
    cursor = Body::Cursor();
    CHECK(fixture.source.budget.used() == 0);
}

TEST_CASE("body: an empty one has no blocks") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Retain, 0);
    body->complete();
    CHECK_FALSE(body->first_block());
    Body::Cursor cursor = *body->open();
    CHECK(cursor.readable() == 0);
    std::array<iovec, 1> pieces;
    CHECK(cursor.peek(pieces, 10) == 0);
    Body::Cursor stored(BlockRef(), 0);
    CHECK(stored.peek(pieces, 10) == 0);
    stored.advance(0);
    CHECK(fixture.source.budget.used() == 0);
}

TEST_CASE("body: when the source has nothing left, the rest passes through a window") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Retain);
    Body::Cursor slow = *body->open();
    CHECK(write(*body, 4096) == 4096);
    fixture.source.is_exhausted = true;
    CHECK(body->prepare().state == Body::RoomState::Exhausted);
    CHECK(body->open());
    body->switch_to_window();
    body->switch_to_window();
    CHECK(body->mode() == Body::Mode::Window);
    CHECK_FALSE(body->open());
    CHECK_FALSE(body->first_block());
    CHECK(write(*body, 10'000) == 10'000);
    // What was retained stays charged to its source until the reader has passed it.
    CHECK(fixture.source.budget.used() == Block::charge_for(4096));
    CHECK(body->alive_bytes() == fixture.relay_budget.used());
    CHECK(read(slow) == 14'096);
    CHECK(fixture.source.budget.used() == 0);
}

TEST_CASE("body: a window takes readers before its first bytes, and none after") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Window);
    auto early = body->open();
    REQUIRE(early);
    CHECK(body->prepare().state == Body::RoomState::Room);
    CHECK(body->open());
    CHECK(write(*body, 100) == 100);
    CHECK_FALSE(body->open());
    CHECK(read(*early) == 100);
    CHECK(fixture.source.budget.used() == 0);
}

TEST_CASE("body: a window frees what was passed, with or without readers") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Window);
    CHECK(write(*body, 20'000'000) == 20'000'000);
    CHECK(body->alive_bytes() == Block::charge_for(64 * 1024));
    CHECK(fixture.relay_budget.used() == body->alive_bytes());
}

TEST_CASE("body: a full window waits for its slowest reader") {
    Fixture fixture;
    fixture.relay.window_bytes = 4 * Block::charge_for(1000);
    fixture.relay.block_bytes = 1000;
    const auto body = fixture.make(Body::Mode::Window, 1'000'000);
    Listener listener;
    body->set_listener(&listener);
    Body::Cursor fast = *body->open();
    Body::Cursor slow = *body->open();
    CHECK(write(*body, 100'000) == 4 * 1024);
    CHECK(body->alive_bytes() == fixture.relay.window_bytes);
    CHECK(body->prepare().state == Body::RoomState::Full);
    CHECK(read(fast) == 4 * 1024);
    CHECK(listener.rooms == 0);
    CHECK(body->prepare().state == Body::RoomState::Full);
    CHECK(read(slow, 1000) == 1000);
    CHECK(listener.rooms == 0);
    CHECK(read(slow, 24) == 24);
    CHECK(listener.rooms == 1);
    // It is said once for each Full, not for each block.
    CHECK(read(slow) == 3 * 1024);
    CHECK(listener.rooms == 1);
    CHECK(write(*body, 100'000) == 4 * 1024 - 1024); // the last, full block is still alive: its readers stand on it
    body->set_listener(nullptr);
}

TEST_CASE("body: a relay has one block also when the relay budget is used up") {
    Fixture fixture;
    fixture.relay_budget.charge(fixture.relay_budget.limit());
    const std::uint64_t others = fixture.relay_budget.used();
    const auto body = fixture.make(Body::Mode::Window, 1'000'000);
    Listener listener;
    body->set_listener(&listener);
    Body::Cursor cursor = *body->open();
    const std::uint64_t block = Block::charge_for(16 * 1024);
    // One, and another when the first is full: its readers may stand at its end and can only move on to a next one.
    CHECK(write(*body, 1'000'000) == 32 * 1024);
    CHECK(fixture.relay_budget.used() == others + 2 * block);
    CHECK(body->prepare().state == Body::RoomState::Full);
    CHECK(read(cursor, 16 * 1024) == 16 * 1024);
    CHECK(listener.rooms == 1);
    CHECK(body->alive_bytes() == block);
    std::uint64_t total = 32 * 1024;
    while (total < 1'000'000) {
        const std::uint64_t written = write(*body, 1'000'000 - total);
        REQUIRE(written > 0);
        total += written;
        REQUIRE(body->alive_bytes() <= 2 * block);
        read(cursor);
    }
    CHECK(cursor.position() == 1'000'000);
    body->set_listener(nullptr);
}

TEST_CASE("body: a reader that took everything does not stop the writer of an exhausted relay") {
    Fixture fixture;
    fixture.relay_budget.charge(fixture.relay_budget.limit());
    const auto body = fixture.make(Body::Mode::Window);
    Body::Cursor cursor = *body->open();
    for (int i = 0; i < 100; ++i) {
        const Body::Room room = body->prepare();
        REQUIRE(room.state == Body::RoomState::Room);
        const std::size_t bytes = room.room.size();
        REQUIRE(write(*body, bytes) == bytes);
        REQUIRE(read(cursor) == bytes);
    }
}

TEST_CASE("body: the listener hears of bytes and of the end, until it is cleared") {
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Retain);
    Listener listener;
    body->set_listener(&listener);
    write(*body, 10);
    CHECK(listener.published == 1);
    body->prepare();
    body->publish(0);
    CHECK(listener.published == 1);
    body->complete();
    CHECK(listener.published == 2);
    const auto failed = fixture.make(Body::Mode::Retain);
    failed->set_listener(&listener);
    failed->fail();
    CHECK(failed->state() == Body::State::Failed);
    CHECK(listener.published == 3);
    failed->set_listener(nullptr);
    failed->fail();
    CHECK(listener.published == 3);
}

TEST_CASE("body: a listener may free blocks and clear itself while it is called") {
    struct Reader final : BodyListener {
        void on_published() noexcept override {
            read(cursor);
            if (body->published() >= 200'000) {
                body->set_listener(nullptr);
            }
        }
        void on_room() noexcept override { ++rooms; }
        Body* body = nullptr;
        Body::Cursor cursor;
        int rooms = 0;
    };
    Fixture fixture;
    const auto body = fixture.make(Body::Mode::Window);
    Reader reader;
    reader.body = body.get();
    reader.cursor = *body->open();
    body->set_listener(&reader);
    CHECK(write(*body, 300'000) == 300'000);
    CHECK(reader.cursor.position() >= 200'000);
    CHECK(reader.rooms == 0); // the writer never had to wait
    reader.cursor = Body::Cursor();
}

TEST_CASE("body: 100,000 blocks are freed at once without recursion") {
    Fixture fixture;
    fixture.relay.block_bytes = 64;
    fixture.relay.window_bytes = std::uint64_t{1} << 30;
    fixture.relay_budget.set_limit(std::uint64_t{1} << 30);
    auto body = fixture.make(Body::Mode::Window, 6'400'000);
    std::optional<Body::Cursor> cursor = body->open();
    for (int i = 0; i < 100'000; ++i) {
        REQUIRE(body->prepare().room.size() == 64);
        body->publish(64);
    }
    CHECK(body->alive_bytes() == 100'000 * Block::charge_for(64));
    SUBCASE("by the reader that leaves") {
        cursor.reset();
        CHECK(body->alive_bytes() == Block::charge_for(64));
    }
    SUBCASE("by the reader that moves on") {
        cursor->seek(6'400'000);
        CHECK(body->alive_bytes() == Block::charge_for(64));
        cursor.reset();
    }
    body.reset();
    CHECK(fixture.relay_budget.used() == 0);
}
