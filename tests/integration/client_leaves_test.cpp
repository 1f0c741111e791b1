// A response that nobody else can use ends with its client; the origin is not kept busy.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("the client of a response that is not stored leaves: the origin's connection is closed") {
    ScriptedOrigin origin;
    origin.on("/live", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n");
        const std::string piece(100'000, 'x');
        for (int i = 0; i < 10'000; ++i) { // a gigabyte, if somebody took it
            if (!x.send("186a0\r\n" + piece + "\r\n")) {
                x.reach("cut");
                return;
            }
        }
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.get("/live");
    REQUIRE(client.read_content(300'000).content.size() >= 300'000);
    client.reset();
    origin.await("cut");
    origin.await_connections_at_most(0);
    ProxyUnderTest::await([&] { return proxy.metric("gatehouse_connections") == 0; }, "the session ends");
    CHECK(origin.requests() == 1);
    CHECK(proxy.server().store_stats().objects == 0);
}

TEST_CASE("the last of two readers of a response too large to keep leaves: the origin's connection is closed") {
    ScriptedOrigin origin;
    origin.on("/large", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n");
        x.pass("the rest");
        const std::string piece(100'000, 'x');
        for (int i = 0; i < 10'000; ++i) {
            if (!x.send("186a0\r\n" + piece + "\r\n")) {
                x.reach("cut");
                return;
            }
        }
    });
    Yaml yaml;
    yaml.memory = "size: 64MiB, max_object_size: 256KiB";
    ProxyUnderTest proxy(origin, yaml);
    RawClient first(proxy.port());
    RawClient second(proxy.port());
    first.get("/large");
    second.get("/large");
    REQUIRE(first.read_content(5).content == "begin");
    REQUIRE(second.read_content(5).content == "begin");
    origin.open("the rest");
    REQUIRE(second.read_content(500'000).content.size() >= 500'000);
    first.reset();
    REQUIRE(second.read_content(2'000'000).content.size() >= 2'000'000); // one reader is enough
    second.reset();
    origin.await("cut");
    CHECK(origin.requests() == 1);
}

TEST_CASE("clients that leave before and within their request leave nothing behind") {
    ScriptedOrigin origin;
    ProxyUnderTest proxy(origin);
    for (const char* bytes : {"", "GET", "GET /a HTTP/1.1\r\nHost: gate.test\r\n"}) {
        RawClient closing(proxy.port());
        closing.send(bytes);
        closing.close();
        RawClient resetting(proxy.port());
        resetting.send(bytes);
        resetting.reset();
    }
    proxy.await_metric("gatehouse_connections_accepted_total", 6);
    ProxyUnderTest::await([&] { return proxy.metric("gatehouse_connections") == 0; }, "the sessions end");
    CHECK(origin.requests() == 0);
}
