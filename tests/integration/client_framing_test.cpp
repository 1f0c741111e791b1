// Requests that two parsers could read differently are refused and never reach the origin.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;

namespace {

// What a smuggler would have slip through behind the first message.
constexpr const char* kBehind = "GET /smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\n";

struct Row {
    std::string name;
    std::string request;
    int status = 400;
};

void check_refused(const std::vector<Row>& rows) {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("no-store", "must not happen"); });
    ProxyUnderTest proxy(origin);
    for (const Row& row : rows) {
        CAPTURE(row.name);
        RawClient client(proxy.port());
        client.send(row.request + kBehind);
        const Response response = client.read();
        CHECK(response.status == row.status);
        CHECK(response.get("Connection") == "close");
        CHECK(response.get("Proxy-Status").starts_with("gatehouse; error=http_request_error"));
        CHECK(client.ended());
        CHECK(origin.connections() == 0);
    }
    CHECK(origin.requests() == 0);
    CHECK(proxy.metric("gatehouse_bad_requests_total") == static_cast<double>(rows.size()));
}

std::string post(const std::string& fields, const std::string& content) {
    return "POST /a HTTP/1.1\r\nHost: gate.test\r\n" + fields + "\r\n" + content;
}

std::string get(const std::string& fields) { return "GET /a HTTP/1.1\r\n" + fields + "\r\n"; }

} // namespace

TEST_CASE("both framings, or codings other than one chunked, are refused") {
    const std::string chunked = "0\r\n\r\n";
    check_refused({
        {"CL.TE", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunked)},
        {"TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunked)},
        {"CL 0 and TE", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", chunked)},
        {"xchunked", post("Transfer-Encoding: xchunked\r\n", chunked)},
        {"chunked, gzip", post("Transfer-Encoding: chunked, gzip\r\n", chunked)},
        {"gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", chunked)},
        {"chunked twice in a list", post("Transfer-Encoding: chunked, chunked\r\n", chunked)},
        {"chunked in two lines", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked)},
        {"identity", post("Transfer-Encoding: identity\r\n", chunked)},
        {"identity and CL", post("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", chunked)},
        {"an empty coding", post("Transfer-Encoding:\r\n", chunked)},
        {"quoted", post("Transfer-Encoding: \"chunked\"\r\n", chunked)},
        {"with a parameter", post("Transfer-Encoding: chunked;a=b\r\n", chunked)},
        {"in HTTP/1.0", "POST /a HTTP/1.0\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked},
        {"on GET", get("Host: gate.test\r\nTransfer-Encoding: xchunked\r\n")},
    });
}

TEST_CASE("a Content-Length that is not one number is refused") {
    check_refused({
        {"two that differ", post("Content-Length: 5\r\nContent-Length: 6\r\n", "12345")},
        {"a list", post("Content-Length: 5, 5\r\n", "12345")},
        {"a list that differs", post("Content-Length: 5, 6\r\n", "12345")},
        {"with a sign", post("Content-Length: +5\r\n", "12345")},
        {"negative", post("Content-Length: -5\r\n", "12345")},
        {"hexadecimal", post("Content-Length: 0x5\r\n", "12345")},
        {"with a fraction", post("Content-Length: 5.0\r\n", "12345")},
        {"two numbers", post("Content-Length: 5 5\r\n", "12345")},
        {"empty", post("Content-Length:\r\n", "12345")},
        {"too large", post("Content-Length: 99999999999999999999\r\n", "12345")},
        {"too large by one", post("Content-Length: 9223372036854775808\r\n", "12345")},
    });
}

TEST_CASE("lines that parsers read differently are refused") {
    using namespace std::string_literals;
    check_refused({
        {"obs-fold", get("Host: gate.test\r\nX-A: b\r\n c\r\n")},
        {"obs-fold with a tab", get("Host: gate.test\r\nX-A: b\r\n\tc\r\n")},
        {"folded first field", "GET /a HTTP/1.1\r\n Host: gate.test\r\n\r\n"},
        {"bare LF after the request line", "GET /a HTTP/1.1\nHost: gate.test\r\n\r\n"},
        {"bare LF after a field", "GET /a HTTP/1.1\r\nHost: gate.test\n\r\n"},
        {"bare LF within a value", get("Host: gate.test\r\nX-A: b\nX-B: c\r\n")},
        {"bare LF at the end", "GET /a HTTP/1.1\r\nHost: gate.test\r\n\n"},
        {"bare CR in a value", get("Host: gate.test\r\nX-A: b\rc\r\n")},
        {"bare CR for a line end", "GET /a HTTP/1.1\r\nHost: gate.test\rX-A: b\r\n\r\n"},
        {"CR CR LF", get("Host: gate.test\r\nX-A: b\r\r\n")},
        {"space before the colon", get("Host: gate.test\r\nContent-Length : 5\r\n")},
        {"tab before the colon", get("Host: gate.test\r\nTransfer-Encoding\t: chunked\r\n")},
        {"space within a name", get("Host: gate.test\r\nX A: b\r\n")},
        {"no colon", get("Host: gate.test\r\nContent-Length 5\r\n")},
        {"no name", get("Host: gate.test\r\n: b\r\n")},
        {"NUL in a value", get("Host: gate.test\r\nX-A: b\0c\r\n"s)},
        {"NUL in a name", get("Host: gate.test\r\nX\0A: b\r\n"s)},
        {"a control character", get("Host: gate.test\r\nX-A: b\x01\r\n")},
        {"DEL", get("Host: gate.test\r\nX-A: b\x7f\r\n")},
        {"two leading empty lines", "\r\n\r\n" + get("Host: gate.test\r\n")},
    });
}

