// The life of a fetch: answer, readers, initiator, wake-ups, and who holds what until the end.
#include "cache/fetch.h"

#include "tests/unit/cache/harness.h"

#include <doctest/doctest.h>

#include <thread>

using namespace gatehouse;
using namespace gatehouse::cache;
using cache::testing::CountingReader;
using cache::testing::CountingWaiter;
using cache::testing::drain;
using cache::testing::fill;
using cache::testing::QueuePoster;
using store::Body;

namespace {

struct Bench {
    QueuePoster poster;
    std::unique_ptr<store::Store> store = testing::small_store();

    std::shared_ptr<Fetch> make(bool is_private = false) { return std::make_shared<Fetch>(poster, 0U, is_private); }
    Answer relayed() {
        Answer answer;
        answer.kind = Answer::Kind::Response;
        answer.status = 200;
        answer.body = store->open_relay(std::nullopt);
        return answer;
    }
};

Answer failure() {
    Answer answer;
    answer.error = http::Error(http::ErrorKind::ConnectionRefused, "refused");
    return answer;
}

struct CallingWaker final : Fetch::HomeWaker {
    explicit CallingWaker(std::function<void()> to_call) : call(std::move(to_call)) {}
    void on_home_wake() noexcept override { call(); }
    std::function<void()> call;
};

} // namespace

TEST_CASE("a fetch is pending until its answer is published, and wakes those who wait") {
    Bench bench;
    const auto fetch = bench.make();
    CountingWaiter here;
    CountingWaiter there;
    fetch->wait(0, here.waiter);
    fetch->wait(1, there.waiter);
    CHECK(fetch->phase() == Fetch::Phase::Pending);
    SUBCASE("with a response") {
        fetch->publish(bench.relayed());
        CHECK(fetch->phase() == Fetch::Phase::Answered);
        CHECK(fetch->answer().status == 200);
    }
    SUBCASE("with a failure") {
        fetch->publish(failure());
        CHECK(fetch->phase() == Fetch::Phase::Failed);
        CHECK(fetch->answer().error.kind == http::ErrorKind::ConnectionRefused);
    }
    bench.poster.run_all();
    CHECK(here.woken == 1);
    CHECK(there.woken == 1);
}

TEST_CASE("interim responses are kept in order and each is seen once") {
    Bench bench;
    const auto fetch = bench.make();
    CountingWaiter waiter;
    CHECK(fetch->interims_after(0).empty());
    for (const int status : {100, 103, 102}) {
        fetch->wait(1, waiter.waiter);
        http::ResponseHead head;
        head.status = status;
        fetch->add_interim(std::move(head));
        bench.poster.run_all();
    }
    CHECK(waiter.woken == 3);
    CHECK(fetch->interim_count() == 3);
    const auto all = fetch->interims_after(0);
    REQUIRE(all.size() == 3);
    CHECK(all[0].status == 100);
    CHECK(all[1].status == 103);
    CHECK(all[2].status == 102);
    REQUIRE(fetch->interims_after(2).size() == 1);
    CHECK(fetch->interims_after(2)[0].status == 102);
    CHECK(fetch->interims_after(3).empty());
    CHECK(fetch->interims_after(9).empty());
}

TEST_CASE("bytes and the end of the body wake readers") {
    Bench bench;
    const auto fetch = bench.make();
    fetch->publish(bench.relayed());
    Body& body = *fetch->answer().body;
    CountingWaiter waiter;
    fetch->wait(1, waiter.waiter);
    fill(body, "hello");
    bench.poster.run_all();
    CHECK(waiter.woken == 1);
    fetch->wait(1, waiter.waiter);
    body.complete();
    bench.poster.run_all();
    CHECK(waiter.woken == 2);
}

TEST_CASE("the initiator reads from the first byte what nobody else may join") {
    Bench bench;
    const auto fetch = bench.make(true);
    fetch->expect_initiator();
    fetch->publish(bench.relayed());
    Body& body = *fetch->answer().body;
    fill(body, "first");
    CHECK_FALSE(body.open()); // the start is gone for everybody else
    fill(body, " second");
    auto cursor = fetch->take_initiator_cursor();
    REQUIRE(cursor);
    CHECK(drain(*cursor) == "first second");
    CHECK_FALSE(fetch->take_initiator_cursor()); // once
    cursor.reset();
}

