// A second request is answered from memory, and the client is told so.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("a second request for a fresh response is a hit that says its age and its ttl") {
    ScriptedOrigin origin;
    origin.on("/item?b=2&a=1", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\nETag: \"v1\"\r\n", "hello");
    });
    ProxyUnderTest proxy(origin);

    const Response miss = proxy.get("/item?b=2&a=1");
    CHECK(miss.status == 200);
    CHECK(miss.content == "hello");
    CHECK(miss.get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=60");
    CHECK(miss.get("X-Cache") == "Miss from gatehouse");
    CHECK_FALSE(miss.has("Age"));
    CHECK(miss.get("Via") == "1.1 gatehouse");
    CHECK(miss.get("Content-Length") == "5");

    proxy.advance(25s);
    const Response hit = proxy.get("/item?b=2&a=1");
    CHECK(hit.status == 200);
    CHECK(hit.content == "hello");
    CHECK(hit.get("Cache-Status") == "gatehouse; hit; ttl=35");
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(hit.get("Age") == "25");
    CHECK(hit.get("ETag") == "\"v1\"");
    CHECK(hit.get("Content-Type") == "text/plain");
    CHECK(hit.get("Date") == "Thu, 01 Jan 2026 00:00:00 GMT");
    CHECK(hit.get("Via") == "1.1 gatehouse");

    CHECK(origin.requests() == 1);
    CHECK(proxy.server().store_stats().objects == 1);
    CHECK(proxy.metric("gatehouse_requests_total", "result=\"hit\"") == 1);
    CHECK(proxy.metric("gatehouse_requests_total", "result=\"miss\"") == 1);

    SUBCASE("one instant before its end it is fresh, at its end it is not") {
        proxy.advance(34s + 999ms);
        CHECK(proxy.get("/item?b=2&a=1").get("Cache-Status") == "gatehouse; hit; ttl=0");
        proxy.advance(1ms);
        CHECK(proxy.get("/item?b=2&a=1").get("X-Cache") == "Miss from gatehouse");
        CHECK(origin.requests() == 2);
    }
    SUBCASE("another query is another response") {
        CHECK(proxy.get("/item?a=1&b=2").status == 404);
        CHECK(origin.requests() == 2);
    }
    SUBCASE("another host is another response") {
        CHECK(proxy.ask("GET /item?b=2&a=1 HTTP/1.1\r\nHost: other.test\r\n\r\n").get("X-Cache") ==
              "Miss from gatehouse");
        CHECK(origin.requests() == 2);
    }
    SUBCASE("the same host in other letters and with the default port is the same") {
        CHECK(proxy.ask("GET /item?b=2&a=1 HTTP/1.1\r\nHost: GATE.test:80\r\n\r\n").get("X-Cache") ==
              "Hit from gatehouse");
        CHECK(origin.requests() == 1);
    }
}

TEST_CASE("an age that came from a cache upstream counts") {
    ScriptedOrigin origin;
    origin.on("/", [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nAge: 50\r\n", "old"); });
    ProxyUnderTest proxy(origin);
    const Response miss = proxy.get("/");
    CHECK(miss.get("Age") == "50");
    CHECK(miss.get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=10");
    proxy.advance(9s);
    CHECK(proxy.get("/").get("Age") == "59");
    proxy.advance(1s);
    proxy.get("/");
    CHECK(origin.requests() == 2);
}
