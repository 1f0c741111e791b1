// One line of the access log for each request, hits, misses and failures.
#include "tests/support/proxy_under_test.h"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

// A log of its own for each test case.
struct Log {
    Log() { std::filesystem::remove(path); }
    ~Log() { std::filesystem::remove(path); }
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    std::string yaml() const { return "{path: '" + path.string() + "'}"; }
    // Once the proxy has ended, which writes what is queued. In the order of their beginnings: cores are written in
    // turn.
    std::vector<boost::json::object> lines() const {
        std::ifstream file(path);
        std::vector<boost::json::object> all;
        for (std::string line; std::getline(file, line);) {
            all.push_back(boost::json::parse(line).as_object());
        }
        std::ranges::stable_sort(
            all, [](const auto& a, const auto& b) { return a.at("ts").as_string() < b.at("ts").as_string(); });
        return all;
    }

    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("gatehouse-log-" + std::to_string(::getpid()));
};

std::string text_of(const boost::json::object& line, std::string_view name) {
    const auto* value = line.if_contains(name);
    return value == nullptr ? "" : boost::json::serialize(*value);
}

} // namespace

TEST_CASE("each request is one line that says what the cache did") {
    const Log log;
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=60", "content"); });
    origin.on("/broken", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nCache-Control: max-age=60\r\n\r\nhalf");
        x.pass("break");
        x.close();
    });
    Yaml yaml;
    yaml.access_log = log.yaml();
    {
        ProxyUnderTest proxy(origin, yaml);
        proxy.get("/a");
        proxy.advance(1s);
        proxy.get("/a");
        proxy.advance(1s);
        RawClient broken(proxy.port());
        broken.get("/broken");
        broken.read_content(4);
        origin.open("break");
        CHECK_FALSE(broken.read_what_comes().complete);
        proxy.advance(1s);
        proxy.ask("NONSENSE\r\n\r\n");
    }
    const auto lines = log.lines();
    REQUIRE(lines.size() == 4);
    CHECK(text_of(lines[0], "cache") == "\"miss\"");
    CHECK(text_of(lines[0], "stored") == "true");
    CHECK(text_of(lines[1], "cache") == "\"hit\"");
    CHECK(text_of(lines[1], "complete") == "true");
    CHECK(text_of(lines[1], "response_bytes") == "7");
    CHECK(text_of(lines[2], "error") == "\"response_incomplete\"");
    CHECK(text_of(lines[2], "complete") == "false");
    CHECK(text_of(lines[2], "stored").empty()); // announced, and it did not come true
    CHECK(text_of(lines[3], "status") == "400");
    CHECK(text_of(lines[3], "cache") == "\"error\"");
}

TEST_CASE("a client that goes away is named as the one who did, and its bytes are those it got") {
    const Log log;
    constexpr std::size_t kSize = 8'000'000; // more than all socket buffers on the way
    ScriptedOrigin origin;
    origin.on("/large", [](OriginExchange& x) { x.ok("max-age=60", std::string(kSize, 'x')); });
    origin.on("/late", [](OriginExchange& x) {
        x.pass("answer");
        x.ok("no-store", "content");
    });
    Yaml yaml;
    yaml.access_log = log.yaml();
    {
        ProxyUnderTest proxy(origin, yaml);
        REQUIRE(proxy.get("/large").content.size() == kSize);
        proxy.advance(1s);
        {
            RawClient leaving(proxy.port(), 4096);
            leaving.get("/large");
            leaving.read_content(1); // a hit that has begun
        }
        proxy.await([&] { return proxy.metric("gatehouse_connections_open") == 0; }, "the first client is gone");
        proxy.advance(1s);
        {
            RawClient leaving(proxy.port(), 4096);
            leaving.get("/large", "Cache-Control: no-cache\r\n");
            leaving.read_content(1); // a miss that has begun
        }
        proxy.await([&] { return proxy.metric("gatehouse_connections_open") == 0; }, "the second client is gone");
        origin.open("answer");
    }
    const auto lines = log.lines();
    REQUIRE(lines.size() == 3);
    CHECK(text_of(lines[1], "cache") == "\"hit\"");
    CHECK(text_of(lines[2], "cache") == "\"miss\"");
    for (const auto& line : {lines[1], lines[2]}) {
        CHECK(text_of(line, "complete") == "false");
        CHECK(text_of(line, "error") == "\"client_closed\"");
        CHECK(line.at("response_bytes").to_number<std::size_t>() < kSize);
        CHECK(line.at("response_bytes").to_number<std::size_t>() > 0);
    }
}

TEST_CASE("a tunnel is no hit, and what a client does wrong is no error of the origin") {
    const Log log;
    ScriptedOrigin origin;
    origin.on("/socket", [](OriginExchange& x) {
        x.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        x.close();
    });
    origin.on("/upload", [](OriginExchange& x) { x.await_close(); });
    Yaml yaml;
    yaml.access_log = log.yaml();
    {
        ProxyUnderTest proxy(origin, yaml);
        RawClient tunnel(proxy.port());
        tunnel.send("GET /socket HTTP/1.1\r\nHost: gate.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        CHECK(tunnel.read().status == 101);
        CHECK(tunnel.ended());
        proxy.advance(1s);
        const Response malformed =
            proxy.ask("POST /upload HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n");
        CHECK(malformed.status == 400);
        CHECK(malformed.get("Cache-Status").find("origin_error") == std::string::npos);
        CHECK(proxy.metric("gatehouse_requests_total", "result=\"hit\"") == 0);
    }
    const auto lines = log.lines();
    REQUIRE(lines.size() == 2);
    CHECK(text_of(lines[0], "status") == "101");
    CHECK(text_of(lines[0], "cache") == "\"bypass\"");
    CHECK(text_of(lines[1], "status") == "400");
    CHECK(text_of(lines[1], "reason") != "\"origin_error\"");
}
