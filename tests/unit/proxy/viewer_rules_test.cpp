// What a behavior answers without cache and origin.
#include "proxy/viewer_rules.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse;
using config::ViewerProtocolPolicy;

TEST_CASE("methods that a behavior does not allow, and clients without HTTPS where it is asked for") {
    const std::vector<std::string> reading{"GET", "HEAD"};
    struct Row {
        const char* name;
        std::vector<std::string> allowed;
        ViewerProtocolPolicy protocols;
        const char* method;
        bool over_https;
        int status; // 0: the request goes on
        const char* field;
        const char* value;
    };
    const std::vector<Row> rows = {
        {"everything is allowed", {}, ViewerProtocolPolicy::AllowAll, "PROPFIND", false, 0, "", ""},
        {"allowed", reading, ViewerProtocolPolicy::AllowAll, "HEAD", false, 0, "", ""},
        {"not allowed", reading, ViewerProtocolPolicy::AllowAll, "POST", false, 405, "Allow", "GET, HEAD"},
        {"in another case", reading, ViewerProtocolPolicy::AllowAll, "get", false, 405, "Allow", "GET, HEAD"},
        {"redirected",
         {},
         ViewerProtocolPolicy::RedirectToHttps,
         "GET",
         false,
         301,
         "Location",
         "https://shop.example/a?b=c"},
        {"redirected with its content",
         {},
         ViewerProtocolPolicy::RedirectToHttps,
         "POST",
         false,
         307,
         "Location",
         "https://shop.example/a?b=c"},
        {"redirected before its method is judged", reading, ViewerProtocolPolicy::RedirectToHttps, "POST", false, 307,
         "Location", "https://shop.example/a?b=c"},
        {"no need to be redirected", {}, ViewerProtocolPolicy::RedirectToHttps, "GET", true, 0, "", ""},
        {"refused", {}, ViewerProtocolPolicy::HttpsOnly, "GET", false, 403, "Cache-Control", "no-store"},
        {"not refused", {}, ViewerProtocolPolicy::HttpsOnly, "GET", true, 0, "", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        config::Behavior behavior;
        behavior.allowed_methods = row.allowed;
        behavior.viewer_protocol_policy = row.protocols;
        http::RequestHead request;
        request.method = row.method;
        http::Target target;
        target.authority = "shop.example:8080";
        target.path = "/a";
        target.query = "b=c";
        target.has_query = true;
        const auto answer = proxy::answer_of_viewer_rules(behavior, request, target, row.over_https);
        REQUIRE((answer ? answer->head.status : 0) == row.status);
        if (answer) {
            CHECK(answer->head.fields.combined(row.field) == row.value);
        }
    }
}

TEST_CASE("the port of an IPv6 address is told from its groups when a client is redirected") {
    config::Behavior behavior;
    behavior.viewer_protocol_policy = ViewerProtocolPolicy::RedirectToHttps;
    http::RequestHead request;
    request.method = "GET";
    http::Target target;
    target.path = "/";
    for (const auto& [authority, location] : {std::pair("[::1]", "https://[::1]/"), {"[::1]:80", "https://[::1]/"}}) {
        target.authority = authority;
        const auto answer = proxy::answer_of_viewer_rules(behavior, request, target, false);
        REQUIRE(answer.has_value());
        CHECK(answer->head.fields.first("Location") == location);
    }
}
