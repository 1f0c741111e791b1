// More content than fits: old responses go, the budget holds, and those who read go on.
#include "proxy/deadline_wheel.h"
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("the store never takes more than its size, and serves what it still has") {
    constexpr int kObjects = 64;
    const std::string content(512 * 1024, 'x');
    ScriptedOrigin origin;
    origin.otherwise([&](OriginExchange& x) { x.ok("max-age=600", x.target() + content); });
    Yaml yaml;
    yaml.memory = "size: 8MiB, shards: 4";
    ProxyUnderTest proxy(origin, yaml);
    const std::uint64_t limit = 8ULL * 1024 * 1024;
    for (int i = 0; i < kObjects; ++i) {
        const std::string target = "/" + std::to_string(i);
        REQUIRE(proxy.get(target).content == target + content);
        REQUIRE(proxy.server().store_stats().bytes_used <= limit);
    }
    CHECK(proxy.server().store_stats().evictions > 0);
    CHECK(proxy.server().store_stats().objects < kObjects);
    CHECK(origin.requests() == kObjects);
    const Response last = proxy.get("/" + std::to_string(kObjects - 1));
    CHECK(last.content.size() == content.size() + 3);
}

TEST_CASE("a reader of a response that is evicted meanwhile gets all of it") {
    const std::string content(2'000'000, 'y');
    ScriptedOrigin origin;
    origin.otherwise([&](OriginExchange& x) { x.ok("max-age=600", content); });
    Yaml yaml;
    yaml.memory = "size: 16MiB";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/pinned");
    RawClient slow(proxy.port(), 4096);
    slow.get("/pinned");
    REQUIRE(slow.read_content(1).get("X-Cache") == "Hit from gatehouse");
    for (int i = 0; i < 30; ++i) {
        REQUIRE(proxy.get("/" + std::to_string(i)).content.size() == content.size());
        REQUIRE(proxy.server().store_stats().bytes_used <= 16ULL * 1024 * 1024);
    }
    CHECK(slow.read().content == content);
    CHECK(origin.requests() == 31);
}

TEST_CASE("what a core keeps of what it serves most is found until it is purged, and its memory is free two ticks later") {
    ScriptedOrigin origin;
    const std::string content(20'000, 'k');
    origin.otherwise([&](OriginExchange& x) { x.ok("max-age=600", content); });
    Yaml yaml;
    yaml.workers = "1";
    ProxyUnderTest proxy(origin, yaml);
    REQUIRE(proxy.get("/hot").content == content);
    const std::uint64_t with_it = proxy.server().store_stats().bytes_used;
    for (int i = 0; i < 20; ++i) {
        REQUIRE(proxy.get("/hot").get("X-Cache") == "Hit from gatehouse");
    }
    CHECK(proxy.server().store_stats().bytes_used == with_it);
    REQUIRE(proxy.purge(R"({"path":"/hot"})").status == 200);
    REQUIRE(proxy.server().store_stats().objects == 0);
    CHECK(proxy.server().store_stats().bytes_used == with_it); // kept by the core, and charged as what a client reads
    proxy.advance(gatehouse::proxy::DeadlineWheel::kTick);
    proxy.advance(gatehouse::proxy::DeadlineWheel::kTick);
    CHECK(proxy.server().store_stats().bytes_used < with_it - content.size());
    CHECK(proxy.get("/hot").get("X-Cache") == "Miss from gatehouse");
    CHECK(origin.requests() == 2);
}
