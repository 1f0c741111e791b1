// HTTP/1.0 clients: the close ends the content, or keep-alive where they ask for it.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {
void script(ScriptedOrigin& origin) {
    origin.on("/length", [](OriginExchange& x) { x.ok("no-store", "with a length"); });
    origin.on("/chunked", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
               "5\r\nfirst\r\n5\r\n last\r\n0\r\nX-Sum: 1\r\n\r\n");
    });
    origin.on("/early", [](OriginExchange& x) {
        x.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        x.ok("no-store", "after hints");
    });
}
} // namespace

TEST_CASE("without keep-alive the connection ends with the response") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send("GET /length HTTP/1.0\r\n\r\n");
    const Response response = client.read();
    CHECK(response.content == "with a length");
    CHECK(response.ending == Ending::Length);
    CHECK(client.ended());
    REQUIRE(origin.requests() == 1);
    CHECK(origin.heads("/length")[0].starts_with("GET /length HTTP/1.1\r\n"));
    CHECK(origin.heads("/length")[0].find("\r\nVia: 1.0 gatehouse\r\n") != std::string::npos);
}

TEST_CASE("content of unknown length is not chunked and ends with the close") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send("GET /chunked HTTP/1.0\r\nHost: gate.test\r\nConnection: keep-alive\r\n\r\n");
    const Response response = client.read();
    CHECK(response.ending == Ending::Close);
    CHECK(response.content == "first last");
    CHECK_FALSE(response.has("Transfer-Encoding"));
    CHECK(response.get("Connection") == "close");
}

TEST_CASE("keep-alive is granted to a client that asks for it") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    for (int i = 0; i < 3; ++i) {
        client.send("GET /length HTTP/1.0\r\nHost: gate.test\r\nConnection: Keep-Alive\r\n\r\n");
        const Response response = client.read();
        CHECK(response.content == "with a length");
        CHECK(response.get("Connection") == "keep-alive");
    }
    CHECK(client.is_quiet());
}

TEST_CASE("no interim response goes to HTTP/1.0") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send("GET /early HTTP/1.0\r\n\r\n");
    const Response response = client.read();
    CHECK(response.interim.empty());
    CHECK(response.content == "after hints");
}
