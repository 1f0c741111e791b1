// Responses on the wire: framing for each client, and what a client sees when one breaks off.
#include "proxy/http1_sink.h"

#include "cache/store/core_table.h"
#include "cache/store/memory_store.h"
#include "proxy/prepared_response.h"
#include "proxy/spawn.h"
#include "tests/store/store_tools.h"
#include "tests/support/manual_clock.h"
#include "tests/support/socket.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <unistd.h>

using namespace gatehouse;
using namespace gatehouse::proxy;
using cache::policy::Assembly;
using cache::store::Body;
using http::Version;
using Read = testing::Socket::Read;

namespace {

// A sink on a real connection; what it has queued can be taken as text without sending it.
struct Wire {
    testing::ManualClock clock;
    Core core{0, clock, 1};
    testing::Socket client;
    ClientConnection connection;
    std::unique_ptr<cache::store::Store> store = cache::store::make_memory_store({});
    Http1Sink sink{connection, *store};

    explicit Wire(int receive_buffer = 0) : connection(core, make_stream(receive_buffer)) {
        sink.start(Version::Http11, true, std::chrono::seconds(30));
    }
    std::unique_ptr<PlainStream> make_stream(int receive_buffer) {
        testing::Socket listening = testing::Socket::listen();
        client = testing::Socket::connect(listening.port(), receive_buffer);
        const testing::Socket accepted = listening.accept();
        return PlainStream::adopt(core, ::dup(accepted.descriptor()));
    }
    std::string& queued() { return connection.output.text(); }
    // Runs the coroutine until it has nothing to do without time or the client.
    void run() {
        while (core.poll() > 0) {}
    }
};

struct StoredAnswer {
    cache::policy::testing::Stored block;
    cache::policy::StoredHead head;
    Assembly assembly;
    cache::policy::CacheResult cache;

    explicit StoredAnswer(std::string_view response)
        : block(cache::policy::testing::stored_of("", response)), head(block.view()) {
        assembly.status = head.facts.status;
    }
    ResponseSink::Head with(std::optional<std::uint64_t> length, bool content = true) const {
        return {assembly, head, cache, length, length, content, {}};
    }
};

// The lines that begin with one of these names, in order.
std::string framing_of(const std::string& head) {
    std::string lines;
    std::size_t at = 0;
    while (at < head.size()) {
        const std::size_t end = std::min(head.find("\r\n", at), head.size());
        const std::string line = head.substr(at, end - at);
        for (const char* name : {"Content-Length", "Transfer-Encoding", "Connection"}) {
            if (line.starts_with(name)) {
                lines.append(lines.empty() ? "" : "|").append(line);
            }
        }
        at = end + 2;
    }
    return lines;
}

awaitable<void> flush_into(Http1Sink& sink, std::optional<bool>& sent) {
    const bool done = co_await sink.flush();
    sent = done;
}

} // namespace

