// The program itself: where it says that it listens, and how it ends.
#include "tests/support/gatehouse_process.h"
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

using namespace gatehouse::testing;

TEST_CASE("the log names the ports that the system chose, and SIGTERM is an orderly end") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", x.target()); });
    GatehouseProcess gatehouse(Yaml().text(origin.port())); // asks for port 0 twice
    RawClient client(gatehouse.port());
    client.get("/a");
    CHECK(client.read().content == "/a");
    client.get("/a");
    CHECK(client.read().get("X-Cache") == "Hit from gatehouse");
    // A request is counted just after its bytes were sent.
    ProxyUnderTest::await([&] { return sum_of_metric(gatehouse.metrics(), "gatehouse_requests_total") == 2; },
                          "both requests are counted");
    CHECK(gatehouse.stop() == 0);
    CHECK(gatehouse.log().find("stopping") != std::string::npos);
}

TEST_CASE("the program has its own name in a list of processes") {
    ScriptedOrigin origin;
    GatehouseProcess gatehouse(Yaml().text(origin.port()));
    std::ifstream status("/proc/" + std::to_string(gatehouse.process()) + "/comm");
    std::string name;
    std::getline(status, name);
    CHECK(name == "gatehouse");
}
