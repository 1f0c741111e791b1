// recv and sendmsg, and a wait when they would block.
#include "proxy/plain_stream.h"

#include "proxy/socket_address.h"

#include <cassert>
#include <cerrno>
#include <optional>
#include <utility>

namespace gatehouse::proxy {

namespace {

using Direction = StreamSocket::Direction;

bool would_block(int error_number) noexcept { return error_number == EAGAIN || error_number == EWOULDBLOCK; }

// What one recv brings; nothing where it would have to be waited for.
std::optional<IoResult> read_now(StreamSocket& socket, std::span<char> room) noexcept {
    IoResult result;
    const ssize_t got = socket.receive(room);
    if (got > 0) {
        result.bytes = static_cast<std::size_t>(got);
    } else if (got == 0) {
        result.state = IoResult::State::EndOfStream;
    } else if (would_block(errno)) {
        return std::nullopt;
    } else {
        result = failed_by(socket.is_open() ? errno : ECANCELED);
    }
    return result;
}

} // namespace

std::span<iovec> used_up(std::span<iovec> pieces, std::size_t bytes) noexcept {
    while (!pieces.empty() && pieces.front().iov_len <= bytes) {
        bytes -= pieces.front().iov_len;
        pieces.front().iov_len = 0;
        pieces = pieces.subspan(1);
    }
    if (!pieces.empty() && bytes > 0) {
        pieces.front().iov_base = static_cast<char*>(pieces.front().iov_base) + bytes;
        pieces.front().iov_len -= bytes;
    }
    return pieces;
}

PlainStream::PlainStream(StreamSocket::Ptr socket, std::string peer) : socket_(std::move(socket)) {
    peer_ = std::move(peer);
}

PlainStream::~PlainStream() { socket_->close(); }

std::unique_ptr<PlainStream> PlainStream::adopt(Core& core, int descriptor) {
    StreamSocket::Ptr socket = StreamSocket::adopt(core, descriptor);
    if (!socket) {
        return nullptr;
    }
    return std::make_unique<PlainStream>(std::move(socket), peer_name(descriptor));
}

awaitable<IoResult> PlainStream::writable(http::Duration timeout) {
    const StreamSocket::Ptr socket = socket_;
    socket->arm(Direction::Write, timeout);
    const IoResult result = co_await socket->wait(Direction::Write, Direction::Write);
    socket->disarm(Direction::Write);
    co_return result;
}

std::size_t PlainStream::read_ready(std::span<char> room) noexcept {
    const ssize_t got = socket_->may_read() ? socket_->receive(room) : -1;
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

awaitable<IoResult> PlainStream::read_some(std::span<char> room, http::Duration timeout) {
    assert(!room.empty());
    // OPTIMIZATION: nothing is asked for that the poller has not told of. An origin's answer is never there when its
    // request has just been sent.
    if (socket_->may_read() && ++reads_without_wait_ < kOperationsPerTurn) {
        if (std::optional<IoResult> result = read_now(*socket_, room)) {
            return awaitable<IoResult>::ready(*result);
        }
    }
    reads_without_wait_ = 0;
    return wait_and_read(room, timeout);
}

awaitable<IoResult> PlainStream::wait_and_read(std::span<char> room, http::Duration timeout) {
    const StreamSocket::Ptr socket = socket_;
    socket->arm(Direction::Read, timeout);
    std::optional<IoResult> result;
    while (!result) {
        const IoResult waited = co_await socket->wait(Direction::Read, Direction::Read);
        result = waited.ok() ? read_now(*socket, room) : waited;
    }
    socket->disarm(Direction::Read);
    co_return *result;
}

awaitable<IoResult> PlainStream::write_all(std::span<iovec> pieces, http::Duration timeout) {
    const ssize_t sent = socket_->send(pieces);
    const std::size_t written = sent > 0 ? static_cast<std::size_t>(sent) : 0;
    pieces = used_up(pieces, written);
    IoResult result;
    result.bytes = written;
    if (sent < 0 && !would_block(errno)) {
        return awaitable<IoResult>::ready(failed_by(socket_->is_open() ? errno : ECANCELED));
    }
    return pieces.empty() ? awaitable<IoResult>::ready(result) : write_rest(pieces, timeout, written);
}

awaitable<IoResult> PlainStream::write_rest(std::span<iovec> pieces, http::Duration timeout, std::size_t written) {
    const StreamSocket::Ptr socket = socket_;
    bool rearm = true; // the timeout counts from the last progress
    unsigned turns = 0;
    IoResult result;
    while (!pieces.empty()) {
        if (turns < kOperationsPerTurn) {
            const ssize_t sent = socket->send(pieces);
            if (sent >= 0) {
                written += static_cast<std::size_t>(sent);
                pieces = used_up(pieces, static_cast<std::size_t>(sent));
                rearm = true;
                ++turns;
                continue;
            }
            if (!would_block(errno)) {
                result = failed_by(socket->is_open() ? errno : ECANCELED);
                break;
            }
        }
        if (rearm) {
            socket->arm(Direction::Write, timeout);
            rearm = false;
        }
        turns = 0;
        result = co_await socket->wait(Direction::Write, Direction::Write);
        if (!result.ok()) {
            break;
        }
    }
    socket->disarm(Direction::Write);
    result.bytes = written;
    co_return result;
}

awaitable<void> PlainStream::finish_sending(http::Duration timeout) {
    static_cast<void>(timeout); // nothing is left to be sent: every write ended before
    socket_->shutdown_sending();
    co_return;
}

bool PlainStream::is_quiet() noexcept {
    char byte = 0;
    return socket_->is_open() && socket_->peek(std::span(&byte, 1)) < 0 && would_block(errno);
}

} // namespace gatehouse::proxy
