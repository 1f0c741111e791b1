// What makes one stored response answer several requests, as an operator would test it.
#include "proxy/rule_tests.h"

#include "config/loader.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse;

namespace {

// Every step that differs, of the tests of a configuration with this policy.
std::string differences(const std::string& policy, const std::string& tests) {
    const config::LoadResult loaded =
        config::load_text("listeners: [{address: '127.0.0.1:0'}]\norigins: {api: {url: 'http://api.test'}}\n"
                          "cache_policies: {own: {" +
                              policy +
                              "}}\nbehaviors: [{path_pattern: '*', origin: api, cache_policy: own}]\n"
                              "tests:\n" +
                              tests,
                          "rules.yaml");
    std::string out;
    for (const config::Problem& problem : loaded.problems) {
        out += problem.severity == config::Severity::Error ? problem.to_string() + "\n" : "";
    }
    REQUIRE_MESSAGE(loaded.config != nullptr, out);
    for (const auto& result : proxy::run_rule_tests(loaded.config)) {
        for (const std::string& one : result.differences) {
            out += one + "\n";
        }
    }
    return out;
}

} // namespace

TEST_CASE("a test of an operator's shows what vary: ignore does") {
    const char* const tests = R"(
- name: two browsers
  steps:
  - request: {url: /a, headers: {User-Agent: one}}
    response: {body: for one, headers: {Cache-Control: max-age=60, Vary: User-Agent}}
    expect: {cache: miss, stored: true}
  - request: {url: /a, headers: {User-Agent: two}}
    response: {body: for two, headers: {Cache-Control: max-age=60, Vary: User-Agent}}
    expect: {cache: hit, body: for one, headers: {Vary: User-Agent}}
)";
    CHECK(differences("vary: ignore", tests) == "");
    CHECK(differences("vary: {ignore: [User-Agent]}", tests) == "");
    CHECK(differences("vary: {ignore: [Origin]}", tests) ==
          "step 2: cache: expected hit; got miss\nstep 2: body: expected `for one`; got `for two`\n");
    CHECK(differences("vary: honor", tests) ==
          "step 2: cache: expected hit; got miss\nstep 2: body: expected `for one`; got `for two`\n");
}

TEST_CASE("the key that a test expects tells the rule about Vary") {
    const char* const tests = R"(
- {name: t, request: {url: /a}, expect: {key: 'own(vary:origin,user-agent)|* api test.invalid /a'}}
)";
    CHECK(differences("vary: {ignore: [User-Agent, Origin]}", tests) == "");
}

TEST_CASE("a test of an operator's shows what No-Vary-Search does") {
    const char* const tests = R"(
- name: two tracking links
  steps:
  - request: {url: '/a?q=1&utm=x'}
    response: {body: one, headers: {Cache-Control: max-age=60, No-Vary-Search: 'params=("utm")'}}
    expect: {cache: miss, stored: true, origin: {url: '/a?q=1&utm=x'}}
  - request: {url: '/a?utm=y&q=1'}
    expect: {cache: hit, body: one}
  - request: {url: '/a?q=2&utm=x'}
    response: {body: two}
    expect: {cache: miss, body: two}
)";
    CHECK(differences("", tests) == "");
    CHECK(differences("no_vary_search: honor", tests) == "");
    CHECK(differences("no_vary_search: ignore", tests) ==
          "step 2: cache: expected hit; got miss\nstep 2: body: expected `one`; got ``\n");
}
