// Variants: what Vary nominates, and which requests are the same by it.
#include "cache/policy/variant.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;

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

TEST_CASE("an operator may say which names of Vary count, but for `*` (RFC 9111 section 4.1)") {
    const config::VaryRule all{true, {}};
    const config::VaryRule some{false, {"origin", "user-agent"}};
    struct Row {
        const char* lines;
        const char* without_all;
        const char* without_some;
    };
    const Row rows[] = {
        {"", "", ""},
        {"Vary: Origin", "", ""},
        {"Vary: ORIGIN, User-Agent", "", ""},
        {"Vary: Origin, Accept", "", "accept"},
        {"Vary: X-Origin", "", "x-origin"},
        {"Vary: Origin\nVary: B, a", "", "a,b"},
        {"Vary: *", "*", "*"},
        {"Vary: Origin, *", "*", "*"},
        {"Vary: Accept; Cookie", "*", "*"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.lines) {
            CHECK(nominated_names(fields_of(row.lines), all) == row.without_all);
            CHECK(nominated_names(fields_of(row.lines), some) == row.without_some);
            CHECK(nominated_names(fields_of(row.lines), {}) == nominated_names(fields_of(row.lines)));
        }
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

TEST_CASE("letters whose case means nothing are compared without it (RFC 9111 section 4.1)") {
    struct Row {
        const char* names;
        const char* stored;
        const char* presented;
        bool matches;
    };
    const Row rows[] = {
        {"accept-language", "Accept-Language: en, de", "Accept-Language: eN, De", true},
        {"accept-language", "Accept-Language: en;q=0.5", "Accept-Language: en;Q=0.5", true},
        {"accept-encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: GZip,BR", true},
        {"accept-charset", "Accept-Charset: utf-8", "Accept-Charset: UTF-8", true},
        {"accept-language", "Accept-Language: en, de", "Accept-Language: de, en", false},
        {"accept", "Accept: text/html", "Accept: TEXT/HTML", false}, // a parameter's value may depend on case
        {"cookie", "Cookie: a=b", "Cookie: a=B", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.presented);
        const std::string key = variant_key(row.names, fields_of(row.stored));
        CHECK(variant_matches(row.names, key, fields_of(row.presented)) == row.matches);
        CHECK((key == variant_key(row.names, fields_of(row.presented))) == row.matches);
    }
}

TEST_CASE("an operator may say how languages are matched") {
    using Matching = gatehouse::config::LanguageMatching;
    struct Row {
        const char* name;
        Matching matching;
        const char* language; // of the response
        const char* stored;
        const char* presented;
        bool matches;
    };
    const Row rows[] = {
        {"as sent: another order", Matching::AsSent, "de", "en, de", "de, en", false},
        {"as sent: preferred", Matching::AsSent, "de", "en, de", "de", false},
        {"any order: another order", Matching::AnyOrder, "de", "en, de", "de, en", true},
        {"any order: other weights", Matching::AnyOrder, "de", "en, de;q=0.5", "de, en;q=0.5", false},
        {"any order: preferred", Matching::AnyOrder, "de", "en, de", "de", false},
        {"preferred: another order", Matching::Preferred, "de", "en, de", "de, en", true},
        {"preferred: the same again", Matching::Preferred, "de", "en, de", "en, de", true},
        {"preferred: the response's language", Matching::Preferred, "de", "en, de", "fr;q=0.5, de;q=1.0", true},
        {"preferred: the response's language alone", Matching::Preferred, "de", "en, de", "DE", true},
        {"preferred: another language", Matching::Preferred, "de", "en, de", "fr, de;q=0.9", false},
        {"preferred: a part of the language", Matching::Preferred, "de-ch", "en, de", "de", false},
        {"preferred: equally preferred", Matching::Preferred, "de", "de", "fr, de", false},
        {"preferred: the response names none", Matching::Preferred, "", "en, de", "de", false},
        {"preferred: no text passes for a language", Matching::Preferred, "", "x@de~", "de", false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto stored = fields_of(std::string("Accept-Language: ") + row.stored + "\nFoo: 1");
            const auto presented = fields_of(std::string("Accept-Language: ") + row.presented + "\nFoo: 1");
            const auto other = fields_of(std::string("Accept-Language: ") + row.presented + "\nFoo: 2");
            const char* const names = "accept-language,foo";
            const std::string key = variant_key(names, stored, row.matching, row.language);
            CHECK(variant_matches(names, key, presented, row.matching) == row.matches);
            CHECK(variant_matches(names, key, stored, row.matching));
            CHECK_FALSE(variant_matches(names, key, other, row.matching));
            CHECK_FALSE(variant_matches(names, key, fields_of("Foo: 1"), row.matching));
        }
    }
}

TEST_CASE("what was stored under another rule for languages matches only what that rule shares") {
    using Matching = gatehouse::config::LanguageMatching;
    const auto request = fields_of("Accept-Language: de");
    const auto key = [&](Matching matching) { return variant_key("accept-language", request, matching, "de"); };
    CHECK_FALSE(variant_matches("accept-language", key(Matching::AnyOrder), request, Matching::AsSent));
    CHECK_FALSE(variant_matches("accept-language", key(Matching::Preferred), request, Matching::AsSent));
    CHECK_FALSE(variant_matches("accept-language", key(Matching::AsSent), request, Matching::Preferred));
    CHECK(variant_matches("accept-language", key(Matching::Preferred), request, Matching::AnyOrder));
    const auto prefers = fields_of("Accept-Language: de, fr;q=0.1");
    CHECK_FALSE(variant_matches("accept-language", key(Matching::Preferred), prefers, Matching::AnyOrder));
    CHECK(variant_matches("accept-language", key(Matching::Preferred), prefers, Matching::Preferred));
}
