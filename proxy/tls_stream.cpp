// OpenSSL over StreamSocket.
#include "proxy/tls_stream.h"

#include "proxy/plain_stream.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;

namespace {

using Direction = StreamSocket::Direction;

constexpr std::size_t kRecordBytes = 16 * 1024; // the most that one TLS record holds

// What the BIO knows: the socket, and how its last call ended.
struct BioSocket {
    StreamSocket* socket = nullptr;
    bool at_end = false;
    int error = 0; // errno of the call that failed for good
};

BioSocket& bio_socket(BIO* bio) { return *static_cast<BioSocket*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* room, int size) {
    BioSocket& state = bio_socket(bio);
    BIO_clear_retry_flags(bio);
    const ssize_t got = state.socket->receive(std::span(room, static_cast<std::size_t>(size)));
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            BIO_set_retry_read(bio);
        } else {
            state.error = errno;
        }
        return -1;
    }
    state.at_end = got == 0;
    return static_cast<int>(got);
}

int bio_write(BIO* bio, const char* bytes, int size) {
    BioSocket& state = bio_socket(bio);
    BIO_clear_retry_flags(bio);
    const iovec piece{const_cast<char*>(bytes), static_cast<std::size_t>(size)}; // NOLINT: iovec knows no const
    const ssize_t sent = state.socket->send(std::span(&piece, 1));
    if (sent < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            BIO_set_retry_write(bio);
        } else {
            state.error = errno;
        }
        return -1;
    }
    return static_cast<int>(sent);
}

long bio_control(BIO* bio, int command, long number, void* pointer) {
    static_cast<void>(number);
    static_cast<void>(pointer);
    switch (command) {
    case BIO_CTRL_EOF: return bio_socket(bio).at_end ? 1 : 0;
    case BIO_CTRL_FLUSH: return 1;
    default: return 0;
    }
}

const BIO_METHOD* bio_method() {
    struct Free {
        void operator()(BIO_METHOD* method) const noexcept { BIO_meth_free(method); }
    };
    static const std::unique_ptr<BIO_METHOD, Free> kMethod = [] {
        std::unique_ptr<BIO_METHOD, Free> method(
            BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gatehouse socket"));
        if (method) {
            BIO_meth_set_read(method.get(), &bio_read);
            BIO_meth_set_write(method.get(), &bio_write);
            BIO_meth_set_ctrl(method.get(), &bio_control);
        }
        return method;
    }();
    return kMethod.get();
}

bool is_address(const std::string& name) {
    error_code error;
    asio::ip::make_address(name, error);
    return !error;
}

} // namespace

struct TlsStream::State {
    unsigned references = 0; // on one thread, so it need not be atomic
    StreamSocket::Ptr socket;
    BioSocket bio;
    std::shared_ptr<const TlsContext> context;
    std::shared_ptr<TlsSessionSlot> session;
    SslPtr ssl;
    bool shaken = false;     // the handshake is complete
    bool broken = false;     // OpenSSL must not be asked to write any more
    unsigned operations = 0; // reads and writes under way

    void close() noexcept;
    // What to wait for, by what OpenSSL said about the call that returned `result`; nullopt: the operation has ended,
    // and `outcome` says how.
    std::optional<Direction> after(int result, IoResult& outcome) noexcept;
    std::span<const char> next_record(std::span<const iovec> pieces) noexcept;
};

void intrusive_ptr_add_ref(TlsStream::State* state) noexcept { ++state->references; }
void intrusive_ptr_release(TlsStream::State* state) noexcept {
    if (--state->references == 0) {
        delete state;
    }
}

namespace {

// Counts an operation while it is under way.
class Operation {
public:
    explicit Operation(unsigned& operations) noexcept : operations_(operations) { ++operations_; }
    ~Operation() { --operations_; }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

private:
    unsigned& operations_;
};

} // namespace

