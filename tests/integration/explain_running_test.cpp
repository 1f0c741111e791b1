// gatehouse explain --admin: what a running proxy has stored for a request, and what it would do with it.
#include "proxy/command_line.h"
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

using namespace gatehouse::testing;
using namespace std::chrono_literals;
using gatehouse::proxy::CommandLine;

namespace {

struct Told {
    int status = 0;
    std::string out;
    std::string err;
};

Told explain(const ProxyUnderTest& proxy, std::vector<std::string> arguments) {
    const std::string admin = "http://127.0.0.1:" + std::to_string(proxy.admin_port());
    arguments.insert(arguments.begin(), {"gatehouse", "explain", "--admin", admin});
    std::vector<const char*> argv;
    for (const std::string& one : arguments) {
        argv.push_back(one.c_str());
    }
    const CommandLine parsed = gatehouse::proxy::parse_command_line(static_cast<int>(argv.size()), argv.data());
    std::ostringstream out;
    std::ostringstream err;
    const int status = gatehouse::proxy::run_command(parsed, out, err);
    return {status, out.str(), err.str()};
}

void says(const std::string& text, const std::string& part) {
    CAPTURE(text);
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
}

void says_not(const std::string& text, const std::string& part) {
    CAPTURE(text);
    CAPTURE(part);
    CHECK(text.find(part) == std::string::npos);
}

Response get(const ProxyUnderTest& proxy, const std::string& target, const std::string& fields = "") {
    return proxy.ask("GET " + target + " HTTP/1.1\r\nHost: shop.test\r\n" + fields + "\r\n");
}

const std::string kUrl = "http://shop.test/a";

} // namespace

TEST_CASE("fresh, then stale, then killed by a purge; looking changes nothing") {
    ScriptedOrigin origin;
    origin.otherwise(
        [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nETag: \"1\"\r\n", "content"); });
    ProxyUnderTest proxy(origin);
    says(explain(proxy, {kUrl}).out, "stored     nothing\n");
    says(explain(proxy, {kUrl}).out, "decision   the origin is asked\n             uri_miss: ");
    CHECK(origin.requests() == 0);

    get(proxy, "/a");
    proxy.advance(18s);
    const Told fresh = explain(proxy, {kUrl});
    CHECK(fresh.status == 0);
    CHECK(fresh.err.empty());
    says(fresh.out, "rules      generation 1 of the configuration\n");
    says(fresh.out, "request    GET http://shop.test/a\n");
    says(fresh.out, "behavior   behaviors[0] `*`\n");
    says(fresh.out, "key        RFC9111|* api shop.test /a\n");
    says(fresh.out, "stored     200, fresh for 42s\n             age 18s, lifetime 1m, from max-age\n");
    says(fresh.out, "             7 bytes of content\n");
    says(fresh.out, "             ETag: \"1\"\n");
    says(fresh.out, "decision   served from the cache, fresh\n");
    says(explain(proxy, {kUrl, "-H", "Cache-Control: no-cache"}).out,
         "decision   the origin is asked whether what is stored still holds\n             request_no_cache: ");
    says(explain(proxy, {kUrl, "-X", "POST"}).out, "lookup     the cache is not asked: ");

    proxy.advance(43s);
    says(explain(proxy, {kUrl}).out, "stored     200, stale for 1s\n");
    says(explain(proxy, {kUrl}).out, "decision   the origin is asked whether what is stored still holds\n");
    CHECK(origin.requests() == 1);
    CHECK(get(proxy, "/a").get("X-Cache") == "Miss from gatehouse"); // the origin sent it again

    gatehouse::cache::PurgeMatcher matcher;
    matcher.path = "/a";
    proxy.server().cache().purge(matcher); // nobody walks over the store
    for (int i = 0; i < 2; ++i) {
        const Told dead = explain(proxy, {kUrl});
        says(dead.out, "stored     killed by a purge: 200, fresh for 1m\n");
        says(dead.out, "decision   the origin is asked\n             purged: ");
    }
    CHECK(proxy.server().store_stats().objects == 1);
    CHECK(origin.requests() == 2);
}

