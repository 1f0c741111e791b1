// POST /purge on the admin listener kills what is stored, by URL, by prefix and by group.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {
void script(ScriptedOrigin& origin) {
    origin.otherwise([](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", std::to_string(x.number()));
    });
}
} // namespace

TEST_CASE("a purge by URL kills all variants of that URL and nothing else") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    proxy.get("/a?x=1", "Accept-Language: de\r\n");
    proxy.get("/a?x=1", "Accept-Language: fr\r\n");
    proxy.get("/a?x=2");
    proxy.get("/a");
    CHECK(proxy.server().store_stats().objects == 4);
    const Response purged = proxy.purge(R"({"url":"http://gate.test/a?x=1"})");
    CHECK(purged.status == 200);
    CHECK(purged.content.starts_with("{\"purged\":2,\"sequence\":"));
    CHECK(proxy.server().store_stats().objects == 2);
    const Response de = proxy.get("/a?x=1", "Accept-Language: de\r\n");
    CHECK(de.content == "3");
    CHECK(de.get("X-Cache") == "Miss from gatehouse");
    CHECK(proxy.get("/a?x=1", "Accept-Language: fr\r\n").content == "4");
    CHECK(proxy.get("/a?x=2").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.get("/a").get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 6);
}

TEST_CASE("a purge by URL is for its host; a path alone means every host") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    const std::string other = "GET /a HTTP/1.1\r\nHost: other.test\r\n\r\n";
    proxy.get("/a");
    proxy.ask(other);
    proxy.purge(R"({"url":"http://other.test/a"})");
    CHECK(proxy.get("/a").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.ask(other).get("X-Cache") == "Miss from gatehouse");
    CHECK(proxy.purge(R"({"path":"/a"})").content.starts_with("{\"purged\":2,\"sequence\":"));
    CHECK(proxy.get("/a").get("X-Cache") == "Miss from gatehouse");
    CHECK(proxy.ask(other).get("X-Cache") == "Miss from gatehouse");
    CHECK(origin.requests() == 5);
}

TEST_CASE("a purge by prefix kills what begins so, whatever its query") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    for (const char* target : {"/v1/items", "/v1/items/7", "/v1/items?page=2", "/v1/it", "/v2/items"}) {
        proxy.get(target);
    }
    CHECK(proxy.purge(R"({"path":"/v1/items*"})").content.starts_with("{\"purged\":3,\"sequence\":"));
    CHECK(proxy.get("/v1/items").get("X-Cache") == "Miss from gatehouse");
    CHECK(proxy.get("/v1/items/7").get("X-Cache") == "Miss from gatehouse");
    CHECK(proxy.get("/v1/items?page=2").get("X-Cache") == "Miss from gatehouse");
    CHECK(proxy.get("/v1/it").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.get("/v2/items").get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 8);
    CHECK(proxy.metric("gatehouse_purges_total") == 1);
}

TEST_CASE("a purge of a group kills what belongs to it, of one host or of every one") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nCache-Groups: \"results\"\r\n", std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin);
    const auto content = [&](const std::string& host) {
        return proxy.ask("GET /a HTTP/1.1\r\nHost: " + host + "\r\n\r\n").content;
    };
    CHECK(content("one.test") == "1");
    CHECK(content("two.test") == "2");
    CHECK(proxy.purge(R"({"group":"other"})").content.starts_with("{\"purged\":0,"));
    CHECK(content("one.test") == "1");
    CHECK(proxy.purge(R"({"group":"results","host":"one.test"})").content.starts_with("{\"purged\":1,"));
    CHECK(content("one.test") == "3");
    CHECK(content("two.test") == "2");
    CHECK(proxy.purge(R"({"group":"results"})").content.starts_with("{\"purged\":2,"));
    CHECK(content("one.test") == "4");
    CHECK(content("two.test") == "5");
}
