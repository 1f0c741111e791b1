// TCP and Unix connections without TLS: readiness from Asio, then our own non-blocking recv and sendmsg (DESIGN 4.2:
// asio's composed writes cap each send at 64 KiB, and its reads make up to two recv calls a message).
#pragma once

#include "proxy/core.h"
#include "proxy/stream.h"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <memory>

#include <sys/types.h>

namespace gatehouse::proxy {

class PlainStream final : public Stream {
public:
    // Takes over a connected, non-blocking socket. Null when the event loop cannot take it: the caller still owns the
    // descriptor then.
    static std::unique_ptr<PlainStream> adopt(Core& core, int descriptor);
    ~PlainStream() override;

    int descriptor() const noexcept { return fd_; }
    // One recv; -1 with errno EAGAIN when nothing is there, 0 at the end.
    ssize_t try_read(std::span<char> room) noexcept;
    // One sendmsg.
    ssize_t try_write(std::span<const iovec> pieces) noexcept;
    // Waits until a read (or write) would do something: Ok, TimedOut, or Failed after close().
    awaitable<IoResult> readable(http::Duration timeout);
    awaitable<IoResult> writable(http::Duration timeout);

    awaitable<IoResult> read_some(std::span<char> room, http::Duration timeout) override;
    awaitable<IoResult> write_all(std::span<iovec> pieces, http::Duration timeout) override;
    awaitable<void> finish_sending(http::Duration timeout) override;
    void close() noexcept override;
    bool is_quiet() noexcept override;
    awaitable<void> wait_readable() override;

private:
    using Descriptor = asio::posix::stream_descriptor;
    // One direction's deadline: when it fires it cancels the waits of this socket; who was not meant waits again.
    struct Direction {
        Direction(PlainStream& owner, Core& core) : stream(owner), deadline(core.wheel(), &Direction::fire, this) {}
        static void fire(void* context);
        PlainStream& stream;
        Deadline deadline;
    };

    PlainStream(Core& core, Descriptor descriptor);
    awaitable<IoResult> wait(Descriptor::wait_type what, Direction& direction, http::Duration timeout);

    Descriptor descriptor_;
    int fd_;
    Direction reading_;
    Direction writing_;
    bool closed_ = false;
};

// Moves on by `bytes` in a list of pieces; pieces that are used up become empty. True when all are.
bool consume_pieces(std::span<iovec> pieces, std::size_t bytes) noexcept;

} // namespace gatehouse::proxy
