// Response headers policies through the whole proxy: misses, hits, 304s, HEADs, parts, our own answers.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

Yaml with_policies(const std::string& policies, const std::string& used) {
    Yaml yaml;
    yaml.extra = "response_headers_policies: {" + policies + "}\n";
    yaml.behaviors = "[{path_pattern: '*', origin: api, response_headers_policy: " + used + "}]";
    return yaml;
}

} // namespace

TEST_CASE("a policy acts on the way out, on every kind of answer, and what is stored stays") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        x.reply(200,
                "Cache-Control: max-age=60\r\nETag: \"v\"\r\nServer: nginx\r\nX-Amzn-RequestId: 1\r\nX-Set: old\r\n"
                "Content-Type: text/plain\r\n",
                "0123456789");
    });
    ProxyUnderTest proxy(origin, with_policies("p: {remove: [Server, 'X-Amzn-*'], set: {X-Set: new}, "
                                               "add: {Link: [</a>, </b>]}, default: {X-Absent: 'yes', ETag2: 'no'}}",
                                               "p"));
    const auto check = [](const Response& response) {
        CHECK_FALSE(response.has("Server"));
        CHECK_FALSE(response.has("X-Amzn-RequestId"));
        CHECK(response.get("X-Set") == "new");
        CHECK(response.head.find("Link: </a>\r\nLink: </b>\r\n") != std::string::npos);
        CHECK(response.get("X-Absent") == "yes");
        CHECK(response.get("Cache-Control") == "max-age=60");
    };
    check(proxy.get("/a"));
    const Response hit = proxy.get("/a");
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(hit.content == "0123456789");
    check(hit);
    check(proxy.head("/a"));
    check(proxy.get("/a", "If-None-Match: \"v\"\r\n"));
    const Response part = proxy.get("/a", "Range: bytes=0-1\r\n");
    CHECK(part.status == 206);
    check(part);
    CHECK(origin.requests() == 1);
}

TEST_CASE("what describes the content is not put into a 304") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nETag: \"v\"\r\n", "a"); });
    ProxyUnderTest proxy(origin, with_policies("p: {set: {Content-Type: text/css, X: '1'}}", "p"));
    CHECK(proxy.get("/a").get("Content-Type") == "text/css");
    const Response unchanged = proxy.get("/a", "If-None-Match: \"v\"\r\n");
    CHECK(unchanged.status == 304);
    CHECK_FALSE(unchanged.has("Content-Type"));
    CHECK(unchanged.get("X") == "1");
}

TEST_CASE("CORS: one stored response serves every origin, each with its own answer") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nAccess-Control-Allow-Origin: https://first.example\r\n", "a");
    });
    ProxyUnderTest proxy(origin, with_policies("p: {cors: {allow_origins: ['*.example'], allow_credentials: true, "
                                               "expose_headers: [X-A]}}",
                                               "p"));
    for (const char* client : {"https://one.example", "https://two.example"}) {
        const Response response = proxy.get("/a", std::string("Origin: ") + client + "\r\n");
        CHECK(response.get("Access-Control-Allow-Origin") == client);
        CHECK(response.get("Access-Control-Allow-Credentials") == "true");
        CHECK(response.get("Access-Control-Expose-Headers") == "X-A");
        CHECK(response.get("Vary") == "Origin");
    }
    const Response stranger = proxy.get("/a", "Origin: https://evil.test\r\n");
    CHECK_FALSE(stranger.has("Access-Control-Allow-Origin"));
    CHECK(stranger.get("Vary") == "Origin");
    CHECK(origin.requests() == 1);
}

TEST_CASE("CORS: a preflight goes to the origin, and its answer says what the policy allows") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        CHECK(x.method() == "OPTIONS");
        x.send("HTTP/1.1 204 No Content\r\n\r\n");
    });
    ProxyUnderTest proxy(origin, with_policies("", "CORS-With-Preflight"));
    const Response preflight = proxy.ask("OPTIONS /a HTTP/1.1\r\nHost: gate.test\r\nOrigin: https://a.example\r\n"
                                         "Access-Control-Request-Method: PUT\r\n\r\n");
    CHECK(preflight.status == 204);
    CHECK(preflight.get("Access-Control-Allow-Origin") == "*");
    CHECK(preflight.get("Access-Control-Allow-Methods") == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    CHECK_FALSE(preflight.has("Access-Control-Expose-Headers"));
}

TEST_CASE("policies by status and content type, several for one behavior") {
    ScriptedOrigin origin;
    origin.on("/page", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nContent-Type: text/html; charset=utf-8\r\n", "page");
    });
    origin.on("/data", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nContent-Type: application/json\r\n", "{}");
    });
    origin.on("/none", [](OriginExchange& x) { x.reply(404, "Content-Type: text/html\r\n", "none"); });
    Yaml yaml = with_policies("html: {when: {status: [200], content_type: [text/html]}, set: {X-Html: '1'}}, "
                              "errors: {when: {status: [4xx, 5xx]}, set: {X-Error: '1'}}",
                              "[html, errors, SecurityHeadersPolicy]");
    ProxyUnderTest proxy(origin, yaml);
    for (int i = 0; i < 2; ++i) {
        const Response page = proxy.get("/page");
        CHECK(page.get("X-Html") == "1");
        CHECK_FALSE(page.has("X-Error"));
        CHECK(page.get("X-Content-Type-Options") == "nosniff");
        const Response data = proxy.get("/data");
        CHECK_FALSE(data.has("X-Html"));
        CHECK(data.get("X-Frame-Options") == "SAMEORIGIN");
        const Response none = proxy.get("/none");
        CHECK_FALSE(none.has("X-Html"));
        CHECK(none.get("X-Error") == "1");
    }
}

TEST_CASE("our own answers have the fields, too, and keep what they say themselves") {
    const RefusingPort nobody;
    Yaml yaml = with_policies("p: {cors: {allow_origins: ['*']}, set: {X: '1'}}", "p");
    ProxyUnderTest proxy(nobody.port(), yaml);
    const Response failed = proxy.get("/a");
    CHECK(failed.status == 502);
    CHECK(failed.get("Access-Control-Allow-Origin") == "*");
    CHECK(failed.get("X") == "1");
    CHECK(failed.get("Cache-Control") == "no-store");
    CHECK(failed.has("Proxy-Status"));
    const Response not_there = proxy.get("/a", "Cache-Control: only-if-cached\r\n");
    CHECK(not_there.status == 504);
    CHECK(not_there.get("X") == "1");
}
