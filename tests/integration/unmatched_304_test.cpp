// A 304 that fits nothing stored is no answer: the request is sent again without condition.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("a 304 with another entity tag leads to an unconditional request") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.reply(200, "Cache-Control: max-age=10\r\nETag: \"v1\"\r\n", "first");
        } else if (x.fields().has("If-None-Match")) {
            x.reply(304, "ETag: \"v7\"\r\n", "");
        } else {
            x.reply(200, "Cache-Control: max-age=10\r\nETag: \"v7\"\r\n", "seventh");
        }
    });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/doc").content == "first");
    proxy.advance(11s);
    const Response response = proxy.get("/doc");
    CHECK(response.status == 200);
    CHECK(response.content == "seventh");
    CHECK(response.get("X-Cache") == "Miss from gatehouse");
    REQUIRE(origin.requests() == 3);
    FieldLines second;
    parse_head(origin.heads("/doc")[1], second);
    FieldLines third;
    parse_head(origin.heads("/doc")[2], third);
    CHECK(second.get("If-None-Match") == "\"v1\"");
    CHECK_FALSE(third.has("If-None-Match"));
    CHECK(proxy.get("/doc").content == "seventh");
    CHECK(origin.requests() == 3);
}

TEST_CASE("a 304 that nobody asked for is answered with 502, and the connection is kept") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.reply(304, "ETag: \"v1\"\r\n", ""); });
    Yaml yaml;
    yaml.workers = "1";
    yaml.behaviors = "[{path_pattern: /through/*, origin: api, cache_policy: CachingDisabled},"
                     " {path_pattern: '*', origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    const std::string condition = "If-None-Match: \"v1\"\r\n";
    struct Row {
        const char* name;
        const char* target;
        std::string fields;
        int status;
    };
    const Row rows[] = {
        {"to be stored", "/doc", "", 502},
        {"to be stored, with the client's condition", "/doc", condition, 502},
        {"passed through", "/through/doc", "", 502},
        {"passed through with the client's condition", "/through/doc", condition, 304},
    };
    int failures = 0;
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        const Response response = proxy.get(row.target, row.fields);
        CHECK(response.status == row.status);
        if (row.status == 502) {
            ++failures;
            CHECK(response.get("Proxy-Status").starts_with("gatehouse; error=http_protocol_error"));
            CHECK(response.get("Cache-Status").ends_with("detail=origin_error"));
            CHECK(response.get("X-Cache") == "Error from gatehouse");
        }
        CHECK(proxy.metric("gatehouse_origin_errors_total", "protocol_error") == failures);
    }
    CHECK(origin.connections() == 1);
    CHECK(proxy.server().store_stats().objects == 0);
}

TEST_CASE("an origin that answers 304 to everything: the second one, without a condition, is no answer either") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.reply(200, "Cache-Control: max-age=10, stale-if-error=60\r\nETag: \"v1\"\r\n", "first");
        } else {
            x.reply(304, "ETag: \"v7\"\r\n", "");
        }
    });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/doc").content == "first");
    proxy.advance(11s);
    const Response stale = proxy.get("/doc");
    CHECK(stale.status == 200);
    CHECK(stale.content == "first");
    CHECK(stale.get("Cache-Status").ends_with("detail=stale_if_error"));
    CHECK(origin.requests() == 3);
    proxy.advance(60s);
    CHECK(proxy.get("/doc").status == 502);
}
