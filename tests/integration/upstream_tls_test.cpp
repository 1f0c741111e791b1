// TLS towards origins, against a server with certificates that the openssl command has just made.
#include "proxy/connector.h"
#include "proxy/tls_stream.h"
#include "tests/support/core_loop.h"
#include "tests/support/tls_server.h"

#include <boost/asio/ssl/error.hpp>
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <string>
#include <vector>

#include <sys/socket.h>

using namespace gatehouse;
using namespace std::chrono_literals;
using http::ErrorKind;
using proxy::Connected;
using proxy::IoResult;
using proxy::Stream;
using testing::CoreLoop;
using testing::TlsPeer;
using testing::TlsServer;
using State = proxy::IoResult::State;

namespace {

testing::CertificateMaker& maker() {
    static testing::CertificateMaker made;
    return made;
}

// For "origin.test" and 127.0.0.1, as it should be.
const testing::Certificate& good() {
    static const testing::Certificate made = maker().issue("DNS:origin.test,DNS:*.wild.test,IP:127.0.0.1");
    return made;
}

// The side of the proxy.
struct Client {
    explicit Client(std::uint16_t port) {
        origin.name = "api";
        origin.tls = true;
        origin.host = "origin.test";
        origin.port = port;
        origin.tls_options.ca_file = maker().ca().file;
    }
    proxy::ConnectPlan plan() {
        proxy::ConnectPlan made;
        made.origin = &origin;
        made.addresses = {boost::asio::ip::make_address("127.0.0.1")};
        made.timeout = 5s;
        auto context = contexts.get(origin.tls_options);
        REQUIRE(context);
        made.tls = context.value();
        made.session = session;
        return made;
    }
    http::Result<Connected> connect() { return loop.run(connect_to_origin(loop.core(), plan())); }
    std::unique_ptr<Stream> open() {
        auto connected = connect();
        if (!connected) {
            FAIL(connected.error().detail);
        }
        return std::move(connected->stream);
    }
    // Reads until the end or a failure, which it leaves in `last`.
    std::string read_all(Stream& stream) {
        std::string all;
        std::vector<char> room(65536);
        for (;;) {
            last = loop.run(stream.read_some(room, 20s));
            if (!last.ok()) {
                return all;
            }
            all.append(room.data(), last.bytes);
        }
    }
    IoResult write(Stream& stream, std::vector<std::string> texts) {
        return loop.run(write_all(stream, std::move(texts), 20s));
    }
    static proxy::awaitable<IoResult> write_all(Stream& stream, std::vector<std::string> texts,
                                                http::Duration timeout) {
        std::vector<iovec> pieces;
        for (std::string& text : texts) {
            pieces.push_back({text.data(), text.size()});
        }
        const std::span<iovec> all(pieces);
        const IoResult result = co_await stream.write_all(all, timeout);
        co_return result;
    }

