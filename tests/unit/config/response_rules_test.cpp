// The rules for responses in YAML: what is read, and what is refused at which place.
#include "config/loader.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::config;

namespace {

std::string file_with(const std::string& behavior, const std::string& policies = "", const std::string& own = "") {
    return "listeners: [{address: '127.0.0.1:0'}]\n"
           "origins: {api: {url: 'http://127.0.0.1:1'}}\n"
           "response_headers_policies: {" +
           policies +
           "}\n"
           "cache_policies: {own: {" +
           own +
           "}}\n"
           "behaviors: [{path_pattern: '*', origin: api" +
           (behavior.empty() ? "" : ", " + behavior) + "}]\n";
}

std::string problems_of(const std::string& text) {
    std::string out;
    for (const Problem& problem : load_text(text, "f.yaml").problems) {
        if (problem.severity != Severity::Error) continue;
        out += std::to_string(problem.place.line) + ":" + problem.path + ": " + problem.message + "\n";
    }
    return out;
}

std::shared_ptr<const Config> loaded(const std::string& text) {
    auto result = load_text(text, "f.yaml");
    CAPTURE(problems_of(text));
    REQUIRE(result.config != nullptr);
    return result.config;
}

} // namespace

TEST_CASE("client_cache_control: a value, pass, or by status") {
    const auto value = loaded(file_with("client_cache_control: 'public, max-age=30'"));
    CHECK(value->behaviors[0].client_cache_control_ref->value.text == "public, max-age=30");
    CHECK(value->behaviors[0].shapes_responses);
    const auto pass = loaded(file_with("client_cache_control: pass"));
    CHECK(pass->behaviors[0].client_cache_control_ref->value.passes());
    const auto by_status = loaded(file_with("client_cache_control: {value: 'max-age=1, immutable', when_status: {404: "
                                            "max-age=10, 5xx: no-store, 200: pass}}"));
    const ClientCacheControl& rule = *by_status->behaviors[0].client_cache_control_ref;
    CHECK(rule.value.immutable);
    CHECK(rule.named(404)->text == "max-age=10");
    CHECK(rule.named(503)->no_store);
    CHECK(rule.named(200)->passes());
    CHECK(rule.named(201) == nullptr);
    const auto none = loaded(file_with(""));
    CHECK(none->behaviors[0].client_cache_control_ref == nullptr);
    CHECK_FALSE(none->behaviors[0].shapes_responses);
}

TEST_CASE("a headers policy names a default, which the behavior's own goes before") {
    const auto config =
        loaded(file_with("response_headers_policy: [a, b]", "a: {}, b: {client_cache_control: max-age=1}"));
    CHECK(config->behaviors[0].client_cache_control_ref->value.text == "max-age=1");
    const auto own = loaded(file_with("response_headers_policy: b, client_cache_control: max-age=2",
                                      "b: {client_cache_control: max-age=1}"));
    CHECK(own->behaviors[0].client_cache_control_ref->value.text == "max-age=2");
}

TEST_CASE("a Cache-Control that says nothing right is refused with what is wrong") {
    struct Row {
        const char* value;
        const char* part;
    };
    const Row rows[] = {
        {"'public, max-ag=30'", "`max-ag` is no directive; did you mean max-age?"},
        {"'max-age'", "max-age takes a whole number of seconds"},
        {"'max-age=1h'", "max-age takes a whole number of seconds"},
        {"'max-age=-1'", "max-age takes a whole number of seconds"},
        {"'public=1'", "public takes no argument"},
        {"'private=x'", "private stands alone or takes names in quotes"},
        {"'public,,max-age=1'", "is no directive"},
        {"''", "it is no field value"},
        {"{when_status: {404: 'max-age=1, immutable'}}", "an answer with status 404 cannot be immutable"},
        {"{when_status: {5xx: immutable}}", "an answer with status 5xx cannot be immutable"},
        {"{when_status: {99: no-store}}", "expected a status from 200 to 599 or a class from 2xx to 5xx; found `99`"},
        {"{when_statu: {404: no-store}}", "unknown field; did you mean when_status?"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.value);
        const std::string problems = problems_of(file_with(std::string("client_cache_control: ") + row.value));
        CAPTURE(problems);
        CHECK(problems.find("5:behaviors[0].client_cache_control") == 0);
        CHECK(problems.find(row.part) != std::string::npos);
        CHECK(problems.find('\n') == problems.size() - 1);
    }
    CHECK(problems_of(file_with("client_cache_control: 'private=\"a, b\", max-age=1'")) == "");
    CHECK(problems_of(file_with("client_cache_control: {when_status: {301: 'max-age=1, immutable'}}")) == "");
}

