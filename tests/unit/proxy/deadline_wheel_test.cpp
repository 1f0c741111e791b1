// Deadlines: never early, at most one tick late, armed and disarmed anywhere.
#include "proxy/deadline_wheel.h"

#include "tests/support/manual_clock.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace gatehouse;
using namespace std::chrono_literals;
using http::Duration;
using proxy::Deadline;
using proxy::DeadlineWheel;
using testing::ManualClock;

namespace {

// A deadline that counts how often it fires, and then does what the test says.
struct Probe {
    explicit Probe(DeadlineWheel& wheel) : deadline(wheel, &Probe::on_fire, this) {}
    static void on_fire(void* self) {
        auto& probe = *static_cast<Probe*>(self);
        ++probe.fired;
        if (probe.then) {
            const auto then = probe.then; // it may destroy the probe
            then();
        }
    }
    int fired = 0;
    std::function<void()> then;
    Deadline deadline;
};

struct Wheel {
    ManualClock clock;
    DeadlineWheel wheel{clock};
    void pass(Duration by) {
        clock.move(by);
        wheel.advance();
    }
};

} // namespace

TEST_CASE("A deadline fires after its time and at most one tick late, never early") {
    struct Row {
        const char* name;
        Duration offset; // since the last tick, when it is armed
        Duration after;
        Duration fires; // since it was armed
    };
    static constexpr Row kRows[] = {
        {"the shortest", 0ms, 1ms, 100ms},
        {"one less than a tick", 0ms, 99ms, 100ms},
        {"a tick", 0ms, 100ms, 200ms},
        {"one more than a tick", 0ms, 101ms, 200ms},
        {"within the tick it is armed in", 30ms, 69ms, 70ms},
        {"to the end of the tick it is armed in", 30ms, 70ms, 170ms},
        {"over the end of the tick", 30ms, 71ms, 170ms},
        {"one tick less than a turn", 0ms, 51'100ms, 51'200ms},
        {"a turn", 0ms, 51'200ms, 51'300ms},
        {"one tick more than a turn", 0ms, 51'300ms, 51'400ms},
        {"several turns", 50ms, 120'000ms, 120'050ms},
        {"a day", 0ms, 86'400'000ms, 86'400'100ms},
    };
    for (const Row& row : kRows) {
        SUBCASE(row.name) {
            Wheel time;
            time.pass(1'000ms + row.offset);
            Probe probe(time.wheel);
            probe.deadline.arm(row.after);
            CHECK(time.wheel.armed() == 1);
            time.pass(row.after);
            CHECK((probe.fired == 1) == (row.fires == row.after));
            time.pass(row.fires - row.after - 1ms);
            CHECK(probe.fired == 0);
            CHECK_FALSE(probe.deadline.expired());
            time.pass(1ms);
            CHECK(probe.fired == 1);
            CHECK(probe.deadline.expired());
            CHECK(time.wheel.armed() == 0);
            time.pass(row.fires * 2);
            CHECK(probe.fired == 1);
        }
    }
}

TEST_CASE("Many small steps and one long jump fire the same deadlines") {
    static constexpr Duration kSteps[] = {1ms, 37ms, 100ms, 101ms, 7'000ms, 51'200ms, 60'000ms, 120'000ms};
    for (const Duration step : kSteps) {
        CAPTURE(step.count());
        Wheel time;
        std::vector<std::unique_ptr<Probe>> probes;
        for (int i = 1; i <= 600; ++i) {
            probes.push_back(std::make_unique<Probe>(time.wheel));
            probes.back()->deadline.arm(i * 190ms);
        }
        for (Duration passed{0}; passed < 120'000ms; passed += step) {
            time.pass(step);
        }
        int fired = 0;
        for (const auto& probe : probes) {
            fired += probe->fired;
        }
        CHECK(fired == 600);
        CHECK(time.wheel.armed() == 0);
    }
}

TEST_CASE("Zero and less mean no deadline") {
    Wheel time;
    Probe probe(time.wheel);
    for (const Duration none : {0ms, -1ms, -1'000'000ms}) {
        probe.deadline.arm(10ms);
        probe.deadline.arm(none);
        CHECK(time.wheel.armed() == 0);
    }
    time.pass(1'000'000ms);
    CHECK(probe.fired == 0);
}

TEST_CASE("Arming again moves a deadline and forgets that it had expired") {
    Wheel time;
    Probe probe(time.wheel);
    probe.deadline.arm(50ms);
    time.pass(90ms);
    probe.deadline.arm(50ms);
    time.pass(50ms);
    CHECK(probe.fired == 0);
    time.pass(60ms);
    CHECK(probe.fired == 1);
    CHECK(probe.deadline.expired());
    probe.deadline.arm(0ms);
    CHECK_FALSE(probe.deadline.expired());
}

TEST_CASE("A deadline that is disarmed or destroyed does not fire") {
    Wheel time;
    Probe kept(time.wheel);
    kept.deadline.arm(10ms);
    kept.deadline.disarm();
    kept.deadline.disarm();
    {
        Probe gone(time.wheel);
        gone.deadline.arm(10ms);
        CHECK(time.wheel.armed() == 1);
    }
    CHECK(time.wheel.armed() == 0);
    time.pass(1'000ms);
    CHECK(kept.fired == 0);
}

TEST_CASE("A callback may arm and disarm any deadline") {
    Wheel time;
    SUBCASE("itself, for the next tick") {
        Probe probe(time.wheel);
        probe.then = [&] { probe.deadline.arm(1ms); };
        probe.deadline.arm(1ms);
        for (int tick = 1; tick <= 5; ++tick) {
            time.pass(100ms);
            CHECK(probe.fired == tick);
        }
        probe.deadline.disarm();
    }
    SUBCASE("itself, a whole turn later, which is the same slot") {
        Probe probe(time.wheel);
        probe.then = [&] { probe.deadline.arm(51'199ms); };
        probe.deadline.arm(1ms);
        time.pass(100ms);
        CHECK(probe.fired == 1);
        time.pass(51'100ms);
        CHECK(probe.fired == 1);
        time.pass(100ms);
        CHECK(probe.fired == 2);
        probe.deadline.disarm();
    }
    SUBCASE("all others of its slot, whichever comes first") {
        std::vector<std::unique_ptr<Probe>> probes;
        for (int i = 0; i < 5; ++i) {
            probes.push_back(std::make_unique<Probe>(time.wheel));
            probes.back()->deadline.arm(10ms);
            probes.back()->then = [&] {
                for (const auto& probe : probes) {
                    probe->deadline.disarm();
                }
            };
        }
        time.pass(100ms);
        int fired = 0;
        for (const auto& probe : probes) {
            fired += probe->fired;
        }
        CHECK(fired == 1);
        CHECK(time.wheel.armed() == 0);
    }
    SUBCASE("others of its slot again, which then wait for their new time") {
        Probe first(time.wheel);
        Probe second(time.wheel);
        const auto again = [&] {
            first.deadline.arm(500ms);
            second.deadline.arm(500ms);
        };
        first.then = again;
        second.then = again;
        first.deadline.arm(10ms);
        second.deadline.arm(10ms);
        time.pass(100ms);
        CHECK(first.fired + second.fired == 1);
        first.then = nullptr;
        second.then = nullptr;
        time.pass(600ms);
        CHECK(first.fired + second.fired == 3);
    }
    SUBCASE("and destroy what it belongs to") {
        auto probe = std::make_unique<Probe>(time.wheel);
        auto neighbour = std::make_unique<Probe>(time.wheel);
        probe->deadline.arm(10ms);
        neighbour->deadline.arm(10ms);
        const auto destroy_both = [&] {
            probe.reset();
            neighbour.reset();
        };
        probe->then = destroy_both;
        neighbour->then = destroy_both;
        time.pass(100ms);
        CHECK(probe == nullptr);
        CHECK(time.wheel.armed() == 0);
    }
}

TEST_CASE("Deadlines of later turns stay where they are when their slot comes by") {
    Wheel time;
    Probe near(time.wheel);
    Probe far(time.wheel);
    near.deadline.arm(1'000ms);
    far.deadline.arm(1'000ms + 2 * 51'200ms);
    time.pass(1'100ms);
    CHECK(near.fired == 1);
    CHECK(far.fired == 0);
    time.pass(51'200ms);
    CHECK(far.fired == 0);
    time.pass(51'199ms);
    CHECK(far.fired == 0);
    time.pass(1ms);
    CHECK(far.fired == 1);
}

TEST_CASE("Nothing fires while the clock stands still") {
    Wheel time;
    Probe probe(time.wheel);
    probe.deadline.arm(1ms);
    for (int i = 0; i < 1'000; ++i) {
        time.wheel.advance();
    }
    CHECK(probe.fired == 0);
    probe.deadline.disarm();
}
