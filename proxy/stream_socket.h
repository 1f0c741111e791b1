// A connected stream socket (TCP or Unix) with its two deadlines: what PlainStream and TlsStream are built on.
//
// Counted by reference, so that a coroutine which waits on it keeps it alive even when the stream that owned it is
// destroyed. Belongs to one core; the count is not atomic.
#pragma once

#include "proxy/core.h"
#include "proxy/stream.h"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <span>

#include <sys/types.h>
#include <sys/uio.h>

namespace gatehouse::proxy {

class StreamSocket : public boost::intrusive_ref_counter<StreamSocket, boost::thread_unsafe_counter> {
public:
    using Ptr = boost::intrusive_ptr<StreamSocket>;
    enum class Direction : unsigned char { Read, Write };

    // Takes over a descriptor (connected or connecting) and makes it non-blocking. Null when the system refuses; the
    // descriptor then stays the caller's.
    static Ptr adopt(Core& core, int descriptor);
    ~StreamSocket() { close(); }
    StreamSocket(const StreamSocket&) = delete;
    StreamSocket& operator=(const StreamSocket&) = delete;

    Core& core() const noexcept { return core_; }
    bool is_open() const noexcept { return descriptor_ >= 0; }
    int descriptor() const noexcept { return descriptor_; } // -1 once closed

    // As recv(2) and sendmsg(2), repeated after EINTR, never blocking, never raising SIGPIPE.
    ssize_t receive(std::span<char> room) noexcept;
    ssize_t send(std::span<const iovec> pieces) noexcept;
    // recv(2) that leaves the bytes where they are.
    ssize_t peek(std::span<char> room) noexcept;
    void shutdown_sending() noexcept;

    // Sets the deadline of one direction; zero: none.
    void arm(Direction direction, http::Duration after) noexcept { deadline(direction).arm(after); }
    void disarm(Direction direction) noexcept { deadline(direction).disarm(); }
    // Waits until `what` is possible, the deadline of `whose` passes, or the socket is closed. Several coroutines may
    // wait at once.
    awaitable<IoResult> wait(Direction what, Direction whose);
    // Waits, without a deadline, until bytes or an end have arrived or the socket is closed.
    awaitable<void> wait_readable();

    // Idempotent; ends all waits.
    void close() noexcept;

private:
    using Socket = asio::generic::stream_protocol::socket;

    StreamSocket(Core& core, Socket socket, int descriptor);
    Deadline& deadline(Direction direction) noexcept {
        return direction == Direction::Read ? read_deadline_ : write_deadline_;
    }
    static void wake_waiters(void* self);

    Core& core_;
    Socket socket_;
    int descriptor_;
    Deadline read_deadline_;
    Deadline write_deadline_;
};

// The IoResult of an operation that ended by this errno.
IoResult failed_by(int error_number) noexcept;

} // namespace gatehouse::proxy
