// A change of one resource makes the stored responses of a group unusable (RFC 9875).
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

constexpr const char* kFields = "Cache-Control: max-age=60\r\nCache-Groups: \"results\", \"home page\"\r\n";

void script(ScriptedOrigin& origin) {
    origin.otherwise([](OriginExchange& x) {
        if (x.target() == "/alone") {
            x.ok("max-age=60", "alone");
        } else if (x.method() == "GET") {
            x.reply(200, std::string(kFields) + "Cache-Group-Invalidation: \"results\"\r\n",
                    x.target() + " " + std::to_string(x.number()));
        } else {
            x.content();
            x.reply(x.target() == "/refused" ? 409 : 204, "Cache-Group-Invalidation: \"results\", \"unknown\"\r\n", "");
        }
    });
}

std::string post(const std::string& target, const std::string& host = "gate.test") {
    return "POST " + target + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 1\r\n\r\nx";
}

std::string x_cache(const ProxyUnderTest& proxy, const std::string& target) { return proxy.get(target).get("X-Cache"); }

} // namespace

TEST_CASE("a POST whose answer names a group invalidates what belongs to it") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    for (const char* target : {"/a", "/b?q", "/alone"}) {
        proxy.get(target);
        CHECK(x_cache(proxy, target) == "Hit from gatehouse"); // no GET invalidates a group
    }
    CHECK(proxy.ask(post("/votes")).status == 204);
    CHECK(proxy.get("/a").content == "/a 2");
    CHECK(proxy.get("/b?q").content == "/b?q 2");
    CHECK(x_cache(proxy, "/alone") == "Hit from gatehouse");
    CHECK(x_cache(proxy, "/a") == "Hit from gatehouse");
}

TEST_CASE("a POST that was refused, or that went to another host, invalidates no group") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    proxy.get("/a");
    CHECK(proxy.ask(post("/refused")).status == 409);
    CHECK(x_cache(proxy, "/a") == "Hit from gatehouse");
    CHECK(proxy.ask(post("/votes", "other.test")).status == 204);
    CHECK(x_cache(proxy, "/a") == "Hit from gatehouse");
}

TEST_CASE("a group invalidation wins over a fetch in flight") {
    ScriptedOrigin origin;
    script(origin);
    origin.on("/slow", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.pass("old answer");
        }
        x.reply(200, kFields, x.number() == 1 ? "old" : "new");
    });
    ProxyUnderTest proxy(origin);
    RawClient before(proxy.port());
    before.get("/slow");
    origin.await_requests("/slow", 1);
    CHECK(proxy.ask(post("/votes")).status == 204);
    origin.open("old answer");
    CHECK(before.read().content == "old");
    CHECK(proxy.get("/slow").content == "new");
    CHECK(x_cache(proxy, "/slow") == "Hit from gatehouse");
}
