// No-Vary-Search: which fields are rules, which queries they make equal, and the keys made by them.
#include "cache/policy/no_vary_search.h"

#include "http/urlencoded.h"
#include "tests/unit/cache/policy/dice.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;

namespace {

std::optional<SearchRule> rule_of(const std::string& value) {
    return search_rule(fields_of("No-Vary-Search: " + value));
}

std::string text_of(const std::optional<SearchRule>& rule) {
    if (!rule) {
        return "none";
    }
    std::string out = rule->only_named ? "only" : "but";
    for (const std::string& name : rule->names) {
        out += " " + name;
    }
    return out + (rule->any_order ? ", any order" : "");
}

} // namespace

TEST_CASE("which fields are rules, and which are as if there were none (draft section 5)") {
    struct Row {
        std::string value;
        const char* rule;
    };
    const Row rows[] = {
        {"", "none"},
        {"params=(\"a\")", "but a"},
        {"params=(\"b\" \"a\" \"b\")", "but a b"},
        {"params=()", "none"},
        {"except=(\"x\")", "only x"},
        {"except=()", "only"},
        {"key-order", "but, any order"},
        {"key-order=?1", "but, any order"},
        {"key-order=?0", "none"},
        {"key-order, params=(\"a\")", "but a, any order"},
        {"except=(\"x\"), key-order", "only x, any order"},
        {"except=(\"x\"), key-order=?0", "only x"},
        {"params=(), key-order", "but, any order"},
        // As the draft had it before.
        {"params", "only"},
        {"params=?1", "only"},
        {"params=?0", "none"},
        {"params=?0, key-order", "but, any order"},
        {"params, except=(\"x\")", "only x"},
        {"except=(\"x\"), params", "only x"},
        {"params, except=()", "only"},
        // What is unknown is passed over, also what stands beside a value.
        {"unknown-key", "none"},
        {"params=(\"a\"), unknown=1", "but a"},
        {"params=(\"a\";x \"b\");y=1", "but a b"},
        {"key-order;x", "but, any order"},
        // The last of two counts (RFC 9651 section 4.2.2).
        {"params=(\"a\"), params=(\"b\")", "but b"},
        {"params=1, params=(\"b\")", "but b"},
        {"params=(\"b\"), params=1", "none"},
        // Names are encoded as in queries.
        {"params=(\"%C3%A9+x\")", "but \xC3\xA9 x"},
        {"params=(\"a%2Bb\")", "but a+b"},
        {"params=(\"%61\")", "but a"},
        {"params=(\"\")", "but "},
        {"params=(\"%F6\")", "but \xEF\xBF\xBD"},
        // Anything that is not as it has to be ends all of it.
        {"key-order=\"not a boolean\"", "none"},
        {"key-order=1, params=(\"a\")", "none"},
        {"key-order=(\"a\"), params=(\"a\")", "none"},
        {"params=\"not an inner list\"", "none"},
        {"params=(not-a-string)", "none"},
        {"params=(\"a\" b)", "none"},
        {"params=(\"a\" 1)", "none"},
        {"params=1", "none"},
        {"params=(\"a\"), except=(\"x\")", "none"},
        {"params=(), except=()", "none"},
        {"params=?0, except=(\"x\")", "none"},
        {"params, except=(not-a-string)", "none"},
        {"params, except=\"not an inner list\"", "none"},
        {"params, except=?1", "none"},
        {"except=?1", "none"},
        {"except=\"x\"", "none"},
        {"except=(x)", "none"},
        {"params=(\"a\"", "none"},
        {"params=(\"a\"),", "none"},
        {"Params=(\"a\")", "none"},
        {"params=(\"\xC3\xA9\")", "none"},
        {"params=(\"" + std::string(kMaxNoVarySearchBytes - 11, 'a') + "\")", "long"},
        {"params=(\"" + std::string(kMaxNoVarySearchBytes - 10, 'a') + "\")", "none"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.value);
        const std::string text = text_of(rule_of(row.value));
        CHECK((text.size() > 1000 ? "long" : text) == row.rule);
    }
    CHECK(text_of(search_rule(fields_of(""))) == "none");
    CHECK(text_of(search_rule(fields_of("No-Vary-Search: key-order\nNo-Vary-Search: params=(\"a\")"))) ==
          "but a, any order");
}

