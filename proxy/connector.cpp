// connect(2) without blocking, then the TLS handshake.
#include "proxy/connector.h"

#include "proxy/diagnostic_log.h"
#include "proxy/plain_stream.h"
#include "proxy/tls_stream.h"

#include <boost/asio/ip/tcp.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;

namespace {

using Direction = StreamSocket::Direction;

std::string endpoint_text(const asio::ip::tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
}

Error connect_error(const std::string& peer, int error_number) {
    ErrorKind kind = ErrorKind::ConnectionRefused;
    std::string advice;
    switch (error_number) {
    case EMFILE:
    case ENFILE:
        kind = ErrorKind::OriginUnavailable;
        advice = "; raise the limit of open files";
        break;
    case EADDRNOTAVAIL:
        kind = ErrorKind::OriginUnavailable;
        advice = "; no local port is free, see net.ipv4.ip_local_port_range";
        break;
    case ENOMEM:
    case ENOBUFS: kind = ErrorKind::OriginUnavailable; break;
    case ETIMEDOUT: kind = ErrorKind::ConnectionTimeout; break;
    default: break;
    }
    return Error(kind, peer + ": " + boost::system::system_category().message(error_number) + advice);
}

void set_option(int descriptor, int level, int name) {
    const int on = 1;
    ::setsockopt(descriptor, level, name, &on, sizeof on); // without it the connection still works
}

// Closes a descriptor that nobody took over.
class OwnedDescriptor {
public:
    explicit OwnedDescriptor(int descriptor) noexcept : descriptor_(descriptor) {}
    ~OwnedDescriptor() {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
    }
    OwnedDescriptor(const OwnedDescriptor&) = delete;
    OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
    int get() const noexcept { return descriptor_; }
    void release() noexcept { descriptor_ = -1; }

private:
    int descriptor_;
};

// Begins to connect. The socket becomes writable when the connection is open or has failed.
http::Result<StreamSocket::Ptr> start_connecting(Core& core, const asio::ip::tcp::endpoint& endpoint,
                                                 const std::string& peer) {
    const int family = endpoint.protocol().family();
    OwnedDescriptor descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (descriptor.get() < 0) {
        return connect_error(peer, errno);
    }
    set_option(descriptor.get(), IPPROTO_TCP, TCP_NODELAY);
    set_option(descriptor.get(), SOL_SOCKET, SO_KEEPALIVE);
    int result = 0;
    do {
        result = ::connect(descriptor.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
    } while (result != 0 && errno == EINTR);
    // After an interruption the attempt goes on by itself, and a second call says so.
    if (result != 0 && errno != EINPROGRESS && errno != EALREADY && errno != EISCONN) {
        return connect_error(peer, errno);
    }
    StreamSocket::Ptr socket = StreamSocket::adopt(core, descriptor.get());
    if (!socket) {
        return Error(ErrorKind::OriginUnavailable, peer + ": the socket cannot be watched");
    }
    descriptor.release();
    return socket;
}

awaitable<http::Status> finish_connecting(StreamSocket::Ptr socket, std::string peer, http::Duration timeout) {
    socket->arm(Direction::Write, timeout);
    const IoResult ready = co_await socket->wait(Direction::Write, Direction::Write);
    socket->disarm(Direction::Write);
    if (ready.state == IoResult::State::TimedOut) {
        co_return Error(ErrorKind::ConnectionTimeout, peer + ": no answer in time");
    }
    int error = ready.ok() ? 0 : ready.error.value();
    socklen_t size = sizeof error;
    if (ready.ok() && ::getsockopt(socket->descriptor(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        co_return connect_error(peer, error);
    }
    co_return http::success();
}

awaitable<http::Result<std::unique_ptr<Stream>>> attempt(Core& core, const ConnectPlan& plan, asio::ip::address address,
                                                         http::Duration timeout) {
    const asio::ip::tcp::endpoint endpoint(address, plan.origin->port);
    const std::string peer = endpoint_text(endpoint);
    const http::SteadyTime began = core.clock().steady_now();
    http::Result<StreamSocket::Ptr> socket = start_connecting(core, endpoint, peer);
    if (!socket) {
        co_return socket.take_error();
    }
    std::optional<OpeningSockets::Member> opening;
    if (plan.opening != nullptr) {
        opening.emplace(*plan.opening, *socket.value());
    }
    const http::Status connected = co_await finish_connecting(socket.value(), peer, timeout);
    if (!connected) {
        co_return connected.error();
    }
    if (!plan.tls) {
        co_return std::make_unique<PlainStream>(std::move(socket).value(), peer);
    }
    http::Duration left{0};
    if (timeout > http::Duration::zero()) {
        const auto spent = std::chrono::duration_cast<http::Duration>(core.clock().steady_now() - began);
        left = std::max(timeout - spent, http::Duration(1));
    }
    TlsTarget target;
    target.context = plan.tls;
    target.session = plan.session;
    const config::OriginTls& options = plan.origin->tls_options;
    target.server_name = options.server_name.empty() ? plan.origin->host : options.server_name;
    target.verify = options.verify;
    StreamSocket::Ptr owned = socket.value();
    auto stream = co_await TlsStream::connect(std::move(owned), peer, std::move(target), left);
    if (!stream) {
        Error error = stream.take_error();
        error.detail = peer + ": " + error.detail;
        co_return error;
    }
    co_return std::move(stream);
}

// How much an error tells about the origin; the most telling one is reported.
int weight(ErrorKind kind) noexcept {
    switch (kind) {
    case ErrorKind::TlsCertificateError: return 4;
    case ErrorKind::TlsProtocolError: return 3;
    case ErrorKind::ConnectionTimeout: return 2;
    case ErrorKind::ConnectionRefused: return 1;
    default: return 0;
    }
}

} // namespace

void OpeningSockets::stop() noexcept {
    stopped_ = true;
    for (StreamSocket* socket : sockets_) {
        socket->close(); // resumes its coroutine later: the set does not change meanwhile
    }
}

std::vector<asio::ip::address> connect_order(const std::vector<asio::ip::address>& addresses, std::size_t start) {
    std::vector<asio::ip::address> v6;
    std::vector<asio::ip::address> v4;
    for (const asio::ip::address& address : addresses) {
        (address.is_v6() ? v6 : v4).push_back(address);
    }
    std::vector<asio::ip::address> order;
    order.reserve(addresses.size());
    for (std::size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
        if (i < v6.size()) {
            order.push_back(v6[(start + i) % v6.size()]);
        }
        if (i < v4.size()) {
            order.push_back(v4[(start + i) % v4.size()]);
        }
    }
    return order;
}

awaitable<http::Result<Connected>> connect_to_origin(Core& core, ConnectPlan plan) {
    const http::SteadyTime began = core.clock().steady_now();
    std::optional<Error> worst;
    for (std::size_t i = 0; i < plan.addresses.size(); ++i) {
        http::Duration share{0};
        if (plan.timeout > http::Duration::zero()) {
            const auto spent = std::chrono::duration_cast<http::Duration>(core.clock().steady_now() - began);
            if (spent >= plan.timeout) {
                break;
            }
            const auto attempts_left = static_cast<http::Duration::rep>(plan.addresses.size() - i);
            share = std::max((plan.timeout - spent) / attempts_left, http::Duration(1));
        }
        auto stream = co_await attempt(core, plan, plan.addresses[i], share);
        if (stream) {
            Connected connected;
            connected.stream = std::move(stream).value();
            connected.address = plan.addresses[i];
            co_return connected;
        }
        if (plan.opening != nullptr && plan.opening->stopped()) {
            co_return Error(ErrorKind::OriginUnavailable, "the proxy is stopping");
        }
        Error error = stream.take_error();
        spdlog::debug("connecting failed origin={} error={} detail={}", log_value(plan.origin->name),
                      http::to_string(error.kind), log_value(error.detail));
        if (error.kind == ErrorKind::OriginUnavailable) {
            co_return error; // ours, so another address does not help
        }
        if (!worst || weight(error.kind) > weight(worst->kind)) {
            worst = std::move(error);
        }
    }
    if (!worst) {
        co_return Error(ErrorKind::ConnectionTimeout, "no time was left to connect");
    }
    if (plan.addresses.size() > 1) {
        worst->detail += " (the most telling of " + std::to_string(plan.addresses.size()) + " addresses)";
    }
    co_return std::move(*worst);
}

} // namespace gatehouse::proxy
