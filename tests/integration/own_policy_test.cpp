// An own cache policy: its key, its lifetimes, and what the origin gets to see.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("what is not in the key is not shown to the origin") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", x.target() + "|" + x.get("Cookie")); });
    Yaml yaml;
    yaml.policies =
        "own: {key: {query_strings: {allow: [page, q]}, cookies: {allow: [lang]}, headers: [X-Tier]}}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/a?utm=1&page=2&x=3", "Cookie: session=s; lang=de; other=o\r\n").content == "/a?page=2|lang=de");
    const Response same = proxy.get("/a?page=2&utm=9", "Cookie: lang=de; session=t\r\n");
    CHECK(same.get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.get("/a?page=3", "Cookie: lang=de\r\n").get("X-Cache") == "Miss from gatehouse");
    CHECK(proxy.get("/a?page=2", "Cookie: lang=fr\r\n").get("X-Cache") == "Miss from gatehouse");
    CHECK(proxy.get("/a?page=2", "Cookie: lang=de\r\nX-Tier: gold\r\n").get("X-Cache") == "Miss from gatehouse");
    CHECK(origin.requests() == 4);
}

TEST_CASE("default_ttl, max_ttl and error_ttl") {
    ScriptedOrigin origin;
    origin.on("/silent", [](OriginExchange& x) { x.reply(200, "", "silent"); });
    origin.on("/long", [](OriginExchange& x) { x.ok("max-age=86400", "long"); });
    origin.on("/none", [](OriginExchange& x) { x.reply(404, "", "none"); });
    Yaml yaml;
    yaml.policies = "own: {default_ttl: 60s, max_ttl: 100s, error_ttl: {404: 10s}}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/silent").get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=60");
    CHECK(proxy.get("/long").get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=100");
    const Response none = proxy.get("/none");
    CHECK(none.status == 404);
    CHECK(none.get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=404; stored; ttl=10");
    CHECK(none.get("X-Cache") == "Error from gatehouse");
    proxy.advance(9s);
    CHECK(proxy.get("/none").get("Cache-Status") == "gatehouse; hit; ttl=1");
    proxy.advance(2s);
    proxy.get("/none");
    CHECK(origin.requests("/none") == 2);
    CHECK(origin.requests() == 4);
}

TEST_CASE("the first behavior that matches decides") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.reply(200, "", x.target()); });
    Yaml yaml;
    yaml.policies = "minute: {default_ttl: 60s}, hour: {default_ttl: 1h}";
    yaml.behaviors = "[{path_pattern: '/a/*', origin: api, cache_policy: minute}, "
                     "{path_pattern: '/*.js', origin: api, cache_policy: hour}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/a/x.js").get("Cache-Status").ends_with("ttl=60"));
    CHECK(proxy.get("/b/x.js").get("Cache-Status").ends_with("ttl=3600"));
    const Response nowhere = proxy.get("/b/x.css");
    CHECK(nowhere.status == 404);
    CHECK(nowhere.content.find("no_behavior") != std::string::npos);
    CHECK(origin.requests() == 2);
}

TEST_CASE("a targeted field decides, and clients do not get it where the policy says so") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.reply(200, "Cache-Control: no-store\r\nCDN-Cache-Control: max-age=60\r\n", "targeted");
    });
    Yaml yaml;
    yaml.policies = "own: {targeted_cache_control_to_clients: remove}";
    yaml.behaviors = "[{path_pattern: '/kept', origin: api}, {path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    for (const char* cache : {"Miss from gatehouse", "Hit from gatehouse"}) {
        const Response removed = proxy.get("/removed");
        CHECK(removed.get("X-Cache") == cache);
        CHECK(removed.get("CDN-Cache-Control") == "");
        CHECK(removed.get("Cache-Control") == "no-store");
        const Response kept = proxy.get("/kept");
        CHECK(kept.get("X-Cache") == cache);
        CHECK(kept.get("CDN-Cache-Control") == "max-age=60");
    }
    CHECK(origin.requests() == 2);
}
