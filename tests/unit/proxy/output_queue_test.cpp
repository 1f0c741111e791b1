// Text and pieces of bodies on their way out, through a socket that takes little at a time.
#include "tests/unit/proxy/output_queue_support.h"

#include "cache/store/memory_store.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace gatehouse;
using namespace gatehouse::proxy::testing;
using proxy::OutputQueue;

namespace {

struct Bodies {
    std::unique_ptr<cache::store::Store> store;
    Bodies() {
        cache::store::MemoryStoreOptions options;
        options.size_bytes = 16 * 1024 * 1024;
        options.max_object_bytes = 4 * 1024 * 1024;
        options.relay_bytes = 4 * 1024 * 1024;
        options.shards = 1;
        store = cache::store::make_memory_store(options);
    }
    // A body in Window mode, whose start the caller's cursor holds; its first block is `first_block` bytes long.
    std::shared_ptr<Body> relay(std::optional<std::uint64_t> expected = std::nullopt) {
        return store->open_relay(expected);
    }
};

void fill(Body& body, std::string_view text) {
    while (!text.empty()) {
        const auto room = body.prepare();
        REQUIRE(room.state == Body::RoomState::Room);
        const std::size_t part = std::min(room.room.size(), text.size());
        std::memcpy(room.room.data(), text.data(), part);
        body.publish(part);
        text.remove_prefix(part);
    }
}

} // namespace

TEST_CASE("an empty queue has nothing to send") {
    Pair pair;
    OutputQueue queue;
    CHECK(queue.empty());
    CHECK(queue.pending_bytes() == 0);
    CHECK(queue.try_flush(pair.near_end()) == Flush::Done);
    queue.append_body(Body::Cursor(), 0, nullptr);
    CHECK(queue.empty());
}

TEST_CASE("text and bodies leave in the order they were queued") {
    const Chain one(1, 100);
    const Chain two(3, 64);
    struct Row {
        const char* name;
        std::vector<const char*> parts; // "1" and "2" are the bodies, everything else is text
    };
    const std::vector<Row> rows = {
        {"text", {"head"}},
        {"a body", {"1"}},
        {"a response", {"head", "1"}},
        {"trailing text", {"head", "1", "end"}},
        {"text between bodies", {"a", "1", "b", "2", "c"}},
        {"two bodies side by side", {"1", "2"}},
        {"pipelined", {"a", "1", "b", "c", "2", "d", "1"}},
        {"text in two steps", {"a", "b", "1", "c", "d"}},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            Pair pair(65536);
            OutputQueue queue;
            std::string expected;
            for (const std::string_view part : row.parts) {
                if (part == "1" || part == "2") {
                    const Chain& chain = part == "1" ? one : two;
                    queue.append_body(chain.cursor(), chain.text.size(), nullptr);
                    expected += chain.text;
                } else {
                    queue.append(part);
                    expected += part;
                }
                CHECK(queue.pending_bytes() == expected.size());
                CHECK_FALSE(queue.empty());
            }
            CHECK(pair.receive_all(queue) == expected);
            CHECK(queue.empty());
            CHECK(queue.pending_bytes() == 0);
            CHECK(queue.sent_bytes() == expected.size());
        }
    }
}

TEST_CASE("a piece of a body is sent from its cursor on, and not beyond its bytes") {
    const Chain chain(3, 64);
    Pair pair(65536);
    OutputQueue queue;
    auto cursor = chain.cursor();
    cursor.advance(10);
    queue.append_body(cursor, 70, nullptr);
    queue.append("|");
    cursor.advance(70);
    queue.append_body(cursor, 1, nullptr);
    CHECK(pair.receive_all(queue) == chain.text.substr(10, 70) + "|" + chain.text.substr(80, 1));
}

TEST_CASE("a chain that is longer than one call takes follows with the next") {
    for (const std::size_t blocks : {61U, 62U, 63U, 64U, 65U, 127U, 128U, 129U, 500U}) {
        CAPTURE(blocks);
        const Chain chain(blocks, 64);
        for (const bool text : {false, true}) {
            Pair pair(65536);
            OutputQueue queue;
            std::string expected;
            if (text) {
                queue.append("head");
                expected = "head";
            }
            queue.append_body(chain.cursor(), chain.text.size(), nullptr);
            expected += chain.text;
            if (text) {
                queue.append("end");
                expected += "end";
            }
            const std::string received = pair.receive_all(queue);
            REQUIRE(received == expected);
        }
    }
}

