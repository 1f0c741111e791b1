// Lists, tokens and quoted strings.
#include "http/list_parser.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse::http;

using Members = std::vector<std::string_view>;

TEST_CASE("a list is split at commas outside quoted strings, without empty members") {
    struct Row {
        std::string_view text;
        Members members;
    };
    const Row rows[] = {
        {"", {}},
        {",", {}},
        {" , \t,", {}},
        {"a", {"a"}},
        {"a,b", {"a", "b"}},
        {" a ,\tb\t, c d ", {"a", "b", "c d"}},
        {",a,,b,", {"a", "b"}},
        {R"(a="b,c",d)", {R"(a="b,c")", "d"}},
        {R"(a="b\",c",d)", {R"(a="b\",c")", "d"}},
        {R"(a="b\\",d)", {R"(a="b\\")", "d"}},
        {R"(a\,b)", {R"(a\)", "b"}}, // a backslash means nothing outside quotes
        {R"("",x)", {R"("")", "x"}},
        {R"(a="open, b)", {R"(a="open, b)"}},
        {R"(a="open\)", {R"(a="open\)"}},
        {R"(")", {R"(")"}},
        {R"(a"b,c"d,e)", {R"(a"b,c"d)", "e"}},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        CHECK(split_list(row.text) == row.members);
    }
}

TEST_CASE("a quoted string does not reach into the next line") {
    Fields fields;
    fields.add("X", "a=\"open");
    fields.add("Y", "no");
    fields.add("x", "b, c");
    CHECK(list_members(fields, "X") == Members{"a=\"open", "b", "c"});
    CHECK(list_members(fields, "Z").empty());
}

TEST_CASE("a token is found in a list without case and only as a whole member") {
    Fields fields;
    fields.add("Connection", "keep-alive, Upgrade");
    fields.add("Connection", "CLOSE");
    CHECK(list_contains(fields, "connection", "close"));
    CHECK(list_contains(fields, "connection", "upgrade"));
    CHECK(!list_contains(fields, "connection", "keep"));
    CHECK(!list_contains(fields, "connection", ""));
    CHECK(!list_contains(fields, "Vary", "close"));
}

TEST_CASE("a directive is a token, and an argument when there is an equals sign") {
    struct Row {
        std::string_view member;
        std::string_view name;
        std::optional<std::string> argument;
        bool quoted;
    };
    const Row rows[] = {
        {"no-store", "no-store", std::nullopt, false},
        {"max-age=10", "max-age", "10", false},
        {"max-age=", "max-age", "", false},
        {"max-age=\"10\"", "max-age", "10", true},
        {"a=\"\"", "a", "", true},
        {R"(a="x\"y\\z")", "a", R"(x"y\z)", true},
        {"a=\"open", "a", "\"open", false},
        {"a=b=c", "a", "b=c", false},
        {"a= 1", "a", " 1", false},
        {"a=\"1\"x", "a", "\"1\"x", false},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.member));
        const auto directive = parse_directive(row.member);
        REQUIRE(directive);
        CHECK(directive->name == row.name);
        CHECK(directive->argument == row.argument);
        CHECK(directive->quoted == row.quoted);
    }
    for (const std::string_view member : {"", "=", "=1", "max-age =10", "a b", "\"a\"", "a;b=1", "a/b=1"}) {
        CAPTURE(std::string(member));
        CHECK(!parse_directive(member));
        CHECK(!split_directive(member));
    }
}

TEST_CASE("only a well-formed quoted string loses its quotes") {
    CHECK(unquote("\"\"") == "");
    CHECK(unquote("\"a b\t\xe4\"") == "a b\t\xe4");
    CHECK(unquote(R"("\a\"\\")") == R"(a"\)");
    for (const std::string_view text : {"", "\"", "a", "\"a", "a\"", R"("a"b")", R"("a\")", R"("\")", "\"a\nb\"",
                                        "\"a\x7f\"", "'a'"}) {
        CAPTURE(std::string(text));
        CHECK(!unquote(text));
    }
}

TEST_CASE("any bytes become a valid structured-field string") {
    CHECK(sf_string("") == "\"\"");
    CHECK(sf_string("a b") == "\"a b\"");
    CHECK(sf_string(R"(say "x\y")") == R"("say \"x\\y\"")");
    CHECK(sf_string("a\r\nb\t\x7f\xc3\xa4~") == "\"a??b????~\"");
}
