// The tests of a configuration: what they can say, and how what differs is told.
#include "proxy/rule_tests.h"

#include "config/loader.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace gatehouse;
using proxy::RuleTestResult;

namespace {

const std::string kRules = R"(
listeners: [{address: '127.0.0.1:0'}]
origins: {api: {url: 'http://api.test/prod'}}
cache_policies:
  short: {default_ttl: 60s, stale_while_revalidate: 10s, stale_if_error: 1h, error_ttl: {404: 10s}, key: {query_strings: {allow: [page]}}}
behaviors:
- {path_pattern: '/v1/*', origin: api, cache_policy: short, allowed_methods: [GET, HEAD]}
- {path_pattern: /search, origin: api, cache_policy: short, cached_methods: [GET, HEAD, POST]}
- {path_pattern: '*', origin: api}
tests:
)";

std::vector<RuleTestResult> run(const std::string& tests) {
    const config::LoadResult loaded = config::load_text(kRules + tests, "rules.yaml");
    std::string problems;
    for (const config::Problem& problem : loaded.problems) {
        problems += problem.to_string() + "\n";
    }
    REQUIRE_MESSAGE(loaded.config != nullptr, problems);
    return proxy::run_rule_tests(loaded.config);
}

// What the only test of these differs in, joined with " | ".
std::string differences(const std::string& test) {
    const auto results = run(test);
    REQUIRE(results.size() == 1);
    std::string out;
    for (const std::string& one : results[0].differences) {
        out += (out.empty() ? "" : " | ") + one;
    }
    return out;
}

// The blocks of YAML that are whole configurations.
std::vector<std::string> documented_configurations(const std::string& path) {
    std::ifstream in(path);
    std::vector<std::string> found;
    std::string block;
    bool inside = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("```")) {
            if (inside && block.find("\nlisteners:") != std::string::npos) {
                found.push_back(block);
            }
            inside = line == "```yaml";
            block = "\n";
        } else if (inside) {
            block += line + "\n";
        }
    }
    return found;
}

} // namespace

TEST_CASE("what a test expects is compared with what the proxy does") {
    struct Row {
        const char* test; // behind "{name: t, "
        const char* differences;
    };
    const Row rows[] = {
        {"request: {url: /v1/a}, response: {status: 200}, expect: {stored: true, ttl: 60s, cache: miss, status: 200, "
         "behavior: '/v1/*'}}",
         ""},
        {"request: {url: /v1/a}, expect: {ttl: 61s}}", "ttl: expected 61s; got 60s"},
        {"request: {url: /v1/a}, expect: {behavior: '*'}}", "behavior: expected `*`; got `/v1/*`"},
        {"request: {url: /v1/none}, response: {status: 404}, expect: {stored: true, ttl: 10s}}", ""},
        {"request: {url: /a}, response: {status: 404}, expect: {stored: true, reason: no_lifetime}}",
         "stored: expected true; got false"},
        {"request: {url: /a}, response: {headers: {Cache-Control: no-store}}, expect: {stored: false, reason: "
         "response_no_store}}",
         ""},
        {"request: {url: /a}, response: {headers: {Cache-Control: max-age=60}}, expect: {reason: no_lifetime}}",
         "reason: expected `no_lifetime`; got `none`"},
        {"request: {url: '/v1/a?page=2&utm=x'}, expect: {key: 'short|/v1/* api test.invalid /v1/a page=2', origin: "
         "{url: "
         "'/prod/v1/a?page=2', headers: {Host: api.test}, without_headers: [Cookie]}}}",
         ""},
        {"request: {url: 'https://shop.test/v1/a', headers: {Cookie: a=b}}, expect: {key: x, origin: {url: /, headers: "
         "{Host: shop.test}, without_headers: [Via]}}}",
         "key: expected `x`; got `short|/v1/* api shop.test /v1/a` | origin.url: expected `/`; got `/prod/v1/a` | "
         "origin.headers.Host: expected `shop.test`; got `api.test` | origin.headers.Via: expected no such field; got "
         "`1.1 gatehouse`"},
        {"request: {method: POST, url: /v1/a, body: x}, expect: {cache: own, status: 405, headers: {Allow: 'GET, "
         "HEAD'}, "
         "origin: {asked: false}}}",
         ""},
        {"request: {method: POST, url: /v1/a}, expect: {origin: {url: /v1/a}}}",
         "origin: expected a request; got none: it was not asked"},
        {"request: {url: /a}, response: {error: connection_refused}, expect: {status: 502, cache: own, stored: false}}",
         ""},
        {"request: {url: /a}, response: {headers: {Set-Cookie: [a=1, b=2]}, body: hello}, expect: {headers: "
         "{Set-Cookie: "
         "'b=*', X-None: '*'}, without_headers: [Set-Cookie], body: hell}}",
         "headers.X-None: expected `*`; got no such field | headers.Set-Cookie: expected no such field; got `a=1, b=2` "
         "| "
         "body: expected `hell`; got `hello`"},
        {"request: {url: /../a}, expect: {status: 400, behavior: none}}", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.test);
        CHECK(differences("- {name: t, " + std::string(row.test) + "\n") == row.differences);
    }
}

