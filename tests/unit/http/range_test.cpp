// Ranges: which are satisfiable, and how they are written.
#include "http/range.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace gatehouse::http;
using Kind = RangeSelection::Kind;
using Spans = std::vector<ByteSpan>;

TEST_CASE("Range selects parts of a representation") {
    struct Row {
        std::string_view range;
        std::uint64_t size;
        Kind kind;
        Spans spans;
    };
    const Row rows[] = {
        // one range, around both ends
        {"bytes=0-4", 10, Kind::Parts, {{0, 4}}},
        {"bytes=0-0", 10, Kind::Parts, {{0, 0}}},
        {"bytes=0-", 10, Kind::Parts, {{0, 9}}},
        {"bytes=9-", 10, Kind::Parts, {{9, 9}}},
        {"bytes=10-", 10, Kind::Unsatisfiable, {}},
        {"bytes=8-", 10, Kind::Parts, {{8, 9}}},
        {"bytes=0-8", 10, Kind::Parts, {{0, 8}}},
        {"bytes=0-9", 10, Kind::Parts, {{0, 9}}},
        {"bytes=0-10", 10, Kind::Parts, {{0, 9}}},
        {"bytes=11-20", 10, Kind::Unsatisfiable, {}},
        {"bytes=4-5", 10, Kind::Parts, {{4, 5}}},
        {"bytes=5-5", 10, Kind::Parts, {{5, 5}}},
        {"bytes=6-5", 10, Kind::Whole, {}},
        {"bytes=5-2", 10, Kind::Whole, {}},
        {"bytes=20-12", 10, Kind::Whole, {}},
        // suffixes
        {"bytes=-0", 10, Kind::Unsatisfiable, {}},
        {"bytes=-1", 10, Kind::Parts, {{9, 9}}},
        {"bytes=-5", 10, Kind::Parts, {{5, 9}}},
        {"bytes=-9", 10, Kind::Parts, {{1, 9}}},
        {"bytes=-10", 10, Kind::Parts, {{0, 9}}},
        {"bytes=-11", 10, Kind::Parts, {{0, 9}}},
        // units and syntax
        {"BYTES=0-4", 10, Kind::Parts, {{0, 4}}},
        {"items=0-4", 10, Kind::Whole, {}},
        {"bytes", 10, Kind::Whole, {}},
        {"bytes=", 10, Kind::Whole, {}},
        {"", 10, Kind::Whole, {}},
        {"bytes 0-4", 10, Kind::Whole, {}},
        {"bytes =0-4", 10, Kind::Whole, {}},
        {"bytes= 0-4", 10, Kind::Parts, {{0, 4}}},
        {"bytes=,", 10, Kind::Whole, {}},
        {"bytes=-", 10, Kind::Whole, {}},
        {"bytes=--1", 10, Kind::Whole, {}},
        {"bytes=4", 10, Kind::Whole, {}},
        {"bytes=+0-4", 10, Kind::Whole, {}},
        {"bytes=0-+4", 10, Kind::Whole, {}},
        {"bytes=0 - 4", 10, Kind::Whole, {}},
        {"bytes=0-4-", 10, Kind::Whole, {}},
        {"bytes=0x0-0x4", 10, Kind::Whole, {}},
        {"bytes=a-b", 10, Kind::Whole, {}},
        {"bytes=\"0-4\"", 10, Kind::Whole, {}},
        // digits beyond any number
        {"bytes=0-18446744073709551615", 10, Kind::Parts, {{0, 9}}},
        {"bytes=0-18446744073709551616", 10, Kind::Parts, {{0, 9}}},
        {"bytes=0-99999999999999999999999", 10, Kind::Parts, {{0, 9}}},
        {"bytes=99999999999999999999999-", 10, Kind::Unsatisfiable, {}},
        {"bytes=-99999999999999999999999", 10, Kind::Parts, {{0, 9}}},
        // several
        {"bytes=0-0,2-3", 10, Kind::Parts, {{0, 0}, {2, 3}}},
        {"bytes=0-0, ,\t2-3,", 10, Kind::Parts, {{0, 0}, {2, 3}}},
        {"bytes=8-9,0-1", 10, Kind::Parts, {{8, 9}, {0, 1}}},
        {"bytes=0-0,20-30", 10, Kind::Parts, {{0, 0}}},
        {"bytes=20-30,40-50", 10, Kind::Unsatisfiable, {}},
        {"bytes=0-0,5-2", 10, Kind::Whole, {}},
        {"bytes=0-0,x", 10, Kind::Whole, {}},
        {"bytes=-1,0-0", 10, Kind::Parts, {{9, 9}, {0, 0}}},
        // overlapping: up to the size of the whole, and not above
        {"bytes=0-4,4-7", 10, Kind::Parts, {{0, 4}, {4, 7}}},
        {"bytes=0-4,0-4", 10, Kind::Parts, {{0, 4}, {0, 4}}},
        {"bytes=0-4,0-5", 10, Kind::Whole, {}},
        {"bytes=0-,0-", 10, Kind::Whole, {}},
        {"bytes=0-,-1", 10, Kind::Whole, {}},
        {"bytes=0-4,0-5,x", 10, Kind::Whole, {}},
        // nothing to select from
        {"bytes=0-", 0, Kind::Unsatisfiable, {}},
        {"bytes=0-0", 0, Kind::Unsatisfiable, {}},
        {"bytes=-0", 0, Kind::Unsatisfiable, {}},
        {"bytes=-1", 0, Kind::Whole, {}},
        {"bytes=0-4,-1", 0, Kind::Whole, {}},
        {"bytes=x", 0, Kind::Whole, {}},
        // one byte
        {"bytes=0-", 1, Kind::Parts, {{0, 0}}},
        {"bytes=1-", 1, Kind::Unsatisfiable, {}},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.range));
        CAPTURE(row.size);
        const RangeSelection selection = select_ranges(row.range, row.size);
        CHECK(selection.kind == row.kind);
        CHECK(selection.spans == row.spans);
    }
}

