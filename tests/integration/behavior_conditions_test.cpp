// Behaviors that are chosen by more than the path, and what they answer themselves.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("a behavior with conditions has its own stored responses, and an unsafe request invalidates all of a URL's") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        if (x.method() == "POST") {
            x.content();
            x.reply(204, "", "");
        } else {
            x.ok("max-age=60", x.target() + " " + std::to_string(x.number()));
        }
    });
    Yaml yaml;
    yaml.policies = "paged: {key: {query_strings: {allow: [page]}}}";
    yaml.behaviors = "[{path_pattern: '/v1/*', origin: api, when: {headers: {X-Tier: gold}}, cache_policy: paged}, "
                     "{path_pattern: '*', origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    const char* gold = "X-Tier: gold\r\n";
    CHECK(proxy.get("/v1/a?page=1&x", gold).content == "/v1/a?page=1 1");
    CHECK(proxy.get("/v1/a?page=1&x").content == "/v1/a?page=1&x 1");
    CHECK(proxy.get("/v1/a?page=1&y", gold).content == "/v1/a?page=1 1");
    CHECK(proxy.get("/v1/a?page=1&x").content == "/v1/a?page=1&x 1");
    const std::string post = "POST /v1/a?page=1&x HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 1\r\n\r\nx";
    CHECK(proxy.ask(post).status == 204);
    CHECK(proxy.get("/v1/a?page=1&x", gold).content == "/v1/a?page=1 2");
    CHECK(proxy.get("/v1/a?page=1&x").content == "/v1/a?page=1&x 3");
    CHECK(proxy.purge(R"({"url":"http://gate.test/v1/a?page=1&x"})").content.starts_with("{\"purged\":2,"));
}

TEST_CASE("behaviors that share by name serve each other's stored responses") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", std::to_string(x.number())); });
    Yaml yaml;
    yaml.behaviors = "[{path_pattern: '*', origin: api, when: {methods: [HEAD]}, share: all}, "
                     "{path_pattern: '*', origin: api, share: all}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/a").content == "1");
    const Response head = proxy.ask("HEAD /a HTTP/1.1\r\nHost: gate.test\r\n\r\n", true);
    CHECK(head.get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 1);
}

TEST_CASE("a method that a behavior does not allow never reaches the origin") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", "content"); });
    Yaml yaml;
    yaml.behaviors = "[{path_pattern: '/read/*', origin: api, allowed_methods: [GET, HEAD]}, "
                     "{path_pattern: '*', origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    const Response refused = proxy.ask("DELETE /read/a HTTP/1.1\r\nHost: gate.test\r\n\r\n");
    CHECK(refused.status == 405);
    CHECK(refused.get("Allow") == "GET, HEAD");
    CHECK(origin.requests() == 0);
    CHECK(proxy.ask("DELETE /a HTTP/1.1\r\nHost: gate.test\r\n\r\n").status == 200);
    CHECK(proxy.get("/read/a").status == 200);
}

TEST_CASE("only a trusted proxy can say that a client came over HTTPS") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", "content"); });
    for (const bool trusted : {false, true}) {
        CAPTURE(trusted);
        Yaml yaml;
        yaml.behaviors = "[{path_pattern: '*', origin: api, viewer_protocol_policy: redirect-to-https}]";
        yaml.extra = trusted ? "trusted_proxies: [127.0.0.0/8]\n" : "";
        ProxyUnderTest proxy(origin, yaml);
        const Response plain = proxy.get("/a?b");
        CHECK(plain.status == 301);
        CHECK(plain.get("Location") == "https://gate.test/a?b");
        CHECK(proxy.get("/a?b", "X-Forwarded-Proto: https\r\n").status == (trusted ? 200 : 301));
    }
}