    CoreLoop loop;
    proxy::TlsContexts contexts;
    config::Origin origin;
    std::shared_ptr<proxy::TlsSessionSlot> session = std::make_shared<proxy::TlsSessionSlot>();
    IoResult last;
};

// Says what the handshake brought, and ends in order.
void introduce(TlsPeer& peer) {
    if (peer.shake_hands()) {
        peer.write(peer.server_name() + "|" + peer.protocol() + "|" + (peer.resumed() ? "resumed" : "full"));
        peer.close_notify();
        peer.read();
    }
}

// Sends back what comes.
void echo(TlsPeer& peer) {
    if (!peer.shake_hands()) {
        return;
    }
    for (;;) {
        const std::string bytes = peer.read();
        if (bytes.empty() || !peer.write(bytes)) {
            break;
        }
    }
    peer.close_notify();
}

std::string pattern(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>('a' + i * i % 26);
    }
    return text;
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
    static const testing::Certificate kOtherName = maker().issue("DNS:other.test");
    static const testing::Certificate kExpired = maker().issue("DNS:origin.test", -1);
    static const testing::Certificate kSelfSigned = maker().self_signed("DNS:origin.test");
    for (const Row& row : kRows) {
        SUBCASE(row.name) {
            const testing::Certificate& certificate = row.certificate == Made::Good        ? good()
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
            const TlsServer server(good(), row.serve, options);
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
    const TlsServer server(good(), introduce, options);
    Client client(server.port());
    const auto stream = client.open();
    CHECK(client.read_all(*stream) == "origin.test||full");
    CHECK(client.last.state == State::EndOfStream);
}

TEST_CASE("A server that says nothing ends the handshake by its deadline") {
    testing::Gates gates;
    const TlsServer server(good(), [&](TlsPeer&) { gates.pass("end"); });
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

TEST_CASE("An end without close_notify is a failure, so that nothing cut short looks whole") {
    struct Row {
        const char* name;
        TlsServer::Serve serve;
        State end;
    };
    const std::vector<Row> rows = {
        {"close_notify",
         [](TlsPeer& peer) {
             peer.shake_hands();
             peer.write("whole");
             peer.close_notify();
         },
         State::EndOfStream},
        {"only the end of TCP",
         [](TlsPeer& peer) {
             peer.shake_hands();
             peer.write("whole");
             peer.socket().half_close();
             peer.read();
         },
         State::Failed},
        {"a reset",
         [](TlsPeer& peer) {
             peer.shake_hands();
             peer.write("whole");
             peer.read(); // until the client has it
             peer.socket().reset();
         },
         State::Failed},
        {"bytes that are no record",
         [](TlsPeer& peer) {
             peer.shake_hands();
             peer.write("whole");
             peer.socket().send(std::string(100, 'x'));
             peer.read();
         },
         State::Failed},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const TlsServer server(good(), row.serve);
            Client client(server.port());
            const auto stream = client.open();
            std::array<char, 5> room{};
            CHECK(client.loop.run(stream->read_some(room, 20s)).bytes == 5);
            if (std::string(row.name) == "a reset") {
                CHECK(client.write(*stream, {"now"}).ok());
            }
            CHECK(client.read_all(*stream).empty());
            CHECK(client.last.state == row.end);
            CHECK_FALSE(stream->is_quiet());
            if (std::string(row.name) == "only the end of TCP") {
                CHECK(client.last.error == boost::asio::ssl::error::stream_truncated);
            }
        }
    }
}

TEST_CASE("Much goes both ways at once, in pieces of all sizes") {
    const TlsServer server(good(), echo);
    Client client(server.port());
    const auto stream = client.open();
    const std::string sent = pattern(4'000'000);
    std::vector<std::string> pieces;
    std::size_t at = 0;
    for (std::size_t size = 0; at < sent.size(); size = (size * 7 + 1) % 70'001) {
        pieces.push_back(sent.substr(at, size));
        at += pieces.back().size();
    }
    auto writing = client.loop.start(Client::write_all(*stream, pieces, 20s));
    std::string heard;
    std::vector<char> room(30'000);
    while (heard.size() < sent.size()) {
        const IoResult got = client.loop.run(stream->read_some(room, 20s));
        REQUIRE(got.ok());
        heard.append(room.data(), got.bytes);
    }
    const IoResult wrote = client.loop.finish(writing, "the writer");
    CHECK(wrote.ok());
    CHECK(wrote.bytes == sent.size());
    CHECK(heard == sent);
    CHECK(client.loop.core().wheel().armed() == 0);
    client.loop.run(stream->finish_sending(1s));
    CHECK(client.read_all(*stream).empty());
    CHECK(client.last.state == State::EndOfStream);
}

TEST_CASE("Small pieces share a record, and no piece is lost between two") {
    std::atomic<int> records{0};
    const TlsServer server(good(), [&](TlsPeer& peer) {
        peer.shake_hands();
        std::size_t read = 0;
        while (read < 40'000) {
            const std::string bytes = peer.read();
            if (bytes.empty()) {
                return;
            }
            read += bytes.size();
            ++records;
        }
        peer.write("ok");
        peer.close_notify();
    });
    Client client(server.port());
    const auto stream = client.open();
    CHECK(client.write(*stream, std::vector<std::string>(400, std::string(100, 'x'))).bytes == 40'000);
    CHECK(client.read_all(*stream) == "ok");
    CHECK(records == 3);
}

TEST_CASE("Keys may change in the middle of it") {
    const TlsServer server(good(), [](TlsPeer& peer) {
        peer.shake_hands();
        for (int i = 0; i < 5; ++i) {
            peer.ask_for_key_update();
            peer.write(peer.read());
        }
        peer.close_notify();
    });
    Client client(server.port());
    const auto stream = client.open();
    std::array<char, 16> room{};
    for (int i = 0; i < 5; ++i) {
        CHECK(client.write(*stream, {"ping"}).ok());
        CHECK(client.loop.run(stream->read_some(room, 20s)).bytes == 4);
    }
    CHECK(client.read_all(*stream).empty());
    CHECK(client.last.state == State::EndOfStream);
}

TEST_CASE("Deadlines of reads and writes") {
    testing::Gates gates;
    const TlsServer server(good(), [&](TlsPeer& peer) {
        peer.shake_hands();
        gates.pass("end");
    });
    Client client(server.port());
    const auto stream = client.open();
    std::array<char, 16> room{};
    auto reading = client.loop.start(stream->read_some(room, 1s));
    // More than the buffers of both ends hold.
    auto writing = client.loop.start(Client::write_all(*stream, {std::string(64'000'000, 'x')}, 2s));
    client.loop.advance(1'100ms);
    REQUIRE(reading.done());
    CHECK(reading.take().state == State::TimedOut);
    CHECK_FALSE(writing.done());
    client.loop.advance(2'100ms);
    REQUIRE(writing.done());
    const IoResult wrote = writing.take();
    CHECK(wrote.state == State::TimedOut);
    CHECK(wrote.bytes < 64'000'000);
    CHECK(client.write(*stream, {"x"}).state == State::Failed); // a record may have been cut
    gates.open("end");
}

TEST_CASE("An idle connection is quiet although session tickets come in, and not after a byte or the end") {
    testing::Gates gates;
    const TlsServer server(good(), [&](TlsPeer& peer) {
        peer.shake_hands(); // with it go the tickets of TLS 1.3
        peer.read();
        if (gates.pass("speak")) {
            peer.write("unasked");
            gates.pass("end");
        }
    });
    Client client(server.port());
    const auto stream = client.open();
    client.loop.run(stream->wait_readable()); // the tickets
    CHECK(stream->is_quiet());
    CHECK(client.session->session != nullptr);
    auto watching = client.loop.start(stream->wait_readable());
    client.loop.settle();
    CHECK_FALSE(watching.done());
    CHECK(client.write(*stream, {"x"}).ok());
    gates.open("speak");
    client.loop.finish(watching, "the byte nobody asked for");
    CHECK_FALSE(stream->is_quiet());
    std::array<char, 16> room{};
    CHECK(client.loop.run(stream->read_some(room, 1s)).bytes == 7); // looking took nothing away
    gates.open("end");
    client.loop.run(stream->wait_readable());
    CHECK_FALSE(stream->is_quiet());
}

TEST_CASE("close() says goodbye when nothing is under way, and only then") {
    testing::Gates gates;
    std::atomic<int> in_order{-1};
    const TlsServer server(good(), [&](TlsPeer& peer) {
        peer.shake_hands();
        while (!peer.read().empty()) {}
        in_order = peer.ended_in_order() ? 1 : 0;
        gates.reach("ended");
    });
    Client client(server.port());
    auto stream = client.open();
    SUBCASE("idle") {
        CHECK(client.write(*stream, {"x"}).ok());
        stream->close();
        gates.await("ended");
        CHECK(in_order == 1);
    }
    SUBCASE("destroyed") {
        stream.reset();
        gates.await("ended");
        CHECK(in_order == 1);
    }
    SUBCASE("with a read under way") {
        std::array<char, 16> room{};
        auto reading = client.loop.start(stream->read_some(room, 1s));
        client.loop.settle();
        stream->close();
        client.loop.settle();
        REQUIRE(reading.done());
        CHECK(reading.take().state == State::Failed);
        gates.await("ended");
        CHECK(in_order == 0);
    }
    SUBCASE("destroyed with a read under way") {
        std::array<char, 16> room{};
        auto reading = client.loop.start(stream->read_some(room, 1s));
        client.loop.settle();
        stream.reset();
        client.loop.settle();
        REQUIRE(reading.done());
        CHECK(reading.take().state == State::Failed);
        gates.await("ended");
    }
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
            const TlsServer server(good(), introduce, options);
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
    options.ca_file = maker().ca().file;
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
    for (const std::string& file : {maker().directory().path("missing.pem"), maker().directory().write("empty", "")}) {
        options.ca_file = file;
        const auto context = contexts.get(options);
        REQUIRE_FALSE(context);
        CHECK(context.error().kind == ErrorKind::TlsCertificateError);
        CHECK(context.error().detail.find(file) != std::string::npos);
    }
}

TEST_CASE("A CA file that changes on disk is read again, and one that goes bad changes nothing") {
    const testing::CertificateMaker other;
    const TlsServer server(good(), introduce);
    Client client(server.port());
    const std::string file = maker().directory().path("changing.pem");
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
    replace_by(maker().ca().file);
    CHECK(client.connect().ok());
    const auto context = client.plan().tls;
    replace_by(maker().directory().write("bad", "no certificate"));
    CHECK(client.plan().tls == context);
    std::filesystem::remove(file);
    CHECK(client.plan().tls == context);
    CHECK(client.connect().ok());
}
