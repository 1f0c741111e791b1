// Ranges are cut out of stored responses.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kDigits = "0123456789abcdefghij";

void script(ScriptedOrigin& origin) {
    origin.on("/file", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nETag: \"v1\"\r\nContent-Type: text/plain\r\n", kDigits);
    });
}

} // namespace

TEST_CASE("single ranges of a stored response") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    REQUIRE(proxy.get("/file").content == kDigits);
    struct Row {
        const char* range;
        int status;
        const char* content;
        const char* content_range;
    };
    const Row rows[] = {
        {"bytes=0-0", 206, "0", "bytes 0-0/20"},     {"bytes=5-9", 206, "56789", "bytes 5-9/20"},
        {"bytes=15-", 206, "fghij", "bytes 15-19/20"}, {"bytes=-3", 206, "hij", "bytes 17-19/20"},
        {"bytes=19-99", 206, "j", "bytes 19-19/20"}, {"bytes=-99", 206, kDigits, "bytes 0-19/20"},
        {"lines=1-2", 200, kDigits, ""},             {"bytes=9-5", 200, kDigits, ""},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.range));
        const Response response = proxy.get("/file", "Range: " + std::string(row.range) + "\r\n");
        CHECK(response.status == row.status);
        CHECK(response.content == row.content);
        CHECK(response.get("Content-Range") == row.content_range);
        CHECK(response.get("X-Cache") == "Hit from gatehouse");
    }
    CHECK(origin.requests() == 1);
}

TEST_CASE("a range behind the end is 416 and says how long the content is") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    proxy.get("/file");
    const Response response = proxy.get("/file", "Range: bytes=20-\r\n");
    CHECK(response.status == 416);
    CHECK(response.get("Content-Range") == "bytes */20");
    CHECK(response.content.empty());
    CHECK(origin.requests() == 1);
}

TEST_CASE("several ranges come as multipart") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    proxy.get("/file");
    const Response response = proxy.get("/file", "Range: bytes=0-1,10-12\r\n");
    REQUIRE(response.status == 206);
    const std::string type = response.get("Content-Type");
    const std::string begin = "multipart/byteranges; boundary=";
    REQUIRE(type.starts_with(begin));
    const std::string boundary = "--" + type.substr(begin.size());
    CHECK_FALSE(response.has("Content-Range"));
    CHECK(response.content == boundary + "\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/20\r\n\r\n01\r\n" +
                                  boundary + "\r\nContent-Type: text/plain\r\nContent-Range: bytes 10-12/20\r\n\r\nabc\r\n" +
                                  boundary + "--\r\n");
    CHECK(origin.requests() == 1);
}

TEST_CASE("If-Range decides between the part and the whole") {
    ScriptedOrigin origin;
    script(origin);
    ProxyUnderTest proxy(origin);
    proxy.get("/file");
    CHECK(proxy.get("/file", "Range: bytes=0-1\r\nIf-Range: \"v1\"\r\n").content == "01");
    CHECK(proxy.get("/file", "Range: bytes=0-1\r\nIf-Range: \"v0\"\r\n").content == kDigits);
    CHECK(origin.requests() == 1);
}
