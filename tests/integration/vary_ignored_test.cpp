// vary: ignore, and vary: {ignore: [names]}: what the origin's Vary names and does not count.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

Yaml with_rule(const std::string& vary) {
    Yaml yaml;
    yaml.policies = "own: {vary: " + vary + "}";
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
    return yaml;
}

// Says who asked, in which language.
void vary_by_two(ScriptedOrigin& origin) {
    origin.otherwise([](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nETag: \"1\"\r\nVary: Accept-Language, User-Agent\r\n",
                x.get("Accept-Language") + " for " + x.get("User-Agent"));
    });
}

} // namespace

TEST_CASE("a name that is ignored tells nothing apart, the others do, and clients see Vary as it came") {
    ScriptedOrigin origin;
    vary_by_two(origin);
    ProxyUnderTest proxy(origin, with_rule("{ignore: [User-Agent]}"));
    CHECK(proxy.get("/a", "Accept-Language: de\r\nUser-Agent: one\r\n").content == "de for one");
    const Response other = proxy.get("/a", "Accept-Language: de\r\nUser-Agent: two\r\n");
    CHECK(other.content == "de for one");
    CHECK(other.get("Cache-Status") == "gatehouse; hit; ttl=60");
    CHECK(other.get("Vary") == "Accept-Language, User-Agent");
    CHECK(proxy.get("/a", "Accept-Language: fr\r\nUser-Agent: two\r\n").content == "fr for two");
    CHECK(origin.requests() == 2);
}

TEST_CASE("with all names ignored there is one variant, and it stays one when it is freshened") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        const bool same = !x.get("If-None-Match").empty();
        x.reply(same ? 304 : 200, "Cache-Control: max-age=60\r\nETag: \"1\"\r\nVary: Accept-Language\r\n",
                same ? "" : "in " + x.get("Accept-Language"));
    });
    ProxyUnderTest proxy(origin, with_rule("ignore"));
    CHECK(proxy.get("/a", "Accept-Language: de\r\n").content == "in de");
    proxy.advance(61s);
    CHECK(proxy.get("/a", "Accept-Language: fr\r\n").content == "in de");
    CHECK(origin.requests() == 2);
    const Response third = proxy.get("/a", "Accept-Language: it\r\n");
    CHECK(third.content == "in de");
    CHECK(third.get("Cache-Status") == "gatehouse; hit; ttl=60");
    CHECK(third.get("Vary") == "Accept-Language");
    CHECK(origin.requests() == 2);
}

TEST_CASE("Vary: * counts although every name is ignored") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nVary: Origin, *\r\n", std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin, with_rule("ignore"));
    CHECK(proxy.get("/a").content == "1");
    CHECK(proxy.get("/a").content == "2");
    CHECK(proxy.metric("gatehouse_not_stored_total", "vary_star") == 2);
}

TEST_CASE("parts of one representation are of one variant too") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.reply(206, "Cache-Control: max-age=60\r\nETag: \"1\"\r\nVary: User-Agent\r\nContent-Range: bytes 0-3/10\r\n",
                "0123");
    });
    Yaml yaml = with_rule("ignore");
    yaml.policies = "own: {vary: ignore, range: pass}";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/a", "Range: bytes=0-3\r\nUser-Agent: one\r\n").content == "0123");
    const Response other = proxy.get("/a", "Range: bytes=1-2\r\nUser-Agent: two\r\n");
    CHECK(other.status == 206);
    CHECK(other.content == "12");
    CHECK(origin.requests() == 1);
}

TEST_CASE("what was stored under one rule about Vary is not served under another") {
    ScriptedOrigin origin;
    vary_by_two(origin);
    ProxyUnderTest proxy(origin, with_rule("ignore"));
    const std::string one = "Accept-Language: de\r\nUser-Agent: one\r\n";
    const std::string two = "Accept-Language: de\r\nUser-Agent: two\r\n";
    CHECK(proxy.get("/a", one).content == "de for one");
    CHECK(proxy.get("/a", two).content == "de for one");
    proxy.rewrite(with_rule("honor"));
    REQUIRE(proxy.reload().status == 200);
    CHECK(proxy.get("/a", two).content == "de for two");
    CHECK(proxy.get("/a", one).content == "de for one");
    CHECK(origin.requests() == 3);
    proxy.rewrite(with_rule("ignore"));
    REQUIRE(proxy.reload().status == 200);
    CHECK(proxy.get("/a", two).content == "de for one"); // what was stored by this rule
    CHECK(origin.requests() == 3);
}
