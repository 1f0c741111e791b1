// Invalidation: which URIs die after an unsafe request, and that other origins are out of reach.
#include "cache/policy/invalidation.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace http = gatehouse::http;
using Uris = std::vector<InvalidatedUri>;

namespace {

http::Target target_at(std::string_view path, std::string_view query) {
    http::Target target;
    target.authority = "a.example";
    target.path = path;
    target.query = query;
    target.has_query = !query.empty();
    return target;
}

const InvalidatedUri kTarget{"a.example", "/v1/items/7", "x=1"};

Uris uris_of(http::Method method, std::string_view response, std::string_view scheme = "http") {
    return invalidated_uris(method, scheme, target_at("/v1/items/7", "x=1"), response_of(response));
}

} // namespace

TEST_CASE("unsafe methods that succeed invalidate (RFC 9111 section 4.4)") {
    using http::Method;
    for (const Method method : {Method::Post, Method::Put, Method::Delete, Method::Patch, Method::Other}) {
        CHECK(uris_of(method, "200") == Uris{kTarget});
    }
    for (const Method method : {Method::Get, Method::Head, Method::Options, Method::Trace}) {
        CHECK(uris_of(method, "200\nLocation: /x").empty());
    }
    struct Row {
        int status;
        bool invalidates;
    };
    for (const Row row : {Row{199, false}, Row{200, true}, Row{201, true}, Row{204, true}, Row{302, true},
                          Row{399, true}, Row{400, false}, Row{404, false}, Row{500, false}}) {
        CAPTURE(row.status);
        CHECK(uris_of(Method::Put, std::to_string(row.status)).empty() != row.invalidates);
    }
}

TEST_CASE("Location and Content-Location of the same origin too (RFC 9111 section 4.4)") {
    struct Row {
        const char* value;
        const char* path; // nullptr: nothing more is invalidated
        const char* query;
    };
    const Row rows[] = {
        {"/other", "/other", ""},
        {"/other?q=1", "/other", "q=1"},
        {"/other?q=1#part", "/other", "q=1"},
        {"/a/./b/../c", "/a/c", ""},
        {"/a/..", "/", ""},
        {"/../a", "/a", ""},
        {"/a/b/.", "/a/b/", ""},
        {"/a//b", "/a//b", ""},
        {"/%7Ea", "/%7Ea", ""}, // as it would be requested
        {"8", "/v1/items/8", ""},
        {"./8", "/v1/items/8", ""},
        {"../items", "/v1/items", ""},
        {"../../../x", "/x", ""},
        {"?x=2", "/v1/items/7", "x=2"},
        {"?", "/v1/items/7", ""},
        {"", nullptr, nullptr},      // the target itself
        {"#part", nullptr, nullptr}, // likewise
        {"/v1/items/7?x=1", nullptr, nullptr},
        {"http://a.example/other", "/other", ""},
        {"HTTP://A.Example:80/other", "/other", ""},
        {"http://a.example", "/", ""},
        {"http://a.example?q", "/", "q"},
        {"//a.example/other", "/other", ""},
        {"http://a.example:8080/other", nullptr, nullptr},
        {"https://a.example/other", nullptr, nullptr},
        {"http://b.example/other", nullptr, nullptr},
        {"//b.example/other", nullptr, nullptr},
        {"http://user@a.example/other", nullptr, nullptr},
        {"http:///other", nullptr, nullptr},
        {"http:other", nullptr, nullptr},
        {"mailto:someone", nullptr, nullptr},
        {"a:b", nullptr, nullptr},
    };
    for (const Row& row : rows) {
        const std::string value = row.value;
        SUBCASE(("value " + value).c_str()) {
            Uris expected = {kTarget};
            if (row.path != nullptr) {
                expected.push_back({"a.example", row.path, row.query});
            }
            CHECK(uris_of(http::Method::Post, "201\nLocation: " + value) == expected);
            CHECK(uris_of(http::Method::Post, "201\nContent-Location: " + value) == expected);
        }
    }
    // Both, and no URI twice.
    CHECK(uris_of(http::Method::Post, "201\nLocation: /a\nContent-Location: /b").size() == 3);
    CHECK(uris_of(http::Method::Post, "201\nLocation: /a\nContent-Location: http://a.example/a").size() == 2);
    CHECK(uris_of(http::Method::Post, "201\nLocation: https://a.example/x", "https").size() == 2);
    CHECK(uris_of(http::Method::Post, "201\nLocation: http://a.example/x", "https").size() == 1);
}

TEST_CASE("a reference beside a target without a path of its own") {
    const auto uris =
        invalidated_uris(http::Method::Other, "http", target_at("*", ""), response_of("200\nLocation: x"));
    CHECK(uris == Uris{{"a.example", "*", ""}, {"a.example", "/x", ""}});
}

TEST_CASE("whether the answer to a POST represents its target (RFC 9110 section 9.3.3)") {
    struct Row {
        const char* name;
        const char* response;
        bool represents;
    };
    const Row rows[] = {
        {"no Content-Location", "200", false},
        {"the path", "200\nContent-Location: /v1/items/7?x=1", true},
        {"the whole URI", "200\nContent-Location: http://a.example/v1/items/7?x=1", true},
        {"default port", "200\nContent-Location: http://A.example:80/v1/items/7?x=1", true},
        {"relative to it", "200\nContent-Location: 7?x=1", true},
        {"empty", "200\nContent-Location: ", true},
        {"without the query", "200\nContent-Location: /v1/items/7", false},
        {"another query", "200\nContent-Location: /v1/items/7?x=2", false},
        {"another path", "200\nContent-Location: /v1/items/8?x=1", false},
        {"another host", "200\nContent-Location: http://b.example/v1/items/7?x=1", false},
        {"another scheme", "200\nContent-Location: https://a.example/v1/items/7?x=1", false},
        {"two lines", "200\nContent-Location: /v1/items/7?x=1\nContent-Location: /v1/items/7?x=1", false},
        {"Location says nothing", "201\nLocation: /v1/items/7?x=1", false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CHECK(represents_target("http", target_at("/v1/items/7", "x=1"), response_of(row.response)) ==
                  row.represents);
        }
    }
}
