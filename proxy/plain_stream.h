// A stream without encryption over a TCP or Unix socket: towards http origins, and towards clients.
//
// The first try of every operation is the system call itself, of a read where the poller has told of something; only when
// it would block does the coroutine wait for readiness. Sessions use the lower half (try_read, try_write, set_reader()) and
// do without a coroutine as long as nothing has to be waited for.
#pragma once

#include "proxy/stream.h"
#include "proxy/stream_socket.h"

#include <memory>

namespace gatehouse::proxy {

class PlainStream final : public Stream {
public:
    // Takes over a connected descriptor. Null when the system refuses; the descriptor then stays the caller's.
    static std::unique_ptr<PlainStream> adopt(Core& core, int descriptor);
    // The same for a socket that is already taken over.
    PlainStream(StreamSocket::Ptr socket, std::string peer);
    ~PlainStream() override;

    StreamSocket& socket() noexcept { return *socket_; }
    int descriptor() const noexcept { return socket_->descriptor(); } // -1 once closed
    // As recv(2) and sendmsg(2): never blocking, errno says why when the result is negative. Requires: room not empty.
    ssize_t try_read(std::span<char> room) noexcept { return socket_->receive(room); }
    ssize_t try_write(std::span<const iovec> pieces) noexcept { return socket_->send(pieces); }
    // Waits until a write would not block; `bytes` of the result is 0. timeout zero: none.
    awaitable<IoResult> writable(http::Duration timeout);

    awaitable<IoResult> read_some(std::span<char> room, http::Duration timeout) override;
    std::size_t read_ready(std::span<char> room) noexcept override;
    awaitable<IoResult> write_all(std::span<iovec> pieces, http::Duration timeout) override;
    awaitable<void> finish_sending(http::Duration timeout) override;
    void close() noexcept override { socket_->close(); }
    bool may_read() const noexcept override { return socket_->may_read(); }
    bool is_quiet() noexcept override;
    void set_reader(StreamReader* reader) override { socket_->set_reader(reader); }

private:
    awaitable<IoResult> wait_and_read(std::span<char> room, http::Duration timeout);
    awaitable<IoResult> write_rest(std::span<iovec> pieces, http::Duration timeout, std::size_t written);

    StreamSocket::Ptr socket_;
    unsigned reads_without_wait_ = 0;
};

// Drops what was written from the front: whole pieces, then a part of the next one.
std::span<iovec> used_up(std::span<iovec> pieces, std::size_t bytes) noexcept;

// After this many operations in a row that did not have to wait, the others on the core get a turn.
inline constexpr unsigned kOperationsPerTurn = 32;

} // namespace gatehouse::proxy
