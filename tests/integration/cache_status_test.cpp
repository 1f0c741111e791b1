// Cache-Status through the whole proxy (RFC 9211): beside what caches upstream said, the key, answers waited for in
// vain.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

std::string all_of(const Response& response, std::string_view name) {
    std::string joined;
    for (const std::string& value : response.fields.all(name)) {
        joined += (joined.empty() ? "" : " | ") + value;
    }
    return joined;
}

} // namespace

TEST_CASE("our member of Cache-Status stands behind those of the caches nearer to the origin") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.reply(200,
                "Cache-Control: max-age=60\r\nCache-Status: near; hit, \"far one\"; fwd=uri-miss\r\n"
                "cache-status: middle; hit; ttl=5\r\nContent-Type: text/plain\r\nETag: \"1\"\r\n",
                "content");
    });
    ProxyUnderTest proxy(origin);
    const std::string upstream = "near; hit, \"far one\"; fwd=uri-miss | middle; hit; ttl=5 | ";
    CHECK(all_of(proxy.get("/a"), "cache-status") ==
          upstream + "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=60");
    CHECK(all_of(proxy.get("/a"), "cache-status") == upstream + "gatehouse; hit; ttl=60");
    CHECK(all_of(proxy.get("/a", "If-None-Match: \"1\"\r\n"), "cache-status") == upstream + "gatehouse; hit; ttl=60");
    CHECK(all_of(proxy.get("/a", "Range: bytes=0-1\r\n"), "cache-status") == upstream + "gatehouse; hit; ttl=60");
}

TEST_CASE("the key is shown where a behavior says so, to requests that have one") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", "content"); });
    Yaml yaml;
    yaml.policies = "own: {key: {headers: [X-Tier], cookies: {allow: [lang]}}}";
    yaml.behaviors = "[{path_pattern: /shown, origin: api, cache_policy: own, cache_status_key: true}, "
                     "{path_pattern: '*', origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    const std::string key = "; key=\"own|/shown api gate.test /shown q=1 x-tier:a\\\"b ;lang=de\"";
    const char* fields = "X-Tier: a\"b\r\nCookie: lang=de; session=s\r\n";
    CHECK(proxy.get("/shown?q=1", fields).get("Cache-Status") ==
          "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=60" + key);
    CHECK(proxy.get("/shown?q=1", fields).get("Cache-Status") == "gatehouse; hit; ttl=60" + key);
    CHECK(proxy.get("/shown?other", "Cache-Control: only-if-cached\r\n").get("Cache-Status") ==
          "gatehouse; key=\"own|/shown api gate.test /shown other\"; detail=only_if_cached");
    CHECK(proxy.ask("DELETE /shown HTTP/1.1\r\nHost: gate.test\r\n\r\n").get("Cache-Status") ==
          "gatehouse; fwd=method; fwd-status=200");
    CHECK(proxy.get("/other").get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=60");
}

TEST_CASE("a request that waited for an answer it may not use says so") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.pass("first");
        }
        x.ok("no-store", std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin);
    RawClient first(proxy.port());
    first.get("/a");
    origin.await_requests("/a", 1);
    RawClient second(proxy.port());
    second.get("/a");
    proxy.await_metric("gatehouse_collapsed_total", 1);
    origin.open("first");
    CHECK(first.read().get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=200; detail=response_no_store");
    CHECK(second.read().get("Cache-Status") ==
          "gatehouse; fwd=uri-miss; fwd-status=200; collapsed=?0; detail=response_no_store");
}