TEST_CASE("steps share a cache and a clock") {
    CHECK(differences(R"(
- name: t
  steps:
  - {request: {url: /v1/a}, response: {body: one, headers: {ETag: '"1"'}}, expect: {cache: miss, stored: true}}
  - {after: 59s, request: {url: /v1/a}, response: {body: two}, expect: {cache: hit, body: one, ttl: 1s, origin: {asked: false}}}
  - {after: 1500ms, request: {url: /v1/a}, response: {status: 304}, expect: {cache: stale, reason: stale_while_revalidate, origin: {asked: true, headers: {If-None-Match: '"1"'}}}}
  - {request: {url: /v1/a}, expect: {cache: hit, body: one}}
  - {after: 80s, request: {url: /v1/a}, response: {status: 304}, expect: {cache: revalidated, body: one, status: 200}}
  - {after: 80s, request: {url: /v1/a}, response: {error: dns_error}, expect: {cache: stale, reason: stale_if_error, body: one}}
  - {request: {url: /v1/a, headers: {Cache-Control: only-if-cached}}, expect: {cache: own, status: 504}}
  - {request: {url: /v1/a, headers: {Range: 'bytes=1-'}}, response: {body: whole, headers: {ETag: '"2"'}}, expect: {status: 206, body: hole}}
)") == "");
    CHECK(differences(R"(
- name: t
  steps:
  - {request: {url: /v1/a}}
  - {request: {url: /v1/a}, expect: {cache: miss}}
)") == "step 2: cache: expected miss; got hit");
}

TEST_CASE("a test of a cached POST has its content in the key") {
    CHECK(differences(R"(
- name: t
  steps:
  - {request: {method: POST, url: /search, body: abc}, response: {body: one}, expect: {cache: miss, stored: true, ttl: 60s, key: 'short|/search api test.invalid /search  @POST ba7816bf8f01cfea414140de5dae2223'}}
  - {request: {method: POST, url: /search, body: abc}, expect: {cache: hit, body: one}}
  - {request: {method: POST, url: /search, body: abd}, expect: {cache: miss}}
  - {request: {url: /search}, expect: {cache: miss}}
  - {request: {method: POST, url: /search}, expect: {cache: miss, stored: true}}
  - {request: {method: POST, url: /other, body: abc}, expect: {cache: miss, stored: false, reason: none}}
)") == "");
}

TEST_CASE("an origin may take its time, and what is served meanwhile is tested like everything else") {
    const std::string rules = R"(
listeners: [{address: '127.0.0.1:0'}]
origins: {api: {url: 'http://api.test', first_byte_timeout: 5s}}
cache_policies: {slow: {default_ttl: 10s, stale_if_slow: 300ms, stale_if_error: 1m}}
behaviors: [{path_pattern: '*', origin: api, cache_policy: slow}]
tests:
- name: a stale answer while the origin thinks, then the new one
  steps:
  - {request: {url: /a}, response: {body: one, delay: 2s}, expect: {cache: miss, stored: true, body: one}}
  - {after: 11s, request: {url: /a}, response: {body: two, delay: 500ms}, expect: {cache: stale, reason: stale_if_slow, body: one, origin: {asked: true}}}
  - {request: {url: /a}, expect: {cache: hit, body: two, origin: {asked: false}}}
  - {after: 11s, request: {url: /a}, response: {body: three, delay: 200ms}, expect: {cache: miss, body: three}}
- name: an origin that takes longer than it may has failed
  steps:
  - {request: {url: /b}, response: {delay: 5001ms}, expect: {status: 504, reason: origin_error}}
  - {request: {url: /b}, response: {delay: 5s}, expect: {status: 200}}
)";
    const config::LoadResult loaded = config::load_text(rules, "rules.yaml");
    std::string problems;
    for (const config::Problem& problem : loaded.problems) {
        problems += problem.to_string() + "\n";
    }
    REQUIRE_MESSAGE(loaded.config != nullptr, problems);
    for (const RuleTestResult& result : proxy::run_rule_tests(loaded.config)) {
        CAPTURE(proxy::report_of({result}, proxy::TestReport::Text));
        CHECK(result.passed());
    }
}

TEST_CASE("each test has a cache of its own, and knows its place") {
    const auto results = run("- {name: first, request: {url: /v1/a}, expect: {cache: miss}}\n"
                             "- {name: second, request: {url: /v1/a}, expect: {cache: hit}}\n");
    REQUIRE(results.size() == 2);
    CHECK(results[0].passed());
    CHECK_FALSE(results[1].passed());
    CHECK(results[1].place.file == "rules.yaml");
    CHECK(results[1].place.line == 12);
}

TEST_CASE("what is forwarded without being keyed is said by the policy, and the rest by the behavior") {
    const std::string rules = R"(
listeners: [{address: '127.0.0.1:0'}]
origins: {api: {url: 'http://api.test'}}
cache_policies:
  own:
    default_ttl: 60s
    key: {query_strings: {allow: [page]}, headers: [X-Tier], cookies: {allow: [lang]}}
    forward_only: {query_strings: [trace*], cookies: [session]}
behaviors:
- path_pattern: '*'
  origin: api
  cache_policy: own
  origin_request:
    headers: [Accept, X-Removed]
    set: {X-Client: '{client_ip} {host}{path}'}
    remove: [X-Removed]
tests:
- name: a miss
  steps:
  - request: {url: '/a?page=1&x=2&trace_id=3', headers: {Accept: text/html, X-Tier: gold, X-Other: a, X-Removed: b, X-Client: faked, Cookie: 'lang=de; session=1; c=d'}}
    response: {headers: {Cache-Control: max-age=60}}
    expect:
      key: own|* api test.invalid /a page=1 x-tier:gold ;lang=de
      stored: true
      origin:
        url: /a?page=1&trace_id=3
        headers: {Accept: text/html, X-Tier: gold, X-Client: 127.0.0.1 test.invalid/a, Cookie: lang=de; session=1, Host: api.test, X-Forwarded-For: '*'}
        without_headers: [X-Other, X-Removed]
  - request: {url: '/a?page=1&trace_id=4', headers: {X-Tier: gold, Cookie: 'lang=de; session=2'}}
    expect: {cache: hit}
- name: a cookie that is forwarded without being keyed keeps the answer from being stored by default
  request: {url: /a, headers: {Cookie: session=1}}
  expect: {stored: false, reason: cookie_forwarded}
- name: an answer without such a cookie is stored by default
  request: {url: /a, headers: {Cookie: c=d}}
  expect: {stored: true, ttl: 60s, origin: {without_headers: [Cookie]}}
- name: a request that is not answered from the cache is forwarded whole, but for what is removed
  request: {method: POST, url: '/a?x=2', headers: {X-Other: a, X-Removed: b}, body: x}
  expect: {origin: {url: '/a?x=2', headers: {X-Other: a, X-Client: '*'}, without_headers: [X-Removed]}}
)";
    const config::LoadResult loaded = config::load_text(rules, "rules.yaml");
    REQUIRE(loaded.config != nullptr);
    for (const RuleTestResult& result : proxy::run_rule_tests(loaded.config)) {
        CAPTURE(proxy::report_of({result}, proxy::TestReport::Text));
        CHECK(result.passed());
    }
}

TEST_CASE("content of more than 256 KiB is refused, not cut") {
    CHECK(differences("- {name: t, request: {url: /a}, response: {body: '" + std::string(256 * 1024 + 1, 'x') +
                      "'}}\n") == "the content of an origin's answer may have at most 256KiB here");
}

TEST_CASE("what a session refuses, a test does not ask for, and what is no HTTP is told") {
    CHECK(differences("- {name: t, request: {method: CONNECT, url: /a}}\n") == "the method is none that is served");
    CHECK(differences("- {name: t, request: {url: /a, headers: {Transfer-Encoding: gzip}}}\n").find("ransfer") !=
          std::string::npos);
    std::string headers;
    for (int i = 0; i < 200; ++i) {
        headers += "X-" + std::to_string(i) + ": a, ";
    }
    CHECK(differences("- {name: t, request: {url: /a}, response: {headers: {" + headers +
                      "X: a}}, expect: {cache: miss, headers: {X-199: a}}}\n") == "");
}

TEST_CASE("reports stay on their lines, whatever a name or a body holds") {
    std::vector<RuleTestResult> results;
    results.push_back({"two\nlines", {"r.yaml", 1, 1}, {}});
    CHECK(proxy::report_of(results, proxy::TestReport::Tap) == "TAP version 13\n1..1\nok 1 - two\\nlines\n");
    CHECK(proxy::report_of(results, proxy::TestReport::Text) == "ok    two\\nlines\n1 test, 0 failed\n");
    CHECK(differences("- {name: t, request: {url: /a}, response: {body: \"a\\nok 2 - b\\e\"}, expect: {body: c}}\n") ==
          "body: expected `c`; got `a\\nok 2 - b\\x1b`");
}

TEST_CASE("results are reported as text, as TAP and as JUnit's XML") {
    std::vector<RuleTestResult> results;
    results.push_back({"a page is <kept>", {"rules.yaml", 9, 3}, {}});
    results.push_back({"issue #7 & more", {"rules.yaml", 12, 3}, {"ttl: expected 1s; got none", "body: \"x\""}});
    CHECK(proxy::report_of(results, proxy::TestReport::Text) == "ok    a page is <kept>\n"
                                                                "FAIL  issue #7 & more  (rules.yaml:12)\n"
                                                                "      ttl: expected 1s; got none\n"
                                                                "      body: \"x\"\n"
                                                                "2 tests, 1 failed\n");
    CHECK(proxy::report_of(results, proxy::TestReport::Tap) == "TAP version 13\n1..2\n"
                                                               "ok 1 - a page is <kept>\n"
                                                               "not ok 2 - issue \\#7 & more\n"
                                                               "# rules.yaml:12: ttl: expected 1s; got none\n"
                                                               "# rules.yaml:12: body: \"x\"\n");
    CHECK(proxy::report_of(results, proxy::TestReport::JUnit) ==
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<testsuite name=\"gatehouse\" tests=\"2\" failures=\"1\">\n"
          "  <testcase name=\"a page is &lt;kept&gt;\" classname=\"rules.yaml\" file=\"rules.yaml\" line=\"9\"/>\n"
          "  <testcase name=\"issue #7 &amp; more\" classname=\"rules.yaml\" file=\"rules.yaml\" line=\"12\">\n"
          "    <failure message=\"ttl: expected 1s; got none\">ttl: expected 1s; got none\nbody: &quot;x&quot;\n"
          "</failure>\n  </testcase>\n</testsuite>\n");
}

TEST_CASE("the tests of the examples pass") {
    int tested = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(GATEHOUSE_SOURCE_DIR) + "/conf")) {
        if (entry.path().extension() != ".yaml") {
            continue;
        }
        CAPTURE(entry.path().string());
        const config::LoadResult loaded = config::load_file(entry.path().string());
        REQUIRE(loaded.config != nullptr);
        const auto results = proxy::run_rule_tests(loaded.config);
        CHECK_FALSE(results.empty());
        for (const RuleTestResult& result : results) {
            CAPTURE(proxy::report_of({result}, proxy::TestReport::Text));
            CHECK(result.passed());
            ++tested;
        }
    }
    CHECK(tested >= 10);
}

