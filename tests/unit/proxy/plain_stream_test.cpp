// Reads, writes and deadlines of a plain connection.
#include "proxy/plain_stream.h"

#include "tests/support/core_loop.h"
#include "tests/support/socket.h"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace gatehouse;
using namespace std::chrono_literals;
using proxy::awaitable;
using proxy::IoResult;
using proxy::PlainStream;
using testing::CoreLoop;
using State = proxy::IoResult::State;

namespace {

// A stream, and the other end as a bare descriptor.
struct Pair {
    explicit Pair(CoreLoop& loop, int send_buffer = 0) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        if (send_buffer > 0) {
            ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
        }
        stream = PlainStream::adopt(loop.core(), ends[0]);
        REQUIRE(stream);
        other = ends[1];
        REQUIRE(::fcntl(other, F_SETFL, O_NONBLOCK) == 0);
    }
    ~Pair() { close_other(); }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;

    void say(const std::string& bytes) const {
        REQUIRE(::send(other, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
    }
    // What has arrived at the other end.
    std::string heard() const {
        std::string bytes(1 << 20, '\0');
        const ssize_t got = ::recv(other, bytes.data(), bytes.size(), MSG_DONTWAIT);
        bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return bytes;
    }
    void close_other() {
        if (other >= 0) {
            ::close(std::exchange(other, -1));
        }
    }

    std::unique_ptr<PlainStream> stream;
    int other = -1;
};

awaitable<IoResult> write_text(PlainStream& stream, std::vector<std::string> texts, http::Duration timeout) {
    std::vector<iovec> pieces;
    for (std::string& text : texts) {
        pieces.push_back({text.data(), text.size()});
    }
    const std::span<iovec> all(pieces);
    const IoResult result = co_await stream.write_all(all, timeout);
    co_return result;
}

std::string pattern(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>('a' + i % 23);
    }
    return text;
}

} // namespace

TEST_CASE("A read gives what is there, at once") {
    CoreLoop loop;
    Pair pair(loop);
    pair.say("hello");
    std::array<char, 3> room{};
    IoResult got = loop.run(pair.stream->read_some(room, 1s));
    CHECK(got.state == State::Ok);
    CHECK(std::string(room.data(), got.bytes) == "hel");
    got = loop.run(pair.stream->read_some(room, 1s));
    CHECK(std::string(room.data(), got.bytes) == "lo");
    CHECK(loop.core().wheel().armed() == 0);
}

TEST_CASE("A read waits for the first byte") {
    CoreLoop loop;
    Pair pair(loop);
    std::array<char, 16> room{};
    auto task = loop.start(pair.stream->read_some(room, 1s));
    loop.settle();
    CHECK_FALSE(task.done());
    CHECK(loop.core().wheel().armed() == 1);
    pair.say("x");
    const IoResult got = loop.finish(std::move(task), "the byte");
    CHECK(got.ok());
    CHECK(got.bytes == 1);
    CHECK(loop.core().wheel().armed() == 0);
}

TEST_CASE("The other end's end is the end of the stream, after what it had sent") {
    CoreLoop loop;
    Pair pair(loop);
    pair.say("last");
    pair.close_other();
    std::array<char, 16> room{};
    CHECK(loop.run(pair.stream->read_some(room, 1s)).bytes == 4);
    CHECK(loop.run(pair.stream->read_some(room, 1s)).state == State::EndOfStream);
    CHECK_FALSE(pair.stream->is_quiet());
}

TEST_CASE("A read gives up when its time is over, and the stream lives on") {
    CoreLoop loop;
    Pair pair(loop);
    std::array<char, 16> room{};
    auto task = loop.start(pair.stream->read_some(room, 1s));
    loop.advance(1s);
    CHECK_FALSE(task.done()); // at most one tick late, never early
    loop.advance(100ms);
    REQUIRE(task.done());
    CHECK(task.take().state == State::TimedOut);
    pair.say("late");
    CHECK(loop.run(pair.stream->read_some(room, 1s)).bytes == 4);
}

TEST_CASE("Without a timeout a read waits for ever") {
    CoreLoop loop;
    Pair pair(loop);
    std::array<char, 16> room{};
    auto task = loop.start(pair.stream->read_some(room, 0s));
    loop.advance(24h);
    CHECK_FALSE(task.done());
    CHECK(loop.core().wheel().armed() == 0);
    pair.say("x");
    CHECK(loop.finish(std::move(task), "the byte").ok());
}

