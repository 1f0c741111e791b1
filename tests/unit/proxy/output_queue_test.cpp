// Text and pieces of bodies on their way out, through a socket that takes little at a time.
#include "proxy/output_queue.h"

#include "cache/store/memory_store.h"
#include "tests/store/disk_tools.h"
#include "tests/support/child_process.h"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace gatehouse;
using cache::store::Body;
using proxy::OutputQueue;
using Flush = proxy::OutputQueue::Flush;

namespace {

// Two connected sockets that hold little, so that sends stop half way.
class Pair {
public:
    explicit Pair(int buffer_bytes = 1) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
        near_ = ends[0];
        far_ = ends[1];
        ::setsockopt(near_, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
    }
    ~Pair() {
        ::close(near_);
        close_far();
    }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    int near_end() const { return near_; }
    void close_far() {
        if (far_ >= 0) {
            ::close(far_);
            far_ = -1;
        }
    }
    std::string receive(std::size_t most) {
        std::string text(most, '\0');
        const ssize_t got = ::recv(far_, text.data(), most, MSG_DONTWAIT);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    // Flushes and receives in turns until nothing is left.
    std::string receive_all(OutputQueue& queue) {
        std::string all;
        for (int round = 0; round < 1'000'000; ++round) {
            const Flush state = queue.try_flush(near_);
            REQUIRE(state != Flush::Failed);
            for (std::string text = receive(65536); !text.empty(); text = receive(65536)) {
                all += text;
            }
            if (state == Flush::Done) {
                return all;
            }
        }
        FAIL("the queue never became empty");
        return all;
    }

private:
    int near_ = -1;
    int far_ = -1;
};

std::string letters(std::size_t bytes, unsigned seed = 0) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>('a' + (i * 7 + i / 26 + seed) % 26);
    }
    return text;
}

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

// A body of many small blocks: one announced length after another would be one block each, so the chain is made by
// hand from blocks that hold what they are asked for.
class Chain {
public:
    Chain(std::size_t blocks, std::size_t bytes_each) : budget_(1ULL << 30) {
        for (std::size_t i = 0; i < blocks; ++i) {
            const std::uint64_t charge = cache::store::Block::charge_for(bytes_each);
            REQUIRE(budget_.try_charge(charge));
            auto block = cache::store::Block::allocate(bytes_each, budget_);
            const std::string part = letters(block->capacity(), static_cast<unsigned>(i));
            std::memcpy(block->data(), part.data(), part.size());
            text += part;
            if (last_) {
                last_->set_next(block);
            } else {
                first_ = block;
            }
            last_ = block;
        }
        last_.reset();
    }
    Body::Cursor cursor() const { return {first_, text.size()}; }
    std::string text;

private:
    cache::store::MemoryBudget budget_;
    cache::store::BlockRef first_;
    cache::store::BlockRef last_;
};

} // namespace

namespace {

// A body in pieces of a file each.
class FilePieces {
public:
    explicit FilePieces(const std::vector<std::string>& pieces) {
        std::vector<cache::store::FileBody::Piece> list;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            paths.push_back(directory_.write("piece" + std::to_string(i), "before" + pieces[i] + "behind"));
            auto file = files.open(paths.back());
            REQUIRE(file);
            list.push_back({std::move(*file), 6, pieces[i].size()});
            text += pieces[i];
        }
        body = std::make_shared<const cache::store::FileBody>(list);
    }
    std::shared_ptr<const cache::store::FileBody> body;
    std::string text;
    std::vector<std::string> paths;
    cache::store::testing::HookedFiles files;

private:
    testing::ScratchDirectory directory_;
};

} // namespace

