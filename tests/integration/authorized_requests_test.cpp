// Who may ask for an answer of the origin, as API Gateway has it; and preflights that are answered here.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

constexpr const char* kSecret = "X-Gatehouse-Secret: 0123456789abcdef\r\n";
constexpr const char* kReload = "Cache-Control: no-cache\r\n";

Yaml with_rules(const std::string& rules, const std::string& extra = "") {
    Yaml yaml;
    yaml.policies = "own: {request_cache_control: authorized, authorized_requests: {" + rules + "}}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    yaml.extra = extra;
    return yaml;
}

void on_numbers(ScriptedOrigin& origin) {
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=60", std::to_string(x.number())); });
}

} // namespace

TEST_CASE("a secret lets a client have an answer of the origin, and the origin does not see it") {
    ScriptedOrigin origin;
    on_numbers(origin);
    ProxyUnderTest proxy(origin, with_rules("secrets: [abcdefghijklmnopqrst, 0123456789abcdef]"));
    CHECK(proxy.get("/a").content == "1");
    const Response ignored = proxy.get("/a", kReload);
    CHECK(ignored.content == "1");
    CHECK(ignored.get("Warning") == "199 gatehouse \"Cache-Control was ignored because the client is not authorized\"");
    const Response obeyed = proxy.get("/a", std::string(kReload) + kSecret);
    CHECK(obeyed.content == "2");
    CHECK(obeyed.get("Warning").empty());
    CHECK(proxy.get("/a").content == "2"); // it took the place of what was stored
    CHECK(proxy.get("/a").get("Warning").empty());
    for (const std::string& head : origin.heads("/a")) {
        CHECK(head.find("0123456789abcdef") == std::string::npos);
    }
    CHECK(proxy.get("/a", std::string(kReload) + "X-Gatehouse-Secret: 0123456789abcdee\r\n").content == "2");
    CHECK(proxy.get("/a", std::string(kReload) + "X-Gatehouse-Secret: 0123456789abcde\r\n").content == "2");
}

TEST_CASE("who is not authorized is refused, or not told, where the policy says so") {
    ScriptedOrigin origin;
    on_numbers(origin);
    SUBCASE("refused") {
        ProxyUnderTest proxy(origin, with_rules("secrets: [0123456789abcdef], otherwise: refuse"));
        CHECK(proxy.get("/a").content == "1");
        const Response refused = proxy.get("/a", kReload);
        CHECK(refused.status == 403);
        CHECK(refused.content.find("\"error\":\"not_authorized\"") != std::string::npos);
        CHECK(proxy.get("/a", "Pragma: no-cache\r\n").status == 403);
        CHECK(proxy.get("/a", "Cache-Control: max-stale=5\r\n").status == 200);
        CHECK(proxy.get("/a").status == 200);
    }
    SUBCASE("not told") {
        ProxyUnderTest proxy(origin, with_rules("secrets: [0123456789abcdef], otherwise: ignore, header: X-Refresh"));
        CHECK(proxy.get("/a").content == "1");
        const Response ignored = proxy.get("/a", std::string(kReload) + kSecret);
        CHECK(ignored.content == "1");
        CHECK(ignored.get("Warning").empty());
        CHECK(proxy.get("/a", std::string(kReload) + "X-Refresh: 0123456789abcdef\r\n").content == "2");
    }
}

TEST_CASE("clients of a network need no secret, and a client is who the trusted proxies say it is") {
    ScriptedOrigin origin;
    on_numbers(origin);
    SUBCASE("who connects") {
        ProxyUnderTest proxy(origin, with_rules("networks: [127.0.0.0/8]"));
        CHECK(proxy.get("/a").content == "1");
        CHECK(proxy.get("/a", kReload).content == "2");
        // Nobody vouches for this field.
        CHECK(proxy.get("/a", std::string(kReload) + "X-Forwarded-For: 203.0.113.9\r\n").content == "3");
    }
    SUBCASE("whom a trusted proxy names") {
        ProxyUnderTest proxy(
            origin, with_rules("networks: [10.1.0.0/16, 127.0.0.0/8]", "trusted_proxies: [127.0.0.1, 10.0.0.9]"));
        const auto reload_for = [&](const std::string& fields) { return proxy.get("/a", kReload + fields).content; };
        CHECK(proxy.get("/a").content == "1");
        CHECK(reload_for("") == "1"); // a proxy that does not say for whom it asks
        CHECK(reload_for("Forwarded: for=10.1.2.3\r\n") == "1");
        CHECK(reload_for("X-Forwarded-For: 10.0.0.9\r\n") == "1");
        CHECK(reload_for("X-Forwarded-For: 10.1.2.3\r\n") == "2");
        CHECK(reload_for("X-Forwarded-For: 10.1.2.3, 10.0.0.9\r\n") == "3");
        // What stands before a stranger is a stranger's word.
        CHECK(reload_for("X-Forwarded-For: 10.1.2.3, 203.0.113.9\r\n") == "3");
        CHECK(reload_for("X-Forwarded-For: nonsense\r\n") == "3");
    }
}

