// Origin request policies: what origins get under CloudFront's names and under own ones.
#include "config/origin_request_policies.h"
#include "config/loader.h"
#include "proxy/rule_tests.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse;

namespace {

const std::string kTop = R"(listeners: [{address: '127.0.0.1:0'}]
origins: {api: {url: 'http://api.test'}}
cache_policies:
  own: {default_ttl: 60s, key: {query_strings: {allow: [page]}, headers: [X-Tier], cookies: {allow: [lang]}}}
origin_request_policies:
  plain: {headers: [Accept], query_strings: [trace*], cookies: {except: [session]}, set: {X-Client: one, X-Both: policy}, remove: [X-Gone]}
behaviors:
)";

void passes(const std::string& rest) {
    const config::LoadResult loaded = config::load_text(kTop + rest, "r.yaml");
    std::string problems;
    for (const config::Problem& problem : loaded.problems) {
        problems += problem.to_string() + "\n";
    }
    REQUIRE_MESSAGE(loaded.config != nullptr, problems);
    for (const auto& result : proxy::run_rule_tests(loaded.config)) {
        CAPTURE(proxy::report_of({result}, proxy::TestReport::Text));
        CHECK(result.passed());
    }
}

// A GET with one of everything.
const std::string kRequest =
    "request: {url: 'http://shop.test/a?page=1&x=2', headers: {Accept: text/html, Origin: 'https://a', User-Agent: "
    "curl, "
    "Referer: 'http://r', Authorization: Basic, X-Tier: gold, X-Other: o, Cookie: 'lang=de; session=1'}}";

} // namespace

TEST_CASE("each of CloudFront's origin request policies gives the origin the key and what it names") {
    struct Row {
        const char* policy;
        const char* origin;
    };
    const Row rows[] = {
        {"AllViewer", "{url: '/a?page=1&x=2', headers: {Host: shop.test, X-Other: o, Origin: '*', Cookie: 'lang=de; "
                      "session=1', X-Tier: gold}}"},
        {"AllViewerAndCloudFrontHeaders-2022-06",
         "{url: '/a?page=1&x=2', headers: {Host: shop.test, X-Other: o, Cookie: 'lang=de; session=1'}}"},
        {"AllViewerExceptHostHeader",
         "{url: '/a?page=1&x=2', headers: {Host: api.test, X-Other: o, Cookie: 'lang=de; session=1'}}"},
        {"CORS-CustomOrigin", "{url: '/a?page=1', headers: {Host: api.test, Origin: 'https://a', X-Tier: gold, Cookie: "
                              "lang=de}, without_headers: [X-Other, Accept, User-Agent, Referer, Authorization]}"},
        {"CORS-S3Origin", "{url: '/a?page=1', headers: {Origin: 'https://a', X-Tier: gold, Cookie: lang=de}, "
                          "without_headers: [X-Other, Accept, User-Agent]}"},
        {"HostHeaderOnly", "{url: '/a?page=1', headers: {Host: shop.test, X-Tier: gold, Cookie: lang=de}, "
                           "without_headers: [Origin, X-Other, Accept, User-Agent]}"},
        {"UserAgentRefererHeaders",
         "{url: '/a?page=1', headers: {User-Agent: curl, Referer: 'http://r', Host: api.test}, "
         "without_headers: [Origin, X-Other, Accept]}"},
        {"Elemental-MediaTailor-PersonalizedManifests",
         "{url: '/a?page=1&x=2', headers: {User-Agent: curl, Origin: '*', X-Forwarded-For: '*', Cookie: lang=de}, "
         "without_headers: [X-Other, Referer]}"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.policy);
        passes("- {path_pattern: '*', origin: api, cache_policy: own, origin_request_policy: " +
               std::string(row.policy) + "}\ntests: [{name: t, " + kRequest +
               ", expect: {key: 'own|* api shop.test /a page=1 x-tier:gold ;lang=de', origin: " + row.origin + "}}]\n");
    }
}

TEST_CASE("a cookie that is forwarded unkeyed keeps the answer from being stored by default, a parameter does not") {
    passes(R"(- {path_pattern: '*', origin: api, cache_policy: own, origin_request_policy: AllViewerExceptHostHeader}
tests:
- {name: a cookie, request: {url: /a, headers: {Cookie: session=1}}, expect: {stored: false, reason: cookie_forwarded, origin: {headers: {Cookie: session=1}}}}
- {name: its lifetime, request: {url: /a, headers: {Cookie: session=1}}, response: {headers: {Cache-Control: max-age=5}}, expect: {stored: true, ttl: 5s}}
- {name: a keyed cookie, request: {url: /a, headers: {Cookie: lang=de}}, expect: {stored: true, ttl: 60s}}
- name: a parameter
  steps:
  - {request: {url: '/a?x=1'}, expect: {stored: true, origin: {url: '/a?x=1'}}}
  - {request: {url: '/a?x=2'}, expect: {cache: hit}}
)");
}

