// An origin whose name leads to another address, by a real DNS server, while the proxy runs.
#include "tests/support/dns_server.h"
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

TEST_CASE("an origin that moves is found at its new address as soon as its record's TTL is over") {
    DnsServer dns;
    dns.add("origin.test. 5 IN A 127.0.0.9"); // nobody listens there
    ScriptedOrigin origin;                    // 127.0.0.1
    origin.otherwise([](OriginExchange& x) { x.ok("no-store", "the new place"); });
    Yaml yaml;
    yaml.host = "origin.test";
    yaml.extra = "dns: {servers: ['" + dns.address() + "'], min_ttl: 1s}\n";
    ProxyUnderTest proxy(origin.port(), yaml);
    const Response lost = proxy.get("/a");
    CHECK(lost.status == 502);
    CHECK(lost.get("Proxy-Status").find("connection_refused") != std::string::npos);

    dns.remove("origin.test.");
    dns.add("origin.test. 5 IN A 127.0.0.1");
    CHECK(proxy.get("/a").status == 502); // the old record is still good
    proxy.advance(5'100ms);
    // The name is asked for again beside the requests: until its answer is here the old address is used.
    ProxyUnderTest::await([&] { return proxy.get("/a").content == "the new place"; }, "the new address is used");
}
