#include "tests/support/gates.h"

namespace gatehouse::testing {

void Gates::open(const std::string& gate) {
    const std::lock_guard lock(mutex_);
    open_.insert(gate);
    changed_.notify_all();
}

bool Gates::pass(const std::string& gate) {
    std::unique_lock lock(mutex_);
    const bool passed = changed_.wait_for(lock, 3 * kSafetyTime, [&] { return cancelled_ || open_.contains(gate); });
    if (!passed) {
        throw HarnessError("nobody opened the gate " + gate);
    }
    return !cancelled_;
}

void Gates::reach(const std::string& point) {
    const std::lock_guard lock(mutex_);
    ++reached_[point];
    changed_.notify_all();
}

void Gates::await(const std::string& point, int times) {
    std::unique_lock lock(mutex_);
    const bool come = changed_.wait_for(lock, kSafetyTime, [&] { return reached_[point] >= times; });
    if (!come) {
        throw HarnessError("the point " + point + " was reached " + std::to_string(reached_[point]) +
                           " times instead of " + std::to_string(times));
    }
}

void Gates::cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
}

} // namespace gatehouse::testing