TEST_CASE("a head is framed as the client and the content want it") {
    struct Row {
        const char* name;
        Version version;
        bool keep_alive;
        int status;
        std::optional<std::uint64_t> length;
        bool content;
        const char* framing;
        bool stays;
    };
    const std::vector<Row> rows = {
        {"a length", Version::Http11, true, 200, 5, true, "Content-Length: 5", true},
        {"a length of zero", Version::Http11, true, 200, 0, true, "Content-Length: 0", true},
        {"a huge length", Version::Http11, true, 200, ~std::uint64_t{0} >> 1, true,
         "Content-Length: 9223372036854775807", true},
        {"a length, then close", Version::Http11, false, 200, 5, true, "Content-Length: 5|Connection: close", false},
        {"no length", Version::Http11, true, 200, {}, true, "Transfer-Encoding: chunked", true},
        {"no length, then close",
         Version::Http11,
         false,
         200,
         {},
         true,
         "Transfer-Encoding: chunked|Connection: close",
         false},
        {"HEAD with a length", Version::Http11, true, 200, 5, false, "Content-Length: 5", true},
        {"HEAD without a length", Version::Http11, true, 200, {}, false, "", true},
        {"204", Version::Http11, true, 204, 0, false, "", true},
        {"304", Version::Http11, true, 304, 0, false, "", true},
        {"HTTP/1.0 with a length", Version::Http10, true, 200, 5, true, "Content-Length: 5|Connection: keep-alive",
         true},
        {"HTTP/1.0, then close", Version::Http10, false, 200, 5, true, "Content-Length: 5|Connection: close", false},
        {"HTTP/1.0 without a length", Version::Http10, true, 200, {}, true, "Connection: close", false},
        {"HTTP/1.0, HEAD without a length", Version::Http10, true, 200, {}, false, "Connection: keep-alive", true},
        {"HTTP/1.0, 304", Version::Http10, true, 304, {}, false, "Connection: keep-alive", true},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            Wire wire;
            wire.sink.start(row.version, row.keep_alive, std::chrono::seconds(30));
            const StoredAnswer answer(std::to_string(row.status) + "\nETag: \"1\"");
            wire.sink.head(answer.with(row.length, row.content));
            CHECK(framing_of(wire.queued()) == row.framing);
            CHECK(wire.queued().starts_with("HTTP/1.1 " + std::to_string(row.status) + " "));
            CHECK(wire.queued().ends_with("\r\n\r\n"));
            CHECK(wire.sink.keep_alive() == row.stays);
            CHECK(wire.sink.head_sent());
        }
    }
}

TEST_CASE("a head says where the answer comes from and how old it is") {
    Wire wire;
    StoredAnswer answer("ETag: \"1\"");
    answer.cache.ttl_seconds = 42;
    ResponseSink::Head head = answer.with(0);
    head.age_seconds = 18;
    wire.sink.head(head);
    CHECK(wire.queued().find("\r\nETag: \"1\"\r\n") != std::string::npos);
    CHECK(wire.queued().find("\r\nAge: 18\r\n") != std::string::npos);
    CHECK(wire.queued().find("\r\nCache-Status: gatehouse; hit; ttl=42\r\n") != std::string::npos);
    CHECK(wire.queued().find("\r\nX-Cache: Hit from gatehouse\r\n") != std::string::npos);
}

TEST_CASE("content of unknown length is chunked, with the trailers that may be there") {
    Wire wire;
    wire.sink.head(StoredAnswer("").with({}));
    wire.queued().clear();
    wire.sink.content("");
    CHECK(wire.queued().empty()); // an empty chunk would be the last
    wire.sink.content("hello");
    wire.sink.content(std::string(26, 'x'));
    http::Fields trailers;
    SUBCASE("none") { wire.sink.end(nullptr); }
    SUBCASE("some") {
        trailers.add("Checksum", "1");
        trailers.add("Content-Length", "5");
        trailers.add("Transfer-Encoding", "chunked");
        trailers.add("Host", "x");
        wire.sink.end(&trailers);
    }
    const std::string kept = trailers.empty() ? "" : "Checksum: 1\r\n";
    CHECK(wire.queued() == "5\r\nhello\r\n1a\r\n" + std::string(26, 'x') + "\r\n0\r\n" + kept + "\r\n");
}

TEST_CASE("content of a known length is sent as it is, and so is what follows HTTP/1.0") {
    for (const bool known : {true, false}) {
        Wire wire;
        if (!known) {
            wire.sink.start(Version::Http10, true, std::chrono::seconds(30));
        }
        wire.sink.head(StoredAnswer("").with(known ? std::optional<std::uint64_t>(5) : std::nullopt));
        wire.queued().clear();
        wire.sink.content("he");
        wire.sink.content("llo");
        http::Fields trailers;
        trailers.add("Checksum", "1");
        wire.sink.end(&trailers);
        CHECK(wire.queued() == "hello");
    }
}

