// The rule on docs/CACHING.md, fed with pages that break it, and asked of the page itself.
#include "tests/style/caching_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace gatehouse::style;

namespace {

const std::vector<Rfc9111Section> kSections{{"3", {"MUST NOT", "MAY"}}, {"3.1", {}}};

const std::vector<SourceFile>& small_tree() {
    static const std::vector<SourceFile> kTree{
        make_source_file("cache/a.cpp", "// RFC 9111 sections 3 and 3.1.\nbool decide(int x); // forget(x)\n"),
        make_source_file("tests/a_test.cpp", "TEST_CASE(\"it works (as said)\") {}\n// TEST_CASE(\"not this\")\n"),
    };
    return kTree;
}

const std::string kGood =
    "# Page\n\n"
    "## 3 Storing\n\n"
    "| clause | level | what | where | shown by |\n| --- | --- | --- | --- | --- |\n"
    "| 3-1 | MUST NOT | One. | [`decide`](../cache/a.cpp) | [it works (as said)](../tests/a_test.cpp) |\n"
    "| 3-2 | says | Two. | [`decide`](../cache/a.cpp) | [it works (as said)](../tests/a_test.cpp) |\n"
    "| 3-3 | MAY | not ours: three. | | |\n\n"
    "## 3.1 Fields\n\n"
    "| 3.1-1 | says | Four. | [`decide`](../cache/a.cpp) | [it works (as said)](../tests/a_test.cpp) |\n";

std::string changed(const std::string& from, const std::string& to) {
    std::string page = kGood;
    const auto at = page.find(from);
    REQUIRE(at != std::string::npos);
    return page.replace(at, from.size(), to);
}

} // namespace

TEST_CASE("The table of RFC 9111 is refused for each thing that is wrong with it") {
    struct Row {
        const char* name;
        std::string page;
        const char* finding; // part of the only one, or "" for none
    };
    const Row rows[] = {
        {"as it should be", kGood, ""},
        {"a section without a heading", changed("## 3.1 Fields", "Fields"), "section 3.1 has no heading"},
        {"a section without rows", changed("| 3.1-1 |", "| x |"), "section 3.1 has no row"},
        {"a requirement left out", changed("| 3-3 | MAY |", "| 3-3 | says |"), "not the requirements"},
        {"a requirement of another level", changed("MUST NOT", "MUST"), "not the requirements"},
        {"one requirement too many", changed("| 3-2 | says |", "| 3-2 | MAY |"), "not the requirements"},
        {"a number left out", changed("| 3-2 |", "| 3-4 |"), "3-4 is not the next number"},
        {"a section nobody knows", kGood + "| 9-1 | says | not ours: x. | | |\n", "9-1 belongs to no section"},
        {"an empty rule", changed("not ours: three.", " "), "3-3 says nothing"},
        {"no function", changed("| Four. | [`decide`](../cache/a.cpp) |", "| Four. | |"), "3.1-1 needs a function"},
        {"not ours, and yet a test", changed("three. | | |", "three. | | [it works (as said)](../tests/a_test.cpp) |"),
         "3-3 needs a function"},
        {"a function that is not there", changed("`decide`", "`decid`"), "`decid` is not in ../cache/a.cpp"},
        {"a function in a comment", changed("`decide`", "`forget`"), "`forget` is not in"},
        {"a name that is no code", changed("`decide`", "decide"), "decide is not in"},
        {"a file that is not there", changed("../cache/a.cpp", "../cache/b.cpp"), "is not in ../cache/b.cpp"},
        {"a test that is not there", changed("(as said)]", "(not so)]"), "no test `it works (not so)`"},
        {"a test in a comment", changed("it works (as said)", "not this"), "no test `not this`"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        std::string all;
        std::size_t count = 0;
        for (const auto& finding :
             check_caching_table(make_source_file("docs/CACHING.md", row.page), small_tree(), kSections)) {
            all += to_string(finding) + "\n";
            ++count;
        }
        CAPTURE(all);
        const std::string expected = row.finding;
        CHECK((expected.empty() ? count == 0 : all.find(expected) != std::string::npos));
    }
}

TEST_CASE("A section that the code cites needs rows, however it is cited") {
    const auto page = make_source_file("docs/CACHING.md", kGood);
    struct Row {
        const char* path;
        const char* text;
        std::size_t findings;
    };
    const Row rows[] = {
        {"cache/b.cpp", "// RFC 9111 section 3.1.\n", 0},    {"cache/b.cpp", "// RFC 9111 section 3.2.\n", 1},
        {"http/b.h", "// RFC 9111 sections 3 and 3.3\n", 1}, {"proxy/b.cpp", "// RFC 9111 sections 9, 3.1 and 8.\n", 2},
        {"cache/b.cpp", "// RFC 9110 section 3.2\n", 0},     {"tests/b.cpp", "// RFC 9111 section 9\n", 0},
    };
    for (const auto& row : rows) {
        CAPTURE(row.text);
        auto tree = small_tree();
        tree.push_back(make_source_file(row.path, row.text));
        CHECK(check_caching_table(page, tree, kSections).size() == row.findings);
    }
}

TEST_CASE("docs/CACHING.md has every requirement of RFC 9111, and what it refers to exists") {
    const auto tree = read_source_tree(GATEHOUSE_SOURCE_DIR);
    const auto page = std::ranges::find(tree, "docs/CACHING.md", &SourceFile::path);
    REQUIRE(page != tree.end());
    for (const auto& finding : check_caching_table(*page, tree, rfc9111_sections())) FAIL_CHECK(to_string(finding));
}
