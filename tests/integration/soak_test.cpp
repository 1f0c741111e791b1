// Long runs against the program itself. When the clients are gone it holds what it held before: descriptors, memory,
// and a store within its limit; and every answer was the right one.
#include "proxy/clock.h"
#include "tests/support/gatehouse_process.h"
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace gatehouse::testing;

namespace {

constexpr int kConnections = 64;
constexpr std::size_t kMiB = 1024 * 1024;
// What resident memory may grow by after the first round.
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kGrowth = 256 * kMiB; // it holds back what was freed
#else
constexpr std::size_t kGrowth = 3 * kMiB;
#endif

// What the origin answers for a target: its name again and again, mostly little, sometimes more than a block.
std::string content_of(std::string_view target) {
    const std::size_t mark = std::hash<std::string_view>()(target);
    const std::size_t size = mark % 16 == 0 ? 20'000 + mark % 60'000 : 100 + mark % 3'000;
    std::string content;
    content.reserve(size + target.size());
    while (content.size() < size) {
        content += target;
    }
    return content;
}

constexpr std::size_t kLarge = 3 * kMiB; // more than is stored

void send_large(OriginExchange& x) {
    const std::string piece(64 * 1024, 'x');
    x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: " + std::to_string(kLarge) + "\r\n\r\n");
    for (std::size_t sent = 0; sent < kLarge && x.send(piece); sent += piece.size()) {}
}

// What is done with a request says the first part of its target.
void answer(OriginExchange& x) {
    const std::string& target = x.target();
    const std::string tag = "ETag: \"" + std::to_string(std::hash<std::string>()(target)) + "\"\r\n";
    const auto is = [&target](std::string_view part) { return target.starts_with(part); };
    if (is("/checked/") || is("/brief/")) {
        const std::string fields = tag + "Cache-Control: " + (is("/brief/") ? "max-age=1" : "no-cache") + "\r\n";
        const bool unchanged = !x.get("If-None-Match").empty();
        x.reply(unchanged ? 304 : 200, fields, unchanged ? "" : content_of(target));
    } else if (is("/passed/")) {
        x.ok("no-store", content_of(target));
    } else if (is("/varied/")) {
        const std::string language = x.get("Accept-Language");
        x.reply(200, "Cache-Control: max-age=600\r\nVary: Accept-Language\r\n", content_of(target + language));
    } else if (is("/asked/")) {
        const std::string question = x.content();
        x.reply(200, tag + "Cache-Control: max-age=1, stale-while-revalidate=2\r\n", content_of(target + question));
    } else if (is("/broken/")) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 5000\r\n\r\nhalf of it");
        x.reset();
    } else if (is("/large/")) {
        send_large(x);
    } else {
        x.content();
        x.reply(200, tag + "Cache-Control: max-age=600\r\n", content_of(target));
    }
}

constexpr std::array<std::string_view, 3> kResults{"Hit from gatehouse", "Miss from gatehouse",
                                                   "RefreshHit from gatehouse"};

struct Tally {
    int requests = 0;
    std::vector<std::string> faults; // what was not as it should be
    std::array<int, 3> results{};    // as kResults says
    gatehouse::http::SteadyTime::duration slowest{0};
    std::string slowest_request;
};

// One client that does everything a client may do, over a connection that it opens again when it has to.
class Client {
public:
    Client(const GatehouseProcess& proxy, unsigned seed)
        : proxy_(proxy), name_(std::to_string(seed)), random_(seed), connection_(proxy.port()) {}

    Tally run(int requests) {
        try {
            while (tally_.requests < requests) {
                const auto before = clock_.steady_now();
                step();
                const auto took = clock_.steady_now() - before;
                if (took > tally_.slowest) {
                    tally_.slowest = took;
                    tally_.slowest_request = last_;
                }
            }
        } catch (const std::exception& error) {
            tally_.faults.push_back(last_ + ": " + error.what());
        }
        return tally_;
    }

private:
    std::string some(const char* folder, unsigned of) { return folder + std::to_string(random_() % of); }
    std::string another(const char* folder) { return folder + name_ + "-" + std::to_string(tally_.requests); }
    void expect(bool right, const std::string& what) {
        if (!right) {
            tally_.faults.push_back(what);
        }
    }
    void reconnect() { connection_ = RawClient(proxy_.port()); }

