// An origin that takes too long does not keep clients waiting for what is stored, nor for what another one asked for.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

// Every answer but the first waits until `gate` is opened.
void on_slow(ScriptedOrigin& origin, const char* gate) {
    origin.on("/a", [gate](OriginExchange& x) {
        const int number = x.number();
        if (number > 1) {
            x.pass(gate);
        }
        x.ok("max-age=10", std::to_string(number));
    });
}

Yaml with_policy(const std::string& fields) {
    Yaml yaml;
    yaml.policies = "own: {" + fields + "}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    return yaml;
}

std::string get(std::size_t) { return "GET /a HTTP/1.1\r\nHost: gate.test\r\n\r\n"; }

} // namespace

TEST_CASE("while the origin thinks, those who wait get the stale response, and its answer is stored") {
    ScriptedOrigin origin;
    on_slow(origin, "answer");
    ProxyUnderTest proxy(origin, with_policy("stale_if_slow: 300ms"));
    CHECK(proxy.get("/a").content == "1");
    proxy.advance(12s);
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), 50, get);
    origin.await_requests("/a", 2);
    proxy.await_received(before + swarm.sent());
    proxy.advance(200ms);
    RawClient late(proxy.port());
    late.get("/a");
    proxy.await_received(before + swarm.sent() + 30);
    CHECK(late.is_quiet());
    proxy.advance(300ms);
    for (const Response& response : swarm.collect()) {
        CHECK(response.content == "1");
        CHECK(response.get("Cache-Status").find("fwd=stale") != std::string::npos);
        CHECK(response.get("Cache-Status").find("detail=stale_if_slow") != std::string::npos);
        CHECK(response.get("X-Cache") == "Hit from gatehouse");
    }
    CHECK(proxy.metric("gatehouse_requests_total", "result=\"stale\"") == 50);
    CHECK(origin.requests() == 2);
    origin.open("answer");
    ProxyUnderTest::await([&] { return proxy.get("/a").content == "2"; }, "the answer is stored");
    CHECK(proxy.get("/a").get("Cache-Status").starts_with("gatehouse; hit; ttl=9"));
    CHECK(origin.requests() == 2);
}

TEST_CASE("an origin that answers in time is not slow, and neither is one whose answer nobody stored before") {
    ScriptedOrigin origin;
    on_slow(origin, "answer");
    ProxyUnderTest proxy(origin, with_policy("stale_if_slow: 300ms"));
    proxy.get("/a");
    proxy.advance(12s);
    RawClient client(proxy.port());
    client.get("/a");
    origin.await_requests("/a", 2);
    SUBCASE("in time") {
        origin.open("answer");
        CHECK(client.read().content == "2");
    }
    SUBCASE("for another client that wants nothing stale") {
        const std::size_t before = proxy.received();
        const std::string demanding = "GET /a HTTP/1.1\r\nHost: gate.test\r\nCache-Control: max-age=5\r\n\r\n";
        RawClient other(proxy.port());
        other.send(demanding);
        proxy.await_received(before + demanding.size());
        proxy.advance(500ms);
        CHECK(client.read().content == "1");
        CHECK(other.is_quiet());
        origin.open("answer");
        CHECK(other.read().content != "1");
    }
}

TEST_CASE("a wait that ends looks at what others stored or purged meanwhile") {
    ScriptedOrigin origin;
    on_slow(origin, "answer");
    ProxyUnderTest proxy(origin, with_policy("stale_if_slow: 300ms"));
    proxy.get("/a");
    proxy.advance(12s);
    RawClient client(proxy.port());
    client.get("/a");
    origin.await_requests("/a", 2);
    SUBCASE("purged") {
        CHECK(proxy.purge("{\"url\": \"http://gate.test/a\"}").status == 200);
        proxy.advance(500ms);
        CHECK(client.is_quiet());
        origin.open("answer");
        CHECK(client.read().content == "2");
    }
    SUBCASE("fetched by somebody who wanted it newer") {
        RawClient demanding(proxy.port());
        demanding.send("GET /a HTTP/1.1\r\nHost: gate.test\r\nCache-Control: no-cache\r\n\r\n");
        origin.await_requests("/a", 3);
        origin.open("answer"); // both are answered; whichever comes first, nobody gets the first one again
        CHECK(demanding.read().content != "1");
        CHECK(client.read().content != "1");
    }
}

TEST_CASE("those who have waited for max_wait ask again, together, and its answer is stored") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        const int number = x.number();
        x.pass(number == 1 ? "first" : "second");
        x.ok("max-age=60", std::to_string(number));
    });
    ProxyUnderTest proxy(origin, with_policy("collapse: {max_wait: 2s}"));
    RawClient first(proxy.port());
    first.get("/a");
    origin.await_requests("/a", 1);
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), 20, get);
    proxy.await_received(before + swarm.sent());
    proxy.advance(1800ms);
    CHECK(origin.requests() == 1);
    proxy.advance(300ms);
    origin.await_requests("/a", 2);
    RawClient late(proxy.port());
    late.get("/a");
    proxy.advance(10s); // they wait for as long as it takes now
    CHECK(origin.requests() <= 3);
    origin.open("second");
    std::size_t leaders = 0;
    for (const Response& response : swarm.collect()) {
        CHECK(response.content == "2");
        leaders += response.get("Cache-Status").find("detail=waited_too_long") != std::string::npos ? 1 : 0;
    }
    CHECK(leaders >= 1);
    CHECK(proxy.get("/a").content >= "2");
    origin.open("first");
    CHECK(first.read().content == "1");
    CHECK(proxy.get("/a").content >= "2"); // the answer to the later request stays
}

TEST_CASE("what is asked for near its end is fetched again before it comes") {
    ScriptedOrigin origin;
    on_slow(origin, "again");
    // A hundred times as eager as recommended: the first request within 3.6 s of the end is all but certain to do it
    // when the origin takes 100 ms, and this one takes as long as the clock is moved meanwhile.
    ProxyUnderTest proxy(origin, with_policy("refresh_ahead: 100"));
    RawClient first(proxy.port());
    first.get("/a");
    CHECK(first.read().content == "1");
    proxy.advance(9990ms);
    ProxyUnderTest::await(
        [&] {
            const Response hit = proxy.get("/a");
            CHECK(hit.content == "1");
            CHECK(hit.get("Cache-Status").find("gatehouse; hit; ttl=0") == 0);
            return origin.requests() == 2;
        },
        "it is fetched again");
    origin.open("again");
    ProxyUnderTest::await([&] { return proxy.get("/a").content == "2"; }, "the answer is stored");
    CHECK(origin.requests() == 2);
}

TEST_CASE("a client that has to go on waiting is sent each interim response once") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() > 1) {
            x.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
            x.pass("answer");
        }
        x.ok("max-age=10, stale-if-error=12", std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin, with_policy("stale_if_slow: 3s"));
    proxy.get("/a");
    proxy.advance(20s);
    RawClient client(proxy.port());
    client.get("/a");
    origin.await_requests("/a", 2);
    proxy.advance(4s); // by now what is stored is too old
    origin.open("answer");
    const Response response = client.read();
    CHECK(response.content == "2");
    CHECK(response.interim.size() == 1);
}
