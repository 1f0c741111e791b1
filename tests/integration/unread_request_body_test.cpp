// Request content that nobody reads is drained, or the connection ends; it is never taken for a request.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {
std::string get_with_content(std::size_t bytes) {
    // What a smuggler puts into the content of a request that the cache answers.
    std::string content = "GET /smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\n";
    content.resize(bytes, 'x');
    return "GET /hit HTTP/1.1\r\nHost: gate.test\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" + content;
}
} // namespace

TEST_CASE("content behind a hit is dropped, and the next request is the one behind it") {
    ScriptedOrigin origin;
    origin.on("/hit", [](OriginExchange& x) { x.ok("max-age=60", "hit"); });
    ProxyUnderTest proxy(origin);
    proxy.get("/hit");
    RawClient client(proxy.port());
    client.send(get_with_content(1000) + get_with_content(100));
    client.get("/hit");
    for (int i = 0; i < 3; ++i) {
        const Response response = client.read();
        CHECK(response.content == "hit");
        CHECK(response.get("X-Cache") == "Hit from gatehouse");
    }
    CHECK(client.is_quiet());
    CHECK(origin.requests() == 1);
}

TEST_CASE("content that arrives behind the answer of a hit is dropped too") {
    ScriptedOrigin origin;
    origin.on("/hit", [](OriginExchange& x) { x.ok("max-age=60", "hit"); });
    ProxyUnderTest proxy(origin);
    proxy.get("/hit");
    RawClient client(proxy.port());
    const std::string request = get_with_content(1000);
    client.send(request.substr(0, request.size() - 500));
    CHECK(client.read().content == "hit");
    client.send(request.substr(request.size() - 500));
    client.get("/hit");
    CHECK(client.read().content == "hit");
    CHECK(origin.requests() == 1);
}

TEST_CASE("more content than drain_size ends the connection, and the answer still arrives") {
    ScriptedOrigin origin;
    origin.on("/hit", [](OriginExchange& x) { x.ok("max-age=60", "hit"); });
    Yaml yaml;
    yaml.limits = "drain_size: 16KiB";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/hit");
    RawClient client(proxy.port());
    client.send(get_with_content(200'000));
    client.get("/hit");
    CHECK(client.read().content == "hit");
    CHECK(client.ended());
    CHECK(origin.requests() == 1);
}

TEST_CASE("an origin that answers before the content came: the rest is drained and the connection goes on") {
    ScriptedOrigin origin;
    origin.on("/up", [](OriginExchange& x) {
        x.reply(403, "Connection: close\r\n", "no");
        x.half_close();
        x.await_close();
    });
    origin.on("/next", [](OriginExchange& x) { x.ok("no-store", "next"); });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send("POST /up HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 1000\r\n\r\nbegin");
    CHECK(client.read().status == 403);
    client.send(std::string(995, 'x'));
    client.get("/next");
    CHECK(client.read().content == "next");
    CHECK(origin.requests("/up") == 1);
    CHECK(origin.requests() == 2);
}

TEST_CASE("an origin that answers early and a client with much more to send: the connection ends") {
    ScriptedOrigin origin;
    origin.on("/up", [](OriginExchange& x) {
        x.reply(403, "Connection: close\r\n", "no");
        x.half_close();
        x.await_close();
    });
    Yaml yaml;
    yaml.limits = "drain_size: 16KiB";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(proxy.port());
    client.send("POST /up HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 10000000\r\n\r\nbegin");
    CHECK(client.read().status == 403);
    client.send(std::string(100'000, 'x'));
    CHECK(client.ended());
}