TEST_CASE("A write takes many pieces, empty ones too, and uses them up") {
    CoreLoop loop;
    Pair pair(loop);
    const std::vector<std::string> pieces{"", "GET / ", "", "HTTP/1.1\r\n", "\r\n", ""};
    const IoResult wrote = loop.run(write_text(*pair.stream, pieces, 1s));
    CHECK(wrote.ok());
    CHECK(wrote.bytes == 18);
    CHECK(pair.heard() == "GET / HTTP/1.1\r\n\r\n");
    const IoResult nothing = loop.run(write_text(*pair.stream, {"", ""}, 1s));
    CHECK(nothing.ok());
    CHECK(nothing.bytes == 0);
}

TEST_CASE("More pieces than one system call takes arrive in order") {
    CoreLoop loop;
    Pair pair(loop);
    std::vector<std::string> pieces;
    std::string whole;
    for (int i = 0; i < 3'000; ++i) {
        pieces.push_back(std::to_string(i) + ",");
        whole += pieces.back();
    }
    CHECK(loop.run(write_text(*pair.stream, pieces, 1s)).bytes == whole.size());
    CHECK(pair.heard() == whole);
}

TEST_CASE("A write goes on while the other end takes something, however long that lasts") {
    CoreLoop loop;
    Pair pair(loop, 4096);
    const std::string sent = pattern(300'000);
    auto task = loop.start(write_text(*pair.stream, {sent.substr(0, 100'000), sent.substr(100'000)}, 1s));
    loop.settle();
    CHECK_FALSE(task.done());
    std::string heard;
    while (!task.done() || heard.size() < sent.size()) {
        loop.advance(900ms); // the timeout counts from the last progress
        const std::string more = pair.heard();
        REQUIRE_FALSE(more.empty());
        heard += more;
        loop.settle();
    }
    CHECK(task.take().bytes == sent.size());
    CHECK(heard == sent);
}

TEST_CASE("A write gives up when the other end takes nothing in time, and says how much was written") {
    CoreLoop loop;
    Pair pair(loop, 4096);
    auto task = loop.start(write_text(*pair.stream, {pattern(300'000)}, 1s));
    loop.advance(1s);
    CHECK_FALSE(task.done());
    loop.advance(100ms);
    REQUIRE(task.done());
    const IoResult wrote = task.take();
    CHECK(wrote.state == State::TimedOut);
    CHECK(wrote.bytes > 0);
    CHECK(wrote.bytes < 300'000);
    CHECK(pair.heard().size() == wrote.bytes);
}

TEST_CASE("Writing to an end that is gone is a failure, not a signal") {
    CoreLoop loop;
    Pair pair(loop);
    pair.close_other();
    const IoResult wrote = loop.run(write_text(*pair.stream, {"x"}, 1s));
    CHECK(wrote.state == State::Failed);
    CHECK(wrote.error.value() == EPIPE);
}

TEST_CASE("A read and a write wait at once; the end of one does not disturb the other") {
    CoreLoop loop;
    Pair pair(loop, 4096);
    std::array<char, 16> room{};
    auto reading = loop.start(pair.stream->read_some(room, 1s));
    auto writing = loop.start(write_text(*pair.stream, {pattern(300'000)}, 5s));
    loop.advance(1'100ms);
    REQUIRE(reading.done());
    CHECK(reading.take().state == State::TimedOut);
    CHECK_FALSE(writing.done());
    std::size_t heard = 0;
    while (heard < 300'000) {
        heard += pair.heard().size();
        loop.settle();
    }
    CHECK(loop.finish(std::move(writing), "the write").ok());
}

TEST_CASE("close() ends what waits, and whatever comes after it fails") {
    CoreLoop loop;
    Pair pair(loop, 4096);
    std::array<char, 16> room{};
    auto reading = loop.start(pair.stream->read_some(room, 1s));
    auto writing = loop.start(write_text(*pair.stream, {pattern(300'000)}, 1s));
    loop.settle();
    pair.stream->close();
    pair.stream->close();
    loop.settle();
    REQUIRE(reading.done());
    REQUIRE(writing.done());
    CHECK(reading.take().state == State::Failed);
    CHECK(writing.take().state == State::Failed);
    CHECK(pair.stream->descriptor() == -1);
    CHECK_FALSE(pair.stream->is_quiet());
    CHECK(loop.run(pair.stream->read_some(room, 1s)).state == State::Failed);
    CHECK(loop.run(write_text(*pair.stream, {"x"}, 1s)).state == State::Failed);
    CHECK(loop.run(pair.stream->writable(1s)).state == State::Failed);
    CHECK(pair.stream->try_read(room) == -1);
    loop.run(pair.stream->finish_sending(1s));
    CHECK(loop.core().wheel().armed() == 0);
}

TEST_CASE("A stream that is destroyed while a coroutine waits on it ends the wait and nothing else") {
    CoreLoop loop;
    Pair pair(loop);
    std::array<char, 16> room{};
    auto reading = loop.start(pair.stream->read_some(room, 1s));
    loop.settle();
    pair.stream.reset();
    loop.settle();
    REQUIRE(reading.done());
    CHECK(reading.take().state == State::Failed);
}

TEST_CASE("A core that ends while a coroutine waits leaves nothing behind") {
    auto loop = std::make_unique<CoreLoop>();
    auto pair = std::make_unique<Pair>(*loop);
    std::array<char, 16> room{};
    PlainStream& stream = *pair->stream;
    // The coroutine owns the stream, as a session owns its own.
    const auto serve = [](std::unique_ptr<PlainStream> own, std::span<char> into) -> awaitable<void> {
        const IoResult ignored = co_await own->read_some(into, 1s);
        static_cast<void>(ignored);
    };
    loop->start(serve(std::move(pair->stream), room));
    loop->settle();
    CHECK(stream.descriptor() >= 0);
    CHECK(loop->core().wheel().armed() == 1);
    loop.reset();
    CHECK(pair->heard().empty());
}

namespace {

// What a session is to its stream: told of bytes, it reads as much as the test says.
struct CountingReader final : proxy::StreamReader {
    explicit CountingReader(PlainStream& from, std::size_t at_once = 1 << 16) : stream(from), room(at_once) {}
    void on_readable() noexcept override {
        ++told;
        const ssize_t got = stream.try_read(room);
        if (got > 0) {
            read.append(room.data(), static_cast<std::size_t>(got));
        }
        ended = ended || got == 0;
        if (again && stream.socket().may_read()) {
            stream.socket().read_again();
        }
    }
    PlainStream& stream;
    std::vector<char> room;
    std::string read;
    int told = 0;
    bool ended = false;
    bool again = false;
};

// Both ends over TCP, as most clients are.
struct TcpPair {
    explicit TcpPair(CoreLoop& loop) {
        testing::Socket listening = testing::Socket::listen();
        other = testing::Socket::connect(listening.port());
        const testing::Socket accepted = listening.accept();
        stream = PlainStream::adopt(loop.core(), ::dup(accepted.descriptor()));
    }
    std::unique_ptr<PlainStream> stream;
    testing::Socket other;
};

} // namespace

TEST_CASE("A reader is told once for what has come, and again for what comes later") {
    CoreLoop loop;
    TcpPair pair(loop);
    CountingReader reader(*pair.stream);
    REQUIRE(pair.other.send("before"));
    loop.settle();
    pair.stream->socket().set_reader(&reader); // what came before it was set is told all the same
    loop.await([&] { return reader.read == "before"; }, "the first bytes");
    loop.settle();
    CHECK(reader.told == 1);
    CHECK_FALSE(pair.stream->socket().may_read());
    REQUIRE(pair.other.send("after"));
    loop.await([&] { return reader.read == "beforeafter"; }, "the next bytes");
    loop.settle();
    CHECK(reader.told == 2);
    pair.stream->socket().set_reader(nullptr);
    REQUIRE(pair.other.send("unheard"));
    loop.settle();
    CHECK(reader.told == 2);
}

TEST_CASE("A reader that leaves bytes unread is told again only if it asks") {
    CoreLoop loop;
    TcpPair pair(loop);
    CountingReader reader(*pair.stream, 2);
    REQUIRE(pair.other.send("abcde"));
    SUBCASE("it does not ask") {
        pair.stream->socket().set_reader(&reader);
        loop.await([&] { return reader.told == 1; }, "the first bytes");
        loop.settle();
        CHECK(reader.read == "ab");
        CHECK(pair.stream->socket().may_read());
        pair.stream->socket().read_again();
        loop.settle();
        CHECK(reader.read == "abcd");
    }
    SUBCASE("it asks each time") {
        reader.again = true;
        pair.stream->socket().set_reader(&reader);
        loop.await([&] { return reader.read == "abcde"; }, "all bytes");
        loop.settle();
        CHECK(reader.told == 3);
    }
}

TEST_CASE("An end that comes together with the last bytes is not overlooked") {
    CoreLoop loop;
    TcpPair pair(loop);
    CountingReader reader(*pair.stream);
    reader.again = true;
    REQUIRE(pair.other.send("last"));
    pair.other = testing::Socket();
    pair.stream->socket().set_reader(&reader);
    loop.await([&] { return reader.ended; }, "the end");
    CHECK(reader.read == "last");
}

TEST_CASE("writable says when, and try_read and try_write say why not") {
    CoreLoop loop;
    Pair pair(loop, 4096);
    std::array<char, 16> room{};
    CHECK(pair.stream->try_read(room) == -1);
    CHECK(errno == EAGAIN);
    CHECK(loop.run(pair.stream->writable(1s)).ok());
    std::string many = pattern(300'000);
    iovec piece{many.data(), many.size()};
    const ssize_t some = pair.stream->try_write(std::span(&piece, 1));
    CHECK(some > 0);
    while (pair.stream->try_write(std::span(&piece, 1)) > 0) {}
    CHECK(errno == EAGAIN);
    auto writable = loop.start(pair.stream->writable(1s));
    loop.advance(1'100ms);
    REQUIRE(writable.done());
    CHECK(writable.take().state == State::TimedOut);
}

TEST_CASE("An idle stream is quiet until bytes or an end arrive, and looking takes nothing away") {
    CoreLoop loop;
    Pair pair(loop);
    CHECK(pair.stream->is_quiet());
    auto watching = loop.start(testing::readable(*pair.stream));
    loop.settle();
    CHECK_FALSE(watching.done());
    pair.say("surprise");
    loop.finish(std::move(watching), "the surprise");
    CHECK_FALSE(pair.stream->is_quiet());
    std::array<char, 16> room{};
    CHECK(loop.run(pair.stream->read_some(room, 1s)).bytes == 8);
    CHECK(pair.stream->is_quiet());
}

TEST_CASE("finish_sending ends one direction only") {
    CoreLoop loop;
    Pair pair(loop);
    loop.run(pair.stream->finish_sending(1s));
    char byte = 0;
    CHECK(::recv(pair.other, &byte, 1, 0) == 0);
    pair.say("still");
    std::array<char, 16> room{};
    CHECK(loop.run(pair.stream->read_some(room, 1s)).bytes == 5);
}

TEST_CASE("A stream that always has something to read leaves the others their turn") {
    CoreLoop loop;
    Pair pair(loop);
    pair.say(pattern(10'000));
    const auto read_bytes = [](PlainStream& stream, int& read) -> awaitable<void> {
        std::array<char, 1> room{};
        const std::span<char> one(room);
        for (int i = 0; i < 10'000; ++i) {
            const IoResult got = co_await stream.read_some(one, 1s);
            read += got.ok() ? 1 : 0;
        }
    };
    int read = 0;
    auto task = loop.start(read_bytes(*pair.stream, read));
    int read_when_its_turn_came = -1;
    proxy::asio::post(loop.core().io(),
                      [&] { proxy::asio::post(loop.core().io(), [&] { read_when_its_turn_came = read; }); });
    loop.finish(std::move(task), "all bytes");
    CHECK(read == 10'000);
    CHECK(read_when_its_turn_came <= 2 * static_cast<int>(proxy::kOperationsPerTurn));
}

TEST_CASE("Pieces are used up from the front") {
    std::string text = "abcdef";
    const auto pieces_of = [&text] {
        return std::vector<iovec>{{text.data(), 2}, {text.data() + 2, 0}, {text.data() + 2, 3}, {text.data() + 5, 1}};
    };
    struct Row {
        std::size_t bytes;
        std::size_t pieces;
        std::size_t first; // offset of what is left
    };
    static constexpr Row kRows[] = {{0, 4, 0}, {1, 4, 1}, {2, 2, 2}, {3, 2, 3}, {4, 2, 4}, {5, 1, 5}, {6, 0, 6}};
    for (const Row& row : kRows) {
        CAPTURE(row.bytes);
        auto pieces = pieces_of();
        const auto left = proxy::used_up(pieces, row.bytes);
        CHECK(left.size() == row.pieces);
        if (!left.empty()) {
            CHECK(left.front().iov_base == text.data() + row.first);
        }
        std::size_t sum = 0;
        for (const iovec& piece : left) {
            sum += piece.iov_len;
        }
        CHECK(sum == 6 - row.bytes);
    }
}
