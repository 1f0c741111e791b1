// Two fetches of one thing: the answer to the request that was sent later stays, whichever comes last.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("a slow answer to an older request does not take the place of a newer one") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        if (x.number() == 1) {
            x.pass("slow answer");
        }
        x.ok("max-age=60", x.number() == 1 ? "old" : "new");
    });
    ProxyUnderTest proxy(origin);
    RawClient slow(proxy.port());
    slow.get("/a");
    origin.await_requests("/a", 1);
    CHECK(proxy.get("/a", "Cache-Control: no-cache\r\n").content == "new");
    origin.open("slow answer");
    CHECK(slow.read().content == "old");
    proxy.await_metric("gatehouse_not_stored_total", 1, "superseded");
    CHECK(proxy.get("/a").content == "new");
    CHECK(origin.requests() == 2);
    CHECK(proxy.server().store_stats().objects == 1);
}
