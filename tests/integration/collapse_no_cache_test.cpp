// Content that must be validated for every request: many clients at once do not become as many requests.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

constexpr std::size_t kClients = 1000;

} // namespace

TEST_CASE("1,000 clients of what says no-cache ask the origin once together, and none gets an older answer") {
    ScriptedOrigin origin;
    origin.on("/it", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.pass("first");
        }
        const std::string tag = "\"" + std::to_string(x.number()) + "\"";
        x.reply(200, "Cache-Control: no-cache\r\nETag: " + tag + "\r\n", std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin);
    RawClient first(proxy.port());
    first.get("/it");
    origin.await_requests("/it", 1);
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), kClients, [](std::size_t) { return "GET /it HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
    proxy.await_received(before + swarm.sent());
    CHECK(origin.requests() == 1);
    origin.open("first");
    CHECK(first.read().content == "1");
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.status == 200);
        REQUIRE(response.content != "1"); // that had been asked for before they came
    }
    CHECK(origin.requests() == 2);          // they asked once, all together
    CHECK(proxy.get("/it").content == "3"); // and nobody is answered without asking
}

TEST_CASE("1,000 clients that the origin confirms with 304 are served what is stored") {
    ScriptedOrigin origin;
    origin.on("/it", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.reply(200, "Cache-Control: no-cache\r\nETag: \"v1\"\r\n", "content");
            return;
        }
        if (x.number() == 2) {
            x.pass("second");
        }
        x.reply(x.get("If-None-Match") == "\"v1\"" ? 304 : 500, "Cache-Control: no-cache\r\nETag: \"v1\"\r\n", "");
    });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/it").content == "content");
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), kClients, [](std::size_t) { return "GET /it HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
    proxy.await_received(before + swarm.sent());
    CHECK(origin.requests() == 2);
    origin.open("second");
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.content == "content");
        REQUIRE(response.get("X-Cache") == "RefreshHit from gatehouse");
    }
    CHECK(origin.requests() == 3);
}

TEST_CASE("clients with credentials of their own are each validated by the origin, without waiting for each other") {
    ScriptedOrigin origin;
    origin.on("/it", [](OriginExchange& x) {
        if (x.number() > 1) {
            x.reach("asked");
            x.pass("answers"); // nobody is answered before both have asked
        }
        const std::string fields = "Cache-Control: no-cache, public\r\nETag: \"v1\"\r\n";
        if (x.get("Authorization") == "Bearer wrong") {
            x.reply(403, "", "no");
        } else if (x.fields().has("If-None-Match")) {
            x.reply(304, fields, "");
        } else {
            x.reply(200, fields, "secret");
        }
    });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/it", "Authorization: Bearer right\r\n").content == "secret");
    RawClient right(proxy.port());
    right.get("/it", "Authorization: Bearer right\r\n");
    RawClient wrong(proxy.port());
    wrong.get("/it", "Authorization: Bearer wrong\r\n");
    origin.await("asked", 2);
    origin.open("answers");
    CHECK(right.read().content == "secret");
    CHECK(wrong.read().status == 403);
    CHECK(origin.requests() == 3);
}
