// What ends an exchange while its connection to the origin is being opened.
#include "tests/support/full_backlog.h"
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

// Sends a request and waits until the proxy has begun to connect for it.
void ask(const ProxyUnderTest& proxy, RawClient& client) {
    const std::string request = "GET /a HTTP/1.1\r\nHost: gate.test\r\n\r\n";
    client.send(request);
    proxy.await_received(request.size());
}

} // namespace

TEST_CASE("total_timeout counts while the origin's connection is being opened") {
    const FullBacklog origin;
    Yaml yaml;
    yaml.origin = "connect_timeout: 60s, total_timeout: 5s";
    ProxyUnderTest proxy(origin.port(), yaml);
    RawClient client(proxy.port());
    ask(proxy, client);
    proxy.advance(5s);
    CHECK(client.is_quiet());
    proxy.advance(200ms);
    const Response response = client.read();
    CHECK(response.status == 504);
    CHECK(response.get("Proxy-Status").find("http_response_timeout") != std::string::npos);
}

TEST_CASE("stop: a connection that is being opened does not outlast timeouts.shutdown") {
    const FullBacklog origin;
    Yaml yaml;
    yaml.origin = "connect_timeout: 60s";
    yaml.shutdown = "200ms";
    ProxyUnderTest proxy(origin.port(), yaml);
    RawClient client(proxy.port());
    ask(proxy, client);
    CHECK_FALSE(proxy.stop());
    CHECK_FALSE(client.read_what_comes().complete);
}
