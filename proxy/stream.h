// One transport connection (TCP, Unix, TLS over TCP) as the message code sees it: bytes in, bytes out, deadlines.
//
// A stream belongs to one core and is used on its thread only. One read and one write may be under way at once.
// close() ends both. Errors are values.
#pragma once

#include "http/result.h"
#include "http/time.h"
#include "proxy/asio.h"
#include "proxy/awaitable.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include <sys/uio.h>

namespace gatehouse::proxy {

struct IoResult {
    enum class State : unsigned char { Ok, EndOfStream, TimedOut, Failed };
    State state = State::Ok;
    std::size_t bytes = 0; // read, or written before the failure
    error_code error;      // Failed

    bool ok() const noexcept { return state == State::Ok; }
};

// Told, instead of coroutines that wait, when there is something to read: the half of a session, and of an idle origin
// connection, that needs no coroutine. Called from the loop, never from within a call to the stream.
class StreamReader {
public:
    virtual void on_readable() noexcept = 0;

protected:
    ~StreamReader() = default;
};

class Stream {
public:
    virtual ~Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // Reads at least one byte into `room`, which must stay valid; EndOfStream at an orderly end (for TLS only with
    // close_notify: an end without it is Failed, so that a truncated body is never taken for a whole one).
    // timeout zero: none.
    virtual awaitable<IoResult> read_some(std::span<char> room, http::Duration timeout) = 0;
    // What is there already, without waiting. 0: nothing, or an end, which the next read_some() tells.
    virtual std::size_t read_ready(std::span<char> room) noexcept = 0;
    // Writes all pieces. The iovecs are used up in place. The timeout counts from the last progress.
    virtual awaitable<IoResult> write_all(std::span<iovec> pieces, http::Duration timeout) = 0;
    // Ends sending; the peer sees an orderly end. No error is reported.
    virtual awaitable<void> finish_sending(http::Duration timeout) = 0;
    // Ends everything at once; waiting operations fail. Idempotent.
    virtual void close() noexcept = 0;
    // Whether something may have arrived that was not read, or an end; as far as is known without asking the system.
    virtual bool may_read() const noexcept = 0;
    // Whether nothing has arrived and the peer has not closed: asked of the system.
    virtual bool is_quiet() noexcept = 0;
    // From now on `reader` is told each time that bytes or an end arrive, until the stream is closed; null: nobody. What
    // has arrived meanwhile is told in the next turn.
    virtual void set_reader(StreamReader* reader) = 0;

    const std::string& peer() const noexcept { return peer_; } // "127.0.0.1:8080", for logs

protected:
    Stream() = default;
    std::string peer_;
};

} // namespace gatehouse::proxy