TEST_CASE("Host is there, once, and agrees with the target") {
    check_refused({
        {"missing", get("X-A: b\r\n")},
        {"two that differ", get("Host: gate.test\r\nHost: other.test\r\n")},
        {"twice the same", get("Host: gate.test\r\nHost: gate.test\r\n")},
        {"a list", get("Host: gate.test, other.test\r\n")},
        {"with a path", get("Host: gate.test/a\r\n")},
        {"with user information", get("Host: user@gate.test\r\n")},
        {"with a bad port", get("Host: gate.test:80a\r\n")},
        {"absolute-form with another host", "GET http://other.test/a HTTP/1.1\r\nHost: gate.test\r\n\r\n"},
        {"absolute-form with another port", "GET http://gate.test:81/a HTTP/1.1\r\nHost: gate.test\r\n\r\n"},
        {"absolute-form without Host", "GET http://gate.test/a HTTP/1.1\r\n\r\n"},
        {"absolute-form of another scheme", "GET ftp://gate.test/a HTTP/1.1\r\nHost: gate.test\r\n\r\n"},
    });
}

TEST_CASE("the request line is strict") {
    check_refused({
        {"two spaces", "GET  /a HTTP/1.1\r\nHost: gate.test\r\n\r\n"},
        {"a space at the end", "GET /a HTTP/1.1 \r\nHost: gate.test\r\n\r\n"},
        {"no version", "GET /a\r\nHost: gate.test\r\n\r\n"},
        {"small letters", "GET /a http/1.1\r\nHost: gate.test\r\n\r\n"},
        {"a space in the target", "GET /a b HTTP/1.1\r\nHost: gate.test\r\n\r\n"},
        {"no slash", "GET a HTTP/1.1\r\nHost: gate.test\r\n\r\n"},
        {"a fragment", "GET /a#b HTTP/1.1\r\nHost: gate.test\r\n\r\n"},
        {"a method that is no token", "G(T /a HTTP/1.1\r\nHost: gate.test\r\n\r\n"},
        {"HTTP/2.0", "GET /a HTTP/2.0\r\nHost: gate.test\r\n\r\n", 505},
        {"HTTP/1.2", "GET /a HTTP/1.2\r\nHost: gate.test\r\n\r\n", 505},
        {"a TLS hello", "\x16\x03\x01\x02 hello\r\n\r\n"},
    });
}

TEST_CASE("what looks odd and is right is taken") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        x.content();
        x.ok("no-store", x.method() + " " + x.target() + " " + x.content());
    });
    ProxyUnderTest proxy(origin);
    struct Good {
        const char* name;
        std::string request;
        const char* answer;
    };
    const Good rows[] = {
        {"one leading empty line", "\r\n" + get("Host: gate.test\r\n"), "GET /a "},
        {"absolute-form with its Host", "GET http://gate.test/a HTTP/1.1\r\nHost: gate.test\r\n\r\n", "GET /a "},
        {"the same length twice", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), "POST /a abc"},
        {"Chunked in other letters", post("Transfer-Encoding: Chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), "POST /a abc"},
        {"a chunk extension", post("Transfer-Encoding: chunked\r\n", "3;a=b\r\nabc\r\n0\r\n\r\n"), "POST /a abc"},
        {"white space around a value", get("Host:   gate.test \t\r\n"), "GET /a "},
        {"an empty value", get("Host: gate.test\r\nX-A:\r\n"), "GET /a "},
        {"bytes above 127", get("Host: gate.test\r\nX-A: \xc3\xa4\r\n"), "GET /a "},
        {"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: gate.test\r\n\r\n", "OPTIONS * "},
    };
    for (const Good& row : rows) {
        CAPTURE(std::string(row.name));
        RawClient client(proxy.port());
        client.send(row.request + "GET /next HTTP/1.1\r\nHost: gate.test\r\n\r\n");
        const Response response = client.read();
        CHECK(response.status == 200);
        CHECK(response.content == row.answer);
        CHECK(client.read().content == "GET /next ");
    }
}