void TlsStream::State::close() noexcept {
    if (socket->is_open() && shaken && !broken && operations == 0) {
        ERR_clear_error();
        static_cast<void>(SSL_shutdown(ssl.get())); // one try: nobody waits for a connection that is given up
        ERR_clear_error();
    }
    socket->close();
}

std::optional<Direction> TlsStream::State::after(int result, IoResult& outcome) noexcept {
    switch (SSL_get_error(ssl.get(), result)) {
    case SSL_ERROR_WANT_READ: return Direction::Read;
    case SSL_ERROR_WANT_WRITE: return Direction::Write;
    case SSL_ERROR_ZERO_RETURN: outcome.state = IoResult::State::EndOfStream; return std::nullopt;
    default: break;
    }
    broken = true;
    if (!socket->is_open()) {
        outcome = failed_by(ECANCELED);
    } else if (bio.error != 0) {
        outcome = failed_by(bio.error);
    } else if (bio.at_end) {
        outcome.state = IoResult::State::Failed;
        outcome.error = asio::ssl::error::make_error_code(asio::ssl::error::stream_truncated);
    } else {
        outcome.state = IoResult::State::Failed;
        const unsigned long code = ERR_peek_error();
        outcome.error = error_code(static_cast<int>(code), asio::error::get_ssl_category());
    }
    return std::nullopt;
}

// What goes into the next record. Small pieces are joined in the core's scratch buffer. Called again before anything
// was sent it gives the same bytes, as OpenSSL demands of a write that is repeated.
std::span<const char> TlsStream::State::next_record(std::span<const iovec> pieces) noexcept {
    const iovec& first = pieces.front();
    if (pieces.size() == 1 || first.iov_len >= kRecordBytes) {
        return {static_cast<const char*>(first.iov_base), std::min(first.iov_len, kRecordBytes)};
    }
    std::vector<char>& scratch = socket->core().scratch();
    std::size_t filled = 0;
    for (const iovec& piece : pieces) {
        const std::size_t part = std::min(piece.iov_len, kRecordBytes - filled);
        if (part > 0) {
            std::memcpy(scratch.data() + filled, piece.iov_base, part);
        }
        filled += part;
    }
    return {scratch.data(), filled};
}

TlsStream::TlsStream(StatePtr state, std::string peer) : state_(std::move(state)) { peer_ = std::move(peer); }

TlsStream::~TlsStream() { state_->close(); }

void TlsStream::close() noexcept { state_->close(); }

bool TlsStream::resumed() const noexcept { return SSL_session_reused(state_->ssl.get()) == 1; }

http::Status TlsStream::set_up(State& state, const TlsTarget& target) {
    const auto failed = [] {
        return Error(ErrorKind::TlsProtocolError, "TLS cannot be set up: " + take_ssl_error("unknown error"));
    };
    ERR_clear_error();
    state.context = target.context;
    state.session = target.session;
    state.bio.socket = state.socket.get();
    state.ssl.reset(SSL_new(target.context->native()));
    const BIO_METHOD* method = bio_method();
    BIO* bio = method == nullptr ? nullptr : BIO_new(method);
    if (!state.ssl || bio == nullptr) {
        BIO_free(bio);
        return failed();
    }
    BIO_set_data(bio, &state.bio);
    BIO_set_init(bio, 1);
    SSL* ssl = state.ssl.get();
    SSL_set_bio(ssl, bio, bio); // the SSL owns it from here on
    SSL_set_connect_state(ssl);
    static constexpr std::array<unsigned char, 9> kHttp11{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    if (SSL_set_alpn_protos(ssl, kHttp11.data(), kHttp11.size()) != 0) {
        return failed();
    }
    std::string name = target.server_name;
    if (name.ends_with('.')) {
        name.pop_back(); // RFC 6066 section 3: without the dot of an absolute name
    }
    const bool address = is_address(name);
    // What the macro SSL_set_tlsext_host_name does, without its old-style cast.
    if (!address && SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) != 1) {
        return failed();
    }
    if (target.verify) {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        const int set = address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str())
                                : SSL_set1_host(ssl, name.c_str());
        if (set != 1) {
            return failed();
        }
    }
    if (state.session) {
        TlsSessionSlot& slot = *state.session;
        SSL_set_app_data(ssl, &slot);
        if (slot.context != target.context) {
            slot.context = target.context;
            slot.session.reset();
        }
        if (slot.session && SSL_SESSION_is_resumable(slot.session.get()) == 1) {
            SSL_set_session(ssl, slot.session.get());
        }
    }
    return http::success();
}