TEST_CASE("many small segments are more than one call takes") {
    const Chain chain(1, 64);
    for (const std::size_t segments : {30U, 31U, 32U, 33U, 64U, 200U}) {
        CAPTURE(segments);
        Pair pair(65536);
        OutputQueue queue;
        std::string expected;
        for (std::size_t i = 0; i < segments; ++i) {
            queue.append("h" + std::to_string(i));
            queue.append_body(chain.cursor(), 1 + i % 64, nullptr);
            expected += "h" + std::to_string(i) + chain.text.substr(0, 1 + i % 64);
        }
        const std::string received = pair.receive_all(queue);
        REQUIRE(received == expected);
    }
}

TEST_CASE("a socket that takes little sends everything, once and in order") {
    const Chain chain(200, 1000);
    Pair pair(1); // the kernel makes its smallest buffer of it
    OutputQueue queue;
    std::string expected;
    for (int i = 0; i < 3; ++i) {
        const std::string head = letters(3001 + static_cast<std::size_t>(i), 3);
        queue.append(head);
        queue.append_body(chain.cursor(), chain.text.size(), nullptr);
        expected += head + chain.text;
    }
    queue.append("end");
    expected += "end";
    CHECK(queue.try_flush(pair.near_end()) == Flush::WouldBlock);
    CHECK(queue.pending_bytes() + queue.sent_bytes() == expected.size());
    CHECK_FALSE(queue.empty());
    const std::string received = pair.receive_all(queue);
    CHECK((received == expected));
    CHECK(queue.sent_bytes() == expected.size());
}

TEST_CASE("a send may stop at every byte") {
    const Chain chain(3, 64);
    const std::string head = "head ";
    const std::string end = " end";
    const std::string response = head + chain.text + end;
    // How much this kernel takes before it says that it would block.
    std::size_t room = 0;
    {
        Pair pair;
        OutputQueue queue;
        queue.append(letters(1'000'000));
        REQUIRE(queue.try_flush(pair.near_end()) == Flush::WouldBlock);
        room = queue.sent_bytes();
        REQUIRE(room > 3 * response.size());
    }
    std::size_t stops = 0;
    for (std::size_t stop = 0; stop <= response.size(); ++stop) {
        CAPTURE(stop);
        Pair pair;
        OutputQueue queue;
        // Text in front, so that the kernel is full after `stop` bytes of the first response.
        std::string expected = letters(room - stop);
        queue.append(expected);
        for (int i = 0; i < 2; ++i) {
            queue.append(head);
            queue.append_body(chain.cursor(), chain.text.size(), nullptr);
            queue.append(end);
            expected += response;
        }
        REQUIRE(queue.try_flush(pair.near_end()) == Flush::WouldBlock);
        stops += queue.sent_bytes() == room ? 1U : 0U;
        REQUIRE(queue.pending_bytes() == expected.size() - queue.sent_bytes());
        const std::string received = pair.receive_all(queue);
        REQUIRE((received == expected));
    }
    CHECK(stops > response.size() / 2); // it did stop where it was meant to
}

