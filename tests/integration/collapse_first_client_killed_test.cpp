// The client that caused a fetch leaves: the others get their answer all the same.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

constexpr std::size_t kClients = 1000;

std::string request(std::size_t) { return "GET /it HTTP/1.1\r\nHost: gate.test\r\n\r\n"; }

} // namespace

TEST_CASE("the first client is killed before the head: one origin request, everybody else is answered") {
    ScriptedOrigin origin;
    origin.on("/it", [](OriginExchange& x) {
        x.pass("answer");
        x.ok("max-age=60", "for the others");
    });
    ProxyUnderTest proxy(origin);
    RawClient first(proxy.port());
    first.get("/it");
    origin.await_requests("/it", 1);
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), kClients - 1, request);
    proxy.await_received(before + swarm.sent());
    first.reset();
    origin.open("answer");
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.content == "for the others");
    }
    CHECK(origin.requests() == 1);
    CHECK(proxy.get("/it").get("X-Cache") == "Hit from gatehouse");
}

TEST_CASE("the first client is killed after the head: one origin request, everybody else gets it whole") {
    const std::string half(100'000, 'h');
    ScriptedOrigin origin;
    origin.on("/it", [&](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 200000\r\n\r\n" + half);
        x.pass("rest");
        x.send(half);
    });
    ProxyUnderTest proxy(origin);
    RawClient first(proxy.port());
    first.get("/it");
    REQUIRE(first.read_content(half.size()).content == half);
    Swarm swarm(proxy.port(), kClients - 1, request);
    swarm.await_content(kClients - 1, half.size());
    first.reset();
    origin.open("rest");
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.content.size() == 2 * half.size());
    }
    CHECK(origin.requests() == 1);
    CHECK(proxy.get("/it").get("X-Cache") == "Hit from gatehouse");
}

TEST_CASE("the only client leaves: the fetch is finished and stored for the next one") {
    ScriptedOrigin origin;
    origin.on("/it", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 8\r\n\r\nhalf");
        x.pass("rest");
        x.send("half");
    });
    ProxyUnderTest proxy(origin);
    RawClient only(proxy.port());
    only.get("/it");
    REQUIRE(only.read_content(4).content == "half");
    only.reset();
    origin.open("rest");
    ProxyUnderTest::await([&] { return proxy.server().store_stats().objects == 1; }, "the response is stored");
    const Response hit = proxy.get("/it");
    CHECK(hit.content == "halfhalf");
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 1);
}
