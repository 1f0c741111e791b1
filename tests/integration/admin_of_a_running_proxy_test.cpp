// What the admin listener of a running proxy says: ready, its metrics, and ready no more.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("readiness and metrics of a running proxy") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=60", "content"); });
    ProxyUnderTest proxy(origin);
    proxy.get("/a");
    proxy.get("/a");
    proxy.await_metric("gatehouse_requests_total", 2); // counted when the response was sent
    RawClient admin(proxy.admin_port());
    const auto ask = [&](const std::string& target) {
        admin.send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        return admin.read();
    };
    CHECK(ask("/healthz").status == 200);
    CHECK(ask("/readyz").status == 200);
    const std::string metrics = ask("/metrics").content;
    for (const char* line : {"gatehouse_requests_total{behavior=\"*\",result=\"hit\"} 1\n",
                             "gatehouse_requests_total{behavior=\"*\",result=\"miss\"} 1\n",
                             "gatehouse_store_objects 1\n", "gatehouse_origin_requests_total 1\n",
                             "gatehouse_forward_reasons_total{reason=\"uri_miss\"} 1\n"}) {
        CAPTURE(std::string(line));
        CHECK(metrics.find(line) != std::string::npos);
    }
    // Clients' listeners know nothing of it.
    CHECK(proxy.get("/metrics").status == 404);
    CHECK(origin.requests("/metrics") == 1);
}
