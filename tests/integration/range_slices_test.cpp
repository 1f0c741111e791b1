// Ranges and wholes that are put together from slices (docs/RANGES.md).
#include "tests/support/proxy_under_test.h"
#include "tests/support/range_origin.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <vector>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

const std::string kFields = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";

// Content of which each byte says where it is, and of which version.
std::string content_of(std::size_t size, std::size_t version = 1) {
    std::string content(size, ' ');
    for (std::size_t i = 0; i < size; ++i) {
        content[i] = static_cast<char>('a' + (i / 7 + i + version) % 26);
    }
    return content;
}

const std::string kContent = content_of(10'000);

Yaml slicing() {
    Yaml yaml;
    yaml.policies = "own: {range: {slice: 1KiB}}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    return yaml;
}

void serve(ScriptedOrigin& origin, const std::string& content = kContent, const std::string& etag = "\"v1\"") {
    origin.on("/file", [content, etag](OriginExchange& x) { answer_ranges(x, content, etag, kFields); });
}

std::string range_field(const std::string& wanted) { return "Range: bytes=" + wanted + "\r\n"; }

Response range(const ProxyUnderTest& proxy, const std::string& wanted, const std::string& more = "") {
    return proxy.get("/file", range_field(wanted) + more);
}

// What the origin got in its requests, one text for each: "bytes=0-1023 "v1"", the If-Range only where there is one.
std::vector<std::string> asked(const ScriptedOrigin& origin) {
    std::vector<std::string> out;
    for (const std::string& head : origin.heads("/file")) {
        std::string text;
        for (const std::string name : {"Range", "If-Range", "If-None-Match"}) {
            const std::string line = "\r\n" + name + ": ";
            const std::size_t at = head.find(line);
            if (at != head.npos) {
                const std::size_t begin = at + line.size();
                text += (text.empty() ? "" : " ") + (name == "If-None-Match" ? std::string("unless ") : "") +
                        head.substr(begin, head.find("\r\n", begin) - begin);
            }
        }
        out.push_back(text);
    }
    return out;
}

using Asked = std::vector<std::string>;

} // namespace

TEST_CASE("a range is put together from the slices that it lies in, and only those are asked for") {
    ScriptedOrigin origin;
    serve(origin);
    ProxyUnderTest proxy(origin, slicing());
    const Response part = range(proxy, "1500-2600", "If-None-Match: \"v0\"\r\n");
    CHECK(part.status == 206);
    CHECK(part.get("Content-Range") == "bytes 1500-2600/10000");
    CHECK(part.get("Content-Length") == "1101");
    CHECK(part.get("Content-Type") == "text/plain");
    CHECK(part.content == kContent.substr(1500, 1101));
    CHECK(part.get("Cache-Status") == "gatehouse; fwd=miss; fwd-status=206; stored; ttl=60; detail=request_range");
    CHECK(asked(origin) == Asked{"bytes=1024-2047", "bytes=2048-3071 \"v1\""});

    const Response hit = range(proxy, "1024-3071");
    CHECK(hit.content == kContent.substr(1024, 2048));
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(hit.get("Age") == "0");
    CHECK(origin.requests() == 2);

    const Response more = range(proxy, "0-4095");
    CHECK(more.content == kContent.substr(0, 4096));
    CHECK(asked(origin) ==
          Asked{"bytes=1024-2047", "bytes=2048-3071 \"v1\"", "bytes=0-1023 \"v1\"", "bytes=3072-4095 \"v1\""});
}

TEST_CASE("the whole is put together as well, and the last slice is as long as it is") {
    ScriptedOrigin origin;
    serve(origin);
    ProxyUnderTest proxy(origin, slicing());
    const Response whole = proxy.get("/file");
    CHECK(whole.status == 200);
    CHECK(whole.content == kContent);
    CHECK(whole.get("Content-Length") == "10000");
    CHECK_FALSE(whole.has("Content-Range"));
    CHECK(origin.requests() == 10);
    CHECK(proxy.get("/file").content == kContent);
    CHECK(range(proxy, "-5").content == kContent.substr(9995));
    CHECK(range(proxy, "9990-20000").content == kContent.substr(9990));
    CHECK(proxy.head("/file").get("Content-Length") == "10000");
    CHECK(proxy.get("/file", "If-None-Match: \"v1\"\r\n").status == 304);
    CHECK(range(proxy, "10000-").status == 416);
    CHECK(range(proxy, "5-6", "If-Range: \"v0\"\r\n").content == kContent);
    CHECK(origin.requests() == 10);
}