TEST_CASE("without an initiator no cursor is kept") {
    Bench bench;
    SUBCASE("none was expected") {
        const auto fetch = bench.make(true);
        fetch->publish(bench.relayed());
        CHECK_FALSE(fetch->take_initiator_cursor());
    }
    SUBCASE("it left before the answer") {
        const auto fetch = bench.make(true);
        fetch->expect_initiator();
        fetch->initiator_left();
        fetch->publish(bench.relayed());
        CHECK_FALSE(fetch->take_initiator_cursor());
    }
    SUBCASE("it left after the answer") {
        const auto fetch = bench.make(true);
        fetch->expect_initiator();
        fetch->publish(bench.relayed());
        fetch->initiator_left();
        CHECK_FALSE(fetch->take_initiator_cursor());
    }
    SUBCASE("the answer has no body") {
        const auto fetch = bench.make(true);
        fetch->expect_initiator();
        Answer answer = bench.relayed();
        answer.body = nullptr;
        fetch->publish(std::move(answer));
        CHECK_FALSE(fetch->take_initiator_cursor());
    }
}

TEST_CASE("an initiator that leaves while the answer is published leaves no cursor behind") {
    Bench bench;
    for (int round = 0; round < 500; ++round) {
        const auto fetch = bench.make(true);
        fetch->expect_initiator();
        Answer answer = bench.relayed();
        std::atomic<int> ready{0};
        const auto together = [&] {
            ++ready;
            while (ready.load() < 2) {}
        };
        std::thread leaver([&] {
            together();
            fetch->initiator_left();
        });
        together();
        fetch->publish(std::move(answer));
        leaver.join();
        const bool left_behind = fetch->take_initiator_cursor().has_value();
        REQUIRE_FALSE(left_behind);
    }
}

TEST_CASE("a fetch is wanted as long as somebody can use its answer") {
    Bench bench;
    struct Row {
        const char* name;
        bool is_private;
        bool initiator;
        bool shared;
        bool before; // the answer
        bool after;  // it, with the initiator still to come
        bool left;   // the initiator left, or took its cursor and reads no more
    };
    const std::vector<Row> rows = {
        {"shared and stored, in the background", false, false, true, true, true, true},
        {"shared and stored", false, true, true, true, true, true},
        {"shared, but not storable", false, true, false, true, true, false},
        {"shared, not storable, in the background", false, false, false, true, false, false},
        {"private", true, true, false, true, true, false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto fetch = bench.make(row.is_private);
            if (row.initiator) {
                fetch->expect_initiator();
            }
            CHECK(fetch->wanted() == row.before);
            Answer answer = bench.relayed();
            answer.shared = row.shared;
            fetch->publish(std::move(answer));
            CHECK(fetch->wanted() == row.after);
            SUBCASE("it leaves") { fetch->initiator_left(); }
            SUBCASE("it takes its cursor") { fetch->take_initiator_cursor(); }
            CHECK(fetch->wanted() == row.left);
            {
                const CountingReader reader(fetch, 1);
                CHECK(fetch->wanted());
                CHECK(fetch->reader_count() == 1);
            }
            CHECK(fetch->wanted() == row.left);
            CHECK(fetch->reader_count() == 0);
        }
    }
}

TEST_CASE("a private fetch whose initiator left before the answer is wanted by nobody") {
    Bench bench;
    const auto fetch = bench.make(true);
    fetch->expect_initiator();
    CHECK(fetch->wanted());
    fetch->initiator_left();
    CHECK_FALSE(fetch->wanted());
}

