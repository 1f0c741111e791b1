// Accept-Language as part of a variant.
#include "cache/policy/language.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;

TEST_CASE("languages without their order") {
    struct Row {
        const char* lines;
        const char* text;
    };
    const Row rows[] = {
        {"", ""},
        {"Accept-Language: ", ""},
        {"Accept-Language: en", "en"},
        {"Accept-Language: en, de", "de,en"},
        {"Accept-Language: de, en", "de,en"},
        {"Accept-Language: eN , De", "de,en"},
        {"Accept-Language: de\nAccept-Language: en", "de,en"},
        {"Accept-Language: en ; q=0.5 ,de", "de,en;q=0.5"},
        {"Accept-Language: de;q=0.5, en", "de;q=0.5,en"}, // other weights: another wish
        {"Accept-Language: de, de", "de,de"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.lines) { CHECK(unordered_languages(fields_of(row.lines)) == row.text); }
    }
}

TEST_CASE("the one language that is preferred (RFC 9110 section 12.5.4)") {
    struct Row {
        const char* lines;
        const char* language; // empty: none
    };
    const Row rows[] = {
        {"", ""},
        {"Accept-Language: ", ""},
        {"Accept-Language: de", "de"},
        {"Accept-Language: DE-ch", "de-ch"},
        {"Accept-Language: fr;q=0.5, de;q=1.0", "de"},
        {"Accept-Language: de;q=1.000, fr;q=0.999", "de"},
        {"Accept-Language: de; Q=0.2 , fr ;q=0.1", "de"},
        {"Accept-Language: de;q=0.3\nAccept-Language: fr;q=0.4", "fr"},
        {"Accept-Language: *;q=0.5, de", "de"},
        {"Accept-Language: de;q=0.001", "de"},
        {"Accept-Language: en, de", ""},              // equally preferred
        {"Accept-Language: en;q=0.5, de;q=0.50", ""}, // likewise
        {"Accept-Language: en;q=0.5, de;q=0.5, fr", "fr"},
        {"Accept-Language: *", ""},
        {"Accept-Language: *, de;q=0.5", ""},
        {"Accept-Language: de;q=0", ""},
        {"Accept-Language: de;q=0, fr;q=0.0", ""},
        {"Accept-Language: de;q=1.001", ""}, // invalid: nothing is known
        {"Accept-Language: de;q=1.0000", ""},
        {"Accept-Language: de;q=2", ""},
        {"Accept-Language: de;q=-1", ""},
        {"Accept-Language: de;q=", ""},
        {"Accept-Language: de;q=.5", ""},
        {"Accept-Language: de;q=0,5", ""},
        {"Accept-Language: de;x=1", ""},
        {"Accept-Language: de;", ""},
        {"Accept-Language: de, x y", ""},
        {"Accept-Language: d_e", ""},
    };
    for (const Row& row : rows) {
        SUBCASE(row.lines) { CHECK(preferred_language(fields_of(row.lines)).value_or("") == row.language); }
    }
}

TEST_CASE("the language of a response") {
    CHECK(content_language(fields_of("Content-Language: De-CH")) == "de-ch");
    CHECK(content_language(fields_of("")).empty());
    CHECK(content_language(fields_of("Content-Language: ")).empty());
    CHECK(content_language(fields_of("Content-Language: de, en")).empty()); // for both at once
    CHECK(content_language(fields_of("Content-Language: de\nContent-Language: en")).empty());
    CHECK(content_language(fields_of("Content-Language: d e")).empty());
}
