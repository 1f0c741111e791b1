// Readers get the first bytes of a response while the origin still holds the last ones.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("the first byte reaches all readers before the last byte left the origin") {
    std::string head;
    SUBCASE("with a length") { head = "Content-Length: 10\r\n\r\nfirst"; }
    SUBCASE("chunked") { head = "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"; }
    SUBCASE("until the close") { head = "\r\nfirst"; }
    ScriptedOrigin origin;
    origin.on("/slow", [&](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n" + head);
        x.pass("last");
        x.send(head.find("chunked") != std::string::npos ? "5\r\n last\r\n0\r\n\r\n" : " last");
        if (head.starts_with("\r\n")) {
            x.close();
        }
    });
    ProxyUnderTest proxy(origin);
    Swarm swarm(proxy.port(), 50, [](std::size_t) { return "GET /slow HTTP/1.1\r\nHost: gate.test\r\n\r\n"; });
    swarm.await_content(50, 5);
    RawClient late(proxy.port()); // joins in the middle, and begins at the beginning
    late.get("/slow");
    CHECK(late.read_content(5).content == "first");
    CHECK(late.is_quiet());
    origin.open("last");
    for (const Response& response : swarm.collect()) {
        CHECK(response.complete);
        CHECK(response.content == "first last");
    }
    CHECK(late.read().content == "first last");
    CHECK(origin.requests() == 1);
    const Response hit = proxy.get("/slow");
    CHECK(hit.content == "first last");
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(hit.get("Content-Length") == "10");
    CHECK(origin.requests() == 1);
}