TEST_CASE("a fetch that was detached from the store is wanted by its readers only") {
    Bench bench;
    const auto fetch = bench.make();
    Answer answer = bench.relayed();
    answer.shared = true;
    fetch->publish(std::move(answer));
    CHECK(fetch->wanted());
    fetch->detach(policy::Reason::ResponseTooLarge);
    CHECK(fetch->detached_from_store());
    CHECK(fetch->detach_reason() == policy::Reason::ResponseTooLarge);
    CHECK_FALSE(fetch->wanted());
    const CountingReader reader(fetch, 0);
    CHECK(fetch->wanted());
}

TEST_CASE("the home core is told when the last reader or the initiator leaves, once until it has run") {
    Bench bench;
    const auto fetch = bench.make(true);
    int woken = 0;
    CallingWaker waker([&] { ++woken; });
    fetch->set_home_waker(&waker);
    {
        const CountingReader one(fetch, 1);
        { const CountingReader two(fetch, 1); }
        bench.poster.run_all();
        CHECK(woken == 0); // one is left
    }
    CHECK(bench.poster.queued(0) == 1);
    fetch->initiator_left();
    CHECK(bench.poster.queued(0) == 1); // that one will see both
    bench.poster.run_all();
    CHECK(woken == 1);
    fetch->initiator_left();
    bench.poster.run_all();
    CHECK(woken == 2);
    fetch->set_home_waker(nullptr);
    fetch->initiator_left();
    bench.poster.run_all();
    CHECK(woken == 2);
}

TEST_CASE("a waker may clear itself while it runs") {
    Bench bench;
    const auto fetch = bench.make(true);
    int woken = 0;
    CallingWaker waker([&] {
        fetch->set_home_waker(nullptr);
        ++woken;
    });
    fetch->set_home_waker(&waker);
    fetch->initiator_left();
    bench.poster.run_all();
    fetch->initiator_left();
    bench.poster.run_all();
    CHECK(woken == 1);
}

TEST_CASE("a reader that moves on makes room, and the home core is told") {
    Bench bench;
    const auto fetch = bench.make(true);
    fetch->expect_initiator();
    fetch->publish(bench.relayed());
    Body& body = *fetch->answer().body;
    int woken = 0;
    CallingWaker waker([&] { ++woken; });
    fetch->set_home_waker(&waker);
    const std::string megabytes(4 * 1024 * 1024, 'x');
    auto cursor = fetch->take_initiator_cursor();
    REQUIRE(cursor);
    const std::size_t first = fill(body, megabytes);
    CHECK(first < megabytes.size()); // the window is full
    CHECK(body.prepare().state == Body::RoomState::Full);
    bench.poster.run_all();
    CHECK(woken == 0);
    cursor->advance(first);
    bench.poster.run_all();
    CHECK(woken == 1);
    CHECK(body.prepare().state == Body::RoomState::Room);
    cursor.reset();
}

TEST_CASE("an initiator that leaves makes room for the others") {
    Bench bench;
    const auto fetch = bench.make(true);
    fetch->expect_initiator();
    fetch->publish(bench.relayed());
    Body& body = *fetch->answer().body;
    fill(body, std::string(4 * 1024 * 1024, 'x'));
    REQUIRE(body.prepare().state == Body::RoomState::Full);
    fetch->initiator_left();
    CHECK(body.prepare().state == Body::RoomState::Room);
}

TEST_CASE("those that hold the oldest bytes are cut, on their own core, once") {
    Bench bench;
    const auto fetch = bench.make();
    Answer answer = bench.relayed();
    const auto keep = answer.body->open();
    fetch->publish(std::move(answer));
    fill(*fetch->answer().body, std::string(1000, 'x'));
    CountingReader stuck(fetch, 1);
    CountingReader slow(fetch, 1);
    CountingReader quick(fetch, 0);
    CountingReader done(fetch, 0);
    stuck.reader.moved_to(100);
    slow.reader.moved_to(599);
    quick.reader.moved_to(601);
    done.reader.moved_to(1000);
    CHECK(fetch->cut_slowest(1000) == 2);
    CHECK(stuck.cut == 0); // not from here
    CHECK(bench.poster.queued(0) == 0);
    bench.poster.run_all();
    CHECK(stuck.cut == 1);
    CHECK(slow.cut == 1);
    CHECK(quick.cut == 0);
    CHECK(done.cut == 0);
    CHECK(fetch->cut_slowest(100) == 1); // the next slowest, never the same one again
    bench.poster.run_all();
    CHECK(stuck.cut == 1);
    CHECK(quick.cut == 1);
}

