// Ranges of what is not stored, where the whole is fetched for them (docs/RANGES.md).
#include "tests/support/proxy_under_test.h"
#include "tests/support/range_origin.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMiB = 1024 * 1024;
const std::string kDigits = "0123456789abcdefghij";
const std::string kFields = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";

Yaml with_range(const std::string& handling) {
    Yaml yaml;
    yaml.policies = "own: {range: " + handling + "}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    return yaml;
}

void serve(ScriptedOrigin& origin, const std::string& content = kDigits, const std::string& fields = kFields) {
    origin.on("/file", [content, fields](OriginExchange& x) { answer_ranges(x, content, "\"v1\"", fields); });
}

std::string range_field(const std::string& wanted) { return "Range: bytes=" + wanted + "\r\n"; }

Response range(const ProxyUnderTest& proxy, const std::string& wanted, const std::string& more = "") {
    return proxy.get("/file", range_field(wanted) + more);
}

// What the origin got as Range in its request of that number, "" for none.
std::string asked_range(const ScriptedOrigin& origin, std::size_t index) {
    const std::string head = origin.heads("/file").at(index);
    const std::string name = "\r\nRange: ";
    const std::size_t at = head.find(name);
    return at == head.npos ? "" : head.substr(at + name.size(), head.find("\r\n", at + 2) - at - name.size());
}

// Content of which each byte says where it is.
std::string long_content(std::size_t size) {
    std::string content(size, ' ');
    for (std::size_t i = 0; i < size; ++i) {
        content[i] = static_cast<char>('a' + (i ^ (i >> 8) ^ (i >> 16)) % 26);
    }
    return content;
}

} // namespace

TEST_CASE("a range of a cold object is answered out of the whole, which is fetched and stored") {
    ScriptedOrigin origin;
    serve(origin);
    ProxyUnderTest proxy(origin, with_range("fill"));
    const Response part = range(proxy, "5-6", "If-None-Match: \"v0\"\r\nIf-Range: \"v1\"\r\n");
    CHECK(part.status == 206);
    CHECK(part.content == "56");
    CHECK(part.get("Content-Range") == "bytes 5-6/20");
    CHECK(part.get("Cache-Status") == "gatehouse; fwd=miss; fwd-status=200; stored; ttl=60; detail=request_range");
    REQUIRE(origin.requests() == 1);
    const std::string head = origin.heads("/file")[0];
    CHECK(head.find("Range:") == std::string::npos);
    CHECK(head.find("If-") == std::string::npos);
    CHECK(proxy.get("/file").content == kDigits);
    CHECK(range(proxy, "-2").content == "ij");
    CHECK(origin.requests() == 1);
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("what a client says beside its range is judged by what is filled") {
    struct Row {
        const char* fields;
        int status;
        const char* content;
    };
    const Row rows[] = {
        {"If-None-Match: \"v1\"\r\n", 304, ""},
        {"If-Range: \"v0\"\r\n", 200, "0123456789abcdefghij"},
        {"Range: bytes=1-2\r\n", 200, "0123456789abcdefghij"}, // a second one: neither counts
    };
    for (const Row& row : rows) {
        CAPTURE(row.fields);
        ScriptedOrigin origin;
        serve(origin);
        ProxyUnderTest proxy(origin, with_range("fill"));
        const Response response = range(proxy, "5-6", row.fields);
        CHECK(response.status == row.status);
        CHECK(response.content == row.content);
        CHECK(proxy.get("/file").content == kDigits);
        CHECK(origin.requests() == 1);
    }
}

TEST_CASE("ranges and the whole of a cold object are one fetch") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        x.pass("answer");
        answer_ranges(x, kDigits, "\"v1\"", kFields);
    });
    ProxyUnderTest proxy(origin, with_range("fill"));
    RawClient first(proxy.port());
    RawClient second(proxy.port());
    RawClient whole(proxy.port());
    first.get("/file", range_field("0-4"));
    origin.await_requests("/file", 1);
    const std::size_t before = proxy.received();
    second.get("/file", range_field("15-"));
    whole.get("/file");
    const std::string one = "GET /file HTTP/1.1\r\nHost: gate.test\r\n\r\n";
    proxy.await_received(before + 2 * one.size() + range_field("15-").size());
    origin.open("answer");
    CHECK(first.read().content == "01234");
    CHECK(second.read().content == "fghij");
    CHECK(whole.read().content == kDigits);
    CHECK(origin.requests() == 1);
}