    void count(const Response& response) {
        const std::string result = response.get("X-Cache");
        for (std::size_t i = 0; i < kResults.size(); ++i) {
            tally_.results[i] += result == kResults[i] ? 1 : 0;
        }
    }
    void check(const Response& response, const std::string& target, const std::string& content) {
        count(response);
        expect(response.status == 200 && response.content == content,
               target + " got " + std::to_string(response.status) + " and " + response.content.substr(0, 80));
    }
    // Sends a request, and remembers it for the message of a fault.
    void send(const std::string& request) {
        last_ = request;
        connection_.send(request);
    }
    void send_get(const std::string& target, const std::string& fields = "") {
        send("GET " + target + " HTTP/1.1\r\nHost: gate.test\r\n" + fields + "\r\n");
    }
    void get(const std::string& target) {
        ++tally_.requests;
        send_get(target);
        check(connection_.read(), target, content_of(target));
    }
    void get_variant() {
        ++tally_.requests;
        const std::string target = some("/varied/", 50);
        const std::string language = some("l", 4);
        send_get(target, "Accept-Language: " + language + "\r\n");
        check(connection_.read(), target, content_of(target + language));
    }
    void get_range() {
        ++tally_.requests;
        const std::string target = some("/kept/", 500);
        send_get(target, "Range: bytes=10-29\r\n");
        const Response response = connection_.read();
        count(response);
        const std::string whole = content_of(target); // which an origin without ranges may send as well
        expect((response.status == 206 && response.content == whole.substr(10, 20)) ||
                   (response.status == 200 && response.content == whole),
               target + " range got " + std::to_string(response.status));
    }
    void get_head() {
        ++tally_.requests;
        const std::string target = some("/kept/", 500);
        send("HEAD " + target + " HTTP/1.1\r\nHost: gate.test\r\n\r\n");
        const Response response = connection_.read(true);
        expect(response.get("Content-Length") == std::to_string(content_of(target).size()), target + " HEAD");
    }
    void post() {
        ++tally_.requests;
        const std::string target = some("/kept/", 500);
        send("POST " + target + " HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n" +
             "5\r\nhello\r\n0\r\n\r\n");
        check(connection_.read(), target, content_of(target));
    }
    void ask() {
        ++tally_.requests;
        const std::string target = some("/asked/", 10);
        std::string question = some("question ", 20);
        question.resize(random_() % 8 == 0 ? 5000 : question.size(), '.'); // of which some are not keyed
        send("POST " + target + " HTTP/1.1\r\nHost: gate.test\r\nContent-Length: " + std::to_string(question.size()) +
             "\r\n\r\n" + question);
        check(connection_.read(), target, content_of(target + question));
    }
    void pipeline() {
        std::vector<std::string> targets{some("/kept/", 500), another("/passed/"), some("/checked/", 100)};
        std::string all;
        for (const std::string& target : targets) {
            all += "GET " + target + " HTTP/1.1\r\nHost: gate.test\r\n\r\n";
        }
        send(all);
        for (const std::string& target : targets) {
            ++tally_.requests;
            check(connection_.read(), target, content_of(target));
        }
    }
    void get_broken() {
        ++tally_.requests;
        const std::string target = some("/broken/", 20);
        send_get(target);
        const Response response = connection_.read_what_comes();
        expect(!response.complete || response.status == 502, target + " looks whole");
        reconnect();
    }
    void malformed() {
        ++tally_.requests;
        send("GET /../.. HTTP/1.1\r\nHost: gate.test\r\n\r\n");
        expect(connection_.read().status == 400, "a malformed request was taken");
        reconnect();
    }
    // Goes away in the middle of a large response, or with one.
    void leave() {
        ++tally_.requests;
        send_get(random_() % 4 == 0 ? another("/large/") : some("/kept/", 500));
        if (random_() % 2 == 0) {
            connection_.read_content(50);
        }
        if (random_() % 2 == 0) {
            connection_.reset();
        }
        reconnect();
    }
    // A connection that ends within its request.
    void leave_early() {
        ++tally_.requests;
        const std::string target = random_() % 2 == 0 ? some("/kept/", 500) : some("/asked/", 10);
        send("POST " + target + " HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 10\r\n\r\nhal");
        if (random_() % 2 == 0) {
            connection_.reset();
        }
        reconnect();
    }
    void get_large() {
        ++tally_.requests;
        send_get(another("/large/"));
        const Response response = connection_.read();
        expect(response.content.size() == kLarge, "a large response is not whole");
    }
    void purge() {
        ++tally_.requests;
        const bool one = random_() % 8 != 0;
        const std::string json = one ? R"({"url":"http://gate.test)" + some("/kept/", 500) + R"("})"
                                     : R"({"path":")" + some("/kept/", 50) + R"(*"})";
        expect(proxy_.purge(json).status == 200, "a purge failed");
    }

