// CONNECT and TRACE are refused and never forwarded; OPTIONS goes as far as Max-Forwards says.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("CONNECT is answered with 501 and the connection ends; TRACE with 405") {
    ScriptedOrigin origin;
    ProxyUnderTest proxy(origin);
    RawClient connecting(proxy.port());
    connecting.send("CONNECT gate.test:443 HTTP/1.1\r\nHost: gate.test:443\r\n\r\n");
    const Response refused = connecting.read();
    CHECK(refused.status == 501);
    CHECK(connecting.ended());

    RawClient tracing(proxy.port());
    tracing.send("TRACE /a HTTP/1.1\r\nHost: gate.test\r\nCookie: secret=1\r\n\r\n");
    const Response traced = tracing.read();
    CHECK(traced.status == 405);
    CHECK(traced.get("Allow").find("TRACE") == std::string::npos);
    CHECK(traced.get("Allow").find("GET") != std::string::npos);
    CHECK(traced.content.find("secret") == std::string::npos);
    CHECK(origin.requests() == 0);
    CHECK(origin.connections() == 0);
}

TEST_CASE("OPTIONS with Max-Forwards 0 is answered here, and a larger number is counted down") {
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("no-store", "from the origin"); });
    ProxyUnderTest proxy(origin);
    const auto options = [&](const std::string& hops) {
        return proxy.ask("OPTIONS /a HTTP/1.1\r\nHost: gate.test\r\nMax-Forwards: " + hops + "\r\n\r\n");
    };
    const Response here = options("0");
    CHECK(here.status == 204);
    CHECK(here.get("Allow").find("OPTIONS") != std::string::npos);
    CHECK(origin.requests() == 0);
    CHECK(options("1").content == "from the origin");
    FieldLines asked;
    parse_head(origin.heads("/a").at(0), asked);
    CHECK(asked.get("Max-Forwards") == "0");
    CHECK(options("soon").content == "from the origin"); // no number: passed on as it is
}
