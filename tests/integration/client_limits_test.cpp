// Every limit on what clients send has its status, and every wait its end.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {
void script(ScriptedOrigin& origin) {
    origin.otherwise([](OriginExchange& x) {
        x.content();
        x.ok("no-store", "served");
    });
}
} // namespace

TEST_CASE("the head's size: at the limit it is taken, behind it 431") {
    ScriptedOrigin origin;
    script(origin);
    Yaml yaml;
    yaml.limits = "head_size: 2KiB, target_size: 1KiB";
    ProxyUnderTest proxy(origin, yaml);
    const std::string begin = "GET /a HTTP/1.1\r\nHost: gate.test\r\nX-Long: ";
    for (const int off : {-1, 0, 1}) {
        CAPTURE(off);
        const std::string request =
            begin + std::string(static_cast<std::size_t>(2048 + off) - begin.size() - 4, 'x') + "\r\n\r\n";
        RawClient client(proxy.port());
        client.send(request);
        const Response response = client.read();
        CHECK(response.status == (off > 0 ? 431 : 200));
        if (off > 0) {
            CHECK(client.ended());
        }
    }
    // A head without an end is refused as soon as it is too long.
    RawClient endless(proxy.port());
    endless.send(begin + std::string(3000, 'x'));
    CHECK(endless.read().status == 431);
    CHECK(origin.requests() == 2);
}

TEST_CASE("the number of fields") {
    ScriptedOrigin origin;
    script(origin);
    Yaml yaml;
    yaml.limits = "head_fields: 10";
    ProxyUnderTest proxy(origin, yaml);
    std::string fields;
    for (int i = 0; i < 9; ++i) {
        fields += "X-" + std::to_string(i) + ": a\r\n";
    }
    CHECK(proxy.get("/a", fields).status == 200); // with Host they are ten
    CHECK(proxy.get("/a", fields + "X-Last: a\r\n").status == 431);
    CHECK(origin.requests() == 1);
}

TEST_CASE("the target's length: 414 behind the limit") {
    ScriptedOrigin origin;
    script(origin);
    Yaml yaml;
    yaml.limits = "target_size: 100B";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/" + std::string(99, 'a')).status == 200);
    CHECK(proxy.get("/" + std::string(100, 'a')).status == 414);
    CHECK(proxy.get("/" + std::string(3000, 'a')).status == 414);
    CHECK(origin.requests() == 1);
}

TEST_CASE("a head that does not come to its end: 408 after timeouts.header") {
    ScriptedOrigin origin;
    script(origin);
    Yaml yaml;
    yaml.timeouts = "header: 5s, idle: 60s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient slow(proxy.port());
    slow.send("GET /a HTTP/1.1\r\n");
    proxy.await_received(17);
    proxy.advance(3s);
    slow.send("Host: gate.test\r\n"); // a byte now and then does not prolong it
    proxy.await_received(34);
    CHECK(slow.is_quiet());
    proxy.advance(2s + 200ms);
    const Response response = slow.read();
    CHECK(response.status == 408);
    CHECK(response.get("Connection") == "close");
    CHECK(slow.ended());
    CHECK(origin.requests() == 0);
}

TEST_CASE("connections that say nothing are closed: new ones after timeouts.header, used ones after timeouts.idle") {
    ScriptedOrigin origin;
    script(origin);
    Yaml yaml;
    yaml.timeouts = "header: 5s, idle: 60s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient used(proxy.port());
    used.get("/a");
    CHECK(used.read().content == "served");
    RawClient silent(proxy.port());
    proxy.await_metric("gatehouse_connections", 2);
    proxy.advance(5s + 200ms);
    CHECK(silent.ended());
    CHECK(used.is_quiet());
    proxy.advance(54s);
    CHECK(used.is_quiet());
    proxy.advance(1s);
    CHECK(used.ended());
    ProxyUnderTest::await([&] { return proxy.metric("gatehouse_connections") == 0; }, "all connections are gone");
}

TEST_CASE("content that pauses for too long: 408") {
    ScriptedOrigin origin;
    origin.on("/up", [](OriginExchange& x) {
        x.content();
        x.reach(x.whole() ? "whole" : "broken");
    });
    Yaml yaml;
    yaml.timeouts = "body: 4s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(proxy.port());
    client.send("POST /up HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 100\r\n\r\nbegin");
    origin.await_requests("/up", 1);
    proxy.advance(4s + 200ms);
    CHECK(client.read().status == 408);
    CHECK(client.ended());
    origin.await("broken");
    CHECK(origin.requests() == 1);
}

TEST_CASE("more connections than the limit are closed at once, and places are given back") {
    ScriptedOrigin origin;
    script(origin);
    Yaml yaml;
    yaml.limits = "connections: 3";
    ProxyUnderTest proxy(origin, yaml);
    RawClient first(proxy.port());
    RawClient second(proxy.port());
    RawClient third(proxy.port());
    for (RawClient* client : {&first, &second, &third}) {
        client->get("/a");
        CHECK(client->read().content == "served");
    }
    RawClient refused(proxy.port());
    CHECK(refused.ended());
    CHECK(proxy.metric("gatehouse_connections_refused_total") == 1);
    second.close();
    ProxyUnderTest::await([&] { return proxy.metric("gatehouse_connections") == 2; }, "the connection is gone");
    CHECK(proxy.get("/a").content == "served");
    first.get("/a");
    CHECK(first.read().content == "served");
}
