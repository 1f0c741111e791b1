// limits.waiters_per_fetch: beyond it requests do not wait, they go to the origin alone.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("more clients than may wait for one fetch go to the origin at once, and are counted") {
    constexpr int kClients = 20;
    constexpr int kWaiting = 5;
    ScriptedOrigin origin;
    origin.on("/it", [](OriginExchange& x) {
        x.reach("arrived");
        x.pass("answer");
        x.ok("max-age=60", "content");
    });
    Yaml yaml;
    yaml.limits = "waiters_per_fetch: " + std::to_string(kWaiting);
    ProxyUnderTest proxy(origin, yaml);
    Swarm swarm(proxy.port(), kClients, [](std::size_t) { return "GET /it HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
    // The first one, and those that found no room; none of them is answered yet.
    origin.await("arrived", kClients - kWaiting);
    proxy.await_received(swarm.sent());
    CHECK(origin.requests() == kClients - kWaiting);
    origin.open("answer");
    int alone = 0;
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.content == "content");
        alone += response.get("Cache-Status").ends_with("detail=too_many_waiters") ? 1 : 0;
    }
    CHECK(alone == kClients - kWaiting - 1);
    proxy.await_metric("gatehouse_forward_reasons_total", alone, "too_many_waiters"); // counted when it was sent
    CHECK(proxy.metric("gatehouse_forward_reasons_total", "too_many_waiters") == alone);
    CHECK(proxy.metric("gatehouse_collapsed_total") == kWaiting);
    CHECK(proxy.get("/it").get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == kClients - kWaiting);
}
