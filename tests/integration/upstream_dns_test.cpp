// Names of origins, asked of a real DNS server whose records change while the test runs.
#include "proxy/resolver.h"
#include "tests/support/core_loop.h"
#include "tests/support/dns_server.h"

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace gatehouse;
using namespace std::chrono_literals;
using http::ErrorKind;
using proxy::Resolver;
using testing::CoreLoop;
using testing::DnsServer;

namespace {

using Answer = http::Result<std::shared_ptr<const proxy::Addresses>>;

// A resolver on a core that the test drives, asking a server that the test commands.
struct Names {
    explicit Names(const config::Dns& wanted = {}) {
        config::Dns options = wanted;
        options.servers = {server.address()};
        resolver = std::make_unique<Resolver>(loop.core(), options);
    }
    ~Names() {
        resolver->stop();
        loop.settle();
    }
    Names(const Names&) = delete;
    Names& operator=(const Names&) = delete;

    Answer resolve(const std::string& host) { return loop.run(resolver->resolve(loop.core(), host)); }
    // "127.0.0.1,127.0.0.2", sorted; or the kind of the error.
    std::string ask(const std::string& host) { return text(resolve(host)); }
    std::string known(const std::string& host) const {
        const auto addresses = resolver->peek(host);
        return addresses ? text(addresses) : "nothing";
    }
    std::uint64_t version(const std::string& host) const { return resolver->peek(host)->version; }
    // Lets answers come in until no question is open. Requires: one name at most was asked for, so that only the end of
    // its TTL has a deadline.
    void rest() {
        await([&] { return loop.core().wheel().armed() <= 1; });
    }
    // Lets answers come in until the condition holds.
    template <class Condition>
    void await(Condition condition) {
        loop.await(condition, "an answer of the DNS server");
    }

    static std::string text(const Answer& answer) {
        if (!answer) {
            return std::string(http::to_string(answer.error().kind));
        }
        std::vector<std::string> addresses;
        for (const auto& address : answer.value()->list) {
            addresses.push_back(address.to_string());
        }
        std::sort(addresses.begin(), addresses.end());
        std::string joined;
        for (const std::string& address : addresses) {
            joined += (joined.empty() ? "" : ",") + address;
        }
        return joined;
    }

    DnsServer server;
    CoreLoop loop;
    std::unique_ptr<Resolver> resolver;
};

// What goes to the diagnostic log meanwhile, all of it on this thread.
class Logged {
public:
    Logged() : before_(spdlog::default_logger()) {
        auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(text_));
        logger->set_pattern("%l %v");
        spdlog::set_default_logger(std::move(logger));
    }
    ~Logged() { spdlog::set_default_logger(before_); }
    Logged(const Logged&) = delete;
    Logged& operator=(const Logged&) = delete;

    // What has come since the last call.
    std::string lines() {
        std::string lines = text_.str();
        text_.str("");
        return lines;
    }

private:
    std::shared_ptr<spdlog::logger> before_;
    std::ostringstream text_;
};

config::Dns with(void (*change)(config::Dns&)) {
    config::Dns options;
    change(options);
    return options;
}

} // namespace

TEST_CASE("A name gives its A and AAAA records") {
    Names names;
    names.server.add("both.test. 60 IN A 127.0.0.1");
    names.server.add("both.test. 60 IN A 127.0.0.2");
    names.server.add("both.test. 60 IN AAAA ::1");
    names.server.add("six.test. 60 IN AAAA 2001:db8::6");
    CHECK(names.ask("both.test") == "127.0.0.1,127.0.0.2,::1");
    CHECK(names.ask("six.test") == "2001:db8::6");
    CHECK(names.known("both.test") == "127.0.0.1,127.0.0.2,::1");
    CHECK(names.known("never.asked.test") == "nothing");
}

