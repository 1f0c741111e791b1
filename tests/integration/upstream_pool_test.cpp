// Connections to origins: kept, checked, counted and given up.
#include "tests/integration/upstream_pool_tools.h"
#include "tests/support/tls_server.h"

#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace gatehouse;
using namespace std::chrono_literals;
using http::ErrorKind;
using proxy::Lease;
using proxy::UpstreamPool;
using testing::Acquired;
using testing::at_end;
using testing::CoreLoop;
using testing::Listener;
using testing::origin_at;
using testing::Pool;
using testing::Socket;

TEST_CASE("A connection that was given back is used again, the last one first") {
    Listener origin;
    Pool pool;
    const auto config = origin_at(origin.port());
    Lease first = pool.lease(config);
    CHECK_FALSE(first.reused());
    CHECK(first.stream().peer() == "127.0.0.1:" + std::to_string(origin.port()));
    Socket first_end = origin.accept();
    Lease second = pool.lease(config);
    Socket second_end = origin.accept();
    CHECK(pool.pool->idle() == 0);
    first.give_back();
    CHECK_FALSE(first);
    CHECK_FALSE(first.reused());
    second.give_back();
    CHECK(pool.pool->idle() == 2);

    Lease again = pool.lease(config);
    CHECK(again.reused());
    CHECK(pool.say(again, "hello"));
    std::string heard;
    second_end.receive(heard);
    CHECK(heard == "hello");
    CHECK(second_end.send("answer"));
    CHECK(pool.hear(again) == "answer");
    CHECK(pool.connects() == 2);
    CHECK(pool.reuses() == 1);

    Lease fresh = pool.lease(config, true);
    CHECK_FALSE(fresh.reused());
    CHECK(pool.connects() == 3);
    CHECK(pool.pool->idle() == 1);
}

TEST_CASE("For a request that can be sent again, an idle connection is as quiet as the poller says") {
    Listener origin;
    Pool pool;
    const auto config = origin_at(origin.port());
    Lease lease = pool.lease(config);
    Socket end = origin.accept();
    lease.give_back();
    SUBCASE("which was not asked since it became idle") {
        CHECK(end.send("nobody asked"));
        CHECK_FALSE(pool.pool->take_idle(config, true));
        CHECK(at_end(end));
    }
    SUBCASE("which was asked before, and has not told yet") {
        pool.loop.settle();
        CHECK(end.send("nobody asked")); // the loop does not run
        std::optional<Lease> taken = pool.pool->take_idle(config, true);
        REQUIRE(taken);
        CHECK(taken->reused());
    }
    SUBCASE("which has told") {
        CHECK(end.send("nobody asked"));
        pool.loop.await([&] { return pool.pool->idle() == 0; }, "the word of the poller");
        CHECK_FALSE(pool.pool->take_idle(config, true));
        CHECK(at_end(end));
    }
    SUBCASE("for any other the system is asked") {
        pool.loop.settle();
        CHECK(end.send("nobody asked"));
        CHECK_FALSE(pool.pool->take_idle(config, false));
        CHECK(at_end(end));
    }
}

TEST_CASE("A connection that we closed, or whose pool has stopped, is not kept") {
    Listener origin;
    Pool pool;
    const auto config = origin_at(origin.port());
    Lease lease = pool.lease(config);
    Socket end = origin.accept();
    SUBCASE("closed") { lease.stream().close(); }
    SUBCASE("stopped") { pool.pool->stop(); }
    lease.give_back();
    CHECK(pool.pool->idle() == 0);
    CHECK(at_end(end));
}

TEST_CASE("A connection goes round many times") {
    Listener origin;
    Pool pool;
    const auto config = origin_at(origin.port());
    std::optional<Socket> end;
    for (int i = 0; i < 200; ++i) {
        Lease lease = pool.lease(config);
        if (!end) {
            end = origin.accept();
        }
        REQUIRE(pool.say(lease, "ping"));
        std::string heard;
        REQUIRE(end->receive(heard) == Socket::Read::Bytes);
        REQUIRE(end->send("pong"));
        REQUIRE(pool.hear(lease) == "pong");
        lease.give_back();
    }
    CHECK(pool.connects() == 1);
    CHECK(pool.reuses() == 199);
}

TEST_CASE("A lease that is dropped closes its connection") {
    Listener origin;
    Pool pool;
    Lease lease = pool.lease(origin_at(origin.port()));
    Socket end = origin.accept();
    SUBCASE("destroyed") {
        { const Lease gone = std::move(lease); }
        CHECK(at_end(end));
    }
    SUBCASE("replaced") {
        lease = Lease();
        CHECK(at_end(end));
    }
    CHECK_FALSE(lease);
    CHECK(pool.pool->idle() == 0);
}

