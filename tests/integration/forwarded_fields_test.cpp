// What is taken off, added and overwritten on the way to the origin and back.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {
FieldLines fields_at(const ScriptedOrigin& origin, const std::string& target) {
    FieldLines fields;
    parse_head(origin.heads(target).at(0), fields);
    return fields;
}
constexpr const char* kClaims =
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: claimed.test\r\n"
    "Forwarded: for=192.0.2.1;proto=https\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n"
    "X-HTTP-Method-Override: DELETE\r\n";
} // namespace

TEST_CASE("hop-by-hop fields stay on their hop, in both directions") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        x.reply(200,
                "Connection: X-Origin-Hop, ETag\r\nX-Origin-Hop: 1\r\nKeep-Alive: timeout=5\r\nETag: \"v1\"\r\n"
                "Proxy-Authenticate: Basic\r\nX-End: stays\r\nVia: 1.1 inner\r\nCache-Control: no-store\r\n",
                "content");
    });
    ProxyUnderTest proxy(origin);
    const Response response = proxy.get(
        "/a", "Connection: X-Hop, Cookie, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\n"
              "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic YTpi\r\nCookie: a=b\r\nVia: 1.0 outer\r\n"
              "X-End: stays\r\n");
    const FieldLines asked = fields_at(origin, "/a");
    for (const char* name : {"X-Hop", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE"}) {
        CAPTURE(std::string(name));
        CHECK_FALSE(asked.has(name));
    }
    CHECK(asked.get("Cookie") == "a=b"); // protected: Connection cannot take it away
    CHECK(asked.get("X-End") == "stays");
    CHECK(asked.get("Via") == "1.0 outer, 1.1 gatehouse");
    CHECK(asked.get("Host") == "127.0.0.1:" + std::to_string(origin.port()));
    for (const char* name : {"X-Origin-Hop", "Keep-Alive", "Proxy-Authenticate"}) {
        CAPTURE(std::string(name));
        CHECK_FALSE(response.has(name));
    }
    CHECK(response.get("ETag") == "\"v1\"");
    CHECK(response.get("X-End") == "stays");
    CHECK(response.get("Via") == "1.1 inner, 1.1 gatehouse");
    CHECK(response.get("Date") == "Thu, 01 Jan 2026 00:00:00 GMT");
}

TEST_CASE("what an unknown client claims about itself is overwritten") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("no-store", ""); });
    ProxyUnderTest proxy(origin);
    proxy.get("/a", kClaims);
    const FieldLines asked = fields_at(origin, "/a");
    CHECK(asked.get("X-Forwarded-For") == "127.0.0.1");
    CHECK(asked.get("X-Forwarded-Proto") == "http");
    CHECK(asked.get("X-Forwarded-Host") == "gate.test");
    CHECK(asked.get("Forwarded") == "for=127.0.0.1;host=\"gate.test\";proto=http");
    CHECK_FALSE(asked.has("X-Original-URL"));
    CHECK_FALSE(asked.has("X-Rewrite-URL"));
    CHECK_FALSE(asked.has("X-HTTP-Method-Override"));
}

TEST_CASE("what a trusted proxy says is kept and continued") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("no-store", ""); });
    Yaml yaml;
    yaml.extra = "trusted_proxies: [127.0.0.0/8]\n";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/a", kClaims);
    const FieldLines asked = fields_at(origin, "/a");
    CHECK(asked.get("X-Forwarded-For") == "192.0.2.1, 127.0.0.1");
    CHECK(asked.get("X-Forwarded-Proto") == "https");
    CHECK(asked.get("X-Forwarded-Host") == "claimed.test");
    CHECK(asked.get("Forwarded") ==
          "for=192.0.2.1;proto=https, for=127.0.0.1;host=\"gate.test\";proto=http");
    CHECK_FALSE(asked.has("X-Original-URL"));
}

TEST_CASE("the origin's path is put in front, and its Host is its own unless the viewer's is wanted") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("no-store", x.target() + " " + x.get("Host")); });
    Yaml yaml;
    yaml.path = "/prod";
    yaml.behaviors = "[{path_pattern: '/v/*', origin: api, host: viewer}, {path_pattern: '*', origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/v/a?b").content == "/prod/v/a?b gate.test");
    CHECK(proxy.get("/o/a").content == "/prod/o/a 127.0.0.1:" + std::to_string(origin.port()));
    // Patterns see the normalised path; what is forwarded is what came, byte for byte.
    CHECK(proxy.get("/o/../v/%7Ea//b/%2f?%7e").content == "/prod/o/../v/%7Ea//b/%2f?%7e gate.test");
}
