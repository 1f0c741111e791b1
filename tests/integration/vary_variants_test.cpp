// Vary: responses of one URL are told apart by the fields it names.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("each language has its own stored response") {
    ScriptedOrigin origin;
    origin.on("/text", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", "in " + x.get("Accept-Language"));
    });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/text", "Accept-Language: de\r\n").content == "in de");
    const Response other = proxy.get("/text", "Accept-Language: fr\r\n");
    CHECK(other.content == "in fr");
    CHECK(other.get("Cache-Status") == "gatehouse; fwd=vary-miss; fwd-status=200; stored; ttl=60");
    const Response again = proxy.get("/text", "Accept-Language: de\r\n");
    CHECK(again.content == "in de");
    CHECK(again.get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.get("/text", "Accept-Language: fr\r\n").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.get("/text").content == "in ");
    CHECK(origin.requests() == 3);
    CHECK(proxy.server().store_stats().objects == 3);
}

TEST_CASE("Vary: * is never used for another request") {
    ScriptedOrigin origin;
    origin.on("/one", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nVary: *\r\n", std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/one").content == "1");
    CHECK(proxy.get("/one").content == "2");
    CHECK(origin.requests() == 2);
    CHECK(proxy.metric("gatehouse_not_stored_total", "vary_star") == 2);
}

TEST_CASE("a field that Connection names is gone before the variant is chosen, so it poisons nobody's") {
    ScriptedOrigin origin;
    origin.on("/text", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", "in " + x.get("Accept-Language"));
    });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/text", "Accept-Language: de\r\nConnection: Accept-Language\r\n").content == "in ");
    CHECK(proxy.get("/text", "Accept-Language: de\r\n").content == "in de");
    CHECK(proxy.get("/text").content == "in ");
    CHECK(origin.requests() == 2);
}
