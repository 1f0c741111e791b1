// Connections to origins: opened, kept, checked, counted and given up.
#include "proxy/upstream_pool.h"
#include "proxy/spawn.h"
#include "tests/support/core_loop.h"
#include "tests/support/dns_server.h"
#include "tests/support/socket.h"
#include "tests/support/tls_server.h"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace gatehouse;
using namespace std::chrono_literals;
using http::ErrorKind;
using proxy::Lease;
using proxy::UpstreamPool;
using testing::CoreLoop;
using testing::DnsServer;
using testing::Socket;

namespace {

using Acquired = http::Result<Lease>;

// An origin that only takes connections.
class Listener {
public:
    explicit Listener(const char* address = "127.0.0.1", std::uint16_t port = 0, int backlog = 128)
        : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        REQUIRE(::inet_pton(AF_INET, address, &to.sin_addr) == 1);
        const int on = 1;
        ::setsockopt(socket_.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        const void* raw = &to;
        REQUIRE(::bind(socket_.descriptor(), static_cast<const sockaddr*>(raw), sizeof to) == 0);
        REQUIRE(::listen(socket_.descriptor(), backlog) == 0);
    }
    std::uint16_t port() const { return socket_.port(); }
    // The next connection, which is there already.
    Socket accept() { return socket_.accept(); }
    bool has_connection() const { return socket_.is_readable(); }

private:
    Socket socket_;
};

config::Origin origin_at(std::uint16_t port, const std::string& host = "127.0.0.1") {
    config::Origin origin;
    origin.name = "api";
    origin.url = "http://" + host + ":" + std::to_string(port);
    origin.host = host;
    origin.port = port;
    return origin;
}

struct Pool {
    explicit Pool(const config::Dns& dns = {})
        : resolver(std::make_unique<proxy::Resolver>(loop.core(), dns)),
          totals(UpstreamPool::make_totals()),
          pool(std::make_unique<UpstreamPool>(loop.core(), *resolver, totals)) {}
    ~Pool() {
        pool.reset();
        resolver->stop();
        loop.settle();
        CHECK(loop.core().wheel().armed() == 0);
        CHECK(proxy::escaped_exceptions() == 0);
    }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    Acquired acquire(const config::Origin& origin, bool fresh = false) {
        return loop.run(pool->acquire(origin, fresh));
    }
    Lease lease(const config::Origin& origin, bool fresh = false) {
        Acquired acquired = acquire(origin, fresh);
        if (!acquired) {
            FAIL(acquired.error().detail);
        }
        return std::move(acquired).value();
    }
    ErrorKind error(const config::Origin& origin) {
        const Acquired acquired = acquire(origin);
        REQUIRE_FALSE(acquired);
        return acquired.error().kind;
    }
    std::uint64_t connects() { return loop.core().metrics().origin_connects.value(); }
    std::uint64_t reuses() { return loop.core().metrics().origin_reuses.value(); }
    bool say(Lease& lease, const std::string& text) {
        const auto write = [](proxy::Stream& stream, std::string bytes) -> proxy::awaitable<bool> {
            iovec piece{bytes.data(), bytes.size()};
            const std::span<iovec> one(&piece, 1);
            const proxy::IoResult wrote = co_await stream.write_all(one, 20s);
            co_return wrote.ok();
        };
        return loop.run(write(lease.stream(), text));
    }
    std::string hear(Lease& lease) {
        std::array<char, 100> room{};
        const auto got = loop.run(lease.stream().read_some(room, 20s));
        return std::string(room.data(), got.bytes);
    }

    CoreLoop loop;
    std::unique_ptr<proxy::Resolver> resolver;
    std::shared_ptr<proxy::ConnectionTotals> totals;
    std::unique_ptr<UpstreamPool> pool;
};

bool at_end(Socket& socket) {
    std::string bytes;
    return socket.receive(bytes) != Socket::Read::Bytes;
}

} // namespace

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

