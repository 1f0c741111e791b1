// Character classes and comparisons without case.
#include "http/ascii.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace gatehouse::http;

TEST_CASE("names are compared without the case of ASCII letters and nothing else") {
    struct Row {
        std::string_view a;
        std::string_view b;
        bool equal;
    };
    const Row rows[] = {
        {"", "", true},
        {"a", "A", true},
        {"Host", "hOST", true},
        {"Host", "Hosts", false},
        {"Content-Length", "content-length", true},
        {"Content-Length", "content-lengtg", false},
        {"If-Modified-Since", "IF-MODIFIED-SINCE", true},
        {"abcdefgh", "ABCDEFGH", true},
        {"abcdefg", "ABCDEFG", true},
        {"abcdefghi", "ABCDEFGHI", true},
        {"@bcdefgh", "`bcdefgh", false}, // one below the letters
        {"[bcdefgh", "{bcdefgh", false}, // one above
        {"@", "`", false},
        {"[", "{", false},
        {"Zzzzzzzz", "zZZZZZZZ", true},
        {"\xc1zzzzzzz", "\xe1zzzzzzz", false}, // Latin-1 letters are no ASCII letters
        {"-_______", "\r_______", false},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.a));
        CAPTURE(std::string(row.b));
        CHECK(iequals(row.a, row.b) == row.equal);
        CHECK(iequals(row.b, row.a) == row.equal);
    }
}

TEST_CASE("comparing eight bytes at once agrees with comparing each byte") {
    for (int i = 0; i < 256; ++i) {
        for (int j = 0; j < 256; ++j) {
            const std::string a(8, static_cast<char>(i));
            const std::string b(8, static_cast<char>(j));
            const bool same = to_lower(a[0]) == to_lower(b[0]);
            if (iequals(a, b) != same) {
                FAIL("bytes " << i << " and " << j);
            }
        }
    }
}

TEST_CASE("texts of every size differ when one character does, and not when only cases do") {
    for (std::size_t size = 1; size < 35; ++size) {
        const std::string a(size, 'q');
        for (std::size_t at = 0; at < size; ++at) {
            CAPTURE(size);
            CAPTURE(at);
            std::string b = a;
            b[at] = 'Q';
            CHECK(iequals(a, b));
            b[at] = 'r';
            CHECK_FALSE(iequals(a, b));
        }
    }
}

TEST_CASE("lower changes ASCII letters only") {
    CHECK(lower("AZaz@[`{09-\xC4") == "azaz@[`{09-\xC4");
    CHECK(lower("").empty());
}

TEST_CASE("a token has the characters of RFC 9110 section 5.6.2 and at least one") {
    const std::string_view marks = "!#$%&'*+-.^_`|~";
    for (int i = 0; i < 256; ++i) {
        const char c = static_cast<char>(i);
        const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        CAPTURE(i);
        CHECK(is_token_char(c) == (alphanumeric || marks.find(c) != std::string_view::npos));
        CHECK(is_token(std::string("name") + c) == is_token_char(c));
    }
    CHECK(!is_token(""));
    CHECK(is_token("x"));
}

TEST_CASE("a field value has no control characters but HTAB") {
    for (int i = 0; i < 256; ++i) {
        const char c = static_cast<char>(i);
        CAPTURE(i);
        CHECK(is_field_value(std::string("a") + c + "b") == (i == 9 || (i >= 32 && i != 127)));
    }
    CHECK(is_field_value(""));
}

TEST_CASE("optional white space is SP and HTAB at both ends") {
    struct Row {
        std::string_view text;
        std::string_view trimmed;
    };
    const Row rows[] = {{"", ""},      {" ", ""},      {" \t \t", ""},           {"a", "a"},
                        {" a\t", "a"}, {"a b", "a b"}, {"\t a \t b ", "a \t b"}, {"\ra\n", "\ra\n"},
                        {"\va", "\va"}};
    for (const Row& row : rows) {
        CHECK(trim_ows(row.text) == row.trimmed);
    }
}

TEST_CASE("digits are read up to 2^64-1 and saturate there") {
    constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
    CHECK(parse_digits("0") == 0);
    CHECK(parse_digits("00010") == 10);
    CHECK(parse_digits("18446744073709551614") == kMax - 1);
    CHECK(parse_digits("18446744073709551615") == kMax);
    CHECK(parse_digits("18446744073709551616") == kMax);
    CHECK(parse_digits("99999999999999999999999999") == kMax);
    for (const std::string_view text : {"", "+1", "-1", " 1", "1 ", "1.0", "0x1", "1e3", "1,1", "\xd9\xa1"}) {
        CAPTURE(std::string(text));
        CHECK(!parse_digits(text));
    }
}

TEST_CASE("the characters of tokens and of field values that a text begins with are counted, at every byte and place") {
    const auto reference = [](std::string_view text, auto is_one) {
        std::size_t size = 0;
        while (size < text.size() && is_one(text[size])) {
            ++size;
        }
        return size;
    };
    const auto in_value = [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return c == '\t' || (byte >= ' ' && byte != 0x7f);
    };
    const auto in_token = [](char c) { return is_token_char(c); };
    const auto is_visible = [&](char c) { return in_value(c) && c != ' ' && c != '\t'; };
    for (std::size_t size = 0; size < 35; ++size) {
        for (std::size_t at = 0; at <= size; ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string text(size, 'a');
                text.insert(at, 1, static_cast<char>(byte));
                CAPTURE(text);
                REQUIRE(token_prefix(text) == reference(text, in_token));
                REQUIRE(visible_prefix(text) == reference(text, is_visible));
                text.insert(at / 2, 1, '\t');
                REQUIRE(field_value_prefix(text) == reference(text, in_value));
                REQUIRE(is_field_value(text) == (reference(text, in_value) == text.size()));
                REQUIRE(token_prefix(text) == reference(text, in_token));
            }
        }
    }
}
