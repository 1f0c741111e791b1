// Named points that threads of a test meet at, instead of sleeping.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>

namespace gatehouse::testing {

// What went wrong in the harness itself: a peer that says nothing, a malformed message. Ends the test case.
class HarnessError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// How long anything may take before a test is called stuck. Generous: sanitizers are slow, machines are shared.
inline constexpr std::chrono::seconds kSafetyTime{20};

class Gates {
public:
    // Lets everybody through who waits at the gate now or later.
    void open(const std::string& gate);
    // Waits until the gate is open. False when everything was cancelled.
    bool pass(const std::string& gate);
    // Says that a point was reached (once more).
    void reach(const std::string& point);
    // Waits until the point was reached that many times.
    void await(const std::string& point, int times = 1);
    // Ends all waiting, for good.
    void cancel();

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> open_;
    std::map<std::string, int> reached_;
    bool cancelled_ = false;
};

} // namespace gatehouse::testing
