// A small response that is asked for again and again, which a core sends as it sent it before as long as that is right.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace gatehouse::testing;

namespace {

constexpr int kTimes = 12; // a core keeps what it was asked for some times, and prepares what it sent before
constexpr std::chrono::seconds kLifetime{60};

struct Versions : ScriptedOrigin {
    Versions() {
        on("/item", [this](OriginExchange& x) {
            x.reply(200, "Cache-Control: max-age=60\r\nETag: \"" + version + "\"\r\nContent-Type: text/plain\r\n",
                    "content of " + version);
        });
    }
    std::string version = "v1";
};

Yaml one_worker() {
    Yaml yaml;
    yaml.workers = "1";
    return yaml;
}

std::string request(std::string_view line, std::string_view fields = {}) {
    return std::string(line) + "\r\nHost: gate.test\r\n" + std::string(fields) + "\r\n";
}

} // namespace

TEST_CASE("what is hit again and again says each time how old it is, and what follows it is served in its place") {
    Versions origin;
    ProxyUnderTest proxy(origin, one_worker());
    RawClient client(proxy.port());
    const std::string get = request("GET /item HTTP/1.1");
    client.send(get);
    REQUIRE(client.read().get("X-Cache") == "Miss from gatehouse");
    for (int age = 0; age < 3; ++age) {
        CAPTURE(age);
        for (int i = 0; i < kTimes; ++i) {
            client.send(get);
            const auto response = client.read();
            REQUIRE(response.status == 200);
            REQUIRE(response.content == "content of v1");
            REQUIRE(response.get("Age") == std::to_string(age));
            REQUIRE(response.get("Cache-Status") == "gatehouse; hit; ttl=" + std::to_string(60 - age));
            REQUIRE(response.get("Connection") == "");
        }
        proxy.advance(std::chrono::seconds(1));
    }
    origin.version = "v2";
    proxy.advance(kLifetime);
    client.send(get);
    CHECK(client.read().content == "content of v2");
    for (int i = 0; i < kTimes; ++i) {
        client.send(get);
        const auto response = client.read();
        REQUIRE(response.content == "content of v2");
        REQUIRE(response.get("ETag") == "\"v2\"");
        REQUIRE(response.get("X-Cache") == "Hit from gatehouse");
    }
}

TEST_CASE("whoever asks otherwise for what is hit again and again gets what was asked for") {
    Versions origin;
    ProxyUnderTest proxy(origin, one_worker());
    RawClient client(proxy.port());
    const std::string get = request("GET /item HTTP/1.1");
    for (int i = 0; i < 1 + kTimes; ++i) {
        client.send(get);
        REQUIRE(client.read().content == "content of v1");
    }
    for (int round = 0; round < 3; ++round) {
        CAPTURE(round);
        client.send(request("GET /item HTTP/1.1", "If-None-Match: \"v1\"\r\n"));
        CHECK(client.read().status == 304);
        client.send(request("GET /item HTTP/1.1", "Range: bytes=0-6\r\n"));
        const auto part = client.read();
        CHECK(part.status == 206);
        CHECK(part.content == "content");
        client.send(request("HEAD /item HTTP/1.1"));
        const auto head = client.read(true);
        CHECK(head.status == 200);
        CHECK(head.get("Content-Length") == "13");
        client.send(get + get + get); // pipelined
        for (int i = 0; i < 3; ++i) {
            CHECK(client.read().content == "content of v1");
        }
        RawClient old(proxy.port());
        old.send(request("GET /item HTTP/1.0", "Connection: keep-alive\r\n"));
        CHECK(old.read().get("Connection") == "keep-alive");
        RawClient last(proxy.port());
        last.send(request("GET /item HTTP/1.1", "Connection: close\r\n"));
        const auto response = last.read();
        CHECK(response.get("Connection") == "close");
        CHECK(response.content == "content of v1");
    }
}

TEST_CASE("what rules put into an answer or keep from it is right for each client and after each reload") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nCDN-Cache-Control: max-age=60\r\n", "a");
    });
    const Yaml plain = one_worker();
    Yaml cors = plain;
    cors.extra = "response_headers_policies: {p: {cors: {allow_origins: ['*.example'], allow_credentials: true}}}\n";
    cors.behaviors = "[{path_pattern: '*', origin: api, response_headers_policy: p}]";
    Yaml withheld = plain;
    withheld.policies = "own: {targeted_cache_control_to_clients: remove}";
    withheld.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, plain);
    RawClient client(proxy.port());
    const auto ask = [&](std::string_view from) {
        client.send(request("GET /a HTTP/1.1", "Origin: https://" + std::string(from) + ".example\r\n"));
        return client.read();
    };
    for (int round = 0; round < 2; ++round) {
        CAPTURE(round);
        for (int i = 0; i < kTimes; ++i) {
            const auto response = ask("one");
            REQUIRE_FALSE(response.has("Access-Control-Allow-Origin"));
            REQUIRE(response.get("CDN-Cache-Control") == "max-age=60");
        }
        proxy.rewrite(cors);
        REQUIRE(proxy.reload().status == 200);
        for (int i = 0; i < kTimes; ++i) {
            const std::string from = i % 3 == 0 ? "one" : "two";
            REQUIRE(ask(from).get("Access-Control-Allow-Origin") == "https://" + from + ".example");
        }
        proxy.rewrite(withheld);
        REQUIRE(proxy.reload().status == 200);
        for (int i = 0; i < kTimes; ++i) {
            REQUIRE_FALSE(ask("one").has("CDN-Cache-Control"));
        }
        proxy.rewrite(plain);
        REQUIRE(proxy.reload().status == 200);
    }
    CHECK(origin.requests("/a") == 2); // a key begins with the rules that it was stored by, and the others share them
}

TEST_CASE("each variant is sent as itself, and what was purged is not sent again") {
    ScriptedOrigin origin;
    int made = 0;
    origin.on("/v", [&](OriginExchange& x) {
        const std::string language = x.get("Accept-Language");
        x.reply(200, "Cache-Control: max-age=60\r\nVary: Accept-Language\r\nContent-Language: " + language + "\r\n",
                language + " " + std::to_string(++made));
    });
    ProxyUnderTest proxy(origin, one_worker());
    RawClient client(proxy.port());
    const auto ask = [&](const std::string& language) {
        client.send(request("GET /v HTTP/1.1", "Accept-Language: " + language + "\r\n"));
        return client.read();
    };
    for (int i = 0; i < kTimes; ++i) {
        REQUIRE(ask("de").content == "de 1");
        const auto english = ask("en");
        REQUIRE(english.content == "en 2");
        REQUIRE(english.get("Content-Language") == "en");
    }
    REQUIRE(proxy.purge(R"({"url":"http://gate.test/v"})").status == 200);
    for (int i = 0; i < kTimes; ++i) {
        REQUIRE(ask("en").content == "en 3");
        REQUIRE(ask("de").content == "de 4");
    }
}
