// The helpers of the diagnostic log: values that cannot forge a line, warnings that do not flood it.
#include "proxy/diagnostic_log.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse;
using namespace gatehouse::proxy;
using namespace std::chrono_literals;

TEST_CASE("a value is quoted when it is not plain") {
    CHECK(log_value("192.0.2.1:443") == "192.0.2.1:443");
    CHECK(log_value("") == "\"\"");
    CHECK(log_value("No such file") == "\"No such file\"");
    CHECK(log_value("a=b") == "\"a=b\"");
    CHECK(log_value("a\nb\x1B[31m") == "\"a\\nb\\u001b[31m\"");
    CHECK(log_value("\xC2\x9B") == "\"\\u009b\"");
}

TEST_CASE("a warning comes once in an interval for each key") {
    WarningLimiter limiter(60s);
    const http::SteadyTime start{};
    CHECK(limiter.allow("disk", start) == 0);
    CHECK_FALSE(limiter.allow("disk", start));
    CHECK_FALSE(limiter.allow("disk", start + 59'999ms));
    CHECK(limiter.allow("other", start + 1s) == 0);
    CHECK(limiter.allow("disk", start + 60s) == 2);
    CHECK_FALSE(limiter.allow("disk", start + 60s));
    CHECK(limiter.allow("disk", start + 120'001ms) == 1);
}

TEST_CASE("the number of keys is bounded, and the oldest goes first") {
    WarningLimiter limiter(60s);
    http::SteadyTime now{};
    for (std::size_t key = 0; key <= WarningLimiter::kMaxKeys; ++key) {
        now += 1ms;
        CHECK(limiter.allow(std::to_string(key), now) == 0);
    }
    CHECK(limiter.size() == WarningLimiter::kMaxKeys);
    CHECK_FALSE(limiter.allow(std::to_string(WarningLimiter::kMaxKeys), now));
    CHECK_FALSE(limiter.allow("1", now));
    CHECK(limiter.allow("0", now) == 0); // forgotten: lets through too early rather than never
}
