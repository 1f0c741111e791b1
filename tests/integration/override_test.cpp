// What an origin forbids is shared only where the policy names the prohibition.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("override names which prohibitions of the origin are not obeyed") {
    ScriptedOrigin origin;
    origin.on("/own/private", [](OriginExchange& x) { x.ok("private, max-age=60", "p"); });
    origin.on("/own/no-store", [](OriginExchange& x) { x.ok("no-store, max-age=60", "s"); });
    origin.on("/private", [](OriginExchange& x) { x.ok("private, max-age=60", "p"); });
    Yaml yaml;
    yaml.policies = "own: {override: [private]}, plain: {}";
    yaml.behaviors = "[{path_pattern: '/own/*', origin: api, cache_policy: own}, "
                     "{path_pattern: '*', origin: api, cache_policy: plain}]";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/own/private");
    const Response hit = proxy.get("/own/private");
    CHECK(hit.get("Cache-Status") == "gatehouse; hit; ttl=60");
    CHECK(hit.get("Cache-Control") == "private, max-age=60"); // what browsers are told stays the origin's
    proxy.get("/own/no-store");
    CHECK(proxy.get("/own/no-store").get("X-Cache") == "Miss from gatehouse");
    proxy.get("/private");
    CHECK(proxy.get("/private").get("X-Cache") == "Miss from gatehouse");
}