TEST_CASE("configurations in the documentation are valid, raise no warning, and their tests pass") {
    const std::string root = GATEHOUSE_SOURCE_DIR;
    std::vector<std::string> pages{root + "/README.md"};
    for (const auto& entry : std::filesystem::directory_iterator(root + "/docs")) {
        if (entry.path().extension() == ".md") {
            pages.push_back(entry.path().string());
        }
    }
    std::size_t configurations = 0;
    std::size_t tests = 0;
    for (const std::string& page : pages) {
        for (const std::string& text : documented_configurations(page)) {
            CAPTURE(page);
            const config::LoadResult loaded = config::load_text(text, page);
            for (const auto* problems : {&loaded.problems, &loaded.warnings}) {
                for (const config::Problem& problem : *problems) {
                    FAIL_CHECK(problem.to_string());
                }
            }
            REQUIRE(loaded.config != nullptr);
            ++configurations;
            for (const proxy::RuleTestResult& result : proxy::run_rule_tests(loaded.config)) {
                CAPTURE(result.name);
                for (const std::string& difference : result.differences) {
                    FAIL_CHECK(difference);
                }
                ++tests;
            }
        }
    }
    CHECK(configurations >= 2); // README.md and FROM_CLOUDFRONT.md
    CHECK(tests >= 3);
}

