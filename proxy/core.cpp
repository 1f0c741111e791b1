// The loop of one core.
#include "proxy/core.h"

#include "proxy/spawn.h"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <algorithm>
#include <chrono>

namespace gatehouse::proxy {

struct Core::AsioSide {
    AsioSide(asio::io_context& io, int descriptor) : readiness(io, descriptor) {}
    ~AsioSide() { readiness.release(); } // the descriptor is the poller's
    asio::posix::stream_descriptor readiness;
};

Core::Core(unsigned index, const Clock& clock, std::size_t behaviors)
    : index_(index),
      clock_(clock),
      wheel_(clock),
      metrics_(behaviors),
      scratch_(kScratchBytes),
      origin_scratch_(kOriginScratchBytes),
      turn_wall_(clock.wall_now()),
      turn_steady_(clock.steady_now()),
      io_(1) {}

Core::~Core() {
    poller_.end();
    coroutines_.end_all();
}

void Core::begin_turn() noexcept {
    ++turn_number_;
    turn_wall_ = clock_.wall_now();
    turn_steady_ = clock_.steady_now();
    reading_uses_ = 0;
}

int Core::timeout_ms() noexcept {
    if (!keep_time_) {
        return -1;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick_ - turn_steady_).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, DeadlineWheel::kTick.count()));
}

void Core::tick_if_due() noexcept {
    if (!keep_time_ || turn_steady_ < next_tick_) {
        return;
    }
    CoreMetrics::on_lag(&metrics_, std::chrono::duration_cast<std::chrono::microseconds>(turn_steady_ - next_tick_));
    // After a stall there is no burst of ticks.
    next_tick_ = std::max(next_tick_, turn_steady_ - DeadlineWheel::kTick) + DeadlineWheel::kTick;
    wheel_.advance();
}

// Jobs, the coroutines that they wake, and what those post, without a look at the sockets in between; but these have
// their turn too.
std::size_t Core::run_what_is_ready() {
    // An io_context that had nothing to do has stopped, and does nothing of what is posted to it then.
    const auto run_jobs = [this] {
        if (io_.stopped()) {
            io_.restart();
        }
        return io_.poll();
    };
    std::size_t done = run_jobs();
    for (int pass = 0; pass < kPassesPerTurn && coroutines_.any_ready(); ++pass) {
        done += coroutines_.run_ready();
        done += run_jobs();
    }
    return done;
}

void Core::turn() {
    poller_.announce_wait();
    run_what_is_ready();
    // When the last coroutine has ended nothing would end the wait.
    const bool has_ended = io_.stopped() && !coroutines_.any_alive();
    poller_.wait(has_ended || coroutines_.any_ready() ? 0 : timeout_ms());
    begin_turn();
    tick_if_due();
    poller_.dispatch();
}

void Core::run(bool keep_time) {
    keep_time_ = keep_time;
    begin_turn();
    next_tick_ = turn_steady_ + DeadlineWheel::kTick;
    if (!finishing_) {
        guard_.emplace(io_.get_executor());
    }
    running_here_ = this;
    while (!io_.stopped() || coroutines_.any_alive()) {
        turn();
    }
    running_here_ = nullptr;
}

asio::awaitable<void> Core::follow_poller() {
    while (!finishing_) {
        const auto [error] =
            co_await asio_side_->readiness.async_wait(asio::posix::descriptor_base::wait_read, kAwait);
        if (error) {
            break;
        }
        begin_turn();
        poller_.wait(0);
        poller_.dispatch();
    }
}

// Asio's loop knows nothing of our coroutines: each time that one is ready it is given a job.
void Core::run_ready_by_asio(void* core) {
    auto& self = *static_cast<Core*>(core);
    asio::post(self.io_, [&self] {
        self.coroutines_.run_ready();
        if (self.coroutines_.any_ready()) {
            run_ready_by_asio(&self);
        }
    });
}

void Core::end_if_finished(void* core) {
    auto& self = *static_cast<Core*>(core);
    if (self.finishing_) {
        self.guard_.reset();
    }
}

void Core::run_asio(bool keep_time) {
    asio_side_ = std::make_unique<AsioSide>(io_, poller_.follow());
    guard_.emplace(io_.get_executor());
    coroutines_.tell_ready(&Core::run_ready_by_asio, this);
    coroutines_.tell_last_ended(&Core::end_if_finished, this);
    if (coroutines_.any_ready()) {
        run_ready_by_asio(this);
    }
    spawn_logged(io_.get_executor(), "poller", follow_poller());
    if (keep_time) {
        spawn_logged(io_.get_executor(), "deadline wheel",
                     DeadlineWheel::drive(wheel_, &CoreMetrics::on_lag, &metrics_));
    }
    io_.run();
    coroutines_.tell_ready(nullptr, nullptr);
    coroutines_.tell_last_ended(nullptr, nullptr);
    asio_side_.reset();
}

void Core::finish() {
    finishing_ = true;
    wheel_.stop();
    if (!asio_side_ || !coroutines_.any_alive()) {
        guard_.reset();
    }
    if (asio_side_) {
        asio_side_->readiness.cancel();
    }
}

std::size_t Core::poll() {
    std::size_t done = run_what_is_ready();
    poller_.wait(0);
    begin_turn();
    done += poller_.dispatch();
    return done;
}

} // namespace gatehouse::proxy
