// Ways in which a server may wait, read, write and accept, with nothing else around them: each mode answers every
// request with the same bytes, as the floor does (epoll_responder.cpp). Which way costs what is in docs/PERFORMANCE.md.
//
//   server_ways MODE PORT FILE     FILE holds the whole response, head and content
//
//   edge            one thread; descriptors registered once, edge-triggered, one recv and one send for each request
//   level           the same, level-triggered
//   asio            one thread; a coroutine for each connection, Asio's async_read_some and async_write
//   asio_composed   the same with async_read_until and async_write
//   one_acceptor    two threads; a third one accepts, and gives each connection to the thread that has fewer
//   reuse_port      two threads, each with a listening socket of its own (SO_REUSEPORT)
//
// On SIGTERM the last two print how many connections each thread had, and by how many connections the two differed on
// average when one was accepted.
#include "bench/load/sockets.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>

#include <sys/epoll.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
using Socket = asio::ip::tcp::socket;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::string_view kEndOfHead = "\r\n\r\n";

std::string response; // set before any thread begins

void watch(int poller, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

void accepted(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Requests come whole and one at a time, responses fit the socket: what is measured is the way, not a server. False:
// the connection is finished.
bool answer(int fd) {
    std::array<char, 8192> buffer;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    if (!std::string_view(buffer.data(), static_cast<std::size_t>(got)).ends_with(kEndOfHead)) {
        return false;
    }
    return ::send(fd, response.data(), response.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(response.size());
}

struct Share {
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<int> open{0};
};
std::array<Share, 2> shares;
std::atomic<std::uint64_t> difference{0}; // of the two, summed over all that were accepted

void count_accepted(Share& share) {
    share.accepted.fetch_add(1);
    share.open.fetch_add(1);
    difference.fetch_add(static_cast<std::uint64_t>(std::abs(shares[0].open.load() - shares[1].open.load())));
}

// `listener`: -1, or one that is watched by the same poller.
void serve(int poller, int listener, std::uint32_t events, Share& share) {
    std::array<epoll_event, 256> ready{};
    for (;;) {
        const int count = ::epoll_wait(poller, ready.data(), static_cast<int>(ready.size()), -1);
        for (int i = 0; i < count; ++i) {
            const int fd = ready[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                const int taken = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
                if (taken >= 0) {
                    accepted(taken);
                    count_accepted(share);
                    watch(poller, taken, events);
                }
            } else if ((ready[static_cast<std::size_t>(i)].events & EPOLLIN) != 0 && !answer(fd)) {
                ::close(fd);
                share.open.fetch_sub(1);
            }
        }
    }
}

void serve_alone(int listener, std::uint32_t events) {
    const int poller = ::epoll_create1(0);
    watch(poller, listener, EPOLLIN);
    serve(poller, listener, events, shares[0]);
}

constexpr std::uint32_t kEdge = EPOLLIN | EPOLLOUT | EPOLLET;

void report(int) {
    const std::uint64_t total = shares[0].accepted + shares[1].accepted;
    std::printf("%llu and %llu connections, %.1f apart on average\n",
                static_cast<unsigned long long>(shares[0].accepted.load()),
                static_cast<unsigned long long>(shares[1].accepted.load()),
                total == 0 ? 0 : static_cast<double>(difference.load()) / static_cast<double>(total));
    std::fflush(stdout);
    std::_Exit(0);
}

void accept_for_two(int listener) {
    const std::array<int, 2> pollers{::epoll_create1(0), ::epoll_create1(0)};
    for (std::size_t i = 0; i < pollers.size(); ++i) {
        std::thread([&, i] { serve(pollers[i], -1, kEdge, shares[i]); }).detach();
    }
    const int poller = ::epoll_create1(0);
    watch(poller, listener, EPOLLIN);
    for (epoll_event event;;) {
        ::epoll_wait(poller, &event, 1, -1);
        for (int fd = 0; (fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
            accepted(fd);
            const std::size_t to = shares[1].open.load() < shares[0].open.load() ? 1 : 0;
            count_accepted(shares[to]);
            watch(pollers[to], fd, kEdge);
        }
    }
}

void accept_in_both(int port) {
    std::array<std::thread, 2> threads;
    for (std::size_t i = 0; i < threads.size(); ++i) {
        const int listener = gatehouse::bench::listen_on(port, true);
        threads[i] = std::thread([listener, i] {
            const int poller = ::epoll_create1(0);
            watch(poller, listener, EPOLLIN);
            serve(poller, listener, kEdge, shares[i]);
        });
    }
    threads[0].join();
}

void end_on_exception(std::exception_ptr error) {
    if (error) {
        std::rethrow_exception(error);
    }
}

asio::awaitable<void> converse(Socket socket, bool composed) {
    std::string input;
    std::array<char, 8192> buffer;
    for (;;) {
        if (composed) {
            const auto [error, bytes] =
                co_await asio::async_read_until(socket, asio::dynamic_buffer(input, buffer.size()), kEndOfHead, kAwait);
            if (error) {
                co_return;
            }
            input.erase(0, bytes);
        } else {
            const auto [error, bytes] = co_await socket.async_read_some(asio::buffer(buffer), kAwait);
            if (error || bytes == 0) {
                co_return;
            }
        }
        const auto [error, bytes] = co_await asio::async_write(socket, asio::buffer(response), kAwait);
        if (error) {
            co_return;
        }
    }
}

asio::awaitable<void> accept_all(asio::ip::tcp::acceptor& acceptor, bool composed) {
    for (;;) {
        auto [error, socket] = co_await acceptor.async_accept(kAwait);
        if (!error) {
            socket.set_option(asio::ip::tcp::no_delay(true));
            asio::co_spawn(acceptor.get_executor(), converse(std::move(socket), composed), end_on_exception);
        }
    }
}

void serve_by_asio(int listener, bool composed) {
    asio::io_context io(1);
    asio::ip::tcp::acceptor acceptor(io, asio::ip::tcp::v4(), listener);
    asio::co_spawn(io, accept_all(acceptor, composed), end_on_exception);
    io.run();
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view mode = argc == 4 ? argv[1] : "";
    if (argc == 4) {
        std::ifstream file(argv[3], std::ios::binary);
        response.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    const int port = argc == 4 ? std::atoi(argv[2]) : 0;
    std::signal(SIGTERM, report);
    if (mode == "reuse_port") {
        accept_in_both(port);
        return 0;
    }
    const bool is_known =
        mode == "edge" || mode == "level" || mode == "asio" || mode == "asio_composed" || mode == "one_acceptor";
    if (!is_known) {
        std::fprintf(stderr, "usage: server_ways edge|level|asio|asio_composed|one_acceptor|reuse_port PORT FILE\n");
        return 2;
    }
    const int listener = gatehouse::bench::listen_on(port);
    if (mode == "one_acceptor") {
        accept_for_two(listener);
    } else if (mode.starts_with("asio")) {
        serve_by_asio(listener, mode == "asio_composed");
    } else {
        serve_alone(listener, mode == "edge" ? kEdge : std::uint32_t{EPOLLIN});
    }
}