TEST_CASE("a step says what the origin answers for error pages, and what came of it") {
    const std::string rules = R"(
listeners: [{address: '127.0.0.1:0'}]
origins: {site: {url: 'http://site.test/files'}}
cache_policies: {own: {default_ttl: 60s, error_ttl: {4xx: 10s}}}
behaviors:
- {path_pattern: '*', origin: site, cache_policy: own, error_pages: {404: {page: '/index.html?app', status: 200}, 500: {page: /500.html}}}
tests:
- name: both are asked for, and then none
  steps:
  - request: {url: /a}
    response: {status: 404}
    pages: [{url: '/index.html?app', body: application, headers: {X-A: [1, 2]}}]
    expect: {status: 200, error_page: 404, body: application, cache: miss, stored: true, headers: {X-A: '2'}, origin: {url: /files/a}}
  - {request: {url: /a}, expect: {cache: hit, body: application, error_page: 404, origin: {asked: false}}}
- {name: a page that is not named is answered as everything else, request: {url: /a}, response: {status: 404, body: none}, expect: {status: 404, body: none, error_page: 404}}
- {name: a page that fails, request: {url: /a}, response: {status: 500}, pages: [{url: /500.html, error: dns_error}], expect: {status: 500, error_page: 404}}
- {name: an origin that is down, request: {url: /a}, response: {error: dns_error}, pages: [{url: /500.html}], expect: {status: 502, cache: own}}
- {name: a page that is mistyped, request: {url: /a}, response: {status: 404}, pages: [{url: /index.htm}], expect: {status: 404}}
- {name: no page is expected, request: {url: /a}, response: {status: 404}, pages: [{url: '/index.html?app'}], expect: {error_page: none}}
- {name: no page is expected and none is there, request: {url: /a}, response: {status: 404}, expect: {error_page: none}}
- {name: a page that is not asked for, request: {url: /a}, response: {error: dns_error}, pages: [{url: /500.html}], expect: {status: 404}}
- {name: a page that is stored is asked for too, steps: [{request: {url: /a}, response: {status: 404}, pages: [{url: '/index.html?app'}]}, {request: {url: /a}, pages: [{url: '/index.html?app'}]}]}
)";
    const config::LoadResult loaded = config::load_text(rules, "r.yaml");
    REQUIRE(loaded.config != nullptr);
    std::string differences;
    for (const RuleTestResult& result : proxy::run_rule_tests(loaded.config)) {
        for (const std::string& one : result.differences) {
            differences += one + "\n";
        }
    }
    CHECK(differences == "error_page: expected 404; got none\n"
                         "`/index.html?app` was asked for and answered 404; `pages` does not name it\n"
                         "error_page: expected 404; got none\n"
                         "pages: `/index.htm` is no page of any error_pages\n"
                         "`/index.html?app` was asked for and answered 404; `pages` does not name it\n"
                         "error_page: expected none; got 404\n"
                         "status: expected 404; got 502\n"
                         "pages: `/500.html` was not asked for\n");
}