TEST_CASE("A connection that could not be opened takes no place") {
    std::uint16_t port = 0;
    {
        const Listener gone;
        port = gone.port();
    }
    Pool pool;
    auto config = origin_at(port);
    config.max_connections = 1;
    CHECK(pool.error(config) == ErrorKind::ConnectionRefused);
    CHECK(pool.error(config) == ErrorKind::ConnectionRefused);
    CHECK(pool.connects() == 0);
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

TEST_CASE("Each error of a connection attempt has its kind, and says where it went") {
    Pool pool;
    SUBCASE("refused") {
        std::uint16_t port = 0;
        {
            const Listener gone;
            port = gone.port();
        }
        const Acquired acquired = pool.acquire(origin_at(port));
        REQUIRE_FALSE(acquired);
        CHECK(acquired.error().kind == ErrorKind::ConnectionRefused);
        CHECK(acquired.error().detail == "127.0.0.1:" + std::to_string(port) + ": Connection refused");
    }
    SUBCASE("no route") {
        const Acquired acquired = pool.acquire(origin_at(80, "255.255.255.255"));
        REQUIRE_FALSE(acquired);
        CHECK(acquired.error().kind == ErrorKind::ConnectionRefused);
        CHECK(acquired.error().detail.starts_with("255.255.255.255:80: "));
    }
    SUBCASE("no answer") {
        // A full backlog: the kernel drops what else would like to connect.
        Listener full("127.0.0.1", 0, 0);
        std::vector<Socket> waiting;
        for (int i = 0; i < 4; ++i) {
            waiting.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_port = htons(full.port());
            to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            const void* raw = &to;
            static_cast<void>(::connect(waiting.back().descriptor(), static_cast<const sockaddr*>(raw), sizeof to));
        }
        auto config = origin_at(full.port());
        config.timeouts.connect = 5s;
        auto task = pool.loop.start(pool.pool->acquire(config, false));
        pool.loop.advance(5s);
        CHECK_FALSE(task.done());
        pool.loop.advance(100ms);
        REQUIRE(task.done());
        const Acquired acquired = task.take();
        REQUIRE_FALSE(acquired);
        CHECK(acquired.error().kind == ErrorKind::ConnectionTimeout);
        CHECK(acquired.error().detail.starts_with("127.0.0.1:"));
    }
    SUBCASE("no descriptor left") {
        const Listener origin;
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        std::vector<Socket> all;
        rlimit few = before;
        few.rlim_cur = 64;
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
        for (;;) {
            Socket socket(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            if (!socket.is_open()) {
                break;
            }
            all.push_back(std::move(socket));
        }
        const Acquired acquired = pool.acquire(origin_at(origin.port()));
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        REQUIRE_FALSE(acquired);
        CHECK(acquired.error().kind == ErrorKind::OriginUnavailable);
        CHECK(acquired.error().detail.find("Too many open files") != std::string::npos);
    }
    SUBCASE("no such CA file") {
        const Listener origin;
        auto config = origin_at(origin.port());
        config.tls = true;
        config.tls_options.ca_file = "/nonexistent/ca.pem";
        CHECK(pool.error(config) == ErrorKind::TlsCertificateError);
    }
}

TEST_CASE("All addresses of a name are tried, and a later one that answers will do") {
    DnsServer dns;
    dns.add("origin.test. 60 IN A 127.0.0.2");
    dns.add("origin.test. 60 IN A 127.0.0.3");
    dns.add("origin.test. 60 IN A 127.0.0.4");
    config::Dns options;
    options.servers = {dns.address()};
    Pool pool(options);
    Listener origin("127.0.0.3");
    const auto config = origin_at(origin.port(), "origin.test");
    for (int i = 0; i < 6; ++i) { // wherever it begins
        Lease lease = pool.lease(config);
        CHECK(lease.stream().peer() == "127.0.0.3:" + std::to_string(origin.port()));
    }
}

TEST_CASE("Each address gets its share of the time, and the total is kept") {
    DnsServer dns;
    dns.add("origin.test. 600 IN A 127.0.0.2");
    dns.add("origin.test. 600 IN A 127.0.0.3");
    config::Dns options;
    options.servers = {dns.address()};
    Pool pool(options);
    testing::CertificateMaker maker;
    // Both take the connection and are silent then, so that the TLS handshake does not get on.
    Listener first("127.0.0.2");
    Listener second("127.0.0.3", first.port());
    auto config = origin_at(first.port(), "origin.test");
    config.tls = true;
    config.tls_options.ca_file = maker.ca().file;
    config.timeouts.connect = 4s;
    auto task = pool.loop.start(pool.pool->acquire(config, false));
    pool.loop.await([&] { return first.has_connection() || second.has_connection(); }, "the first attempt");
    CHECK(first.has_connection() != second.has_connection());
    pool.loop.settle();
    pool.loop.advance(2'100ms);
    pool.loop.await([&] { return first.has_connection() && second.has_connection(); }, "the second attempt");
    CHECK_FALSE(task.done());
    pool.loop.settle();
    pool.loop.advance(2'100ms);
    const Acquired acquired = pool.loop.finish(task, "the end");
    REQUIRE_FALSE(acquired);
    CHECK(acquired.error().kind == ErrorKind::ConnectionTimeout);
    CHECK(acquired.error().detail.find("2 addresses") != std::string::npos);
}

TEST_CASE("The time for the name is part of the time to connect") {
    DnsServer dns;
    dns.answer("test.", "always_deny");
    config::Dns options;
    options.servers = {dns.address()};
    Pool pool(options);
    auto config = origin_at(80, "origin.test");
    config.timeouts.connect = 1s;
    auto task = pool.loop.start(pool.pool->acquire(config, false));
    pool.loop.advance(1s);
    CHECK_FALSE(task.done());
    pool.loop.advance(100ms);
    REQUIRE(task.done());
    CHECK(task.take().error().kind == ErrorKind::DnsTimeout);
    dns.stop();
}

TEST_CASE("An origin that moves takes its connections along: idle ones, leased ones, new ones") {
    DnsServer dns;
    dns.add("origin.test. 5 IN A 127.0.0.2");
    config::Dns options;
    options.servers = {dns.address()};
    Pool pool(options);
    Listener old_place("127.0.0.2");
    Listener new_place("127.0.0.3", old_place.port());
    const auto config = origin_at(old_place.port(), "origin.test");
    Lease idle = pool.lease(config);
    Socket idle_end = old_place.accept();
    Lease leased = pool.lease(config);
    Socket leased_end = old_place.accept();
    idle.give_back();
    CHECK(pool.pool->idle() == 1);

    dns.remove("origin.test.");
    dns.add("origin.test. 5 IN A 127.0.0.3");
    pool.loop.advance(5'100ms);
    pool.loop.await([&] { return pool.resolver->peek("origin.test")->version == 2; }, "the new address");

    // What runs may end.
    CHECK(pool.say(leased, "hello"));
    CHECK(leased_end.send("answer"));
    CHECK(pool.hear(leased) == "answer");
    leased.give_back();
    std::string heard;
    leased_end.receive(heard);
    CHECK(heard == "hello");
    CHECK(at_end(leased_end));
    CHECK(pool.pool->idle() == 1); // the idle one, which the next request finds

    Lease fresh = pool.lease(config);
    CHECK_FALSE(fresh.reused());
    CHECK(new_place.has_connection());
    CHECK(at_end(idle_end));
    CHECK(pool.pool->idle() == 0);
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
        loop->core().io().restart();
        loop->core().io().poll_one();
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
        loop->core().io().restart();
        loop->core().io().poll_one();
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
            proxy::spawn_logged(core.io().get_executor(), "test", finish(pool, work(pool, config, right[i])));
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