TEST_CASE("an initiator that has yet to begin holds the oldest bytes, and is cut instead of those who keep up") {
    Bench bench;
    const auto fetch = bench.make();
    fetch->expect_initiator();
    fetch->publish(bench.relayed());
    fill(*fetch->answer().body, std::string(1000, 'x'));
    int woken = 0;
    CallingWaker waker([&] { ++woken; });
    fetch->set_home_waker(&waker);
    CountingReader keeps_up(fetch, 1);
    keeps_up.reader.moved_to(900);
    CHECK(fetch->wanted());
    CHECK(fetch->cut_slowest(1000) == 1);
    CHECK_FALSE(fetch->take_initiator_cursor());
    bench.poster.run_all();
    CHECK(keeps_up.cut == 0);
    CHECK(woken == 1);                    // whether anybody is left is the fetch task's to ask
    CHECK(fetch->cut_slowest(1000) == 1); // now it is the slowest
    bench.poster.run_all();
    CHECK(keeps_up.cut == 1);
}

TEST_CASE("an initiator that was cut is not waited for") {
    Bench bench;
    const auto fetch = bench.make(true);
    fetch->expect_initiator();
    fetch->publish(bench.relayed());
    fill(*fetch->answer().body, std::string(4 * 1024 * 1024, 'x'));
    REQUIRE(fetch->answer().body->prepare().state == Body::RoomState::Full);
    CHECK(fetch->wanted());
    CHECK(fetch->cut_slowest(fetch->answer().body->alive_bytes()) == 1);
    CHECK_FALSE(fetch->wanted());
    CHECK(fetch->answer().body->prepare().state == Body::RoomState::Room);
    CHECK_FALSE(fetch->take_initiator_cursor());
}

TEST_CASE("what the initiator leaves unread is wanted up to the bound, and not at all where it is known to be longer") {
    Bench bench;
    struct Row {
        std::optional<std::uint64_t> length;
        std::uint64_t drained;
        bool before; // wanted where 100 bytes of content were published before the initiator left,
        bool close;  // with 49 more,
        bool after;  // and with 50 more
    };
    const Row rows[] = {
        {std::nullopt, 50, true, true, false},  {150, 50, true, true, false}, {151, 50, false, false, false},
        {std::nullopt, 0, false, false, false}, {120, 50, true, true, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.length.value_or(0));
        CAPTURE(row.drained);
        const auto fetch = bench.make(true);
        fetch->expect_initiator();
        Answer answer = bench.relayed();
        answer.length = row.length;
        fetch->publish(std::move(answer));
        Body& body = *fetch->answer().body;
        fill(body, std::string(100, 'x'));
        CHECK(fetch->take_initiator_cursor());
        CHECK_FALSE(fetch->wanted());
        fetch->initiator_left(row.drained);
        CHECK(fetch->wanted() == row.before);
        fill(body, std::string(49, 'x'));
        CHECK(fetch->wanted() == row.close);
        fill(body, std::string(1, 'x'));
        CHECK(fetch->wanted() == row.after);
    }
}

TEST_CASE("a reader that is no client is cut like the others, may end itself by that, and is not counted") {
    Bench bench;
    const auto fetch = bench.make(true);
    Answer answer = bench.relayed();
    const auto keep = answer.body->open();
    fetch->publish(std::move(answer));
    fill(*fetch->answer().body, std::string(100, 'x'));
    std::optional<Fetch::Reader> held;
    held.emplace(
        fetch, 0, [](void* reader) { static_cast<std::optional<Fetch::Reader>*>(reader)->reset(); }, &held, false);
    CHECK(fetch->wanted());
    CHECK(fetch->cut_slowest(1000) == 0);
    bench.poster.run_all();
    CHECK_FALSE(held);
    CHECK_FALSE(fetch->wanted());
}

