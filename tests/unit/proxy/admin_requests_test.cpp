// The admin endpoints without a socket: who may ask, what is answered, and how a purge is spelled.
#include "proxy/admin_requests.h"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse;
using namespace gatehouse::proxy;

namespace {

struct Fixture {
    Readiness checks{{"listeners", true, ""}};
    std::vector<PurgeRequest> purges;
    std::vector<config::TestRequest> asked;
    ReloadOutcome reloaded{true, 2, {}, {}};
    AdminHandlers handlers{[this] { return checks; }, [] { return std::string("metric 1\n"); },
                           [this](PurgeRequest request) {
                               purges.push_back(std::move(request));
                               return PurgeOutcome{7, 3};
                           },
                           [this] { return reloaded; },
                           [this](const config::TestRequest& request) -> http::Result<Explanation> {
                               asked.push_back(request);
                               if (request.url == "http://h/refused") {
                                   return http::Error(http::ErrorKind::UnsafePath, "the path climbs");
                               }
                               return Explanation{{{"key", "k", {{"a step", config::SourcePlace{"f.yaml", 3, 1}}}}}};
                           }};
    std::vector<std::string> allowed_hosts{"Admin.Example"};

    AdminAnswer ask(const AdminRequest& request) { return answer_admin_request(request, allowed_hosts, handlers); }
    AdminAnswer ask(std::string_view method, std::string_view target, std::string_view body = {}) {
        AdminRequest request;
        request.method = method;
        request.target = target;
        request.hosts = {"127.0.0.1:9180"};
        request.body = body;
        return ask(request);
    }
};

std::string error_of(const AdminAnswer& answer) {
    return std::string(boost::json::parse(answer.body).as_object().at("error").as_string());
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "the endpoints answer") {
    CHECK(ask("GET", "/healthz").body == "ok\n");
    CHECK(ask("HEAD", "/healthz").status == 200);
    CHECK(ask("GET", "/healthz?from=probe").status == 200);
    CHECK(ask("GET", "/metrics").body == "metric 1\n");
    CHECK(ask("GET", "/metrics").content_type == "text/plain; version=0.0.4; charset=utf-8");
    CHECK(ask("GET", "/version").body == "{\"name\":\"gatehouse\",\"version\":\"" GATEHOUSE_VERSION "\"}\n");
    CHECK(ask("GET", "/").status == 404);
    CHECK(ask("GET", "/healthz/").status == 404);
    CHECK(ask("GET", "").status == 404);
    for (const std::string path : {"/healthz", "/readyz", "/metrics", "/version"}) {
        CHECK(ask("POST", path).status == 405);
        CHECK(ask("DELETE", path).allow == "GET, HEAD");
    }
    CHECK(ask("GET", "/purge").status == 405);
    CHECK(ask("GET", "/purge").allow == "POST");
}

TEST_CASE_FIXTURE(Fixture, "readiness is 200 when every check is good, else 503, and says which") {
    CHECK(ask("GET", "/readyz").status == 200);
    CHECK(ask("GET", "/readyz").body == "{\"ready\":true,\"checks\":[{\"name\":\"listeners\",\"ok\":true}]}\n");
    checks.push_back({"shutdown", false, "The program is \"ending\"."});
    CHECK(ask("GET", "/readyz").status == 503);
    CHECK(ask("GET", "/readyz").body ==
          "{\"ready\":false,\"checks\":[{\"name\":\"listeners\",\"ok\":true},"
          "{\"name\":\"shutdown\",\"ok\":false,\"detail\":\"The program is \\\"ending\\\".\"}]}\n");
    checks.clear();
    CHECK(ask("GET", "/readyz").status == 200);
}

TEST_CASE_FIXTURE(Fixture, "what a web page sends is refused before anything else is looked at") {
    AdminRequest request;
    request.method = "POST";
    request.target = "/purge";
    request.hosts = {"localhost"};
    request.body = R"({"path":"/*"})";
    request.has_origin = true;
    CHECK(ask(request).status == 403);
    request.has_origin = false;
    for (const std::string site : {"cross-site", "same-site", "Cross-Site"}) {
        request.fetch_site = site;
        CHECK(ask(request).status == 403);
    }
    CHECK(purges.empty());
    for (const std::string site : {"none", "same-origin"}) {
        request.fetch_site = site;
        CHECK(ask(request).status == 200);
    }
    CHECK(purges.size() == 2);
}

TEST_CASE("a Host is ours when it is an address, localhost or allowed") {
    const std::vector<std::string> allowed{"Admin.Example", "proxy"};
    using enum HostVerdict;
    struct Row {
        std::string host;
        HostVerdict expected;
    };
    const Row rows[] = {
        {"localhost", Ours},
        {"LOCALHOST:9180", Ours},
        {"127.0.0.1", Ours},
        {"127.0.0.1:9180", Ours},
        {"10.0.0.7:80", Ours},
        {"[::1]", Ours},
        {"[::1]:9180", Ours},
        {"[fe80::1]:9180", Ours},
        {"admin.example", Ours},
        {"admin.example:9180", Ours},
        {"proxy", Ours},
        {"attacker.example", Foreign},
        {"attacker.example:9180", Foreign},
        {"localhost.attacker.example", Foreign},
        {"127.0.0.1.attacker.example", Foreign},
        {"admin.example.attacker.example", Foreign},
        {"127.1", Foreign}, // only browsers take this for an address
        {"2130706433", Foreign},
        {"localhost@attacker.example", Foreign},
        {"", Malformed},
        {":9180", Malformed},
        {"[]", Malformed},
        {"[::1", Malformed},
        {"[::1]9180", Malformed},
        {"[127.0.0.1]", Malformed},
        {"[attacker.example]", Malformed},
        {"localhost:port", Malformed},
        {"localhost:123456", Malformed},
        {"::1", Malformed},
    };
    for (const Row& row : rows) {
        CAPTURE(row.host);
        CHECK(judge_admin_host(row.host, allowed) == row.expected);
    }
}

TEST_CASE_FIXTURE(Fixture, "Host must be there exactly once, but for HTTP/1.0") {
    AdminRequest request;
    request.method = "GET";
    request.target = "/healthz";
    CHECK(ask(request).status == 400);
    request.http10 = true;
    CHECK(ask(request).status == 200);
    request.hosts = {"attacker.example"};
    CHECK(ask(request).status == 421);
    request.http10 = false;
    request.hosts = {"localhost", "localhost"};
    CHECK(ask(request).status == 400);
    request.hosts = {"::1"};
    CHECK(ask(request).status == 400);
    request.hosts = {"attacker.example"};
    CHECK(ask(request).status == 421);
}

TEST_CASE_FIXTURE(Fixture, "a purge is handed on and its outcome answered") {
    const AdminAnswer answer = ask("POST", "/purge", R"({"path":"/v1/*"})");
    CHECK(answer.status == 200);
    CHECK(answer.body == "{\"purged\":3,\"sequence\":7}\n");
    REQUIRE(purges.size() == 1);
    CHECK(purges[0].path == "/v1/");
    CHECK(purges[0].prefix);
    CHECK_FALSE(purges[0].authority);

    const AdminAnswer bad = ask("POST", "/purge", R"({"pth":"/v1/*"})");
    CHECK(bad.status == 400);
    CHECK(error_of(bad) == "bad_purge_request");
    CHECK(purges.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a reload says which configuration is in use, and why it is not the new one") {
    CHECK(ask("GET", "/config/reload").status == 405);
    CHECK(ask("POST", "/config/reload").body == "{\"generation\":2,\"needs_restart\":[]}\n");
    reloaded.needs_restart = {"workers", "dns"};
    CHECK(ask("POST", "/config/reload").body == "{\"generation\":2,\"needs_restart\":[\"workers\",\"dns\"]}\n");
    reloaded = {false, 2, {"a.yaml:1:1: error: \"x\""}, {}};
    const AdminAnswer refused = ask("POST", "/config/reload");
    CHECK(refused.status == 422);
    CHECK(error_of(refused) == "bad_configuration");
    CHECK(boost::json::parse(refused.body).as_object().at("problems").as_array()[0] == "a.yaml:1:1: error: \"x\"");
}

TEST_CASE("what a purge request means") {
    struct Row {
        std::string json;
        std::string authority; // "-": every host
        std::string path;
        std::string query; // "-": none
        bool prefix;
    };
    const Row rows[] = {
        {R"({"path":"/v1/items"})", "-", "/v1/items", "-", false},
        {R"({"path":"/v1/items?page=2"})", "-", "/v1/items", "page=2", false},
        {R"({"path":"/v1/items?"})", "-", "/v1/items", "", false},
        {R"({"path":"/v1/*"})", "-", "/v1/", "-", true},
        {R"({"path":"/*"})", "-", "/", "-", true},
        {R"({"path":"/"})", "-", "/", "-", false},
        {R"({"path":"/a%2Fb%20c"})", "-", "/a%2Fb%20c", "-", false},
        {R"({"url":"https://API.example/v1/items?page=2"})", "api.example", "/v1/items", "page=2", false},
        {R"({"url":"https://api.example:443/v1/"})", "api.example", "/v1/", "-", false},
        {R"({"url":"http://api.example:8080/v1"})", "api.example:8080", "/v1", "-", false},
        {R"({"url":"http://[::1]:8080/v1/*"})", "[::1]:8080", "/v1/", "-", true},
        {R"({"url":"http://api.example"})", "api.example", "/", "-", false},
        {R"({"url":"http://api.example?q=1"})", "api.example", "/", "q=1", false},
        {R"({"url":"http://api.example/*"})", "api.example", "/", "-", true},
        {R"({"url":"/v1/items"})", "-", "/v1/items", "-", false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.json.c_str()) {
            const auto request = parse_purge_request(row.json);
            REQUIRE(request.ok());
            CHECK(request->authority.value_or("-") == row.authority);
            CHECK(request->path == row.path);
            CHECK((request->has_query ? request->query : "-") == row.query);
            CHECK(request->prefix == row.prefix);
        }
    }
}

TEST_CASE("a purge request can name a group, of one host or of every one") {
    const auto everywhere = parse_purge_request(R"({"group":"home page"})");
    REQUIRE(everywhere.ok());
    CHECK(everywhere->group == "home page");
    CHECK_FALSE(everywhere->authority.has_value());
    const auto of_one_host = parse_purge_request(R"({"host":"Shop.example:80","group":"g"})");
    REQUIRE(of_one_host.ok());
    CHECK(of_one_host->group == "g");
    CHECK(of_one_host->authority == "shop.example");
    const auto without_name = parse_purge_request(R"({"group":""})");
    REQUIRE(without_name.ok());
    CHECK(without_name->group == "");
}

TEST_CASE("a purge request that is wrong says how") {
    struct Row {
        std::string json;
        std::string message; // a part of it
    };
    const Row rows[] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"[]", "must be an object"},
        {"{}", "exactly one of url, path, group"},
        {R"({"url":"/a","path":"/b"})", "exactly one of url, path, group"},
        {R"({"url":"/a","group":"g"})", "exactly one of url, path, group"},
        {R"({"host":"h"})", "exactly one of url, path, group"},
        {R"({"path":"/a","host":"h"})", "host may stand beside group"},
        {R"({"tag":"/a"})", "unknown member: tag; accepted: url, path, group, host"},
        {R"({"group":"g","tag":"/a"})", "unknown member: tag"},
        {R"({"group":["g"]})", "group must be a string"},
        {R"({"group":"a\nb"})", "visible ASCII"},
        {R"({"group":"\u00e4"})", "visible ASCII"},
        {R"({"group":"g","host":"a b"})", "host must be a host"},
        {R"({"group":"g","host":""})", "host must be a host"},
        {R"({"path":1})", "path must be a string"},
        {R"({"url":null})", "url must be a string"},
        {R"({"path":""})", "must start with '/'"},
        {R"({"path":"*"})", "for instance \"/v1/*\""},
        {R"({"path":"http://api.example/"})", "must start with '/'"},
        {R"({"path":"/a*b"})", "only a '*' at the end"},
        {R"({"path":"/a**"})", "only a '*' at the end"},
        {R"({"path":"/a?b=*"})", "cannot follow a query"},
        {R"({"path":"/a b"})", "not allowed"},
        {R"({"path":"/a#b"})", "not allowed"},
        {R"({"path":"/a\u0000"})", "not allowed"},
        {R"({"path":"/%zz"})", "percent-encoding"},
        {R"({"path":"/\u00e4"})", "not allowed"},
        {R"({"url":"api.example/v1"})", "http://host/path"},
        {R"({"url":"ftp://api.example/v1"})", "url: "},
        {R"({"url":"https://api.exam*"})", "a host has no wildcard"},
        {R"({"url":"https:///v1"})", "url: "},
        {R"({"url":"https://user@api.example/v1"})", "url: "},
    };
    for (const Row& row : rows) {
        SUBCASE(row.json.c_str()) {
            const auto request = parse_purge_request(row.json);
            REQUIRE_FALSE(request.ok());
            CAPTURE(request.error().detail);
            CHECK(request.error().detail.find(row.message) != std::string::npos);
        }
    }
}

TEST_CASE_FIXTURE(Fixture, "explain hands on what is asked for, and answers what `gatehouse explain` prints") {
    const AdminAnswer told = ask(
        "POST", "/explain", R"({"method":"HEAD","url":"https://h/a?b=1","headers":[["Accept","x/y"],["accept",""]]})");
    CHECK(told.status == 200);
    CHECK(told.content_type == "application/json");
    const auto explanation = parse_explanation(told.body);
    REQUIRE(explanation);
    CHECK(explanation_text(*explanation) == "key        k\n             a step  (f.yaml:3)\n");
    CHECK(explanation_json(*explanation) == told.body);
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].method == "HEAD");
    CHECK(asked[0].url == "https://h/a?b=1");
    REQUIRE(asked[0].headers.size() == 2);
    CHECK(asked[0].headers[0].name == "Accept");
    CHECK(asked[0].headers[1].value == "");
    CHECK(ask("POST", "/explain", R"({"url":"/a","headers":[["host","h"]]})").status == 200);
    CHECK(ask("POST", "/explain", R"({"url":"http://h/a","method":"POST","body":"{}"})").status == 200);
    const AdminAnswer refused = ask("POST", "/explain", R"({"url":"http://h/refused"})");
    CHECK(refused.status == 400);
    CHECK(error_of(refused) == "request_refused");
    CHECK(ask("GET", "/explain").allow == "POST");
    AdminRequest foreign;
    foreign.method = "POST";
    foreign.target = "/explain";
    foreign.hosts = {"evil.test"};
    foreign.body = R"({"url":"http://h/"})";
    CHECK(ask(foreign).status == 421);
    foreign.hosts = {"localhost"};
    foreign.has_origin = true;
    CHECK(ask(foreign).status == 403);
    CHECK(asked.size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "what explain cannot be asked gets a sentence, and is not handed on") {
    struct Row {
        const char* content;
        const char* message;
    };
    const Row rows[] = {
        {"", "the content is not JSON"},
        {"{", "the content is not JSON"},
        {"[]", "the content must be an object with url"},
        {"{}", "url is missing"},
        {R"({"url":""})", "url is missing"},
        {R"({"url":1})", "url must be a string"},
        {R"({"url":"/a"})", "a path alone has no host"},
        {R"({"url":"a"})", "url must be http://host/path"},
        {R"({"url":"ftp://h/a"})", "url must be http://host/path"},
        {R"({"url":"http://h/a","method":""})", "method must be one such as GET"},
        {R"({"url":"http://h/a","method":"G T"})", "method must be one such as GET"},
        {R"({"url":"http://h/a","method":null})", "method must be a string"},
        {R"({"url":"http://h/a","headers":{}})", "headers must be a list of pairs"},
        {R"({"url":"http://h/a","headers":[["a"]]})", "headers must be a list of pairs"},
        {R"({"url":"http://h/a","headers":[["a","b","c"]]})", "headers must be a list of pairs"},
        {R"({"url":"http://h/a","headers":[["a",1]]})", "headers must be a list of pairs"},
        {R"({"url":"http://h/a","headers":["a: b"]})", "headers must be a list of pairs"},
        {R"({"url":"http://h/a","headers":[["a b","c"]]})", "headers: a field has a name that is none"},
        {R"({"url":"http://h/a","headers":[["a","b\nc"]]})", "headers: a field has a name that is none"},
        {R"({"url":"http://h/a","status":200})", "unknown member: accepted are url, method, headers"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.content);
        const AdminAnswer answer = ask("POST", "/explain", row.content);
        CHECK(answer.status == 400);
        CHECK(error_of(answer) == "bad_explain_request");
        CHECK(answer.body.find(row.message) != std::string::npos);
    }
    CHECK(asked.empty());
}

TEST_CASE("what is no explanation is not taken for one") {
    for (const char* text :
         {"", "{}", "[1]", R"([{"decision":"a"}])", R"([{"decision":"a","answer":"b"}])",
          R"([{"decision":"a","answer":"b","steps":[1]}])", R"([{"decision":"a","answer":"b","steps":[{"file":"f"}]}])",
          R"([{"decision":1,"answer":"b","steps":[]}])"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_explanation(text));
    }
    CHECK(parse_explanation("[]"));
}
