// Paths with dot segments: none leaves the origin's path, and none is handled by another behavior than its place has.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("a path that climbs above the root, or only for some servers, is refused and reaches no origin") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", x.target()); });
    Yaml yaml;
    yaml.path = "/prod";
    ProxyUnderTest proxy(origin, yaml);
    const std::string_view rows[] = {
        "/../../admin",         "/..",
        "/%2e%2e/admin",        "/.%2e/",
        "/a/%2E./%2e%2E/admin", "/a/../../prod/b",
        "/a/..%2f..%2fadmin",   "/a/..%5c..\\admin",
        "/a/..;/..;/admin",     "/a//../b",
    };
    for (const std::string_view target : rows) {
        CAPTURE(target);
        RawClient client(proxy.port());
        client.get(target);
        const Response refused = client.read();
        CHECK(refused.status == 400);
        CHECK(refused.content.find("'..' segments") != std::string::npos);
        CHECK(refused.content.find("admin") == std::string::npos); // nothing of the request
        CHECK(refused.get("Proxy-Status").starts_with("gatehouse; error=http_request_error"));
        CHECK(client.ended());
    }
    CHECK(origin.requests() == 0);
    CHECK(origin.connections() == 0);
}

TEST_CASE("dot segments that stay below the root are forwarded and keyed as they are, and matched where they lead") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.reply(200, "", x.target()); });
    Yaml yaml;
    yaml.path = "/prod";
    yaml.policies = "long: {default_ttl: 1h}, short: {default_ttl: 1s}";
    yaml.behaviors = "[{path_pattern: '/static/*', origin: api, cache_policy: long}, "
                     "{path_pattern: '/v1/*', origin: api, cache_policy: short}]";
    ProxyUnderTest proxy(origin, yaml);
    struct Row {
        std::string target;
        const char* ttl; // of the policy that was chosen
    };
    const Row rows[] = {
        {"/static/a", "ttl=3600"},
        {"/static/./a", "ttl=3600"},
        {"/v1/../static/a", "ttl=3600"},
        {"/v1/b/%2e%2E/.%2e/static/a", "ttl=3600"},
        {"/static/../v1/secret", "ttl=1"},
        {"/static/%2e%2e/v1/secret", "ttl=1"},
        {"/static/x/%2E./../v1/secret", "ttl=1"},
    };
    int requests = 0;
    for (const Row& row : rows) {
        CAPTURE(row.target);
        const Response missed = proxy.get(row.target);
        CHECK(missed.status == 200);
        CHECK(missed.content == "/prod" + row.target);
        CHECK(missed.get("Cache-Status").ends_with(row.ttl));
        const Response hit = proxy.get(row.target);
        CHECK(hit.content == "/prod" + row.target);
        CHECK(hit.get("X-Cache") == "Hit from gatehouse");
        CHECK(origin.requests() == ++requests);
    }
    CHECK(proxy.get("/static/../elsewhere").status == 404); // no behavior
    CHECK(origin.requests() == requests);
}
