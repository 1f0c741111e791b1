// How connections to https origins are set up and verified: one TLS context for each way of verifying, shared by all
// cores, because loading roots is slow and they take memory.
#pragma once

#include "config/config.h"
#include "http/result.h"

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace gatehouse::proxy {

struct SslContextFree {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct SslFree {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};
struct SslSessionFree {
    void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using SslContextPtr = std::unique_ptr<SSL_CTX, SslContextFree>;
using SslPtr = std::unique_ptr<SSL, SslFree>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, SslSessionFree>;

// The verification rules of an origin, fixed. Immutable, so any thread may use it.
class TlsContext {
public:
    explicit TlsContext(SslContextPtr context) noexcept : context_(std::move(context)) {}
    SSL_CTX* native() const noexcept { return context_.get(); }

private:
    SslContextPtr context_;
};

// The last session an origin gave us, to be resumed by the next connection: a handshake without certificates.
// Belongs to one core and one origin, because a session proves only the name it was made for. A connection names its
// slot by SSL_set_app_data.
struct TlsSessionSlot {
    std::shared_ptr<const TlsContext> context; // sessions of another context are not resumed
    SslSessionPtr session;
};

// Contexts by configuration. Any thread; the first use of a configuration reads its CA file.
class TlsContexts {
public:
    // The context for these options. A CA file that was changed on disk is read again; one that cannot be read any
    // more leaves the previous context in use. TlsCertificateError: there is no usable CA file.
    http::Result<std::shared_ptr<const TlsContext>> get(const config::OriginTls& options);

private:
    // What stat(2) says about a file, to notice that it is another one.
    struct FileStamp {
        std::uint64_t device = 0;
        std::uint64_t inode = 0;
        std::int64_t size = 0;
        std::int64_t modified_ns = 0;
        bool operator==(const FileStamp&) const = default;
    };
    struct Cached {
        std::shared_ptr<const TlsContext> context;
        std::optional<FileStamp> stamp;
    };
    static std::optional<FileStamp> stamp_of(const std::string& path);

    std::mutex mutex_;
    std::map<std::pair<bool, std::string>, Cached> contexts_;
};

// The oldest entry of OpenSSL's error queue as text, and the queue emptied. `fallback` when it is empty.
std::string take_ssl_error(const char* fallback);

} // namespace gatehouse::proxy
