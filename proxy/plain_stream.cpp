// Non-blocking socket calls between waits for readiness.
#include "proxy/plain_stream.h"

#include "proxy/socket_address.h"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>
#include <unistd.h>

namespace gatehouse::proxy {

namespace {

constexpr std::size_t kMaxPieces = 1024; // IOV_MAX

IoResult failed(int error) {
    IoResult result;
    result.state = IoResult::State::Failed;
    result.error = error_code(error, boost::system::system_category());
    return result;
}

} // namespace

bool consume_pieces(std::span<iovec> pieces, std::size_t bytes) noexcept {
    for (iovec& piece : pieces) {
        const std::size_t part = std::min(bytes, piece.iov_len);
        piece.iov_base = static_cast<char*>(piece.iov_base) + part;
        piece.iov_len -= part;
        bytes -= part;
        if (piece.iov_len > 0) {
            return false;
        }
    }
    return true;
}

void PlainStream::Direction::fire(void* context) {
    boost::system::error_code ignored;
    static_cast<Direction*>(context)->stream.descriptor_.cancel(ignored);
}

std::unique_ptr<PlainStream> PlainStream::adopt(Core& core, int descriptor) {
    Descriptor owned(core.io());
    boost::system::error_code ec;
    owned.assign(descriptor, ec);
    if (ec) {
        return nullptr;
    }
    return std::unique_ptr<PlainStream>(new PlainStream(core, std::move(owned)));
}

PlainStream::PlainStream(Core& core, Descriptor descriptor)
    : descriptor_(std::move(descriptor)), fd_(descriptor_.native_handle()), reading_(*this, core), writing_(*this, core) {
    peer_ = peer_name(fd_);
}

PlainStream::~PlainStream() { close(); }

void PlainStream::close() noexcept {
    closed_ = true;
    fd_ = -1; // a closed number may soon be somebody else's
    if (descriptor_.is_open()) {
        boost::system::error_code ignored;
        descriptor_.close(ignored);
    }
}

ssize_t PlainStream::try_read(std::span<char> room) noexcept {
    return ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
}

ssize_t PlainStream::try_write(std::span<const iovec> pieces) noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data()); // NOLINT: msghdr knows no const
    message.msg_iovlen = std::min(pieces.size(), kMaxPieces);
    return ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

awaitable<IoResult> PlainStream::wait(Descriptor::wait_type what, Direction& direction, http::Duration timeout) {
    direction.deadline.arm(timeout);
    for (;;) {
        if (closed_) {
            direction.deadline.disarm();
            co_return failed(ECANCELED);
        }
        const auto [error] = co_await descriptor_.async_wait(what, kAwait);
        if (!error) {
            direction.deadline.disarm();
            co_return IoResult{};
        }
        if (direction.deadline.expired()) {
            IoResult result;
            result.state = IoResult::State::TimedOut;
            co_return result;
        }
        if (closed_ || error != asio::error::operation_aborted) {
            direction.deadline.disarm();
            co_return failed(error.value());
        }
        // Cancelled on behalf of the other direction: wait again.
    }
}

awaitable<IoResult> PlainStream::readable(http::Duration timeout) {
    return wait(Descriptor::wait_read, reading_, timeout);
}

awaitable<IoResult> PlainStream::writable(http::Duration timeout) {
    return wait(Descriptor::wait_write, writing_, timeout);
}

awaitable<IoResult> PlainStream::read_some(std::span<char> room, http::Duration timeout) {
    for (;;) {
        if (closed_) {
            co_return failed(ECANCELED);
        }
        const ssize_t got = try_read(room);
        if (got > 0) {
            IoResult result;
            result.bytes = static_cast<std::size_t>(got);
            co_return result;
        }
        if (got == 0) {
            IoResult result;
            result.state = IoResult::State::EndOfStream;
            co_return result;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            co_return failed(errno);
        }
        const IoResult ready = co_await wait(Descriptor::wait_read, reading_, timeout);
        if (!ready.ok()) {
            co_return ready;
        }
    }
}

awaitable<IoResult> PlainStream::write_all(std::span<iovec> pieces, http::Duration timeout) {
    IoResult result;
    while (!consume_pieces(pieces, 0)) {
        if (closed_) {
            co_return failed(ECANCELED);
        }
        const ssize_t sent = try_write(pieces);
        if (sent >= 0) {
            result.bytes += static_cast<std::size_t>(sent);
            consume_pieces(pieces, static_cast<std::size_t>(sent));
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            const std::size_t written = result.bytes;
            result = failed(errno);
            result.bytes = written;
            co_return result;
        }
        const IoResult ready = co_await wait(Descriptor::wait_write, writing_, timeout);
        if (!ready.ok()) {
            const std::size_t written = result.bytes;
            result = ready;
            result.bytes = written;
            co_return result;
        }
    }
    co_return result;
}

awaitable<void> PlainStream::finish_sending(http::Duration) {
    if (!closed_) {
        ::shutdown(fd_, SHUT_WR);
    }
    co_return;
}

bool PlainStream::is_quiet() noexcept {
    if (closed_) {
        return false;
    }
    char byte = 0;
    const ssize_t got = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

awaitable<void> PlainStream::wait_readable() {
    const IoResult ready = co_await wait(Descriptor::wait_read, reading_, http::Duration::zero());
    static_cast<void>(ready);
}

} // namespace gatehouse::proxy
