// Parts of what is not stored: kept, used for ranges within them, combined, and completed for who wants the whole.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <charconv>
#include <string>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

const std::string kDigits = "0123456789abcdefghij";

// An origin that knows ranges of the form first-last and first-, and If-Range.
void range_server(OriginExchange& x, const std::string& fields) {
    const std::string range = x.get("Range");
    const std::string if_range = x.get("If-Range");
    const bool is_current = if_range.empty() || fields.find("ETag: " + if_range + "\r\n") != std::string::npos;
    if (!range.starts_with("bytes=") || !is_current) {
        x.reply(200, fields, kDigits);
        return;
    }
    std::size_t first = 0;
    std::size_t last = kDigits.size() - 1;
    const char* const end = range.data() + range.size();
    const auto read = std::from_chars(range.data() + 6, end, first);
    std::from_chars(read.ptr + 1, end, last);
    x.reply(206,
            "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                std::to_string(kDigits.size()) + "\r\n" + fields,
            kDigits.substr(first, last - first + 1));
}

const std::string kFields = "Cache-Control: max-age=60\r\nETag: \"v1\"\r\nContent-Type: text/plain\r\n";

// Where ranges are passed, also of what is known to be small.
Yaml passing() {
    Yaml yaml;
    yaml.policies = "own: {range: pass}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    return yaml;
}

Response range(const ProxyUnderTest& proxy, const std::string& wanted, const std::string& more = "") {
    return proxy.get("/file", "Range: bytes=" + wanted + "\r\n" + more);
}

} // namespace

TEST_CASE("a part is stored, and ranges within it are hits") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) { range_server(x, kFields); });
    ProxyUnderTest proxy(origin, passing());
    const Response first = range(proxy, "4-9", "If-None-Match: \"v0\"\r\n");
    CHECK(first.status == 206);
    CHECK(first.content == "456789");
    CHECK(first.get("Content-Range") == "bytes 4-9/20");
    CHECK(first.get("Cache-Status") == "gatehouse; fwd=miss; fwd-status=206; stored; ttl=60; detail=request_range");
    REQUIRE(origin.requests() == 1);
    const std::string head = origin.heads("/file")[0];
    CHECK(head.find("\r\nRange: bytes=4-9\r\n") != std::string::npos);
    CHECK(head.find("If-None-Match") == std::string::npos); // a condition could keep the content away

    const Response within = range(proxy, "5-6");
    CHECK(within.status == 206);
    CHECK(within.content == "56");
    CHECK(within.get("Content-Range") == "bytes 5-6/20");
    CHECK(within.get("Content-Type") == "text/plain");
    CHECK(within.get("X-Cache") == "Hit from gatehouse");
    CHECK(range(proxy, "4-9").content == "456789");
    CHECK(range(proxy, "5-6", "If-None-Match: \"v1\"\r\n").status == 304);
    CHECK(range(proxy, "5-6", "If-Range: \"v1\"\r\n").content == "56");
    CHECK(origin.requests() == 1);

    const Response beyond = range(proxy, "5-12");
    CHECK(beyond.content == "56789abc");
    CHECK(beyond.get("Cache-Status") == "gatehouse; fwd=partial; fwd-status=206; stored; ttl=60");
    CHECK(origin.requests() == 2);
    CHECK(range(proxy, "4-12").content == "456789abc"); // both parts are one now
    CHECK(origin.requests() == 2);
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("a client whose condition holds gets 304 from a part that was fetched for it") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) { range_server(x, kFields); });
    ProxyUnderTest proxy(origin);
    CHECK(range(proxy, "4-9", "If-None-Match: \"v1\"\r\n").status == 304);
    CHECK(range(proxy, "4-9").content == "456789");
    CHECK(origin.requests() == 1);
}

TEST_CASE("a beginning is completed for who wants the whole") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) { range_server(x, kFields); });
    ProxyUnderTest proxy(origin);
    range(proxy, "0-9");
    const Response whole = proxy.get("/file");
    CHECK(whole.status == 200);
    CHECK(whole.content == kDigits);
    CHECK(whole.get("Content-Length") == "20");
    CHECK_FALSE(whole.has("Content-Range"));
    CHECK(whole.get("Cache-Status") == "gatehouse; fwd=partial; fwd-status=206; stored; ttl=60");
    REQUIRE(origin.requests() == 2);
    CHECK(origin.heads("/file")[1].find("\r\nRange: bytes=10-\r\nIf-Range: \"v1\"\r\n") != std::string::npos);
    const Response hit = proxy.get("/file");
    CHECK(hit.content == kDigits);
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(range(proxy, "8-11").content == "89ab");
    CHECK(origin.requests() == 2);
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("what is missing between a stored beginning and a stored end is asked for, for a range of it as well") {
    for (const char* wanted : {"", "Range: bytes=2-17\r\n"}) {
        CAPTURE(wanted);
        ScriptedOrigin origin;
        origin.on("/file", [](OriginExchange& x) { range_server(x, kFields); });
        ProxyUnderTest proxy(origin); // it is known to be small, so that it is filled for the range
        range(proxy, "0-4");
        {
            RawClient other(proxy.port());
            other.get("/file", "Range: bytes=15-19\r\nCache-Control: no-cache\r\n"); // not out of what is stored
            other.read();
        }
        const int before = origin.requests();
        const Response response = proxy.get("/file", wanted);
        const std::string expected = *wanted == '\0' ? kDigits : kDigits.substr(2, 16);
        CHECK(response.content == expected);
        CHECK(proxy.get("/file").content == kDigits);
        CHECK(origin.requests() <= before + 1);
        CHECK(proxy.server().store_stats().objects == 1);
    }
}

