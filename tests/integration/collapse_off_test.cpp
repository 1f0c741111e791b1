// A policy may say that nobody waits for what another one has asked for.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("without collapsing each request asks the origin, and what is stored answers those that come later") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        const int number = x.number();
        if (number == 1) {
            x.pass("first");
        }
        x.ok("max-age=60", std::to_string(number));
    });
    Yaml yaml;
    yaml.policies = "own: {collapse: false}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    RawClient first(proxy.port());
    first.get("/a");
    origin.await_requests("/a", 1);
    CHECK(proxy.get("/a").content == "2"); // did not wait for the first
    CHECK(proxy.get("/a").content == "2");
    origin.open("first");
    CHECK(first.read().content == "1");
    CHECK(origin.requests() == 2);
    CHECK(proxy.metric("gatehouse_collapsed_total") == 0);
}