namespace {

Error handshake_error(SSL* ssl, const IoResult& outcome, const std::string& name) {
    const long verdict = SSL_get_verify_result(ssl);
    if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && verdict != X509_V_OK) {
        ERR_clear_error();
        return Error(ErrorKind::TlsCertificateError,
                     "the certificate for " + name + " is not accepted: " + X509_verify_cert_error_string(verdict));
    }
    const unsigned long code = ERR_peek_error();
    if (code != 0 && ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER) {
        return Error(ErrorKind::TlsProtocolError,
                     "no TLS is spoken on this port (" + take_ssl_error("") + "); check scheme and port of the url");
    }
    if (outcome.state == IoResult::State::EndOfStream || outcome.error == asio::ssl::error::stream_truncated) {
        ERR_clear_error();
        return Error(ErrorKind::TlsProtocolError, "the connection was closed during the TLS handshake");
    }
    const std::string fallback = outcome.error ? outcome.error.message() : std::string("unknown error");
    return Error(ErrorKind::TlsProtocolError, "the TLS handshake failed: " + take_ssl_error(fallback.c_str()));
}

} // namespace

awaitable<http::Status> TlsStream::shake_hands(StatePtr state, std::string server_name) {
    for (;;) {
        ERR_clear_error();
        const int result = SSL_do_handshake(state->ssl.get());
        if (result == 1) {
            state->shaken = true;
            break;
        }
        IoResult outcome;
        const auto wanted = state->after(result, outcome);
        if (!wanted) {
            if (state->session) {
                state->session->session.reset();
            }
            co_return handshake_error(state->ssl.get(), outcome, server_name);
        }
        const IoResult ready = co_await state->socket->wait(*wanted, Direction::Read);
        if (ready.state == IoResult::State::TimedOut) {
            co_return Error(ErrorKind::ConnectionTimeout, "the TLS handshake was not complete in time");
        }
        if (!ready.ok()) {
            co_return Error(ErrorKind::TlsProtocolError, "the TLS handshake failed: " + ready.error.message());
        }
    }
    const unsigned char* protocol = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(state->ssl.get(), &protocol, &size);
    static constexpr std::string_view kHttp11 = "http/1.1";
    if (size > 0 && !std::equal(kHttp11.begin(), kHttp11.end(), protocol, protocol + size)) {
        co_return Error(ErrorKind::TlsProtocolError, "the origin chose a protocol that was not offered");
    }
    co_return http::success();
}

awaitable<http::Result<std::unique_ptr<Stream>>> TlsStream::connect(StreamSocket::Ptr socket, std::string peer,
                                                                    TlsTarget target, http::Duration timeout) {
    StatePtr state(new State);
    state->socket = std::move(socket);
    const http::Status ready = set_up(*state, target);
    if (!ready) {
        co_return ready.error();
    }
    // From here on the stream owns the connection: whatever happens, it is closed.
    std::unique_ptr<Stream> stream(new TlsStream(state, std::move(peer)));
    state->socket->arm(Direction::Read, timeout);
    std::string name = std::move(target.server_name);
    const http::Status shaken = co_await shake_hands(state, std::move(name));
    state->socket->disarm(Direction::Read);
    if (!shaken) {
        co_return shaken.error();
    }
    co_return std::move(stream);
}

