// Malformed responses give 502, and their connection is never used again.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

struct Row {
    const char* name;
    std::string head; // behind it comes something that a lenient parser would take for the next response
};

const std::string kNext = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled";

} // namespace

TEST_CASE("a malformed response head is answered with 502 and its connection is closed") {
    using namespace std::string_literals;
    const Row rows[] = {
        {"CL and TE", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"xchunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
        {"chunked, gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"},
        {"gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        {"TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"lengths that differ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab"},
        {"a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab"},
        {"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
        {"obs-fold", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"},
        {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"},
        {"bare CR", "HTTP/1.1 200 OK\r\nX-A: b\rc\r\nContent-Length: 0\r\n\r\n"},
        {"space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"},
        {"NUL", "HTTP/1.1 200 OK\r\nX-A: b\0\r\nContent-Length: 0\r\n\r\n"s},
        {"no status", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"},
        {"a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"},
        {"no HTTP", "220 ready\r\n\r\n"},
        {"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
        {"a switch nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        ScriptedOrigin origin;
        origin.on("/bad", [&row](OriginExchange& x) {
            x.send(row.head + kNext);
            x.await_close(); // the proxy ends it, not the origin
        });
        origin.on("/good", [](OriginExchange& x) { x.ok("no-store", "good"); });
        Yaml yaml;
        yaml.workers = "1";
        ProxyUnderTest proxy(origin, yaml);
        CHECK(proxy.get("/good").content == "good"); // from now on one connection is kept open
        const Response bad = proxy.get("/bad");
        CHECK(bad.status == 502);
        CHECK(bad.get("Proxy-Status").starts_with("gatehouse; error=http_protocol_error"));
        CHECK(bad.content.find("smuggled") == std::string::npos);
        origin.await_connections_at_most(0);
        CHECK(proxy.get("/good").content == "good");
        CHECK(origin.requests("/bad") == 1);
        CHECK(origin.connections() == 2);
        CHECK(proxy.metric("gatehouse_origin_errors_total", "protocol_error") == 1);
        CHECK(proxy.server().store_stats().objects == 0);
    }
}

TEST_CASE("a response head that is too large is answered with 502") {
    ScriptedOrigin origin;
    origin.on("/large", [](OriginExchange& x) {
        x.reply(200, "X-Large: " + std::string(5000, 'x') + "\r\n", "content");
    });
    origin.on("/many", [](OriginExchange& x) {
        std::string fields;
        for (int i = 0; i < 40; ++i) {
            fields += "X-" + std::to_string(i) + ": a\r\n";
        }
        x.reply(200, fields, "content");
    });
    Yaml yaml;
    yaml.limits = "response_head_size: 4KiB, response_head_fields: 32";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/large").status == 502);
    CHECK(proxy.get("/many").status == 502);
    CHECK(origin.requests() == 2);
}

TEST_CASE("bytes behind a whole response do not become the next one") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        if (x.target() == "/first") {
            // With one send: bytes that come after the connection was lent again cannot be told from an answer.
            x.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 6\r\n\r\n/first" +
                   std::string(kNext));
            return;
        }
        x.ok("no-store", x.target());
    });
    Yaml yaml;
    yaml.workers = "1";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/first").content == "/first");
    CHECK(proxy.get("/second").content == "/second");
    CHECK(proxy.get("/third").content == "/third");
    CHECK(origin.requests() == 3);
}

TEST_CASE("an origin that closes without a word gives 502") {
    ScriptedOrigin origin;
    origin.on("/closes", [](OriginExchange& x) { x.close(); });
    origin.on("/half", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nContent-");
        x.close();
    });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/half").status == 502);
    const Response response = proxy.get("/closes");
    CHECK(response.status == 502);
    CHECK(response.get("Proxy-Status").starts_with("gatehouse; error=connection_terminated"));
    CHECK(origin.requests() == 2);
}

TEST_CASE("a status line without a reason phrase is accepted") {
    ScriptedOrigin origin;
    origin.on("/space", [](OriginExchange& x) { x.send("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"); });
    origin.on("/bare", [](OriginExchange& x) { x.send("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"); });
    origin.on("/unknown", [](OriginExchange& x) { x.send("HTTP/1.1 299\r\nContent-Length: 2\r\n\r\nok"); });
    ProxyUnderTest proxy(origin);
    CHECK(proxy.get("/space").content == "ok");
    const Response bare = proxy.get("/bare");
    CHECK(bare.content == "ok");
    CHECK(bare.reason == "OK");
    CHECK(proxy.get("/unknown").status == 299);
}

TEST_CASE("an HTTP/1.0 origin: its content ends with the connection, and it is not kept open") {
    ScriptedOrigin origin;
    origin.on("/old", [](OriginExchange& x) {
        x.send("HTTP/1.0 200 OK\r\nCache-Control: max-age=60\r\n\r\nold content");
        x.close();
    });
    origin.on("/length", [](OriginExchange& x) {
        x.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
        x.await_close();
    });
    ProxyUnderTest proxy(origin);
    const Response first = proxy.get("/old");
    CHECK(first.content == "old content");
    CHECK(first.get("Transfer-Encoding") == "chunked"); // a break could not be told from the end otherwise
    const Response hit = proxy.get("/old");
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(hit.get("Content-Length") == "11");
    CHECK(proxy.get("/length").content == "ok");
    CHECK(origin.requests() == 2);
}