TEST_CASE("HEAD fetches one slice and gets the head of the whole") {
    ScriptedOrigin origin;
    serve(origin);
    ProxyUnderTest proxy(origin, slicing());
    const Response head = proxy.head("/file");
    CHECK(head.status == 200);
    CHECK(head.get("Content-Length") == "10000");
    CHECK(asked(origin) == Asked{"bytes=0-1023"});
    CHECK(origin.heads("/file")[0].starts_with("GET "));
    CHECK(range(proxy, "0-9").content == kContent.substr(0, 10));
    CHECK(origin.requests() == 1);
}

TEST_CASE("what is larger than the store takes is stored in slices all the same") {
    const std::string content = content_of(100'000);
    ScriptedOrigin origin;
    serve(origin, content);
    Yaml yaml = slicing();
    yaml.policies = "own: {range: {slice: 16KiB}}";
    yaml.memory = "size: 8MiB, max_object_size: 16KiB";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/file").content == content);
    CHECK(range(proxy, "50000-90000").content == content.substr(50'000, 40'001));
    CHECK(origin.requests() == 7);
}

TEST_CASE("what fits into one slice is stored as the whole") {
    ScriptedOrigin origin;
    serve(origin, kContent.substr(0, 1024));
    ProxyUnderTest proxy(origin, slicing());
    CHECK(range(proxy, "5-6").content == kContent.substr(5, 2));
    CHECK(proxy.get("/file").content == kContent.substr(0, 1024));
    CHECK(proxy.get("/file").get("X-Cache") == "Hit from gatehouse");
    CHECK(asked(origin) == Asked{"bytes=0-1023"});
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("clients of one slice share its fetch, and get its bytes as they come") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        x.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1024-2047/10000\r\nContent-Length: 1024\r\n"
               "ETag: \"v1\"\r\n" +
               kFields + "\r\n" + kContent.substr(1024, 500));
        x.pass("rest");
        x.send(kContent.substr(1524, 524));
    });
    ProxyUnderTest proxy(origin, slicing());
    RawClient one(proxy.port());
    one.get("/file", range_field("1100-1999"));
    CHECK(one.read_content(424).content == kContent.substr(1100, 424));
    RawClient two(proxy.port());
    two.get("/file", range_field("1024-1033"));
    CHECK(two.read().content == kContent.substr(1024, 10));
    origin.open("rest");
    CHECK(one.read().content == kContent.substr(1100, 900));
    CHECK(origin.requests() == 1);
}

TEST_CASE("a cold range behind the end is answered at once, and one behind a known end without the origin") {
    ScriptedOrigin origin;
    serve(origin);
    ProxyUnderTest proxy(origin, slicing());
    const Response cold = range(proxy, "9000000000-");
    CHECK(cold.status == 416);
    CHECK(cold.get("Content-Range") == "bytes */10000");
    CHECK(origin.requests() == 1);
    range(proxy, "0-1");
    const Response known = range(proxy, "9000000000-");
    CHECK(known.status == 416);
    CHECK(known.get("Content-Range") == "bytes */10000");
    CHECK(origin.requests() == 2);
}

TEST_CASE("several ranges, and those counted from the end, are passed until it is known where they lie") {
    ScriptedOrigin origin;
    serve(origin);
    ProxyUnderTest proxy(origin, slicing());
    CHECK(range(proxy, "-5").content == kContent.substr(9995));
    CHECK(asked(origin) == Asked{"bytes=-5"});
    range(proxy, "0-1");
    const Response several = range(proxy, "1-2,2000-2001");
    CHECK(several.status == 206);
    CHECK(several.get("Content-Type").starts_with("multipart/byteranges"));
    CHECK(several.content.find("bytes 2000-2001/10000\r\n\r\n" + kContent.substr(2000, 2)) != std::string::npos);
    CHECK(range(proxy, "2002-2003,1030-1031").status == 206); // backwards, within one slice
    CHECK(asked(origin) == Asked{"bytes=-5", "bytes=0-1023", "bytes=1024-2047 \"v1\""});
}

