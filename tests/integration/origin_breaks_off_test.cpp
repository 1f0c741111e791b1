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
        x.close();
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send("GET /a HTTP/1.0\r\n\r\n");
    const Response response = client.read_what_comes();
    CHECK(response.get("Content-Length") == "100");
    CHECK_FALSE(response.complete);
    CHECK(proxy.server().store_stats().objects == 0);
}
