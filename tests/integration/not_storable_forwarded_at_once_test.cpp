// What cannot be shared is forwarded for everybody at once, not one after another.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("an answer that may not be stored releases all who wait, and the key is remembered") {
    constexpr int kClients = 1000;
    ScriptedOrigin origin;
    origin.on("/live", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.pass("first");
        } else {
            x.reach("arrived");
            // Nobody is answered before all have come: requests that queue for each other would wait for ever.
            x.pass(x.number() <= kClients ? "first round" : "second round");
        }
        x.ok("no-store", std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin);
    const auto request = [](std::size_t) { return "GET /live HTTP/1.1\r\nHost: gate.test\r\n\r\n"; };
    Swarm swarm(proxy.port(), kClients, request);
    proxy.await_received(swarm.sent());
    CHECK(origin.requests() == 1);
    origin.open("first");
    origin.await("arrived", kClients - 1);
    origin.open("first round");
    std::vector<bool> seen(2 * kClients + 1);
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.status == 200);
        const bool waited = response.get("Cache-Status").find("; collapsed=?0; ") != std::string::npos;
        REQUIRE(waited == (response.content != "1"));
        const auto number = static_cast<std::size_t>(std::stoi(response.content));
        REQUIRE_FALSE(seen[number]); // nobody got what was meant for somebody else
        seen[number] = true;
    }
    CHECK(origin.requests() == kClients);

    Swarm again(proxy.port(), kClients, request);
    origin.await("arrived", 2 * kClients - 1);
    origin.open("second round");
    for (const Response& response : again.collect()) {
        REQUIRE(response.get("Cache-Status").ends_with("; fwd-status=200; detail=response_no_store"));
        const auto number = static_cast<std::size_t>(std::stoi(response.content));
        REQUIRE_FALSE(seen[number]);
        seen[number] = true;
    }
    CHECK(origin.requests() == 2 * kClients);
}
