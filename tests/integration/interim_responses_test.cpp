// Interim responses are passed on in order, before the final one.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

TEST_CASE("103 and other interim responses come in order, each as soon as it is there") {
    ScriptedOrigin origin;
    origin.on("/page", [](OriginExchange& x) {
        x.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n");
        x.pass("more");
        x.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </script.js>\r\n\r\n");
        x.ok("max-age=60", "page");
    });
    ProxyUnderTest proxy(origin);
    RawClient first(proxy.port());
    first.get("/page");
    origin.await_requests("/page", 1);
    const std::string hint = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nVia: 1.1 gatehouse\r\n";
    CHECK(first.read_raw(hint.size()) == hint); // the origin still holds the rest
    RawClient second(proxy.port()); // joins later, and gets all of them too
    second.get("/page");
    CHECK(second.read_raw(hint.size()) == hint);
    origin.open("more");
    for (RawClient* client : {&first, &second}) {
        client->read_raw(2); // the end of the first interim response
        const Response response = client->read();
        REQUIRE(response.interim.size() == 2);
        CHECK(response.interim[0].status == 102);
        CHECK(response.interim[1].status == 103);
        CHECK(response.interim[1].get("Link") == "</script.js>");
        CHECK(response.content == "page");
    }
    const Response hit = proxy.get("/page");
    CHECK(hit.interim.empty());
    CHECK(hit.content == "page");
    CHECK(origin.requests() == 1);
}

TEST_CASE("a 100 that nobody waits for is dropped") {
    ScriptedOrigin origin;
    origin.on("/page", [](OriginExchange& x) {
        x.send("HTTP/1.1 100 Continue\r\n\r\n");
        x.ok("no-store", "page");
    });
    ProxyUnderTest proxy(origin);
    const Response response = proxy.get("/page");
    CHECK(response.interim.empty());
    CHECK(response.content == "page");
}

TEST_CASE("an origin that never comes to its final response is given up") {
    ScriptedOrigin origin;
    origin.on("/page", [](OriginExchange& x) {
        for (int i = 0; i < 5; ++i) {
            x.send("HTTP/1.1 103 Early Hints\r\n\r\n");
        }
        x.await_close();
    });
    Yaml yaml;
    yaml.limits = "interim_responses: 4";
    ProxyUnderTest proxy(origin, yaml);
    const Response response = proxy.get("/page");
    CHECK(response.interim.size() == 4);
    CHECK(response.status == 502);
    CHECK(origin.requests() == 1);
}
