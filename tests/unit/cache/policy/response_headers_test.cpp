// Response headers policies: what they take, what they put, for which responses and which origins.
#include "cache/policy/response_headers.h"

#include "config/response_headers.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;
namespace http = gatehouse::http;

namespace {

// A behavior with these policies, made ready as a loaded one is.
struct Ruled {
    config::Config config;

    explicit Ruled(std::vector<config::ResponseHeadersPolicy> policies) {
        config::Behavior behavior;
        for (config::ResponseHeadersPolicy& policy : policies) {
            if (policy.name.empty()) policy.name = std::to_string(behavior.response_headers_policies.size());
            behavior.response_headers_policies.push_back(policy.name);
            config.response_headers_policies.emplace(policy.name, std::move(policy));
        }
        config.behaviors.push_back(std::move(behavior));
        config::resolve_response_rules(config);
    }

    // The lines that a client gets, with LF.
    std::string sent(std::string_view request_lines, std::string_view response_lines) const {
        const auto request = request_of(request_lines);
        auto response = response_of(response_lines);
        shape_own_response(config.behaviors[0], request, response);
        std::string out;
        for (const auto line : response.fields) out += std::string(line.name) + ": " + std::string(line.value) + "\n";
        return out;
    }
};

config::ResponseHeadersPolicy managed(std::string_view name) {
    for (const auto& policy : config::builtin_headers_policies()) {
        if (policy.name == name) return policy;
    }
    FAIL("no such policy");
    return {};
}

config::ResponseHeadersPolicy cors_of(std::vector<std::string> origins) {
    config::ResponseHeadersPolicy policy;
    policy.cors.configured = true;
    policy.cors.allow_origins = std::move(origins);
    return policy;
}

} // namespace

TEST_CASE("which origins a pattern names") {
    struct Row {
        const char* pattern;
        const char* origin;
        bool matches;
    };
    const Row rows[] = {
        {"https://a.example", "https://a.example", true},
        {"https://a.example", "HTTPS://A.EXAMPLE", true},
        {"https://a.example", "http://a.example", false},
        {"https://a.example", "https://a.example:8443", false},
        {"https://a.example:8443", "https://a.example:8443", true},
        {"https://a.example", "https://a.example.evil.test", false},
        {"https://a.example", "https://xa.example", false},
        {"a.example", "http://a.example:81", true},
        {"a.example:81", "http://a.example:81", true},
        {"a.example:81", "http://a.example", false},
        {"*.a.example", "https://b.a.example", true},
        {"*.a.example", "https://c.b.a.example", false},
        {"*.a.example", "https://a.example", false},
        {"*.a.example", "https://.a.example", false},
        {"*.a.example", "https://ba.example", false},
        {"https://*.a.example", "https://b.a.example", true},
        {"https://*.a.example", "http://b.a.example", false},
        {"https://*.a.example", "https://b.a.example:1", false},
        {"a.example", "null", false},
        {"null", "null", false},
        {"a.example", "a.example", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.pattern);
        CAPTURE(row.origin);
        CHECK(origin_matches(row.pattern, row.origin) == row.matches);
    }
}

TEST_CASE("which responses a policy is for") {
    struct Row {
        std::vector<std::string> statuses;
        std::vector<std::string> types;
        int status;
        const char* type;
        bool applies;
    };
    const Row rows[] = {
        {{}, {}, 200, "", true},
        {{"200"}, {}, 200, "", true},
        {{"200"}, {}, 201, "", false},
        {{"404", "5xx"}, {}, 500, "", true},
        {{"404", "5xx"}, {}, 599, "", true},
        {{"404", "5xx"}, {}, 404, "", true},
        {{"404", "5xx"}, {}, 403, "", false},
        {{}, {"text/html"}, 200, "text/html", true},
        {{}, {"text/html"}, 200, "Text/HTML; charset=utf-8", true},
        {{}, {"text/html"}, 200, "text/htmlx", false},
        {{}, {"text/*"}, 200, "text/css", true},
        {{}, {"text/*"}, 200, "texts/css", false},
        {{}, {"text/*"}, 200, "", false},
        {{"200"}, {"text/*"}, 404, "text/css", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.status);
        CAPTURE(row.type);
        config::ResponseHeadersPolicy policy;
        policy.statuses = row.statuses;
        policy.content_types = row.types;
        CHECK(headers_policy_applies(policy, row.status, row.type) == row.applies);
    }
}

