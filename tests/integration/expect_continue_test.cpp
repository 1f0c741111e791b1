// Expect: 100-continue: the client's content waits for the origin's word, but not for ever.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {
const std::string kHead =
    "POST /up HTTP/1.1\r\nHost: gate.test\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n";
}

TEST_CASE("the origin's 100 is passed on, then the content flows") {
    ScriptedOrigin origin;
    origin.on("/up", [](OriginExchange& x) {
        x.reach("head");
        x.pass("continue");
        x.send("HTTP/1.1 100 Continue\r\n\r\n");
        x.ok("no-store", "got " + x.content());
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send(kHead);
    origin.await("head");
    proxy.server().advance();
    CHECK(client.is_quiet()); // nothing is said before the origin has said it
    CHECK(origin.heads("/up")[0].find("\r\nExpect: 100-continue\r\n") != std::string::npos);
    origin.open("continue");
    CHECK(client.read_raw(25) == "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("content");
    const Response response = client.read();
    CHECK(response.content == "got content");
    CHECK(response.interim.empty());
    client.get("/up");
    CHECK(client.read().content == "got ");
    CHECK(origin.requests() == 2);
}

TEST_CASE("an origin that ignores the expectation: the client is told to go on after a moment") {
    ScriptedOrigin origin;
    origin.on("/up", [](OriginExchange& x) { x.ok("no-store", "got " + x.content()); });
    Yaml yaml;
    yaml.timeouts = "expect_continue: 2s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(proxy.port());
    client.send(kHead);
    origin.await_requests("/up", 1);
    proxy.advance(1s);
    CHECK(client.is_quiet());
    proxy.advance(1s + 200ms);
    CHECK(client.read_raw(25) == "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("content");
    CHECK(client.read().content == "got content");
    CHECK(origin.requests() == 1);
}

TEST_CASE("an origin that refuses at once: no 100, the answer, and no content at the origin") {
    ScriptedOrigin origin;
    origin.on("/up", [](OriginExchange& x) {
        x.reply(413, "Connection: close\r\n", "too large");
        x.half_close();
        std::string rest;
        for (std::string more = x.receive(); !more.empty(); more = x.receive()) {
            rest += more;
        }
        x.reach(rest.empty() ? "nothing came" : "content came");
        x.close();
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send(kHead);
    const Response response = client.read();
    CHECK(response.status == 413);
    CHECK(response.interim.empty());
    CHECK(response.content == "too large");
    // Whether the content still comes is the client's choice: only a new connection is unambiguous.
    CHECK(response.get("Connection") == "close");
    CHECK(client.ended());
    origin.await("nothing came");
    CHECK(origin.requests() == 1);
}

TEST_CASE("a client that sends its content without waiting is served all the same") {
    ScriptedOrigin origin;
    origin.on("/up", [](OriginExchange& x) {
        x.send("HTTP/1.1 100 Continue\r\n\r\n");
        x.ok("no-store", "got " + x.content());
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send(kHead + "content");
    CHECK(client.read().content == "got content");
}

TEST_CASE("an expectation of an HTTP/1.0 client is ignored") {
    ScriptedOrigin origin;
    origin.on("/up", [](OriginExchange& x) { x.ok("no-store", "got " + x.content()); });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send("POST /up HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\ncontent");
    const Response response = client.read();
    CHECK(response.interim.empty());
    CHECK(response.content == "got content");
    CHECK(origin.heads("/up")[0].find("Expect") == std::string::npos);
}
