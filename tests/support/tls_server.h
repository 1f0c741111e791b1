// A TLS server on a thread of its own that does to each connection what the test says, with blocking calls.
#pragma once

#include "tests/support/socket.h"
#include "tests/support/tls_certificates.h"

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace gatehouse::testing {

// One connection as the server sees it.
class TlsPeer {
public:
    TlsPeer(Socket socket, SSL_CTX* context);
    ~TlsPeer();
    TlsPeer(const TlsPeer&) = delete;
    TlsPeer& operator=(const TlsPeer&) = delete;

    bool shake_hands();
    // At most this many bytes; empty at the end, orderly or not.
    std::string read(std::size_t at_most = 65536);
    bool write(std::string_view bytes);
    void close_notify();
    void ask_for_key_update(); // TLS 1.3
    // The record of one more session ticket (TLS 1.3), which the test sends itself, by socket(), when and in what
    // pieces it likes; nothing else may be written before.
    std::string make_ticket();
    // Whether read() came to an end by the client's close_notify.
    bool ended_in_order() const noexcept { return in_order_; }
    std::string server_name() const; // SNI; "" without one
    std::string protocol() const;    // chosen by ALPN; "" without one
    bool resumed() const noexcept;
    Socket& socket() noexcept { return socket_; }

private:
    Socket socket_;
    SSL* ssl_;
    bool in_order_ = false;
};

class TlsServer {
public:
    using Serve = std::function<void(TlsPeer&)>;

    struct Options {
        int max_version = 0;       // TLS1_2_VERSION; 0: the newest
        const char* protocol = ""; // chosen by ALPN whatever is offered
    };
    // Serves one connection after another until it is destroyed.
    TlsServer(const Certificate& certificate, Serve serve);
    TlsServer(const Certificate& certificate, Serve serve, const Options& options);
    ~TlsServer();
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    std::uint16_t port() const { return listener_.port(); }

private:
    void run();

    Options options_;
    Serve serve_;
    SSL_CTX* context_;
    Socket listener_;
    std::mutex mutex_;
    int current_ = -1; // descriptor of the connection that is served
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace gatehouse::testing
