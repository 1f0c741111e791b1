// "Did you mean": which known word a mistyped one is taken for.
#include "config/suggest.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse::config;

TEST_CASE("edit_distance counts edits and neighbours that changed places") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("max_ttl", "max_ttl") == 0);
    CHECK(edit_distance("max_tll", "max_ttl") == 1);
    CHECK(edit_distance("mxa_ttl", "max_ttl") == 1);
    CHECK(edit_distance("max_tt", "max_ttl") == 1);
    CHECK(edit_distance("max-TTL", "max_ttl") == 0);
    CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("closest takes the nearest word within a third of the length") {
    const std::vector<std::string> known{"min_ttl", "max_ttl", "default_ttl", "key"};
    CHECK(closest("max_tll", known) == "max_ttl");
    CHECK(closest("min-ttl", known) == "min_ttl");
    CHECK(closest("deflt_tl", known) == "default_ttl");
    CHECK(closest("kex", known) == "key");
    CHECK_FALSE(closest("xex", known).has_value());
    CHECK_FALSE(closest("zzz", known).has_value());
    CHECK_FALSE(closest("", known).has_value());
    CHECK_FALSE(closest(std::string(65, 'x'), {std::string(65, 'x')}).has_value());
    CHECK_FALSE(closest("a", {"b"}).has_value());
}

TEST_CASE("did_you_mean falls back on what exists, and shows only so much of it") {
    CHECK(did_you_mean("apii", {"api", "web"}, "; there are: ") == "; did you mean api?");
    CHECK(did_you_mean("zzz", {"api", "web"}, "; there are: ") == "; there are: api, web");
    CHECK(did_you_mean("zzz", {}, "; there are: ").empty());
    const std::vector<std::string> many(21, "name");
    const std::string text = did_you_mean("zzz", many, "");
    CHECK(text.size() == 20 * 6 + 3);
    CHECK(text.substr(text.size() - 5) == ", ...");
}
