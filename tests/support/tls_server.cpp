// OpenSSL with blocking sockets that give up after the safety time.
#include "tests/support/tls_server.h"

#include "tests/support/gates.h"

#include <csignal>
#include <cstring>

#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace gatehouse::testing {

namespace {

int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void* options) {
    static_cast<void>(ssl);
    const char* wanted = static_cast<const TlsServer::Options*>(options)->protocol;
    const std::size_t length = std::strlen(wanted);
    for (unsigned int at = 0; at < offered_size; at += offered[at] + 1U) {
        if (offered[at] == length && std::memcmp(offered + at + 1, wanted, length) == 0) {
            *out = offered + at + 1;
            *size = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

SSL_CTX* make_context(const Certificate& certificate, TlsServer::Options* options) {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    if (context == nullptr || SSL_CTX_use_certificate_chain_file(context, certificate.file.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, certificate.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
        throw HarnessError("the TLS server cannot be set up");
    }
    SSL_CTX_set_security_level(context, 0); // so that it can be older than anybody should be
    if (options->max_version != 0) {
        SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(context, options->max_version);
    }
    if (*options->protocol != '\0') {
        SSL_CTX_set_alpn_select_cb(context, &choose_protocol, options);
    }
    return context;
}

} // namespace

TlsPeer::TlsPeer(Socket socket, SSL_CTX* context) : socket_(std::move(socket)), ssl_(SSL_new(context)) {
    const timeval limit{std::chrono::seconds(kSafetyTime).count(), 0};
    ::setsockopt(socket_.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_.descriptor(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    SSL_set_fd(ssl_, socket_.descriptor());
}

TlsPeer::~TlsPeer() { SSL_free(ssl_); }

bool TlsPeer::shake_hands() { return SSL_accept(ssl_) == 1; }

std::string TlsPeer::read(std::size_t at_most) {
    std::string bytes(at_most, '\0');
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_, bytes.data(), bytes.size(), &got);
    in_order_ = result != 1 && SSL_get_error(ssl_, result) == SSL_ERROR_ZERO_RETURN;
    bytes.resize(result == 1 ? got : 0);
    return bytes;
}

bool TlsPeer::write(std::string_view bytes) {
    std::size_t sent = 0;
    return SSL_write_ex(ssl_, bytes.data(), bytes.size(), &sent) == 1 && sent == bytes.size();
}

void TlsPeer::close_notify() { SSL_shutdown(ssl_); }

void TlsPeer::ask_for_key_update() { SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED); }

std::string TlsPeer::make_ticket() {
    BIO* const to_client = SSL_get_wbio(ssl_);
    BIO_up_ref(to_client);
    BIO* const aside = BIO_new(BIO_s_mem());
    SSL_set0_wbio(ssl_, aside);
    const bool made = SSL_new_session_ticket(ssl_) == 1 && SSL_do_handshake(ssl_) == 1;
    std::string record(BIO_pending(aside), '\0');
    const int got = BIO_read(aside, record.data(), static_cast<int>(record.size()));
    SSL_set0_wbio(ssl_, to_client); // frees the other
    if (!made || got <= 0 || static_cast<std::size_t>(got) != record.size()) {
        throw HarnessError("no session ticket could be made");
    }
    return record;
}

std::string TlsPeer::server_name() const {
    const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
}

std::string TlsPeer::protocol() const {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return std::string(name, name + size);
}

bool TlsPeer::resumed() const noexcept { return SSL_session_reused(ssl_) == 1; }

TlsServer::TlsServer(const Certificate& certificate, Serve serve)
    : TlsServer(certificate, std::move(serve), Options()) {}

TlsServer::TlsServer(const Certificate& certificate, Serve serve, const Options& options)
    : options_(options),
      serve_(std::move(serve)),
      context_(make_context(certificate, &options_)),
      listener_(Socket::listen()),
      thread_([this] { run(); }) {}

TlsServer::~TlsServer() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
        listener_.shut_down();
        if (current_ >= 0) {
            ::shutdown(current_, SHUT_RDWR);
        }
    }
    thread_.join();
    SSL_CTX_free(context_);
}

void TlsServer::run() {
    // OpenSSL writes without MSG_NOSIGNAL; a client that is gone is an answer here, too.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    for (;;) {
        Socket socket = listener_.accept();
        {
            const std::scoped_lock lock(mutex_);
            if (!socket.is_open() || stopping_) {
                return;
            }
            current_ = socket.descriptor();
        }
        TlsPeer peer(std::move(socket), context_);
        serve_(peer);
        const std::scoped_lock lock(mutex_);
        current_ = -1;
    }
}

} // namespace gatehouse::testing
