// HEAD is answered from what GET stored, and a HEAD that misses is asked with GET.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("HEAD is answered from the response to GET, without its content") {
    ScriptedOrigin origin;
    origin.on("/page", [](OriginExchange& x) { x.ok("max-age=60", "twelve bytes"); });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/page").content == "twelve bytes");

    RawClient client(proxy.port());
    client.send("HEAD /page HTTP/1.1\r\nHost: gate.test\r\n\r\nGET /page HTTP/1.1\r\nHost: gate.test\r\n\r\n");
    const Response head = client.read(true);
    CHECK(head.status == 200);
    CHECK(head.get("Content-Length") == "12");
    CHECK(head.get("Cache-Status") == "gatehouse; hit; ttl=60");
    // The next response begins right behind the head: no content went out.
    CHECK(client.read().content == "twelve bytes");
    CHECK(origin.requests() == 1);
}

TEST_CASE("a HEAD that misses is asked with GET, so that the GET after it is a hit") {
    ScriptedOrigin origin;
    origin.on("/page", [](OriginExchange& x) { x.ok("max-age=60", "content"); });
    ProxyUnderTest proxy(origin);
    const Response head = proxy.head("/page");
    CHECK(head.status == 200);
    CHECK(head.get("Content-Length") == "7");
    CHECK(head.get("X-Cache") == "Miss from gatehouse");
    ProxyUnderTest::await([&] { return proxy.server().store_stats().objects == 1; }, "the response is stored");
    const Response get = proxy.get("/page");
    CHECK(get.content == "content");
    CHECK(get.get("X-Cache") == "Hit from gatehouse");
    REQUIRE(origin.requests() == 1);
    CHECK(origin.heads("/page")[0].starts_with("GET /page HTTP/1.1\r\n"));
}

TEST_CASE("a HEAD for what cannot be stored goes as it is") {
    ScriptedOrigin origin;
    origin.on("/live", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 9\r\n\r\n");
        if (x.method() == "GET") {
            x.send("123456789");
        }
    });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/live").content == "123456789");
    const Response head = proxy.head("/live");
    CHECK(head.get("Content-Length") == "9");
    REQUIRE(origin.requests() == 2);
    CHECK(origin.heads("/live")[1].starts_with("HEAD /live HTTP/1.1\r\n"));
}
