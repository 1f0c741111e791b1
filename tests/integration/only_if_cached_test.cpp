// only-if-cached: from the store or not at all.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("only-if-cached is answered from the store or with 504, never by the origin") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=10", "stored"); });
    ProxyUnderTest proxy(origin);
    const Response none = proxy.get("/a", "Cache-Control: only-if-cached\r\n");
    CHECK(none.status == 504);
    CHECK(none.get("Cache-Status") == "gatehouse; detail=only_if_cached");
    CHECK(none.get("X-Cache") == "Error from gatehouse");
    CHECK(origin.requests() == 0);
    proxy.get("/a");
    const Response hit = proxy.get("/a", "Cache-Control: only-if-cached\r\n");
    CHECK(hit.content == "stored");
    proxy.advance(11s);
    CHECK(proxy.get("/a", "Cache-Control: only-if-cached\r\n").status == 504);
    CHECK(proxy.get("/a", "Cache-Control: only-if-cached, max-stale=5\r\n").content == "stored");
    CHECK(origin.requests() == 1);
}
