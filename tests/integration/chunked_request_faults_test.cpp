// Chunked request content that is malformed: 400, the connection ends, and the origin gets no whole request.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("malformed chunks never make a whole request for the origin") {
    struct Row {
        const char* name;
        std::string content;
    };
    const Row rows[] = {
        {"a size that is no number", "xyz\r\nabc\r\n0\r\n\r\n"},
        {"no size", "\r\nabc\r\n0\r\n\r\n"},
        {"a negative size", "-3\r\nabc\r\n0\r\n\r\n"},
        {"a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"},
        {"a size that overflows", "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"},
        {"bare LF after the size", "3\nabc\r\n0\r\n\r\n"},
        {"a chunk longer than its size", "3\r\nabcd\r\n0\r\n\r\n"},
        {"a chunk shorter than its size", "4\r\nabc\r\n0\r\n\r\n"},
        {"bare LF after the chunk", "3\r\nabc\n0\r\n\r\n"},
        {"a trailer that is no field", "3\r\nabc\r\n0\r\nno colon\r\n\r\n"},
        {"a folded trailer", "3\r\nabc\r\n0\r\nX-A: b\r\n c\r\n\r\n"},
        {"bare LF at the end", "3\r\nabc\r\n0\r\n\n"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        ScriptedOrigin origin;
        origin.on("/a", [](OriginExchange& x) {
            x.content();
            if (x.whole()) {
                x.reach("whole");
                x.ok("no-store", "must not happen");
            }
        });
        ProxyUnderTest proxy(origin);
        RawClient client(proxy.port());
        client.send("POST /a HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n" + row.content +
                    "GET /smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\n");
        const Response response = client.read();
        CHECK(response.status == 400);
        CHECK(response.get("Connection") == "close");
        CHECK(client.ended());
        CHECK(origin.requests("/smuggled") == 0);
        origin.await_connections_at_most(0);
        CHECK(origin.requests() <= 1);
    }
}

TEST_CASE("a client that leaves within its content leaves no whole request behind") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        x.content();
        x.reach(x.whole() ? "whole" : "broken");
    });
    ProxyUnderTest proxy(origin);
    std::string request;
    SUBCASE("with a length") { request = "Content-Length: 10\r\n\r\nhalf"; }
    SUBCASE("chunked") { request = "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"; }
    RawClient client(proxy.port());
    client.send("POST /a HTTP/1.1\r\nHost: gate.test\r\n" + request);
    origin.await_requests("/a", 1);
    client.close();
    origin.await("broken");
    CHECK(origin.requests() == 1);
}
