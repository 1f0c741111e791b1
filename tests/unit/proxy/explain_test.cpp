// What `gatehouse explain` says of a request.
#include "proxy/explain.h"

#include "config/loader.h"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse;

namespace {

const std::string kRules = R"(listeners: [{address: '127.0.0.1:0'}]
origins:
  api: {url: 'http://api.test/prod'}
cache_policies:
  short:
    default_ttl: 60s
    max_ttl: 2m
    stale_if_error: 1h
    key: {query_strings: {allow: [page]}}
behaviors:
- path_pattern: /static/*
  origin: api
- path_pattern: /v1/*
  origin: api
  when: {methods: [POST]}
- path_pattern: /v1/*
  origin: api
  cache_policy: short
)";

std::string explained(const proxy::ExplainQuestion& question, bool as_json = false) {
    const config::LoadResult loaded = config::load_text(kRules, "r.yaml");
    REQUIRE(loaded.config != nullptr);
    const auto explanation = proxy::explain(loaded.config, question);
    REQUIRE(explanation.ok());
    return as_json ? proxy::explanation_json(*explanation) : proxy::explanation_text(*explanation);
}

proxy::ExplainQuestion asking(const std::string& url) {
    proxy::ExplainQuestion question;
    question.request.url = url;
    return question;
}

void says(const std::string& text, const std::string& part) {
    CAPTURE(text);
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
}

} // namespace

TEST_CASE("an explanation names the behavior, why earlier ones were passed over, and the lines of the file") {
    const std::string text = explained(asking("/v1/a?page=2&x=1"));
    says(text, "request    GET http://test.invalid/v1/a?page=2&x=1\n");
    says(text, "behavior   behaviors[2] `/v1/*`\n             the first that matches  (r.yaml:16)\n");
    says(text, "behaviors[0] `/static/*`: the path does not match  (r.yaml:11)\n");
    says(text, "behaviors[1] `/v1/*`: the method is none of when.methods  (r.yaml:13)\n");
    says(text, "policy     short\n             its rules  (r.yaml:5)\n");
    says(text, "`page=2`: what is keyed of the query `page=2&x=1`  (r.yaml:9)\n");
    says(text, "origin     GET /prod/v1/a?page=2 is sent to `api`\n");
}

TEST_CASE("an explanation says where the lifetime comes from and what limits it") {
    auto question = asking("/v1/a");
    says(explained(question), "lifetime   1m, from default_ttl\n             default_ttl 1m: for responses that name no "
                              "lifetime and may have an assumed one  (r.yaml:6)\n");
    question.response.headers = {{"Cache-Control", "max-age=600"}};
    const std::string capped = explained(question);
    says(capped, "lifetime   2m, from max-age\n             the origin says max-age 10m\n");
    says(capped, "max_ttl 2m: no lifetime of an origin is longer  (r.yaml:7)\n");
    says(capped, "stored     yes\n");
}

TEST_CASE("an explanation says why nothing is stored, and what would change it") {
    struct Row {
        const char* field;
        const char* value;
        const char* says;
        const char* advice;
    };
    const Row rows[] = {
        {"Cache-Control", "no-store", "stored     no: ", "let the origin leave out no-store"},
        {"Cache-Control", "private", "stored     no: ", "let the origin leave out private"},
        {"Set-Cookie", "a=b", "stored     no: ", "let the origin set no cookie here"},
        {"Vary", "*", "stored     no: ", "let the origin name in Vary what its answer depends on"},
    };
    for (const Row& row : rows) {
        auto question = asking("/v1/a");
        question.response.headers = {{row.field, row.value}};
        const std::string text = explained(question);
        says(text, row.says);
        says(text, row.advice);
    }
    says(explained(asking("/other")), "behavior   none: the client gets 404\n");
    auto post = asking("/v1/a");
    post.request.method = "POST";
    says(explained(post), "lookup     the cache is not asked: ");
}

TEST_CASE("an explanation of a cached POST shows what of it is in the key") {
    const std::string rules = R"(listeners: [{address: '127.0.0.1:0'}]
origins: {api: {url: 'http://api.test'}}
cache_policies: {p: {default_ttl: 60s, key: {max_body_size: 8B}}}
behaviors:
- path_pattern: /search
  origin: api
  cache_policy: p
  cached_methods: [GET, HEAD, POST, OPTIONS]
)";
    const config::LoadResult loaded = config::load_text(rules, "r.yaml");
    REQUIRE(loaded.config != nullptr);
    auto question = asking("/search");
    question.request.method = "POST";
    question.request.body = "abc";
    question.request.headers = {{"Content-Type", "text/plain"}};
    question.after = std::chrono::seconds(30);
    const std::string text = proxy::explanation_text(*proxy::explain(loaded.config, question));
    says(text, "lookup     the cache is asked\n");
    says(text, "`@POST ba7816bf8f01cfea414140de5dae2223 content-type:text/plain`: the method, the hash of the content, "
               "and what says how it is to be read  (r.yaml:8)\n");
    says(text, "stored     yes\n");
    says(text, "after 30s  200 from the cache, fresh\n");
    question.request.body = "nine byte";
    const std::string larger = proxy::explanation_text(*proxy::explain(loaded.config, question));
    says(larger, "lookup     the cache is not asked: The content of the request is larger than key.max_body_size");
    says(larger, "`key: {max_body_size: ...}` in the policy says how large it may be");
    says(larger, "after 30s  200 from the origin\n");
    question.request.method = "OPTIONS";
    question.request.body.clear();
    question.request.headers = {{"Origin", "https://a.test"}};
    says(proxy::explanation_text(*proxy::explain(loaded.config, question)),
         "`@OPTIONS origin:https://a.test`: the method, and what a preflight asks  (r.yaml:8)\n");
}

TEST_CASE("an explanation goes on to the same request later") {
    auto question = asking("/v1/a");
    question.after = std::chrono::seconds(30);
    says(explained(question), "after 30s  200 from the cache, fresh\n");
    question.after = std::chrono::minutes(2);
    says(explained(question), "after 2m   200 from the origin\n");
    question.response.error = "connection_refused";
    const std::string text = explained(question);
    says(text, "client     502 from Gatehouse itself\n");
    says(text, "after 2m   502 from Gatehouse itself\n");
}

TEST_CASE("an explanation in JSON has a decision for each line of the text, with file and line") {
    const auto value = boost::json::parse(explained(asking("/v1/\"a\""), true));
    const auto& decisions = value.as_array();
    REQUIRE(decisions.size() >= 8);
    const auto& behavior = decisions[1].as_object();
    CHECK(behavior.at("decision") == "behavior");
    CHECK(behavior.at("answer") == "behaviors[2] `/v1/*`");
    const auto& first = behavior.at("steps").as_array()[0].as_object();
    CHECK(first.at("file") == "r.yaml");
    CHECK(first.at("line") == 16);
}

TEST_CASE("a request that is refused before it is routed has no explanation but its error") {
    const config::LoadResult loaded = config::load_text(kRules, "r.yaml");
    REQUIRE(loaded.config != nullptr);
    const auto refused = proxy::explain(loaded.config, asking("/../a"));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == http::ErrorKind::UnsafePath);
}

TEST_CASE("an explanation says which queries an answer with No-Vary-Search is for") {
    proxy::ExplainQuestion question = asking("/v1/a?page=2&x=1");
    question.response.headers.push_back({"No-Vary-Search", "params=(\"utm\"), key-order"});
    says(explained(question), "stored     yes\n             No-Vary-Search: it answers every query that comes to `page=2`\n");
    question.response.headers.back().value = "params=(utm)";
    CHECK(explained(question).find("No-Vary-Search: it") == std::string::npos);
}

TEST_CASE("an explanation names the page that takes the place of an error, and its rule") {
    const config::LoadResult loaded = config::load_text(R"(listeners: [{address: '127.0.0.1:0'}]
origins: {site: {url: 'http://site.test/files'}}
behaviors:
- path_pattern: "*"
  origin: site
  error_pages:
    404: {page: /404.html}
    4xx: {page: /index.html, status: 200}
)",
                                                        "r.yaml");
    REQUIRE(loaded.config != nullptr);
    proxy::ExplainQuestion question = asking("/gone");
    question.response.status = 404;
    const auto keeps = proxy::explain(loaded.config, question);
    REQUIRE(keeps.ok());
    const std::string first = proxy::explanation_text(*keeps);
    says(first, "error page `/404.html` takes the place of the 404, if it is there\n");
    says(first, "the rule for 404  (r.yaml:7)\n");
    says(first, "it keeps the status of the error");
    says(first, "GET /files/404.html is sent to its origin; the answer is taken to be 200\n");
    says(first, "client     404 from the origin\n");
    question.response.status = 403;
    const auto replaces = proxy::explain(loaded.config, question);
    REQUIRE(replaces.ok());
    const std::string second = proxy::explanation_text(*replaces);
    says(second, "the rule for 4xx  (r.yaml:8)\n");
    says(second, "it is sent with status 200");
    says(second, "client     200 from the origin\n");
}
