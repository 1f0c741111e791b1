// Weights of preferences (RFC 9110 section 12.4.2).
#include "http/weight.h"

#include <doctest/doctest.h>

#include <optional>
#include <string_view>

using namespace gatehouse::http;

TEST_CASE("a weight is a number up to one with at most three digits behind the point") {
    struct Row {
        std::string_view text;
        std::optional<int> weight;
    };
    const Row rows[] = {
        {"1", 1000},    {"0", 0},     {"1.", 1000},  {"0.", 0},      {"1.000", 1000}, {"0.5", 500},
        {"0.125", 125}, {"0.001", 1}, {"1.001", {}}, {"0.1234", {}}, {"", {}},        {"2", {}},
        {".5", {}},     {"-0.5", {}}, {"0,5", {}},   {"0.5x", {}},   {"00", {}},      {"1 ", {}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(parse_weight(row.text) == row.weight);
    }
}

TEST_CASE("a weighted member is a value with no parameter but its weight") {
    struct Row {
        std::string_view member;
        std::string_view value; // "-": malformed
        int weight;
    };
    const Row rows[] = {
        {"br", "br", 1000},         {"br;q=0.5", "br", 500}, {" br ; Q=0 ", "br", 0}, {"*;q=1", "*", 1000},
        {"de ;q=0.125", "de", 125}, {";q=1", "-", 0},        {"br;q", "-", 0},        {"br;x=1", "-", 0},
        {"br;q=2", "-", 0},         {"br;q=1;x", "-", 0},    {"br;", "-", 0},         {"", "-", 0},
    };
    for (const Row& row : rows) {
        CAPTURE(row.member);
        const auto parsed = parse_weighted_member(row.member);
        REQUIRE(parsed.has_value() == (row.value != "-"));
        if (parsed) {
            CHECK(parsed->value == row.value);
            CHECK(parsed->weight == row.weight);
        }
    }
}
