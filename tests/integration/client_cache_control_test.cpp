// What clients are told about how long they may keep a response.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kStart = "Thu, 01 Jan 2026 00:00:00 GMT"; // when every scenario begins

Yaml telling(const std::string& rule, const std::string& policy = "") {
    Yaml yaml;
    yaml.policies = "own: {" + policy + "}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own, client_cache_control: " + rule + "}]";
    return yaml;
}

} // namespace

TEST_CASE("clients get the value instead of the origin's lifetime, from now on, on misses and hits") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        x.reply(200,
                "Cache-Control: max-age=3600, s-maxage=60\r\nExpires: Thu, 01 Jan 2026 01:00:00 GMT\r\n"
                "Pragma: no-cache\r\nCDN-Cache-Control: max-age=600\r\nAge: 7\r\nETag: \"v1\"\r\nX-Other: 1\r\n",
                "0123456789");
    });
    ProxyUnderTest proxy(origin, telling("'public, max-age=30, immutable'"));
    const auto check = [](const Response& response, const char* date) {
        CHECK(response.get("Cache-Control") == "public, max-age=30, immutable");
        CHECK(response.get("Date") == date);
        CHECK_FALSE(response.has("Age"));
        CHECK_FALSE(response.has("Expires"));
        CHECK_FALSE(response.has("Pragma"));
        CHECK_FALSE(response.has("CDN-Cache-Control"));
        CHECK(response.get("ETag") == "\"v1\"");
        CHECK(response.get("X-Other") == "1");
    };
    const Response miss = proxy.get("/a");
    CHECK(miss.get("X-Cache") == "Miss from gatehouse");
    check(miss, kStart);
    proxy.advance(25s);
    const char* later = "Thu, 01 Jan 2026 00:00:25 GMT";
    const Response hit = proxy.get("/a");
    CHECK(hit.get("Cache-Status") == "gatehouse; hit; ttl=568"); // the store goes on counting
    check(hit, later);
    const Response head = proxy.head("/a");
    CHECK(head.status == 200);
    check(head, later);
    const Response unchanged = proxy.get("/a", "If-None-Match: \"v1\"\r\n");
    CHECK(unchanged.status == 304);
    check(unchanged, later);
    const Response part = proxy.get("/a", "Range: bytes=2-4\r\n");
    CHECK(part.status == 206);
    CHECK(part.content == "234");
    CHECK(part.get("Content-Range") == "bytes 2-4/10");
    check(part, later);
    const Response none = proxy.get("/a", "Range: bytes=10-\r\n");
    CHECK(none.status == 416);
    CHECK_FALSE(none.has("Cache-Control"));
    CHECK(origin.requests() == 1);
}