TEST_CASE("variants that do not match are shown with what tells them apart, but not with what visitors are known by") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.reply(200,
                "Cache-Control: public, max-age=60\r\n"
                "Vary: Accept-Language, X-Absent, Cookie, X-Api-Key, Sec-CH-UA-Mobile\r\n",
                "content");
    });
    ProxyUnderTest proxy(origin);
    get(proxy, "/a", "Accept-Language: de\r\nCookie: session=secret\r\nX-Api-Key: secret\r\nSec-CH-UA-Mobile: ?1\r\n");
    const Told other = explain(proxy, {kUrl, "-H", "Accept-Language: fr"});
    says(other.out, "stored     for other request fields: 200, fresh for 1m\n");
    says(other.out, "             variant of accept-language: `de`\n");
    says(other.out, "             variant of cookie: a value that is not shown, hash ");
    says(other.out, "             variant of x-api-key: a value that is not shown, hash 2bb80d\n"); // SHA-256
    says(other.out, "             variant of sec-ch-ua-mobile: `?1`\n");
    says(other.out, "             variant of x-absent: not in the request\n");
    says(other.out, "decision   the origin is asked\n             vary_miss: ");
    says_not(other.out, "secret");
    says(explain(proxy, {kUrl, "-H", "Accept-Language: de", "-H", "Cookie: session=secret", "-H", "X-Api-Key: secret",
                         "-H", "Sec-CH-UA-Mobile: ?1"})
             .out,
         "decision   served from the cache, fresh\n");
}

TEST_CASE("a fetch in flight, and a key whose answer could not be stored") {
    ScriptedOrigin origin;
    origin.on("/slow", [](OriginExchange& x) {
        x.pass("go");
        x.ok("max-age=60", "slow");
    });
    origin.on("/never", [](OriginExchange& x) { x.ok("no-store", "never"); });
    ProxyUnderTest proxy(origin);
    get(proxy, "/never");
    const Told never = explain(proxy, {"http://shop.test/never"});
    says(never.out, "memory     an answer for this key could not be stored: for 1m more nobody waits for another's\n");
    says(never.out, "decision   the origin is asked, for this request alone\n             known_uncacheable: ");

    RawClient client(proxy.port());
    client.send("GET /slow HTTP/1.1\r\nHost: shop.test\r\n\r\n");
    origin.await_requests("/slow", 1);
    const Told slow = explain(proxy, {"http://shop.test/slow"});
    says(slow.out, "fetch      one is in flight for this key\n");
    says(slow.out, "decision   waits for the fetch in flight\n");
    origin.open("go");
    CHECK(client.read().content == "slow");
}

TEST_CASE("equal queries are found by the rule of the resource") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nNo-Vary-Search: params=(\"utm\")\r\n", "content");
    });
    ProxyUnderTest proxy(origin);
    get(proxy, "/a?q=1&utm=x");
    const Told told = explain(proxy, {"http://shop.test/a?utm=y&q=1"});
    says(told.out, "equal      RFC9111|* api shop.test /a q=1 (");
    says(told.out, "decision   served from the cache, fresh\n");
    says(explain(proxy, {"http://shop.test/a?q=2"}).out, "stored     nothing\n");
}

TEST_CASE("behaviors that were passed over, none at all, and what behaviors answer themselves") {
    ScriptedOrigin origin;
    Yaml yaml;
    yaml.behaviors = "[{path_pattern: /a/*, origin: api, allowed_methods: [GET]}, {path_pattern: /b, origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    says(explain(proxy, {"http://shop.test/b"}).out, "behaviors[0] `/a/*`: the path does not match");
    says(explain(proxy, {"http://shop.test/c"}).out, "behavior   none: the client gets 404\n");
    says(explain(proxy, {"http://shop.test/a/b", "-X", "POST"}).out, "decision   405 from Gatehouse itself");
    const Told refused = explain(proxy, {"http://shop.test/../a"});
    CHECK(refused.status == 1);
    says(refused.err, "gatehouse: the admin listener answered 400: Such a request is refused: ");
    const Told json = explain(proxy, {"http://shop.test/b", "--json"});
    CHECK(json.out.starts_with("[\n {\"decision\":\"rules\",\"answer\":\"generation 1 of the configuration\""));
    CHECK(origin.requests() == 0);
}

TEST_CASE("a reload is told by its generation, and what is stored is judged by the new rules") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", "content"); });
    Yaml yaml;
    yaml.policies = "own: {max_ttl: 1h}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    get(proxy, "/a");
    says(explain(proxy, {kUrl}).out, "stored     200, fresh for 1m\n");
    yaml.policies = "own: {max_ttl: 10s}";
    proxy.rewrite(yaml);
    REQUIRE(proxy.reload().status == 200);
    const Told told = explain(proxy, {kUrl});
    says(told.out, "rules      generation 2 of the configuration\n");
    says(told.out, "stored     200, fresh for 10s\n");
}