std::size_t TlsStream::read_ready(std::span<char> room) noexcept {
    std::size_t bytes = 0;
    ERR_clear_error();
    // An error or an end shows again at the next read.
    const bool ok = SSL_read_ex(state_->ssl.get(), room.data(), room.size(), &bytes) == 1;
    ERR_clear_error();
    return ok ? bytes : 0;
}

awaitable<IoResult> TlsStream::read_some(std::span<char> room, http::Duration timeout) {
    assert(!room.empty());
    const StatePtr state = state_;
    const Operation operation(state->operations);
    bool armed = false;
    IoResult result;
    for (;;) {
        ERR_clear_error();
        const int got = SSL_read_ex(state->ssl.get(), room.data(), room.size(), &result.bytes);
        if (got == 1) {
            break;
        }
        result = IoResult();
        const auto wanted = state->after(got, result);
        if (!wanted) {
            break;
        }
        if (!armed) {
            state->socket->arm(Direction::Read, timeout);
            armed = true;
        }
        result = co_await state->socket->wait(*wanted, Direction::Read);
        if (!result.ok()) {
            break;
        }
    }
    state->socket->disarm(Direction::Read);
    co_return result;
}

awaitable<IoResult> TlsStream::write_all(std::span<iovec> pieces, http::Duration timeout) {
    const StatePtr state = state_;
    const Operation operation(state->operations);
    std::size_t written = 0;
    bool rearm = true; // the timeout counts from the last progress
    unsigned turns = 0;
    IoResult result;
    pieces = used_up(pieces, 0);
    if (state->broken) {
        co_return failed_by(EPIPE);
    }
    while (!pieces.empty()) {
        Direction wanted = Direction::Write;
        if (turns < kOperationsPerTurn) {
            const std::span<const char> record = state->next_record(pieces);
            std::size_t sent = 0;
            ERR_clear_error();
            const int done = SSL_write_ex(state->ssl.get(), record.data(), record.size(), &sent);
            if (done == 1) {
                written += sent;
                pieces = used_up(pieces, sent);
                rearm = true;
                ++turns;
                continue;
            }
            const auto after = state->after(done, result);
            if (!after) {
                break;
            }
            wanted = *after;
        }
        if (rearm) {
            state->socket->arm(Direction::Write, timeout);
            rearm = false;
        }
        turns = 0;
        result = co_await state->socket->wait(wanted, Direction::Write);
        if (!result.ok()) {
            state->broken = true; // a part of a record may have been sent
            break;
        }
    }
    state->socket->disarm(Direction::Write);
    result.bytes = written;
    co_return result;
}

awaitable<void> TlsStream::finish_sending(http::Duration timeout) {
    const StatePtr state = state_;
    const Operation operation(state->operations);
    state->socket->arm(Direction::Write, timeout);
    while (state->socket->is_open() && !state->broken) {
        ERR_clear_error();
        const int sent = SSL_shutdown(state->ssl.get());
        if (sent >= 0) {
            state->socket->shutdown_sending();
            break;
        }
        IoResult outcome;
        const auto wanted = state->after(sent, outcome);
        if (wanted != Direction::Write) {
            break;
        }
        const IoResult ready = co_await state->socket->wait(Direction::Write, Direction::Write);
        if (!ready.ok()) {
            state->broken = true;
        }
    }
    state->socket->disarm(Direction::Write);
}

bool TlsStream::is_quiet() noexcept {
    State& state = *state_;
    if (!state.socket->is_open() || state.broken) {
        return false;
    }
    // Session tickets may have arrived, which are nobody's content; OpenSSL takes them in while it looks for some.
    char byte = 0;
    std::size_t got = 0;
    ERR_clear_error();
    const int result = SSL_peek_ex(state.ssl.get(), &byte, 1, &got);
    if (result == 1) {
        return false;
    }
    IoResult outcome;
    return state.after(result, outcome) == Direction::Read;
}

void TlsStream::set_reader(StreamReader* reader) { state_->socket->set_reader(reader); }

} // namespace gatehouse::proxy
