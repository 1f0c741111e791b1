// For every field of the language: a wrong type, an unknown sibling, a mistyped sibling, a duplicate and, where the
// field is required, its absence each give exactly one problem, at the exact line and column.
#include "config/description.h"
#include "config/loader.h"
#include "tests/unit/config/full_yaml.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace gatehouse::config;
using namespace gatehouse::config::testing;

namespace {

std::string all_problems(const LoadResult& result) {
    std::string out;
    for (const Problem& problem : result.problems) out += problem.to_string() + "\n";
    return out;
}

// Exactly one problem, there, and about that.
void expect_one(const std::string& text, std::size_t line, std::size_t column, const std::string& part) {
    const LoadResult result = load_text(text, full_yaml_path());
    CAPTURE(all_problems(result));
    REQUIRE(result.problems.size() == 1);
    CHECK(result.config == nullptr);
    const Problem& problem = result.problems.front();
    CHECK(static_cast<std::size_t>(problem.place.line) == line);
    CHECK(static_cast<std::size_t>(problem.place.column) == column);
    CHECK(problem.place.file == full_yaml_path());
    CHECK(problem.message.find(part) != std::string::npos);
    CHECK_FALSE(problem.source.empty());
}

// Values of a kind that the field cannot be.
std::vector<std::string> wrong_values(const FieldDescription& field) {
    if (field.shape == FieldShape::ListOfMappings || field.type == "list") return {"wrong", "{a: b}", "''"};
    if (field.shape != FieldShape::Value) return {"wrong", "[a, b]", "''"};
    if (field.type == "word or slice size") return {"wrong", "[a, b]", "''", "{}", "{a: b}", "{slice: 1MiB, b: c}"};
    if (field.type == "on, off or longest wait") {
        return {"wrong", "[a, b]", "''", "{}", "{a: b}", "{max_wait: 1s, b: c}"};
    }
    if (field.type == "word or ignored names") {
        return {"wrong", "[a, b]", "''", "{}", "{a: b}", "{ignore: [a], b: c}"};
    }
    if (field.type == "selection of names") return {"wrong", "{}", "''"};
    if (field.type == "durations by status") return {"wrong", "[a]", "10s"};
    if (field.type == "pages by status") return {"wrong", "[a]", "10"};
    if (field.type == "field lines by name") return {"wrong", "[a]", "10"};
    if (field.type == "patterns by name") return {"wrong", "[a]", "10"};
    if (field.type == "name or names") return {"{a: b}", "''"};
    std::vector<std::string> out{"[a, b]", "{a: b}", "''"};
    const bool is_free_text = field.type == "text" && field.path != "origins.<name>.server_name";
    if (!is_free_text) out.emplace_back("wr ong");
    return out;
}

} // namespace

TEST_CASE("conf/full.yaml is valid, also with what it shows in comments") {
    for (const char* path : {"", "origins.<name>.ca_file", "timeouts.shutdown"}) {
        const FullYaml yaml(path);
        const std::string text = yaml.with_value(yaml.find("workers"), "auto");
        const LoadResult result = load_text(text, full_yaml_path());
        CAPTURE(all_problems(result));
        CHECK(result.config != nullptr);
    }
}

TEST_CASE("conf/full.yaml shows every field, with its default") {
    for (const FieldDescription& field : field_descriptions()) {
        CAPTURE(field.path);
        const FullYaml yaml(field.path);
        REQUIRE(yaml.contains(field.path));
        const std::string& shown = yaml.find(field.path).value;
        const std::string& expected = field.default_text;
        const bool is_value = expected.find(' ') == std::string::npos && !expected.empty();
        if (is_value && field.path != "behaviors[].cache_policy") {
            CHECK((shown == expected || shown == "\"" + expected + "\""));
        }
    }
}

