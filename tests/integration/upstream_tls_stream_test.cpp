// TLS towards origins: bytes both ways, deadlines, the end, and connections that are idle.
#include "tests/integration/upstream_tls_tools.h"

#include <boost/asio/ssl/error.hpp>

#include <array>
#include <atomic>
#include <string>
#include <vector>

using namespace gatehouse;
using namespace std::chrono_literals;
using proxy::IoResult;
using testing::good_certificate;
using testing::TlsPeer;
using testing::TlsServer;
using Client = testing::TlsClient;
using State = proxy::IoResult::State;

namespace {

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
            const TlsServer server(good_certificate(), row.serve);
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
    const TlsServer server(good_certificate(), echo);
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
    const TlsServer server(good_certificate(), [&](TlsPeer& peer) {
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
    const TlsServer server(good_certificate(), [](TlsPeer& peer) {
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
    const TlsServer server(good_certificate(), [&](TlsPeer& peer) {
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
    const TlsServer server(good_certificate(), [&](TlsPeer& peer) {
        peer.shake_hands();
        gates.reach("tickets sent"); // those of TLS 1.3, each by a system call of its own
        peer.read();
        if (gates.pass("speak")) {
            peer.write("unasked");
            gates.pass("end");
        }
    });
    Client client(server.port());
    const auto stream = client.open();
    gates.await("tickets sent");
    client.loop.run(testing::readable(*stream));
    CHECK(stream->is_quiet());
    CHECK(client.session->session != nullptr);
    auto watching = client.loop.start(testing::readable(*stream));
    client.loop.settle();
    CHECK_FALSE(watching.done());
    CHECK(client.write(*stream, {"x"}).ok());
    gates.open("speak");
    client.loop.finish(watching, "the byte nobody asked for");
    CHECK_FALSE(stream->is_quiet());
    std::array<char, 16> room{};
    CHECK(client.loop.run(stream->read_some(room, 1s)).bytes == 7); // looking took nothing away
    gates.open("end");
    client.loop.run(testing::readable(*stream));
    CHECK_FALSE(stream->is_quiet());
}

TEST_CASE("A session ticket that comes late, and in pieces, ends a watch but not the quiet") {
    testing::Gates gates;
    const TlsServer server(good_certificate(), [&](TlsPeer& peer) {
        peer.shake_hands();
        gates.reach("tickets sent");
        const std::string ticket = peer.make_ticket();
        // The cuts: in the record's head, behind it, in its content.
        const std::array<std::size_t, 5> cuts{0, 2, 5, 20, ticket.size()};
        for (std::size_t i = 1; i < cuts.size(); ++i) {
            if (!gates.pass("piece " + std::to_string(i)) ||
                !peer.socket().send(ticket.substr(cuts[i - 1], cuts[i] - cuts[i - 1]))) {
                return;
            }
        }
        peer.write(peer.read());
        gates.pass("end");
    });
    Client client(server.port());
    const auto stream = client.open();
    gates.await("tickets sent");
    CHECK(stream->is_quiet());
    client.session->session.reset();
    for (int i = 1; i <= 4; ++i) {
        CAPTURE(i);
        auto watching = client.loop.start(testing::readable(*stream));
        client.loop.settle();
        CHECK_FALSE(watching.done());
        gates.open("piece " + std::to_string(i));
        client.loop.finish(watching, "a piece of the ticket");
        CHECK(stream->is_quiet());
        CHECK((client.session->session != nullptr) == (i == 4));
    }
    CHECK(client.write(*stream, {"hello"}).ok());
    std::array<char, 16> room{};
    CHECK(client.loop.run(stream->read_some(room, 1s)).bytes == 5);
    CHECK(stream->is_quiet());
    gates.open("end");
}

TEST_CASE("close() says goodbye when nothing is under way, and only then") {
    testing::Gates gates;
    std::atomic<int> in_order{-1};
    const TlsServer server(good_certificate(), [&](TlsPeer& peer) {
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
