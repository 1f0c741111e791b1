// Entity tags and their two comparisons.
#include "http/entity_tag.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::http;

TEST_CASE("an entity tag is quoted, with or without W/") {
    struct Row {
        std::string_view text;
        std::string_view opaque;
        bool weak;
    };
    const Row rows[] = {
        {"\"\"", "\"\"", false},          {"\"a\"", "\"a\"", false},        {"W/\"a\"", "\"a\"", true},
        {"\"a,b\"", "\"a,b\"", false},    {"\"a\\\"", "\"a\\\"", false},    {"\"\xe4\"", "\"\xe4\"", false},
        {"\"!#~\"", "\"!#~\"", false},    {"W/\"\"", "\"\"", true},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        const auto tag = parse_entity_tag(row.text);
        REQUIRE(tag);
        CHECK(tag->opaque == row.opaque);
        CHECK(tag->weak == row.weak);
    }
    for (const std::string_view text : {"", "\"", "a", "*", "W/", "W/\"", "W/a", "w/\"a\"", "W\"a\"", "\"a", "a\"",
                                        "\"a\"b", "\"a\" ", " \"a\"", "\"a b\"", "\"a\tb\"", "\"a\x7f\"", "\"a\",\"b\"",
                                        "'a'"}) {
        CAPTURE(std::string(text));
        CHECK(!parse_entity_tag(text));
    }
}

TEST_CASE("tags compare as the table of RFC 9110 section 8.8.3.2 says") {
    struct Row {
        std::string_view a;
        std::string_view b;
        bool strong;
        bool weak;
    };
    const Row rows[] = {
        {"W/\"1\"", "W/\"1\"", false, true},
        {"W/\"1\"", "W/\"2\"", false, false},
        {"W/\"1\"", "\"1\"", false, true},
        {"\"1\"", "W/\"1\"", false, true},
        {"\"1\"", "\"1\"", true, true},
        {"\"a\"", "\"A\"", false, false},
    };
    for (const Row& row : rows) {
        const auto a = parse_entity_tag(row.a);
        const auto b = parse_entity_tag(row.b);
        REQUIRE(a);
        REQUIRE(b);
        CHECK(strong_match(*a, *b) == row.strong);
        CHECK(weak_match(*a, *b) == row.weak);
    }
}

TEST_CASE("a list of tags leaves malformed members out and knows a lone star") {
    struct Row {
        std::string_view text;
        bool any;
        std::string_view tags; // joined with a space
    };
    const Row rows[] = {
        {"", false, ""},
        {" , ,", false, ""},
        {"*", true, ""},
        {" * ", true, ""},
        {"*, \"a\"", false, "\"a\""},
        {"\"*\"", false, "\"*\""},
        {"\"a\"", false, "\"a\""},
        {"\"a\",W/\"b\" , \"c\"", false, "\"a\" W/\"b\" \"c\""},
        {"\"a,b\",\"c\\\",\"d\"", false, "\"a,b\" \"c\\\" \"d\""},
        {"a, \"b\"", false, "\"b\""},
        {"\"a\"x, \"b\"", false, "\"b\""},
        {"\"a\" \"x\", \"b\"", false, "\"b\""},
        {"\"a b\", \"c\"", false, "\"c\""},
        {"\"a b, \"c\", \"d\"", false, "\"d\""},
        {"\"open, b", false, ""},
        {"W/, \"b\"", false, "\"b\""},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        const EntityTagList list = parse_entity_tag_list(row.text);
        CHECK(list.any == row.any);
        std::string joined;
        for (const EntityTag& tag : list.tags) {
            joined += (joined.empty() ? "" : " ");
            joined += (tag.weak ? "W/" : "");
            joined += tag.opaque;
        }
        CHECK(joined == row.tags);
    }
}
