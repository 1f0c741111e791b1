// The description of the language, and the page that is made from it.
#include "config/describe.h"
#include "config/description.h"
#include "config/units.h"
#include "tests/unit/config/full_yaml.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace gatehouse::config;

TEST_CASE("docs/CONFIGURATION.md is what the program prints") {
    const std::string path = std::string(GATEHOUSE_SOURCE_DIR) + "/docs/CONFIGURATION.md";
    // On failure: write configuration_markdown() to that file.
    CHECK((testing::read_whole_file(path) == configuration_markdown()));
}

TEST_CASE("Every field is described, once, in full sentences") {
    std::set<std::string> seen;
    for (const FieldDescription& field : field_descriptions()) {
        CAPTURE(field.path);
        CHECK(seen.insert(field.path).second);
        CHECK_FALSE(field.type.empty());
        CHECK_FALSE(field.accepted.empty());
        REQUIRE_FALSE(field.sentence.empty());
        CHECK(field.sentence.back() == '.');
        const bool has_default = !field.default_text.empty();
        CHECK(has_default == (field.shape == FieldShape::Value && !field.required));
        CHECK(field.describe().find(field.path + ": " + field.type) == 0);
    }
    CHECK(seen.size() > 60);
    CHECK(seen.count("cache_policies.<name>.key.query_strings") == 1);
    CHECK(seen.count("behaviors[].path_pattern") == 1);
}

TEST_CASE("Defaults are readable as values of their type") {
    for (const FieldDescription& field : field_descriptions()) {
        CAPTURE(field.path);
        const std::string& text = field.default_text;
        if (text.find(' ') != std::string::npos) continue; // words, such as "not set"
        if (field.type == "duration") CHECK(parse_duration(text).has_value());
        if (field.type == "size") CHECK(parse_size(text).has_value());
    }
}
