// A reload: new requests follow the new rules, and nothing else changes.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

void count_requests(ScriptedOrigin& origin) {
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", x.target() + " " + std::to_string(x.number())); });
}

std::size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::size_t size = 0;
    std::size_t resident = 0;
    statm >> size >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// A free port of loopback that nobody listens on now.
std::uint16_t free_port() {
    const ScriptedOrigin somebody;
    return somebody.port();
}

void reload_under_load(int reloads, const std::function<void(int)>& after_each) {
    ScriptedOrigin origin;
    count_requests(origin);
    Yaml yamls[2];
    yamls[1].behaviors = "[{path_pattern: /a, origin: api}, {path_pattern: '*', origin: api}]";
    yamls[1].policies = "own: {ttl: 1s}";
    ProxyUnderTest proxy(origin, yamls[0]);
    std::atomic<bool> stop{false};
    std::atomic<int> answered{0};
    std::atomic<int> lost{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back([&, i] {
            RawClient client(proxy.port());
            for (int n = 0; !stop.load(); ++n) {
                client.get("/" + std::string(1, static_cast<char>('a' + i)) + std::to_string(n % 50));
                const Response response = client.read_what_comes();
                (response.status == 200 ? answered : lost).fetch_add(1);
            }
        });
    }
    for (int i = 1; i <= reloads; ++i) {
        proxy.rewrite(yamls[i % 2]);
        CHECK(proxy.reload().status == 200);
        after_each(i);
    }
    stop.store(true);
    for (std::thread& client : clients) {
        client.join();
    }
    CHECK(lost.load() == 0);
    CHECK(answered.load() > 0);
    CHECK(proxy.metric("gatehouse_config_generation") == reloads + 1);
    proxy.await_metric("gatehouse_responses_total", answered.load(), "class=\"2xx\"");
}

} // namespace

TEST_CASE("a reload changes the rules for new requests and keeps what is stored") {
    ScriptedOrigin origin;
    count_requests(origin);
    ProxyUnderTest proxy(origin);
    RawClient kept(proxy.port());
    kept.get("/a");
    CHECK(kept.read().content == "/a 1");
    Yaml strict;
    strict.behaviors = "[{path_pattern: /b, origin: api, allowed_methods: [POST]}, {path_pattern: '*', origin: api}]";
    proxy.rewrite(strict);
    CHECK(proxy.get("/b").status == 200);
    const Response reloaded = proxy.reload();
    CHECK(reloaded.status == 200);
    CHECK(reloaded.content == "{\"generation\":2,\"needs_restart\":[]}\n");
    CHECK(proxy.metric("gatehouse_config_generation") == 2);
    CHECK(proxy.get("/b").status == 405);
    CHECK(proxy.get("/a").get("X-Cache") == "Hit from gatehouse");
    kept.get("/a"); // the connection is the same
    CHECK(kept.read().get("X-Cache") == "Hit from gatehouse");
    CHECK(origin.requests("/a") == 1);
}

TEST_CASE("what today's rules would not have stored is not served after a reload") {
    ScriptedOrigin origin;
    count_requests(origin);
    Yaml yaml;
    yaml.policies = "own: {ttl: 1h}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/a").content == "/a 1");
    yaml.policies = "own: {ttl: 10s}";
    proxy.rewrite(yaml);
    CHECK(proxy.reload().status == 200);
    proxy.advance(9s);
    CHECK(proxy.get("/a").content == "/a 1");
    proxy.advance(2s);
    CHECK(proxy.get("/a").content == "/a 2");
}

TEST_CASE("a configuration with a problem changes nothing, and the answer says what check says") {
    ScriptedOrigin origin;
    count_requests(origin);
    ProxyUnderTest proxy(origin);
    Yaml broken;
    broken.behaviors = "[{path_pattern: '*', origin: nowhere}]";
    proxy.rewrite(broken);
    const Response refused = proxy.reload();
    CHECK(refused.status == 422);
    CHECK(refused.content.find("scenario.yaml:") != std::string::npos);
    CHECK(refused.content.find("behaviors[0].origin: no origin has the name `nowhere`") != std::string::npos);
    CHECK(refused.content.find("\"generation\":1,") != std::string::npos);
    CHECK(proxy.get("/a").content == "/a 1");
    CHECK(proxy.metric("gatehouse_config_generation") == 1);
}

