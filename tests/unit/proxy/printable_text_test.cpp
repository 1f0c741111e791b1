// Text for terminals and reports.
#include "proxy/printable_text.h"

#include "proxy/explain.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::proxy;

TEST_CASE("what a terminal obeys is escaped, and everything that people read stays") {
    struct Row {
        std::string text;
        std::string printed;
    };
    const Row rows[] = {
        {"", ""},
        {"plain `text` \\ ~", "plain `text` \\ ~"},
        {"gr\xC3\xB6\xC3\x9F"
         "e \xF0\x9F\x98\x80",
         "gr\xC3\xB6\xC3\x9F"
         "e \xF0\x9F\x98\x80"},
        {"a\nb\tc\x1b[31m\x7f", "a\\nb\\x09c\\x1b[31m\\x7f"},
        {std::string(1, '\0'), "\\x00"},
        {"\xC2\x80 \xC2\x9B"
         "31m \xC2\x9F \xC2\xA0",
         "\\u0080 \\u009b31m \\u009f \xC2\xA0"},
        {"\x9B"
         "31m \xE2\x82 \xFF",
         "\\x9b31m \\xe2\\x82 \\xff"},
        {"\xC2", "\\xc2"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.printed);
        CHECK(printable(row.text) == row.printed);
        CHECK(printable(row.printed) == row.printed);
    }
}

TEST_CASE("an explanation as text says nothing to a terminal, from the client or from a proxy that is asked") {
    Explanation explanation;
    explanation.decisions.push_back({"stored",
                                     "\x1b[2J",
                                     {{"variant of x: `\xC2\x9B"
                                       "2J`\n",
                                       std::nullopt}}});
    CHECK(explanation_text(explanation) == "stored     \\x1b[2J\n             variant of x: `\\u009b2J`\\n\n");
    const auto again = parse_explanation(explanation_json(explanation));
    REQUIRE(again);
    CHECK(explanation_text(*again) == explanation_text(explanation));
}