TEST_CASE("an end is completed for who wants the whole, and what arrives leaves at once") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.number() == 1) {
            range_server(x, kFields);
            return;
        }
        x.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-14/20\r\nContent-Length: 15\r\n" + kFields +
               "\r\n0123");
        x.pass("rest");
        x.send("456789abcde");
    });
    ProxyUnderTest proxy(origin);
    range(proxy, "15-");
    RawClient client(proxy.port());
    client.get("/file");
    CHECK(client.read_content(4).content == "0123");
    origin.open("rest");
    const Response whole = client.read();
    CHECK(whole.status == 200);
    CHECK(whole.content == kDigits);
    CHECK(whole.get("Content-Length") == "20");
    CHECK(whole.get("Cache-Status") == "gatehouse; fwd=partial; fwd-status=206; stored; ttl=60");
    REQUIRE(origin.requests() == 2);
    CHECK(origin.heads("/file")[1].find("\r\nRange: bytes=0-14\r\nIf-Range: \"v1\"\r\n") != std::string::npos);
    CHECK(proxy.get("/file").content == kDigits);
    CHECK(origin.requests() == 2);
}

TEST_CASE("several ranges within a stored part come out of it, and one behind the end is 416") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) { range_server(x, kFields); });
    ProxyUnderTest proxy(origin, passing());
    range(proxy, "4-15");
    const Response several = range(proxy, "5-6,10-12");
    REQUIRE(several.status == 206);
    const std::string type = several.get("Content-Type");
    const std::string begin = "multipart/byteranges; boundary=";
    REQUIRE(type.starts_with(begin));
    const std::string boundary = "--" + type.substr(begin.size());
    CHECK_FALSE(several.has("Content-Range"));
    CHECK(several.content ==
          boundary + "\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-6/20\r\n\r\n56\r\n" + boundary +
              "\r\nContent-Type: text/plain\r\nContent-Range: bytes 10-12/20\r\n\r\nabc\r\n" + boundary + "--\r\n");
    CHECK(several.get("X-Cache") == "Hit from gatehouse");
    const Response beyond = range(proxy, "20-");
    CHECK(beyond.status == 416);
    CHECK(beyond.get("Content-Range") == "bytes */20");
    CHECK(beyond.content.empty());
    CHECK_FALSE(beyond.has("ETag"));
    CHECK(origin.requests() == 1);
}

TEST_CASE("a part that is everything answers who wants the whole") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) { range_server(x, kFields); });
    ProxyUnderTest proxy(origin);
    const Response part = range(proxy, "0-");
    CHECK(part.status == 206);
    CHECK(part.get("Content-Range") == "bytes 0-19/20");
    const Response whole = proxy.get("/file");
    CHECK(whole.status == 200);
    CHECK(whole.content == kDigits);
    CHECK(whole.get("X-Cache") == "Hit from gatehouse");
    CHECK(range(proxy, "3-4").content == "34");
    CHECK(origin.requests() == 1);
}

TEST_CASE("HEAD completes a beginning as GET does") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) { range_server(x, kFields); });
    ProxyUnderTest proxy(origin);
    range(proxy, "0-9");
    const Response head = proxy.head("/file");
    CHECK(head.status == 200);
    CHECK(head.get("Content-Length") == "20");
    CHECK(proxy.get("/file").content == kDigits);
    CHECK(origin.requests() == 2);
}

TEST_CASE("a representation that changed comes whole, and the part of the old one is gone") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        range_server(x, x.number() == 1 ? kFields : "Cache-Control: max-age=60\r\nETag: \"v2\"\r\n");
    });
    ProxyUnderTest proxy(origin);
    range(proxy, "0-9");
    const Response whole = proxy.get("/file");
    CHECK(whole.status == 200);
    CHECK(whole.content == kDigits);
    CHECK(whole.get("ETag") == "\"v2\"");
    CHECK(origin.requests() == 2);
    CHECK(range(proxy, "0-1").get("ETag") == "\"v2\"");
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("a rest that does not fit is fetched again as a whole, at once") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.number() == 2) { // it ignores If-Range
            x.reply(206, "Content-Range: bytes 10-19/20\r\nCache-Control: max-age=60\r\nETag: \"v2\"\r\n",
                    "ABCDEFGHIJ");
        } else {
            range_server(x, kFields);
        }
    });
    ProxyUnderTest proxy(origin);
    range(proxy, "0-9");
    const Response whole = proxy.get("/file");
    CHECK(whole.status == 200);
    CHECK(whole.content == kDigits);
    REQUIRE(origin.requests() == 3);
    CHECK(origin.heads("/file")[2].find("Range:") == std::string::npos);
}

