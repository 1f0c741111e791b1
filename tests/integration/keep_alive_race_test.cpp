// A pooled connection that the origin closes: what may happen twice is sent again, nothing else.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {
Yaml one_worker() {
    Yaml yaml;
    yaml.workers = "1"; // connections are pooled for each worker
    return yaml;
}
} // namespace

TEST_CASE("an idle connection that the origin has closed is not used; nothing is sent twice") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) {
        x.ok("no-store", std::to_string(x.connection()));
        if (x.number() == 1) {
            x.close();
        }
    });
    ProxyUnderTest proxy(origin, one_worker());
    CHECK(proxy.get("/a").content == "0");
    origin.await_connections_at_most(0);
    CHECK(proxy.get("/a").content == "1");
    CHECK(proxy.get("/a").content == "1"); // kept open
    CHECK(origin.requests() == 3);
    CHECK(origin.connections() == 2);
}

TEST_CASE("a connection that breaks under a reused request: GET goes again, POST does not") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.content();
        if (x.target() == "/race" && x.number() == 1) {
            x.close(); // as if its idle timeout had been over just now
            return;
        }
        x.ok("no-store", x.content() + "on " + std::to_string(x.connection()));
    });
    ProxyUnderTest proxy(origin, one_worker());
    CHECK(proxy.get("/first").content == "on 0");
    SUBCASE("GET") {
        CHECK(proxy.get("/race").content == "on 1");
        CHECK(origin.requests("/race") == 2);
        CHECK(proxy.metric("gatehouse_origin_retries_total") == 1);
    }
    SUBCASE("PUT is idempotent, and its content is still there") {
        CHECK(proxy.ask("PUT /race HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 5\r\n\r\ndata ").content ==
              "data on 1");
        CHECK(origin.requests("/race") == 2);
    }
    SUBCASE("PUT chunked") {
        CHECK(proxy.ask("PUT /race HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "5\r\ndata \r\n0\r\n\r\n")
                  .content == "data on 1");
        CHECK(origin.requests("/race") == 2);
    }
    SUBCASE("POST") {
        const Response response =
            proxy.ask("POST /race HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 4\r\n\r\ndata");
        CHECK(response.status == 502);
        CHECK(origin.requests("/race") == 1);
    }
}

TEST_CASE("content that is too large to be kept is not sent again") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.content();
        if (x.target() == "/race") {
            x.close();
            return;
        }
        x.ok("no-store", "served");
    });
    Yaml yaml = one_worker();
    yaml.limits = "replay_size: 1KiB";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/first");
    const Response response = proxy.ask("PUT /race HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 5000\r\n\r\n" +
                                        std::string(5000, 'x'));
    CHECK(response.status == 502);
    CHECK(origin.requests("/race") == 1);
}

TEST_CASE("a fresh connection that breaks, or one that broke within an answer, is not tried again") {
    ScriptedOrigin origin;
    origin.on("/first", [](OriginExchange& x) { x.ok("no-store", "first"); });
    origin.on("/fresh", [](OriginExchange& x) { x.close(); });
    origin.on("/within", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 O");
        x.close();
    });
    ProxyUnderTest proxy(origin, one_worker());
    CHECK(proxy.get("/fresh").status == 502);
    CHECK(origin.requests("/fresh") == 1);
    proxy.get("/first");
    CHECK(proxy.get("/within").status == 502);
    CHECK(origin.requests("/within") == 1);
}

TEST_CASE("an origin that closes every connection is asked twice at most") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        if (x.target() == "/race") {
            x.reset();
            return;
        }
        x.ok("no-store", "served");
    });
    ProxyUnderTest proxy(origin, one_worker());
    proxy.get("/first");
    const Response response = proxy.get("/race");
    CHECK(response.status == 502);
    CHECK(response.get("Proxy-Status").starts_with("gatehouse; error=connection_terminated"));
    CHECK(origin.requests("/race") == 2);
}
