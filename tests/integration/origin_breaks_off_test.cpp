// An origin that fails within the content: every reader is cut, and nothing is stored.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("a response that breaks off is cut for all readers and never stored") {
    struct Row {
        const char* name;
        const char* start; // head and the first content
        void (*end)(OriginExchange&);
    };
    const Row rows[] = {
        {"Content-Length, closed early", "Content-Length: 100\r\n\r\npart", [](OriginExchange& x) { x.close(); }},
        {"Content-Length, reset", "Content-Length: 100\r\n\r\npart", [](OriginExchange& x) { x.reset(); }},
        {"chunked without its last chunk", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
         [](OriginExchange& x) { x.close(); }},
        {"chunked, ends within a chunk", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n5\r\nab",
         [](OriginExchange& x) { x.close(); }},
        {"chunked without the end of its trailers", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n",
         [](OriginExchange& x) { x.close(); }},
        {"chunked, reset", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", [](OriginExchange& x) { x.reset(); }},
        {"a chunk size that is none", "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
         [](OriginExchange& x) { x.send("zz\r\n"); }},
        {"until the close, but reset", "\r\npart", [](OriginExchange& x) { x.reset(); }},
    };
    constexpr std::size_t kClients = 20;
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        ScriptedOrigin origin;
        origin.on("/a", [&row](OriginExchange& x) {
            if (x.number() > 1) {
                x.ok("max-age=60", "whole");
                return;
            }
            x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n" + std::string(row.start));
            x.pass("break");
            row.end(x);
        });
        ProxyUnderTest proxy(origin);
        Swarm swarm(proxy.port(), kClients, [](std::size_t) { return "GET /a HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
        swarm.await_content(kClients, 4);
        origin.open("break");
        for (const Response& response : swarm.collect()) {
            CHECK(response.status == 200);
            CHECK_FALSE(response.complete);
            CHECK(response.content.starts_with("part"));
        }
        CHECK(origin.requests() == 1);
        CHECK(proxy.server().store_stats().objects == 0);
        const Response next = proxy.get("/a");
        CHECK(next.content == "whole");
        CHECK(next.get("X-Cache") == "Miss from gatehouse");
        CHECK(origin.requests() == 2);
        CHECK(origin.connections() == 2); // the broken one was not used again
    }
}

TEST_CASE("an HTTP/1.0 client sees that the response broke off as well as it can: no length promises an end") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n\r\npart");
        x.pass("break");
        x.close();
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send("GET /a HTTP/1.0\r\n\r\n");
    client.read_content(4);
    origin.open("break");
    const Response response = client.read_what_comes();
    CHECK(response.get("Content-Length") == "100");
    CHECK_FALSE(response.complete);
    CHECK(proxy.server().store_stats().objects == 0);
}

TEST_CASE("a response that breaks off before anybody was told anything is answered with 502, or stale") {
    constexpr std::size_t kClients = 50;
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        if (x.target() == "/stale" && x.number() == 1) {
            x.ok("max-age=10, stale-if-error=60", "stale");
            return;
        }
        x.pass(x.target());
        // Head and fault come in one piece.
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz\r\n");
        x.await_close();
    });
    Yaml yaml;
    yaml.workers = "1"; // on another core a client might be told of the head before the fault is read
    ProxyUnderTest proxy(origin, yaml);
    REQUIRE(proxy.get("/stale").content == "stale");
    proxy.advance(std::chrono::seconds(11));
    for (const std::string target : {"/cold", "/stale"}) {
        CAPTURE(target);
        const int before = origin.requests();
        const std::size_t received = proxy.received();
        Swarm swarm(proxy.port(), kClients,
                    [&](std::size_t) { return "GET " + target + " HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
        proxy.await_received(received + swarm.sent());
        origin.open(target);
        for (const Response& response : swarm.collect()) {
            REQUIRE(response.complete);
            if (target == "/stale") {
                CHECK(response.content == "stale");
                CHECK(response.get("Cache-Status").ends_with("detail=stale_if_error"));
            } else {
                CHECK(response.status == 502);
                CHECK(response.get("Proxy-Status").starts_with("gatehouse; error=http_protocol_error"));
            }
        }
        CHECK(origin.requests() == before + 1);
    }
}

TEST_CASE("a change whose answer breaks off before its client was told has changed what is stored all the same") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.method() == "GET") {
            x.ok("max-age=60", std::to_string(x.number()));
        } else {
            x.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
            x.await_close();
        }
    });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/a").content == "1");
    CHECK(proxy.ask("DELETE /a HTTP/1.1\r\nHost: gate.test\r\n\r\n").status == 502);
    CHECK(proxy.get("/a").content == "3");
    CHECK(origin.requests() == 3); // and the change was sent once
}
