// TLS towards origins: the handshake, who is believed, and sessions that are resumed.
#include "tests/integration/upstream_tls_tools.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include <sys/socket.h>

using namespace gatehouse;
using namespace std::chrono_literals;
using http::ErrorKind;
using testing::certificate_maker;
using testing::good_certificate;
using testing::TlsPeer;
using testing::TlsServer;
using Client = testing::TlsClient;
using State = proxy::IoResult::State;

namespace {

// Says what the handshake brought, and ends in order.
void introduce(TlsPeer& peer) {
    if (peer.shake_hands()) {
        peer.write(peer.server_name() + "|" + peer.protocol() + "|" + (peer.resumed() ? "resumed" : "full"));
        peer.close_notify();
        peer.read();
    }
}

} // namespace

TEST_CASE("The handshake names the origin, offers http/1.1 and checks who answers") {
    enum class Made : std::uint8_t { Good, OtherName, Expired, SelfSigned };
    struct Row {
        const char* name;
        Made certificate;
        const char* host;        // of the url
        const char* server_name; // of the options
        bool ours;               // whether our CA is in ca_file; else the system's roots count
        bool verify;
        const char* result; // what the server says, or a part of the error
        std::optional<ErrorKind> error;
    };
    static constexpr auto kWrong = ErrorKind::TlsCertificateError;
    static constexpr Row kRows[] = {
        {"a good one", Made::Good, "origin.test", "", true, true, "origin.test|http/1.1|full", std::nullopt},
        {"the name in capitals", Made::Good, "ORIGIN.test", "", true, true, "|http/1.1|full", std::nullopt},
        {"the name with its last dot", Made::Good, "origin.test.", "", true, true, "origin.test|", std::nullopt},
        {"by a wildcard", Made::Good, "a.wild.test", "", true, true, "a.wild.test|http/1.1|full", std::nullopt},
        {"not by a wildcard for two labels", Made::Good, "a.b.wild.test", "", true, true, "hostname mismatch", kWrong},
        {"an address, which is no SNI", Made::Good, "127.0.0.1", "", true, true, "|http/1.1|full", std::nullopt},
        {"another address", Made::Good, "127.0.0.2", "", true, true, "IP address mismatch", kWrong},
        {"another name", Made::OtherName, "origin.test", "", true, true, "hostname mismatch", kWrong},
        {"another name that is named", Made::OtherName, "origin.test", "other.test", true, true, "other.test|",
         std::nullopt},
        {"an address with a name that is named", Made::Good, "127.0.0.2", "origin.test", true, true, "origin.test|",
         std::nullopt},
        {"expired", Made::Expired, "origin.test", "", true, true, "certificate has expired", kWrong},
        {"self-signed", Made::SelfSigned, "origin.test", "", true, true, "self-signed certificate", kWrong},
        {"a CA that the system does not know", Made::Good, "origin.test", "", false, true, "unable to get local issuer",
         kWrong},
        {"anything, unverified", Made::Expired, "nobody.test", "", false, false, "nobody.test|http/1.1|full",
         std::nullopt},
    };
    static const testing::Certificate kOtherName = certificate_maker().issue("DNS:other.test");
    static const testing::Certificate kExpired = certificate_maker().issue("DNS:origin.test", -1);
    static const testing::Certificate kSelfSigned = certificate_maker().self_signed("DNS:origin.test");
    for (const Row& row : kRows) {
        SUBCASE(row.name) {
            const testing::Certificate& certificate = row.certificate == Made::Good        ? good_certificate()
                                                      : row.certificate == Made::OtherName ? kOtherName
                                                      : row.certificate == Made::Expired   ? kExpired
                                                                                           : kSelfSigned;
            TlsServer::Options options;
            options.protocol = "http/1.1";
            const TlsServer server(certificate, introduce, options);
            Client client(server.port());
            client.origin.host = row.host;
            client.origin.tls_options.server_name = row.server_name;
            client.origin.tls_options.verify = row.verify;
            if (!row.ours) {
                client.origin.tls_options.ca_file.clear();
            }
            auto connected = client.connect();
            if (row.error) {
                REQUIRE_FALSE(connected);
                CHECK(connected.error().kind == *row.error);
                CAPTURE(connected.error().detail);
                CHECK(connected.error().detail.find(row.result) != std::string::npos);
                CHECK(connected.error().detail.starts_with("127.0.0.1:"));
            } else {
                if (!connected) {
                    FAIL(connected.error().detail);
                }
                CHECK(client.read_all(*connected->stream).find(row.result) != std::string::npos);
                CHECK(client.last.state == State::EndOfStream);
            }
        }
    }
}

