// Ranges of what is not stored: when the whole is fetched, and when an answer that is arriving is waited for.
#include "cache/policy/range_fill.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
using gatehouse::config::RangeHandling;

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

} // namespace

TEST_CASE("whether the whole is fetched for a range") {
    struct Row {
        const char* name;
        RangeHandling handling;
        std::optional<std::uint64_t> length;
        bool fills;
    };
    const Row rows[] = {
        {"pass, unknown", RangeHandling::Pass, std::nullopt, false},
        {"pass, small", RangeHandling::Pass, 1, false},
        {"fill, unknown", RangeHandling::Fill, std::nullopt, true},
        {"fill, as large as the store takes", RangeHandling::Fill, 20 * kMiB, true},
        {"fill, larger than the store takes", RangeHandling::Fill, 20 * kMiB + 1, false},
        {"auto, unknown", RangeHandling::Auto, std::nullopt, false},
        {"auto, empty", RangeHandling::Auto, 0, true},
        {"auto, at its bound", RangeHandling::Auto, kFilledByDefaultBytes, true},
        {"auto, beyond its bound", RangeHandling::Auto, kFilledByDefaultBytes + 1, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        CHECK(fills_range(row.handling, row.length, 20 * kMiB) == row.fills);
    }
    CHECK_FALSE(fills_range(RangeHandling::Auto, kMiB + 1, kMiB));
}

TEST_CASE("whether a range is answered out of what is arriving") {
    constexpr std::uint64_t kLength = 100 * kMiB;
    struct Row {
        const char* name;
        std::string request;
        ArrivingContent content;
        bool within;
    };
    const std::string far = std::to_string(kFillAheadBytes + 5);
    const std::string farther = std::to_string(kFillAheadBytes + 6);
    const Row rows[] = {
        {"it is there", "Range: bytes=0-4", {kLength, 5, true}, true},
        {"as far behind as is waited for", "Range: bytes=" + far + "-", {kLength, 5, true}, true},
        {"one byte farther", "Range: bytes=" + farther + "-", {kLength, 5, true}, false},
        {"one of several is too far", "Range: bytes=0-4," + farther + "-", {kLength, 5, true}, false},
        {"a suffix that is too far", "Range: bytes=-1", {kLength, 5, true}, false},
        {"behind the end: 416 at once", "Range: bytes=9000000000-", {kLength, 0, true}, true},
        {"the length is not known: the whole", "Range: bytes=" + farther + "-", {std::nullopt, 5, true}, true},
        {"a condition that holds: 304", "If-None-Match: \"a\"\nRange: bytes=" + farther + "-", {kLength, 5, true}, true},
        {"If-Range fails: the whole", "If-Range: \"b\"\nRange: bytes=" + farther + "-", {kLength, 5, true}, true},
        {"another unit: the whole", "Range: lines=" + farther + "-", {kLength, 5, true}, true},
        {"backwards in what is kept", "Range: bytes=5-6,0-1", {kLength, 9, true}, true},
        {"backwards in what passes by", "Range: bytes=5-6,0-1", {kLength, 9, false}, false},
        {"overlapping in what passes by", "Range: bytes=0-4,4-5", {kLength, 9, false}, false},
        {"forwards in what passes by", "Range: bytes=0-4,5-6", {kLength, 9, false}, true},
    };
    const Stored answer = stored_of("", "200\nETag: \"a\"\nCache-Control: max-age=60");
    for (const Row& row : rows) {
        CAPTURE(row.name);
        CHECK(is_within_reach(request_of(row.request), answer.view(), row.content, kArrival, false) == row.within);
    }
    const Stored error = stored_of("", "404\nCache-Control: max-age=60");
    CHECK(is_within_reach(request_of("Range: bytes=" + farther + "-"), error.view(), {kLength, 0, false}, kArrival,
                          false));
}