TEST_CASE("several queues send the same text, each as far as its socket takes it, and let go of it at its end") {
    const boost::intrusive_ptr<proxy::SharedText> text(new proxy::SharedText);
    text->bytes = letters(200'000);
    Pair slow(1);
    Pair fast(1);
    OutputQueue behind;
    OutputQueue ahead;
    for (OutputQueue* queue : {&behind, &ahead}) {
        queue->append("first ");
        queue->append_text(text);
        queue->append_text(text);
        queue->append(" last");
    }
    CHECK(text->use_count() == 5);
    CHECK(behind.try_flush(slow.near_end()) == Flush::WouldBlock);
    const std::string expected = "first " + text->bytes + text->bytes + " last";
    CHECK((fast.receive_all(ahead) == expected));
    CHECK(text->use_count() == 3);
    CHECK((slow.receive_all(behind) == expected));
    CHECK(text->use_count() == 1);
    behind.append_text(boost::intrusive_ptr<proxy::SharedText>(new proxy::SharedText));
    CHECK(behind.empty());
}

TEST_CASE("what is queued while a send is half way follows it") {
    const Chain chain(40, 1000);
    Pair pair(1);
    OutputQueue queue;
    std::string expected;
    std::string received;
    for (int i = 0; i < 20; ++i) {
        const std::string text = "head " + std::to_string(i) + letters(500);
        queue.append(text);
        queue.append_body(chain.cursor(), chain.text.size(), nullptr);
        expected += text + chain.text;
        REQUIRE(queue.try_flush(pair.near_end()) != Flush::Failed);
        received += pair.receive(7000);
        REQUIRE(queue.pending_bytes() == expected.size() - queue.sent_bytes());
    }
    received += pair.receive_all(queue);
    CHECK((received == expected));
}

TEST_CASE("a client that is gone is a failure, and what was queued can be dropped") {
    Pair pair;
    const Chain chain(1, 64);
    OutputQueue queue;
    pair.close_far();
    queue.append("head");
    queue.append_body(chain.cursor(), 64, nullptr);
    CHECK(queue.try_flush(pair.near_end()) == Flush::Failed);
    CHECK(queue.error() == EPIPE);
    queue.clear();
    CHECK(queue.empty());
    CHECK(queue.pending_bytes() == 0);
    CHECK(queue.try_flush(pair.near_end()) == Flush::Done);
}

TEST_CASE("a body that was sent is let go of at once, and its owner with it") {
    Bodies bodies;
    Pair pair(65536);
    OutputQueue queue;
    auto owner = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = owner;
    const Chain chain(1, 64);
    queue.append_body(chain.cursor(), 64, std::move(owner));
    CHECK_FALSE(watch.expired());
    CHECK(queue.try_flush(pair.near_end()) == Flush::Done);
    CHECK(watch.expired());
    queue.shrink();
    CHECK(queue.empty());
}

TEST_CASE("the queue may hold the last reference to a body that is relayed") {
    Bodies bodies;
    Pair pair(65536);
    auto body = bodies.relay();
    std::optional<Body::Cursor> cursor = body->open();
    REQUIRE(cursor);
    fill(*body, letters(1000));
    auto queue = std::make_unique<OutputQueue>();
    // The owner is the body itself: it must go after the cursor that reads from it.
    queue->append_body(*cursor, 600, body);
    cursor->advance(600);
    queue->append_body(*cursor, 400, body);
    cursor.reset();
    body->complete();
    body.reset();
    SUBCASE("and send it") { CHECK(pair.receive_all(*queue) == letters(1000)); }
    SUBCASE("and drop it") { queue->clear(); }
    SUBCASE("and be destroyed with it") { queue.reset(); }
    SUBCASE("and grow meanwhile") {
        const Chain chain(1, 64);
        for (int i = 0; i < 100; ++i) {
            queue->append_body(chain.cursor(), 1, nullptr);
        }
        queue->clear();
    }
}

TEST_CASE("the queue does what a string does: random operations and random reads") {
    std::mt19937 random(20260301);
    const auto pick = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
    const std::array<Chain, 4> chains{Chain(1, 64), Chain(5, 200), Chain(90, 64), Chain(3, 9000)};
    for (int run = 0; run < 30; ++run) {
        Pair pair(static_cast<int>(pick(1) * 16384));
        OutputQueue queue;
        std::string model; // queued and not yet received
        std::uint64_t queued = 0;
        for (int step = 0; step < 300; ++step) {
            const std::size_t what = pick(10);
            if (what == 10) {
                const boost::intrusive_ptr<proxy::SharedText> text(new proxy::SharedText);
                text->bytes = letters(pick(3000), static_cast<unsigned>(step));
                queue.append_text(text);
                model += text->bytes;
                queued += text->bytes.size();
            } else if (what < 3) {
                const std::string text = letters(pick(400), static_cast<unsigned>(step));
                queue.append(text);
                model += text;
                queued += text.size();
            } else if (what < 6) {
                const Chain& chain = chains[pick(chains.size() - 1)];
                auto cursor = chain.cursor();
                const std::size_t from = pick(chain.text.size() - 1);
                const std::size_t bytes = pick(chain.text.size() - from);
                cursor.advance(from);
                queue.append_body(cursor, bytes, nullptr);
                model += chain.text.substr(from, bytes);
                queued += bytes;
            } else if (what < 8) {
                const std::string got = pair.receive(1 + pick(5000));
                REQUIRE((model.compare(0, got.size(), got) == 0));
                model.erase(0, got.size());
            } else {
                REQUIRE(queue.try_flush(pair.near_end()) != Flush::Failed);
            }
            REQUIRE(queue.pending_bytes() == queued - queue.sent_bytes());
            REQUIRE(queue.empty() == (queue.pending_bytes() == 0));
        }
        const std::string rest = pair.receive_all(queue);
        REQUIRE((rest == model));
        REQUIRE(queue.empty());
    }
}