TEST_CASE("a range leaves as soon as its bytes are there, and one behind the end as soon as the head is") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\nETag: \"v1\"\r\n" + kFields + "\r\n0123456789");
        x.pass("rest");
        x.send("abcdefghij");
    });
    ProxyUnderTest proxy(origin, with_range("fill"));
    CHECK(range(proxy, "5-9").content == "56789");
    const Response beyond = range(proxy, "9000000000-");
    CHECK(beyond.status == 416);
    CHECK(beyond.get("Content-Range") == "bytes */20");
    CHECK(range(proxy, "0-0,9-9").status == 206);
    CHECK(range(proxy, "12-13", "If-None-Match: \"v1\"\r\n").status == 304);
    origin.open("rest");
    CHECK(range(proxy, "12-13").content == "cd");
    CHECK(origin.requests() == 1);
}

TEST_CASE("a cold range behind the end is 416 before any content has come, and what it began is stored") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\nETag: \"v1\"\r\n" + kFields + "\r\n");
        x.pass("rest");
        x.send(kDigits);
    });
    ProxyUnderTest proxy(origin, with_range("fill"));
    CHECK(range(proxy, "9000000000-").status == 416);
    origin.open("rest");
    CHECK(proxy.get("/file").content == kDigits);
    CHECK(origin.requests() == 1);
}

TEST_CASE("a range far behind what has arrived is passed alone, and the fill goes on") {
    const std::string content = long_content(20 * kMiB);
    ScriptedOrigin origin;
    origin.on("/file", [&](OriginExchange& x) {
        if (!x.get("Range").empty()) {
            answer_ranges(x, content, "\"v1\"", kFields);
            return;
        }
        x.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(content.size()) + "\r\nETag: \"v1\"\r\n" +
               kFields + "\r\n" + content.substr(0, 5));
        x.pass("rest");
        x.send(content.substr(5));
    });
    Yaml yaml = with_range("fill");
    yaml.memory = "size: 128MiB, max_object_size: 32MiB";
    ProxyUnderTest proxy(origin, yaml);
    const std::string far = "10000000-10000009";
    for (const int asked : {1, 2}) { // the one that began it, and one that came later
        const Response part = range(proxy, far);
        CHECK(part.status == 206);
        CHECK(part.content == content.substr(10'000'000, 10));
        CHECK(origin.requests() == 1 + asked);
        CHECK(asked_range(origin, static_cast<std::size_t>(asked)) == "bytes=" + far);
        CHECK_FALSE(part.get("Cache-Status").find("stored") < part.get("Cache-Status").size());
    }
    CHECK(asked_range(origin, 0).empty());
    CHECK(range(proxy, "0-4").content == content.substr(0, 5));
    origin.open("rest");
    CHECK((proxy.get("/file").content == content));
    CHECK(range(proxy, far).get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 3);
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("what is too large to be stored is filled once, and its ranges are passed from then on") {
    const std::string content = long_content(400'000);
    ScriptedOrigin origin;
    serve(origin, content);
    Yaml yaml = with_range("fill");
    yaml.memory = "size: 64MiB, max_object_size: 256KiB";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(range(proxy, "300000-300004").content == content.substr(300'000, 5));
    const Response second = range(proxy, "1000-1004");
    CHECK(second.content == content.substr(1'000, 5));
    CHECK(asked_range(origin, 0).empty());
    CHECK(asked_range(origin, 1) == "bytes=1000-1004");
    CHECK(range(proxy, "1001-1002").get("X-Cache") == "Hit from gatehouse");
    proxy.advance(61s); // the memory of it is over, and so is the life of the part; its length is still known
    CHECK(range(proxy, "2000-2004").content == content.substr(2'000, 5));
    CHECK(asked_range(origin, 2) == "bytes=2000-2004");
    CHECK(origin.requests() == 3);
}

TEST_CASE("a range of what passes by is let go of as it comes, however much lies before it") {
    const std::string content = long_content(6 * kMiB); // more than a reader may hold up
    ScriptedOrigin origin;
    origin.on("/file", [&](OriginExchange& x) { x.reply(200, "Cache-Control: no-store\r\n", content); });
    ProxyUnderTest proxy(origin, with_range("fill"));
    const Response part = range(proxy, "6000000-6000004");
    CHECK(part.status == 206);
    CHECK(part.content == content.substr(6'000'000, 5));
    CHECK(range(proxy, "0-1,6000000-6000004").status == 206);
}

TEST_CASE("of what is not stored a range that is far away, or backwards, is asked for anew") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.get("Range").empty()) {
            x.send("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\nCache-Control: no-store\r\n\r\n");
            x.await_close(); // nobody wants it any more
        } else {
            x.reply(206, "Cache-Control: no-store\r\nContent-Range: bytes 10000000-10000001/20000000\r\n", "xy");
        }
    });
    for (const std::string wanted : {"10000000-10000001", "5-6,0-1"}) {
        CAPTURE(wanted);
        ProxyUnderTest proxy(origin, with_range("fill"));
        const int before = origin.requests();
        const Response part = range(proxy, wanted);
        CHECK(part.status == 206);
        CHECK(part.content == "xy");
        CHECK(origin.requests() == before + 2);
        CHECK(proxy.server().store_stats().objects == 0);
    }
}

TEST_CASE("parts that were asked for backwards come as the whole where the origin sends that and it is not stored") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) { x.reply(200, "Cache-Control: no-store\r\n", kDigits); });
    ProxyUnderTest proxy(origin);
    const Response whole = range(proxy, "5-6,0-1");
    CHECK(whole.status == 200);
    CHECK(whole.content == kDigits);
    CHECK(origin.requests() == 1);
}

