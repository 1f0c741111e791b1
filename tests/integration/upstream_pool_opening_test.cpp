// Connections to origins: how they are opened, where to, in what time, and what is said when that fails.
#include "tests/integration/upstream_pool_tools.h"
#include "tests/support/full_backlog.h"
#include "tests/support/dns_server.h"
#include "tests/support/tls_server.h"

#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

using namespace gatehouse;
using namespace std::chrono_literals;
using http::ErrorKind;
using proxy::Lease;
using testing::Acquired;
using testing::at_end;
using testing::DnsServer;
using testing::Listener;
using testing::origin_at;
using testing::Pool;
using testing::Socket;

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
        const testing::FullBacklog full;
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
