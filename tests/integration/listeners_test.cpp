// Unix-socket and IPv6 listeners serve as TCP over IPv4 does.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <unistd.h>

using namespace gatehouse::testing;

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
