// The wake-up between coroutines of one core.
#include "proxy/event.h"

#include "tests/support/core_loop.h"

#include <doctest/doctest.h>

#include <memory>

using namespace gatehouse;
using proxy::awaitable;
using proxy::Event;
using testing::CoreLoop;

namespace {

awaitable<void> wait_and_count(Event& event, int& count) {
    co_await event.wait();
    ++count;
}

awaitable<void> wait_three_times(Event& event, int& count) {
    for (int i = 0; i < 3; ++i) {
        co_await event.wait();
        ++count;
    }
}

awaitable<void> hold_while_waiting(Event& event, std::shared_ptr<int> held) {
    co_await event.wait();
    ++*held;
}

} // namespace

TEST_CASE("A signal resumes the waiter through the loop, never from within signal()") {
    CoreLoop loop;
    Event event;
    int count = 0;
    const auto task = loop.start(wait_and_count(event, count));
    loop.settle();
    CHECK(count == 0);
    event.signal();
    CHECK(count == 0);
    loop.settle();
    CHECK(count == 1);
    CHECK(task.done());
}

TEST_CASE("A signal before the wait is remembered, and several count as one") {
    CoreLoop loop;
    Event event;
    int count = 0;
    event.signal();
    event.signal();
    const auto first = loop.start(wait_and_count(event, count));
    loop.settle();
    CHECK(count == 1);
    const auto second = loop.start(wait_and_count(event, count));
    loop.settle();
    CHECK(count == 1);
    event.signal();
    loop.settle();
    CHECK(count == 2);
}

TEST_CASE("reset() forgets a signal") {
    CoreLoop loop;
    Event event;
    int count = 0;
    event.signal();
    event.reset();
    const auto task = loop.start(wait_and_count(event, count));
    loop.settle();
    CHECK(count == 0);
    event.signal();
    loop.settle();
    CHECK(count == 1);
}

TEST_CASE("One event serves many waits in turn") {
    CoreLoop loop;
    Event event;
    int count = 0;
    const auto task = loop.start(wait_three_times(event, count));
    for (int expected = 1; expected <= 3; ++expected) {
        loop.settle();
        event.signal();
        loop.settle();
        CHECK(count == expected);
    }
    CHECK(task.done());
}

TEST_CASE("A signal that comes while the resumed waiter has not run yet is for the next wait") {
    CoreLoop loop;
    Event event;
    int count = 0;
    const auto task = loop.start(wait_three_times(event, count));
    loop.settle();
    event.signal();
    event.signal();
    loop.settle();
    CHECK(count == 2);
    event.signal();
    loop.settle();
    CHECK(task.done());
}

TEST_CASE("An event that ends takes its waiter along") {
    CoreLoop loop;
    auto event = std::make_unique<Event>();
    const auto held = std::make_shared<int>(0);
    {
        const auto task = loop.start(hold_while_waiting(*event, held));
        loop.settle();
    }
    CHECK(held.use_count() == 2);
    event.reset();
    loop.settle(); // Asio unwinds a coroutine through its executor
    CHECK(held.use_count() == 1);
    CHECK(*held == 0);
}
