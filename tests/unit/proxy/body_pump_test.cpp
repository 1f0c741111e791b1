// Request content on its way to an origin: held back, broken off, sent again.
#include "proxy/body_pump.h"

#include "proxy/spawn.h"
#include "tests/support/manual_clock.h"
#include "tests/support/socket.h"
#include "tests/unit/cache/harness.h"

#include <doctest/doctest.h>

#include <string>

#include <unistd.h>

using namespace gatehouse;
using namespace gatehouse::proxy;

namespace {

// An origin that keeps what it is sent, and breaks after so many bytes.
class FakeOrigin final : public Stream {
public:
    explicit FakeOrigin(std::size_t breaks_after = std::string::npos) : breaks_after_(breaks_after) {}
    awaitable<IoResult> read_some(std::span<char>, http::Duration) override { co_return IoResult{}; }
    std::size_t read_ready(std::span<char>) noexcept override { return 0; }
    awaitable<IoResult> write_all(std::span<iovec> pieces, http::Duration) override {
        IoResult result;
        for (const iovec& piece : pieces) {
            received.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
        }
        if (received.size() > breaks_after_) {
            result.state = IoResult::State::Failed;
        }
        co_return result;
    }
    awaitable<void> finish_sending(http::Duration) override { co_return; }
    void close() noexcept override { closed = true; }
    bool may_read() const noexcept override { return true; }
    bool is_quiet() noexcept override { return true; }
    void set_reader(proxy::StreamReader*) override {}

    std::string received;
    bool closed = false;

private:
    std::size_t breaks_after_;
};

awaitable<void> detach(BodyPump& pump, bool& done) {
    co_await pump.detach();
    done = true;
}

// A client that sends content, and the pump between it and an origin.
struct Upload {
    testing::ManualClock clock;
    Core core{0, clock, 1};
    config::Config config;
    cache::testing::QueuePoster poster;
    std::shared_ptr<cache::Fetch> fetch = std::make_shared<cache::Fetch>(poster, 0U, true);
    testing::Socket client;
    std::shared_ptr<ClientConnection> connection = connect();
    http::Framing framing;
    std::shared_ptr<RequestBody> body;
    std::shared_ptr<BodyPump> pump;

    explicit Upload(http::Framing framed, bool expects = false) : framing(framed) {
        body = std::make_shared<RequestBody>(connection, framing, expects, config.timeouts);
        pump = std::make_shared<BodyPump>(core, body, framing, config);
    }
    std::shared_ptr<ClientConnection> connect() {
        testing::Socket listening = testing::Socket::listen();
        client = testing::Socket::connect(listening.port());
        const testing::Socket accepted = listening.accept();
        return std::make_shared<ClientConnection>(core, PlainStream::adopt(core, ::dup(accepted.descriptor())));
    }
    void start(FakeOrigin& origin, bool wait_for_continue = false) {
        pump->start(origin, fetch, wait_for_continue, http::Duration::zero());
        run();
    }
    void run() {
        while (core.poll() > 0) {}
    }
    // Sends, and runs until the pump has read all of it.
    void send(std::string_view bytes) {
        const std::uint64_t before = body->received() + bytes.size();
        REQUIRE(client.send(bytes));
        for (int i = 0; i < 100'000 && body->received() < before && body->pumping; ++i) {
            run();
        }
    }
    void leave() {
        bool done = false;
        spawn_logged(core.coroutines(), "test", detach(*pump, done));
        run();
        CHECK(done);
    }
    std::size_t continues() const { return fetch->interim_count(); }
};

http::Framing length(std::uint64_t bytes) {
    http::Framing framing;
    framing.kind = http::Framing::Kind::Length;
    framing.length = bytes;
    return framing;
}

} // namespace

TEST_CASE("content goes to the origin as it comes") {
    Upload upload(length(10));
    FakeOrigin origin;
    upload.start(origin);
    upload.send("hello");
    CHECK(origin.received == "hello");
    CHECK_FALSE(upload.pump->complete());
    CHECK_FALSE(upload.pump->can_replay()); // it is in the middle of it
    upload.send("world");
    CHECK(origin.received == "helloworld");
    CHECK(upload.pump->complete());
    CHECK(upload.pump->can_replay());
    CHECK_FALSE(upload.body->pumping);
}

