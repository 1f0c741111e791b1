// 1,000 clients ask for a stale key at once: one validation goes to the origin.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("1,000 clients and a stale key that a 304 freshens: one origin request") {
    constexpr std::size_t kClients = 1000;
    ScriptedOrigin origin;
    origin.on("/stale", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.reply(200, "Cache-Control: max-age=10\r\nETag: \"v1\"\r\n", "the document");
            return;
        }
        x.pass("304");
        x.reply(304, "Cache-Control: max-age=10\r\nETag: \"v1\"\r\n", "");
    });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/stale").content == "the document");
    proxy.advance(11s);
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), kClients, [](std::size_t) { return "GET /stale HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
    proxy.await_received(before + swarm.sent());
    origin.open("304");
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.content == "the document");
        REQUIRE(response.get("X-Cache") == "RefreshHit from gatehouse");
    }
    REQUIRE(origin.requests() == 2);
    FieldLines asked;
    parse_head(origin.heads("/stale")[1], asked);
    CHECK(asked.get("If-None-Match") == "\"v1\"");
}