TEST_CASE("remove, set, add and default") {
    config::ResponseHeadersPolicy policy;
    policy.remove = {"Server", "X-Amzn-*", "Both", "*-by"};
    policy.set = {{"X-Set", "new"}, {"Both", "set"}};
    policy.add = {{"Link", "</b>"}};
    policy.when_absent = {{"X-There", "no"}, {"X-Absent", "yes"}, {"Server", "gate"}};
    const Ruled ruled({policy});
    CHECK(ruled.sent("", "server: nginx\nx-amzn-requestid: 1\nX-Set: old\nx-set: older\nLink: </a>\nBoth: b\n"
                         "X-There: own\nX-Powered-by: php") ==
          "Link: </a>\nX-There: own\nX-Powered-by: php\nX-Set: new\nBoth: set\nLink: </b>\nX-Absent: yes\nServer: "
          "gate\n");
}

TEST_CASE("a glob does not take what frames the message or what other rules are for") {
    config::ResponseHeadersPolicy policy;
    policy.remove = {"*"};
    CHECK(Ruled({policy}).sent("", "Date: x\nContent-Encoding: gzip\nCache-Control: a\nETag: \"a\"\nVia: v\nX: x\n"
                                   "Set-Cookie: a=1") ==
          "Date: x\nContent-Encoding: gzip\nCache-Control: a\nETag: \"a\"\nVia: v\n");
}

TEST_CASE("of several policies the last that sets a field has the say, and the first default") {
    config::ResponseHeadersPolicy first;
    first.set = {{"X", "1"}, {"Only", "1"}};
    first.when_absent = {{"D", "1"}, {"Y", "1"}};
    config::ResponseHeadersPolicy second;
    second.set = {{"x", "2"}, {"Y", "2"}};
    second.when_absent = {{"D", "2"}};
    CHECK(Ruled({first, second}).sent("", "X: 0") == "Only: 1\nD: 1\nx: 2\nY: 2\n");
    second.statuses = {"404"};
    CHECK(Ruled({first, second}).sent("", "X: 0") == "X: 1\nOnly: 1\nD: 1\nY: 1\n");
}

TEST_CASE("for everybody CORS is the same with and without Origin, so that no copy lacks it") {
    auto policy = cors_of({"*"});
    policy.cors.expose_headers = {"X-A", "X-B"};
    policy.cors.allow_methods = {"ALL"};
    policy.cors.allow_headers = {"*"};
    policy.cors.max_age = std::chrono::minutes(10);
    const Ruled ruled({policy});
    const char* simple = "Access-Control-Allow-Origin: *\nAccess-Control-Expose-Headers: X-A, X-B\n";
    CHECK(ruled.sent("", "") == simple);
    CHECK(ruled.sent("Origin: https://a.example", "") == simple);
    CHECK(ruled.sent("OPTIONS\nOrigin: https://a.example", "") == simple);
    CHECK(ruled.sent("OPTIONS\nAccess-Control-Request-Method: PUT", "") == simple);
    CHECK(ruled.sent("OPTIONS\nOrigin: https://a.example\nAccess-Control-Request-Method: PUT", "") ==
          "Access-Control-Allow-Origin: *\n"
          "Access-Control-Allow-Methods: GET, DELETE, HEAD, OPTIONS, PATCH, POST, PUT\n"
          "Access-Control-Allow-Headers: *\nAccess-Control-Max-Age: 600\n");
}

TEST_CASE("for some origins the answer names the one that asked, and says that it varies") {
    auto policy = cors_of({"https://a.example", "*.b.example"});
    policy.cors.allow_credentials = true;
    const Ruled ruled({policy});
    CHECK(ruled.sent("Origin: https://a.example", "") ==
          "Vary: Origin\nAccess-Control-Allow-Origin: https://a.example\nAccess-Control-Allow-Credentials: true\n");
    CHECK(ruled.sent("Origin: http://x.b.example", "") ==
          "Vary: Origin\nAccess-Control-Allow-Origin: http://x.b.example\nAccess-Control-Allow-Credentials: true\n");
    CHECK(ruled.sent("Origin: https://evil.test", "") == "Vary: Origin\n");
    CHECK(ruled.sent("", "") == "Vary: Origin\n");
    CHECK(ruled.sent("", "Vary: Accept, origin") == "Vary: Accept, origin\n");
    CHECK(ruled.sent("", "Vary: Accept") == "Vary: Accept\nVary: Origin\n");
    CHECK(ruled.sent("", "Vary: *") == "Vary: *\n");
}

