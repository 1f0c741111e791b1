// Structured Fields: limits and corners. The public vectors: structured_field_vectors_test.cpp.
#include "http/structured_fields.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>

using namespace gatehouse::http::structured;

namespace {

std::string repeated(std::size_t count, const std::string& text, const std::string& separator) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        all += (i == 0 ? "" : separator) + text;
    }
    return all;
}

std::string numbered_keys(std::size_t count, const std::string& separator) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        all += (i == 0 ? "" : separator) + "a" + std::to_string(i);
    }
    return all;
}

const BareItem& bare(const Member& member) { return std::get<Item>(member).value; }

} // namespace

TEST_CASE("a list, a dictionary, an inner list and parameters have at most as many members as RFC 9651 asks for") {
    CHECK(parse_list(repeated(kMaxMembers, "1", ",")));
    CHECK_FALSE(parse_list(repeated(kMaxMembers + 1, "1", ",")));
    CHECK(parse_dictionary(numbered_keys(kMaxMembers, ",")));
    CHECK_FALSE(parse_dictionary(numbered_keys(kMaxMembers + 1, ",")));
    CHECK_FALSE(parse_dictionary(repeated(kMaxMembers + 1, "a", ","))); // equal keys are counted as well
    CHECK(parse_list("(" + repeated(kMaxInnerItems, "1", " ") + ")"));
    CHECK_FALSE(parse_list("(" + repeated(kMaxInnerItems + 1, "1", " ") + ")"));
    CHECK(parse_item("1;" + numbered_keys(kMaxParameters, ";")));
    CHECK_FALSE(parse_item("1;" + numbered_keys(kMaxParameters + 1, ";")));
}

TEST_CASE("a field text has at most kMaxTextBytes bytes") {
    const std::string at_limit = '"' + std::string(kMaxTextBytes - 2, 'x') + '"';
    CHECK(parse_item(at_limit));
    CHECK_FALSE(parse_item(at_limit + " "));
    CHECK(parse_list(at_limit));
    CHECK_FALSE(parse_list(at_limit + " "));
    const std::string dictionary = "a=\"" + std::string(kMaxTextBytes - 4, 'x') + '"';
    CHECK(parse_dictionary(dictionary));
    CHECK_FALSE(parse_dictionary(dictionary + " "));
}

TEST_CASE("of equal keys the last value counts, at the place of the first") {
    const auto dictionary = parse_dictionary("b=1;x, a=2, b=(3);y;y=?0");
    REQUIRE(dictionary);
    REQUIRE(dictionary->size() == 2);
    CHECK((*dictionary)[0].key == "b");
    const auto& list = std::get<InnerList>((*dictionary)[0].value);
    CHECK(list.items == std::vector<Item>{{std::int64_t{3}, {}}});
    CHECK(list.parameters == Parameters{{"y", false}});
    CHECK((*dictionary)[1].key == "a");
    CHECK(find(*dictionary, "a") == &(*dictionary)[1].value);
    CHECK(find(*dictionary, "A") == nullptr);
}

TEST_CASE("every type of item is read as what it is") {
    const auto list = parse_list("1, -1.5, \"a\\\"\\\\\", a/b:c, :aGk=:, ?0, @-1, %\"%c3%a4\"");
    REQUIRE(list);
    REQUIRE(list->size() == 8);
    CHECK(bare((*list)[0]) == BareItem(std::int64_t{1}));
    CHECK(bare((*list)[1]) == BareItem(Decimal{-1500}));
    CHECK(bare((*list)[2]) == BareItem(std::string("a\"\\")));
    CHECK(bare((*list)[3]) == BareItem(Token{"a/b:c"}));
    CHECK(bare((*list)[4]) == BareItem(ByteSequence{"hi"}));
    CHECK(bare((*list)[5]) == BareItem(false));
    CHECK(bare((*list)[6]) == BareItem(Date{-1}));
    CHECK(bare((*list)[7]) == BareItem(DisplayString{"\xc3\xa4"}));
    CHECK(serialise(*list) == "1, -1.5, \"a\\\"\\\\\", a/b:c, :aGk=:, ?0, @-1, %\"%c3%a4\"");
}