TEST_CASE("a field that Gatehouse owns, or that another rule is for, is neither set nor removed by name") {
    for (const char* name : {"Content-Length",
                             "transfer-encoding",
                             "Connection",
                             "Keep-Alive",
                             "Proxy-Authenticate",
                             "TE",
                             "Trailer",
                             "Upgrade",
                             "Via",
                             "Age",
                             "Date",
                             "Cache-Status",
                             "X-Cache",
                             "Content-Encoding",
                             "Content-Range",
                             "Cache-Control",
                             "CDN-Cache-Control",
                             "Expires",
                             "ETag",
                             "Host"}) {
        CAPTURE(name);
        const std::string field(name);
        for (const char* kind : {"set", "add", "default"}) {
            const std::string problems =
                problems_of(file_with("", "p: {" + std::string(kind) + ": {" + field + ": x}}"));
            CHECK(problems.find("a headers policy cannot set " + field + ": ") != std::string::npos);
            CHECK(problems.find("3:response_headers_policies.p." + std::string(kind)) == 0);
            CHECK(problems.find('\n') == problems.size() - 1);
        }
        const std::string removed = problems_of(file_with("", "p: {remove: [X, " + field + "]}"));
        CHECK(removed.find("3:response_headers_policies.p.remove[1]: a headers policy cannot remove " + field) == 0);
    }
    CHECK(problems_of(file_with("", "p: {remove: [Server, 'X-*', Set-Cookie], set: {X: '1', Y: [a, b]}}")) == "");
}

TEST_CASE("values, names and origins of a headers policy") {
    struct Row {
        const char* policy;
        const char* problem; // begins with; "": none
    };
    const Row rows[] = {
        {"set: {'a b': c}", "3:response_headers_policies.p.set.`a b`: expected a field name; found `a b`"},
        {"set: {X: ''}", "3:response_headers_policies.p.set.X: expected a field value"},
        {"set: {X: \"a\\r\\nY: b\"}", "3:response_headers_policies.p.set.X: expected a field value"},
        {"when: {status: [600]}", "3:response_headers_policies.p.when.status[0]: expected a status from 200 to 599"},
        {"when: {status: [200, 5xx], content_type: [text/*, a/b]}", ""},
        {"when: {content_type: [html]}", "3:response_headers_policies.p.when.content_type[0]: expected a content type"},
        {"cors: {}", "3:response_headers_policies.p.cors: missing required field allow_origins"},
        {"cors: {allow_origins: []}", "3:response_headers_policies.p.cors.allow_origins: at least one origin"},
        {"cors: {allow_origins: ['https://a/b']}", "3:response_headers_policies.p.cors.allow_origins[0]: expected an"},
        {"cors: {allow_origins: ['https://*a.b']}", "3:response_headers_policies.p.cors.allow_origins[0]: expected an"},
        {"cors: {allow_origins: ['https://a:0']}", "3:response_headers_policies.p.cors.allow_origins[0]: expected an"},
        {"cors: {allow_origins: ['https://*.a.b:8443', '*.c', d, 'http://e']}", ""},
        {"cors: {allow_origins: ['*'], allow_credentials: true}",
         "3:response_headers_policies.p.cors.allow_origins: browsers do not take `*` together with allow_credentials"},
        {"cors: {allow_origins: [a], allow_headers: ['*'], allow_credentials: true}",
         "3:response_headers_policies.p.cors.allow_headers: browsers do not take `*`"},
        {"security: {frame_options: {value: ALLOW}}",
         "3:response_headers_policies.p.security.frame_options.value: expected DENY or SAMEORIGIN"},
        {"security: {referrer_policy: {value: none}}",
         "3:response_headers_policies.p.security.referrer_policy.value: expected no-referrer"},
        {"security: {xss_protection: {mode_block: true, report_uri: /r}}",
         "3:response_headers_policies.p.security.xss_protection.report_uri: mode_block and report_uri exclude"},
        {"security: {strict_transport_security: {}, content_type_options: {}}", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.policy);
        const std::string problems = problems_of(file_with("", std::string("p: {") + row.policy + "}"));
        CAPTURE(problems);
        CHECK((row.problem[0] == '\0' ? problems.empty() : problems.find(row.problem) == 0));
    }
}