TEST_CASE("override decides between the origin's CORS fields and the policy's") {
    auto policy = cors_of({"https://a.example"});
    const char* own = "Access-Control-Allow-Origin: https://stored.example\nAccess-Control-Expose-Headers: X";
    CHECK(Ruled({policy}).sent("Origin: https://a.example", own) ==
          "Vary: Origin\nAccess-Control-Allow-Origin: https://a.example\n");
    CHECK(Ruled({policy}).sent("Origin: https://evil.test", own) == "Vary: Origin\n");
    policy.cors.overrides = false;
    CHECK(Ruled({policy}).sent("Origin: https://a.example", own) == std::string(own) + "\n");
    CHECK(Ruled({policy}).sent("Origin: https://a.example", "Access-Control-Expose-Headers: X") ==
          "Access-Control-Expose-Headers: X\n");
    CHECK(Ruled({policy}).sent("Origin: https://a.example", "X: 1") ==
          "X: 1\nVary: Origin\nAccess-Control-Allow-Origin: https://a.example\n");
    policy.remove = {"Access-Control-*"};
    CHECK(Ruled({policy}).sent("Origin: https://a.example", own) ==
          "Vary: Origin\nAccess-Control-Allow-Origin: https://a.example\n");
}

TEST_CASE("the security block, each with its override") {
    config::ResponseHeadersPolicy policy;
    auto& security = policy.security;
    security.strict_transport_security = {true, std::chrono::hours(24), true, true, true};
    security.content_security_policy = {"default-src 'self'", false};
    security.frame_options = {"DENY", true};
    security.xss_protection.configured = true;
    security.xss_protection.protection = false;
    const Ruled ruled({policy});
    CHECK(ruled.sent("", "") == "Strict-Transport-Security: max-age=86400; includeSubDomains; preload\n"
                                "X-Frame-Options: DENY\nContent-Security-Policy: default-src 'self'\n"
                                "X-XSS-Protection: 0\n");
    CHECK(ruled.sent("", "Strict-Transport-Security: a\nContent-Security-Policy: b\nX-Frame-Options: c\n"
                         "X-XSS-Protection: d") ==
          "Content-Security-Policy: b\nX-XSS-Protection: d\n"
          "Strict-Transport-Security: max-age=86400; includeSubDomains; preload\nX-Frame-Options: DENY\n");
    policy.security.xss_protection.protection = true;
    policy.security.xss_protection.report_uri = "/r";
    CHECK(Ruled({policy}).sent("", "").find("X-XSS-Protection: 1; report=/r\n") != std::string::npos);
}

TEST_CASE("CloudFront's managed policies send what CloudFront's do") {
    const char* security = "X-Content-Type-Options: nosniff\nStrict-Transport-Security: max-age=31536000\n"
                           "X-Frame-Options: SAMEORIGIN\nReferrer-Policy: strict-origin-when-cross-origin\n"
                           "X-XSS-Protection: 1; mode=block\n";
    const char* preflight = "OPTIONS\nOrigin: https://a.example\nAccess-Control-Request-Method: PUT";
    const char* simple = "Access-Control-Allow-Origin: *\n";
    const char* methods =
        "Access-Control-Allow-Origin: *\nAccess-Control-Allow-Methods: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\n";
    const char* exposed = "Access-Control-Allow-Origin: *\nAccess-Control-Expose-Headers: *\n";
    const char* origin = "Origin: https://a.example";
    CHECK(Ruled({managed("SimpleCORS")}).sent(origin, "") == simple);
    CHECK(Ruled({managed("SimpleCORS")}).sent(preflight, "") == simple);
    CHECK(Ruled({managed("SimpleCORS")}).sent(origin, "Access-Control-Max-Age: 1") == "Access-Control-Max-Age: 1\n");
    CHECK(Ruled({managed("CORS-With-Preflight")}).sent(origin, "") == exposed);
    CHECK(Ruled({managed("CORS-With-Preflight")}).sent(preflight, "") == methods);
    CHECK(Ruled({managed("SecurityHeadersPolicy")}).sent(origin, "") == security);
    CHECK(Ruled({managed("SecurityHeadersPolicy")}).sent("", "X-Content-Type-Options: x\nX-Frame-Options: DENY") ==
          "X-Frame-Options: DENY\nX-Content-Type-Options: nosniff\nStrict-Transport-Security: max-age=31536000\n"
          "Referrer-Policy: strict-origin-when-cross-origin\nX-XSS-Protection: 1; mode=block\n");
    CHECK(Ruled({managed("CORS-and-SecurityHeadersPolicy")}).sent(origin, "") == std::string(security) + simple);
    CHECK(Ruled({managed("CORS-with-preflight-and-SecurityHeadersPolicy")}).sent(preflight, "") ==
          std::string(security) + methods);
}
