// Cache keys: what tells them apart, and that nothing unkeyed is forwarded by an own policy.
#include "cache/policy/cache_key.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;
namespace http = gatehouse::http;
using Mode = config::NameSelection::Mode;

namespace {

// "/path?query"
http::Target target_of(std::string_view text, std::string_view authority = "a.example") {
    http::Target target;
    target.authority = authority;
    const auto question = text.find('?');
    target.path = text.substr(0, question);
    target.has_query = question != text.npos;
    target.query = target.has_query ? text.substr(question + 1) : "";
    return target;
}

std::string key_of(const config::CachePolicy& policy, std::string_view target, std::string_view request = "",
                   std::string_view authority = "a.example") {
    config::Behavior behavior;
    behavior.path_pattern = "/v1/*";
    behavior.origin = "api";
    behavior.cache_policy = policy.name;
    behavior.policy_ref = &policy;
    std::string key = "what was there before";
    make_cache_key(behavior, target_of(target, authority), request_of(request), key);
    return key;
}

config::CachePolicy with_query(config::NameSelection selection) {
    config::CachePolicy policy = own();
    policy.key.query_strings = std::move(selection);
    return policy;
}

config::CachePolicy with_cookies(config::NameSelection selection) {
    config::CachePolicy policy = own();
    policy.key.cookies = std::move(selection);
    return policy;
}

config::CachePolicy with_headers(config::NameSelection selection) {
    config::CachePolicy policy = own();
    policy.key.headers = std::move(selection);
    return policy;
}

} // namespace

TEST_CASE("a key has its six parts") {
    auto policy = with_headers({Mode::Allow, {"Accept-Language"}});
    const std::string key = key_of(policy, "/v1/items?page=2&q=x", "Accept-Language: en\nAccept: */*");
    CHECK(key == "own|/v1/*\napi\na.example\n/v1/items\npage=2&q=x\naccept-language:en\n");
    const KeyParts parts = split_cache_key(key);
    CHECK(parts.rule_set == "own|/v1/*");
    CHECK(parts.origin == "api");
    CHECK(parts.authority == "a.example");
    CHECK(parts.path == "/v1/items");
    CHECK(parts.query == "page=2&q=x");
    CHECK(parts.fields == "accept-language:en\n");

    const std::string bare = key_of(rfc9111(), "/");
    CHECK(split_cache_key(bare).query.empty());
    CHECK(split_cache_key(bare).fields.empty());
}

TEST_CASE("what tells keys apart") {
    const auto policy = rfc9111();
    const std::string key = key_of(policy, "/a?x=1");
    CHECK(key == key_of(policy, "/a?x=1", "Cookie: a=1\nAccept: text/html"));
    CHECK(key == key_of(policy, "/a?x=1", "HEAD"));
    CHECK(key != key_of(own(), "/a?x=1"));
    CHECK(key != key_of(policy, "/A?x=1"));
    CHECK(key != key_of(policy, "/a?x=2"));
    CHECK(key != key_of(policy, "/a?X=1"));
    CHECK(key != key_of(policy, "/a"));
    CHECK(key != key_of(policy, "/a?x=1&"));
    CHECK(key != key_of(policy, "/a?x=%31"));
    CHECK(key != key_of(policy, "/a?x=1", "", "b.example"));
    CHECK(key != key_of(policy, "/a?x=1", "", "a.example:8080"));
    // "/a?" and "/a" are two URIs, but a purge of the path finds both.
    CHECK(key_of(policy, "/a?") != key_of(policy, "/a"));
    CHECK(split_cache_key(key_of(policy, "/a?")).query.empty());
    // Parts cannot flow into one another.
    CHECK(key_of(policy, "/a?b") != key_of(policy, "/ab"));
}

