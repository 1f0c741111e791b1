// Entity tags: generated from the content, weakened, removed.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

Yaml with_etag(const std::string& rule) {
    Yaml yaml;
    yaml.behaviors = "[{path_pattern: '*', origin: api, etag: " + rule + "}]";
    return yaml;
}

bool is_strong_tag(const std::string& tag) { return tag.size() > 2 && tag.front() == '"' && tag.back() == '"'; }

} // namespace

TEST_CASE("an answer that came whole with its head has a tag at once, and clients get 304s") {
    ScriptedOrigin origin;
    origin.on("/length", [](OriginExchange& x) { x.ok("max-age=60", "{\"a\":1}"); });
    origin.on("/chunked", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n");
    });
    origin.on("/empty", [](OriginExchange& x) { x.ok("max-age=60", ""); });
    ProxyUnderTest proxy(origin, with_etag("generate"));
    std::string tag;
    for (const char* target : {"/length", "/chunked", "/empty"}) {
        CAPTURE(target);
        const Response miss = proxy.get(target);
        CHECK(miss.get("X-Cache") == "Miss from gatehouse");
        tag = miss.get("ETag");
        CHECK(is_strong_tag(tag));
        CHECK(proxy.get(target).get("ETag") == tag);
        CHECK(proxy.head(target).get("ETag") == tag);
        const Response unchanged = proxy.get(target, "If-None-Match: " + tag + "\r\n");
        CHECK(unchanged.status == 304);
        CHECK(unchanged.get("ETag") == tag);
        CHECK(proxy.get(target, "If-None-Match: \"other\"\r\n").status == 200);
    }
    // The same bytes have the same tag, however they were framed.
    CHECK(proxy.get("/length").get("ETag") == proxy.get("/chunked").get("ETag"));
    CHECK(proxy.get("/length").get("ETag") != tag);
    const Response part =
        proxy.get("/length", "Range: bytes=1-3\r\nIf-Range: " + proxy.get("/length").get("ETag") + "\r\n");
    CHECK(part.status == 206);
    CHECK(part.content == "\"a\"");
}

TEST_CASE("a client that has the content gets 304 also from the fetch that renews it") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=60", "same"); });
    ProxyUnderTest proxy(origin, with_etag("generate"));
    const std::string tag = proxy.get("/a").get("ETag");
    proxy.advance(61s);
    const Response renewed = proxy.get("/a", "If-None-Match: " + tag + "\r\n");
    CHECK(renewed.status == 304);
    CHECK(renewed.get("ETag") == tag);
    CHECK(origin.requests() == 2);
    // Nothing is asked of the origin with a tag that it does not know.
    for (const std::string& head : origin.heads("/a")) {
        CHECK(head.find("If-None-Match") == std::string::npos);
    }
    CHECK(proxy.get("/a").get("Cache-Status") == "gatehouse; hit; ttl=60");
    CHECK(proxy.server().store_stats().objects == 1);
}

TEST_CASE("an answer whose content is late has its tag from the first hit on") {
    ScriptedOrigin origin;
    origin.on("/late", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 8\r\n\r\nhalf");
        x.pass("rest");
        x.send("rest");
    });
    origin.on("/large", [](OriginExchange& x) { x.ok("max-age=60", std::string(64 * 1024 + 1, 'l')); });
    ProxyUnderTest proxy(origin, with_etag("generate"));
    RawClient client(proxy.port());
    client.get("/late");
    client.read_content(4); // the head has gone out
    origin.open("rest");
    const Response late = client.read();
    CHECK_FALSE(late.has("ETag"));
    CHECK(late.content == "halfrest");
    CHECK_FALSE(proxy.get("/large").has("ETag"));
    for (const char* target : {"/late", "/large"}) {
        CAPTURE(target);
        const Response hit = proxy.get(target);
        CHECK(hit.get("X-Cache") == "Hit from gatehouse");
        REQUIRE(is_strong_tag(hit.get("ETag")));
        CHECK(proxy.get(target, "If-None-Match: " + hit.get("ETag") + "\r\n").status == 304);
    }
}

