// A clock that stands still until a test moves it; wall time and steady time move together.
#pragma once

#include "proxy/clock.h"

#include <atomic>
#include <cstdint>

namespace gatehouse::testing {

class ManualClock final : public proxy::Clock {
public:
    http::WallTime wall_now() const noexcept override {
        return http::WallTime(http::Duration(kWallStart + passed_.load(std::memory_order_acquire)));
    }
    http::SteadyTime steady_now() const noexcept override {
        return http::SteadyTime(http::Duration(kSteadyStart + passed_.load(std::memory_order_acquire)));
    }
    void move(http::Duration by) noexcept { passed_.fetch_add(by.count(), std::memory_order_acq_rel); }

private:
    static constexpr std::int64_t kWallStart = 1'767'225'600'000; // Thu, 01 Jan 2026 00:00:00 GMT
    static constexpr std::int64_t kSteadyStart = 1'000'000;
    std::atomic<std::int64_t> passed_{0};
};

} // namespace gatehouse::testing
