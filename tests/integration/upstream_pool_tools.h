// What the tests of the pool of origin connections share: a pool on a core of its own, and origins that only listen.
#pragma once

#include "proxy/spawn.h"
#include "proxy/upstream_pool.h"
#include "tests/support/core_loop.h"
#include "tests/support/socket.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace gatehouse::testing {

using Acquired = http::Result<proxy::Lease>;

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

inline config::Origin origin_at(std::uint16_t port, const std::string& host = "127.0.0.1") {
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
          totals(proxy::UpstreamPool::make_totals()),
          pool(std::make_unique<proxy::UpstreamPool>(loop.core(), *resolver, totals)) {}
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
    proxy::Lease lease(const config::Origin& origin, bool fresh = false) {
        Acquired acquired = acquire(origin, fresh);
        if (!acquired) {
            FAIL(acquired.error().detail);
        }
        return std::move(acquired).value();
    }
    http::ErrorKind error(const config::Origin& origin) {
        const Acquired acquired = acquire(origin);
        REQUIRE_FALSE(acquired);
        return acquired.error().kind;
    }
    std::uint64_t connects() { return loop.core().metrics().origin_connects.value(); }
    std::uint64_t reuses() { return loop.core().metrics().origin_reuses.value(); }
    bool say(proxy::Lease& lease, const std::string& text) {
        const auto write = [](proxy::Stream& stream, std::string bytes) -> proxy::awaitable<bool> {
            iovec piece{bytes.data(), bytes.size()};
            const std::span<iovec> one(&piece, 1);
            const proxy::IoResult wrote = co_await stream.write_all(one, kSafetyTime);
            co_return wrote.ok();
        };
        return loop.run(write(lease.stream(), text));
    }
    std::string hear(proxy::Lease& lease) {
        std::array<char, 100> room{};
        const auto got = loop.run(lease.stream().read_some(room, kSafetyTime));
        return std::string(room.data(), got.bytes);
    }

    CoreLoop loop;
    std::unique_ptr<proxy::Resolver> resolver;
    std::shared_ptr<proxy::ConnectionTotals> totals;
    std::unique_ptr<proxy::UpstreamPool> pool;
};

inline bool at_end(Socket& socket) {
    std::string bytes;
    return socket.receive(bytes) != Socket::Read::Bytes;
}

} // namespace gatehouse::testing