TEST_CASE("at most kMaxRanges ranges are honoured, satisfiable or not") {
    const auto many = [](std::size_t count, std::string_view spec) {
        std::string range = "bytes=";
        for (std::size_t i = 0; i < count; ++i) {
            range.append(spec).append(",");
        }
        return range;
    };
    CHECK(select_ranges(many(kMaxRanges - 1, "0-0"), 1000).spans.size() == kMaxRanges - 1);
    CHECK(select_ranges(many(kMaxRanges, "0-0"), 1000).spans.size() == kMaxRanges);
    CHECK(select_ranges(many(kMaxRanges + 1, "0-0"), 1000).kind == Kind::Whole);
    CHECK(select_ranges(many(kMaxRanges + 1, "5000-"), 1000).kind == Kind::Whole);
    CHECK(select_ranges(many(kMaxRanges, "5000-"), 1000).kind == Kind::Unsatisfiable);
}

TEST_CASE("the largest representation does not overflow") {
    constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
    CHECK(select_ranges("bytes=0-", kMax).spans == Spans{{0, kMax - 1}});
    CHECK(select_ranges("bytes=0-,0-", kMax).kind == Kind::Whole);
    CHECK(select_ranges("bytes=-1", kMax).spans == Spans{{kMax - 1, kMax - 1}});
}

TEST_CASE("Content-Range is written for parts and for none") {
    CHECK(content_range({0, 4}, 10) == "bytes 0-4/10");
    CHECK(content_range({0, 0}, 1) == "bytes 0-0/1");
    CHECK(content_range_unsatisfied(10) == "bytes */10");
    CHECK(ByteSpan{3, 7}.size() == 5);
}

TEST_CASE("Content-Range is read when it names a possible part") {
    struct Row {
        std::string_view text;
        bool valid;
        ByteSpan span;
        std::optional<std::uint64_t> complete_length;
    };
    const Row rows[] = {
        {"bytes 0-4/10", true, {0, 4}, 10},
        {"BYTES 0-4/10", true, {0, 4}, 10},
        {"bytes 0-4/*", true, {0, 4}, std::nullopt},
        {"bytes 4-4/5", true, {4, 4}, 5},
        {"bytes 4-5/5", false, {}, {}},
        {"bytes 4-6/5", false, {}, {}},
        {"bytes 4-3/10", false, {}, {}},
        {"bytes */10", false, {}, {}},
        {"bytes 0-4", false, {}, {}},
        {"bytes 0-4/", false, {}, {}},
        {"bytes 0-/10", false, {}, {}},
        {"bytes -4/10", false, {}, {}},
        {"bytes 0/4-10", false, {}, {}},
        {"bytes=0-4/10", false, {}, {}},
        {"bytes  0-4/10", false, {}, {}},
        {"bytes 0-4/10 ", false, {}, {}},
        {"bytes 0-4/-1", false, {}, {}},
        {"items 0-4/10", false, {}, {}},
        {"bytes 0-18446744073709551614/*", true, {0, 18446744073709551614U}, std::nullopt},
        {"bytes 0-18446744073709551615/*", false, {}, {}},
        {"bytes 0-18446744073709551616/*", false, {}, {}},
        {"bytes 0-4/18446744073709551616", false, {}, {}},
        {"", false, {}, {}},
        {"bytes", false, {}, {}},
        {"bytes ", false, {}, {}},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        const auto parsed = parse_content_range(row.text);
        REQUIRE(parsed.has_value() == row.valid);
        if (parsed) {
            CHECK(parsed->span == row.span);
            CHECK(parsed->complete_length == row.complete_length);
        }
    }
}