TEST_CASE("a purge reaches the slices of a URL") {
    ScriptedOrigin origin;
    serve(origin);
    ProxyUnderTest proxy(origin, slicing());
    range(proxy, "0-2047");
    CHECK(origin.requests() == 2);
    CHECK(proxy.purge(R"({"path":"/file"})").content.starts_with("{\"purged\":3,")); // the manifest and two slices
    range(proxy, "0-2047");
    CHECK(asked(origin) == Asked{"bytes=0-1023", "bytes=1024-2047 \"v1\"", "bytes=0-1023", "bytes=1024-2047 \"v1\""});
}

TEST_CASE("stale slices are asked about once, and used when nothing has changed") {
    ScriptedOrigin origin;
    serve(origin);
    ProxyUnderTest proxy(origin, slicing());
    range(proxy, "0-2047");
    proxy.advance(61s);
    const Response fresh = range(proxy, "0-2047");
    CHECK(fresh.status == 206);
    CHECK(fresh.content == kContent.substr(0, 2048));
    CHECK(fresh.get("X-Cache") == "RefreshHit from gatehouse");
    CHECK(asked(origin) == Asked{"bytes=0-1023", "bytes=1024-2047 \"v1\"", "bytes=0-1023 unless \"v1\""});
    CHECK(range(proxy, "0-9").get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == 3);
}

TEST_CASE("what changed before the head was sent is served as it is now, and nothing of the old is used again") {
    ScriptedOrigin origin;
    serve(origin);
    const std::string changed = content_of(12'000, 2);
    for (const bool stale : {false, true}) {
        CAPTURE(stale);
        serve(origin);
        ProxyUnderTest proxy(origin, slicing());
        range(proxy, "0-2047");
        serve(origin, changed, "\"v2\"");
        if (stale) {
            proxy.advance(61s);
        }
        const Response now = range(proxy, stale ? "0-9" : "2048-2057"); // a slice that is stored, or one that is not
        CHECK(now.status == 206);
        CHECK(now.get("ETag") == "\"v2\"");
        CHECK(now.content == changed.substr(stale ? 0 : 2048, 10));
        CHECK(range(proxy, "1024-1033").content == changed.substr(1024, 10));
        CHECK(proxy.get("/file").content == changed);
    }
}

TEST_CASE("what changes after the head was sent cuts the connection, and nothing of the old is used again") {
    const std::string changed = content_of(10'000, 2);
    struct Row {
        const char* name;
        bool obeys_if_range;
    };
    for (const Row& row :
         {Row{"the origin sends the whole", true}, Row{"the origin sends a slice of the new", false}}) {
        CAPTURE(std::string(row.name));
        ScriptedOrigin origin;
        std::atomic<bool> is_new = false;
        origin.on("/file", [&](OriginExchange& x) {
            is_new = is_new || x.get("Range") == "bytes=3072-4095";
            if (is_new && !row.obeys_if_range && x.get("Range") == "bytes=3072-4095") {
                x.reply(206, "Content-Range: bytes 3072-4095/10000\r\nETag: \"v2\"\r\n" + kFields,
                        changed.substr(3072, 1024));
                return;
            }
            answer_ranges(x, is_new ? changed : kContent, is_new ? "\"v2\"" : "\"v1\"", kFields);
        });
        ProxyUnderTest proxy(origin, slicing());
        RawClient client(proxy.port());
        client.get("/file");
        const Response cut = client.read_what_comes();
        CHECK_FALSE(cut.complete);
        CHECK(cut.content == kContent.substr(0, 3072));
        const Response now = range(proxy, "0-5000");
        CHECK(now.get("ETag") == "\"v2\"");
        CHECK(now.content == changed.substr(0, 5001));
        CHECK(proxy.get("/file").content == changed);
    }
}

TEST_CASE("an origin that knows no ranges is answered from as it is") {
    for (const bool large : {false, true}) {
        CAPTURE(large);
        ScriptedOrigin origin;
        const std::string content = content_of(large ? 200'000 : 10'000);
        origin.on("/file", [&](OriginExchange& x) { x.reply(200, "ETag: \"v1\"\r\n" + kFields, content); });
        Yaml yaml = slicing();
        yaml.memory = "size: 64MiB, max_object_size: 64KiB";
        ProxyUnderTest proxy(origin, yaml);
        CHECK(range(proxy, "1500-1509").content == content.substr(1500, 10));
        CHECK(proxy.get("/file").content == content);
        CHECK(origin.requests() == (large ? 2 : 1));
    }
}

TEST_CASE("without a strong validator, or where nothing may be stored, ranges are passed") {
    for (const std::string& fields : {kFields, "ETag: W/\"v1\"\r\n" + kFields,
                                      std::string("ETag: \"v1\"\r\nCache-Control: private, max-age=60\r\n")}) {
        CAPTURE(fields);
        ScriptedOrigin origin;
        origin.on("/file", [&](OriginExchange& x) { answer_ranges(x, kContent, "", fields); });
        ProxyUnderTest proxy(origin, slicing());
        CHECK(range(proxy, "1500-2600").content == kContent.substr(1500, 1101));
        CHECK(asked(origin) == Asked{"bytes=1024-2047", "bytes=1500-2600"});
        CHECK(range(proxy, "5000-5001").content == kContent.substr(5000, 2)); // it is remembered for a while
        CHECK(proxy.get("/file").content == kContent);
        CHECK(asked(origin) == Asked{"bytes=1024-2047", "bytes=1500-2600", "bytes=5000-5001", ""});
    }
}

TEST_CASE("an empty representation has no slice, and is answered for") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.get("Range").empty()) {
            x.reply(200, kFields, "");
        } else {
            x.reply(416, "Content-Range: bytes */0\r\n", "");
        }
    });
    ProxyUnderTest proxy(origin, slicing());
    const Response whole = proxy.get("/file");
    CHECK(whole.status == 200);
    CHECK(whole.content.empty());
    CHECK(proxy.get("/file").get("X-Cache") == "Hit from gatehouse");
}

