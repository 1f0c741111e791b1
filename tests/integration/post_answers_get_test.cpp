// The answer to a POST that says it represents the target, and for how long, answers GET (RFC 9110 section 9.3.3).
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

std::string post(const std::string& target, const std::string& fields = "") {
    return "POST " + target + " HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 4\r\n" + fields + "\r\ndata";
}

// Answers POST with these fields, and GET with its number.
void script(ScriptedOrigin& origin, const std::string& fields) {
    origin.otherwise([fields](OriginExchange& x) {
        x.content();
        if (x.method() == "POST") {
            x.reply(200, fields, "posted");
        } else {
            x.ok("max-age=60", x.method() + " " + std::to_string(x.number()));
        }
    });
}

} // namespace

TEST_CASE("the answer to a POST takes the place of what it invalidates, and answers GET") {
    ScriptedOrigin origin;
    script(origin, "Cache-Control: max-age=60\r\nContent-Location: /item?a=1\r\n");
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/item?a=1").content == "GET 1");
    const Response posted = proxy.ask(post("/item?a=1"));
    CHECK(posted.content == "posted");
    CHECK(posted.get("Cache-Status") == "gatehouse; fwd=method; fwd-status=200; stored; ttl=60");
    const Response hit = proxy.get("/item?a=1");
    CHECK(hit.content == "posted");
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.head("/item?a=1").get("Content-Length") == "6");
    CHECK(origin.requests() == 2);
    // A POST is never answered from what is stored.
    CHECK(proxy.ask(post("/item?a=1")).get("X-Cache") == "Miss from gatehouse");
    CHECK(origin.requests() == 3);
}

TEST_CASE("the answer to a POST is not stored where it does not say both, or the key does not hold all that was sent") {
    struct Row {
        const char* name;
        const char* answer;
        const char* request;
        const char* policies;
    };
    const Row rows[] = {
        {"no Content-Location", "Cache-Control: max-age=60\r\n", "", ""},
        {"another resource", "Cache-Control: max-age=60\r\nContent-Location: /other\r\n", "", ""},
        {"no lifetime", "Content-Location: /item\r\n", "", ""},
        {"private", "Cache-Control: private, max-age=60\r\nContent-Location: /item\r\n", "", ""},
        {"Authorization", "Cache-Control: max-age=60\r\nContent-Location: /item\r\n", "Authorization: x\r\n", ""},
        {"no-store in the request", "Cache-Control: max-age=60\r\nContent-Location: /item\r\n",
         "Cache-Control: no-store\r\n", ""},
        {"an own policy", "Cache-Control: max-age=60\r\nContent-Location: /item\r\n", "", "own: {}"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        ScriptedOrigin origin;
        script(origin, row.answer);
        Yaml yaml;
        yaml.policies = row.policies;
        if (!yaml.policies.empty()) {
            yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
        }
        ProxyUnderTest proxy(origin, yaml);
        CHECK(proxy.ask(post("/item", row.request)).content == "posted");
        CHECK(proxy.get("/item").content == "GET 2");
    }
}

TEST_CASE("a purge that comes while a POST is on its way is not undone by its answer") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.content();
        if (x.method() == "POST") {
            x.reach("posting");
            x.pass("purged");
            x.reply(200, "Cache-Control: max-age=60\r\nContent-Location: /item\r\n", "posted");
        } else {
            x.ok("max-age=60", "got");
        }
    });
    ProxyUnderTest proxy(origin);
    RawClient client(proxy.port());
    client.send(post("/item"));
    origin.await("posting");
    CHECK(proxy.purge(R"({"url":"http://gate.test/item"})").status == 200);
    origin.open("purged");
    CHECK(client.read().content == "posted");
    CHECK(proxy.get("/item").content == "got");
}