TEST_CASE("behaviors have keys of their own, unless they share them by name") {
    const auto policy = own();
    const auto rule_set = [&](const config::Behavior& rules) {
        config::Behavior behavior = rules;
        behavior.policy_ref = &policy;
        std::string key;
        make_cache_key(behavior, target_of("/", "a"), request_of(""), key);
        return std::string(split_cache_key(key).rule_set);
    };
    config::Behavior plain;
    plain.path_pattern = "/a*";
    config::Behavior conditional = plain;
    conditional.when.headers = {{"X-Tier", "g\"*"}, {"X-Other", "*"}};
    conditional.when.methods = {"HEAD", "GET"};
    conditional.when_text = conditional.when.text();
    CHECK(rule_set(plain) == "own|/a*");
    CHECK(rule_set(conditional) ==
          "own|/a*|method=\"GET\" method=\"HEAD\" header=\"X-Other=*\" header=\"X-Tier=g\\\"*\"");
    for (config::Behavior* each : {&plain, &conditional}) {
        each->share = "both";
    }
    CHECK(rule_set(plain) == "own||both");
    CHECK(rule_set(conditional) == rule_set(plain));
}

TEST_CASE("a rule about Vary is part of the key, unless it is the default") {
    config::CachePolicy policy = own();
    const std::string honoured = key_of(policy, "/a");
    const auto rule_set = [&] {
        const std::string key = key_of(policy, "/a");
        return std::string(split_cache_key(key).rule_set);
    };
    CHECK(rule_set() == policy.name + "|/v1/*");
    policy.vary.ignore_all = true;
    CHECK(rule_set() == policy.name + "(vary:*)|/v1/*");
    policy.vary = {false, {"origin", "user-agent"}};
    CHECK(rule_set() == policy.name + "(vary:origin,user-agent)|/v1/*");
    policy.vary = {false, {"user-agent"}};
    CHECK(rule_set() == policy.name + "(vary:user-agent)|/v1/*");
    policy.vary = {};
    CHECK(key_of(policy, "/a") == honoured);
}

TEST_CASE("host: any leaves the authority out") {
    auto policy = own();
    policy.key.any_host = true;
    CHECK(key_of(policy, "/", "", "a") == key_of(policy, "/", "", "b"));
    CHECK(split_cache_key(key_of(policy, "/")).authority == "*");
}

TEST_CASE("which parameters are keyed and forwarded") {
    struct Row {
        const char* name;
        config::NameSelection selection;
        const char* target;
        const char* keyed;
        const char* forwarded;
    };
    const Row rows[] = {
        {"all", {Mode::All, {}}, "/a?b=1&&a=%2f", "b=1&&a=%2f", "/a?b=1&&a=%2f"},
        {"all, empty query", {Mode::All, {}}, "/a?", "", "/a?"},
        {"all, no query", {Mode::All, {}}, "/a", "", "/a"},
        {"none", {Mode::None, {}}, "/a?b=1", "", "/a"},
        {"none, empty query", {Mode::None, {}}, "/a?", "", "/a"},
        {"allow keeps the order sent", {Mode::Allow, {"a", "b"}}, "/a?b=1&x=2&a=3&b", "b=1&a=3&b", "/a?b=1&a=3&b"},
        {"allow, nothing left", {Mode::Allow, {"a"}}, "/a?x=1", "", "/a"},
        {"allow compares with case", {Mode::Allow, {"a"}}, "/a?A=1&a=2", "a=2", "/a?a=2"},
        {"allow compares raw bytes", {Mode::Allow, {"page"}}, "/a?%70age=1&page=2", "page=2", "/a?page=2"},
        {"allow, only & separates", {Mode::Allow, {"a"}}, "/a?a=1;x=2&x=3", "a=1;x=2", "/a?a=1;x=2"},
        {"allow, value with =", {Mode::Allow, {"a"}}, "/a?a=b=c&x==", "a=b=c", "/a?a=b=c"},
        {"allow, glob", {Mode::Allow, {"utm_*"}}, "/a?utm_a=1&utm=2&utm_=3", "utm_a=1&utm_=3", "/a?utm_a=1&utm_=3"},
        {"allow, empty parameters go", {Mode::Allow, {"a"}}, "/a?&a=1&&", "a=1", "/a?a=1"},
        {"except", {Mode::Except, {"x"}}, "/a?b=1&x=2&a=3&x", "b=1&a=3", "/a?b=1&a=3"},
        {"except keeps the rest byte for byte", {Mode::Except, {"x"}}, "/a?&b=1&&", "&b=1&&", "/a?&b=1&&"},
        {"except, nothing left", {Mode::Except, {"x"}}, "/a?x=1", "", "/a"},
        {"except, empty query", {Mode::Except, {"x"}}, "/a?", "", "/a?"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto policy = with_query(row.selection);
            const std::string key = key_of(policy, row.target);
            CHECK(split_cache_key(key).query == row.keyed);
            CHECK(keyed_query(target_of(row.target).query, policy.key) == row.keyed);
            CHECK(forwarded_target(target_of(row.target), policy) == row.forwarded);
            // What the origin sees is all that the key holds, and the other way round.
            CHECK(key_of(policy, row.forwarded) == key);
            auto forwarding = policy;
            forwarding.forward_everything = true;
            CHECK(forwarded_target(target_of(row.target), forwarding) == row.target);
        }
    }
}