TEST_CASE("under CachingDisabled and RFC9111 the origin gets what the policy names, and everything of other methods") {
    for (const char* policy : {"CachingDisabled", "RFC9111"}) {
        CAPTURE(policy);
        const bool has_key = std::string(policy) == "RFC9111"; // the query
        passes("- {path_pattern: '*', origin: api, cache_policy: " + std::string(policy) +
               ", origin_request_policy: UserAgentRefererHeaders}\ntests:\n- {name: get, " + kRequest +
               ", expect: {origin: {url: '" + (has_key ? "/a?page=1&x=2" : "/a") +
               "', headers: {User-Agent: curl}, without_headers: [X-Other, Cookie, Authorization]}}}\n"
               "- {name: post, request: {method: POST, url: '/a?x=1', headers: {X-Other: o, Cookie: a=b}, body: x}, "
               "expect: {origin: {url: '/a?x=1', headers: {X-Other: o, Cookie: a=b}}}}\n");
        passes("- {path_pattern: '*', origin: api, cache_policy: " + std::string(policy) +
               ", origin_request_policy: AllViewerExceptHostHeader}\ntests: [{name: get, " + kRequest +
               ", expect: {origin: {url: '/a?page=1&x=2', headers: {X-Other: o, Cookie: 'lang=de; session=1', Host: "
               "api.test}}}}]\n");
    }
}

TEST_CASE("an own policy forwards beside the key, sets and removes; the behavior's own word comes last") {
    passes(R"(- path_pattern: '*'
  origin: api
  cache_policy: own
  origin_request_policy: plain
  origin_request: {set: {X-Both: behavior}, remove: [X-Tier]}
  host: viewer
tests:
- name: t
  request: {url: 'http://shop.test/a?page=1&trace_id=7&x=2', headers: {Accept: text/html, X-Other: o, X-Gone: g, X-Tier: gold, Cookie: 'lang=de; session=1; theme=dark'}}
  expect:
    origin:
      url: /a?page=1&trace_id=7
      headers: {Host: shop.test, Accept: text/html, X-Client: one, X-Both: behavior, Cookie: lang=de; theme=dark}
      without_headers: [X-Other, X-Gone, X-Tier]
)");
}

TEST_CASE("what a cache policy declares forward_only and what an origin request policy forwards are put together") {
    const auto origin_gets = [](const std::string& forward_only, const std::string& cookies, const std::string& sent) {
        const std::string rules = "listeners: [{address: '127.0.0.1:0'}]\norigins: {api: {url: 'http://api.test'}}\n"
                                  "cache_policies: {own: {forward_only: {cookies: " +
                                  forward_only + "}}}\norigin_request_policies: {p: {cookies: " + cookies +
                                  "}}\nbehaviors: [{path_pattern: '*', origin: api, cache_policy: own, "
                                  "origin_request_policy: p}]\n"
                                  "tests: [{name: t, request: {url: /a, headers: {Cookie: 'a=1; b=2; c=3'}}, expect: "
                                  "{origin: {headers: {Cookie: '" +
                                  sent + "'}}}}]\n";
        const config::LoadResult loaded = config::load_text(rules, "r.yaml");
        REQUIRE(loaded.config != nullptr);
        const auto results = proxy::run_rule_tests(loaded.config);
        CAPTURE(proxy::report_of(results, proxy::TestReport::Text));
        CHECK(results[0].passed());
    };
    origin_gets("none", "[a]", "a=1");
    origin_gets("[a]", "none", "a=1");
    origin_gets("[a]", "[b]", "a=1; b=2");
    origin_gets("[a]", "all", "a=1; b=2; c=3");
    origin_gets("all", "[a]", "a=1; b=2; c=3");
    origin_gets("[a]", "{except: [a, b]}", "a=1; c=3");
    origin_gets("{except: [a, b]}", "{except: [b, c]}", "a=1; c=3");
}

TEST_CASE("CloudFront's policies are known by name, by their name with Managed- in front, and by id") {
    CHECK(config::origin_request_policy_name_of("AllViewer") == "AllViewer");
    CHECK(config::origin_request_policy_name_of("Managed-CORS-S3Origin") == "CORS-S3Origin");
    CHECK(config::origin_request_policy_name_of("b689b0a8-53d0-40ab-baf2-68738e2966ac") == "AllViewerExceptHostHeader");
    CHECK(config::origin_request_policy_name_of("Managed-Own") == "Managed-Own");
    CHECK(config::cloudfront_origin_request_policies().size() == 8);
    passes(
        "- {path_pattern: '*', origin: api, host: origin, origin_request_policy: Managed-AllViewer}\n"
        "tests: [{name: the behavior's own host wins, request: {url: 'http://shop.test/'}, expect: {origin: {headers: "
        "{Host: api.test}}}}]\n");
}
