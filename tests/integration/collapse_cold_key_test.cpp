// 1,000 clients ask for a cold key at once: one request goes to the origin.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("1,000 clients of both cores and a cold key: one origin request") {
    constexpr std::size_t kClients = 1000;
    const std::string content(10'000, 'x');
    ScriptedOrigin origin;
    origin.on("/cold", [&](OriginExchange& x) {
        x.pass("answer");
        x.ok("max-age=60", content);
    });
    ProxyUnderTest proxy(origin);
    Swarm swarm(proxy.port(), kClients, [](std::size_t) { return "GET /cold HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
    proxy.await_received(swarm.sent());
    CHECK(proxy.metric("gatehouse_connections") == kClients);
    origin.open("answer");
    std::size_t collapsed = 0;
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.status == 200);
        REQUIRE(response.content == content);
        const std::string status = response.get("Cache-Status");
        if (status == "gatehouse; fwd=uri-miss; fwd-status=200; stored; collapsed; ttl=60") {
            ++collapsed;
        } else {
            REQUIRE(status == "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=60");
        }
    }
    CHECK(collapsed == kClients - 1);
    CHECK(origin.requests() == 1);
    CHECK(origin.connections() == 1);
    proxy.await_metric("gatehouse_collapsed_total", kClients - 1);
    CHECK(proxy.metric("gatehouse_collapsed_total") == kClients - 1);
    CHECK(proxy.get("/cold").get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 1);
}
