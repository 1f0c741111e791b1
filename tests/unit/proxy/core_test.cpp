// The loop of one core.
#include "proxy/core.h"

#include "proxy/event.h"
#include "proxy/spawn.h"
#include "tests/support/manual_clock.h"

#include <doctest/doctest.h>

#include <chrono>

using namespace gatehouse;
using proxy::awaitable;
using proxy::Core;
using proxy::Event;

namespace {

awaitable<void> post_when_woken(Core& core, Event& event, int& ran) {
    co_await event.wait();
    core.post([&ran] { ++ran; });
}

} // namespace

TEST_CASE("what a coroutine posts to its own core runs, although nothing else is left to do") {
    testing::ManualClock clock;
    Core core(0, clock, 1);
    Event event;
    int ran = 0;
    spawn_logged(core.coroutines(), "test", post_when_woken(core, event, ran));
    core.post([&event] { event.signal(); });
    core.finish();
    core.run(false);
    CHECK(ran == 1);
}

TEST_CASE("a core whose coroutine waits for nobody goes on until that has ended") {
    testing::ManualClock clock;
    Core core(0, clock, 1);
    Event first;
    Event second;
    int ran = 0;
    spawn_logged(core.coroutines(), "test", post_when_woken(core, first, ran));
    spawn_logged(core.coroutines(), "test", post_when_woken(core, second, ran));
    core.post([&first] { first.signal(); });
    core.finish();
    core.post([&core, &second] { core.post([&second] { second.signal(); }); });
    core.run(false);
    CHECK(ran == 2);
}

TEST_CASE("a reading of the clock is shared by a few, and by nobody of the next turn") {
    testing::ManualClock clock;
    Core core(0, clock, 1);
    const http::SteadyTime start = clock.steady_now();
    // The reading that is given a millisecond after the last one, in milliseconds since the start.
    const auto read = [&] {
        clock.move(http::Duration(1));
        return std::chrono::duration_cast<http::Duration>(core.recent_steady() - start).count();
    };
    CHECK(read() == 1);
    for (int i = 0; i < 8; ++i) {
        CHECK(read() == 1);
    }
    CHECK(read() == 10);
    CHECK(read() == 10);
    core.poll(); // a turn
    CHECK(read() == 12);
    clock.move(http::Duration(1));
    CHECK(core.read_steady() == start + http::Duration(13)); // who wants to know it now, and those after it
    CHECK(read() == 13);
}