TEST_CASE("An idle connection that the origin closes is gone at once") {
    Listener origin;
    Pool pool;
    const auto config = origin_at(origin.port());
    pool.lease(config).give_back();
    Socket end = origin.accept();
    struct Row {
        const char* name;
        void (*leave)(Socket&);
    };
    static constexpr Row kRows[] = {
        {"closed", [](Socket& socket) { socket.close(); }},
        {"half closed", [](Socket& socket) { socket.half_close(); }},
        {"reset", [](Socket& socket) { socket.reset(); }},
        {"bytes that nobody asked for", [](Socket& socket) { socket.send("HTTP/1.1 408 Request Timeout\r\n\r\n"); }},
    };
    for (const Row& row : kRows) {
        SUBCASE(row.name) {
            SUBCASE("noticed by itself") {
                CHECK(pool.pool->idle() == 1);
                row.leave(end);
                pool.loop.await([&] { return pool.pool->idle() == 0; }, "the pool to notice");
            }
            SUBCASE("noticed when it is wanted") {
                row.leave(end); // and the loop has no time to look
                Lease lease = pool.lease(config);
                CHECK_FALSE(lease.reused());
            }
        }
    }
}

TEST_CASE("A connection with something left in it is not kept") {
    Listener origin;
    Pool pool;
    Lease lease = pool.lease(origin_at(origin.port()));
    Socket end = origin.accept();
    CHECK(end.send("one answer, and a half"));
    std::array<char, 10> room{};
    CHECK(pool.loop.run(lease.stream().read_some(room, 20s)).bytes == 10);
    lease.give_back();
    CHECK(pool.pool->idle() == 0);
    CHECK(at_end(end));
}

TEST_CASE("Idle connections are closed after idle_timeout") {
    Listener origin;
    Pool pool;
    auto config = origin_at(origin.port());
    config.idle_timeout = 60s;
    pool.lease(config).give_back();
    Socket end = origin.accept();
    pool.loop.advance(40s);
    pool.lease(config).give_back(); // counts anew
    pool.loop.advance(60s);
    CHECK(pool.pool->idle() == 1);
    pool.loop.advance(100ms);
    CHECK(pool.pool->idle() == 0);
    CHECK(at_end(end));
}

TEST_CASE("Only max_idle_connections are kept, those that were used last") {
    Listener origin;
    Pool pool;
    auto config = origin_at(origin.port());
    SUBCASE("two") {
        config.max_idle_connections = 2;
        std::vector<Lease> leases;
        std::vector<Socket> ends;
        for (int i = 0; i < 3; ++i) {
            leases.push_back(pool.lease(config));
            ends.push_back(origin.accept());
        }
        for (Lease& lease : leases) {
            lease.give_back();
        }
        CHECK(pool.pool->idle() == 2);
        CHECK(at_end(ends[0]));
        CHECK_FALSE(ends[1].is_readable());
        CHECK_FALSE(ends[2].is_readable());
    }
    SUBCASE("none") {
        config.max_idle_connections = 0;
        pool.lease(config).give_back();
        CHECK(pool.pool->idle() == 0);
    }
}

TEST_CASE("max_connections counts what is leased and what is idle, on all cores") {
    Listener origin;
    Pool pool;
    auto config = origin_at(origin.port());
    config.max_connections = 3;
    proxy::Core& other_core = pool.loop.add();
    UpstreamPool other(other_core, *pool.resolver, pool.totals);
    const auto acquire_there = [&] { return pool.loop.finish(pool.loop.start(other.acquire(config, false), 1), "it"); };

    Lease first = pool.lease(config);
    Lease second = pool.lease(config);
    Acquired third = acquire_there();
    REQUIRE(third);
    const Acquired refused = pool.acquire(config);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::OriginUnavailable);
    CHECK(refused.error().detail.find("max_connections (3)") != std::string::npos);
    CHECK(acquire_there().error().kind == ErrorKind::OriginUnavailable);

    // An idle one of the same core gives way to a fresh one; one of another core does not.
    second.give_back();
    CHECK(acquire_there().error().kind == ErrorKind::OriginUnavailable);
    Lease fresh = pool.lease(config, true);
    CHECK_FALSE(fresh.reused());
    CHECK(pool.pool->idle() == 0);
    CHECK(pool.error(config) == ErrorKind::OriginUnavailable);

    // Whatever ends a connection makes room.
    first = Lease();
    Acquired room = acquire_there();
    CHECK(room.ok());
    third.value() = Lease();
    CHECK(pool.acquire(config).ok());
}