TEST_CASE("a request is sent again with all of its content, also with what came after the origin broke") {
    Upload upload(length(15));
    FakeOrigin broken(0);
    upload.start(broken);
    upload.send("first");
    SUBCASE("while the origin is still held") { upload.send("second"); }
    SUBCASE("after it was taken away") {
        upload.leave();
        upload.send("second");
    }
    upload.send("last");
    upload.leave();
    REQUIRE(upload.body->done());
    if (upload.pump->can_replay()) { // it may refuse; it must not lose a byte
        FakeOrigin second;
        upload.start(second);
        CHECK(second.received == "firstsecondlast");
        CHECK(upload.pump->complete());
    }
}

TEST_CASE("content in memory is sent again whatever its size, and is kept once") {
    Upload upload(length(0));
    const std::string content(upload.config.limits.replay_bytes + 1, 'x');
    upload.body = std::make_shared<RequestBody>(std::make_shared<const std::string>(content));
    upload.pump = std::make_shared<BodyPump>(upload.core, upload.body, upload.body->framing(), upload.config);
    FakeOrigin broken(0);
    upload.start(broken);
    upload.leave();
    CHECK(upload.pump->can_replay());
    FakeOrigin origin;
    upload.start(origin);
    CHECK(origin.received == content);
    CHECK(upload.pump->complete());
}

TEST_CASE("what is more than the replay limit is not sent again") {
    config::Config limits;
    Upload upload(length(limits.limits.replay_bytes + 1));
    FakeOrigin broken(0);
    upload.start(broken);
    upload.send(std::string(limits.limits.replay_bytes + 1, 'x'));
    upload.leave();
    CHECK(upload.body->done());
    CHECK_FALSE(upload.pump->can_replay());
}

TEST_CASE("content is held back until the origin says go, or says nothing for long enough") {
    Upload upload(length(5), true);
    FakeOrigin origin;
    upload.start(origin, true);
    REQUIRE(upload.client.send("hello")); // it did not wait, which it need not
    upload.run();
    CHECK(origin.received.empty());
    SUBCASE("100") {
        CHECK(upload.pump->go_ahead());
        CHECK_FALSE(upload.pump->go_ahead());
    }
    SUBCASE("time") {
        upload.clock.move(std::chrono::milliseconds(1200));
        upload.core.wheel().advance();
        CHECK(upload.continues() == 1);
    }
    for (int i = 0; i < 100'000 && !upload.body->done(); ++i) {
        upload.run();
    }
    upload.run();
    CHECK(origin.received == "hello");
    CHECK(upload.pump->complete());
    CHECK_FALSE(upload.body->expects_continue());
}

TEST_CASE("a refused expectation leaves the content unread and the client still waiting for its 100") {
    Upload upload(length(5), true);
    FakeOrigin origin;
    upload.start(origin, true);
    upload.leave(); // the origin gave its answer without a 100
    CHECK_FALSE(upload.body->pumping);
    CHECK_FALSE(upload.body->started());
    CHECK(upload.body->expects_continue()); // so the session closes instead of waiting for content
    CHECK(upload.continues() == 0);
}

TEST_CASE("a client that breaks off breaks off the origin") {
    Upload upload(length(10));
    FakeOrigin origin;
    upload.start(origin);
    upload.send("hello");
    upload.client.close();
    for (int i = 0; i < 100'000 && upload.body->pumping; ++i) {
        upload.run();
    }
    CHECK(origin.closed);
    REQUIRE(upload.pump->client_error());
    CHECK(upload.pump->client_error()->kind == http::ErrorKind::ClientClosed);
    CHECK_FALSE(upload.pump->complete());
}

TEST_CASE("chunked content is framed anew, with its trailers") {
    http::Framing framing;
    framing.kind = http::Framing::Kind::Chunked;
    Upload upload(framing);
    FakeOrigin origin;
    upload.start(origin);
    REQUIRE(upload.client.send("5;x=y\r\nhello\r\n0\r\nChecksum: 1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n"));
    for (int i = 0; i < 100'000 && upload.body->pumping; ++i) {
        upload.run();
    }
    CHECK(origin.received == "5\r\nhello\r\n0\r\nChecksum: 1\r\n\r\n");
    CHECK(upload.pump->complete());
    CHECK(upload.connection->input == "GET / HTTP/1.1\r\n"); // the next request is still there
}
