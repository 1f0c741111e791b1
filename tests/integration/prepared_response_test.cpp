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

std::string request(std::string_view line, std::string_view fields = {}) {
    return std::string(line) + "\r\nHost: gate.test\r\n" + std::string(fields) + "\r\n";
}

} // namespace

TEST_CASE("what is hit again and again says each time how old it is, and what follows it is served in its place") {
    Versions origin;
    Yaml yaml;
    yaml.workers = "1";
    ProxyUnderTest proxy(origin, yaml);
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
    Yaml yaml;
    yaml.workers = "1";
    ProxyUnderTest proxy(origin, yaml);
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
