// Variants: what Vary nominates, and which requests are the same by it.
#include "cache/policy/variant.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;

TEST_CASE("the names that Vary nominates (RFC 9110 section 12.5.5)") {
    struct Row {
        const char* lines;
        const char* names;
    };
    const Row rows[] = {
        {"", ""},
        {"Vary: ", ""},
        {"Vary: ,", ""},
        {"Vary: Accept", "accept"},
        {"Vary: B, a", "a,b"},
        {"Vary: Foo\nVary: Bar", "bar,foo"},
        {"Vary: Foo, foo, FOO", "foo"},
        {"Vary: *", "*"},
        {"Vary: *, *", "*"},
        {"Vary: , *", "*"},
        {"Vary: \nVary: *", "*"},
        {"Vary: *, Foo", "*"},
        {"Vary: Foo, *", "*"},
        {"Vary: Accept; Cookie", "*"}, // no field name: nothing that could be compared
        {"Vary: \"Foo\"", "*"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.lines) { CHECK(nominated_names(fields_of(row.lines)) == row.names); }
    }
}

TEST_CASE("which requests select the same variant (RFC 9111 section 4.1)") {
    struct Row {
        const char* names;
        const char* stored;
        const char* presented;
        bool matches;
    };
    const Row rows[] = {
        {"", "Foo: 1", "Foo: 2", true},
        {"foo", "Foo: 1", "foo: 1", true},
        {"foo", "Foo: 1", "Foo: 2", false},
        {"foo", "Foo: a", "Foo: A", false},
        {"foo", "", "", true},
        {"foo", "", "Foo: ", false}, // missing and empty differ
        {"foo", "Foo: ", "", false},
        {"foo", "Foo: ", "Foo: ", true},
        {"foo", "Foo: -", "", false},
        {"foo", "Bar: 1", "Bar: 2", true},
        {"bar,foo", "Foo: 1\nBar: 2", "Bar: 2\nFoo: 1", true},
        {"bar,foo", "Foo: 1\nBar: 2", "Foo: 2\nBar: 1", false},
        {"bar,foo", "Foo: 1", "Bar: 1", false},
        // Several lines are one value.
        {"foo", "Foo: 1\nFoo: 2", "Foo: 1, 2", true},
        {"foo", "Foo: 1\nFoo: 2", "Foo: 2\nFoo: 1", false},
        {"foo", "Foo: 1\nFoo: 2", "Foo: 1", false},
        // White space around commas means nothing in a list, elsewhere it does.
        {"foo", "Foo: 1,2", "Foo: 1 ,\t2", true},
        {"foo", "Foo: 1 2", "Foo: 12", false},
        {"foo", "Foo: 1  2", "Foo: 1 2", false},
        {"foo", "Foo: \"a, b\"", "Foo: \"a,b\"", false},
        {"foo", "Foo: \"a\\\" , b\", c", "Foo: \"a\\\" , b\",c", true},
        {"foo", "Foo: \"a\\\" , b\"", "Foo: \"a\\\",b\"", false},
        {"foo", "Foo: \"a\" , b", "Foo: \"a\",b", true},
        {"foo", "Foo: , a", "Foo: ,a", true},
        {"user-agent", "User-Agent: x (KHTML, like y)", "User-Agent: x (KHTML,like y)", false},
        {"cookie", "Cookie: a=1, 2", "Cookie: a=1,2", false},
        {"cookie", "Cookie: a=1\nCookie: b=2", "Cookie: a=1\nCookie: b=2", true},
        // One name's value cannot reach into another's.
        {"a,b", "A: x\nB: y", "A: x=y", false},
        {"*", "Foo: 1", "Foo: 1", false},
    };
    for (const Row& row : rows) {
        const std::string name = std::string(row.names) + " | " + row.stored + " | " + row.presented;
        SUBCASE(name.c_str()) {
            const std::string key = variant_key(row.names, fields_of(row.stored));
            CHECK(variant_matches(row.names, key, fields_of(row.presented)) == row.matches);
            // The comparison in place and the text agree.
            if (std::string_view(row.names) != "*") {
                CHECK((key == variant_key(row.names, fields_of(row.presented))) == row.matches);
            }
        }
    }
    CHECK(variant_key("", fields_of("Foo: 1")).empty());
}

TEST_CASE("a key that is longer or shorter than the request's does not match") {
    const auto fields = fields_of("Foo: 1");
    const std::string key = variant_key("foo", fields);
    CHECK(variant_matches("foo", key, fields));
    CHECK_FALSE(variant_matches("foo", key + "x", fields));
    CHECK_FALSE(variant_matches("foo", key.substr(0, key.size() - 1), fields));
    CHECK_FALSE(variant_matches("foo", "", fields));
}
