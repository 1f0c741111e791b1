// CONNECT and TRACE are refused and never forwarded.
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
