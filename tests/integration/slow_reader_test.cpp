// A client that does not read holds the others up for timeouts.slow_reader at most.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("a stalled reader of a response too large to keep is cut, and the others get all of it") {
    constexpr std::size_t kPiece = 100'000;
    constexpr int kPieces = 80; // 8 MB, more than the window and the sockets' buffers take
    ScriptedOrigin origin;
    origin.on("/large", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n");
        x.send("5\r\nbegin\r\n");
        x.pass("the rest");
        const std::string piece(kPiece, 'x');
        for (int i = 0; i < kPieces; ++i) {
            x.send("186a0\r\n" + piece + "\r\n");
        }
        x.send("0\r\n\r\n");
    });
    Yaml yaml;
    yaml.memory = "size: 64MiB, max_object_size: 256KiB";
    yaml.timeouts = "slow_reader: 5s, send: 600s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient stalled(proxy.port(), 4096);
    RawClient reading(proxy.port());
    stalled.get("/large");
    reading.get("/large");
    REQUIRE(reading.read_content(5).content == "begin");
    REQUIRE(stalled.read_content(5).content == "begin"); // and reads no more
    CHECK(origin.requests() == 1);
    origin.open("the rest");
    // The reader that goes on gets what the window allows, then the fetch waits for the other one.
    REQUIRE(reading.read_content(1'000'000).content.size() >= 1'000'000);
    ProxyUnderTest::await(
        [&] {
            proxy.advance(1s);
            return proxy.metric("gatehouse_slow_readers_cut_total") >= 1;
        },
        "the stalled reader is cut");
    const Response whole = reading.read();
    CHECK(whole.content.size() == 5 + kPiece * kPieces);
    CHECK(proxy.metric("gatehouse_slow_readers_cut_total") == 1);
    CHECK_FALSE(stalled.read_what_comes().complete);
    CHECK(origin.requests() == 1);
    CHECK(proxy.server().store_stats().objects == 0);
}

TEST_CASE("a client that takes nothing at all of a hit is cut after timeouts.send") {
    const std::string content(7'000'000, 'x');
    ScriptedOrigin origin;
    origin.on("/hit", [&](OriginExchange& x) { x.ok("max-age=600", content); });
    Yaml yaml;
    yaml.timeouts = "send: 5s";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/hit").content.size() == content.size());
    RawClient stalled(proxy.port(), 4096);
    stalled.get("/hit");
    REQUIRE(stalled.read_content(1).status == 200);
    CHECK(stalled.read_head().get("X-Cache") == "Hit from gatehouse");
    proxy.advance(4s);
    CHECK(proxy.metric("gatehouse_connections") == 1);
    proxy.advance(5s + 200ms); // what the first read let through may have counted as progress until now
    ProxyUnderTest::await([&] { return proxy.metric("gatehouse_connections") == 0; }, "the client is cut");
    CHECK_FALSE(stalled.read_what_comes().complete);
    CHECK(proxy.get("/hit").content.size() == content.size());
    CHECK(origin.requests() == 1);
}