TEST_CASE("A value of the wrong type gives one problem at the value") {
    for (const FieldDescription& field : field_descriptions()) {
        const FullYaml yaml(field.path);
        const FieldLines lines = yaml.find(field.path);
        for (const std::string& value : wrong_values(field)) {
            CAPTURE(field.path);
            CAPTURE(value);
            const std::string text = yaml.with_value(lines, value);
            expect_one(text, lines.first + 1, lines.indent + lines.name.size() + 3, "expected ");
        }
    }
}

TEST_CASE("A scalar without a value gives one problem at its name") {
    for (const FieldDescription& field : field_descriptions()) {
        const bool may_be_empty = field.shape != FieldShape::Value || field.type == "list" ||
                                  field.type == "durations by status" || field.type == "pages by status" ||
                                  field.type == "patterns by name" || field.type == "field lines by name";
        if (may_be_empty) continue;
        CAPTURE(field.path);
        const FullYaml yaml(field.path);
        const FieldLines lines = yaml.find(field.path);
        for (const char* nothing : {"", "~", "null"}) {
            expect_one(yaml.with_value(lines, nothing), lines.first + 1, lines.indent + 1, "found nothing");
        }
    }
}

TEST_CASE("An unknown sibling gives one problem at its name") {
    for (const FieldDescription& field : field_descriptions()) {
        CAPTURE(field.path);
        const FullYaml yaml(field.path);
        const FieldLines lines = yaml.find(field.path);
        const std::string text = yaml.with_line_after(lines, "zz_qqqq: {a: [b, c]}");
        expect_one(text, lines.last + 2, lines.indent + 1, "unknown field; accepted here: ");
    }
}

TEST_CASE("A mistyped sibling gives one problem that names the field") {
    for (const FieldDescription& field : field_descriptions()) {
        CAPTURE(field.path);
        const FullYaml yaml(field.path);
        const FieldLines lines = yaml.find(field.path);
        const std::string text = yaml.with_line_after(lines, lines.name + "x: 1");
        expect_one(text, lines.last + 2, lines.indent + 1, "unknown field; did you mean " + lines.name + "?");
    }
}

TEST_CASE("A field given twice gives one problem at the second name") {
    for (const FieldDescription& field : field_descriptions()) {
        CAPTURE(field.path);
        const FullYaml yaml(field.path);
        const FieldLines lines = yaml.find(field.path);
        const std::string first = std::to_string(lines.first + 1);
        expect_one(yaml.with_copy_after(lines), lines.last + 2, lines.indent + 1,
                   "duplicate field; it is already given on line " + first);
    }
}

TEST_CASE("A required field that is absent gives one problem at what should have it") {
    for (const FieldDescription& field : field_descriptions()) {
        const FullYaml yaml(field.path);
        const FieldLines lines = yaml.find(field.path);
        // Without its first line an item is gone as a whole; the table of broken files has those cases.
        if (!field.required || lines.first_of_item) continue;
        CAPTURE(field.path);
        const LoadResult result = load_text(yaml.without(lines), full_yaml_path());
        CAPTURE(all_problems(result));
        REQUIRE(result.problems.size() == 1);
        CHECK(result.problems.front().message.find("missing required field " + lines.name) == 0);
        CHECK(result.problems.front().place.column == static_cast<int>(lines.indent) + 1);
    }
}

TEST_CASE("A mapping under a name of the user's choice is checked like the others") {
    const FullYaml yaml("");
    const std::pair<const char*, const char*> cases[] = {
        {"origins.<name>", "expected a mapping with url; found `5`"},
        {"cache_policies.<name>", "expected a mapping of fields such as min_ttl, "},
    };
    for (const auto& [path, message] : cases) {
        const FieldLines lines = yaml.find(path);
        expect_one(yaml.with_value(lines, "5"), lines.first + 1, lines.indent + lines.name.size() + 3, message);
        expect_one(yaml.with_copy_after(lines), lines.last + 2, lines.indent + 1, "duplicate field");
    }
}