TEST_CASE("a client whose wishes are refused gets 403, whatever is stored") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", "content"); });
    Yaml yaml;
    yaml.policies = "own: {request_cache_control: authorized, authorized_requests: {secrets: [0123456789abcdef], "
                    "otherwise: refuse}}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    ProxyUnderTest proxy(origin, yaml);
    get(proxy, "/a");
    const Told told = explain(proxy, {kUrl, "-H", "Cache-Control: no-cache"});
    says(told.out, "lookup     the client gets 403\n");
    says(told.out, "decision   403 from Gatehouse itself\n");
    says_not(told.out, "stored     ");
    CHECK(get(proxy, "/a", "Cache-Control: no-cache\r\n").status == 403);
}

TEST_CASE("the page that takes the place of a stored error is told") {
    ScriptedOrigin origin;
    origin.on("/404.html", [](OriginExchange& x) { x.ok("max-age=60", "page"); });
    origin.otherwise([](OriginExchange& x) { x.reply(404, "Cache-Control: max-age=60\r\n", "none"); });
    Yaml yaml;
    yaml.behaviors = "[{path_pattern: '*', origin: api, error_pages: {4xx: {page: /404.html}}}]";
    ProxyUnderTest proxy(origin, yaml);
    says_not(explain(proxy, {kUrl}).out, "error page");
    CHECK(get(proxy, "/a").content == "page");
    const Told told = explain(proxy, {kUrl});
    says(told.out, "decision   served from the cache, fresh\n");
    says(told.out, "error page `/404.html` takes the place of the 404, if it is there\n");
    says(told.out, "the rule for 4xx  (");
    says(told.out, "told by an explanation of http://shop.test/404.html\n");
    says_not(explain(proxy, {"http://shop.test/404.html"}).out, "error page");
}

TEST_CASE("parts of the very query are used before the rule of the resource, as a client's request uses them") {
    ScriptedOrigin origin;
    origin.on("/a?q=2", [](OriginExchange& x) {
        x.reply(206, "Cache-Control: max-age=60\r\nETag: \"1\"\r\nContent-Range: bytes 0-3/8\r\n", "abcd");
    });
    origin.otherwise([](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nNo-Vary-Search: params=(\"utm\")\r\n", "content");
    });
    ProxyUnderTest proxy(origin);
    get(proxy, "/a?q=1&utm=x");
    CHECK(get(proxy, "/a?q=2", "Range: bytes=0-3\r\n").status == 206);
    const Told told = explain(proxy, {"http://shop.test/a?q=2"});
    says_not(told.out, "equal      ");
    says(told.out, "a part of it: bytes 0-3/8\n");
    says(told.out, "decision   the origin is asked\n             partial: ");
    says(explain(proxy, {"http://shop.test/a?q=1"}).out, "equal      ");
}

TEST_CASE("what no client could ask for is answered 400 and told by nobody") {
    ScriptedOrigin origin;
    Yaml yaml;
    yaml.limits = "head_size: 2KiB, target_size: 1KiB";
    ProxyUnderTest proxy(origin, yaml);
    struct Row {
        std::string request; // JSON
        int status;
    };
    const std::string host = R"("headers":[["Host","a"]]})";
    const Row rows[] = {
        {R"({"url":"/","method":"GET",)" + host, 200},
        {R"({"url":"/","method":"GET\r\nX: y",)" + host, 400},
        {R"({"url":"/","method":"",)" + host, 400},
        {R"({"url":"/","method":"CONNECT",)" + host, 400},
        {R"({"url":"http://a/","method":"CONNECT"})", 400},
        {R"({"url":"/ HTTP/1.1\r\nX: y",)" + host, 400},
        {R"({"url":"/a b",)" + host, 400},
        {R"({"url":"http://a/","headers":[["Transfer-Encoding","gzip"]]})", 400},
        {R"({"url":"http://a/","headers":[["Content-Length","1"],["Content-Length","2"]]})", 400},
        {R"({"url":"http://a/","headers":[["Host","a"],["Host","b"]]})", 400},
        {R"({"url":"http://a/","headers":[["X","a\r\nY: b"]]})", 400},
        {R"({"url":"http://a/","headers":[["X",")" + std::string(2048, 'x') + R"("]]})", 400},
    };
    for (const Row& row : rows) {
        CAPTURE(row.request);
        RawClient admin(proxy.admin_port());
        admin.send("POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                   std::to_string(row.request.size()) + "\r\n\r\n" + row.request);
        CHECK(admin.read().status == row.status);
    }
}