TEST_CASE("An IP literal answers itself, and localhost is known without a server") {
    Names names;
    names.server.stop();
    CHECK(names.ask("192.0.2.7") == "192.0.2.7");
    CHECK(names.ask("2001:db8::7") == "2001:db8::7");
    CHECK(names.ask("192.0.2.7") == "192.0.2.7");
    CHECK(names.ask("localhost").find("127.0.0.1") != std::string::npos);
}

TEST_CASE("A changed record is picked up when its TTL ends, and the version tells") {
    Names names;
    names.server.add("origin.test. 5 IN A 127.0.0.1");
    CHECK(names.ask("origin.test") == "127.0.0.1");
    CHECK(names.version("origin.test") == 1);

    names.server.remove("origin.test.");
    names.server.add("origin.test. 5 IN A 127.0.0.2");
    names.loop.advance(5s); // one less than the tick that fires
    CHECK(names.ask("origin.test") == "127.0.0.1");
    const auto asked = names.server.questions();
    names.loop.advance(100ms);
    // In the background: who asks meanwhile gets the old answer at once.
    names.await([&] { return names.known("origin.test") == "127.0.0.2"; });
    CHECK(names.ask("origin.test") == "127.0.0.2");
    CHECK(names.version("origin.test") == 2);
    CHECK(names.server.questions() == asked + 2);

    // The same set again is no change, whatever its order.
    names.server.remove("origin.test.");
    names.server.add("origin.test. 5 IN A 127.0.0.3");
    names.server.add("origin.test. 5 IN A 127.0.0.2");
    names.loop.advance(5'100ms);
    names.await([&] { return names.version("origin.test") == 3; });
    const auto before = names.resolver->peek("origin.test");
    CHECK(names.ask("origin.test") == "127.0.0.2,127.0.0.3"); // keeps the name in use
    names.loop.advance(5'100ms);
    names.await([&] { return names.server.questions() == asked + 6; });
    names.loop.settle();
    CHECK(names.resolver->peek("origin.test") == before);
}

TEST_CASE("The shortest TTL of an answer counts, within dns.min_ttl and dns.max_ttl") {
    struct Row {
        const char* name;
        std::vector<std::string> records;
        http::Duration asked_after;
    };
    const std::vector<Row> rows = {
        {"zero is raised to min_ttl", {"ttl.test. 0 IN A 127.0.0.1"}, 10s},
        {"one less than min_ttl", {"ttl.test. 9 IN A 127.0.0.1"}, 10s},
        {"min_ttl", {"ttl.test. 10 IN A 127.0.0.1"}, 10s},
        {"one more than min_ttl", {"ttl.test. 11 IN A 127.0.0.1"}, 11s},
        {"max_ttl", {"ttl.test. 100 IN A 127.0.0.1"}, 100s},
        {"one more than max_ttl", {"ttl.test. 101 IN A 127.0.0.1"}, 100s},
        {"the shorter of A and AAAA", {"ttl.test. 90 IN A 127.0.0.1", "ttl.test. 20 IN AAAA ::1"}, 20s},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            Names names(with([](config::Dns& dns) {
                dns.min_ttl = 10s;
                dns.max_ttl = 100s;
            }));
            for (const std::string& record : row.records) {
                names.server.add(record);
            }
            names.ask("ttl.test");
            names.loop.advance(row.asked_after);
            CHECK(names.server.questions() == 2);
            names.loop.advance(100ms);
            names.await([&] { return names.server.questions() == 4; });
        }
    }
}

TEST_CASE("Many who ask for an unknown name at once make one question, on all cores") {
    Names names;
    names.server.add("origin.test. 60 IN A 127.0.0.1");
    proxy::Core& other = names.loop.add();
    std::vector<CoreLoop::Task<Answer>> tasks;
    for (int i = 0; i < 100; ++i) {
        tasks.push_back(names.loop.start(names.resolver->resolve(names.loop.core(), "origin.test")));
        tasks.push_back(names.loop.start(names.resolver->resolve(other, "origin.test"), 1));
    }
    for (auto& task : tasks) {
        CHECK(Names::text(names.loop.finish(task, "an answer")) == "127.0.0.1");
    }
    CHECK(names.server.questions() == 2);
}

TEST_CASE("A name that nobody uses is not kept fresh, and its next use waits for a fresh answer") {
    Names names;
    names.server.add("origin.test. 60 IN A 127.0.0.1");
    CHECK(names.ask("origin.test") == "127.0.0.1");
    names.loop.advance(60'100ms);
    names.await([&] { return names.server.questions() == 4; }); // used within the last two minutes
    names.loop.settle();
    names.loop.advance(60'100ms); // not any more
    names.loop.advance(600s);
    CHECK(names.server.questions() == 4);
    names.server.remove("origin.test.");
    names.server.add("origin.test. 60 IN A 127.0.0.2");
    CHECK(names.known("origin.test") == "127.0.0.1");
    CHECK(names.ask("origin.test") == "127.0.0.2");
    CHECK(names.server.questions() == 6);
}

TEST_CASE("While a name cannot be resolved its last good answer is used, for dns.stale") {
    struct Row {
        const char* name;
        const char* host;
        void (*fail)(DnsServer&);
        void (*mend)(DnsServer&);
        bool silent; // no answer at all: the question ends by its own deadline
        ErrorKind kind;
        const char* text;
    };
    static constexpr Row kRows[] = {
        {"NXDOMAIN", "origin.test", [](DnsServer& server) { server.remove("origin.test."); },
         [](DnsServer& server) { server.add("origin.test. 5 IN A 127.0.0.2"); }, false, ErrorKind::DnsError,
         "NXDOMAIN"},
        {"no record of a kind that helps", "origin.test",
         [](DnsServer& server) {
             server.remove("origin.test.");
             server.add("origin.test. 5 IN TXT nothing");
         },
         [](DnsServer& server) { server.add("origin.test. 5 IN A 127.0.0.2"); }, false, ErrorKind::DnsError,
         "no A and no AAAA"},
        {"REFUSED", "origin.test", [](DnsServer& server) { server.answer("test.", "always_refuse"); },
         [](DnsServer& server) {
             server.remove("origin.test.");
             server.answer("test.", "static");
             server.add("origin.test. 5 IN A 127.0.0.2");
         },
         false, ErrorKind::DnsError, "REFUSED"},
        {"SERVFAIL", "origin.broken",
         [](DnsServer& server) {
             server.remove("origin.broken.");
             server.forget_zone("broken.");
         },
         [](DnsServer& server) {
             server.answer("broken.", "static");
             server.add("origin.broken. 5 IN A 127.0.0.2");
         },
         false, ErrorKind::DnsError, "SERVFAIL"},
        {"silence", "origin.test", [](DnsServer& server) { server.answer("test.", "always_deny"); },
         [](DnsServer& server) {
             server.remove("origin.test.");
             server.answer("test.", "static");
             server.add("origin.test. 5 IN A 127.0.0.2");
         },
         true, ErrorKind::DnsTimeout, "dns.timeout"},
    };
    for (const Row& row : kRows) {
        SUBCASE(row.name) {
            Names names(with([](config::Dns& dns) { dns.stale = 60s; }));
            const std::string host = row.host;
            names.server.add(host + ". 5 IN A 127.0.0.1");
            REQUIRE(names.ask(host) == "127.0.0.1");
            row.fail(names.server);
            const auto asked = names.server.questions();
            names.loop.advance(5'100ms);
            names.await([&] { return names.server.questions() >= asked + 2; });
            if (row.silent) {
                names.loop.advance(4'100ms); // two attempts of dns.timeout
            } else {
                names.rest();
            }
            CHECK(names.ask(host) == "127.0.0.1");
            CHECK(names.version(host) == 1);

            SUBCASE("until it answers again") {
                row.mend(names.server);
                names.loop.advance(30'100ms); // whatever the pause between attempts has become
                names.await([&] { return names.known(host) == "127.0.0.2"; });
                CHECK(names.version(host) == 2);
                CHECK(names.ask(host) == "127.0.0.2");
            }
            SUBCASE("and no longer") {
                // Somebody uses the name all the time; the pauses between attempts are 30 s at most.
                bool dropped = false;
                for (int i = 0; i < 200 && !dropped; ++i) {
                    names.loop.advance(1'000ms);
                    auto task = names.loop.start(names.resolver->resolve(names.loop.core(), host));
                    names.loop.await(
                        [&] {
                            if (row.silent) {
                                names.loop.advance(500ms);
                            }
                            return task.done();
                        },
                        "an answer or its end");
                    dropped = !task.take();
                    if (!row.silent) {
                        names.rest();
                    }
                }
                REQUIRE(dropped);
                CHECK(names.known(host) == "nothing");
                const Answer answer = names.resolve(host);
                CHECK(answer.error().kind == row.kind);
                CHECK(answer.error().detail.find(row.text) != std::string::npos);
            }
        }
    }
}

TEST_CASE("The log says what happened and what to do, once for each change") {
    Logged logged;
    Names names(with([](config::Dns& dns) { dns.stale = 60s; }));
    names.server.add("origin.test. 5 IN A 127.0.0.1");
    REQUIRE(names.ask("origin.test") == "127.0.0.1");
    names.server.remove("origin.test.");
    for (int i = 0; i < 3; ++i) {
        const auto asked = names.server.questions();
        names.loop.advance(5'100ms);
        // The answer is in before the clock moves on, or its time would be over.
        names.await([&] { return names.server.questions() >= asked + 2; });
        names.rest();
    }
    CHECK(logged.lines() ==
          "warning origin name origin.test does not resolve: NXDOMAIN; its last addresses stay in use for 59 s "
          "(dns.stale); check the url of the origin or dns.servers addresses=127.0.0.1\n");
    names.server.add("origin.test. 5 IN A 127.0.0.2");
    names.loop.advance(5'100ms);
    names.await([&] { return names.known("origin.test") == "127.0.0.2"; });
    names.ask("none.test");
    CHECK(logged.lines() ==
          "info origin name origin.test resolves again addresses=127.0.0.2\n"
          "info origin name origin.test has other addresses now, connections to the old ones are closed after their "
          "current exchange addresses=127.0.0.2 before=127.0.0.1\n"
          "warning origin name none.test does not resolve: NXDOMAIN; check the url of the origin or dns.servers\n");
}

TEST_CASE("A name that never resolved is an error, which is remembered for a moment") {
    Names names;
    const Answer answer = names.resolve("none.test");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind == ErrorKind::DnsError);
    CHECK(answer.error().detail == "none.test does not resolve: NXDOMAIN");
    const auto asked = names.server.questions();
    CHECK(names.ask("none.test") == "dns_error");
    CHECK(names.server.questions() == asked);
    names.server.add("none.test. 60 IN A 127.0.0.9");
    CHECK(names.ask("none.test") == "dns_error");
    names.loop.advance(1'100ms);
    CHECK(names.server.questions() == asked); // not in the background: nobody may ever need it
    CHECK(names.ask("none.test") == "127.0.0.9");
}

TEST_CASE("A server that says nothing is a timeout, by the wheel; a caller may be less patient") {
    Names names;
    names.server.answer("test.", "always_deny");
    auto patient = names.loop.start(names.resolver->resolve(names.loop.core(), "origin.test"));
    auto hasty = names.loop.start(names.resolver->resolve(names.loop.core(), "origin.test", 500ms));
    names.loop.advance(500ms);
    CHECK_FALSE(hasty.done());
    names.loop.advance(100ms);
    REQUIRE(hasty.done());
    CHECK(hasty.take().error().kind == ErrorKind::DnsTimeout);
    CHECK_FALSE(patient.done());
    names.loop.advance(3'300ms);
    CHECK_FALSE(patient.done());
    names.loop.advance(200ms);
    REQUIRE(patient.done());
    const Answer answer = patient.take();
    CHECK(answer.error().kind == ErrorKind::DnsTimeout);
    CHECK(answer.error().detail.find("dns.timeout") != std::string::npos);
}

TEST_CASE("No server at all is an error that says so") {
    Names names;
    names.server.stop();
    const Answer answer = names.resolve("origin.test");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind == ErrorKind::DnsError);
    CHECK(answer.error().detail.find("no DNS server") != std::string::npos);
}

TEST_CASE("stop() wakes whoever waits, and later questions fail at once") {
    Names names;
    names.server.answer("test.", "always_deny");
    proxy::Core& other = names.loop.add();
    auto here = names.loop.start(names.resolver->resolve(names.loop.core(), "origin.test"));
    auto there = names.loop.start(names.resolver->resolve(other, "other.test"), 1);
    names.loop.settle();
    CHECK_FALSE(here.done());
    names.resolver->stop();
    names.loop.settle();
    REQUIRE(here.done());
    REQUIRE(there.done());
    CHECK(here.take().error().kind == ErrorKind::DnsError);
    CHECK(there.take().error().kind == ErrorKind::DnsError);
    CHECK(names.ask("third.test") == "dns_error");
    CHECK(names.loop.core().wheel().armed() == 0);
}

TEST_CASE("Names beyond the limit push out those that were used longest ago") {
    Names names;
    names.server.add("kept.test. 300 IN A 127.0.0.1");
    names.server.add("old.test. 300 IN A 127.0.0.2");
    CHECK(names.ask("old.test") == "127.0.0.2");
    names.loop.advance(1s);
    CHECK(names.ask("kept.test") == "127.0.0.1");
    const auto level = spdlog::get_level();
    spdlog::set_level(spdlog::level::off); // a warning for each of a thousand names
    for (std::size_t i = 0; i < Resolver::kMaxNames - 1; ++i) {
        names.loop.advance(1ms);
        names.ask("n" + std::to_string(i) + ".test");
        names.ask("kept.test");
    }
    spdlog::set_level(level);
    CHECK(names.known("old.test") == "nothing");
    CHECK(names.known("kept.test") == "127.0.0.1");
}

TEST_CASE("Cores on threads of their own share what is known") {
    DnsServer server;
    for (int i = 0; i < 8; ++i) {
        server.add("n" + std::to_string(i) + ".test. 1 IN A 127.0.0." + std::to_string(i + 1));
    }
    const proxy::SystemClock clock;
    proxy::Core home(0, clock, 1);
    config::Dns options;
    options.servers = {server.address()};
    options.min_ttl = 10ms; // so that names are refreshed while others read them
    options.max_ttl = 10ms;
    Resolver resolver(home, options);
    std::thread home_thread([&home] { home.run_asio(true); });

    const auto ask = [&resolver](proxy::Core& core, int& right) -> proxy::awaitable<void> {
        for (int i = 0; i < 2'000; ++i) {
            const std::string host = "n" + std::to_string(i % 8) + ".test";
            const auto answer = co_await resolver.resolve(core, host, 20s);
            right += answer && (*answer)->list.front().to_string() == "127.0.0." + std::to_string(i % 8 + 1) ? 1 : 0;
        }
    };
    std::vector<std::thread> threads;
    std::vector<int> right(3, 0);
    for (std::size_t i = 0; i < right.size(); ++i) {
        threads.emplace_back([&, i] {
            proxy::Core core(static_cast<unsigned>(i + 1), clock, 1);
            proxy::spawn_logged(core.coroutines(), "test", ask(core, right[i]));
            core.finish();
            core.run(true);
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    home.post([&] {
        resolver.stop();
        home.finish();
    });
    home_thread.join();
    for (const int count : right) {
        CHECK(count == 2'000);
    }
}