TEST_CASE("a stored error and its stored page are given at once, without waiting for anything") {
    const config::LoadResult loaded = config::load_text(R"(
listeners: [{address: '127.0.0.1:0'}]
origins: {site: {url: 'http://site.test'}}
cache_policies: {own: {default_ttl: 60s, error_ttl: {4xx: 10s}}}
behaviors:
- {path_pattern: '*', origin: site, cache_policy: own, error_pages: {404: {page: /404.html}}}
)",
                                                        "r.yaml");
    REQUIRE(loaded.config != nullptr);
    proxy::Simulation simulation(loaded.config);
    config::TestRequest request;
    request.url = "/a";
    proxy::SimulatedOrigin error;
    error.head.status = 404;
    proxy::SimulatedOrigin page;
    page.head.status = 200;
    page.content = "page";
    const auto ask = [&](std::map<std::string, proxy::SimulatedOrigin> pages) {
        const auto outcome = simulation.ask(proxy::simulated_request(request), error, pages);
        REQUIRE(outcome.ok());
        CHECK(outcome->response.status == 404);
        return *outcome;
    };
    CHECK_FALSE(ask({{"/404.html", page}}).at_once);
    const auto both = ask({});
    CHECK(both.at_once);
    CHECK(both.content == "page");
    request.url = "/404.html"; // a page that is an error itself, and stored as one
    simulation.advance(std::chrono::seconds(61));
    CHECK_FALSE(ask({}).at_once);
    request.url = "/a";
    CHECK_FALSE(ask({}).at_once); // the error is stale
    const auto none = ask({});
    CHECK(none.at_once);
    CHECK(none.content == "");
    CHECK(none.record.cache.page_for == 0);
}
