// No-Vary-Search: one stored response for all queries that an origin calls equal.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

// Says which target it was asked for, and how many requests there were.
void tell_target(ScriptedOrigin& origin, const std::string& rule) {
    const auto requests = std::make_shared<std::atomic<int>>(0);
    origin.otherwise([rule, requests](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nNo-Vary-Search: " + rule + "\r\n",
                x.target() + " " + std::to_string(requests->fetch_add(1) + 1));
    });
}

} // namespace

TEST_CASE("a second tracking URL is a hit, another q is not, and the origin gets the query as it was sent") {
    ScriptedOrigin origin;
    tell_target(origin, "params=(\"utm_source\" \"gclid\")");
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/a?q=1&utm_source=mail").content == "/a?q=1&utm_source=mail 1");
    const Response second = proxy.get("/a?q=1&utm_source=web&gclid=7");
    CHECK(second.content == "/a?q=1&utm_source=mail 1");
    CHECK(second.get("Cache-Status") == "gatehouse; hit; ttl=60");
    CHECK(second.get("No-Vary-Search") == "params=(\"utm_source\" \"gclid\")");
    CHECK(proxy.get("/a?q=1").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.head("/a?q=1&gclid=8").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.get("/a?q=2&utm_source=mail").content == "/a?q=2&utm_source=mail 2");
    CHECK(proxy.get("/b?q=1&utm_source=mail").content == "/b?q=1&utm_source=mail 3");
    CHECK(origin.requests() == 3);
}

TEST_CASE("a purge of any tracking URL kills what is stored for all of them") {
    ScriptedOrigin origin;
    tell_target(origin, "params=(\"utm\")");
    ProxyUnderTest proxy(origin);
    proxy.get("/a?q=1&utm=x");
    proxy.get("/a?q=2&utm=x");
    CHECK(proxy.purge(R"({"path": "/a?utm=never-seen&q=1"})").content.find("\"purged\":1,") != std::string::npos);
    CHECK(proxy.get("/a?q=1&utm=y").content == "/a?q=1&utm=y 3");
    CHECK(proxy.get("/a?q=2&utm=y").content == "/a?q=2&utm=x 2");
    CHECK(proxy.purge(R"({"path": "/a*"})").content.find("\"purged\":2,") != std::string::npos);
    CHECK(proxy.get("/a?q=2").content == "/a?q=2 4");
}

TEST_CASE("a successful POST to a tracking URL invalidates what is stored for all of them") {
    ScriptedOrigin origin;
    tell_target(origin, "params=(\"utm\")");
    ProxyUnderTest proxy(origin);
    const auto ask = [&proxy](const std::string& method, const std::string& target) {
        return proxy.ask(method + " " + target + " HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n").content;
    };
    ask("GET", "/a?q=1&utm=x");
    ask("GET", "/a?q=2&utm=x");
    ask("POST", "/a?q=1&utm=z");
    CHECK(ask("GET", "/a?q=2&utm=y") == "/a?q=2&utm=x 2");
    CHECK(ask("GET", "/a?q=1&utm=y") == "/a?q=1&utm=y 4");
    CHECK(origin.requests() == 4);
}

TEST_CASE("a resource that changes its rule is stored by the new one, and one that drops it query by query") {
    ScriptedOrigin origin;
    std::string rule = "params=(\"utm\")";
    origin.otherwise([&rule](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\n" + (rule.empty() ? "" : "No-Vary-Search: " + rule + "\r\n"),
                x.target());
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/a?q=1&utm=x");
    CHECK(proxy.get("/a?q=1").content == "/a?q=1&utm=x");
    rule = "except=(\"q\")";
    CHECK(proxy.get("/a?q=2&x=1").content == "/a?q=2&x=1");
    CHECK(proxy.get("/a?q=2&y=1&utm=z").content == "/a?q=2&x=1");
    CHECK(proxy.get("/a?q=1").content == "/a?q=1"); // what the old rule stored is not asked any more
    rule.clear();
    CHECK(proxy.get("/a?q=3&utm=x").content == "/a?q=3&utm=x");
    CHECK(proxy.get("/a?q=3&utm=y").content == "/a?q=3&utm=y");
    CHECK(proxy.get("/a?q=3&utm=y").get("X-Cache") == "Hit from gatehouse");
}

TEST_CASE("the rule is applied to what is keyed of the query") {
    ScriptedOrigin origin;
    tell_target(origin, "params=(\"utm\"), key-order");
    Yaml yaml;
    yaml.policies = "own: {key: {query_strings: {allow: [q, p, utm]}}}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/a?q=1&p=2&utm=3&x=4").content == "/a?q=1&p=2&utm=3 1");
    CHECK(proxy.get("/a?x=9&p=2&q=1").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.get("/a?p=1&q=2").get("X-Cache") == "Miss from gatehouse");
    CHECK(proxy.purge(R"({"path": "/a?p=2&z=0&q=1"})").content.find("\"purged\":1,") != std::string::npos);
    CHECK(proxy.get("/a?q=1&p=2").get("X-Cache") == "Miss from gatehouse");
}

TEST_CASE("a policy may ignore it, those with CloudFront's names do, and slices know nothing of it") {
    struct Row {
        const char* name;
        const char* policies;
        const char* policy;
    };
    const Row rows[] = {{"ignored", "own: {no_vary_search: ignore}", "own"},
                        {"slices", "own: {range: {slice: 1KiB}}", "own"},
                        {"CloudFront", "", "UseOriginCacheControlHeaders-QueryStrings"}};
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            ScriptedOrigin origin;
            tell_target(origin, "except=()");
            Yaml yaml;
            yaml.policies = row.policies;
            yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: " + std::string(row.policy) + "}]";
            ProxyUnderTest proxy(origin, yaml);
            CHECK(proxy.get("/a?q=1").content.starts_with("/a?q=1 "));
            CHECK(proxy.get("/a?q=2").content.starts_with("/a?q=2 "));
        }
    }
}

TEST_CASE("a malformed field makes nothing equal") {
    ScriptedOrigin origin;
    tell_target(origin, "params=(utm)");
    ProxyUnderTest proxy(origin);
    proxy.get("/a?utm=1");
    CHECK(proxy.get("/a?utm=2").content == "/a?utm=2 2");
    CHECK(proxy.get("/a?utm=1").content == "/a?utm=1 1");
}
