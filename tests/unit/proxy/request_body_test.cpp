// Content of a request that is in memory: read, read again, and read in front of what a client still sends.
#include "proxy/request_body.h"

#include "proxy/content_key.h"
#include "proxy/spawn.h"
#include "tests/support/manual_clock.h"
#include "tests/support/socket.h"

#include <doctest/doctest.h>

#include <string>

#include <unistd.h>

using namespace gatehouse;
using namespace gatehouse::proxy;

namespace {

awaitable<void> read_all(RequestBody& body, std::string& out, std::size_t at_most, bool& ended) {
    std::string buffer(1024, '\0');
    while (!body.done() && out.size() < at_most) {
        const std::span<char> room(buffer.data(), buffer.size());
        const RequestBody::Read got = co_await body.read_some(room);
        if (got.error) {
            break;
        }
        out.append(buffer, 0, got.bytes);
    }
    ended = true;
}

struct Reading {
    testing::ManualClock clock;
    Core core{0, clock, 1};
    config::Config config;
    testing::Socket client;

    std::shared_ptr<RequestBody> of_client(http::Framing framing) {
        testing::Socket listening = testing::Socket::listen();
        client = testing::Socket::connect(listening.port());
        const testing::Socket accepted = listening.accept();
        auto connection =
            std::make_shared<ClientConnection>(core, PlainStream::adopt(core, ::dup(accepted.descriptor())));
        return std::make_shared<RequestBody>(std::move(connection), framing, false, config.timeouts);
    }
    std::shared_ptr<RequestBody> of_memory(std::string content) {
        return std::make_shared<RequestBody>(std::make_shared<const std::string>(std::move(content)));
    }
    // At least so much of it, or all.
    std::string read(RequestBody& body, std::size_t at_most = std::string::npos) {
        std::string out;
        bool ended = false;
        spawn_logged(core.coroutines(), "test", read_all(body, out, at_most, ended));
        for (int i = 0; i < 100'000 && !ended; ++i) {
            while (core.poll() > 0) {}
        }
        CHECK(ended);
        return out;
    }
};

} // namespace

TEST_CASE("content in memory is read to its end, as often as it is wanted") {
    Reading reading;
    const std::string content(5000, 'x');
    const auto body = reading.of_memory(content);
    CHECK(body->framing() == http::Framing{http::Framing::Kind::Length, 5000});
    CHECK(body->is_in_memory());
    CHECK_FALSE(body->done());
    CHECK(reading.read(*body) == content);
    CHECK(body->done());
    body->rewind();
    CHECK_FALSE(body->done());
    CHECK(reading.read(*body) == content);
    CHECK(reading.of_memory("")->done());
}

TEST_CASE("content that was put back comes before what the client sends, and once") {
    for (const bool chunked : {false, true}) {
        CAPTURE(chunked);
        Reading reading;
        const auto body = reading.of_client(chunked ? http::Framing{http::Framing::Kind::Chunked, 0}
                                                    : http::Framing{http::Framing::Kind::Length, 10});
        REQUIRE(reading.client.send(chunked ? "5\r\nfirst\r\n" : "first"));
        const std::string begun = reading.read(*body, 5);
        CHECK(begun == "first");
        body->put_back(std::make_shared<const std::string>(begun));
        CHECK_FALSE(body->is_in_memory());
        REQUIRE(reading.client.send(chunked ? "5\r\n then\r\n0\r\n\r\n" : " then"));
        CHECK(reading.read(*body) == "first then");
        CHECK(body->done());
        CHECK(body->received() == 10);
    }
}

TEST_CASE("content that had come to its end and was put back ends there again") {
    Reading reading;
    const auto body = reading.of_client({http::Framing::Kind::Length, 5});
    REQUIRE(reading.client.send("whole"));
    const std::string all = reading.read(*body);
    REQUIRE(body->done());
    body->put_back(std::make_shared<const std::string>(all));
    CHECK_FALSE(body->done());
    CHECK(reading.read(*body) == "whole");
    CHECK(body->done());
    body->put_back(std::make_shared<const std::string>());
    CHECK(body->done());
}

TEST_CASE("what stands for content in a key is the same in every process") {
    CHECK(content_digest_text("abc") == "ba7816bf8f01cfea414140de5dae2223"); // FIPS 180-4, the first half
    CHECK(content_digest_text("abd") != content_digest_text("abc"));
    CHECK(content_digest_text(std::string_view("a\0b", 3)) != content_digest_text("a"));
    CHECK(content_digest_text("").empty());
}