    void step() {
        const auto dice = random_() % 1000;
        if (dice < 500) {
            get(some("/kept/", 500));
        } else if (dice < 600) {
            get(some("/checked/", 100));
        } else if (dice < 650) {
            get(some("/brief/", 200));
        } else if (dice < 690) {
            ask();
        } else if (dice < 730) {
            get(another("/fresh/")); // stored, so that others are evicted
        } else if (dice < 800) {
            get(another("/passed/"));
        } else if (dice < 850) {
            get_variant();
        } else if (dice < 880) {
            get_range();
        } else if (dice < 910) {
            get_head();
        } else if (dice < 930) {
            post();
        } else if (dice < 960) {
            pipeline();
        } else if (dice < 967) {
            get_broken();
        } else if (dice < 974) {
            malformed();
        } else if (dice < 984) {
            leave();
        } else if (dice < 990) {
            leave_early();
        } else if (dice < 992) {
            get_large();
        } else {
            purge();
        }
    }

    const gatehouse::proxy::SystemClock clock_;
    const GatehouseProcess& proxy_;
    std::string name_;
    std::minstd_rand random_;
    RawClient connection_;
    Tally tally_;
    std::string last_; // what was sent last
};

// Lets all clients work at once, each with a share of the requests.
Tally run_clients(const GatehouseProcess& proxy, int requests, unsigned first_seed) {
    std::vector<Tally> tallies(kConnections);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kConnections; ++i) {
        threads.emplace_back([&, i] {
            Client client(proxy, first_seed + i);
            tallies[i] = client.run(requests / kConnections);
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    Tally all;
    for (const Tally& tally : tallies) {
        all.requests += tally.requests;
        if (tally.slowest > all.slowest) {
            all.slowest = tally.slowest;
            all.slowest_request = tally.slowest_request;
        }
        all.faults.insert(all.faults.end(), tally.faults.begin(), tally.faults.end());
        for (std::size_t i = 0; i < all.results.size(); ++i) {
            all.results[i] += tally.results[i];
        }
    }
    return all;
}

std::string configuration(std::uint16_t origin_port) {
    Yaml yaml;
    yaml.origin = "idle_timeout: 1s";
    yaml.memory = "size: 16MiB, max_object_size: 1MiB";
    yaml.policies = "questions: {key: {max_body_size: 4KiB}}";
    yaml.behaviors = "[{path_pattern: /asked/*, origin: api, cache_policy: questions, cached_methods: [GET, HEAD, "
                     "POST]}, {path_pattern: '*', origin: api}]";
    return yaml.text(origin_port);
}

} // namespace

TEST_SUITE("soak") {
    TEST_CASE("400,000 requests of all kinds leave descriptors and memory as they were") {
        allow_descriptors(4096);
        ScriptedOrigin origin;
        origin.otherwise(&answer);
        GatehouseProcess proxy(configuration(origin.port()));
        const std::size_t descriptors = proxy.descriptors();
        std::array<std::size_t, 5> resident{};
        int requests = 0;
        for (std::size_t round = 0; round < resident.size(); ++round) {
            const Tally tally = run_clients(proxy, 80'000, static_cast<unsigned>(round) * kConnections + 1);
            REQUIRE_MESSAGE(tally.faults.empty(), tally.faults.size() << " faults; the first: " << tally.faults[0]);
            requests += tally.requests;
            for (const int result : tally.results) {
                CHECK(result > 100);
            }
            // Connections to the origin end a second after their last use. No more than before: the first count may have
            // caught the connection of the probe that said the program is ready.
            ProxyUnderTest::await([&] { return proxy.descriptors() <= descriptors; }, "connections are closed");
            resident[round] = proxy.resident_bytes();
            const std::string metrics = proxy.metrics();
            CHECK(sum_of_metric(metrics, "gatehouse_store_bytes") <= 16 * kMiB);
            CHECK(sum_of_metric(metrics, "gatehouse_store_evictions_total") > 0);
            CHECK(sum_of_metric(metrics, "gatehouse_escaped_exceptions_total") == 0);
            MESSAGE("after " << requests << " requests: " << resident[round] / 1024 << " KiB resident, "
                             << tally.results[0] << " hits, " << tally.results[1] << " misses, " << tally.results[2]
                             << " validated, the slowest answer in "
                             << std::chrono::duration_cast<std::chrono::milliseconds>(tally.slowest).count()
                             << " ms: " << tally.slowest_request);
        }
        CHECK(requests >= 400'000);
        // The first round fills the store and the allocator's pools. What stays of each request since must be less than
        // ten bytes.
        CHECK(resident.back() < resident.front() + kGrowth);
        CHECK(proxy.purge(R"({"path":"/*"})").status == 200);
        const std::string metrics = proxy.metrics();
        CHECK(sum_of_metric(metrics, "gatehouse_store_objects") == 0);
        CHECK(sum_of_metric(metrics, "gatehouse_store_bytes") < kMiB); // the index and what was evicted last
        CHECK(proxy.stop() == 0);
        CHECK_MESSAGE(proxy.log().find("[error]") == std::string::npos, proxy.log());
    }
}
