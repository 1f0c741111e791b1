// A connected stream socket (TCP or Unix) with its two deadlines: what PlainStream and TlsStream are built on.
//
// The core's poller says once when the socket becomes readable or writable; the socket remembers it until a system
// call finds nothing more to do. So a wait that has been answered already costs nothing, and no wait costs a call.
//
// Counted by reference, so that a coroutine which waits on it keeps it alive even when the stream that owned it is
// destroyed. Belongs to one core; the count is not atomic.
#pragma once

#include "proxy/core.h"
#include "proxy/event.h"
#include "proxy/stream.h"

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <cstdint>
#include <span>

#include <sys/types.h>
#include <sys/uio.h>

namespace gatehouse::proxy {

class StreamSocket final : public boost::intrusive_ref_counter<StreamSocket, boost::thread_unsafe_counter>,
                           private Poller::Watched {
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
    // Of what was sent: how much the other end has not acknowledged yet. 0 also where the system does not say.
    std::size_t unacknowledged_bytes() const noexcept;
    // A write past this class found no room: wait() is not to say that there is some until there is.
    void found_no_room() noexcept { writable_ = false; }

    // Sets the deadline of one direction; zero: none.
    void arm(Direction direction, http::Duration after) noexcept { deadline(direction).arm(after); }
    void disarm(Direction direction) noexcept { deadline(direction).disarm(); }
    // Waits until `what` is possible, the deadline of `whose` passes, or the socket is closed. Several coroutines may
    // wait at once. If it is possible already the others on the core get a turn first.
    awaitable<IoResult> wait(Direction what, Direction whose);

    // From now on `reader` is told; null: nobody. What has arrived meanwhile is told in the next turn.
    void set_reader(StreamReader* reader);
    // Whether a read may find something. Cleared by the read that finds no more.
    bool may_read() const noexcept { return readable_; }
    // The reader has left something unread and wants to be told again, after the others on the core.
    void read_again() { core_.poller().next_turn(*this); }

    // Idempotent; ends all waits.
    void close() noexcept;

private:
    // One coroutine that waits. In its frame.
    struct Wait {
        Wait(StreamSocket& on, Direction for_what, Direction by_deadline_of);
        ~Wait();
        Wait(const Wait&) = delete;
        Wait& operator=(const Wait&) = delete;
        StreamSocket& socket;
        Direction what;
        Direction whose;
        Event event;
        Wait* previous = nullptr;
        Wait* next = nullptr;
    };

    StreamSocket(Core& core, int descriptor, bool short_read_means_empty);
    Deadline& deadline(Direction direction) noexcept {
        return direction == Direction::Read ? read_deadline_ : write_deadline_;
    }
    bool& ready(Direction direction) noexcept { return direction == Direction::Read ? readable_ : writable_; }
    template <class Which>
    void signal(Which which) noexcept;
    void on_ready(std::uint32_t events) noexcept override;
    void on_turn() noexcept override;
    void on_core_end() noexcept override;
    static void on_read_deadline(void* self);
    static void on_write_deadline(void* self);

    Core& core_;
    int descriptor_;
    bool readable_ = false;
    bool writable_ = false;
    bool ended_ = false; // the peer has ended, or an error is pending: the next read says so
    const bool short_read_means_empty_;
    StreamReader* reader_ = nullptr;
    Wait* waits_ = nullptr;
    Deadline read_deadline_;
    Deadline write_deadline_;
};

// As sendmsg(2), never blocking, never raising SIGPIPE. OPTIMIZATION: one piece goes by send(2), for which the kernel has
// no message and no table of pieces to copy: 2 % of a passed answer (docs/PERFORMANCE.md).
// `more`: it may wait for what is sent next.
ssize_t send_pieces(int descriptor, std::span<const iovec> pieces, bool more = false) noexcept;

// The IoResult of an operation that ended by this errno.
IoResult failed_by(int error_number) noexcept;

} // namespace gatehouse::proxy