TEST_CASE("pieces of a body are framed like text and sent in order") {
    Wire wire;
    cache::store::MemoryStoreOptions options;
    options.size_bytes = 4 * 1024 * 1024;
    const auto store = cache::store::make_memory_store(options);
    const auto body = store->open_relay(std::nullopt);
    {
        auto cursor = body->open();
        REQUIRE(cursor);
        const auto room = body->prepare();
        std::memcpy(room.room.data(), "hello world", 11);
        body->publish(11);
        wire.sink.head(StoredAnswer("").with({}));
        wire.queued().clear();
        wire.sink.content(*cursor, 0, body);
        wire.sink.content(*cursor, 5, body);
        cursor->advance(5);
        wire.sink.content(*cursor, 6, body);
        wire.sink.end(nullptr);
    }
    CHECK(wire.sink.pending_bytes() == 26);
    CHECK(wire.sink.try_flush());
    CHECK(wire.sink.pending_bytes() == 0);
    std::string received;
    while (received.size() < 26) {
        REQUIRE(wire.client.receive(received) == Read::Bytes);
    }
    CHECK(received == "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
}

namespace {

// A stored response that the core keeps.
struct KeptAnswer {
    std::unique_ptr<cache::store::Store> store = cache::store::make_memory_store({.size_bytes = 64 * 1024 * 1024});
    cache::store::CoreTable table{*store, [] {}, 1};

    KeptAnswer(std::string_view response, std::string_view content) {
        const std::string head = cache::policy::testing::stored_of("", response).block;
        cache::store::testing::put(*store, {.key = "key", .metadata = head, .body = std::string(content)});
        ask();
    }
    cache::store::HeldEntry ask() {
        cache::store::Candidates found;
        table.lookup(cache::store::hash_key("key"), "key", found);
        return found.take(0);
    }
};

// What the client is sent for each of these, one behind the other.
struct Question {
    Version version = Version::Http11;
    bool keep_alive = true;
    std::int64_t age_seconds = 1;
    std::int64_t ttl_seconds = 60;
    int status = 200;
    bool ignored_wishes = false;
    std::string_view shown_key = {};
    bool revalidated = false;
};

} // namespace

TEST_CASE("what is sent again and again is sent from one place, and is what it would be otherwise") {
    KeptAnswer kept("200\nContent-Type: text/plain\nETag: \"v\"", "the content");
    Wire wire;
    const Question usual;
    Question others[8];
    others[0].version = Version::Http10;
    others[1].keep_alive = false;
    others[2].age_seconds = 2;
    others[3].ttl_seconds = 59;
    others[4].status = 203;
    others[5].ignored_wishes = true;
    others[6].shown_key = "key";
    others[7].revalidated = true;
    const auto answer = [&](const Question& question, bool may_prepare) {
        const cache::store::HeldEntry entry = kept.ask();
        const cache::policy::StoredHead head = cache::policy::view_stored_head(entry->metadata());
        Assembly assembly;
        assembly.status = question.status;
        cache::policy::CacheResult cache;
        cache.ttl_seconds = question.ttl_seconds;
        cache.revalidated = question.revalidated;
        wire.sink.start(question.version, question.keep_alive, std::chrono::seconds(30));
        const ResponseSink::Head out{
            assembly, head, cache, 11, 11, true, question.age_seconds, question.ignored_wishes, question.shown_key};
        if (may_prepare) {
            wire.sink.stored(out, entry);
        } else {
            wire.sink.ResponseSink::stored(out, entry);
        }
        wire.sink.end(nullptr);
        CHECK(wire.sink.head_sent());
        const bool is_one_piece = wire.queued().empty();
        REQUIRE(wire.sink.try_flush());
        std::string received;
        while (!received.ends_with("the content")) {
            REQUIRE(wire.client.receive(received) == Read::Bytes);
        }
        return std::pair(received, is_one_piece);
    };
    const std::string plain = answer(usual, false).first;
    CHECK(answer(usual, true) == std::pair(plain, false)); // nobody knows yet that there will be another
    for (int i = 0; i < 3; ++i) {
        CHECK(answer(usual, true) == std::pair(plain, true));
    }
    for (const Question& other : others) {
        CAPTURE(&other - others);
        const std::string expected = answer(other, false).first;
        CHECK(expected != plain);
        for (int i = 0; i < 3; ++i) {
            CHECK(answer(other, true) == std::pair(expected, i > 0 && other.shown_key.empty()));
        }
        CHECK(answer(usual, true).first == plain);
        CHECK(answer(usual, true).first == plain);
    }
}

TEST_CASE("a client that is slow gets what it was to get, also when what is sent from there has become another") {
    KeptAnswer kept("200\nContent-Type: text/plain", std::string(4000, 'x'));
    Wire slow;
    Wire quick;
    const auto answer = [&](Wire& wire, std::int64_t age_seconds) {
        const cache::store::HeldEntry entry = kept.ask();
        const cache::policy::StoredHead head = cache::policy::view_stored_head(entry->metadata());
        const Assembly assembly;
        const cache::policy::CacheResult cache;
        wire.sink.stored({assembly, head, cache, 4000, 4000, true, age_seconds}, entry);
        wire.sink.end(nullptr);
    };
    answer(quick, 1);
    answer(slow, 1);
    answer(quick, 2);
    answer(quick, 2); // where the text for the second before is still to be sent
    const auto ages = [](Wire& wire) {
        REQUIRE(wire.sink.try_flush());
        std::string received;
        std::string found;
        const auto pending = [&] { return std::count(received.begin(), received.end(), 'x') < 4000; };
        while (pending()) {
            REQUIRE(wire.client.receive(received) == Read::Bytes);
        }
        for (std::size_t at = received.find("Age: "); at != std::string::npos; at = received.find("Age: ", at + 1)) {
            found += received.substr(at + 5, 1);
        }
        return found;
    };
    CHECK(ages(slow) == "1");
    CHECK(ages(quick).starts_with("1"));
}

TEST_CASE("what is larger than a few kilobytes is sent from where it is stored") {
    for (const std::size_t size : {std::size_t{4096}, std::size_t{4097}}) {
        CAPTURE(size);
        KeptAnswer kept("200\nContent-Type: text/plain", std::string(size, 'x'));
        for (int i = 0; i < 2; ++i) {
            Wire wire;
            const cache::store::HeldEntry entry = kept.ask();
            const cache::policy::StoredHead head = cache::policy::view_stored_head(entry->metadata());
            const Assembly assembly;
            const cache::policy::CacheResult cache;
            wire.sink.stored({assembly, head, cache, size, size, true, 1}, entry);
            CHECK(wire.queued().empty() == (i > 0 && size <= PreparedResponse::kMostContentBytes));
            CHECK(wire.sink.pending_bytes() > size);
        }
    }
}

TEST_CASE("interim responses come before the head, and never to HTTP/1.0") {
    Wire wire;
    http::ResponseHead interim;
    interim.status = 103;
    interim.fields.add("Link", "</a>");
    SUBCASE("HTTP/1.1") {
        wire.sink.interim(interim);
        CHECK(wire.queued() == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        CHECK_FALSE(wire.sink.head_sent());
        interim.status = 199;
        wire.sink.interim(interim);
        CHECK(wire.queued().ends_with("HTTP/1.1 199 \r\nLink: </a>\r\n\r\n"));
    }
    SUBCASE("HTTP/1.0") {
        wire.sink.start(Version::Http10, true, std::chrono::seconds(30));
        wire.sink.interim(interim);
        CHECK(wire.queued().empty());
    }
    SUBCASE("too late") {
        wire.sink.head(StoredAnswer("").with(0));
        wire.queued().clear();
        wire.sink.interim(interim);
        CHECK(wire.queued().empty());
    }
}

TEST_CASE("a response of our own has a date, a length and its content") {
    http::ResponseHead head;
    head.status = 502;
    head.fields.add("Content-Type", "text/plain");
    struct Row {
        const char* name;
        int status;
        bool is_head;
        const char* framing;
        const char* content;
    };
    const std::vector<Row> rows = {
        {"GET", 502, false, "Content-Length: 5", "sorry"},
        {"HEAD", 502, true, "Content-Length: 5", ""},
        {"204", 204, false, "", ""},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            Wire wire;
            head.status = row.status;
            wire.sink.own_response(head, "sorry", row.is_head, nullptr, {});
            wire.sink.end(nullptr);
            const std::string text = wire.queued();
            CHECK(text.find("\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n") != std::string::npos);
            CHECK(text.find("Cache-Status") == std::string::npos);
            CHECK(framing_of(text) == row.framing);
            CHECK(text.substr(text.find("\r\n\r\n") + 4) == row.content);
        }
    }
}

TEST_CASE("a response of our own says what the cache did, and keeps its own date") {
    Wire wire;
    http::ResponseHead head;
    head.status = 504;
    head.fields.add("Date", "Fri, 02 Jan 2026 00:00:00 GMT");
    cache::policy::CacheResult cache;
    cache.forwarded = cache::policy::Forwarded::UriMiss;
    cache.error = true;
    wire.sink.own_response(head, "", false, &cache, "rules\napi");
    CHECK(wire.queued().find("Thu, 01 Jan") == std::string::npos);
    CHECK(wire.queued().find("\r\nCache-Status: gatehouse; fwd=uri-miss; key=\"rules api\"\r\n") != std::string::npos);
    CHECK(wire.queued().find("\r\nX-Cache: Error from gatehouse\r\n") != std::string::npos);
}

TEST_CASE("a protocol switch is passed on and ends the connection's HTTP") {
    Wire wire;
    http::ResponseHead head;
    head.status = 101;
    head.fields.add("Upgrade", "websocket");
    wire.sink.switch_protocols(head);
    CHECK(wire.queued() == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    CHECK(wire.sink.head_sent());
    CHECK_FALSE(wire.sink.keep_alive());
}

TEST_CASE("each response begins anew, and pipelined ones leave in order") {
    Wire wire;
    wire.sink.head(StoredAnswer("").with({}));
    wire.sink.content("a");
    wire.sink.end(nullptr);
    wire.sink.start(Version::Http11, true, std::chrono::seconds(30));
    CHECK_FALSE(wire.sink.head_sent());
    wire.sink.head(StoredAnswer("404").with(1));
    wire.sink.content("b");
    wire.sink.end(nullptr);
    const std::string& text = wire.queued();
    CHECK(text.find("HTTP/1.1 200") < text.find("1\r\na\r\n0\r\n\r\nHTTP/1.1 404"));
    CHECK(text.ends_with("\r\n\r\nb"));
}

TEST_CASE("a client sees that a response broke off, whatever its framing") {
    struct Row {
        const char* name;
        Version version;
        std::optional<std::uint64_t> length;
        Read end;
    };
    const std::vector<Row> rows = {
        {"chunked", Version::Http11, {}, Read::End},           // the last chunk is missing
        {"a length", Version::Http11, 100, Read::End},         // so is the rest
        {"until the close", Version::Http10, {}, Read::Reset}, // an orderly end would make it whole
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            Wire wire;
            wire.sink.start(row.version, true, std::chrono::seconds(30));
            wire.sink.head(StoredAnswer("").with(row.length));
            wire.sink.content("part");
            CHECK(wire.sink.try_flush());
            wire.sink.content("never sent");
            wire.sink.abort();
            CHECK(wire.sink.failed());
            CHECK_FALSE(wire.sink.keep_alive());
            CHECK(wire.connection.output.empty());
            CHECK(wire.sink.try_flush()); // nothing is left to send
            std::string received;
            Read state = Read::Bytes;
            while (state == Read::Bytes) {
                state = wire.client.receive(received);
            }
            CHECK(state == row.end);
            CHECK(received.find("\r\n0\r\n") == std::string::npos);
        }
    }
}

TEST_CASE("an orderly end of a response that lasts until the close is no reset") {
    Wire wire;
    wire.sink.start(Version::Http10, true, std::chrono::seconds(30));
    wire.sink.head(StoredAnswer("").with({}));
    wire.sink.content("whole");
    wire.sink.end(nullptr);
    SUBCASE("and then the connection ends") {}
    SUBCASE("and then something else is aborted") { // a tunnel, a timeout: the response was complete
        CHECK(wire.sink.try_flush());
        wire.sink.abort();
    }
    CHECK(wire.sink.try_flush());
    wire.connection.stream->close();
    std::string received;
    Read state = Read::Bytes;
    while (state == Read::Bytes) {
        state = wire.client.receive(received);
    }
    CHECK(state == Read::End);
    CHECK(received.ends_with("\r\n\r\nwhole"));
}

TEST_CASE("a client that is too slow for a response that lasts until the close is reset, not ended") {
    Wire wire(4096);
    wire.sink.start(Version::Http10, true, std::chrono::seconds(30));
    wire.sink.head(StoredAnswer("").with({}));
    wire.sink.content(std::string(8 * 1024 * 1024, 'x'));
    wire.sink.end(nullptr); // whole in our hands, but not in the client's
    std::optional<bool> sent;
    spawn_logged(wire.core.coroutines(), "test", flush_into(wire.sink, sent));
    wire.run();
    wire.clock.move(std::chrono::seconds(31));
    wire.core.wheel().advance();
    wire.run();
    REQUIRE(sent == false);
    wire.connection.stream->close(); // as the session does
    std::string received;
    Read state = Read::Bytes;
    while (state == Read::Bytes) {
        state = wire.client.receive(received);
    }
    CHECK(state == Read::Reset);
}

TEST_CASE("a client that is gone fails the sink and empties its queue") {
    Wire wire;
    wire.client.reset();
    bool failed = false;
    for (int i = 0; i < 1000 && !failed; ++i) { // until the reset has arrived
        wire.sink.content(std::string(1000, 'x'));
        static_cast<void>(wire.sink.try_flush());
        failed = wire.sink.failed();
    }
    CHECK(failed);
    CHECK_FALSE(wire.sink.keep_alive());
    CHECK(wire.sink.pending_bytes() == 0);
}

TEST_CASE("a flush waits for the client and goes on when it reads") {
    Wire wire(4096);
    const std::string text(8 * 1024 * 1024, 'x');
    wire.sink.content(text);
    std::optional<bool> sent;
    spawn_logged(wire.core.coroutines(), "test", flush_into(wire.sink, sent));
    wire.run();
    CHECK_FALSE(sent);
    SUBCASE("it reads") {
        std::string received;
        while (received.size() < text.size()) {
            REQUIRE(wire.client.receive(received) == Read::Bytes);
            wire.run();
        }
        CHECK((received == text));
        CHECK(sent == true);
    }
    SUBCASE("it takes nothing for too long") {
        wire.clock.move(std::chrono::seconds(29));
        wire.core.wheel().advance();
        wire.run();
        CHECK_FALSE(sent);
        wire.clock.move(std::chrono::seconds(2));
        wire.core.wheel().advance();
        wire.run();
        CHECK(sent == false);
        CHECK(wire.sink.failed());
        CHECK(wire.sink.pending_bytes() == 0);
    }
    SUBCASE("it is cut off") {
        wire.sink.abort();
        wire.run();
        CHECK(sent == false);
        CHECK(wire.sink.pending_bytes() == 0);
    }
}
