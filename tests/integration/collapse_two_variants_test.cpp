// 1,000 clients of two variants: one origin request for each variant.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

constexpr std::size_t kClients = 1000;

std::string request(std::size_t i) {
    return std::string("GET /text HTTP/1.1\r\nHost: gate.test\r\nAccept-Language: ") + (i % 2 == 0 ? "de" : "fr") +
           "\r\n\r\n";
}

void check(std::vector<Response> responses) {
    for (std::size_t i = 0; i < responses.size(); ++i) {
        REQUIRE(responses[i].complete);
        REQUIRE(responses[i].content == (i % 2 == 0 ? "in de" : "in fr"));
    }
}

void answer(OriginExchange& x, std::string_view lifetime) {
    x.reply(200, "Vary: Accept-Language\r\nCache-Control: max-age=" + std::string(lifetime) + "\r\n",
            "in " + x.get("Accept-Language"));
}

} // namespace

TEST_CASE("two variants of a cold key: two origin requests") {
    ScriptedOrigin origin;
    origin.on("/text", [](OriginExchange& x) {
        x.pass("answer");
        answer(x, "60");
    });
    ProxyUnderTest proxy(origin);
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), kClients, request);
    // That the response varies is not known yet, so all wait for the first.
    origin.await_requests("/text", 1);
    proxy.await_received(before + swarm.sent());
    CHECK(origin.requests() == 1);
    origin.open("answer");
    check(swarm.collect());
    CHECK(origin.requests() == 2);
    CHECK(proxy.server().store_stats().objects == 2);
}

TEST_CASE("two variants of a stale key, known to vary: two origin requests at once") {
    ScriptedOrigin origin;
    origin.on("/text", [](OriginExchange& x) {
        if (x.number() > 2) {
            x.pass("answer");
        }
        answer(x, "10");
    });
    ProxyUnderTest proxy(origin);
    proxy.ask(request(0));
    proxy.ask(request(1));
    proxy.advance(std::chrono::seconds(11));
    const std::size_t before = proxy.received();
    Swarm swarm(proxy.port(), kClients, request);
    origin.await_requests("/text", 4);
    proxy.await_received(before + swarm.sent());
    origin.open("answer");
    check(swarm.collect());
    CHECK(origin.requests() == 4);
}