TEST_CASE("listeners come and go without dropping a connection") {
    ScriptedOrigin origin;
    count_requests(origin);
    const std::uint16_t first = free_port();
    const std::uint16_t second = free_port();
    const auto listening = [](std::vector<std::uint16_t> ports) {
        Yaml yaml;
        yaml.listeners = "[";
        for (const std::uint16_t port : ports) {
            yaml.listeners += "{address: '127.0.0.1:" + std::to_string(port) + "'},";
        }
        yaml.listeners += "]";
        return yaml;
    };
    ProxyUnderTest proxy(origin, listening({first}));
    RawClient kept(first);
    kept.get("/a");
    CHECK(kept.read().status == 200);
    proxy.rewrite(listening({second, first}));
    CHECK(proxy.reload().status == 200);
    CHECK(proxy.port(0) == second);
    CHECK(proxy.port(1) == first);
    CHECK(RawClient(second).get("/a"));
    proxy.rewrite(listening({second}));
    CHECK(proxy.reload().status == 200);
    kept.get("/a");
    CHECK(kept.read().status == 200);
    CHECK_THROWS_AS(RawClient{first}, HarnessError);
    RawClient other(second);
    other.get("/a");
    CHECK(other.read().status == 200);
    // An address that another program has changes nothing.
    proxy.rewrite(listening({second, origin.port()}));
    const Response refused = proxy.reload();
    CHECK(refused.status == 422);
    CHECK(refused.content.find("another program listens there") != std::string::npos);
    CHECK(proxy.get("/a").status == 200);
}

TEST_CASE("what needs a restart is told as long as it does") {
    ScriptedOrigin origin;
    count_requests(origin);
    Yaml yaml;
    ProxyUnderTest proxy(origin, yaml);
    yaml.memory = "size: 128MiB";
    proxy.rewrite(yaml);
    for (int i = 0; i < 2; ++i) {
        CHECK(proxy.reload().content.find(R"("needs_restart":["cache.memory"])") != std::string::npos);
    }
    yaml.memory = "size: 64MiB";
    proxy.rewrite(yaml);
    CHECK(proxy.reload().content.find(R"("needs_restart":[])") != std::string::npos);
}

TEST_CASE("a listener that overlaps one of gatehouse's own is refused with what to do") {
    ScriptedOrigin origin;
    count_requests(origin);
    const std::string port = std::to_string(free_port());
    Yaml yaml;
    yaml.listeners = "[{address: '127.0.0.1:" + port + "'}]";
    ProxyUnderTest proxy(origin, yaml);
    yaml.listeners = "[{address: '0.0.0.0:" + port + "'}]";
    proxy.rewrite(yaml);
    const Response refused = proxy.reload();
    CHECK(refused.status == 422);
    CHECK(refused.content.find("that change needs a restart") != std::string::npos);
    CHECK(proxy.get("/a").status == 200);
}

TEST_CASE("a request follows the configuration that it began with") {
    ScriptedOrigin origin;
    origin.on("/slow", [](OriginExchange& x) {
        x.pass("answer");
        x.ok("no-store", "slow");
    });
    Yaml first;
    first.behaviors = "[{path_pattern: /slow, origin: api}]";
    ProxyUnderTest proxy(origin, first);
    RawClient waiting(proxy.port());
    waiting.get("/slow");
    origin.await_requests("/slow", 1);
    Yaml second;
    second.behaviors = "[{path_pattern: /other, origin: api}]";
    proxy.rewrite(second);
    CHECK(proxy.reload().status == 200);
    CHECK(proxy.get("/slow").status == 404);
    origin.open("answer");
    CHECK(waiting.read().content == "slow");
}

TEST_CASE("reloads under load lose no request") {
    reload_under_load(100, [](int) {});
}

TEST_CASE("a thousand reloads under load leave no memory behind" * doctest::test_suite("soak")) {
    constexpr int kReloads = 1000;
    std::size_t early = 0;
    std::size_t late = 0;
    reload_under_load(kReloads, [&](int reload) {
        if (reload == kReloads / 5) {
            early = resident_bytes();
        } else if (reload == kReloads) {
            late = resident_bytes();
        }
    });
    MESSAGE("resident after 200 reloads: " << early / 1024 << " KiB, after 1,000: " << late / 1024 << " KiB");
    CHECK(late < early + 8 * 1024 * 1024);
}