TEST_CASE("What leads elsewhere, or is verified otherwise, is not reused after a reload") {
    Listener origin;
    Listener moved;
    Pool pool;
    auto config = origin_at(origin.port());
    pool.lease(config).give_back();
    struct Row {
        const char* name;
        void (*change)(config::Origin&);
        bool reused;
    };
    static constexpr Row kRows[] = {
        {"the same", [](config::Origin&) {}, true},
        {"other timeouts", [](config::Origin& changed) { changed.timeouts.first_byte = 1s; }, true},
        {"another url", [](config::Origin& changed) { changed.url += "/prod"; }, false},
        {"unverified", [](config::Origin& changed) { changed.tls_options.verify = false; }, false},
        {"another ca_file", [](config::Origin& changed) { changed.tls_options.ca_file = "other.pem"; }, false},
        {"another server_name", [](config::Origin& changed) { changed.tls_options.server_name = "b.test"; }, false},
        {"another origin", [](config::Origin& changed) { changed.name = "assets"; }, false},
    };
    for (const Row& row : kRows) {
        SUBCASE(row.name) {
            auto changed = config;
            row.change(changed);
            CHECK(pool.lease(changed).reused() == row.reused);
        }
    }
    auto elsewhere = origin_at(moved.port());
    CHECK_FALSE(pool.lease(elsewhere).reused());
    CHECK(moved.has_connection());
}

TEST_CASE("Connections over TLS are kept as well, tickets or not") {
    testing::CertificateMaker maker;
    const auto certificate = maker.issue("IP:127.0.0.1");
    testing::TlsServer server(certificate, [](testing::TlsPeer& peer) {
        peer.shake_hands();
        for (;;) {
            const std::string bytes = peer.read();
            if (bytes.empty() || !peer.write(bytes)) {
                return;
            }
        }
    });
    Pool pool;
    auto config = origin_at(server.port());
    config.tls = true;
    config.tls_options.ca_file = maker.ca().file;
    for (int i = 0; i < 20; ++i) {
        Lease lease = pool.lease(config);
        CHECK(lease.reused() == (i > 0));
        REQUIRE(pool.say(lease, "ping"));
        REQUIRE(pool.hear(lease) == "ping");
        lease.give_back();
        pool.loop.settle();
        CHECK(pool.pool->idle() == 1);
    }
}

TEST_CASE("A session ticket that comes while a connection is idle does not end it") {
    testing::Gates gates;
    testing::CertificateMaker maker;
    const auto certificate = maker.issue("IP:127.0.0.1");
    testing::TlsServer server(certificate, [&](testing::TlsPeer& peer) {
        peer.shake_hands();
        gates.reach("tickets sent");
        if (gates.pass("late")) {
            peer.socket().send(peer.make_ticket());
            gates.reach("late ticket sent");
            peer.write(peer.read());
            gates.pass("end");
        }
    });
    Pool pool;
    auto config = origin_at(server.port());
    config.tls = true;
    config.tls_options.ca_file = maker.ca().file;
    Lease first = pool.lease(config);
    gates.await("tickets sent");
    first.give_back();
    pool.loop.settle();
    CHECK(pool.pool->idle() == 1);
    gates.open("late");
    gates.await("late ticket sent");
    pool.loop.settle();
    CHECK(pool.pool->idle() == 1);
    Lease again = pool.lease(config);
    CHECK(again.reused());
    CHECK(pool.say(again, "ping"));
    CHECK(pool.hear(again) == "ping");
    gates.open("end");
}

TEST_CASE("close_idle() closes what is idle and nothing else; what was leased comes back to a pool that works") {
    Listener origin;
    Pool pool;
    const auto config = origin_at(origin.port());
    Lease leased = pool.lease(config);
    Socket leased_end = origin.accept();
    pool.lease(config).give_back();
    Socket idle_end = origin.accept();
    pool.pool->close_idle();
    CHECK(pool.pool->idle() == 0);
    CHECK(at_end(idle_end));
    CHECK_FALSE(leased_end.is_readable());
    leased.give_back();
    CHECK(pool.pool->idle() == 1);
}