TEST_CASE("the content of a rest that does not fit is not waited for, and its connection is not used again") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.number() != 2) {
            range_server(x, kFields);
            return;
        }
        x.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-19/20\r\nContent-Length: 10\r\n"
               "Cache-Control: max-age=60\r\nETag: \"v2\"\r\n\r\n");
        x.pass("late");
        x.close();
    });
    ProxyUnderTest proxy(origin);
    range(proxy, "0-9");
    const Response whole = proxy.get("/file");
    origin.open("late");
    CHECK(whole.status == 200);
    CHECK(whole.content == kDigits);
    CHECK(origin.requests() == 3);
    CHECK(origin.connections() == 2);
}

TEST_CASE("clients of a beginning that is being completed share one fetch, and get its first bytes at once") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.number() == 1) {
            range_server(x, kFields);
            return;
        }
        x.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-19/20\r\nContent-Length: 10\r\n" + kFields +
               "\r\n");
        x.pass("rest");
        x.send("abcdefghij");
    });
    ProxyUnderTest proxy(origin);
    range(proxy, "0-9");
    RawClient one(proxy.port());
    one.get("/file");
    CHECK(one.read_content(10).content == "0123456789"); // before the origin has sent any of the rest
    RawClient two(proxy.port());
    two.get("/file");
    CHECK(two.read_content(10).content == "0123456789");
    origin.open("rest");
    CHECK(one.read().content == kDigits);
    CHECK(two.read().content == kDigits);
    CHECK(origin.requests() == 2);
}

TEST_CASE("a rest that breaks off is cut for its readers, and the beginning stays") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.number() != 2) {
            range_server(x, kFields);
            return;
        }
        x.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-19/20\r\nContent-Length: 10\r\n" + kFields +
               "\r\nabc");
        x.pass("end"); // before the head was sent, the client would get an error instead
        x.close();
    });
    ProxyUnderTest proxy(origin);
    range(proxy, "0-9");
    RawClient client(proxy.port());
    client.get("/file");
    CHECK(client.read_content(13).content == "0123456789abc");
    origin.open("end");
    CHECK_FALSE(client.read_what_comes().complete);
    CHECK(range(proxy, "2-3").content == "23");
    CHECK(origin.requests() == 2);
    CHECK(proxy.get("/file").content == kDigits);
}

TEST_CASE("a stale part is validated with its range") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.get("If-None-Match") == "\"v1\"") {
            x.reply(304, "ETag: \"v1\"\r\nCache-Control: max-age=60\r\n", "");
        } else {
            range_server(x, kFields);
        }
    });
    ProxyUnderTest proxy(origin);
    range(proxy, "4-9");
    proxy.advance(61s);
    const Response fresh = range(proxy, "5-6");
    CHECK(fresh.status == 206);
    CHECK(fresh.content == "56");
    CHECK(fresh.get("X-Cache") == "RefreshHit from gatehouse");
    REQUIRE(origin.requests() == 2);
    CHECK(origin.heads("/file")[1].find("\r\nRange: bytes=5-6\r\n") != std::string::npos);
    CHECK(origin.heads("/file")[1].find("\r\nIf-None-Match: \"v1\"\r\n") != std::string::npos);
    CHECK(range(proxy, "7-8").content == "78");
    CHECK(origin.requests() == 2);
}

TEST_CASE("a range of a stale whole is cut from what is validated") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.get("If-None-Match") == "\"v1\"") {
            x.reply(304, "ETag: \"v1\"\r\n", "");
        } else {
            range_server(x, kFields);
        }
    });
    ProxyUnderTest proxy(origin);
    proxy.get("/file");
    proxy.advance(61s);
    const Response part = range(proxy, "5-6");
    CHECK(part.status == 206);
    CHECK(part.content == "56");
    CHECK(part.get("X-Cache") == "RefreshHit from gatehouse");
    CHECK(origin.requests() == 2);
}

TEST_CASE("a range that the origin answers with the whole is cut from it, and the whole is stored") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) { x.reply(200, kFields, kDigits); });
    ProxyUnderTest proxy(origin);
    const Response part = range(proxy, "5-6");
    CHECK(part.status == 206);
    CHECK(part.content == "56");
    CHECK(proxy.get("/file").content == kDigits);
    CHECK(origin.requests() == 1);
}

TEST_CASE("several ranges of what is not stored are the origin's to answer") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        x.reply(206, "Cache-Control: max-age=60\r\nContent-Type: multipart/byteranges; boundary=b\r\n", "--b--");
    });
    ProxyUnderTest proxy(origin);
    const Response response = range(proxy, "0-0,2-2");
    CHECK(response.status == 206);
    CHECK(response.content == "--b--");
    CHECK(response.get("Cache-Status") == "gatehouse; fwd=miss; fwd-status=206; detail=content_range");
    CHECK(proxy.server().store_stats().objects == 0);
}
