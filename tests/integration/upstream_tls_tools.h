// What the tests of TLS towards origins share: certificates that the openssl command has just made, and the side of the
// proxy.
#pragma once

#include "proxy/connector.h"
#include "proxy/tls_stream.h"
#include "tests/support/core_loop.h"
#include "tests/support/tls_server.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gatehouse::testing {

inline CertificateMaker& certificate_maker() {
    static CertificateMaker made;
    return made;
}

// For "origin.test" and 127.0.0.1, as it should be.
inline const Certificate& good_certificate() {
    static const Certificate made = certificate_maker().issue("DNS:origin.test,DNS:*.wild.test,IP:127.0.0.1");
    return made;
}

// The side of the proxy.
struct TlsClient {
    explicit TlsClient(std::uint16_t port) {
        origin.name = "api";
        origin.tls = true;
        origin.host = "origin.test";
        origin.port = port;
        origin.tls_options.ca_file = certificate_maker().ca().file;
    }
    proxy::ConnectPlan plan() {
        proxy::ConnectPlan made;
        made.origin = &origin;
        made.addresses = {boost::asio::ip::make_address("127.0.0.1")};
        made.timeout = std::chrono::seconds(5);
        auto context = contexts.get(origin.tls_options);
        REQUIRE(context);
        made.tls = context.value();
        made.session = session;
        return made;
    }
    http::Result<proxy::Connected> connect() { return loop.run(connect_to_origin(loop.core(), plan())); }
    std::unique_ptr<proxy::Stream> open() {
        auto connected = connect();
        if (!connected) {
            FAIL(connected.error().detail);
        }
        return std::move(connected->stream);
    }
    // Reads until the end or a failure, which it leaves in `last`.
    std::string read_all(proxy::Stream& stream) {
        std::string all;
        std::vector<char> room(65536);
        for (;;) {
            last = loop.run(stream.read_some(room, kSafetyTime));
            if (!last.ok()) {
                return all;
            }
            all.append(room.data(), last.bytes);
        }
    }
    proxy::IoResult write(proxy::Stream& stream, std::vector<std::string> texts) {
        return loop.run(write_all(stream, std::move(texts), kSafetyTime));
    }
    static proxy::awaitable<proxy::IoResult> write_all(proxy::Stream& stream, std::vector<std::string> texts,
                                                       http::Duration timeout) {
        std::vector<iovec> pieces;
        for (std::string& text : texts) {
            pieces.push_back({text.data(), text.size()});
        }
        const std::span<iovec> all(pieces);
        const proxy::IoResult result = co_await stream.write_all(all, timeout);
        co_return result;
    }

    CoreLoop loop;
    proxy::TlsContexts contexts;
    config::Origin origin;
    std::shared_ptr<proxy::TlsSessionSlot> session = std::make_shared<proxy::TlsSessionSlot>();
    proxy::IoResult last;
};

} // namespace gatehouse::testing
