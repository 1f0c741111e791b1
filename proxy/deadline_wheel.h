// Deadlines of one core: a coarse hashed wheel (100 ms a tick), so that arming one costs a few nanoseconds where a
// timer object costs 150 to 180 ns per reset. Driven by Clock: tests advance time and call advance().
//
// A deadline never fires early; it fires at most one tick late. All functions run on the core's thread.
#pragma once

#include "http/time.h"
#include "proxy/asio.h"
#include "proxy/clock.h"

#include <array>
#include <cstdint>

namespace gatehouse::proxy {

class DeadlineWheel;

// One deadline, owned by whoever waits; disarms itself when destroyed. Not movable: the wheel links to it.
class Deadline {
public:
    using Callback = void (*)(void* context);
    Deadline(DeadlineWheel& wheel, Callback callback, void* context) noexcept
        : wheel_(&wheel), callback_(callback), context_(context) {}
    ~Deadline() { disarm(); }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    // (Re)arms. Zero or less means no deadline. Clears expired().
    void arm(http::Duration after) noexcept;
    void disarm() noexcept;
    bool expired() const noexcept { return expired_; }
    DeadlineWheel& wheel() const noexcept { return *wheel_; }

private:
    friend class DeadlineWheel;
    Deadline* previous_ = nullptr;
    Deadline* next_ = nullptr;
    DeadlineWheel* wheel_;
    Callback callback_;
    void* context_;
    std::int64_t tick_ = 0;
    bool linked_ = false;
    bool expired_ = false;
};

class DeadlineWheel {
public:
    static constexpr http::Duration kTick{100};
    static constexpr std::size_t kSlots = 512; // 51.2 s a turn; longer deadlines go round

    explicit DeadlineWheel(const Clock& clock) noexcept;
    ~DeadlineWheel();
    DeadlineWheel(const DeadlineWheel&) = delete;
    DeadlineWheel& operator=(const DeadlineWheel&) = delete;

    // Fires what is due by the clock. Callbacks may arm and disarm any deadline, themselves too.
    void advance() noexcept;
    std::size_t armed() const noexcept { return armed_; }
    const Clock& clock() const noexcept { return *clock_; }

    // Ends drive() at its next tick.
    void stop() noexcept { stopped_ = true; }
    // Drives the wheel from real time until stopped: the one steady_timer of the program. `on_lag` gets how late each
    // tick came (loop lag).
    static asio::awaitable<void> drive(DeadlineWheel& wheel, void (*on_lag)(void*, std::chrono::microseconds),
                                       void* context);

private:
    friend class Deadline;
    void link(Deadline& deadline, std::int64_t tick) noexcept;
    void unlink(Deadline& deadline) noexcept;
    std::int64_t tick_of(http::SteadyTime time) const noexcept;

    const Clock* clock_;
    http::SteadyTime start_;
    std::int64_t current_tick_ = 0;
    std::size_t armed_ = 0;
    bool stopped_ = false;
    std::array<Deadline*, kSlots> slots_{};
    Deadline* cursor_ = nullptr; // next one advance() looks at: unlink moves it on
};

} // namespace gatehouse::proxy
