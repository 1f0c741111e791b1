// What clients are told about the lifetime: one row for each boundary.
#include "cache/policy/client_cache_control.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;

namespace {

using Rule = config::ClientCacheControl;

Rule::Value value_of(std::string text) {
    Rule::Value value;
    value.no_store = text.find("no-store") != text.npos;
    value.no_cache = text.find("no-cache") != text.npos;
    value.is_private = text.find("private") != text.npos;
    value.text = std::move(text);
    return value;
}

Rule rule_of(std::string text) {
    Rule rule;
    rule.configured = true;
    rule.value = value_of(std::move(text));
    return rule;
}

std::string told(const Rule& rule, int status, const ResponseFacts& facts, bool may_be_stored,
                 const config::CachePolicy& policy) {
    const Rule::Value* value = client_cache_control(rule, status, facts, may_be_stored, policy);
    return value == nullptr ? "the origin's" : value->text;
}

} // namespace

TEST_CASE("a value is for 200, 203, 206, 301 and 308 that may be stored, and for nothing else") {
    const auto policy = rfc9111();
    const auto facts = facts_of("", "Cache-Control: max-age=9", policy);
    const Rule rule = rule_of("public, max-age=30");
    struct Row {
        int status;
        bool told;
    };
    const Row rows[] = {{200, true},  {201, false}, {202, false}, {203, true},  {204, false}, {206, true},
                        {300, false}, {301, true},  {302, false}, {303, false}, {304, false}, {307, false},
                        {308, true},  {400, false}, {404, false}, {410, false}, {416, false}, {500, false}};
    for (const Row& row : rows) {
        CAPTURE(row.status);
        CHECK(told(rule, row.status, facts, true, policy) == (row.told ? "public, max-age=30" : "the origin's"));
        CHECK(told(rule, row.status, facts, false, policy) == "the origin's");
    }
}

TEST_CASE("when_status is for whatever it names, stored or not; an exact status wins over its class") {
    const auto policy = rfc9111();
    const auto facts = facts_of("", "404", policy);
    Rule rule = rule_of("max-age=30");
    rule.by_status[404] = value_of("max-age=10");
    rule.by_class[4] = value_of("max-age=4");
    rule.by_status[200] = value_of(""); // pass
    CHECK(told(rule, 404, facts, false, policy) == "max-age=10");
    CHECK(told(rule, 410, facts, false, policy) == "max-age=4");
    CHECK(told(rule, 500, facts, false, policy) == "the origin's");
    CHECK(told(rule, 200, facts, true, policy) == "the origin's");
    CHECK(told(rule, 301, facts, true, policy) == "max-age=30");
    CHECK(told(rule_of(""), 200, facts, true, policy) == "the origin's"); // pass
}

TEST_CASE("over what the origin keeps for one client, a value needs the override, or to forbid as much") {
    struct Row {
        const char* name;
        const char* request;
        const char* response;
        const char* value;
        Rules overrides;
        bool told;
    };
    const char* kPublic = "public, max-age=30";
    const Row rows[] = {
        {"nothing is forbidden", "", "Cache-Control: max-age=9", kPublic, nullptr, true},
        {"no-store", "", "Cache-Control: no-store", kPublic, nullptr, false},
        {"no-store, private is wider", "", "Cache-Control: no-store", "private, max-age=30", nullptr, false},
        {"no-store, no-store is as strict", "", "Cache-Control: no-store", "no-store", nullptr, true},
        {"no-store overridden", "", "Cache-Control: no-store", kPublic, [](auto& p) { p.overrides.no_store = true; },
         true},
        {"private", "", "Cache-Control: private", kPublic, nullptr, false},
        {"private, private is as strict", "", "Cache-Control: private", "private, max-age=30", nullptr, true},
        {"private overridden", "", "Cache-Control: private", kPublic, [](auto& p) { p.overrides.is_private = true; },
         true},
        {"private with names", "", "Cache-Control: max-age=9, private=\"X\"", kPublic, nullptr, false},
        {"no-cache", "", "Cache-Control: no-cache", kPublic, nullptr, false},
        {"no-cache, private is wider", "", "Cache-Control: no-cache", "private, max-age=9", nullptr, false},
        {"no-cache, no-cache is as strict", "", "Cache-Control: no-cache", "no-cache", nullptr, true},
        {"no-cache overridden", "", "Cache-Control: no-cache", kPublic, [](auto& p) { p.overrides.no_cache = true; },
         true},
        {"Set-Cookie", "", "Cache-Control: max-age=9\nSet-Cookie: a=1", kPublic, nullptr, false},
        {"Set-Cookie, private keeps it", "", "Cache-Control: max-age=9\nSet-Cookie: a=1", "private", nullptr, true},
        {"Set-Cookie overridden", "", "Cache-Control: max-age=9\nSet-Cookie: a=1", kPublic,
         [](auto& p) { p.overrides.set_cookie = true; }, true},
        {"Authorization", "Authorization: x", "Cache-Control: max-age=9", kPublic, nullptr, false},
        {"Authorization, for all", "Authorization: x", "Cache-Control: max-age=9, public", kPublic, nullptr, true},
        {"Authorization overridden", "Authorization: x", "Cache-Control: max-age=9", kPublic,
         [](auto& p) { p.overrides.authorization = true; }, true},
        {"a targeted field does not speak to clients", "", "CDN-Cache-Control: max-age=9\nCache-Control: private",
         kPublic, nullptr, false},
        {"what a targeted field forbids is not for clients", "",
         "CDN-Cache-Control: no-store\nCache-Control: max-age=9", kPublic, nullptr, true},
        {"one override is not another", "", "Cache-Control: private, no-store", kPublic,
         [](auto& p) { p.overrides.no_store = true; }, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const auto policy = policy_of(row.overrides);
        Rule rule;
        rule.by_status[200] = value_of(row.value);
        const auto facts = facts_of(row.request, row.response, policy);
        CHECK((told(rule, 200, facts, true, policy) == row.value) == row.told);
    }
}

TEST_CASE("which fields go when the lifetime is replaced") {
    for (const char* name : {"Cache-Control", "cache-control", "CDN-Cache-Control", "Expires", "Pragma", "Age", "Date",
                             "Surrogate-Control"}) {
        CAPTURE(name);
        CHECK(tells_lifetime(name));
    }
    for (const char* name : {"ETag", "Vary", "Content-Type", "Cache-Controls", "Cache-Status", "Last-Modified", ""}) {
        CAPTURE(name);
        CHECK_FALSE(tells_lifetime(name));
    }
}
