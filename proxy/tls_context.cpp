// OpenSSL contexts: minimum version, roots, verification.
#include "proxy/tls_context.h"

#include "proxy/diagnostic_log.h"

#include <boost/system/error_code.hpp>

#include <openssl/err.h>
#include <spdlog/spdlog.h>

#include <array>

#include <sys/stat.h>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;

namespace {

// OpenSSL hands over a session whenever the server has sent one: within the handshake, or later on (TLS 1.3). Returns
// 1 when the session is ours from now on.
int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* slot = static_cast<TlsSessionSlot*>(SSL_get_app_data(ssl));
    if (slot == nullptr || !slot->context || slot->context->native() != SSL_get_SSL_CTX(ssl)) {
        return 0;
    }
    slot->session.reset(session);
    return 1;
}

http::Result<std::shared_ptr<const TlsContext>> make_context(bool verify, const std::string& ca_file) {
    ERR_clear_error();
    SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
        return Error(ErrorKind::TlsProtocolError, "OpenSSL cannot be set up: " + take_ssl_error("unknown error"));
    }
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION);
    // A write may be repeated from another address of memory, and may end after a part.
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context.get(), &keep_session);
    SSL_CTX_set_read_ahead(context.get(), 1); // one recv for a record, not one for its header and one for the rest
    if (!verify) {
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
        return std::make_shared<const TlsContext>(std::move(context));
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (ca_file.empty()) {
        if (SSL_CTX_set_default_verify_paths(context.get()) != 1) {
            return Error(ErrorKind::TlsCertificateError,
                         "the system's root certificates cannot be read: " + take_ssl_error("unknown error") +
                             "; install ca-certificates or set tls.ca_file");
        }
    } else if (SSL_CTX_load_verify_file(context.get(), ca_file.c_str()) != 1) {
        return Error(ErrorKind::TlsCertificateError, "tls.ca_file " + ca_file +
                                                         " holds no certificates that can be "
                                                         "read as PEM: " +
                                                         take_ssl_error("unknown error"));
    }
    return std::make_shared<const TlsContext>(std::move(context));
}

} // namespace

std::optional<TlsContexts::FileStamp> TlsContexts::stamp_of(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
        return std::nullopt;
    }
    FileStamp stamp;
    stamp.device = info.st_dev;
    stamp.inode = info.st_ino;
    stamp.size = info.st_size;
    stamp.modified_ns = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
    return stamp;
}

http::Result<std::shared_ptr<const TlsContext>> TlsContexts::get(const config::OriginTls& options) {
    const std::string ca_file = options.verify ? options.ca_file : std::string();
    // Taken before the file is read: a change in between is then noticed by the next connection.
    const std::optional<FileStamp> stamp = ca_file.empty() ? std::nullopt : stamp_of(ca_file);
    const std::scoped_lock lock(mutex_);
    Cached& cached = contexts_[{options.verify, ca_file}];
    if (cached.context && (ca_file.empty() || cached.stamp == stamp)) {
        return cached.context;
    }
    auto made = make_context(options.verify, ca_file);
    if (made) {
        cached.context = made.value();
        cached.stamp = stamp;
        return cached.context;
    }
    if (!cached.context) {
        return made.take_error();
    }
    cached.stamp = stamp; // one warning for each change
    spdlog::warn("a changed ca_file cannot be used, the certificates read before stay in force ca_file={} detail={}",
                 log_value(ca_file), log_value(made.error().detail));
    return cached.context;
}

std::string take_ssl_error(const char* fallback) {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) {
        return fallback;
    }
    if (ERR_SYSTEM_ERROR(code)) {
        return boost::system::system_category().message(ERR_GET_REASON(code));
    }
    const char* reason = ERR_reason_error_string(code);
    if (reason != nullptr) {
        return reason;
    }
    std::array<char, 256> text{};
    ERR_error_string_n(code, text.data(), text.size());
    return text.data();
}

} // namespace gatehouse::proxy
