// A purge wins over a fetch in flight: its answer is not stored, and nobody who asks after the purge gets it.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("a purge between the origin's request and its response") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.pass("old answer");
        }
        x.ok("max-age=60", x.number() == 1 ? "old" : "new");
    });
    ProxyUnderTest proxy(origin);
    RawClient before(proxy.port());
    before.get("/a");
    origin.await_requests("/a", 1);
    SUBCASE("by URL") { proxy.purge(R"({"url":"http://gate.test/a"})"); }
    SUBCASE("by prefix") { proxy.purge(R"({"path":"/*"})"); }

    // Who asks after the purge waits for nothing that was asked before it.
    const Response after = proxy.get("/a");
    CHECK(after.content == "new");
    CHECK(origin.requests() == 2);

    origin.open("old answer");
    const Response old = before.read();
    CHECK(old.content == "old");
    CHECK_FALSE(old.get("Cache-Status").find("stored") != std::string::npos);
    // What was stored meanwhile stays, and the older answer has not replaced it.
    const Response hit = proxy.get("/a");
    CHECK(hit.content == "new");
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 2);
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("a purge between the head and the end of a response") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nold");
            x.pass("rest");
            x.send("old");
        } else {
            x.ok("max-age=60", "new");
        }
    });
    ProxyUnderTest proxy(origin);
    RawClient before(proxy.port());
    before.get("/a");
    REQUIRE(before.read_content(3).content == "old");
    proxy.purge(R"({"path":"/a"})");
    CHECK(proxy.get("/a").content == "new");
    origin.open("rest");
    CHECK(before.read().content == "oldold");
    proxy.await_metric("gatehouse_not_stored_total", 1, "purged_meanwhile");
    CHECK(proxy.get("/a").content == "new");
    CHECK(origin.requests() == 2);
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("an unsafe request invalidates a fetch in flight as a purge does") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.method() == "DELETE") {
            x.reply(204, "", "");
            return;
        }
        if (x.number() == 1) {
            x.pass("old answer");
        }
        x.ok("max-age=60", x.number() == 1 ? "old" : "new");
    });
    ProxyUnderTest proxy(origin);
    RawClient before(proxy.port());
    before.get("/a");
    origin.await_requests("/a", 1);
    CHECK(proxy.ask("DELETE /a HTTP/1.1\r\nHost: gate.test\r\n\r\n").status == 204);
    origin.open("old answer");
    CHECK(before.read().content == "old");
    CHECK(proxy.get("/a").content == "new");
    CHECK(origin.requests() == 3);
}

TEST_CASE("a purge while a stale response is validated is not undone by the 304") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 2) {
            x.pass("304");
            x.reply(304, "ETag: \"v1\"\r\nCache-Control: max-age=60\r\n", "");
        } else {
            x.reply(200, "ETag: \"v1\"\r\nCache-Control: max-age=10\r\n", std::to_string(x.number()));
        }
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/a");
    proxy.advance(std::chrono::seconds(11));
    RawClient validating(proxy.port());
    validating.get("/a");
    origin.await_requests("/a", 2);
    proxy.purge(R"({"path":"/a"})");
    origin.open("304");
    // The 304 confirms what is dead: it is asked for again, and that answer is newer than the purge.
    CHECK(validating.read().content == "3");
    CHECK(proxy.get("/a").content == "3");
    CHECK(origin.requests() == 3);
}
