// Readiness from Asio, system calls from here, deadlines from the core's wheel.
#include "proxy/stream_socket.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include <sys/socket.h>

namespace gatehouse::proxy {

namespace {

// A system call that a signal interrupted is made again.
template <class Call>
ssize_t uninterrupted(Call call) noexcept {
    ssize_t result = 0;
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result;
}

} // namespace

StreamSocket::StreamSocket(Core& core, Socket socket, int descriptor)
    : core_(core),
      socket_(std::move(socket)),
      descriptor_(descriptor),
      read_deadline_(core.wheel(), &StreamSocket::wake_waiters, this),
      write_deadline_(core.wheel(), &StreamSocket::wake_waiters, this) {}

StreamSocket::Ptr StreamSocket::adopt(Core& core, int descriptor) {
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) {
        return {};
    }
    Socket socket(core.io());
    const asio::generic::stream_protocol protocol(family, 0);
    error_code error;
    socket.assign(protocol, descriptor, error);
    if (error) {
        return {};
    }
    socket.native_non_blocking(true, error);
    if (error) {
        error_code ignored;
        socket.release(ignored);
        return {};
    }
    return Ptr(new StreamSocket(core, std::move(socket), descriptor));
}

ssize_t StreamSocket::receive(std::span<char> room) noexcept {
    return uninterrupted([&] { return ::recv(descriptor_, room.data(), room.size(), MSG_DONTWAIT); });
}

ssize_t StreamSocket::peek(std::span<char> room) noexcept {
    return uninterrupted([&] { return ::recv(descriptor_, room.data(), room.size(), MSG_DONTWAIT | MSG_PEEK); });
}

ssize_t StreamSocket::send(std::span<const iovec> pieces) noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data()); // NOLINT: sendmsg(2) does not write to it
    message.msg_iovlen = std::min<std::size_t>(pieces.size(), IOV_MAX);
    return uninterrupted([&] { return ::sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
}

void StreamSocket::shutdown_sending() noexcept {
    if (is_open()) {
        ::shutdown(descriptor_, SHUT_WR);
    }
}

void StreamSocket::wake_waiters(void* self) {
    // Every wait ends and looks whether it was meant; those that were not go on waiting.
    error_code ignored;
    static_cast<StreamSocket*>(self)->socket_.cancel(ignored);
}

awaitable<IoResult> StreamSocket::wait(Direction what, Direction whose) {
    const Ptr hold(this);
    const auto event = what == Direction::Read ? Socket::wait_read : Socket::wait_write;
    for (;;) {
        if (!is_open()) {
            co_return failed_by(ECANCELED);
        }
        if (deadline(whose).expired()) {
            IoResult result;
            result.state = IoResult::State::TimedOut;
            co_return result;
        }
        const auto [error] = co_await socket_.async_wait(event, kAwait);
        if (error == asio::error::operation_aborted) {
            continue;
        }
        IoResult result;
        if (error) {
            result.state = IoResult::State::Failed;
            result.error = error;
        }
        co_return result;
    }
}

awaitable<void> StreamSocket::wait_readable() {
    const Ptr hold(this);
    while (is_open()) {
        const auto [error] = co_await socket_.async_wait(Socket::wait_read, kAwait);
        if (error != asio::error::operation_aborted) {
            co_return;
        }
    }
}

void StreamSocket::close() noexcept {
    if (!is_open()) {
        return;
    }
    descriptor_ = -1;
    read_deadline_.disarm();
    write_deadline_.disarm();
    error_code ignored;
    socket_.close(ignored);
}

IoResult failed_by(int error_number) noexcept {
    IoResult result;
    result.state = IoResult::State::Failed;
    result.error = error_code(error_number, boost::system::system_category());
    return result;
}

} // namespace gatehouse::proxy
