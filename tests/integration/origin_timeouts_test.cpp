// An origin that is slow is given up: 504 before the head, a cut after it.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("no response head within first_byte_timeout: 504") {
    ScriptedOrigin origin;
    origin.on("/silent", [](OriginExchange& x) { x.await_close(); });
    origin.on("/half", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\n");
        x.reach("half");
        x.await_close();
    });
    Yaml yaml;
    yaml.origin = "first_byte_timeout: 3s, between_bytes_timeout: 60s";
    ProxyUnderTest proxy(origin, yaml);
    const std::string target = [] {
        std::string chosen = "/silent";
        SUBCASE("nothing at all") { chosen = "/silent"; }
        SUBCASE("half a head") { chosen = "/half"; }
        return chosen;
    }();
    RawClient client(proxy.port());
    client.get(target);
    origin.await_requests(target, 1);
    if (target == "/half") {
        origin.await("half");
    }
    proxy.advance(2s);
    CHECK(client.is_quiet());
    proxy.advance(1s + 200ms);
    const Response response = client.read();
    CHECK(response.status == 504);
    CHECK(response.get("Proxy-Status").starts_with("gatehouse; error=http_response_timeout"));
    CHECK(response.content.find("response_timeout") != std::string::npos);
    origin.await_connections_at_most(0);
    CHECK(origin.requests() == 1);
    CHECK(proxy.metric("gatehouse_origin_errors_total", "response_timeout") == 1);
}

TEST_CASE("content that pauses for between_bytes_timeout is cut and not stored") {
    ScriptedOrigin origin;
    origin.on("/stalls", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf");
        x.await_close();
    });
    Yaml yaml;
    yaml.origin = "first_byte_timeout: 60s, between_bytes_timeout: 3s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(proxy.port());
    client.get("/stalls");
    REQUIRE(client.read_content(4).content == "half");
    proxy.advance(2s);
    CHECK(client.is_quiet());
    proxy.advance(1s + 200ms);
    const Response response = client.read_what_comes();
    CHECK_FALSE(response.complete);
    CHECK(response.content == "half");
    CHECK(proxy.server().store_stats().objects == 0);
    CHECK(origin.requests() == 1);
}

TEST_CASE("total_timeout bounds an origin that sends a byte now and then") {
    ScriptedOrigin origin;
    origin.on("/drip", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nCache-Control: max-age=60\r\n\r\n1");
        x.pass("second");
        x.send("2");
        x.await_close();
    });
    Yaml yaml;
    yaml.origin = "between_bytes_timeout: 60s, total_timeout: 5s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(proxy.port());
    client.get("/drip");
    REQUIRE(client.read_content(1).content == "1");
    proxy.advance(3s);
    origin.open("second");
    REQUIRE(client.read_content(2).content == "12");
    proxy.advance(2s + 200ms);
    CHECK_FALSE(client.read_what_comes().complete);
    CHECK(proxy.server().store_stats().objects == 0);
}

TEST_CASE("a stale response stands in for a timeout where stale-if-error allows it") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() > 1) {
            x.await_close();
            return;
        }
        x.ok("max-age=10, stale-if-error=600", "good");
    });
    Yaml yaml;
    yaml.origin = "first_byte_timeout: 3s";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/a");
    proxy.advance(11s);
    RawClient client(proxy.port());
    client.get("/a");
    origin.await_requests("/a", 2);
    proxy.advance(3s + 200ms);
    const Response response = client.read();
    CHECK(response.status == 200);
    CHECK(response.content == "good");
    CHECK(response.get("Cache-Status").ends_with("; detail=stale_if_error"));
}
