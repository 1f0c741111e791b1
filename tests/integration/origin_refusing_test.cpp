// A failure before the head is one result for everybody who waits, never a queue of attempts.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kClients = 1000;

std::string request(std::size_t) { return "GET /it HTTP/1.1\r\nHost: gate.test\r\n\r\n"; }

} // namespace

TEST_CASE("the origin refuses connections: all are answered with 502 and Proxy-Status") {
    const RefusingPort nobody;
    ProxyUnderTest proxy(nobody.port());
    Swarm swarm(proxy.port(), kClients, request);
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.status == 502);
        REQUIRE(response.get("Proxy-Status").starts_with("gatehouse; error=connection_refused"));
        REQUIRE(response.get("X-Cache") == "Error from gatehouse");
        REQUIRE(response.get("Cache-Control") == "no-store");
        REQUIRE(response.content.find("\"error\":\"connection_refused\"") != std::string::npos);
    }
    CHECK(proxy.server().store_stats().objects == 0);
}

TEST_CASE("an origin that never answers: one timeout for all who wait, one request") {
    ScriptedOrigin origin;
    origin.on("/it", [](OriginExchange& x) { x.await_close(); });
    Yaml yaml;
    yaml.origin = "first_byte_timeout: 3s";
    ProxyUnderTest proxy(origin, yaml);
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), kClients, request);
    origin.await_requests("/it", 1);
    proxy.await_received(before + swarm.sent());
    proxy.advance(3s + 200ms);
    for (const Response& response : swarm.collect()) {
        REQUIRE(response.complete);
        REQUIRE(response.status == 504);
        REQUIRE(response.get("Proxy-Status").starts_with("gatehouse; error="));
    }
    CHECK(origin.requests() == 1);
    CHECK(proxy.metric("gatehouse_origin_errors_total", "response_timeout") == 1);
}

TEST_CASE("an error is answered in text where the client prefers text") {
    const RefusingPort nobody;
    ProxyUnderTest proxy(nobody.port());
    const Response response = proxy.get("/it", "Accept: text/plain\r\n");
    CHECK(response.status == 502);
    CHECK(response.get("Content-Type") == "text/plain; charset=utf-8");
    CHECK(response.content.starts_with("502 Bad Gateway\n"));
}
