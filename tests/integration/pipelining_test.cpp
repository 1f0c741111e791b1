// Requests that come without waiting for answers are answered in order.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("pipelined requests are answered in order, hits and misses mixed") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.content();
        x.reply(200, x.target().starts_with("/hit") ? "Cache-Control: max-age=60\r\n" : "Cache-Control: no-store\r\n",
                x.target() + x.content());
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/hit");
    RawClient client(proxy.port());
    const auto get = [](const std::string& target) { return "GET " + target + " HTTP/1.1\r\nHost: gate.test\r\n\r\n"; };
    client.send(get("/hit") + get("/miss1") +
                "POST /post HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 5\r\n\r\n body" + get("/hit") +
                "POST /chunked HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" +
                get("/hit") + get("/miss2") + get("/hit"));
    for (const char* expected : {"/hit", "/miss1", "/post body", "/hit", "/chunkedabc", "/hit", "/miss2", "/hit"}) {
        CHECK(client.read().content == expected);
    }
    CHECK(client.is_quiet());
    CHECK(origin.requests() == 5);
}

TEST_CASE("a slow answer holds back the answers behind it, and they come when it has come") {
    ScriptedOrigin origin;
    origin.on("/slow", [](OriginExchange& x) {
        x.pass("answer");
        x.ok("no-store", "slow");
    });
    origin.on("/hit", [](OriginExchange& x) { x.ok("max-age=60", "hit"); });
    ProxyUnderTest proxy(origin);
    proxy.get("/hit");
    RawClient client(proxy.port());
    client.get("/hit");
    client.get("/slow");
    client.get("/hit");
    CHECK(client.read().content == "hit");
    origin.await_requests("/slow", 1);
    proxy.server().advance();
    CHECK(client.is_quiet());
    origin.open("answer");
    CHECK(client.read().content == "slow");
    CHECK(client.read().content == "hit");
}

TEST_CASE("a request that arrives byte by byte is one request") {
    ScriptedOrigin origin;
    origin.on("/slow", [](OriginExchange& x) { x.ok("max-age=60", "whole"); });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    const std::string request = "GET /slow HTTP/1.1\r\nHost: gate.test\r\nX-A: b\r\n\r\n";
    for (std::size_t i = 0; i < request.size(); ++i) {
        client.send(request.substr(i, 1));
        proxy.await_received(i + 1);
    }
    CHECK(client.read().content == "whole");
    CHECK(origin.requests() == 1);
}

TEST_CASE("many pipelined hits with a client that reads only at the end") {
    constexpr int kRequests = 200;
    ScriptedOrigin origin;
    const std::string content(20'000, 'x');
    origin.on("/hit", [&](OriginExchange& x) { x.ok("max-age=60", content); });
    ProxyUnderTest proxy(origin);
    proxy.get("/hit");
    RawClient client(proxy.port());
    for (int i = 0; i < kRequests; ++i) {
        client.get("/hit");
    }
    for (int i = 0; i < kRequests; ++i) {
        REQUIRE(client.read().content == content);
    }
    CHECK(origin.requests() == 1);
}

TEST_CASE("Connection: close ends the connection behind its answer, and what follows is not served") {
    ScriptedOrigin origin;
    origin.on("/hit", [](OriginExchange& x) { x.ok("max-age=60", "hit"); });
    ProxyUnderTest proxy(origin);
    proxy.get("/hit");
    RawClient client(proxy.port());
    client.get("/hit", "Connection: close\r\n");
    client.get("/other");
    const Response response = client.read();
    CHECK(response.content == "hit");
    CHECK(response.get("Connection") == "close");
    CHECK(client.ended());
    CHECK(origin.requests() == 1);
}

TEST_CASE("a client that half-closes behind its request gets the answer") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.pass("answer");
        x.ok("max-age=60", "content");
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.get("/a");
    client.half_close();
    origin.await_requests("/a", 1);
    origin.open("answer");
    CHECK(client.read().content == "content");
    CHECK(client.ended());
}

TEST_CASE("a client that takes nothing of a hit holds up nobody who wants what it asked for behind it") {
    constexpr std::size_t kSize = 8'000'000; // more than all socket buffers on the way
    ScriptedOrigin origin;
    origin.on("/large", [](OriginExchange& x) { x.ok("max-age=60", std::string(kSize, 'x')); });
    origin.on("/wanted", [](OriginExchange& x) { x.ok("max-age=60", "content"); });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/large").content.size() == kSize);
    RawClient greedy(proxy.port(), 4096);
    const std::size_t before = proxy.received();
    const std::string both =
        "GET /large HTTP/1.1\r\nHost: gate.test\r\n\r\nGET /wanted HTTP/1.1\r\nHost: gate.test\r\n\r\n";
    greedy.send(both);
    proxy.await_received(before + both.size());
    SUBCASE("while it stays") { CHECK(proxy.get("/wanted").content == "content"); }
    SUBCASE("after it has gone") {
        greedy.reset();
        CHECK(proxy.get("/wanted").content == "content");
    }
    CHECK(origin.requests() == 2);
}
