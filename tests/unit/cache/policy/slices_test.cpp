// Slices: which one an answer begins with, what is one, and what it is called.
#include "cache/policy/slices.h"

#include "cache/policy/cache_key.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace http = gatehouse::http;

TEST_CASE("which bytes a slice has") {
    CHECK(span_of({1024, 0}) == http::ByteSpan{0, 1023});
    CHECK(span_of({1024, 3}) == http::ByteSpan{3072, 4095});
    CHECK(range_of({1024, 3}) == "bytes=3072-4095");
}

TEST_CASE("which slice an answer begins with") {
    struct Row {
        const char* name;
        const char* request;
        std::optional<std::uint64_t> length;
        std::optional<std::uint64_t> first;
    };
    const Row rows[] = {
        {"the whole", "", std::nullopt, 0},
        {"the whole, of known length", "", 100, 0},
        {"HEAD has no range", "HEAD\nRange: bytes=50-", std::nullopt, 0},
        {"the first byte", "Range: bytes=0-0", std::nullopt, 0},
        {"the last byte of a slice", "Range: bytes=9-", std::nullopt, 0},
        {"the first byte of the next", "Range: bytes=10-", std::nullopt, 1},
        {"far away", "Range: bytes=9000000000-", std::nullopt, 900'000'000},
        {"behind a known end", "Range: bytes=9000000000-", 100, 0},
        {"at a position that nobody has", "Range: bytes=4611686018427387904-", std::nullopt, std::nullopt},
        {"beyond all numbers", "Range: bytes=99999999999999999999-", std::nullopt, std::nullopt},
        {"from the end", "Range: bytes=-5", std::nullopt, std::nullopt},
        {"from a known end", "Range: bytes=-5", 100, 9},
        {"several", "Range: bytes=10-11,20-21", std::nullopt, std::nullopt},
        {"several, of known length", "Range: bytes=20-21,10-11", 100, 2},
        {"another unit", "Range: lines=1-2", 100, std::nullopt},
        {"malformed", "Range: bytes=2-1", std::nullopt, std::nullopt},
        {"two lines", "Range: bytes=1-2\nRange: bytes=1-2", std::nullopt, std::nullopt},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        CHECK(first_slice(request_of(row.request), 10, row.length) == row.first);
    }
}

TEST_CASE("what is the slice that was asked for") {
    struct Row {
        const char* name;
        std::string response;
        bool is_one;
    };
    const auto part = [](const std::string& range, const std::string& more) {
        return "206\nContent-Range: bytes " + range + "\n" + more;
    };
    const std::string strong = "ETag: \"1\"";
    const Row rows[] = {
        {"it is", part("10-19/100", strong + "\nContent-Length: 10"), true},
        {"the last one", part("10-14/15", strong + "\nContent-Length: 5"), true},
        {"the last one, as long as the others", part("10-19/20", strong + "\nContent-Length: 10"), true},
        {"shorter, and not the last one", part("10-14/100", strong + "\nContent-Length: 5"), false},
        {"longer", part("10-20/21", strong + "\nContent-Length: 11"), false},
        {"another one", part("20-29/100", strong + "\nContent-Length: 10"), false},
        {"one byte later", part("11-19/100", strong + "\nContent-Length: 9"), false},
        {"of unknown length", part("10-19/*", strong + "\nContent-Length: 10"), false},
        {"fewer bytes than it says", part("10-19/100", strong + "\nContent-Length: 9"), false},
        {"framed without a length", part("10-19/100", strong + "\nTransfer-Encoding: chunked"), false},
        {"a weak validator", part("10-19/100", "ETag: W/\"1\"\nContent-Length: 10"), false},
        {"a strong date", part("10-19/100", "Date: @0\nLast-Modified: @-9\nContent-Length: 10"), true},
        {"no validator", part("10-19/100", "Content-Length: 10"), false},
        {"the whole", "200\nETag: \"1\"\nContent-Length: 10", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const http::ResponseHead response = response_of(row.response);
        const auto framing = http::response_framing(response, http::Method::Get);
        REQUIRE(framing);
        CHECK(is_slice(response, *framing, response.fields, kArrival, {10, 1}) == row.is_one);
    }
}

TEST_CASE("the key of a slice is told apart from every other, and a purge sees the URL in it") {
    const std::string key = "rules|*\napi\nh\n/a\nq=1\naccept:x\n";
    const std::string slice = slice_key(key, {1024, 3}, "\"v\"");
    CHECK(slice != key);
    CHECK(slice != slice_key(key, {1024, 4}, "\"v\""));
    CHECK(slice != slice_key(key, {2048, 3}, "\"v\""));
    CHECK(slice != slice_key(key, {1024, 3}, "\"w\""));
    const KeyParts parts = split_cache_key(slice);
    CHECK(parts.authority == "h");
    CHECK(parts.path == "/a");
    CHECK(parts.query == "q=1");
    CHECK(parts.fields.starts_with("accept:x\n\n")); // an empty line is in no other key
}
