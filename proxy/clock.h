// The only place where time is read. Everything else gets `now` as a parameter.
#pragma once

#include "http/time.h"

namespace gatehouse::proxy {

// Any thread may call; an implementation for tests is advanced by hand.
class Clock {
public:
    virtual ~Clock() = default;
    virtual http::WallTime wall_now() const noexcept = 0;
    virtual http::SteadyTime steady_now() const noexcept = 0;
};

class SystemClock final : public Clock {
public:
    http::WallTime wall_now() const noexcept override;
    http::SteadyTime steady_now() const noexcept override;
};

} // namespace gatehouse::proxy
