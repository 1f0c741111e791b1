// A stale response is served while the origin fails, for as long as stale-if-error says.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("stale-if-error hides the origin's 5xx, and only within its window") {
    for (const int status : {500, 502, 503, 504}) {
        CAPTURE(status);
        ScriptedOrigin origin;
        origin.on("/a", [status](OriginExchange& x) {
            if (x.number() == 1) {
                x.ok("max-age=10, stale-if-error=60", "good");
            } else {
                x.reply(status, "", "broken");
            }
        });
        ProxyUnderTest proxy(origin);
        proxy.get("/a");
        proxy.advance(70s);
        const Response stale = proxy.get("/a");
        CHECK(stale.status == 200);
        CHECK(stale.content == "good");
        CHECK(stale.get("Age") == "70");
        CHECK(stale.get("Cache-Status") ==
              "gatehouse; fwd=stale; fwd-status=" + std::to_string(status) + "; ttl=-60; detail=stale_if_error");
        proxy.advance(1s);
        const Response error = proxy.get("/a");
        CHECK(error.status == status);
        CHECK(error.content == "broken");
        CHECK(origin.requests() == 3);
    }
}

TEST_CASE("a 4xx is the origin's word: it is not hidden") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.ok("max-age=10, stale-if-error=60", "good");
        } else {
            x.reply(404, "", "gone");
        }
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/a");
    proxy.advance(11s);
    CHECK(proxy.get("/a").status == 404);
}

TEST_CASE(
    "an origin that cannot be reached is hidden for as long as stale_if_disconnected says, one that answers 503 is not") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.ok("max-age=10", "good");
        } else {
            x.reply(503, "", "broken");
        }
    });
    Yaml yaml;
    yaml.policies = "own: {stale_if_disconnected: 1h}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/a");
    proxy.advance(11s);
    CHECK(proxy.get("/a").status == 503);
    origin.refuse();
    const Response stale = proxy.get("/a");
    CHECK(stale.status == 200);
    CHECK(stale.content == "good");
    CHECK(stale.get("Cache-Status") == "gatehouse; fwd=stale; ttl=-1; detail=stale_if_disconnected");
    proxy.advance(1h);
    CHECK(proxy.get("/a").status == 502);
}

TEST_CASE("a refused connection is hidden, but not against must-revalidate, s-maxage, or an operator's 0s") {
    ScriptedOrigin origin;
    origin.on("/kept", [](OriginExchange& x) { x.ok("max-age=10, stale-if-error=60", "good"); });
    origin.on("/plain", [](OriginExchange& x) { x.ok("max-age=10", "good"); });
    origin.on("/shared", [](OriginExchange& x) { x.ok("s-maxage=10", "good"); });
    origin.on("/never", [](OriginExchange& x) { x.ok("max-age=10", "good"); });
    origin.on("/strict", [](OriginExchange& x) { x.ok("max-age=10, must-revalidate", "good"); });
    Yaml yaml;
    yaml.policies = "never: {stale_if_disconnected: 0s}";
    yaml.behaviors = "[{path_pattern: /never, origin: api, cache_policy: never}, {path_pattern: '*', origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    for (const char* target : {"/kept", "/plain", "/shared", "/never", "/strict"}) {
        proxy.get(target);
    }
    origin.refuse();
    proxy.advance(11s);
    const Response stale = proxy.get("/kept");
    CHECK(stale.status == 200);
    CHECK(stale.content == "good");
    CHECK(stale.get("Cache-Status") == "gatehouse; fwd=stale; ttl=-1; detail=stale_if_error");
    CHECK(proxy.get("/plain").get("Cache-Status") == "gatehouse; fwd=stale; ttl=-1; detail=stale_if_disconnected");
    CHECK(proxy.get("/shared").status == 502);
    CHECK(proxy.get("/never").status == 502);
    const Response error = proxy.get("/strict");
    CHECK(error.status == 502);
    CHECK(error.get("Proxy-Status").starts_with("gatehouse; error=connection_refused"));
    CHECK(error.get("X-Cache") == "Error from gatehouse");
    CHECK(origin.requests() == 5);
}

TEST_CASE("errors that a stale response hides leave their connection to the next request") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.ok("max-age=1, stale-if-error=600", "good");
            return;
        }
        x.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\n");
        x.pass("rest " + std::to_string(x.number())); // the client has its answer before the error has all of its content
        x.send("down");
    });
    Yaml yaml;
    yaml.workers = "1";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/a").content == "good");
    proxy.advance(2s);
    for (int number = 2; number <= 5; ++number) {
        CHECK(proxy.get("/a").content == "good");
        origin.open("rest " + std::to_string(number));
        proxy.await_metric("gatehouse_not_stored_total", number - 1, "no_lifetime");
    }
    CHECK(origin.requests() == 5);
    CHECK(origin.connections() == 1);
}
