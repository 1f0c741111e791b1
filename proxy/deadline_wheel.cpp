// The wheel: a slot per tick, doubly linked deadlines in it.
#include "proxy/deadline_wheel.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <cassert>

namespace gatehouse::proxy {

void Deadline::arm(http::Duration after) noexcept {
    disarm();
    expired_ = false;
    if (after <= http::Duration::zero()) {
        return;
    }
    // Rounded up to the end of the tick it falls in, so that it never fires early.
    wheel_->link(*this, wheel_->tick_of(wheel_->clock_->steady_now() + after) + 1);
}

void Deadline::disarm() noexcept {
    if (linked_) {
        wheel_->unlink(*this);
    }
}

DeadlineWheel::DeadlineWheel(const Clock& clock) noexcept : clock_(&clock), start_(clock.steady_now()) {}

DeadlineWheel::~DeadlineWheel() { assert(armed_ == 0 && "a deadline outlives its wheel"); }

std::int64_t DeadlineWheel::tick_of(http::SteadyTime time) const noexcept { return (time - start_) / kTick; }

void DeadlineWheel::link(Deadline& deadline, std::int64_t tick) noexcept {
    deadline.tick_ = tick;
    Deadline*& slot = slots_[static_cast<std::size_t>(tick) % kSlots];
    deadline.previous_ = nullptr;
    deadline.next_ = slot;
    if (slot != nullptr) {
        slot->previous_ = &deadline;
    }
    slot = &deadline;
    deadline.linked_ = true;
    ++armed_;
}

void DeadlineWheel::unlink(Deadline& deadline) noexcept {
    if (cursor_ == &deadline) {
        cursor_ = deadline.next_;
    }
    if (deadline.previous_ != nullptr) {
        deadline.previous_->next_ = deadline.next_;
    } else {
        slots_[static_cast<std::size_t>(deadline.tick_) % kSlots] = deadline.next_;
    }
    if (deadline.next_ != nullptr) {
        deadline.next_->previous_ = deadline.previous_;
    }
    deadline.linked_ = false;
    --armed_;
}

void DeadlineWheel::advance() noexcept {
    const std::int64_t due = tick_of(clock_->steady_now());
    // After a long jump one turn over all slots finds everything that is due.
    std::int64_t from = current_tick_ + 1;
    if (due - from >= static_cast<std::int64_t>(kSlots)) {
        from = due - static_cast<std::int64_t>(kSlots) + 1;
    }
    for (std::int64_t tick = from; tick <= due; ++tick) {
        cursor_ = slots_[static_cast<std::size_t>(tick) % kSlots];
        while (cursor_ != nullptr) {
            Deadline& deadline = *cursor_;
            cursor_ = deadline.next_;
            if (deadline.tick_ <= due) {
                unlink(deadline);
                deadline.expired_ = true;
                deadline.callback_(deadline.context_);
            }
        }
    }
    if (due > current_tick_) {
        current_tick_ = due;
    }
}

asio::awaitable<void> DeadlineWheel::drive(DeadlineWheel& wheel, void (*on_lag)(void*, std::chrono::microseconds),
                                           void* context) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    auto next = std::chrono::steady_clock::time_point(wheel.clock_->steady_now());
    while (!wheel.stopped_) {
        next += kTick;
        timer.expires_at(next);
        const auto [error] = co_await timer.async_wait(kAwait);
        if (error) {
            co_return;
        }
        const auto now = wheel.clock_->steady_now();
        on_lag(context, std::chrono::duration_cast<std::chrono::microseconds>(now - next));
        if (now > next + kTick) {
            next = now; // after a stall: do not fire a burst of ticks
        }
        wheel.advance();
    }
}

} // namespace gatehouse::proxy
