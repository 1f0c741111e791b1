// Chunked content and trailer fields pass in both directions, framed anew.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <cstdio>

using namespace gatehouse::testing;

TEST_CASE("a chunked request arrives whole, with its trailers") {
    ScriptedOrigin origin;
    origin.on("/up", [](OriginExchange& x) {
        const std::string content = x.content();
        x.ok("no-store", content + "|" + x.trailers().get("X-Checksum") + "|" + x.get("Transfer-Encoding") + "|" +
                             x.get("Content-Length"));
        x.reach(x.trailers().has("Content-Length") || x.trailers().has("Host") ? "smuggled" : "clean");
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send("POST /up HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n"
                "3\r\nabc\r\n");
    origin.await_requests("/up", 1); // streamed: the origin has the head before the content is complete
    client.send("A;ext=1\r\n0123456789\r\n0\r\nX-Checksum: 7\r\nContent-Length: 5\r\nHost: other.test\r\n\r\n");
    CHECK(client.read().content == "abc0123456789|7|chunked|");
    origin.await("clean");
    CHECK(origin.requests() == 1);
}

TEST_CASE("trailers of a response are passed on, and never become fields") {
    ScriptedOrigin origin;
    origin.on("/down", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
               "5\r\nhello\r\n0\r\nX-Checksum: 7\r\nSet-Cookie: a=b\r\nCache-Control: max-age=60\r\n\r\n");
    });
    ProxyUnderTest proxy(origin);
    const Response response = proxy.get("/down", "TE: trailers\r\n");
    CHECK(response.content == "hello");
    CHECK(response.ending == Ending::Chunked);
    CHECK(response.trailers.get("X-Checksum") == "7");
    CHECK_FALSE(response.trailers.has("Set-Cookie"));
    CHECK_FALSE(response.trailers.has("Cache-Control"));
    CHECK_FALSE(response.has("X-Checksum"));
    CHECK_FALSE(response.has("Set-Cookie"));
    REQUIRE(origin.requests() == 1);
    CHECK(origin.heads("/down")[0].find("\r\nTE: trailers\r\n") != std::string::npos);
}

TEST_CASE("a chunked response that is stored is served with a length") {
    ScriptedOrigin origin;
    origin.on("/down", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
               "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Checksum: 7\r\n\r\n");
    });
    ProxyUnderTest proxy(origin);
    const Response first = proxy.get("/down");
    CHECK(first.content == "hello world");
    ProxyUnderTest::await([&] { return proxy.server().store_stats().objects == 1; }, "the response is stored");
    const Response hit = proxy.get("/down");
    CHECK(hit.get("Content-Length") == "11");
    CHECK(hit.content == "hello world");
    CHECK_FALSE(hit.has("X-Checksum"));
    CHECK(origin.requests() == 1);
}

TEST_CASE("an empty chunked response") {
    ScriptedOrigin origin;
    origin.on("/empty", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.get("/empty");
    client.get("/empty");
    CHECK(client.read().content.empty());
    const Response second = client.read();
    CHECK(second.content.empty());
    CHECK(second.get("X-Cache") == "Hit from gatehouse");
    CHECK(second.get("Content-Length") == "0");
    CHECK(origin.requests() == 1);
}

TEST_CASE("large content passes whole in both directions at once") {
    std::string content;
    for (int i = 0; content.size() < 3'000'000; ++i) {
        content += std::to_string(i) + ";";
    }
    ScriptedOrigin origin;
    origin.on("/echo", [](OriginExchange& x) { x.ok("no-store", x.content()); });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    SUBCASE("with a length") {
        client.send("PUT /echo HTTP/1.1\r\nHost: gate.test\r\nContent-Length: " + std::to_string(content.size()) +
                    "\r\n\r\n" + content);
    }
    SUBCASE("chunked") {
        client.send("PUT /echo HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (std::size_t at = 0; at < content.size(); at += 250'000) {
            const std::string chunk = content.substr(at, 250'000);
            char size[16];
            std::snprintf(size, sizeof size, "%zx\r\n", chunk.size());
            client.send(size + chunk + "\r\n");
        }
        client.send("0\r\n\r\n");
    }
    const Response response = client.read();
    CHECK(response.status == 200);
    CHECK(response.content == content);
    CHECK(origin.requests() == 1);
}