TEST_CASE("a range of content without a length is answered with the whole, at once") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + kFields + "\r\na\r\n0123456789\r\n");
        x.pass("rest");
        x.send("a\r\nabcdefghij\r\n0\r\n\r\n");
    });
    ProxyUnderTest proxy(origin, with_range("fill"));
    RawClient client(proxy.port());
    client.get("/file", range_field("9000000000-"));
    CHECK(client.read_content(10).status == 200);
    origin.open("rest");
    CHECK(client.read().content == kDigits);
    CHECK(range(proxy, "3-4").content == "34");
    CHECK(origin.requests() == 1);
}

TEST_CASE("a fill that breaks off is an error for ranges that have not begun, and a cut for those that have") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n" + kFields + "\r\n0123456789");
        x.pass("end");
        x.close();
    });
    ProxyUnderTest proxy(origin, with_range("fill"));
    RawClient client(proxy.port());
    client.get("/file", range_field("5-15"));
    CHECK(client.read_content(5).content == "56789");
    origin.open("end");
    CHECK_FALSE(client.read_what_comes().complete);
    CHECK(proxy.server().store_stats().objects == 0);
}

TEST_CASE("by default a cold range is passed, and once the object is known to be small it is filled") {
    ScriptedOrigin origin;
    serve(origin);
    ProxyUnderTest proxy(origin);
    CHECK(range(proxy, "5-6").content == "56");
    CHECK(asked_range(origin, 0) == "bytes=5-6");
    const Response second = range(proxy, "15-");
    CHECK(second.content == "fghij");
    CHECK(second.get("Cache-Status") == "gatehouse; fwd=partial; fwd-status=200; stored; ttl=60");
    CHECK(asked_range(origin, 1).empty());
    CHECK(range(proxy, "0-2").content == "012");
    CHECK(origin.requests() == 2);
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("by default what is known to be large is passed, however often it is asked for") {
    const std::string content = long_content(8 * kMiB + 1);
    ScriptedOrigin origin;
    serve(origin, content);
    Yaml yaml;
    yaml.memory = "size: 128MiB, max_object_size: 32MiB";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(range(proxy, "5-6").content == content.substr(5, 2));
    CHECK(range(proxy, "8000000-8000001").content == content.substr(8'000'000, 2));
    CHECK(asked_range(origin, 1) == "bytes=8000000-8000001");
    CHECK(range(proxy, "9000000000-").status == 416);
    CHECK(origin.requests() <= 3);
}

TEST_CASE("by default a range joins a whole that is arriving, if it is small, and no other") {
    struct Row {
        const char* name;
        std::string length; // as the origin declares it
        int requests;
    };
    const Row rows[] = {
        {"small", "8388608", 1},
        {"large", "8388609", 2},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        ScriptedOrigin origin;
        origin.on("/file", [&](OriginExchange& x) {
            if (x.get("Range").empty()) {
                x.send("HTTP/1.1 200 OK\r\nContent-Length: " + row.length + "\r\n" + kFields + "\r\n0123456789");
                x.pass("never");
            } else {
                x.reply(206, "Content-Range: bytes 5-6/" + row.length + "\r\n" + kFields, "56");
            }
        });
        Yaml yaml;
        yaml.memory = "size: 128MiB, max_object_size: 32MiB";
        ProxyUnderTest proxy(origin, yaml);
        RawClient whole(proxy.port());
        whole.get("/file");
        whole.read_content(10);
        CHECK(range(proxy, "5-6").content == "56");
        CHECK(origin.requests() == row.requests);
        whole.close();
    }
}
