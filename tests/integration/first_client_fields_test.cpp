// What is meant for the client that caused an answer reaches it, also when the rest is stored for everybody.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("fields that private=\"...\" names go to the client that asked, not to those who waited or come later") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        const std::string fields =
            "Cache-Control: max-age=10, private=\"Set-Cookie\"\r\nETag: \"v\"\r\nSet-Cookie: n=" +
            std::to_string(x.number()) + "\r\n";
        x.pass("answer " + std::to_string(x.number()));
        if (x.number() == 1) {
            x.reply(200, fields, "content");
        } else {
            x.reply(304, fields, "");
        }
    });
    ProxyUnderTest proxy(origin);
    for (const char* number : {"1", "2"}) {
        CAPTURE(std::string(number));
        const std::size_t before = proxy.received();
        RawClient first(proxy.port());
        first.get("/a");
        origin.await_requests("/a", *number - '0');
        RawClient waiting(proxy.port());
        waiting.get("/a");
        proxy.await_received(before + 2 * std::string("GET /a HTTP/1.1\r\nHost: gate.test\r\n\r\n").size());
        origin.open(std::string("answer ") + number);
        const Response mine = first.read();
        CHECK(mine.get("Set-Cookie") == std::string("n=") + number);
        CHECK(mine.content == "content");
        const Response other = waiting.read();
        CHECK_FALSE(other.fields.has("Set-Cookie"));
        CHECK(other.content == "content");
        CHECK_FALSE(proxy.get("/a").fields.has("Set-Cookie"));
        proxy.advance(11s);
    }
    CHECK(origin.requests() == 2);
}

TEST_CASE("a client that went alone is told that its answer is stored, and how old it is") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.ok("no-store", "not yet");
        } else {
            x.reply(200, "Cache-Control: max-age=60\r\nAge: 7\r\n", "content");
        }
    });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/a").content == "not yet");
    const Response alone = proxy.get("/a");
    CHECK(alone.get("Age") == "7");
    CHECK(alone.get("Cache-Status") ==
          "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=53; detail=known_uncacheable");
    CHECK(proxy.get("/a").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.metric("gatehouse_stored_total") == 1);
}