TEST_CASE("what may not be stored, and other statuses, keep the origin's field unless when_status names them") {
    ScriptedOrigin origin;
    origin.on("/404", [](OriginExchange& x) { x.reply(404, "Cache-Control: max-age=60\r\n", "none"); });
    origin.on("/500", [](OriginExchange& x) { x.reply(500, "", "broken"); });
    origin.on("/private", [](OriginExchange& x) { x.ok("private, max-age=60", "mine"); });
    origin.on("/cookie",
              [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nSet-Cookie: a=1\r\n", "mine"); });
    origin.on("/silent", [](OriginExchange& x) { x.reply(200, "", "no lifetime"); });
    origin.on("/big", [](OriginExchange& x) { x.ok("max-age=60", std::string(100'000, 'b')); });
    origin.on("/moved", [](OriginExchange& x) { x.reply(301, "Cache-Control: max-age=60\r\nLocation: /a\r\n", ""); });
    SUBCASE("a value alone") {
        Yaml yaml = telling("'public, max-age=31536000, immutable'");
        yaml.memory = "size: 64MiB, max_object_size: 64KiB";
        ProxyUnderTest proxy(origin, yaml);
        CHECK(proxy.get("/404").get("Cache-Control") == "max-age=60");
        proxy.advance(5s);
        const Response hit = proxy.get("/404");
        CHECK(hit.get("Cache-Control") == "max-age=60");
        CHECK(hit.get("Age") == "5");
        CHECK(hit.get("Date") == kStart);
        CHECK_FALSE(proxy.get("/500").has("Cache-Control"));
        CHECK(proxy.get("/private").get("Cache-Control") == "private, max-age=60");
        CHECK(proxy.get("/cookie").get("Cache-Control") == "max-age=60");
        CHECK_FALSE(proxy.get("/silent").has("Cache-Control"));
        CHECK(proxy.get("/moved").get("Cache-Control") == "public, max-age=31536000, immutable");
        // It may be stored; that there is no room for it is no business of clients.
        CHECK(proxy.get("/big").get("Cache-Control") == "public, max-age=31536000, immutable");
        CHECK(proxy.get("/big").get("X-Cache") == "Miss from gatehouse");
    }
    SUBCASE("by status") {
        ProxyUnderTest proxy(origin, telling("{when_status: {404: max-age=10, 5xx: no-store, 200: max-age=30}}"));
        CHECK(proxy.get("/404").get("Cache-Control") == "max-age=10");
        proxy.advance(5s);
        const Response hit = proxy.get("/404");
        CHECK(hit.get("Cache-Control") == "max-age=10");
        CHECK_FALSE(hit.has("Age"));
        CHECK(proxy.get("/500").get("Cache-Control") == "no-store");
        CHECK(proxy.get("/silent").get("Cache-Control") == "max-age=30");
        CHECK(proxy.get("/private").get("Cache-Control") == "private, max-age=60");
        CHECK(proxy.get("/cookie").get("Cache-Control") == "max-age=60");
        CHECK(proxy.get("/moved").get("Cache-Control") == "max-age=60");
    }
    SUBCASE("with the override") {
        ProxyUnderTest proxy(origin, telling("max-age=30", "override: [private, set-cookie]"));
        CHECK(proxy.get("/private").get("Cache-Control") == "max-age=30");
        CHECK(proxy.get("/private").get("X-Cache") == "Hit from gatehouse");
        CHECK(proxy.get("/cookie").get("Cache-Control") == "max-age=30");
    }
    SUBCASE("pass") {
        ProxyUnderTest proxy(origin, telling("pass"));
        CHECK(proxy.get("/moved").get("Cache-Control") == "max-age=60");
    }
}

TEST_CASE("a behavior without the rule leaves what clients are told as it is") {
    ScriptedOrigin origin;
    origin.on("/told", [](OriginExchange& x) { x.ok("max-age=60", "a"); });
    origin.on("/plain", [](OriginExchange& x) { x.ok("max-age=60", "b"); });
    Yaml yaml;
    yaml.behaviors = "[{path_pattern: /told, origin: api, client_cache_control: max-age=5}, "
                     "{path_pattern: '*', origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    for (int i = 0; i < 2; ++i) {
        CHECK(proxy.get("/told").get("Cache-Control") == "max-age=5");
        CHECK(proxy.get("/plain").get("Cache-Control") == "max-age=60");
        proxy.advance(3s);
    }
    CHECK(proxy.get("/plain").get("Age") == "6");
}

TEST_CASE("a HEAD that goes to the origin is told what a GET would be") {
    ScriptedOrigin origin;
    const auto answer = [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 200000\r\n\r\n");
        if (x.method() != "HEAD") {
            x.send(std::string(200'000, 'x'));
        }
    };
    origin.on("/big", answer);
    Yaml yaml = telling("max-age=5");
    yaml.memory = "size: 64MiB, max_object_size: 64KiB";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/big").get("Cache-Control") == "max-age=5");
    const Response head = proxy.head("/big"); // known to be too large, so it is sent as it is
    CHECK(head.get("Cache-Control") == "max-age=5");
    CHECK(origin.heads("/big").back().starts_with("HEAD "));
}