TEST_CASE("with query_order: sorted the order of parameters makes no difference to the key, nor to what the origin gets") {
    struct Row {
        config::NameSelection selection;
        const char* target;
        const char* keyed;
    };
    const Row rows[] = {
        {{Mode::All, {}}, "/a?b=1&a=2", "a=2&b=1"},
        {{Mode::All, {}}, "/a?a=2&b=1", "a=2&b=1"},
        {{Mode::All, {}}, "/a?a=2&b=1&a=1", "a=2&a=1&b=1"}, // of one name they may mean a list
        {{Mode::All, {}}, "/a?b&a&B", "B&a&b"},
        {{Mode::All, {}}, "/a?a=1", "a=1"},
        {{Mode::All, {}}, "/a?", ""},
        {{Mode::Allow, {"a", "b"}}, "/a?b=1&x=2&a=3", "a=3&b=1"},
        {{Mode::Except, {"x"}}, "/a?z=1&x=2&a=3", "a=3&z=1"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.target);
        auto policy = with_query(row.selection);
        policy.key.sort_query = true;
        CHECK(split_cache_key(key_of(policy, row.target)).query == row.keyed);
        CHECK(keyed_query(target_of(row.target).query, policy.key) == row.keyed);
        CHECK(forwarded_target(target_of(row.target), policy) ==
              forwarded_target(target_of(row.target), with_query(row.selection)));
    }
    auto policy = with_query({Mode::All, {}});
    policy.key.sort_query = true;
    CHECK(key_of(policy, "/a?") != key_of(policy, "/a"));
}

TEST_CASE("keyed fields") {
    const auto policy = with_headers({Mode::Allow, {"Foo", "X-*"}});
    const auto fields = [&](std::string_view request) {
        return std::string(split_cache_key(key_of(policy, "/", request)).fields);
    };
    CHECK(fields("") == "");
    CHECK(fields("Foo: ") == "foo:\n"); // missing and empty differ
    CHECK(fields("FOO: a") == "foo:a\n");
    CHECK(fields("Foo: a\nBar: x\nfoo: b") == "foo:a, b\n");
    CHECK(fields("Foo: a, b") == "foo:a, b\n");
    CHECK(fields("X-B: 2\nfoo: 1\nx-a: 3") == "foo:1\nx-a:3\nx-b:2\n"); // sorted by name
    CHECK(fields("Xy: 1") == "");
    CHECK(with_headers({Mode::Allow, {}}).key.headers.names.empty());
    CHECK(split_cache_key(key_of(with_headers({Mode::Allow, {"Foo", "foo"}}), "/", "Foo: a")).fields == "foo:a\n");
}

