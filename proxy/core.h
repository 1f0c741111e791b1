// One core: a single-threaded io_context and everything that is private to its thread.
#pragma once

#include "proxy/asio.h"
#include "proxy/clock.h"
#include "proxy/deadline_wheel.h"
#include "proxy/metrics.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace gatehouse::proxy {

class Core {
public:
    static constexpr std::size_t kScratchBytes = 64 * 1024;

    Core(unsigned index, const Clock& clock, std::size_t behaviors)
        : index_(index), clock_(clock), wheel_(clock), metrics_(behaviors), scratch_(kScratchBytes), io_(1) {}

    unsigned index() const noexcept { return index_; }
    asio::io_context& io() noexcept { return io_; }
    const Clock& clock() const noexcept { return clock_; }
    DeadlineWheel& wheel() noexcept { return wheel_; }
    CoreMetrics& metrics() noexcept { return metrics_; }
    // Room for one synchronous read; its content does not survive a suspension.
    std::vector<char>& scratch() noexcept { return scratch_; }

private:
    unsigned index_;
    const Clock& clock_;
    DeadlineWheel wheel_;
    CoreMetrics metrics_;
    std::vector<char> scratch_;
    // The last one, so that it ends first: coroutines that are still suspended then end with it, and what they hold
    // (deadlines of the wheel above all) finds its core whole.
    asio::io_context io_;
};

} // namespace gatehouse::proxy
