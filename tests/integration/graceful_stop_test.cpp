// A stop finishes what runs and takes nothing new.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <thread>

using namespace gatehouse::testing;

TEST_CASE("stop: what runs is finished, idle connections are closed, new ones are refused") {
    ScriptedOrigin origin;
    origin.on("/running", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 8\r\n\r\nhalf");
        x.pass("rest");
        x.send("half");
    });
    origin.on("/idle", [](OriginExchange& x) { x.ok("no-store", "idle"); });
    ProxyUnderTest proxy(origin);
    const std::uint16_t port = proxy.port();
    RawClient idle(port);
    idle.get("/idle");
    CHECK(idle.read().content == "idle");
    RawClient running(port);
    running.get("/running");
    REQUIRE(running.read_content(4).content == "half");

    bool finished = false;
    std::thread stopping([&] { finished = proxy.stop(); });
    CHECK(idle.ended()); // stopping has begun, and the listeners are closed before this
    CHECK_THROWS_AS(RawClient{port}, HarnessError);
    CHECK(running.is_quiet());
    origin.open("rest");
    CHECK(running.read().content == "halfhalf");
    CHECK(running.ended());
    stopping.join();
    CHECK(finished);
    CHECK(origin.requests() == 2);
}

TEST_CASE("stop: what does not finish within timeouts.shutdown is cut") {
    ScriptedOrigin origin;
    origin.on("/stuck", [](OriginExchange& x) { x.await_close(); });
    Yaml yaml;
    yaml.shutdown = "200ms";
    ProxyUnderTest proxy(origin, yaml);
    RawClient stuck(proxy.port());
    stuck.get("/stuck");
    origin.await_requests("/stuck", 1);
    CHECK_FALSE(proxy.stop());
    CHECK_FALSE(stuck.read_what_comes().complete);
    origin.await_connections_at_most(0);
    CHECK(origin.requests() == 1);
}

TEST_CASE("stop: a proxy that serves nobody ends at once, twice without harm") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=60", "content"); });
    ProxyUnderTest proxy(origin);
    proxy.get("/a");
    CHECK(proxy.stop());
    CHECK(proxy.stop());
}
