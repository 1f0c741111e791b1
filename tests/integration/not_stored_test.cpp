// What may not be stored is forwarded each time, and the client is told why.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("responses that may not be stored are forwarded each time and say why") {
    struct Row {
        const char* name;
        const char* request;  // fields of the request
        const char* response; // fields of the response
        const char* reason;
        const char* forwarded;
    };
    const Row rows[] = {
        {"private", "", "Cache-Control: private, max-age=60\r\n", "response_private", "uri-miss"},
        {"no-store", "", "Cache-Control: no-store\r\n", "response_no_store", "uri-miss"},
        {"a cookie without a lifetime", "", "Set-Cookie: a=b\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
         "set_cookie", "uri-miss"},
        {"authorization", "Authorization: Basic YTpi\r\n", "Cache-Control: max-age=60\r\n", "authorization",
         "uri-miss"},
        {"no lifetime", "", "", "no_lifetime", "uri-miss"},
        {"invalid lifetime", "", "Cache-Control: max-age=soon\r\n", "no_lifetime", "uri-miss"},
        {"the request says no-store", "Cache-Control: no-store\r\n", "Cache-Control: max-age=60\r\n",
         "request_no_store", "uri-miss"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        ScriptedOrigin origin;
        origin.on("/it", [&row](OriginExchange& x) {
            x.reply(200, row.response, "answer " + std::to_string(x.number()));
        });
        ProxyUnderTest proxy(origin);
        const Response first = proxy.get("/it", row.request);
        CHECK(first.content == "answer 1");
        CHECK(first.get("Cache-Status") == "gatehouse; fwd=" + std::string(row.forwarded) +
                                               "; fwd-status=200; detail=" + row.reason);
        CHECK(first.get("X-Cache") == "Miss from gatehouse");
        const Response second = proxy.get("/it", row.request);
        CHECK(second.content == "answer 2");
        CHECK(origin.requests() == 2);
        CHECK(proxy.server().store_stats().objects == 0);
    }
}

TEST_CASE("what names its lifetime may be shared in spite of a cookie or of Authorization") {
    ScriptedOrigin origin;
    origin.on("/cookie", [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n", "c"); });
    origin.on("/user", [](OriginExchange& x) { x.ok("public, max-age=60", "u"); });
    ProxyUnderTest proxy(origin);
    proxy.get("/cookie");
    CHECK(proxy.get("/cookie").get("X-Cache") == "Hit from gatehouse");
    proxy.get("/user", "Authorization: Basic YTpi\r\n");
    CHECK(proxy.get("/user", "Authorization: Basic YTpi\r\n").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.get("/user").get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 2);
}

TEST_CASE("an own policy refuses a response that sets a cookie") {
    ScriptedOrigin origin;
    origin.on("/cookie", [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n", "c"); });
    Yaml yaml;
    yaml.policies = "own: {default_ttl: 60s}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/cookie").get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=200; detail=set_cookie");
    proxy.get("/cookie");
    CHECK(origin.requests() == 2);
}

TEST_CASE("a policy that switches caching off forwards everything") {
    ScriptedOrigin origin;
    origin.on("/it", [](OriginExchange& x) { x.ok("max-age=60", std::to_string(x.number())); });
    Yaml yaml;
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: CachingDisabled}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/it").get("Cache-Status") == "gatehouse; fwd=bypass; fwd-status=200; detail=caching_disabled");
    CHECK(proxy.get("/it").content == "2");
    CHECK(proxy.server().store_stats().objects == 0);
}
