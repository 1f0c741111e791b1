// OPTIONS where a behavior caches it: preflights are keyed by what they ask.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

std::string options(const std::string& fields, const std::string& content = "") {
    return "OPTIONS /v1 HTTP/1.1\r\nHost: gate.test\r\n" + fields +
           (content.empty() ? "" : "Content-Length: " + std::to_string(content.size()) + "\r\n") + "\r\n" + content;
}

Yaml caching() {
    Yaml yaml;
    yaml.policies = "preflights: {default_ttl: 60s}";
    yaml.behaviors =
        "[{path_pattern: '*', origin: api, cache_policy: preflights, cached_methods: [GET, HEAD, OPTIONS]}]";
    return yaml;
}

void count(ScriptedOrigin& origin) {
    origin.otherwise([](OriginExchange& x) {
        const std::string content = x.content();
        x.reply(200, "", x.method() + " " + std::to_string(x.number()));
    });
}

} // namespace

TEST_CASE("a preflight is answered from the cache for whoever asks the same") {
    ScriptedOrigin origin;
    count(origin);
    ProxyUnderTest proxy(origin, caching());
    const std::string from_a = "Origin: https://a.test\r\n";
    const std::string puts = "Access-Control-Request-Method: PUT\r\n";
    const std::string asked[] = {
        "",
        from_a + puts,
        "Origin: https://b.test\r\n" + puts,
        from_a + "Access-Control-Request-Method: DELETE\r\n",
        from_a + puts + "Access-Control-Request-Headers: x-a\r\n",
        from_a + puts + "Access-Control-Request-Headers: x-b\r\n",
    };
    int number = 0;
    for (const std::string& fields : asked) {
        CAPTURE(fields);
        CHECK(proxy.ask(options(fields)).content == "OPTIONS " + std::to_string(++number));
        const Response hit = proxy.ask(options("User-Agent: another\r\n" + fields));
        CHECK(hit.content == "OPTIONS " + std::to_string(number));
        CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    }
    CHECK(proxy.get("/v1").content == "GET 7");
    CHECK(proxy.ask(options("")).content == "OPTIONS 1");
}

TEST_CASE("OPTIONS with content, or with Max-Forwards, goes to the origin each time") {
    ScriptedOrigin origin;
    count(origin);
    ProxyUnderTest proxy(origin, caching());
    const Response with_content = proxy.ask(options("", "x"));
    CHECK(with_content.content == "OPTIONS 1");
    CHECK(with_content.get("Cache-Status") == "gatehouse; fwd=bypass; fwd-status=200; detail=request_body");
    CHECK(proxy.ask(options("", "x")).content == "OPTIONS 2");
    CHECK(proxy.ask(options("Max-Forwards: 3\r\n")).content == "OPTIONS 3");
    CHECK(proxy.ask(options("Max-Forwards: 3\r\n")).content == "OPTIONS 4");
    CHECK(proxy.ask(options("")).content == "OPTIONS 5");
    CHECK(proxy.ask(options("")).content == "OPTIONS 5");
}

TEST_CASE("a purge of the URL reaches a stored preflight, and other behaviors cache none") {
    ScriptedOrigin origin;
    count(origin);
    {
        ProxyUnderTest proxy(origin, caching());
        CHECK(proxy.ask(options("")).content == "OPTIONS 1");
        CHECK(proxy.purge(R"({"url":"http://gate.test/v1"})").status == 200);
        CHECK(proxy.ask(options("")).content == "OPTIONS 2");
    }
    Yaml yaml = caching();
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: preflights}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.ask(options("")).get("Cache-Status") == "gatehouse; fwd=method; fwd-status=200");
    CHECK(proxy.ask(options("")).content == "OPTIONS 4");
}