TEST_CASE("which queries are equal (draft section 6)") {
    struct Row {
        const char* rule;
        const char* one;
        const char* other;
        bool equal;
    };
    const Row rows[] = {
        {"key-order", "", "&", true},
        {"key-order", "a=x", "%61=%78", true},
        {"key-order", "a=%f6", "a=%ef%bf%bd", false}, // whatever an origin makes of bytes that are no UTF-8
        {"key-order", "a=%f6", "a=%f7", false},
        {"key-order", "a=x&&&&", "a=x", true},
        {"key-order", "a=", "a", true},
        {"key-order", "a=%20", "a=+&", true},
        {"key-order", "a=1&b=2", "b=2&a=1", true},
        {"key-order", "a=1&a=2", "a=2&a=1", false},
        {"key-order", "a=1&b=2&a=3", "b=2&a=1&a=3", true},
        {"key-order", "a=1", "a=1&a=1", false},
        {"key-order", "a=1", "A=1", false},
        {"key-order", "a=b", "a=b=", false},
        {"params=(\"utm\")", "q=1&utm=x", "q=1", true},
        {"params=(\"utm\")", "utm=x&q=1&utm=y", "q=1", true},
        {"params=(\"utm\")", "q=1&utm_source=x", "q=1", false},
        {"params=(\"utm\")", "q=1&UTM=x", "q=1", false},
        {"params=(\"utm\")", "q=1&u%74m=x", "q=1", true},
        {"params=(\"utm\")", "a=1&b=2", "b=2&a=1", false},
        {"params=(\"utm\")", "utm=1", "", true},
        {"params=(\"utm\")", "q=2&utm=x", "q=1&utm=x", false},
        {"params=(\"%C3%A9+%E6%B0%97\")", "%C3%A9%20%E6%B0%97=3", "", true},
        {"params=(\"\")", "=1&a", "a", true},
        {"except=(\"q\")", "q=1&a=2", "b=3&q=1", true},
        {"except=(\"q\")", "q=1", "q=2", false},
        {"except=(\"q\")", "q=1&q=2", "q=2&q=1", false},
        {"except=(\"q\" \"p\")", "q=1&p=2", "p=2&q=1", false},
        {"except=(\"q\" \"p\"), key-order", "q=1&p=2", "p=2&x=9&q=1", true},
        {"except=()", "a=1", "", true},
        {"params", "a=1", "b=2", true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.rule);
        CAPTURE(row.one);
        CAPTURE(row.other);
        const auto rule = rule_of(row.rule);
        REQUIRE(rule);
        CHECK((normal_query(row.one, *rule) == normal_query(row.other, *rule)) == row.equal);
    }
}

namespace {

// The draft's own comparison: list against list, without a normal form.
bool are_equal(std::string_view one, std::string_view other, const SearchRule& rule) {
    const auto list = [&rule](std::string_view query) {
        std::vector<gatehouse::http::QueryParameter> kept;
        for (auto& parameter : gatehouse::http::parse_query(query)) {
            const bool is_named = std::find(rule.names.begin(), rule.names.end(), parameter.name) != rule.names.end();
            if (is_named == rule.only_named) {
                kept.push_back(std::move(parameter));
            }
        }
        if (rule.any_order) {
            std::stable_sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.name > b.name; });
        }
        return kept;
    };
    return list(one) == list(other);
}

} // namespace

TEST_CASE("queries are equal by a rule if and only if they have one normal form, which is its own normal form") {
    Dice dice(property_seed());
    const char* const pieces[] = {"a",     "b", "a=1", "a=2", "b=1",   "%61=1", "c=%F6",
                                  "c=%FF", "",  "=",   "b=+", "b=%20", "A=1"};
    const char* const rules[] = {"key-order",
                                 "params=(\"a\")",
                                 "params=(\"b\" \"c\"), key-order",
                                 "except=(\"a\")",
                                 "except=(\"a\" \"b\"), key-order",
                                 "except=()"};
    const auto some_query = [&] {
        std::string query;
        for (std::size_t i = dice.below(5); i > 0; --i) {
            query += (query.empty() ? "" : "&") + std::string(pieces[dice.below(std::size(pieces))]);
        }
        return query;
    };
    int equal = 0;
    for (int round = 0; round < 20'000; ++round) {
        const auto rule = rule_of(rules[dice.below(std::size(rules))]);
        REQUIRE(rule);
        const std::string one = some_query();
        const std::string other = some_query();
        const std::string normal = normal_query(one, *rule);
        const bool same = normal == normal_query(other, *rule);
        equal += same ? 1 : 0;
        if (same != are_equal(one, other, *rule) || normal_query(normal, *rule) != normal) {
            CAPTURE(one);
            CAPTURE(other);
            CHECK(same == are_equal(one, other, *rule));
            CHECK(normal_query(normal, *rule) == normal);
        }
    }
    CHECK(equal > 100);
}

TEST_CASE("a key by a rule has the normal query, and a mark with the rule's number that no other key has") {
    const auto rule = rule_of("params=(\"utm\")");
    REQUIRE(rule);
    const std::string key = "p|*\napi\nh\n/a\nq=1&utm=2\nx-a:1\n;c=d\n";
    const std::string by_rule = key_by_rule(key, *rule, 42);
    CHECK(by_rule == "p|*\napi\nh\n/a\nq=1\n(42)\nx-a:1\n;c=d\n");
    CHECK(rule_number(split_cache_key(by_rule)) == 42);
    CHECK_FALSE(rule_number(split_cache_key(key)));
    CHECK_FALSE(rule_number(split_cache_key("p|*\napi\nh\n/a\nq=1\n")));
    // No query, an empty one, and one of which nothing counts are one.
    const std::string none = key_by_rule("p|*\napi\nh\n/a\n\n", *rule, 1);
    CHECK(none == "p|*\napi\nh\n/a\n\n(1)\n");
    CHECK(key_by_rule("p|*\napi\nh\n/a\n\n?\n", *rule, 1) == none);
    CHECK(key_by_rule("p|*\napi\nh\n/a\nutm=9\n", *rule, 1) == none);
    CHECK(key_by_rule("p|*\napi\nh\n/a\n\n?\nx-a:1\n", *rule, 1) == "p|*\napi\nh\n/a\n\n(1)\nx-a:1\n");
}
