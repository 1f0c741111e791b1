// CloudFront's managed policies through the whole proxy: what they key, what they forward, and to whom they are deaf.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

Yaml with_policy(const std::string& name) {
    Yaml yaml;
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: " + name + "}]";
    return yaml;
}

} // namespace

TEST_CASE("CachingOptimized keys the path alone, and sends the origin no query, no cookies and few encodings") {
    ScriptedOrigin origin;
    std::string seen;
    origin.otherwise([&seen](OriginExchange& x) {
        seen = x.target() + "|" + x.get("Accept-Encoding") + "|" + x.get("Cookie");
        x.ok("max-age=60", std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin, with_policy("CachingOptimized"));
    CHECK(proxy.get("/a?x=1", "Accept-Encoding: gzip, deflate, br\r\nCookie: s=1\r\n").content == "1");
    CHECK(seen == "/a|br,gzip|");
    CHECK(proxy.get("/a?x=2", "Accept-Encoding: br, gzip;q=0.5\r\nCookie: s=2\r\n").content == "1");
    CHECK(proxy.get("/a", "Accept-Encoding: gzip\r\n").content == "2");
    CHECK(proxy.get("/a", "Accept-Encoding: zstd\r\n").content == "3");
    CHECK(seen == "/a|identity|");
    CHECK(proxy.get("/a").content == "4");
    CHECK(proxy.get("/a", "Cache-Control: no-cache\r\nPragma: no-cache\r\n").content == "4");
    CHECK(origin.requests() == 4);
}

TEST_CASE("a managed policy hides an origin's 5xx by what it has, and keeps a 404 for ten seconds") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.ok("max-age=10", "good");
        } else {
            x.reply(599, "", "broken");
        }
    });
    origin.on("/none", [](OriginExchange& x) { x.reply(404, "", std::to_string(x.number())); });
    ProxyUnderTest proxy(origin, with_policy("Managed-CachingOptimized"));
    proxy.get("/a");
    CHECK(proxy.get("/none").content == "1");
    proxy.advance(9s);
    CHECK(proxy.get("/none").content == "1");
    proxy.advance(2s);
    CHECK(proxy.get("/none").content == "2");
    CHECK(proxy.get("/a").content == "good");
    origin.refuse();
    proxy.advance(240h);
    CHECK(proxy.get("/a").content == "good");
}

TEST_CASE("an own policy names the statuses that stale responses hide") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.ok("max-age=10", "good");
        } else {
            x.reply(x.number() == 2 ? 429 : 500, "", "slow down");
        }
    });
    Yaml yaml = with_policy("own");
    yaml.policies = "own: {stale_if_error: 1h, stale_if_error_statuses: [429, 503]}";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/a");
    proxy.advance(11s);
    CHECK(proxy.get("/a").content == "good");
    CHECK(proxy.get("/a").status == 500);
}
