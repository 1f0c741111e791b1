// The two clocks' types. HTTP dates and ages use wall-clock time; deadlines use monotonic time. Nothing in here reads
// a clock: `now` is always a parameter.
#pragma once

#include <chrono>

namespace gatehouse::http {

// Wall-clock time with sub-second precision: lifetimes may be fractions of a second.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
using Duration = std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

} // namespace gatehouse::http
