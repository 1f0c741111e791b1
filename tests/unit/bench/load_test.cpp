// The parts of the load generator that decide what its figures mean.
#include "bench/load/percentile.h"
#include "bench/load/requests.h"
#include "bench/load/response_reader.h"

#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

using namespace gatehouse::bench;

TEST_CASE("a percentile is the smallest value that so many percent of the values do not exceed") {
    struct Row {
        std::size_t count; // of the values 1, 2, 3 and so on
        double percent;
        int expected;
    };
    const Row rows[] = {
        {0, 50, 0},    {1, 50, 1},       {1, 99.9, 1},      {2, 50, 1},          {3, 50, 2},          {100, 0, 1},
        {100, 99, 99}, {100, 99.9, 100}, {1000, 99.9, 999}, {1000, 99.91, 1000}, {10000, 99.9, 9990}, {100, 100, 100},
    };
    for (const Row& row : rows) {
        CAPTURE(row.count);
        CAPTURE(row.percent);
        std::vector<int> values(row.count);
        std::iota(values.rbegin(), values.rend(), 1);
        CHECK(percentile(values, row.percent) == row.expected);
    }
}

TEST_CASE("numbers of a power law come as often as it says") {
    const Zipf zipf(4, 1.0); // 1, 1/2, 1/3 and 1/4 of 25/12
    struct Row {
        double chance;
        std::uint64_t number;
    };
    const Row rows[] = {{0.0, 0},    {0.4799, 0}, {0.4801, 1}, {0.7199, 1},
                        {0.7201, 2}, {0.8799, 2}, {0.8801, 3}, {0.99999999, 3}};
    for (const Row& row : rows) {
        CAPTURE(row.chance);
        CHECK(zipf.number_at(row.chance) == row.number);
    }
}

TEST_CASE("a path's pattern is replaced by numbers, each server having the same ones") {
    Requests fixed("/a");
    std::string text;
    fixed.append_next(text);
    CHECK(text.starts_with("GET /a HTTP/1.1\r\n"));

    Requests next("/1/{next:7}/x", {"Range: bytes=0-1"});
    text.clear();
    next.append_next(text);
    CHECK(text.starts_with("GET /1/7/x HTTP/1.1\r\n"));
    CHECK(text.ends_with("\r\nRange: bytes=0-1\r\n\r\n"));
    CHECK(next.next_number() == 8);

    Requests cycle("/{cycle:2}");
    CHECK(cycle.next_number() == 0);
    CHECK(cycle.next_number() == 1);
    CHECK(cycle.next_number() == 0);

    Requests one("/{zipf:1000:0.9:3}");
    Requests same = one;
    Requests other("/{zipf:1000:0.9:4}");
    std::vector<std::uint64_t> numbers[3];
    for (int i = 0; i < 20; ++i) {
        numbers[0].push_back(one.next_number());
        numbers[1].push_back(same.next_number());
        numbers[2].push_back(other.next_number());
    }
    CHECK(numbers[0] == numbers[1]);
    CHECK(numbers[0] != numbers[2]);
}

TEST_CASE("the ends of responses are found wherever they are cut") {
    const std::string responses = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
                                  "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length:0\r\n\r\n"
                                  "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n0123\r\n\r\n4567";
    for (std::size_t cut = 0; cut <= responses.size(); ++cut) {
        CAPTURE(cut);
        ResponseReader reader(200);
        const std::size_t complete =
            reader.take(responses.substr(0, cut)) + reader.take(std::string_view(responses).substr(cut));
        CHECK(complete == 3);
        CHECK(reader.error().empty());
        CHECK(reader.missing() == 0);
    }
}

TEST_CASE("a response that is not the expected one is an error") {
    ResponseReader other(200);
    CHECK(other.take("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") == 0);
    CHECK(other.error() == "answered HTTP/1.1 404 Not Found");

    ResponseReader unmodified(304);
    CHECK(unmodified.take("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n") == 1);
    CHECK(unmodified.error().empty());

    ResponseReader endless(200);
    CHECK(endless.take("HTTP/1.1 200 OK\r\n\r\n") == 0);
    CHECK(endless.error() == "sent a response without Content-Length");
}
