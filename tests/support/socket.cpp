#include "tests/support/socket.h"

#include "tests/support/gates.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace gatehouse::testing {

namespace {

[[noreturn]] void fail(const char* what) { throw HarnessError(std::string(what) + ": " + std::strerror(errno)); }

const sockaddr* generic(const void* address) { return static_cast<const sockaddr*>(address); }

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

Socket open_socket(int family) {
    Socket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) {
        fail("socket");
    }
    return socket;
}

void connect_to(const Socket& socket, const void* address, socklen_t size) {
    if (::connect(socket.descriptor(), generic(address), size) != 0) {
        fail("connect");
    }
    const int on = 1;
    ::setsockopt(socket.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // no effect on Unix sockets
}

} // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
    close();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
}

Socket Socket::connect(std::uint16_t port, int receive_buffer) {
    Socket socket = open_socket(AF_INET);
    if (receive_buffer > 0) {
        ::setsockopt(socket.fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    const sockaddr_in address = loopback(port);
    connect_to(socket, &address, sizeof address);
    return socket;
}

Socket Socket::connect_v6(std::uint16_t port) {
    Socket socket = open_socket(AF_INET6);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    connect_to(socket, &address, sizeof address);
    return socket;
}

Socket Socket::connect_unix(const std::string& path) {
    Socket socket = open_socket(AF_UNIX);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connect_to(socket, &address, sizeof address);
    return socket;
}

Socket Socket::listen(int backlog) {
    Socket socket = open_socket(AF_INET);
    const sockaddr_in address = loopback(0);
    if (::bind(socket.fd_, generic(&address), sizeof address) != 0) {
        fail("bind");
    }
    if (backlog > 0 && ::listen(socket.fd_, backlog) != 0) {
        fail("listen");
    }
    return socket;
}

std::uint16_t Socket::port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    void* raw = &address;
    if (::getsockname(fd_, static_cast<sockaddr*>(raw), &size) != 0) {
        fail("getsockname");
    }
    return ntohs(address.sin_port);
}

Socket Socket::accept() {
    for (;;) {
        const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) {
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return Socket(fd);
        }
        if (errno != EINTR && errno != ECONNABORTED) {
            return Socket();
        }
    }
}

void Socket::wait(short events) const {
    pollfd entry{fd_, events, 0};
    const int timeout = static_cast<int>(std::chrono::milliseconds(kSafetyTime).count());
    int ready = 0;
    do {
        ready = ::poll(&entry, 1, timeout);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) {
        throw HarnessError((events & POLLIN) != 0 ? "nothing came from the peer" : "the peer takes nothing");
    }
}

bool Socket::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            wait(POLLOUT);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

Socket::Read Socket::receive(std::string& out, std::size_t at_most) {
    const std::size_t old = out.size();
    for (;;) {
        out.resize(old + at_most);
        const ssize_t got = ::recv(fd_, out.data() + old, at_most, MSG_DONTWAIT);
        out.resize(old + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (got > 0) {
            return Read::Bytes;
        }
        if (got == 0) {
            return Read::End;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            wait(POLLIN);
        } else if (errno != EINTR) {
            return Read::Reset;
        }
    }
}

bool Socket::is_readable() const {
    pollfd entry{fd_, POLLIN, 0};
    return ::poll(&entry, 1, 0) > 0;
}

void Socket::half_close() { ::shutdown(fd_, SHUT_WR); }

void Socket::shut_down() { ::shutdown(fd_, SHUT_RDWR); }

void Socket::reset() {
    if (fd_ >= 0) {
        const linger abort{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        close();
    }
}

void Socket::close() {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

} // namespace gatehouse::testing