TEST_CASE("names of headers policies: unknown ones, built-in ones, too many") {
    CHECK(problems_of(file_with("response_headers_policy: SimpleCROS"))
              .find("5:behaviors[0].response_headers_policy: no response headers policy has the name `SimpleCROS`; did "
                    "you mean SimpleCORS?") == 0);
    CHECK(problems_of(file_with("response_headers_policy: [SimpleCORS, nope]"))
              .find("5:behaviors[0].response_headers_policy[1]: no response headers policy has the name `nope`") == 0);
    CHECK(problems_of(file_with("", "SimpleCORS: {}"))
              .find("3:response_headers_policies.SimpleCORS: a built-in policy has this name; choose another") == 0);
    CHECK(problems_of(file_with("response_headers_policy: [a, a, a, a, a, a, a, a, a]", "a: {}"))
              .find("5:behaviors[0].response_headers_policy: more than 8 response headers policies") == 0);
    for (const char* name : {"CORS-With-Preflight", "SimpleCORS", "SecurityHeadersPolicy",
                             "CORS-and-SecurityHeadersPolicy", "CORS-with-preflight-and-SecurityHeadersPolicy"}) {
        CAPTURE(name);
        const auto config = loaded(file_with(std::string("response_headers_policy: ") + name));
        CHECK(config->behaviors[0].headers_refs.size() == 1);
        CHECK(config->behaviors[0].shapes_responses);
    }
}

TEST_CASE("override takes the words it knows") {
    const auto config = loaded(file_with("", "", "override: [no-store, set-cookie]"));
    const Overrides& overrides = config->cache_policies.at("own").overrides;
    CHECK(overrides.no_store);
    CHECK(overrides.set_cookie);
    CHECK_FALSE(overrides.is_private);
    CHECK_FALSE(overrides.no_cache);
    CHECK_FALSE(overrides.authorization);
    CHECK(problems_of(file_with("", "", "override: [no-store, everything]"))
              .find("4:cache_policies.own.override[1]: expected no-store, private, no-cache, set-cookie or") == 0);
}

TEST_CASE("error_pages: an exact status wins over its class, and the status of the page may be left out") {
    const auto config =
        loaded(file_with("error_pages: {404: {page: '/index.html?a=%20b', status: 200}, 4xx: {page: /4}, "
                         "5xx: {page: /5, status: 503}}"));
    const ErrorPages& pages = config->behaviors[0].error_pages;
    CHECK(pages.find(404)->page == "/index.html?a=%20b");
    CHECK(pages.find(404)->status == 200);
    CHECK(pages.find(403)->page == "/4");
    CHECK(pages.find(403)->status == 0);
    CHECK(pages.find(599)->status == 503);
    CHECK(pages.find(399) == nullptr);
    CHECK(loaded(file_with("error_pages: {}"))->behaviors[0].error_pages.empty());
}