TEST_CASE("an origin that fails is an error before the head, and a cut after it") {
    ScriptedOrigin origin;
    std::atomic<int> good = 0;
    origin.on("/file", [&](OriginExchange& x) {
        if (good-- > 0) {
            answer_ranges(x, kContent, "\"v1\"", kFields);
        } else {
            x.close();
        }
    });
    ProxyUnderTest proxy(origin, slicing());
    CHECK(range(proxy, "0-2000").status == 502);
    good = 1;
    RawClient client(proxy.port());
    client.get("/file", range_field("0-2000"));
    const Response cut = client.read_what_comes();
    CHECK_FALSE(cut.complete);
    CHECK(cut.content == kContent.substr(0, 1024));
    good = 10;
    CHECK(range(proxy, "0-2000").content == kContent.substr(0, 2001));
}

TEST_CASE("an error that is no slice is passed on") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) { x.reply(404, "Cache-Control: max-age=60\r\n", "none"); });
    ProxyUnderTest proxy(origin, slicing());
    CHECK(range(proxy, "0-2000").status == 404);
    CHECK(proxy.get("/file").content == "none");
    CHECK(origin.requests() == 1);
}

TEST_CASE("slices of variants are kept apart") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        const bool german = x.get("Accept-Language") == "de";
        answer_ranges(x, content_of(5'000, german ? 3 : 4), german ? "\"de\"" : "\"en\"",
                      kFields + "Vary: Accept-Language\r\n");
    });
    ProxyUnderTest proxy(origin, slicing());
    for (int round = 0; round < 2; ++round) {
        CHECK(range(proxy, "0-2000", "Accept-Language: de\r\n").content == content_of(5'000, 3).substr(0, 2001));
        CHECK(range(proxy, "0-2000", "Accept-Language: en\r\n").content == content_of(5'000, 4).substr(0, 2001));
    }
    CHECK(origin.requests() == 4);
}

TEST_CASE("the rules for responses are for what is put together, too") {
    ScriptedOrigin origin;
    serve(origin);
    Yaml yaml = slicing();
    yaml.extra = "response_headers_policies: {p: {set: {X: '1'}}}\n";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own, client_cache_control: 'max-age=5', "
                     "etag: weaken, response_headers_policy: p}]";
    ProxyUnderTest proxy(origin, yaml);
    for (int i = 0; i < 2; ++i) {
        const Response part = range(proxy, "1000-1999");
        CHECK(part.status == 206);
        CHECK(part.content == kContent.substr(1000, 1000));
        CHECK(part.get("Cache-Control") == "max-age=5");
        CHECK(part.get("ETag") == "W/\"v1\"");
        CHECK(part.get("X") == "1");
        CHECK_FALSE(part.has("Age"));
        proxy.advance(3s);
    }
    CHECK(origin.requests() == 2);
}

TEST_CASE("one client's 416 is nobody else's answer, and costs no slice") {
    ScriptedOrigin origin;
    serve(origin);
    Yaml yaml = slicing();
    yaml.policies = "own: {range: {slice: 1KiB}, error_ttl: {4xx: 1h}}";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(range(proxy, "20000-").status == 416); // cold
    CHECK(range(proxy, "0-9").content == kContent.substr(0, 10));
    proxy.advance(61s);
    CHECK(range(proxy, "20000-").status == 416); // with a manifest that is stale
    CHECK(range(proxy, "0-9").content == kContent.substr(0, 10));
    CHECK(asked(origin).back() == "bytes=0-1023 unless \"v1\"");
    CHECK(proxy.get("/file").content == kContent);
}

TEST_CASE("that one client wants the whole anew takes the slices from no other") {
    ScriptedOrigin origin;
    serve(origin);
    Yaml yaml = slicing();
    yaml.memory = "size: 64MiB, max_object_size: 4KiB";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(range(proxy, "0-9").content == kContent.substr(0, 10));
    CHECK(proxy.get("/file", "Cache-Control: no-cache\r\n").content == kContent);
    const int requests = origin.requests();
    CHECK(range(proxy, "10-19").content == kContent.substr(10, 10));
    CHECK(range(proxy, "10-19").get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests() == requests);
}

TEST_CASE("a slice whose Content-Range may not be stored is passed on as it is") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        answer_ranges(x, kContent, "\"v1\"", "Cache-Control: max-age=60, private=\"Content-Range\"\r\n");
    });
    ProxyUnderTest proxy(origin, slicing());
    for (int i = 0; i < 2; ++i) {
        const Response part = range(proxy, "1500-2600");
        CHECK(part.status == 206);
        CHECK(part.content == kContent.substr(1500, 1101));
    }
}