TEST_CASE("a reader that has read everything is never cut") {
    Bench bench;
    const auto fetch = bench.make();
    Answer answer = bench.relayed();
    const auto keep = answer.body->open();
    fetch->publish(std::move(answer));
    fill(*fetch->answer().body, std::string(100, 'x'));
    CountingReader done(fetch, 0);
    done.reader.moved_to(100);
    CHECK(fetch->cut_slowest(1000) == 0);
    CountingReader stuck(fetch, 0);
    CHECK(fetch->cut_slowest(1000) == 1);
    bench.poster.run_all();
    CHECK(done.cut == 0);
    CHECK(stuck.cut == 1);
}

TEST_CASE("cutting without a body or without readers cuts nobody") {
    Bench bench;
    const auto fetch = bench.make();
    CHECK(fetch->cut_slowest(1000) == 0);
    Answer answer = bench.relayed();
    answer.body = nullptr;
    fetch->publish(std::move(answer));
    CHECK(fetch->cut_slowest(1000) == 0);
}

TEST_CASE("a reader that left before its cut arrived is not called") {
    Bench bench;
    const auto fetch = bench.make();
    Answer answer = bench.relayed();
    const auto keep = answer.body->open();
    fetch->publish(std::move(answer));
    fill(*fetch->answer().body, std::string(100, 'x'));
    auto reader = std::make_unique<CountingReader>(fetch, 1);
    CHECK(fetch->cut_slowest(10) == 1);
    reader.reset();
    CountingReader next(fetch, 1); // perhaps at the same address
    bench.poster.run_all();
    CHECK(next.cut == 0);
}

TEST_CASE("the last reference may go away inside a callback") {
    Bench bench;
    auto fetch = bench.make();
    const std::weak_ptr<Fetch> watch = fetch;
    struct Last {
        std::shared_ptr<Fetch> fetch;
        std::optional<Fetch::Reader> reader;
        Waiter waiter{[](void* self) { static_cast<Last*>(self)->let_go(); }, this};
        void let_go() {
            reader.reset();
            fetch.reset();
        }
    } last;
    fetch->publish(bench.relayed());
    SUBCASE("of a waiter") {
        fetch->wait(1, last.waiter);
        fill(*fetch->answer().body, "x");
    }
    SUBCASE("of a reader that is cut") {
        last.reader.emplace(
            fetch, 1U, [](void* self) { static_cast<Last*>(self)->let_go(); }, &last);
        fill(*fetch->answer().body, "x");
        CHECK(fetch->cut_slowest(10) == 1);
    }
    CallingWaker waker([&last] { last.let_go(); });
    SUBCASE("of the home core") {
        fetch->set_home_waker(&waker);
        fetch->initiator_left();
    }
    last.fetch = std::move(fetch);
    bench.poster.run_all();
    CHECK(watch.expired());
}

TEST_CASE("a body outlives its fetch, and the wake-ups that are still on their way") {
    Bench bench;
    auto fetch = bench.make(true);
    fetch->expect_initiator();
    const auto body = bench.store->open_relay(std::nullopt);
    Answer answer = bench.relayed();
    answer.body = body;
    fetch->publish(std::move(answer));
    auto cursor = fetch->take_initiator_cursor();
    fill(*body, std::string(4 * 1024 * 1024, 'x'));
    REQUIRE(body->prepare().state == Body::RoomState::Full);
    fetch->initiator_left();
    fetch.reset();
    cursor->advance(1024 * 1024 / 2); // frees blocks after the fetch is gone
    body->complete();
    bench.poster.run_all();
    cursor.reset();
}

TEST_CASE("trailers are there when the body is complete") {
    Bench bench;
    const auto fetch = bench.make(true);
    fetch->publish(bench.relayed());
    http::Fields trailers;
    trailers.add("Checksum", "1");
    fetch->set_trailers(trailers);
    fetch->answer().body->complete();
    CHECK(fetch->trailers().first("checksum") == "1");
}
