// The content of a client's request, read as it comes, by one reader at a time; or content that is in memory already.
//
// Shared between the session (which must know whether the connection can be reused) and the pump that sends it to the
// origin; both live on the connection's core.
#pragma once

#include "config/config.h"
#include "http/framing.h"
#include "http/result.h"
#include "proxy/client_connection.h"
#include "proxy/event.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace gatehouse::proxy {

class RequestBody {
public:
    RequestBody(std::shared_ptr<ClientConnection> connection, const http::Framing& framing, bool expects_continue,
                const config::Timeouts& timeouts);
    // Content that is there, of a client that may be gone.
    explicit RequestBody(std::shared_ptr<const std::string> content);

    struct Read {
        std::size_t bytes = 0;
        bool done = false; // nothing follows
        std::optional<http::Error> error;
    };
    // At least one byte, or the end, or an error (BadRequest, RequestTimeout, ClientClosed). `room` is at least 1 KiB.
    awaitable<Read> read_some(std::span<char> room);
    // Reads and drops what is left, up to `limit` bytes. True: the connection is at the next request.
    awaitable<bool> drain(std::uint64_t limit);
    // Content that was read is read once more, in front of what follows it.
    void put_back(std::shared_ptr<const std::string> content) noexcept;
    // All of it is in memory: it is read from its beginning again.
    void rewind() noexcept;
    bool is_in_memory() const noexcept { return connection_ == nullptr; }
    // Nothing more of it is read: the connection ends.
    void give_up() noexcept { failed_ = true; }

    const http::Framing& framing() const noexcept { return framing_; }
    bool done() const noexcept { return done_; }
    bool failed() const noexcept { return failed_; }
    bool started() const noexcept { return started_; }
    std::uint64_t received() const noexcept { return received_; }
    const http::Fields& trailers() const noexcept { return decoder_.trailers(); }

    // Expect: 100-continue: the client holds the content back until it is told to go on.
    bool expects_continue() const noexcept { return expects_continue_; }
    void continue_sent() noexcept { expects_continue_ = false; }

    // Set by the pump while it owns the reading side; the session waits for pump_ended before it reads itself.
    bool pumping = false;
    bool discard = false; // the pump is to drop what it reads, up to the drain limit
    std::uint64_t discarded = 0;
    Event pump_ended;

private:
    awaitable<Read> read_raw(std::span<char> room);
    Read read_held(std::span<char> room) noexcept;

    std::shared_ptr<ClientConnection> connection_;
    http::Framing framing_;
    config::Milliseconds timeout_;
    http::ChunkedDecoder decoder_;
    std::shared_ptr<const std::string> held_; // read first, from held_at_ on
    std::size_t held_at_ = 0;
    bool held_is_last_ = false; // nothing follows it
    std::uint64_t remaining_ = 0;
    std::uint64_t received_ = 0;
    bool expects_continue_ = false;
    bool started_ = false;
    bool done_ = false;
    bool failed_ = false;
};

} // namespace gatehouse::proxy
