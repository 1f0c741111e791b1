// Durations and sizes: what is read, what is refused, what is printed.
#include "config/units.h"

#include <doctest/doctest.h>

#include <limits>
#include <optional>
#include <string>

using namespace gatehouse::config;
using std::chrono::milliseconds;

namespace {

constexpr std::int64_t kDay = 86'400'000;

struct DurationRow {
    std::string text;
    std::optional<std::int64_t> milliseconds;
};

struct SizeRow {
    std::string text;
    std::optional<std::uint64_t> bytes;
};

const DurationRow kDurations[] = {
    {"0", 0},
    {"0s", 0},
    {"1ms", 1},
    {"250ms", 250},
    {"10s", 10'000},
    {"1.5s", 1'500},
    {"0.25s", 250},
    {"1.001s", 1'001},
    {"1.0005s", std::nullopt}, // no whole millisecond
    {"0.5ms", std::nullopt},
    {"1.5h", 5'400'000},
    {"1m", 60'000},
    {"1h30m", 5'400'000},
    {"1m1.5s", 61'500},
    {"1d2h3m4s5ms", 93'784'005},
    {"7d", 7 * kDay},
    {"90m", 5'400'000},
    {"1h90m", 9'000'000}, // a component may be larger than the unit above it
    // Each unit once, in falling order.
    {"1s1s", std::nullopt},
    {"1s1m", std::nullopt},
    {"1ms1s", std::nullopt},
    {"30m1h", std::nullopt},
    // A fraction only at the end.
    {"1.5h30m", std::nullopt},
    {"1.s", std::nullopt},
    {".5s", std::nullopt},
    {"1..5s", std::nullopt},
    {"1.5.5s", std::nullopt},
    // Units are exact.
    {"10", std::nullopt},
    {"00", std::nullopt},
    {"10S", std::nullopt},
    {"10sec", std::nullopt},
    {"10 s", std::nullopt},
    {"1w", std::nullopt},
    {"1us", std::nullopt},
    {"s", std::nullopt},
    {"1h30", std::nullopt},
    {"", std::nullopt},
    {" 1s", std::nullopt},
    {"1s ", std::nullopt},
    {"-1s", std::nullopt},
    {"+1s", std::nullopt},
    {"1e3s", std::nullopt},
    {"0x1s", std::nullopt},
    {"1,5s", std::nullopt},
    // One hundred years: just below, at, just above.
    {"36499d", 36'499 * kDay},
    {"36500d", 36'500 * kDay},
    {"36501d", std::nullopt},
    {"3153599999s", 3'153'599'999'000},
    {"3153600000s", 3'153'600'000'000},
    {"3153600001s", std::nullopt},
    {"36500d0ms", 36'500 * kDay},
    {"36500d1ms", std::nullopt},
    {"36499d23h59m59s999ms", 36'500 * kDay - 1},
    // Numbers beyond 64 bits.
    {"18446744073709551615ms", std::nullopt},
    {"18446744073709551616ms", std::nullopt},
    {"99999999999999999999999999999999d", std::nullopt},
    {"0.9999999999s", std::nullopt},
    {std::string("1s\0", 3), std::nullopt},
};

const SizeRow kSizes[] = {
    {"0", 0},
    {"512", 512},
    {"512B", 512},
    {"1KB", 1'000},
    {"1KiB", 1'024},
    {"64KiB", 65'536},
    {"1MB", 1'000'000},
    {"1MiB", 1'048'576},
    {"10GiB", 10'737'418'240},
    {"1GB", 1'000'000'000},
    {"1TB", 1'000'000'000'000},
    {"1TiB", 1'099'511'627'776},
    {"1.5KiB", 1'536},
    {"0.5KB", 500},
    {"1.5B", std::nullopt},
    {"1.5", std::nullopt},
    {"1.0001KB", std::nullopt},
    {"1K", std::nullopt},
    {"1kb", std::nullopt},
    {"1kB", std::nullopt},
    {"1M", std::nullopt},
    {"1Mib", std::nullopt},
    {"1 MiB", std::nullopt},
    {" 1", std::nullopt},
    {"1 ", std::nullopt},
    {"", std::nullopt},
    {"B", std::nullopt},
    {"MiB", std::nullopt},
    {"-1", std::nullopt},
    {"+1", std::nullopt},
    {"1MiB1KiB", std::nullopt},
    {"1PB", std::nullopt},
    // 2^62: just below, at, just above.
    {"4611686018427387903", 4'611'686'018'427'387'903},
    {"4611686018427387904", 4'611'686'018'427'387'904},
    {"4611686018427387905", std::nullopt},
    {"4194303TiB", 4'611'684'918'915'760'128},
    {"4194304TiB", 4'611'686'018'427'387'904},
    {"4194305TiB", std::nullopt},
    {"4194304.000000001TiB", std::nullopt},
    {"18446744073709551616", std::nullopt},
    {"99999999999999999999999999TiB", std::nullopt},
};

} // namespace

TEST_CASE("parse_duration reads what people write and nothing else") {
    for (const DurationRow& row : kDurations) {
        CAPTURE(row.text);
        const auto value = parse_duration(row.text);
        REQUIRE(value.has_value() == row.milliseconds.has_value());
        if (value) CHECK(value->count() == *row.milliseconds);
    }
}

TEST_CASE("parse_size reads what people write and nothing else") {
    for (const SizeRow& row : kSizes) {
        CAPTURE(row.text);
        const auto value = parse_size(row.text);
        REQUIRE(value.has_value() == row.bytes.has_value());
        if (value) CHECK(*value == *row.bytes);
    }
}

TEST_CASE("format_duration prints what a person would write") {
    CHECK(format_duration(milliseconds(0)) == "0s");
    CHECK(format_duration(milliseconds(1)) == "1ms");
    CHECK(format_duration(milliseconds(250)) == "250ms");
    CHECK(format_duration(milliseconds(999)) == "999ms");
    CHECK(format_duration(milliseconds(1'000)) == "1s");
    CHECK(format_duration(milliseconds(1'001)) == "1.001s");
    CHECK(format_duration(milliseconds(1'500)) == "1.5s");
    CHECK(format_duration(milliseconds(59'999)) == "59.999s");
    CHECK(format_duration(milliseconds(60'000)) == "1m");
    CHECK(format_duration(milliseconds(60'001)) == "1m1ms");
    CHECK(format_duration(milliseconds(5'400'000)) == "1h30m");
    CHECK(format_duration(milliseconds(7 * kDay)) == "7d");
    CHECK(format_duration(milliseconds(-1'500)) == "-1.5s");
    CHECK(format_duration(milliseconds(std::numeric_limits<milliseconds::rep>::min())).front() == '-');
}

TEST_CASE("What format_duration prints is read back as the same") {
    for (std::int64_t step = 1; step < 36'500 * kDay; step = step * 7 + 13) {
        const milliseconds duration(step);
        CAPTURE(format_duration(duration));
        CHECK(parse_duration(format_duration(duration)) == duration);
    }
}

TEST_CASE("format_size uses the largest unit that divides") {
    CHECK(format_size(0) == "0B");
    CHECK(format_size(1) == "1B");
    CHECK(format_size(1'000) == "1000B");
    CHECK(format_size(1'023) == "1023B");
    CHECK(format_size(1'024) == "1KiB");
    CHECK(format_size(1'025) == "1025B");
    CHECK(format_size(64ULL << 20U) == "64MiB");
    CHECK(format_size(1ULL << 62U) == "4194304TiB");
}

TEST_CASE("What format_size prints is read back as the same") {
    for (std::uint64_t bytes = 1; bytes < (std::uint64_t{1} << 60U); bytes = bytes * 3 + 1) {
        CHECK(parse_size(format_size(bytes)) == bytes);
        CHECK(parse_size(format_size(bytes * 4)) == bytes * 4);
    }
}