TEST_CASE("a digest of one slice's content goes out with no other content") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        answer_ranges(x, kContent, "\"v1\"",
                      kFields + "Content-Digest: sha-256=:AAAA:\r\nRepr-Digest: sha-256=:BBBB:\r\n");
    });
    ProxyUnderTest proxy(origin, slicing());
    for (int i = 0; i < 2; ++i) {
        const Response whole = proxy.get("/file");
        CHECK(whole.content == kContent);
        CHECK(whole.get("Content-Digest") == "");
        CHECK(whole.get("Repr-Digest") == "sha-256=:BBBB:");
        CHECK(range(proxy, "0-9").get("Content-Digest") == "");
    }
}

TEST_CASE("an error that was stored before there was something to slice is no obstacle") {
    ScriptedOrigin origin;
    origin.on("/file", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.reply(404, "", "not yet");
        } else {
            answer_ranges(x, kContent, "\"v1\"", kFields);
        }
    });
    Yaml yaml = slicing();
    yaml.policies = "own: {range: {slice: 1KiB}, error_ttl: {404: 10s}}";
    yaml.memory = "size: 64MiB, max_object_size: 4KiB";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/file").status == 404);
    CHECK(proxy.get("/file").content == "not yet");
    proxy.advance(11s);
    CHECK(proxy.get("/file").content == kContent);
    CHECK(range(proxy, "0-9").get("X-Cache") == "Hit from gatehouse");
}