TEST_CASE("base64 without a whole last byte, or padded in the wrong place, is no byte sequence") {
    struct Row {
        const char* text;
        bool is_read;
    };
    const Row rows[] = {{"::", true},          {":YQ==:", true},     {":YQ:", true},   {":YWI=:", true},
                        {":YWI:", true},       {":YWJj:", true},     {":Y:", false},   {":YWJjY:", false},
                        {":=:", false},        {":====:", false},    {":YQ=:", false}, {":Y===:", false},
                        {":YQ==YQ==:", false}, {":YWJj====:", false}};
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(parse_item(row.text).has_value() == row.is_read);
    }
}

TEST_CASE("a display string is UTF-8 to the letter of RFC 3629") {
    struct Row {
        const char* bytes;
        bool is_read;
    };
    const Row rows[] = {
        {"%7f", true},           {"%c2%80", true},        {"%c1%bf", false},       {"%80", false},
        {"%e0%a0%80", true},     {"%e0%9f%bf", false},    {"%ed%9f%bf", true},     {"%ed%a0%80", false},
        {"%ef%bf%bf", true},     {"%f0%90%80%80", true},  {"%f0%8f%bf%bf", false}, {"%f4%8f%bf%bf", true},
        {"%f4%90%80%80", false}, {"%f5%80%80%80", false}, {"%e2%82", false},       {"%c3", false},
        {"%e2%82%41", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.bytes);
        CHECK(parse_item("%\"" + std::string(row.bytes) + "\"").has_value() == row.is_read);
    }
}

TEST_CASE("what has no form is not written") {
    CHECK_FALSE(serialise(Item{kMaxInteger + 1, {}}));
    CHECK_FALSE(serialise(Item{-kMaxInteger - 1, {}}));
    CHECK(serialise(Item{-kMaxInteger, {}}) == "-999999999999999");
    CHECK_FALSE(serialise(Item{Decimal{kMaxInteger + 1}, {}}));
    CHECK(serialise(Item{Decimal{kMaxInteger}, {}}) == "999999999999.999");
    CHECK_FALSE(serialise(Item{Date{kMaxInteger + 1}, {}}));
    CHECK_FALSE(serialise(Item{std::string("a\n"), {}}));
    CHECK_FALSE(serialise(Item{Token{""}, {}}));
    CHECK_FALSE(serialise(Item{Token{"1a"}, {}}));
    CHECK_FALSE(serialise(Item{DisplayString{"\xff"}, {}}));
    CHECK_FALSE(serialise(Item{true, {{"A", true}}}));
    CHECK_FALSE(serialise(Item{true, {{"a", Token{" "}}}}));
    CHECK_FALSE(serialise(Dictionary{{"", Item{true, {}}}}));
    CHECK_FALSE(serialise(List{InnerList{{Item{Token{"?"}, {}}}, {}}}));
    CHECK(serialise(List{}) == "");
}

TEST_CASE("random texts are read or refused, and what is read is written to a text that reads the same") {
    constexpr unsigned kSeed = 9651;
    constexpr std::string_view kPieces = "aZ*09-.,;= ()\"\\:?@%c3/_\t\x7f\xc3";
    std::mt19937 engine(kSeed);
    int read = 0;
    for (int round = 0; round < 60'000; ++round) {
        std::string text;
        for (std::size_t size = engine() % 12; size > 0; --size) {
            text += kPieces[engine() % kPieces.size()];
        }
        CAPTURE(text);
        if (const auto list = parse_list(text)) {
            const auto written = serialise(*list);
            REQUIRE(written);
            CHECK(parse_list(*written) == list);
            ++read;
        }
        if (const auto dictionary = parse_dictionary(text)) {
            const auto written = serialise(*dictionary);
            REQUIRE(written);
            CHECK(parse_dictionary(*written) == dictionary);
            ++read;
        }
        if (const auto item = parse_item(text)) {
            const auto written = serialise(*item);
            REQUIRE(written);
            CHECK(parse_item(*written) == item);
            ++read;
        }
    }
    CHECK(read > 5'000);
}
