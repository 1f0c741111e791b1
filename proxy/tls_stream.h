// A stream over TLS, as a client: towards https origins.
//
// OpenSSL reads and writes the socket itself, through a BIO that makes our non-blocking system calls; when it would
// have to wait it says so, and the coroutine waits for readiness. So there is one copy of the bytes less than with
// asio::ssl::stream, the two directions have deadlines of their own, and an idle connection can be asked whether it
// is quiet without starting a read that cannot be taken back.
#pragma once

#include "http/result.h"
#include "proxy/stream.h"
#include "proxy/stream_socket.h"
#include "proxy/tls_context.h"

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <memory>
#include <string>

namespace gatehouse::proxy {

// Whom to shake hands with, and how.
struct TlsTarget {
    std::shared_ptr<const TlsContext> context;
    std::shared_ptr<TlsSessionSlot> session; // may be null: no resumption
    std::string server_name;                 // host name or IP literal: SNI (names only) and what is verified
    bool verify = true;
};

class TlsStream final : public Stream {
public:
    // Performs the handshake on a connected socket. Errors: TlsCertificateError, TlsProtocolError, and
    // ConnectionTimeout when it is not complete within `timeout` (zero: none).
    static awaitable<http::Result<std::unique_ptr<Stream>>> connect(StreamSocket::Ptr socket, std::string peer,
                                                                    TlsTarget target, http::Duration timeout);
    ~TlsStream() override;

    awaitable<IoResult> read_some(std::span<char> room, http::Duration timeout) override;
    std::size_t read_ready(std::span<char> room) noexcept override;
    awaitable<IoResult> write_all(std::span<iovec> pieces, http::Duration timeout) override;
    awaitable<void> finish_sending(http::Duration timeout) override;
    // Says goodbye (close_notify) when nothing is under way, because then the connection ends in order.
    void close() noexcept override;
    bool may_read() const noexcept override { return true; } // OpenSSL may hold some, or session tickets have come
    bool is_quiet() noexcept override;
    void set_reader(StreamReader* reader) override;

    // Whether the handshake resumed an earlier session.
    bool resumed() const noexcept;

private:
    struct State;
    using StatePtr = boost::intrusive_ptr<State>;
    friend void intrusive_ptr_add_ref(State* state) noexcept;
    friend void intrusive_ptr_release(State* state) noexcept;

    TlsStream(StatePtr state, std::string peer);
    static http::Status set_up(State& state, const TlsTarget& target);
    static awaitable<http::Status> shake_hands(StatePtr state, std::string server_name);

    StatePtr state_;
};

} // namespace gatehouse::proxy
