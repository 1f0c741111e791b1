// Conditions and ranges of a client whose request is a miss.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("a condition on a cold key: the whole is fetched and stored, the client gets its 304") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        if (x.fields().has("If-None-Match") || x.fields().has("If-Modified-Since")) {
            x.reply(304, "ETag: \"v1\"\r\n", "");
        } else {
            x.reply(200, "Cache-Control: max-age=60\r\nETag: \"v1\"\r\n", "document");
        }
    });
    ProxyUnderTest proxy(origin);
    const Response same = proxy.get("/doc", "If-None-Match: \"v1\"\r\n");
    CHECK(same.status == 304);
    CHECK(same.get("X-Cache") == "Miss from gatehouse");
    ProxyUnderTest::await([&] { return proxy.server().store_stats().objects == 1; }, "the response is stored");
    const Response whole = proxy.get("/doc");
    CHECK(whole.content == "document");
    CHECK(whole.get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 1);
}

TEST_CASE("where nothing may be stored the condition is the origin's to evaluate") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        x.reply(x.get("If-None-Match") == "\"v1\"" ? 304 : 200, "ETag: \"v1\"\r\n", "document");
    });
    Yaml yaml;
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: CachingDisabled}]";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(proxy.port());
    client.get("/doc", "If-None-Match: \"v1\"\r\n");
    client.get("/doc");
    const Response same = client.read();
    CHECK(same.status == 304);
    CHECK(same.get("ETag") == "\"v1\"");
    CHECK(client.read().content == "document");
    CHECK(origin.requests() == 2);
}

TEST_CASE("clients with conditions and ranges wait for the fetch of another one, and each gets its own kind of answer") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        if (x.number() > 1) {
            x.pass("answer");
        }
        x.reply(200, "Cache-Control: max-age=10\r\nETag: \"v" + std::to_string(x.number()) + "\"\r\n",
                "document " + std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/doc");
    proxy.advance(std::chrono::seconds(11));
    const std::size_t before = proxy.received();
    RawClient plain(proxy.port());
    plain.get("/doc");
    origin.await_requests("/doc", 2);
    RawClient matching(proxy.port());
    matching.get("/doc", "If-None-Match: \"v2\"\r\n");
    RawClient differing(proxy.port());
    differing.get("/doc", "If-None-Match: \"v1\"\r\n");
    RawClient heading(proxy.port());
    heading.send("HEAD /doc HTTP/1.1\r\nHost: gate.test\r\n\r\n");
    proxy.await_received(before + 4 * 40);
    origin.open("answer");
    CHECK(plain.read().content == "document 2");
    CHECK(matching.read().status == 304);
    CHECK(differing.read().content == "document 2");
    CHECK(heading.read(true).get("Content-Length") == "10");
    CHECK(origin.requests() == 2);
}
