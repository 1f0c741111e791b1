// A 304 that fits nothing stored is no answer: the request is sent again without condition.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("a 304 with another entity tag leads to an unconditional request") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.reply(200, "Cache-Control: max-age=10\r\nETag: \"v1\"\r\n", "first");
        } else if (x.fields().has("If-None-Match")) {
            x.reply(304, "ETag: \"v7\"\r\n", "");
        } else {
            x.reply(200, "Cache-Control: max-age=10\r\nETag: \"v7\"\r\n", "seventh");
        }
    });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/doc").content == "first");
    proxy.advance(11s);
    const Response response = proxy.get("/doc");
    CHECK(response.status == 200);
    CHECK(response.content == "seventh");
    CHECK(response.get("X-Cache") == "Miss from gatehouse");
    REQUIRE(origin.requests() == 3);
    FieldLines second;
    parse_head(origin.heads("/doc")[1], second);
    FieldLines third;
    parse_head(origin.heads("/doc")[2], third);
    CHECK(second.get("If-None-Match") == "\"v1\"");
    CHECK_FALSE(third.has("If-None-Match"));
    CHECK(proxy.get("/doc").content == "seventh");
    CHECK(origin.requests() == 3);
}
