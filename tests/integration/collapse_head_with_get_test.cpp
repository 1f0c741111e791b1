// HEAD and GET of 1,000 clients share one origin request.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("HEAD together with GET: one origin request") {
    constexpr std::size_t kClients = 1000;
    bool head_first = false;
    SUBCASE("GET comes first") { head_first = false; }
    SUBCASE("HEAD comes first") { head_first = true; }
    ScriptedOrigin origin;
    origin.on("/page", [](OriginExchange& x) {
        x.pass("answer");
        x.ok("max-age=60", "the page");
    });
    ProxyUnderTest proxy(origin);
    RawClient first(proxy.port());
    first.send((head_first ? std::string("HEAD") : std::string("GET")) + " /page HTTP/1.1\r\nHost: gate.test\r\n\r\n");
    origin.await_requests("/page", 1);
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), kClients - 1, [](std::size_t i) {
        return std::string(i % 2 == 0 ? "HEAD" : "GET") + " /page HTTP/1.1\r\nHost: gate.test\r\n\r\n";
    });
    proxy.await_received(before + swarm.sent());
    origin.open("answer");
    CHECK(first.read(head_first).content == (head_first ? "" : "the page"));
    const auto responses = swarm.collect();
    for (std::size_t i = 0; i < responses.size(); ++i) {
        REQUIRE(responses[i].complete);
        REQUIRE(responses[i].status == 200);
        REQUIRE(responses[i].get("Content-Length") == "8");
        REQUIRE(responses[i].content == (i % 2 == 0 ? "" : "the page"));
    }
    REQUIRE(origin.requests() == 1);
    CHECK(origin.heads("/page")[0].starts_with("GET "));
}