TEST_CASE("other bytes are another tag, and so is another coding") {
    ScriptedOrigin origin;
    origin.on("/changing", [](OriginExchange& x) { x.ok("max-age=60", "version " + std::to_string(x.number())); });
    origin.on("/coded", [](OriginExchange& x) {
        const bool gzip = x.get("Accept-Encoding") == "gzip";
        x.reply(200,
                std::string("Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n") +
                    (gzip ? "Content-Encoding: gzip\r\n" : ""),
                "the same bytes");
    });
    ProxyUnderTest proxy(origin, with_etag("generate"));
    const std::string first = proxy.get("/changing").get("ETag");
    proxy.advance(61s);
    const Response second = proxy.get("/changing", "If-None-Match: " + first + "\r\n");
    CHECK(second.status == 200);
    CHECK(second.get("ETag") != first);
    const std::string plain = proxy.get("/coded").get("ETag");
    const std::string gzip = proxy.get("/coded", "Accept-Encoding: gzip\r\n").get("ETag");
    CHECK(plain != gzip);
    CHECK(gzip.ends_with("-gzip\""));
}

TEST_CASE("a tag of the origin stays; what is none is replaced; what is not stored has none of ours") {
    ScriptedOrigin origin;
    origin.on("/tagged",
              [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nETag: W/\"v\"\r\n", "a"); });
    origin.on("/bad", [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nETag: v1\r\n", "a"); });
    origin.on("/private", [](OriginExchange& x) { x.ok("private", "a"); });
    origin.on("/404", [](OriginExchange& x) { x.reply(404, "Cache-Control: max-age=60\r\n", "a"); });
    ProxyUnderTest proxy(origin, with_etag("generate"));
    CHECK(proxy.get("/tagged").get("ETag") == "W/\"v\"");
    CHECK(is_strong_tag(proxy.get("/bad").get("ETag")));
    CHECK(is_strong_tag(proxy.get("/bad").get("ETag")));
    CHECK_FALSE(proxy.get("/private").has("ETag"));
    CHECK_FALSE(proxy.get("/404").has("ETag"));
    proxy.advance(61s);
    proxy.get("/tagged");
    CHECK(origin.heads("/tagged").back().find("If-None-Match: W/\"v\"") != std::string::npos);
}

TEST_CASE("a stored response whose Last-Modified is validated keeps the generated tag") {
    ScriptedOrigin origin;
    origin.on("/dated", [](OriginExchange& x) {
        if (x.fields().has("If-Modified-Since")) {
            x.send("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n");
            return;
        }
        x.reply(200, "Cache-Control: max-age=60\r\nLast-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\n", "dated");
    });
    ProxyUnderTest proxy(origin, with_etag("generate"));
    const std::string tag = proxy.get("/dated").get("ETag");
    proxy.advance(61s);
    CHECK(proxy.get("/dated").get("ETag") == tag);
    CHECK(proxy.get("/dated").get("ETag") == tag);
    CHECK(origin.requests() == 2);
}

TEST_CASE("keep, weaken and remove") {
    ScriptedOrigin origin;
    origin.on("/strong",
              [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nETag: \"s\"\r\n", "0123"); });
    origin.on("/weak",
              [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nETag: W/\"w\"\r\n", "0123"); });
    origin.on("/bad", [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nETag: b\r\n", "0123"); });
    struct Row {
        const char* rule;
        const char* strong;
        const char* weak;
        const char* bad;
        int conditional; // status of If-None-Match: "s"
        int range;       // status of Range with If-Range: "s"
    };
    const Row rows[] = {
        {"keep", "\"s\"", "W/\"w\"", "b", 304, 206},
        {"weaken", "W/\"s\"", "W/\"w\"", "", 304, 200},
        {"remove", "", "", "", 200, 200},
    };
    for (const Row& row : rows) {
        CAPTURE(row.rule);
        ProxyUnderTest proxy(origin, with_etag(row.rule));
        for (int i = 0; i < 2; ++i) { // a miss, a hit
            CHECK(proxy.get("/strong").get("ETag") == row.strong);
            CHECK(proxy.get("/weak").get("ETag") == row.weak);
            CHECK(proxy.get("/bad").get("ETag") == row.bad);
        }
        const Response conditional = proxy.get("/strong", "If-None-Match: \"s\"\r\n");
        CHECK(conditional.status == row.conditional);
        CHECK(conditional.get("ETag") == row.strong);
        CHECK(proxy.get("/strong", "Range: bytes=0-1\r\nIf-Range: \"s\"\r\n").status == row.range);
    }
}
