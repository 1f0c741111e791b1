// What a fresh hit from memory asks of the allocator and of the kernel, and what passes through of the kernel.
#include "tests/integration/call_counter.h"
#include "tests/support/child_process.h"
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

using namespace gatehouse::testing;

namespace {

constexpr int kHits = 100;
constexpr int kPipelined = 4; // room for more answers is given back while a connection rests
// Longer than what a string holds in itself.
constexpr const char* kTarget = "/v1/catalogue/items/4711?language=en";

std::ptrdiff_t lines_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), '\n');
}

// A stored response of 1,000 bytes, and a connection on which it was asked for often enough that all buffers have their
// size.
struct WarmProxy {
    WarmProxy() {
        ask(1, false, "Miss from gatehouse");
        ask(kHits, false);
        ask(kPipelined, true);            // each of these has a state of its own, with texts of its own
        proxy.advance(gatehouse::http::Duration(0)); // what follows the last answer is done
        // The thread that writes the log has its buffers, too.
        ProxyUnderTest::await([this] { return lines_of(log) > kHits + kPipelined; }, "the lines of the access log");
    }

    static Yaml yaml(const std::string& log) {
        Yaml yaml;
        yaml.workers = "1";
        yaml.access_log = "{path: " + log + "}";
        return yaml;
    }
    static void script(ScriptedOrigin& origin) {
        origin.on(kTarget, [](OriginExchange& x) {
            x.reply(200, "Cache-Control: max-age=60\r\nContent-Type: application/json\r\nETag: \"v\"\r\n",
                    std::string(1000, 'x'));
        });
    }
    void ask(int requests, bool pipelined, const char* result = "Hit from gatehouse") {
        const std::string request =
            std::string("GET ") + kTarget +
            " HTTP/1.1\r\nHost: catalogue.gate.test:8080\r\nUser-Agent: a client of the tests\r\n"
            "Accept: application/json, text/plain\r\n\r\n";
        if (pipelined) {
            std::string all;
            for (int i = 0; i < requests; ++i) {
                all += request;
            }
            client.send(all);
        }
        for (int i = 0; i < requests; ++i) {
            if (!pipelined) {
                client.send(request);
            }
            REQUIRE(client.read().get("X-Cache") == result);
        }
    }

    ScratchDirectory directory;
    std::string log = directory.path("access.log");
    struct Origin : ScriptedOrigin {
        Origin() { script(*this); }
    } origin;
    ProxyUnderTest proxy{origin, yaml(log)};
    RawClient client{proxy.port()};
};

} // namespace

TEST_CASE("a fresh hit from memory allocates nothing, and takes one recv and one send") {
    WarmProxy warm;
    const CallCounter counter;
    warm.ask(kHits, false);
    const CallCounts counts = counter.counts();
    CHECK(counts.allocations == 0);
    CHECK(counts.reads == kHits);
    CHECK(counts.sends == kHits);
    CHECK(counts.waits <= kHits + 2); // one that ended with the hit before, and one that begins behind the last one
    CHECK(counts.registrations == 0);
}

TEST_CASE("pipelined hits allocate nothing, and are read with one recv and answered with one send") {
    WarmProxy warm;
    const CallCounter counter;
    warm.ask(kPipelined, true);
    const CallCounts counts = counter.counts();
    CHECK(counts.allocations == 0);
    CHECK(counts.reads == 1);
    CHECK(counts.sends == 1);
    CHECK(counts.registrations == 0);
}

// The test is the origin, too, so that nothing else calls the kernel meanwhile.
TEST_CASE("an answer that passes through takes one recv and one send for the client, and one of each for the origin") {
    Socket place = Socket::listen();
    Yaml yaml;
    yaml.workers = "1";
    ProxyUnderTest proxy(place.port(), yaml);
    RawClient client(proxy.port());
    Socket origin;
    const auto ask = [&] {
        client.send("GET /passed HTTP/1.1\r\nHost: gate.test\r\n\r\n");
        if (!origin.is_open()) {
            origin = place.accept();
        }
        std::string request;
        while (request.find("\r\n\r\n") == std::string::npos) {
            REQUIRE(origin.receive(request) == Socket::Read::Bytes);
        }
        REQUIRE(origin.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 1000\r\n\r\n" +
                            std::string(1000, 'x')));
        REQUIRE(client.read().content.size() == 1000);
    };
    ask();
    proxy.advance(gatehouse::http::Duration(0)); // what follows the answer is done
    const CallCounter counter;
    for (int i = 0; i < kHits; ++i) {
        ask();
    }
    const CallCounts counts = counter.counts();
    CHECK(counts.reads == 2 * kHits);
    CHECK(counts.sends == 2 * kHits);
    CHECK(counts.registrations == 0);
}
