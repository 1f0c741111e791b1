// Upgrade: after a 101 bytes flow both ways; without one nothing is tunnelled.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {
const std::string kUpgrade = "GET /socket HTTP/1.1\r\nHost: gate.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
const std::string kSwitch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

void echo(OriginExchange& x) {
    for (std::string bytes = x.receive(); !bytes.empty(); bytes = x.receive()) {
        x.send(bytes);
    }
    x.send("bye");
    x.close();
}
} // namespace

TEST_CASE("a switched connection carries bytes both ways, ends included") {
    ScriptedOrigin origin;
    origin.on("/socket", [](OriginExchange& x) {
        x.send(kSwitch + "hello "); // bytes right behind the head are the tunnel's
        echo(x);
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send(kUpgrade + "early "); // and so are those of the client
    const Response head = client.read();
    CHECK(head.status == 101);
    CHECK(head.get("Upgrade") == "echo");
    CHECK(head.get("Connection") == "Upgrade");
    CHECK_FALSE(head.has("Content-Length"));
    CHECK(client.read_raw(12) == "hello early ");
    FieldLines asked;
    parse_head(origin.heads("/socket").at(0), asked);
    CHECK(asked.get("Upgrade") == "echo");
    CHECK(asked.get("Connection") == "Upgrade");
    const std::string bytes = std::string("\0\x01\xff GET / HTTP/1.1\r\n\r\n", 22);
    client.send(bytes);
    CHECK(client.read_raw(bytes.size()) == bytes);
    client.send(std::string(500'000, 'z'));
    CHECK(client.read_raw(500'000) == std::string(500'000, 'z'));
    client.half_close();
    CHECK(client.read_raw(3) == "bye"); // the other direction was still open
    CHECK(client.ended());
    CHECK(proxy.metric("gatehouse_tunnels_total") == 1);
    CHECK(origin.requests() == 1);
}

TEST_CASE("without a 101 nothing is tunnelled: the connection stays HTTP") {
    ScriptedOrigin origin;
    origin.on("/socket", [](OriginExchange& x) { x.ok("max-age=60", "no socket here"); });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send(kUpgrade);
    client.get("/next");
    const Response response = client.read();
    CHECK(response.status == 200);
    CHECK(response.content == "no socket here");
    CHECK(response.get("Cache-Status") == "gatehouse; fwd=bypass; fwd-status=200; detail=request_upgrade");
    CHECK(client.read().status == 404); // an answer of its own: the second request was read as one
    CHECK(origin.requests() == 2);
    CHECK(origin.requests("/next") == 1);
}

TEST_CASE("a switch to HTTP/2 in clear text is not offered to the origin") {
    ScriptedOrigin origin;
    origin.on("/socket", [](OriginExchange& x) { x.ok("no-store", x.get("Upgrade") + x.get("HTTP2-Settings")); });
    ProxyUnderTest proxy(origin);
    const Response response = proxy.ask(
        "GET /socket HTTP/1.1\r\nHost: gate.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
    CHECK(response.status == 200);
    CHECK(response.content.empty());
}

TEST_CASE("a tunnel that is silent in both directions ends after timeouts.tunnel_idle") {
    ScriptedOrigin origin;
    origin.on("/socket", [](OriginExchange& x) {
        x.send(kSwitch);
        echo(x);
    });
    Yaml yaml;
    yaml.timeouts = "tunnel_idle: 30s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(proxy.port());
    client.send(kUpgrade);
    CHECK(client.read().status == 101);
    client.send("ping");
    CHECK(client.read_raw(4) == "ping");
    proxy.advance(29s);
    client.send("ping");
    CHECK(client.read_raw(4) == "ping");
    proxy.advance(29s);
    CHECK(client.is_quiet());
    ProxyUnderTest::await(
        [&] {
            proxy.advance(10s);
            return origin.open_connections() == 0;
        },
        "the tunnel ends");
    CHECK(client.ended());
}

TEST_CASE("an origin that breaks ends the tunnel for the client") {
    ScriptedOrigin origin;
    origin.on("/socket", [](OriginExchange& x) {
        x.send(kSwitch + "some");
        x.pass("break");
        x.reset();
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send(kUpgrade);
    CHECK(client.read().status == 101);
    CHECK(client.read_raw(4) == "some");
    origin.open("break");
    CHECK(client.ended());
}

TEST_CASE("an upgrade is not offered with content or by HTTP/1.0, and a 101 that nobody asked for is 502") {
    struct Row {
        const char* why;
        std::string request;
    };
    const std::string fields = "Host: gate.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n";
    const Row rows[] = {
        {"content of a known length", "POST /socket HTTP/1.1\r\n" + fields + "Content-Length: 3\r\n\r\nabc"},
        {"chunked content",
         "POST /socket HTTP/1.1\r\n" + fields + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
        {"HTTP/1.0", "GET /socket HTTP/1.0\r\n" + fields + "\r\n"},
    };
    ScriptedOrigin origin;
    origin.on("/socket", [](OriginExchange& x) { x.send(kSwitch); });
    ProxyUnderTest proxy(origin);
    for (const Row& row : rows) {
        CAPTURE(row.why);
        const Response response = proxy.ask(row.request);
        CHECK(response.status == 502);
        CHECK(response.get("Proxy-Status").find("http_protocol_error") != std::string::npos);
        FieldLines asked;
        parse_head(origin.heads("/socket").back(), asked);
        CHECK_FALSE(asked.has("Upgrade"));
    }
    CHECK(proxy.metric("gatehouse_tunnels_total") == 0);
}

TEST_CASE("a 101 that names no protocol is 502") {
    ScriptedOrigin origin;
    origin.on("/socket", [](OriginExchange& x) { x.send("HTTP/1.1 101 Switching Protocols\r\n\r\n"); });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.ask(kUpgrade).status == 502);
}
