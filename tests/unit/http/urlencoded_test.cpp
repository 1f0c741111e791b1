// Queries to names and values, and back.
#include "http/urlencoded.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::http;

TEST_CASE("names and values are decoded as the URL standard does") {
    struct Row {
        const char* name;
        std::string text;
        std::string decoded;
    };
    const Row rows[] = {
        {"nothing", "", ""},
        {"plain", "abc", "abc"},
        {"plus", "a+b", "a b"},
        {"encoded plus", "a%2Bb", "a+b"},
        {"lower-case digits", "%c3%a9", "\xC3\xA9"},
        {"percent alone", "%", "%"},
        {"percent and one digit", "%4", "%4"},
        {"percent and no digits", "%zz1", "%zz1"},
        {"percent and half a number", "%4z", "%4z"},
        {"percent twice", "%2541", "%41"},
        {"bytes as they are", "\xC3\xA9", "\xC3\xA9"},
        {"nul", "a%00b", std::string("a\0b", 3)},
        {"no UTF-8", "%F6", "\xEF\xBF\xBD"},
        {"cut off after two of three", "%E2%82", "\xEF\xBF\xBD"},
        {"cut off by a letter", "%E2%82x", "\xEF\xBF\xBDx"},
        {"each byte alone", "%80%80", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"longer form than needed", "%C0%AF", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"longer form of three", "%E0%9F%BF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"shortest of three", "%E0%A0%80", "\xE0\xA0\x80"},
        {"last before the surrogates", "%ED%9F%BF", "\xED\x9F\xBF"},
        {"surrogate", "%ED%A0%80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"longer form of four", "%F0%8F%BF%BF", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"first of four", "%F0%90%80%80", "\xF0\x90\x80\x80"},
        {"the last character", "%F4%8F%BF%BF", "\xF4\x8F\xBF\xBF"},
        {"above it", "%F4%90%80%80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"byte order mark", "%EF%BB%BFa",
         "\xEF\xBB\xBF"
         "a"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { CHECK(decode_urlencoded(row.text) == row.decoded); }
    }
}

TEST_CASE("a query is split at each &, and each piece at its first =") {
    struct Row {
        const char* query;
        std::vector<QueryParameter> parameters;
    };
    const Row rows[] = {
        {"", {}},
        {"&", {}},
        {"a", {{"a", ""}}},
        {"a=", {{"a", ""}}},
        {"=", {{"", ""}}},
        {"=b", {{"", "b"}}},
        {"a=b", {{"a", "b"}}},
        {"a=b=c", {{"a", "b=c"}}},
        {"a=b&&&", {{"a", "b"}}},
        {"&a=b", {{"a", "b"}}},
        {"a=1&b=2&a=3", {{"a", "1"}, {"b", "2"}, {"a", "3"}}},
        {"%61=%78", {{"a", "x"}}},
        {"a%3Db=c%26d", {{"a=b", "c&d"}}},
        {"a;b=c", {{"a;b", "c"}}},
    };
    for (const Row& row : rows) {
        SUBCASE(row.query) { CHECK(parse_query(row.query) == row.parameters); }
    }
}

TEST_CASE("what is written is read as the same") {
    CHECK(write_query({}) == "");
    CHECK(write_query({{"", ""}}) == "=");
    CHECK(write_query({{"a", ""}, {"b", "c d"}, {"e=", "&\n?"}}) == "a=&b=c%20d&e%3D=%26%0A%3F");
    CHECK(write_query({{"\xC3\xA9", "-._~"}}) == "%C3%A9=-._~");
    for (const char* query : {"", "a", "a=b&c=d", "%F6=%00", "a+b=c%2Bd", "=&=", "%ED%A0%80&%%%"}) {
        CAPTURE(query);
        const auto parameters = parse_query(query);
        CHECK(parse_query(write_query(parameters)) == parameters);
    }
}