TEST_CASE("the secret is nobody's but the client's and the proxy's, whatever the behavior, key or Vary") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nVary: X-Gatehouse-Secret\r\n", std::to_string(x.number()));
    });
    Yaml yaml;
    yaml.policies = "own: {request_cache_control: authorized, authorized_requests: {secrets: [0123456789abcdef]}, key: "
                    "{headers: [X-Gatehouse-Secret]}}";
    yaml.behaviors =
        "[{path_pattern: /own/*, origin: api, cache_policy: own, cache_status_key: true}, {path_pattern: '*', "
        "origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/own/a").content == "1");
    const Response refreshed = proxy.get("/own/a", std::string(kReload) + kSecret);
    CHECK(refreshed.content == "2");
    CHECK(refreshed.get("Cache-Status").find("0123456789abcdef") == std::string::npos);
    CHECK(proxy.get("/own/a").content == "2"); // what everybody gets was replaced
    proxy.get("/other", kSecret);
    proxy.ask(std::string("POST /other HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 0\r\n") + kSecret + "\r\n");
    for (const char* path : {"/own/a", "/other"}) {
        REQUIRE(!origin.heads(path).empty());
        for (const std::string& head : origin.heads(path)) {
            CHECK(head.find("0123456789abcdef") == std::string::npos);
        }
    }
}

TEST_CASE("wishes that are not obeyed go no further, and those that the cache is not asked for are not judged") {
    ScriptedOrigin origin;
    on_numbers(origin);
    ProxyUnderTest proxy(origin, with_rules("secrets: [0123456789abcdef], otherwise: refuse"));
    CHECK(proxy.ask("POST /a HTTP/1.1\r\nHost: gate.test\r\nCache-Control: no-cache\r\nContent-Length: 0\r\n\r\n")
              .status == 200);
    CHECK(proxy.ask("OPTIONS /a HTTP/1.1\r\nHost: gate.test\r\nPragma: no-cache\r\n\r\n").status == 200);
    CHECK(proxy.get("/a", "Cache-Control: max-stale=7\r\n").status == 200);
    FieldLines asked;
    parse_head(origin.heads("/a").back(), asked);
    CHECK(asked.get("Cache-Control").empty());
    // An authorized client is heard in everything.
    CHECK(proxy.get("/b", std::string("Cache-Control: only-if-cached\r\n") + kSecret).status == 504);
    CHECK(proxy.get("/a", "Cache-Control: only-if-cached\r\n").status == 200);
}

TEST_CASE("a preflight is answered here where the CORS block says so, whatever methods are allowed") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.reply(200, "X-From: origin\r\n", "from the origin"); });
    Yaml yaml;
    yaml.extra =
        "response_headers_policies: {site: {cors: {allow_origins: ['https://app.example'], allow_methods: [GET, "
        "PUT], allow_headers: [X-Token], max_age: 10m, preflights: answer}}}";
    yaml.behaviors =
        "[{path_pattern: '*', origin: api, allowed_methods: [GET, HEAD, PUT], response_headers_policy: site}]";
    ProxyUnderTest proxy(origin, yaml);
    const auto preflight = [&](const std::string& fields) {
        return proxy.ask("OPTIONS /a HTTP/1.1\r\nHost: gate.test\r\n" + fields + "\r\n");
    };
    const Response answer = preflight("Origin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n");
    CHECK(answer.status == 204);
    CHECK(answer.get("Access-Control-Allow-Origin") == "https://app.example");
    CHECK(answer.get("Access-Control-Allow-Methods") == "GET, PUT");
    CHECK(answer.get("Access-Control-Allow-Headers") == "X-Token");
    CHECK(answer.get("Access-Control-Max-Age") == "600");
    CHECK(answer.get("Vary") == "Origin");
    const Response stranger = preflight("Origin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\n");
    CHECK(stranger.status == 204);
    CHECK(stranger.get("Access-Control-Allow-Origin").empty());
    CHECK(origin.requests() == 0);
    CHECK(preflight("Origin: https://app.example\r\n").status == 405); // no preflight
    CHECK(proxy.get("/a", "Origin: https://app.example\r\n").content == "from the origin");
}
