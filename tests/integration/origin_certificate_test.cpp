// What a client gets from behind an https origin whose certificate does or does not prove who it is.
#include "tests/support/proxy_under_test.h"
#include "tests/support/tls_server.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::testing;

TEST_CASE("an https origin answers if its certificate proves its name, and is 502 with the cause if not") {
    struct Row {
        const char* why;
        const char* names;
        int days;
        bool trusted;
        bool good;
    };
    static constexpr Row kRows[] = {
        {"right", "IP:127.0.0.1", 2, true, true},
        {"for another name", "DNS:other.test", 2, true, false},
        {"expired", "IP:127.0.0.1", -1, true, false},
        {"of an authority that nobody told us of", "IP:127.0.0.1", 2, false, false},
    };
    CertificateMaker maker;
    CertificateMaker stranger;
    for (const Row& row : kRows) {
        CAPTURE(row.why);
        const Certificate certificate = maker.issue(row.names, row.days);
        int requests = 0;
        const TlsServer origin(certificate, [&requests](TlsPeer& peer) {
            if (!peer.shake_hands()) {
                return;
            }
            while (!peer.read().empty()) { // a request is small enough to come in one piece
                ++requests;
                peer.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nCache-Control: max-age=60\r\n\r\nsecret");
            }
        });
        Yaml yaml;
        yaml.scheme = "https";
        yaml.origin = "ca_file: '" + (row.trusted ? maker : stranger).ca().file + "'";
        const ProxyUnderTest proxy(origin.port(), yaml);
        const Response response = proxy.get("/a");
        if (row.good) {
            CHECK(response.status == 200);
            CHECK(response.content == "secret");
            CHECK(proxy.get("/a").get("X-Cache") == "Hit from gatehouse");
        } else {
            CHECK(response.status == 502);
            CHECK(response.get("Proxy-Status").find("tls_certificate_error") != std::string::npos);
            CHECK(response.get("X-Cache") == "Error from gatehouse");
            CHECK(requests == 0); // nothing of the request was sent to somebody unknown
        }
    }
}
