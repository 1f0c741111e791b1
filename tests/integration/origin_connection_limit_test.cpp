// max_connections of an origin: more is an error at once, and places are given back.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("requests beyond the origin's max_connections are answered, not queued") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.pass("answer");
        x.ok("no-store", x.target());
    });
    Yaml yaml;
    yaml.origin = "max_connections: 2";
    ProxyUnderTest proxy(origin, yaml);
    RawClient first(proxy.port());
    RawClient second(proxy.port());
    first.get("/1");
    second.get("/2");
    origin.await_requests("/1", 1);
    origin.await_requests("/2", 1);
    const Response refused = proxy.get("/3");
    CHECK(refused.status >= 502);
    CHECK(refused.status <= 503);
    CHECK(refused.get("Proxy-Status").starts_with("gatehouse; error="));
    CHECK(origin.requests("/3") == 0);
    origin.open("answer");
    CHECK(first.read().content == "/1");
    CHECK(second.read().content == "/2");
    first.get("/4");
    CHECK(first.read().content == "/4");
    CHECK(origin.connections() == 2);
}
