// Coroutines of one core: how they begin, wait, go on and end.
#include "proxy/awaitable.h"

#include "proxy/event.h"
#include "proxy/frame_memory.h"
#include "proxy/spawn.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace gatehouse::proxy;

namespace {

awaitable<int> at_once(int value) { co_return value; }

awaitable<int> after(Event& event, int value) {
    co_await event.wait();
    co_return value;
}

awaitable<int> sum_of_levels(Event& event, int levels) {
    if (levels == 0) {
        const int leaf = co_await after(event, 1);
        co_return leaf;
    }
    const int below = co_await sum_of_levels(event, levels - 1);
    co_return below + 1;
}

awaitable<void> fail_after(Event& event) {
    co_await event.wait();
    throw std::runtime_error("failed");
}

awaitable<std::unique_ptr<int>> make(int value) { co_return std::make_unique<int>(value); }

// Says when it is destroyed.
struct Guard {
    Guard(std::vector<std::string>& to, const char* as) : log(to), name(as) {}
    ~Guard() { log.push_back(name); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    std::vector<std::string>& log;
    std::string name;
};

awaitable<void> inner(Event& event, std::vector<std::string>& log) {
    const Guard guard(log, "inner");
    co_await event.wait();
    log.push_back("resumed");
}

awaitable<void> outer(Event& event, std::vector<std::string>& log) {
    const Guard guard(log, "outer");
    co_await inner(event, log);
}

awaitable<void> loop(int rounds, long& sum) {
    for (int i = 0; i < rounds; ++i) {
        sum += co_await at_once(i);
    }
}

template <class T>
awaitable<void> keep(awaitable<T> task, T& out) {
    out = co_await std::move(task);
}

awaitable<void> catch_into(awaitable<void> task, std::string& what) {
    try {
        co_await std::move(task);
    } catch (const std::runtime_error& error) {
        what = error.what();
    }
}

awaitable<void> signal_and_wait(Event& signalled, Event& own, int& turns) {
    for (int i = 0; i < 3; ++i) {
        signalled.signal();
        co_await own.wait();
        ++turns;
    }
    signalled.signal();
}

} // namespace

TEST_CASE("a coroutine runs at once, on the caller's stack, until it has to wait") {
    Coroutines coroutines;
    int out = 0;
    spawn_logged(coroutines, "test", keep(at_once(5), out));
    CHECK(out == 5);
    CHECK_FALSE(coroutines.any_alive());

    Event event;
    spawn_logged(coroutines, "test", keep(after(event, 7), out));
    CHECK(out == 5);
    CHECK(coroutines.any_alive());
    CHECK(coroutines.run_ready() == 0);
    event.signal();
    CHECK(out == 5);
    CHECK(coroutines.run_ready() == 1);
    CHECK(out == 7);
    CHECK_FALSE(coroutines.any_alive());
}

TEST_CASE("frames that were left where the innermost waits go on one by one") {
    Coroutines coroutines;
    Event event;
    int out = 0;
    spawn_logged(coroutines, "test", keep(sum_of_levels(event, 50), out));
    event.signal();
    coroutines.run_ready();
    CHECK(out == 51);
}

TEST_CASE("what is ready at once does not grow the stack") {
    Coroutines coroutines;
    long sum = 0;
    spawn_logged(coroutines, "test", loop(1'000'000, sum));
    CHECK(sum == 499'999'500'000);
}

TEST_CASE("what only moves is given out") {
    Coroutines coroutines;
    std::unique_ptr<int> out;
    spawn_logged(coroutines, "test", keep(make(3), out));
    REQUIRE(out);
    CHECK(*out == 3);
}

TEST_CASE("an exception reaches whoever awaits, after a wait too, and one that nobody takes is counted") {
    Coroutines coroutines;
    Event event;
    std::string what;
    spawn_logged(coroutines, "test", catch_into(fail_after(event), what));
    event.signal();
    coroutines.run_ready();
    CHECK(what == "failed");

    const unsigned long before = escaped_exceptions();
    spawn_logged(coroutines, "test, which is meant to fail", fail_after(event));
    event.signal();
    coroutines.run_ready();
    CHECK(escaped_exceptions() == before + 1);
    CHECK_FALSE(coroutines.any_alive());
}

TEST_CASE("a coroutine that waits when its core ends is unwound from the inside, unresumed") {
    std::vector<std::string> log;
    Event event;
    {
        Coroutines coroutines;
        spawn_logged(coroutines, "test", outer(event, log));
        CHECK(log.empty());
        SUBCASE("while it waits") {}
        SUBCASE("while it is to go on") { event.signal(); }
    }
    CHECK(log == std::vector<std::string>{"inner", "outer"});
}

TEST_CASE("an event that ends takes the coroutine along that waits for it, and not from within") {
    std::vector<std::string> log;
    Coroutines coroutines;
    auto event = std::make_unique<Event>();
    spawn_logged(coroutines, "test", outer(*event, log));
    event.reset();
    CHECK(log.empty());
    CHECK(coroutines.run_ready() == 1);
    CHECK(log == std::vector<std::string>{"inner", "outer"});
    CHECK_FALSE(coroutines.any_alive());
}

TEST_CASE("an event that outlives the coroutine that waited for it knows of none") {
    std::vector<std::string> log;
    Event event;
    {
        Coroutines coroutines;
        spawn_logged(coroutines, "test", outer(event, log));
    }
    event.signal(); // remembered for the next one
    Coroutines coroutines;
    spawn_logged(coroutines, "test", outer(event, log));
    CHECK(log == std::vector<std::string>{"inner", "outer", "resumed", "inner", "outer"});
}

TEST_CASE("coroutines that wake each other go on in the order in which they were woken") {
    Coroutines coroutines;
    Event a;
    Event b;
    int turns = 0;
    spawn_logged(coroutines, "test", signal_and_wait(a, b, turns));
    spawn_logged(coroutines, "test", signal_and_wait(b, a, turns));
    while (coroutines.run_ready() > 0) {}
    CHECK(turns == 6);
    CHECK_FALSE(coroutines.any_alive());
}

TEST_CASE("an awaitable that is never awaited ends its frame") {
    std::vector<std::string> log;
    Event event;
    { const awaitable<void> never = outer(event, log); }
    CHECK(log.empty());
}

TEST_CASE("frames of all sizes are memory of their own, given out again after they were given back") {
    for (const std::size_t bytes : {std::size_t{1}, kFrameStep, kFrameStep + 1, kLargestKeptFrame, kLargestKeptFrame + 1}) {
        CAPTURE(bytes);
        std::vector<void*> frames;
        for (std::size_t i = 0; i < 2 * kKeptFrames; ++i) {
            auto* const frame = static_cast<char*>(allocate_frame(bytes));
            std::fill_n(frame, bytes, static_cast<char>(i));
            frames.push_back(frame);
        }
        for (std::size_t i = 0; i < frames.size(); ++i) {
            const auto* const frame = static_cast<const char*>(frames[i]);
            REQUIRE(std::count(frame, frame + bytes, static_cast<char>(i)) == static_cast<std::ptrdiff_t>(bytes));
            free_frame(frames[i], bytes);
        }
    }
}
