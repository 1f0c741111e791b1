// Cache groups: which a response belongs to, and which an answer invalidates (RFC 9875).
#include "cache/policy/cache_groups.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace http = gatehouse::http;

namespace {

std::string groups_of(std::string_view lines) { return stored_groups(fields_of(lines)); }

std::string numbered(std::size_t count) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i) {
        list += (i == 0 ? "\"g" : ", \"g") + std::to_string(i) + "\"";
    }
    return list;
}

using Names = std::vector<std::string>;

} // namespace

TEST_CASE("a response belongs to the groups that Cache-Groups names") {
    struct Row {
        const char* lines;
        const char* clause;
        const char* groups;
    };
    const Row rows[] = {
        {"", "RFC 9875 section 2", ""},
        {"Cache-Groups: \"a\"", "RFC 9875 section 2", "a\n"},
        {"Cache-Groups: \"b\", \"a\", \"b\"", "RFC 9875 section 2", "a\nb\n"},
        {"Cache-Groups: \"b\"\nCache-Groups: \"a\"", "RFC 9651 section 4.2", "a\nb\n"},
        {"Cache-Groups: \"A\", \"a\"", "RFC 9875 section 2.1", "A\na\n"},
        {"Cache-Groups: \"a\";x=1, \"b\";y", "RFC 9875 section 2", "a\nb\n"},
        {"Cache-Groups: \"\"", "RFC 9875 section 2", "\n"},
        {"Cache-Groups: \"a, b\"", "RFC 9875 section 2", "a, b\n"},
        {"Cache-Groups: ", "RFC 9651 section 4.2", ""},
        {"Cache-Groups: a", "RFC 9875 section 2", ""},
        {"Cache-Groups: \"a\", b", "RFC 9875 section 2", ""},
        {"Cache-Groups: (\"a\")", "RFC 9875 section 2", ""},
        {"Cache-Groups: \"a\",", "RFC 9651 section 4.2", ""},
        {"Cache-Groups: \"a", "RFC 9651 section 4.2", ""},
        {"Cache-Groups: \"\xc3\xa4\"", "RFC 9651 section 4.2.5", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.lines);
        CAPTURE(row.clause);
        CHECK(groups_of(row.lines) == row.groups);
    }
}

TEST_CASE("a response with more groups than are told apart belongs to every one") {
    CHECK(groups_of("Cache-Groups: " + numbered(32)).size() > 32 * 3); // what RFC 9875 section 2 asks for
    const std::string name(4096, 'x');
    CHECK(groups_of("Cache-Groups: \"" + name + "\"") == name + "\n");
    std::size_t count = 0;
    for_each_group(groups_of("Cache-Groups: " + numbered(kMaxGroups)), [&](std::string_view) { ++count; });
    CHECK(count == kMaxGroups);
    CHECK(groups_of("Cache-Groups: " + numbered(kMaxGroups + 1)) == "\t\n");
}

TEST_CASE("the groups are found again in a stored head") {
    const Stored stored = stored_of("Accept: x", "Cache-Groups: \"b\", \"a\"\nVary: Accept\nDate: @0");
    CHECK(stored.view().groups == "a\nb\n");
    CHECK(stored.view().vary_names == "accept");
    CHECK(stored_of("", "Date: @0").view().groups.empty());
    Names seen;
    for_each_group(stored.view().groups, [&](std::string_view name) { seen.emplace_back(name); });
    CHECK(seen == Names{"a", "b"});
}

TEST_CASE("the answer to an unsafe request invalidates the groups it names") {
    struct Row {
        http::Method method;
        const char* answer;
        Names groups;
    };
    const std::string over = "201\nCache-Group-Invalidation: " + numbered(kMaxGroups + 1);
    const Row rows[] = {
        {http::Method::Post, "201\nCache-Group-Invalidation: \"a\", \"b\";x", {"a", "b"}},
        {http::Method::Delete, "204\nCache-Group-Invalidation: \"a\"", {"a"}},
        {http::Method::Put, "303\nCache-Group-Invalidation: \"a\"", {"a"}},
        {http::Method::Other, "200\nCache-Group-Invalidation: \"a\"", {"a"}},
        {http::Method::Post, "200\nCache-Groups: \"a\"", {}},
        {http::Method::Post, "200\nCache-Group-Invalidation: a", {}},
        {http::Method::Post, "200\nCache-Group-Invalidation: \"a\",", {}},
        // RFC 9875 section 3: ignored on answers to safe methods.
        {http::Method::Get, "200\nCache-Group-Invalidation: \"a\"", {}},
        {http::Method::Head, "200\nCache-Group-Invalidation: \"a\"", {}},
        {http::Method::Options, "200\nCache-Group-Invalidation: \"a\"", {}},
        // As RFC 9111 section 4.4 has it: nothing changed.
        {http::Method::Post, "400\nCache-Group-Invalidation: \"a\"", {}},
        {http::Method::Post, "500\nCache-Group-Invalidation: \"a\"", {}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.answer);
        CHECK(invalidated_groups(row.method, response_of(row.answer)) == row.groups);
    }
    CHECK(invalidated_groups(http::Method::Post, response_of(over)).size() == kMaxGroups + 1);
}