TEST_CASE("keyed and forwarded cookies") {
    struct Row {
        const char* name;
        config::NameSelection selection;
        const char* request;
        const char* keyed;
        const char* forwarded; // nullptr: the field is gone
    };
    const Row rows[] = {
        {"none", {Mode::None, {}}, "Cookie: a=1", "", nullptr},
        {"all, byte for byte", {Mode::All, {}}, "Cookie: a=1;b=2", ";a=1;b=2; \n", "a=1;b=2"},
        {"all, empty", {Mode::All, {}}, "Cookie: ", ";; \n", ""},
        {"all, missing", {Mode::All, {}}, "", "", nullptr},
        {"allow", {Mode::Allow, {"a", "c"}}, "Cookie: c=3; b=2; a=1", ";c=3; a=1\n", "c=3; a=1"},
        {"allow, lines", {Mode::Allow, {"a"}}, "Cookie: b=2; a=1\nCookie: a=3;b=4", ";a=1; a=3\n", "a=1; a=3"},
        {"allow, nothing left", {Mode::Allow, {"a"}}, "Cookie: b=2", "", nullptr},
        {"allow, with case", {Mode::Allow, {"a"}}, "Cookie: A=1", "", nullptr},
        {"allow, no value", {Mode::Allow, {"a"}}, "Cookie: a; b", ";a\n", "a"},
        {"allow, empty name", {Mode::Allow, {"a"}}, "Cookie: =a=1", "", nullptr},
        {"allow, white space", {Mode::Allow, {"a"}}, "Cookie: b=1 ;\ta = 1 ;;", ";a = 1\n", "a = 1"},
        {"allow, glob", {Mode::Allow, {"s_*"}}, "Cookie: s_a=1; t=2; s_b=3", ";s_a=1; s_b=3\n", "s_a=1; s_b=3"},
        {"except", {Mode::Except, {"a"}}, "Cookie: a=1; b=2; c=3", ";b=2; c=3\n", "b=2; c=3"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto policy = with_cookies(row.selection);
            CHECK(split_cache_key(key_of(policy, "/", row.request)).fields == row.keyed);
            http::Fields fields = request_of(row.request).fields;
            CHECK_FALSE(forward_cookies(fields, policy));
            CHECK(fields.contains("Cookie") == (row.forwarded != nullptr));
            if (row.forwarded != nullptr) {
                CHECK(fields.combined("Cookie") == row.forwarded);
            }
        }
    }
}

TEST_CASE("cookies that are forwarded without being in the key are reported") {
    struct Row {
        const char* name;
        config::NameSelection cookies;
        config::NameSelection headers;
        const char* request;
        bool unkeyed;
    };
    const config::NameSelection none{Mode::None, {}};
    const Row rows[] = {
        {"no cookie", none, none, "", false},
        {"RFC9111", none, none, "Cookie: a=1", true},
        {"all keyed", {Mode::All, {}}, none, "Cookie: a=1", false},
        {"one of two keyed", {Mode::Allow, {"a"}}, none, "Cookie: a=1; b=2", true},
        {"both keyed", {Mode::Allow, {"a", "b"}}, none, "Cookie: a=1; b=2", false},
        {"keyed as a field", none, {Mode::Allow, {"cookie"}}, "Cookie: a=1", false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            auto policy = rfc9111();
            policy.key.cookies = row.cookies;
            policy.key.headers = row.headers;
            http::Fields fields = request_of(row.request).fields;
            const std::string before(fields.serialised());
            CHECK(forward_cookies(fields, policy) == row.unkeyed);
            CHECK(fields.serialised() == before);
        }
    }
    // In an own policy too a field that is keyed as a whole is forwarded as a whole.
    http::Fields fields = fields_of("Cookie: a=1");
    CHECK_FALSE(forward_cookies(fields, with_headers({Mode::Allow, {"Cookie"}})));
    CHECK(fields.combined("Cookie") == "a=1");
}
