// A response that became stale a moment ago is served at once and revalidated once, behind the client's back.
#include "tests/support/gatehouse_process.h"
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

#include <sched.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

// This program, and what it starts meanwhile, on the first processor alone.
class OneProcessor {
public:
    OneProcessor() {
        REQUIRE(::sched_getaffinity(0, sizeof before_, &before_) == 0);
        cpu_set_t first;
        CPU_ZERO(&first);
        CPU_SET(0, &first);
        REQUIRE(::sched_setaffinity(0, sizeof first, &first) == 0);
    }
    ~OneProcessor() { ::sched_setaffinity(0, sizeof before_, &before_); }
    OneProcessor(const OneProcessor&) = delete;
    OneProcessor& operator=(const OneProcessor&) = delete;

private:
    cpu_set_t before_{};
};

} // namespace

TEST_CASE("stale-while-revalidate serves at once and revalidates once") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() > 1) {
            x.pass("revalidated");
        }
        x.reply(200, "Cache-Control: max-age=100, stale-while-revalidate=20\r\nETag: \"v" + std::to_string(x.number()) +
                         "\"\r\n",
                std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/a").content == "1");
    proxy.advance(102s);
    // The origin holds its answer back, so all of these are answered without it.
    Swarm swarm(proxy.port(), 20, [](std::size_t) { return "GET /a HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
    origin.await_requests("/a", 2);
    SUBCASE("the answer replaces the stored response") {
        origin.open("revalidated");
        ProxyUnderTest::await([&] { return proxy.get("/a").content == "2"; }, "the new response is stored");
        const Response fresh = proxy.get("/a");
        CHECK(fresh.get("Cache-Status") == "gatehouse; hit; ttl=100");
        CHECK(origin.requests() == 2);
    }
    SUBCASE("behind the window the client waits") {
        proxy.advance(19s);
        const std::size_t before = proxy.received();
        RawClient waiting(proxy.port());
        waiting.get("/a");
        proxy.await_received(before + 1);
        CHECK(waiting.is_quiet());
        origin.open("revalidated");
        CHECK(waiting.read().content == "2");
        CHECK(origin.requests() == 2);
    }
    REQUIRE(origin.requests() == 2);
    FieldLines asked;
    parse_head(origin.heads("/a")[1], asked);
    CHECK(asked.get("If-None-Match") == "\"v1\"");
}

// With one processor for both the origin often answers before the proxy has looked for its answer.
TEST_CASE("what the origin answers in the background does not get among the requests that came together") {
    const OneProcessor one;
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=0, stale-while-revalidate=3600", "a"); });
    origin.on("/b", [](OriginExchange& x) { x.ok("max-age=3600", "b"); });
    GatehouseProcess proxy(Yaml().text(origin.port()));
    RawClient client(proxy.port());
    for (int i = 0; i < 300; ++i) {
        CAPTURE(i);
        client.send("GET /a HTTP/1.1\r\nHost: gate.test\r\n\r\nGET /b HTTP/1.1\r\nHost: gate.test\r\n\r\n");
        REQUIRE(client.read().content == "a");
        REQUIRE(client.read().content == "b");
    }
    CHECK(origin.requests("/a") > 1);
    CHECK(origin.requests("/b") == 1);
}

TEST_CASE("readers of a stale response are all served while the origin says nothing") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() > 1) {
            x.pass("never before the end");
        }
        x.ok("max-age=10, stale-while-revalidate=30", "first");
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/a");
    proxy.advance(12s);
    Swarm swarm(proxy.port(), 50, [](std::size_t) { return "GET /a HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
    // These clients keep their connections; what they got is whole.
    swarm.await_content(50, 5);
    for (const Response& response : swarm.collect()) {
        CHECK(response.content == "first");
        CHECK(response.get("Cache-Status") == "gatehouse; hit; ttl=-2; detail=stale_while_revalidate");
    }
    origin.await_requests("/a", 2);
    CHECK(origin.requests() == 2);
    origin.open("never before the end");
}

TEST_CASE("a revalidation that fails leaves the stale response where it was") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 2) {
            x.reply(503, "", "overloaded");
            return;
        }
        x.ok("max-age=10, stale-while-revalidate=30", std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/a");
    proxy.advance(12s);
    CHECK(proxy.get("/a").content == "1");
    origin.await_requests("/a", 2);
    ProxyUnderTest::await([&] { return proxy.server().cache().fetches_in_flight() == 0; }, "the fetch ends");
    CHECK(proxy.get("/a").content == "1");
    ProxyUnderTest::await([&] { return proxy.get("/a").content != "1"; }, "the next revalidation succeeds");
}