TEST_CASE("Leases, waits and pools may end in any order") {
    Listener origin;
    auto loop = std::make_unique<CoreLoop>();
    config::Dns dns;
    auto resolver = std::make_unique<proxy::Resolver>(loop->core(), dns);
    auto pool = std::make_unique<UpstreamPool>(loop->core(), *resolver, UpstreamPool::make_totals());
    const auto config = origin_at(origin.port());
    Acquired kept = loop->run(pool->acquire(config, false));
    Acquired idle = loop->run(pool->acquire(config, false));
    REQUIRE(kept);
    REQUIRE(idle);
    idle->give_back();
    loop->settle();
    SUBCASE("the pool before the lease, which is dropped") {
        pool.reset();
        loop->settle();
        kept.value() = Lease();
    }
    SUBCASE("the pool before the lease, which is given back") {
        pool.reset();
        kept->give_back();
        loop->settle();
    }
    SUBCASE("the lease while a coroutine reads from its stream") {
        std::array<char, 10> room{};
        auto reading = loop->start(kept->stream().read_some(room, 1s));
        loop->settle();
        kept.value() = Lease();
        loop->settle();
        CHECK(reading.done());
    }
    SUBCASE("the pool while a connection is being opened") {
        auto opening = loop->start(pool->acquire(config, true));
        pool.reset();
        loop->settle();
        loop->await([&] { return opening.done(); }, "the end of the attempt");
        CHECK_FALSE(opening.take().ok());
        kept.value() = Lease();
    }
    SUBCASE("the pool before a connection is being opened") {
        auto opening = loop->start(pool->acquire(config, true));
        pool.reset();
        loop->settle();
        REQUIRE(opening.done());
        CHECK(opening.take().error().kind == ErrorKind::OriginUnavailable);
        kept.value() = Lease();
    }
    SUBCASE("the core while connections are idle, leased and being opened") {
        kept.value() = Lease();
        loop->start(pool->acquire(config, true));
        pool.reset();
        resolver.reset();
        loop.reset();
    }
    if (loop) {
        pool.reset();
        resolver.reset();
        loop->settle();
        CHECK(loop->core().wheel().armed() == 0);
    }
}

TEST_CASE("Two cores on threads of their own share limits, names and TLS contexts") {
    testing::CertificateMaker maker;
    const auto certificate = maker.issue("IP:127.0.0.1");
    const auto echo = [](testing::TlsPeer& peer) {
        peer.shake_hands();
        for (;;) {
            const std::string bytes = peer.read();
            if (bytes.empty() || !peer.write(bytes)) {
                return;
            }
        }
    };
    // One server for each core, because each serves one connection at a time.
    std::array<std::unique_ptr<testing::TlsServer>, 2> servers;
    for (auto& server : servers) {
        server = std::make_unique<testing::TlsServer>(certificate, echo);
    }
    const proxy::SystemClock clock;
    proxy::Core home(0, clock, 1);
    proxy::Resolver resolver(home, config::Dns());
    const auto totals = UpstreamPool::make_totals();
    std::array<int, 2> right{};
    const auto work = [](UpstreamPool& pool, const config::Origin& origin, int& count) -> proxy::awaitable<void> {
        std::array<char, 16> room{};
        const std::span<char> all(room);
        for (int i = 0; i < 300; ++i) {
            auto acquired = co_await pool.acquire(origin, false);
            if (!acquired) {
                co_return;
            }
            Lease lease = std::move(acquired).value();
            std::string ping = "ping";
            iovec piece{ping.data(), ping.size()};
            const std::span<iovec> one(&piece, 1);
            const auto wrote = co_await lease.stream().write_all(one, 20s);
            const auto got = co_await lease.stream().read_some(all, 20s);
            count += wrote.ok() && got.bytes == 4 ? 1 : 0;
            if (i % 10 != 9) { // now and then a new connection, which resumes the session
                lease.give_back();
            }
        }
    };
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < right.size(); ++i) {
        threads.emplace_back([&, i] {
            proxy::Core core(static_cast<unsigned>(i + 1), clock, 1);
            UpstreamPool pool(core, resolver, totals);
            auto config = origin_at(servers[i]->port());
            config.tls = true;
            config.tls_options.ca_file = maker.ca().file;
            const auto finish = [](UpstreamPool& own, proxy::awaitable<void> job) -> proxy::awaitable<void> {
                co_await std::move(job);
                own.close_idle();
            };
            proxy::spawn_logged(core.coroutines(), "test", finish(pool, work(pool, config, right[i])));
            core.finish();
            core.run(true);
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(right[0] == 300);
    CHECK(right[1] == 300);
}
