// Unix-socket and IPv6 listeners serve as TCP over IPv4 does; clients on the same machine are sent to without pacing.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace gatehouse::testing;

namespace {

// The congestion control of the connection that this process has accepted on a port; empty: there is none.
std::string congestion_control_of_connection_to(std::uint16_t port) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        const int descriptor = std::stoi(entry.path().filename());
        sockaddr_in6 local{}; // the port stands at the same place in both families
        socklen_t size = sizeof local;
        sockaddr_in6 remote{};
        socklen_t remote_size = sizeof remote;
        if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &size) != 0 ||
            (local.sin6_family != AF_INET && local.sin6_family != AF_INET6) || ntohs(local.sin6_port) != port ||
            ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&remote), &remote_size) != 0) {
            continue;
        }
        std::array<char, 16> name{};
        size = name.size();
        CHECK(::getsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) == 0);
        return name.data();
    }
    return {};
}

std::string congestion_control_of_the_machine() {
    std::ifstream file("/proc/sys/net/ipv4/tcp_congestion_control");
    std::string name;
    file >> name;
    return name;
}

} // namespace

TEST_CASE("what is sent by a listener on a loopback address is not paced; elsewhere the machine's setting stands") {
    struct Row {
        const char* listener;
        std::string congestion_control;
    };
    const Row rows[] = {{"127.0.0.1:0", "reno"},
                        {"[::1]:0", "reno"},
                        {"0.0.0.0:0", congestion_control_of_the_machine()},
                        {"[::]:0", congestion_control_of_the_machine()}};
    for (const Row& row : rows) {
        CAPTURE(row.listener);
        ScriptedOrigin origin;
        origin.on("/a", [](OriginExchange& x) { x.ok("no-store", "a"); });
        Yaml yaml;
        yaml.listeners = std::string("[{address: '") + row.listener + "'}]";
        ProxyUnderTest proxy(origin, yaml);
        const bool is_v6 = row.listener[0] == '[';
        RawClient client(is_v6 ? Socket::connect_v6(proxy.port()) : Socket::connect(proxy.port()));
        client.get("/a");
        REQUIRE(client.read().content == "a");
        CHECK(congestion_control_of_connection_to(proxy.port()) == row.congestion_control);
    }
}

TEST_CASE("one proxy listens on IPv4, IPv6 and a Unix socket at once") {
    const std::string path =
        (std::filesystem::temp_directory_path() / ("gatehouse-listener-" + std::to_string(::getpid()))).string();
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=60", x.get("X-Forwarded-For") + "|" + x.get("Forwarded")); });
    Yaml yaml;
    yaml.listeners = "[{address: '127.0.0.1:0'}, {address: '[::1]:0'}, {address: 'unix:" + path + "'}]";
    {
        ProxyUnderTest proxy(origin, yaml);
        RawClient v6(Socket::connect_v6(proxy.port(1)));
        v6.get("/a");
        const Response first = v6.read();
        CHECK(first.get("X-Cache") == "Miss from gatehouse");
        CHECK(first.content == "::1|for=\"[::1]\";host=\"gate.test\";proto=http");
        RawClient local(Socket::connect_unix(path));
        local.get("/a");
        CHECK(local.read().get("X-Cache") == "Hit from gatehouse");
        CHECK(proxy.get("/a").get("X-Cache") == "Hit from gatehouse");
        CHECK(origin.requests() == 1);
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a client over a Unix socket has no address to forward") {
    const std::string path =
        (std::filesystem::temp_directory_path() / ("gatehouse-local-" + std::to_string(::getpid()))).string();
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("no-store", x.get("Forwarded")); });
    Yaml yaml;
    yaml.listeners = "[{address: 'unix:" + path + "'}]";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(Socket::connect_unix(path));
    client.get("/a");
    CHECK(client.read().content == "for=unknown;host=\"gate.test\";proto=http");
    client.get("/a");
    CHECK(client.read().status == 200);
    CHECK(origin.requests() == 2);
}
