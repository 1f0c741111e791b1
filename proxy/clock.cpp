// The system's clocks.
#include "proxy/clock.h"

namespace gatehouse::proxy {

http::WallTime SystemClock::wall_now() const noexcept {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

http::SteadyTime SystemClock::steady_now() const noexcept { return std::chrono::steady_clock::now(); }

} // namespace gatehouse::proxy
