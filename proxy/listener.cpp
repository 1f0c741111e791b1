// bind, listen, accept4.
#include "proxy/listener.h"

#include <boost/asio/ip/address.hpp>

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;

namespace {

constexpr int kBacklog = 4096; // the kernel caps it at net.core.somaxconn
constexpr http::Duration kPauseWithoutDescriptors{200};
constexpr int kAcceptsPerTurn = 64; // then others get their turn
constexpr std::string_view kUnpaced = "reno"; // a part of every kernel

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    int family = AF_INET;
    sockaddr* generic() { return reinterpret_cast<sockaddr*>(&storage); } // NOLINT: the socket API's own cast
};

SocketAddress to_socket_address(const config::Address& address) {
    SocketAddress out;
    if (address.kind == config::Address::Kind::Unix) {
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, address.path.data(), std::min(address.path.size(), sizeof un.sun_path - 1));
        std::memcpy(&out.storage, &un, sizeof un);
        out.size = sizeof un;
        out.family = AF_UNIX;
        return out;
    }
    const auto ip = asio::ip::make_address(address.host);
    if (ip.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(address.port);
        v4.sin_addr.s_addr = htonl(ip.to_v4().to_uint());
        std::memcpy(&out.storage, &v4, sizeof v4);
        out.size = sizeof v4;
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(address.port);
        const auto bytes = ip.to_v6().to_bytes();
        std::memcpy(v6.sin6_addr.s6_addr, bytes.data(), bytes.size());
        std::memcpy(&out.storage, &v6, sizeof v6);
        out.size = sizeof v6;
        out.family = AF_INET6;
    }
    return out;
}

bool is_loopback(const config::Address& address) {
    return address.kind == config::Address::Kind::Tcp && asio::ip::make_address(address.host).is_loopback();
}

// OPTIMIZATION: where the machine's congestion control paces (BBR), each piece of a response waits for a timer, on a path
// that has no queue to spare: 2 of 16 us of a 100 kB hit (bench/README.md). One that does not, such as CUBIC, makes no
// difference. To be set before anything is accepted: a connection that began with pacing keeps it.
void do_not_pace(int descriptor) {
    // Where it is not allowed (net.ipv4.tcp_allowed_congestion_control) all stays as it is.
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, kUnpaced.data(), kUnpaced.size());
}

// A socket file that nobody listens on any more stands in the way of bind; one that is in use is left alone.
void remove_stale_socket(const config::Address& address, SocketAddress& target) {
    struct stat info {};
    if (::lstat(address.path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return;
    }
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) {
        return;
    }
    if (::connect(probe, target.generic(), target.size) != 0 && errno == ECONNREFUSED) {
        ::unlink(address.path.c_str());
    }
    ::close(probe);
}

std::string advice_for(int error) {
    switch (error) {
    case EADDRINUSE: return "; another program listens there: stop it or choose another address in listeners";
    case EACCES:
        return "; not permitted: ports below 1024 need CAP_NET_BIND_SERVICE, a Unix socket a writable directory";
    case EADDRNOTAVAIL: return "; this machine has no such address: check listeners";
    default: return "";
    }
}

} // namespace

Listener::Listener(Core& core, const config::Address& address, std::uint32_t unsent_bytes, Accepted accepted)
    : core_(core),
      address_(address),
      unsent_bytes_(unsent_bytes),
      accepted_(std::move(accepted)),
      pause_deadline_(core.wheel(), &Listener::on_pause_over, this) {}

Listener::~Listener() { stop(); }

// What errno says of the call that just failed, and what to do about it.
http::Error Listener::failed(const char* what) const {
    const int error = errno;
    return Error(ErrorKind::Internal, std::string("cannot ") + what + " on " + address_.text + ": " +
                                          std::strerror(error) + advice_for(error));
}

http::Status Listener::open() {
    SocketAddress target = to_socket_address(address_);
    const int fd = ::socket(target.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return failed("open a socket");
    }
    descriptor_ = fd;
    const int on = 1;
    if (target.family == AF_UNIX) {
        remove_stale_socket(address_, target);
    } else {
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        // Inherited by what is accepted. Without a bound the kernel takes megabytes for each client that reads nothing,
        // and when its memory for TCP is used up (net.ipv4.tcp_mem) it resets connections that did nothing wrong.
        ::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes_, sizeof unsent_bytes_);
    }
    if (is_loopback(address_)) {
        do_not_pace(fd);
    }
    if (target.family == AF_INET6) {
        // 0.0.0.0 and [::] can then both be listed.
        ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (::bind(fd, target.generic(), target.size) != 0) {
        const http::Error status = failed("bind");
        close();
        return status;
    }
    if (::listen(fd, kBacklog) != 0) {
        const http::Error status = failed("listen");
        close();
        return status;
    }
    if (target.family != AF_UNIX) {
        SocketAddress bound;
        bound.size = sizeof bound.storage;
        ::getsockname(fd, bound.generic(), &bound.size);
        in_port_t port = 0; // at the same offset in both families
        std::memcpy(&port, &reinterpret_cast<sockaddr_in*>(bound.generic())->sin_port, sizeof port); // NOLINT
        port_ = ntohs(port);
    }
    return http::success();
}

http::Status Listener::start() {
    started_ = core_.poller().add(descriptor_, *this);
    if (!started_) {
        return failed("wait for connections");
    }
    return http::success();
}

void Listener::on_ready(std::uint32_t events) noexcept {
    if ((events & EPOLLIN) != 0 && !paused_) {
        accept_some();
    }
}

// Until nobody waits: readiness is said once.
void Listener::accept_some() noexcept {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
        const int fd = ::accept4(descriptor_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            core_.metrics().connections_accepted.add();
            accepted_(fd);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            core_.metrics().accept_failures.add();
            spdlog::error("no descriptors left to accept on {}: {} advice=\"raise the limit of open files "
                          "(LimitNOFILE) or lower limits.connections\"",
                          address_.text, std::strerror(errno));
            // Connections wait in the backlog meanwhile; trying again for each that comes would only burn the core.
            paused_ = true;
            pause_deadline_.arm(kPauseWithoutDescriptors);
            return;
        }
        // ECONNABORTED and the network errors of accept(2) concern that one connection.
    }
    core_.poller().next_turn(*this);
}

void Listener::on_pause_over(void* self) {
    auto& listener = *static_cast<Listener*>(self);
    listener.paused_ = false;
    listener.accept_some();
}

void Listener::close() noexcept {
    if (started_) {
        core_.poller().remove(descriptor_, *this);
        started_ = false;
    }
    ::close(std::exchange(descriptor_, -1));
}

void Listener::drain_and_stop() noexcept {
    for (int turn = 0; descriptor_ >= 0 && !paused_ && turn < kBacklog / kAcceptsPerTurn; ++turn) {
        accept_some();
    }
    stop();
}

void Listener::stop() noexcept {
    if (descriptor_ < 0) {
        return;
    }
    pause_deadline_.disarm();
    close();
    if (address_.kind == config::Address::Kind::Unix) {
        ::unlink(address_.path.c_str());
    }
}

} // namespace gatehouse::proxy
