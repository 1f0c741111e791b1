// Conditions of clients are answered from the store.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("conditional requests on a stored response are answered without the origin") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        x.reply(200,
                "Cache-Control: max-age=60\r\nETag: \"v1\"\r\nLast-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\n"
                "Content-Type: text/plain\r\n",
                "document");
    });
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/doc").status == 200);
    struct Row {
        const char* name;
        const char* fields;
        int status;
    };
    const Row rows[] = {
        {"the same tag", "If-None-Match: \"v1\"\r\n", 304},
        {"weak comparison", "If-None-Match: W/\"v1\"\r\n", 304},
        {"one of several", "If-None-Match: \"v0\", \"v1\"\r\n", 304},
        {"any", "If-None-Match: *\r\n", 304},
        {"another tag", "If-None-Match: \"v2\"\r\n", 200},
        {"unchanged since", "If-Modified-Since: Wed, 31 Dec 2025 00:00:00 GMT\r\n", 304},
        {"changed since", "If-Modified-Since: Tue, 30 Dec 2025 23:59:59 GMT\r\n", 200},
        {"the tag decides, not the date",
         "If-None-Match: \"v2\"\r\nIf-Modified-Since: Wed, 31 Dec 2025 00:00:00 GMT\r\n", 200},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        const Response response = proxy.get("/doc", row.fields);
        CHECK(response.status == row.status);
        CHECK(response.content == (row.status == 304 ? "" : "document"));
        CHECK(response.get("ETag") == "\"v1\"");
        CHECK(response.get("X-Cache") == "Hit from gatehouse");
        CHECK(response.has("Content-Type") == (row.status == 200));
    }
    CHECK(origin.requests() == 1);
}

TEST_CASE("preconditions that only the origin can evaluate go there") {
    ScriptedOrigin origin;
    origin.on("/doc", [](OriginExchange& x) {
        x.reply(x.fields().has("If-Match") ? 412 : 200, "Cache-Control: max-age=60\r\nETag: \"v1\"\r\n", "content");
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/doc");
    const Response refused = proxy.get("/doc", "If-Match: \"v0\"\r\n");
    CHECK(refused.status == 412);
    CHECK(refused.get("Cache-Status") == "gatehouse; fwd=bypass; fwd-status=412; detail=request_precondition");
    CHECK(origin.requests() == 2);
    CHECK(proxy.get("/doc").get("X-Cache") == "Hit from gatehouse");
}
