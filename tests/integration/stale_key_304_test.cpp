// A stale response is validated; a 304 freshens it.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("a stale response answered with 304 is served again, freshened") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.reply(200, "Cache-Control: max-age=10\r\nETag: \"v1\"\r\nX-Build: 1\r\n", "document");
        } else {
            x.reply(304, "Cache-Control: max-age=30\r\nETag: \"v1\"\r\nX-Build: 2\r\n", "");
        }
    });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/doc").content == "document");
    proxy.advance(11s);
    const Response fresh = proxy.get("/doc");
    CHECK(fresh.status == 200);
    CHECK(fresh.content == "document");
    CHECK(fresh.get("Cache-Status") == "gatehouse; fwd=stale; fwd-status=304; stored; ttl=30");
    CHECK(fresh.get("X-Cache") == "RefreshHit from gatehouse");
    CHECK(fresh.get("X-Build") == "2");
    CHECK(fresh.get("Content-Length") == "8");
    REQUIRE(origin.requests() == 2);
    FieldLines asked;
    parse_head(origin.heads("/doc")[1], asked);
    CHECK(asked.get("If-None-Match") == "\"v1\"");

    proxy.advance(29s);
    const Response hit = proxy.get("/doc");
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(hit.get("Age") == "29");
    CHECK(hit.get("X-Build") == "2");
    CHECK(origin.requests() == 2);
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("a stale response is replaced when the origin sends another one") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=10\r\nLast-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\n",
                "version " + std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/doc").content == "version 1");
    proxy.advance(11s);
    const Response replaced = proxy.get("/doc");
    CHECK(replaced.content == "version 2");
    CHECK(replaced.get("Cache-Status") == "gatehouse; fwd=stale; fwd-status=200; stored; ttl=10");
    CHECK(proxy.get("/doc").content == "version 2");
    REQUIRE(origin.requests() == 2);
    FieldLines asked;
    parse_head(origin.heads("/doc")[1], asked);
    CHECK(asked.get("If-Modified-Since") == "Wed, 31 Dec 2025 00:00:00 GMT");
}

TEST_CASE("a client's own condition is answered from what the 304 freshened") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.reply(200, "Cache-Control: max-age=10\r\nETag: \"v1\"\r\n", "document");
        } else {
            x.reply(304, "ETag: \"v1\"\r\nCache-Control: max-age=10\r\n", "");
        }
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/doc");
    proxy.advance(11s);
    const Response other = proxy.get("/doc", "If-None-Match: \"v0\"\r\n");
    CHECK(other.status == 200);
    CHECK(other.content == "document");
    const Response same = proxy.get("/doc", "If-None-Match: \"v1\"\r\n");
    CHECK(same.status == 304);
    CHECK(same.get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 2);
}
