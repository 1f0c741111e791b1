// An answer that is followed by a close reaches its client whole: RFC 9112 section 9.6.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

using namespace gatehouse::testing;

namespace {

struct KernelSide {
    std::string state;  // as /proc/net/tcp writes it
    bool owned = false; // by a program; else the kernel is left alone with what is unsent, and may drop it
};

// The proxy's side of its only connection with unsent bytes.
std::optional<KernelSide> unsent_side(std::uint16_t port) {
    std::ostringstream hex;
    hex << ':' << std::uppercase << std::hex << port;
    std::ifstream table("/proc/net/tcp");
    for (std::string line; std::getline(table, line);) {
        std::istringstream row(line);
        std::string slot, local, remote, state, queues, timer, retransmits, user, probes, inode;
        row >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> user >> probes >> inode;
        const std::string suffix = hex.str();
        if (local.size() > suffix.size() && local.ends_with(suffix) && !queues.starts_with("00000000:")) {
            return KernelSide{state, inode != "0"};
        }
    }
    return std::nullopt;
}

} // namespace

TEST_CASE("a connection that ends after its answer is held until the client has taken the answer") {
    ScriptedOrigin origin;
    const std::string content(100'000, 'x');
    origin.on("/last", [&content](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100000\r\n\r\n" + content);
    });
    ProxyUnderTest proxy(origin);
    constexpr int kSmallestReceiveBuffer = 1;
    RawClient client(proxy.port(), kSmallestReceiveBuffer);
    client.get("/last", "Connection: close\r\n");
    const std::string kEndSent = "04"; // FIN-WAIT-1
    ProxyUnderTest::await(
        [&] {
            const auto side = unsent_side(proxy.port());
            return side && side->state == kEndSent;
        },
        "the proxy ends its side");
    const auto side = unsent_side(proxy.port());
    REQUIRE(side.has_value());
    CHECK(side->owned);
    CHECK(client.read().content == content);
    client.close();
    ProxyUnderTest::await([&] { return proxy.metric("gatehouse_connections") == 0; }, "the session ends");
}