TEST_CASE("What is not TLS as we speak it is a protocol error") {
    struct Row {
        const char* name;
        TlsServer::Serve serve;
        int max_version;
        const char* detail;
    };
    const std::vector<Row> rows = {
        {"plain HTTP",
         [](TlsPeer& peer) {
             std::string hello;
             peer.socket().receive(hello);
             peer.socket().send("HTTP/1.1 400 Bad Request\r\n\r\n");
         },
         0, "no TLS is spoken on this port"},
        {"closed at once", [](TlsPeer& peer) { peer.socket().close(); }, 0, "TLS handshake"},
        {"closed after the hello",
         [](TlsPeer& peer) {
             std::string hello;
             peer.socket().receive(hello);
             peer.socket().half_close();
             peer.socket().receive(hello);
         },
         0, "closed during the TLS handshake"},
        {"reset",
         [](TlsPeer& peer) {
             std::string hello;
             peer.socket().receive(hello);
             peer.socket().reset();
         },
         0, "the TLS handshake failed: Connection reset by peer"},
        {"TLS 1.1", introduce, TLS1_1_VERSION, "the TLS handshake failed"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            TlsServer::Options options;
            options.max_version = row.max_version;
            const TlsServer server(good_certificate(), row.serve, options);
            Client client(server.port());
            const auto connected = client.connect();
            REQUIRE_FALSE(connected);
            CAPTURE(connected.error().detail);
            CHECK(connected.error().kind == ErrorKind::TlsProtocolError);
            CHECK(connected.error().detail.find(row.detail) != std::string::npos);
            CHECK(client.loop.core().wheel().armed() == 0);
        }
    }
}

TEST_CASE("TLS 1.2 is still spoken") {
    TlsServer::Options options;
    options.max_version = TLS1_2_VERSION;
    const TlsServer server(good_certificate(), introduce, options);
    Client client(server.port());
    const auto stream = client.open();
    CHECK(client.read_all(*stream) == "origin.test||full");
    CHECK(client.last.state == State::EndOfStream);
}

TEST_CASE("A server that says nothing ends the handshake by its deadline") {
    testing::Gates gates;
    const TlsServer server(good_certificate(), [&](TlsPeer&) { gates.pass("end"); });
    Client client(server.port());
    auto task = client.loop.start(connect_to_origin(client.loop.core(), client.plan()));
    client.loop.await([&] { return client.loop.core().wheel().armed() == 1; }, "the handshake");
    client.loop.advance(5s);
    CHECK_FALSE(task.done());
    client.loop.advance(100ms);
    auto connected = client.loop.finish(task, "the deadline");
    REQUIRE_FALSE(connected);
    CHECK(connected.error().kind == ErrorKind::ConnectionTimeout);
    gates.open("end");
}

TEST_CASE("The next connection resumes the session of the one before") {
    struct Row {
        const char* name;
        int version;
    };
    static constexpr Row kRows[] = {{"TLS 1.2", TLS1_2_VERSION}, {"TLS 1.3", TLS1_3_VERSION}};
    for (const Row& row : kRows) {
        SUBCASE(row.name) {
            TlsServer::Options options;
            options.max_version = row.version;
            const TlsServer server(good_certificate(), introduce, options);
            Client client(server.port());
            auto first = client.open();
            CHECK(client.read_all(*first) == "origin.test||full");
            first.reset();
            auto second = client.open();
            CHECK(client.read_all(*second).ends_with("|resumed"));
            CHECK(dynamic_cast<proxy::TlsStream&>(*second).resumed());
            second.reset();
            // Another way of verifying does not build on what was verified before.
            client.origin.tls_options.verify = false;
            auto third = client.open();
            CHECK(client.read_all(*third) == "origin.test||full");
        }
    }
}

TEST_CASE("Contexts are shared by all origins that verify alike") {
    proxy::TlsContexts contexts;
    config::OriginTls options;
    options.ca_file = certificate_maker().ca().file;
    const auto first = contexts.get(options);
    REQUIRE(first);
    options.server_name = "other.test";
    CHECK(contexts.get(options).value() == first.value());
    options.verify = false;
    CHECK(contexts.get(options).value() != first.value());
    options.verify = true;
    options.ca_file.clear();
    CHECK(contexts.get(options).value() != first.value());
}

TEST_CASE("A CA file that cannot be used is named") {
    proxy::TlsContexts contexts;
    config::OriginTls options;
    for (const std::string& file :
         {certificate_maker().directory().path("missing.pem"), certificate_maker().directory().write("empty", "")}) {
        options.ca_file = file;
        const auto context = contexts.get(options);
        REQUIRE_FALSE(context);
        CHECK(context.error().kind == ErrorKind::TlsCertificateError);
        CHECK(context.error().detail.find(file) != std::string::npos);
    }
}

TEST_CASE("A CA file that changes on disk is read again, and one that goes bad changes nothing") {
    const testing::CertificateMaker other;
    const TlsServer server(good_certificate(), introduce);
    Client client(server.port());
    const std::string file = certificate_maker().directory().path("changing.pem");
    client.origin.tls_options.ca_file = file;
    const auto replace_by = [&file](const std::string& source) {
        const std::string copy = file + ".new";
        std::filesystem::copy_file(source, copy, std::filesystem::copy_options::overwrite_existing);
        REQUIRE(std::rename(copy.c_str(), file.c_str()) == 0);
    };
    replace_by(other.ca().file);
    auto refused = client.connect();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::TlsCertificateError);
    replace_by(certificate_maker().ca().file);
    CHECK(client.connect().ok());
    const auto context = client.plan().tls;
    replace_by(certificate_maker().directory().write("bad", "no certificate"));
    CHECK(client.plan().tls == context);
    std::filesystem::remove(file);
    CHECK(client.plan().tls == context);
    CHECK(client.connect().ok());
}