TEST_CASE(
    "bodies that lie in files leave in their place between text and others, whatever the socket takes at a time") {
    const FilePieces file({letters(300'000, 1), letters(5, 2), letters(100'000, 3)});
    const Chain chain(2, 64);
    Pair pair;
    OutputQueue queue;
    std::string expected;
    const auto text = [&](const std::string& more) {
        queue.append(more);
        expected += more;
    };
    const auto span = [&](std::size_t first, std::size_t bytes) {
        queue.append_file(file.body, first, bytes);
        expected += file.text.substr(first, bytes);
    };
    text("head\r\n");
    span(0, file.text.size());
    text("next head\r\n");
    queue.append_body(chain.cursor(), chain.text.size(), nullptr);
    expected += chain.text;
    span(299'999, 7);
    span(12, 0);
    span(400'000, 5);
    text("end");
    CHECK(queue.pending_bytes() == expected.size());
    CHECK(pair.receive_all(queue) == expected);
    CHECK(queue.sent_bytes() == expected.size());
    CHECK(queue.pending_bytes() == 0);
}

TEST_CASE("what comes before a body in a file arrives whole and in order, wherever in a page the body begins") {
    constexpr std::size_t kPage = 4096;
    constexpr std::size_t kBefore = 6; // in the file
    const FilePieces file({letters(100'000, 1)});
    struct Row {
        const char* name;
        std::size_t first;
        std::size_t bytes;
    };
    for (const Row& row : {Row{"within a page", 0, 100'000}, Row{"with a page", kPage - kBefore, 50'000},
                           Row{"one byte before a page", kPage - kBefore - 1, 50'000},
                           Row{"one byte behind its beginning", kPage - kBefore + 1, 50'000},
                           Row{"with a page, one byte", 2 * kPage - kBefore, 1}}) {
        for (const int room : {1, 1 << 20}) {
            CAPTURE(row.name);
            CAPTURE(room);
            Pair pair(room);
            OutputQueue queue;
            queue.append("head");
            queue.append_file(file.body, row.first, row.bytes);
            queue.append("next head");
            queue.append_file(file.body, row.first, row.bytes);
            const std::string part = file.text.substr(row.first, row.bytes);
            CHECK(pair.receive_all(queue) == "head" + part + "next head" + part);
        }
    }
}

TEST_CASE("what of a file has left the kernel's memory while the socket had no room is not sent before it is read in") {
    FilePieces file({letters(300'000, 1), letters(1000, 2)});
    Pair pair;
    OutputQueue queue;
    queue.append("head");
    queue.append_file(file.body, 0, 300'000);
    queue.append("next head");
    queue.append_file(file.body, 300'000, 1000);
    REQUIRE(queue.try_flush(pair.near_end()) ==
            Flush::WouldBlock); // what was at hand when it was queued is sent at once
    file.files.nothing_at_hand = true;
    std::string received = pair.receive(1'000'000);
    CHECK(queue.try_flush(pair.near_end()) == Flush::NotAtHand);
    CHECK(queue.next_file().body == file.body);
    CHECK(queue.next_file().first == queue.sent_bytes() - 4);
    CHECK(queue.next_file().bytes == 300'000 - queue.next_file().first);
    CHECK(queue.try_flush(pair.near_end()) == Flush::NotAtHand); // asked again, it is still not
    int read_in = 0;
    for (Flush state = Flush::NotAtHand; state != Flush::Done; state = queue.try_flush(pair.near_end())) {
        REQUIRE(state != Flush::Failed);
        if (state == Flush::NotAtHand) {
            queue.file_was_read_in();
            ++read_in;
        }
        received += pair.receive(1'000'000);
    }
    received += pair.receive(1'000'000);
    CHECK(received == "head" + file.text.substr(0, 300'000) + "next head" + file.text.substr(300'000));
    CHECK(read_in > 2); // after each time that there was no room, and for the second body
}

TEST_CASE("a file that became shorter fails the queue") {
    const FilePieces file({letters(1000)});
    std::filesystem::resize_file(file.paths[0], 500);
    Pair pair;
    OutputQueue queue;
    queue.append("head");
    queue.append_file(file.body, 0, 1000);
    CHECK(queue.try_flush(pair.near_end()) == Flush::Failed);
    CHECK(queue.error() == EIO);
}

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
