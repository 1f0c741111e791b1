// A request that changes a resource makes the stored response unusable.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {
void script(ScriptedOrigin& origin) {
    origin.otherwise([](OriginExchange& x) {
        if (x.method() == "GET") {
            x.ok("max-age=60", x.target() + " " + std::to_string(x.number()));
        } else if (x.target() == "/refused") {
            x.reply(409, "", "conflict");
        } else {
            x.content();
            x.reply(201, "Location: /made\r\nContent-Location: http://elsewhere.test/foreign\r\n", "done");
        }
    });
}

std::string with_content(const std::string& method, const std::string& target) {
    return method + " " + target + " HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 4\r\n\r\ndata";
}
} // namespace

TEST_CASE("POST, PUT, PATCH and DELETE invalidate what they changed") {
    for (const std::string method : {"POST", "PUT", "PATCH", "DELETE"}) {
        CAPTURE(method);
        ScriptedOrigin origin;
        script(origin);
        ProxyUnderTest proxy(origin);
        CHECK(proxy.get("/item").content == "/item 1");
        CHECK(proxy.get("/made").content == "/made 1");
        CHECK(proxy.get("/other").content == "/other 1");
        const Response changed = proxy.ask(with_content(method, "/item"));
        CHECK(changed.status == 201);
        CHECK(changed.get("Cache-Status") == "gatehouse; fwd=method; fwd-status=201");
        const Response again = proxy.get("/item");
        CHECK(again.content == "/item 3");
        CHECK(again.get("X-Cache") == "Miss from gatehouse");
        CHECK(proxy.get("/made").content == "/made 2");
        CHECK(proxy.get("/other").get("X-Cache") == "Hit from gatehouse");
        CHECK(origin.requests() == 6);
    }
}

TEST_CASE("a change that the origin refused invalidates nothing") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    proxy.get("/refused");
    CHECK(proxy.ask(with_content("POST", "/refused")).status == 409);
    CHECK(proxy.get("/refused").get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 2);
}

TEST_CASE("a safe request invalidates nothing") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    proxy.get("/item");
    CHECK(proxy.ask("OPTIONS /item HTTP/1.1\r\nHost: gate.test\r\n\r\n").status == 201);
    CHECK(proxy.get("/item").get("X-Cache") == "Hit from gatehouse");
}

TEST_CASE("thousands of changes of other resources leave what is stored alone") {
    constexpr int kChanges = 3000;
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    proxy.get("/items/stays");
    proxy.get("/items/7");
    RawClient client(proxy.port());
    for (int i = 0; i < kChanges; ++i) {
        client.send("DELETE /items/" + std::to_string(i) + " HTTP/1.1\r\nHost: gate.test\r\n\r\n");
        REQUIRE(client.read().status == 201);
    }
    CHECK(proxy.get("/items/stays").get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.get("/items/7").get("X-Cache") == "Miss from gatehouse");
    CHECK(origin.requests() == kChanges + 3);
}
