// More content than fits: old responses go, the budget holds, and those who read go on.
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
