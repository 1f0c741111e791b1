// Message heads: what is accepted, what is refused and how, at every split of the bytes.
#include "proxy/head_parser.h"

#include "http/framing.h"

#include <doctest/doctest.h>

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace gatehouse;
using namespace std::string_literals;
using namespace std::string_view_literals;
using http::ErrorKind;
using proxy::HeadLimits;
using proxy::HeadParse;
using State = proxy::HeadParse::State;

namespace {

struct Parsed {
    HeadParse parse;
    http::RequestHead head;
};

Parsed parse_request(std::string_view bytes, const HeadLimits& limits = {}) {
    Parsed parsed;
    parsed.parse = proxy::parse_request_head(bytes, limits, parsed.head);
    return parsed;
}

struct ParsedResponse {
    HeadParse parse;
    http::ResponseHead head;
};

ParsedResponse parse_response(std::string_view bytes, const HeadLimits& limits = {}) {
    ParsedResponse parsed;
    parsed.parse = proxy::parse_response_head(bytes, limits, parsed.head);
    return parsed;
}

// A request with one more field line (or anything else) behind Host.
std::string with_line(std::string_view line) {
    return "GET /a HTTP/1.1\r\nHost: h\r\n" + std::string(line) + "\r\n\r\n";
}

struct Row {
    const char* name;
    std::string bytes;
    State state;
    ErrorKind kind = ErrorKind::Internal; // Bad
};

const std::vector<Row>& request_rows() {
    static const std::vector<Row> rows = {
        {"plain", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", State::Complete},
        {"no fields", "GET / HTTP/1.1\r\n\r\n", State::Complete},
        {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", State::Complete},
        {"content follows", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", State::Complete},
        {"another request follows", "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\n\r\n", State::Complete},
        {"garbage follows", "GET / HTTP/1.1\r\nHost: h\r\n\r\n\n\r\r\x00\x01"s, State::Complete},
        {"a method of its own", "M-SEARCH * HTTP/1.1\r\nHost: h\r\n\r\n", State::Complete},
        {"absolute-form", "GET http://h/a?b HTTP/1.1\r\nHost: h\r\n\r\n", State::Complete},
        {"one leading CR LF", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", State::Complete},
        {"two leading CR LF", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a leading LF", "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a leading CR", "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a leading space", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"bare LF after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"bare LF after a field", "GET / HTTP/1.1\r\nHost: h\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"bare LF ends the head", "GET / HTTP/1.1\r\nHost: h\r\n\n", State::Bad, ErrorKind::BadRequest},
        {"bare LF only", "GET / HTTP/1.1\nHost: h\n\n", State::Bad, ErrorKind::BadRequest},
        {"bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"bare CR after the request line", "GET / HTTP/1.1\rHost: h\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"CR CR LF", "GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"CR CR LF ends the head", "GET / HTTP/1.1\r\nHost: h\r\n\r\r\n", State::Bad, ErrorKind::BadRequest},
        {"bare CR in a value", with_line("X: a\rb"), State::Bad, ErrorKind::BadRequest},
        {"bare CR before a name", with_line("\rX: a"), State::Bad, ErrorKind::BadRequest},
        {"obs-fold with a space", with_line("X: a\r\n b"), State::Bad, ErrorKind::BadRequest},
        {"obs-fold with a tab", with_line("X: a\r\n\tb"), State::Bad, ErrorKind::BadRequest},
        {"obs-fold of nothing", with_line("X: a\r\n "), State::Bad, ErrorKind::BadRequest},
        {"white space before the first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a line of white space", with_line(" "), State::Bad, ErrorKind::BadRequest},
        {"space before the colon", with_line("X : a"), State::Bad, ErrorKind::BadRequest},
        {"tab before the colon", with_line("X\t: a"), State::Bad, ErrorKind::BadRequest},
        {"space in a name", with_line("X Y: a"), State::Bad, ErrorKind::BadRequest},
        {"empty name", with_line(": a"), State::Bad, ErrorKind::BadRequest},
        {"no colon", with_line("X"), State::Bad, ErrorKind::BadRequest},
        {"NUL in a name", with_line("X\0Y: a"s), State::Bad, ErrorKind::BadRequest},
        {"NUL in a value", with_line("X: a\0b"s), State::Bad, ErrorKind::BadRequest},
        {"NUL at the end of a value", with_line("X: a\0"s), State::Bad, ErrorKind::BadRequest},
        {"a control in a value", with_line("X: a\x01"), State::Bad, ErrorKind::BadRequest},
        {"vertical tab around a value", with_line("Transfer-Encoding: \vchunked"), State::Bad, ErrorKind::BadRequest},
        {"form feed around a value", with_line("Transfer-Encoding: chunked\f"), State::Bad, ErrorKind::BadRequest},
        {"DEL in a value", with_line("X: a\x7f"), State::Bad, ErrorKind::BadRequest},
        {"a high byte in a name", with_line("X\xe4: a"), State::Bad, ErrorKind::BadRequest},
        {"a high byte in a value", with_line("X: \xe4"), State::Complete},
        {"a tab inside a value", with_line("X: a\tb"), State::Complete},
        {"an empty value", with_line("X:"), State::Complete},
        {"a value of white space", with_line("X: \t "), State::Complete},
        {"a colon in a value", with_line("X: a:b"), State::Complete},
        {"a delimiter in a name", with_line("X(Y): a"), State::Bad, ErrorKind::BadRequest},
        {"a quoted name", with_line("\"X\": a"), State::Bad, ErrorKind::BadRequest},
        {"HTTP/0.9", "GET /\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"HTTP/0.9 with its number", "GET / HTTP/0.9\r\n\r\n", State::Bad, ErrorKind::UnsupportedVersion},
        {"HTTP/1.2", "GET / HTTP/1.2\r\n\r\n", State::Bad, ErrorKind::UnsupportedVersion},
        {"HTTP/2.0", "GET / HTTP/2.0\r\n\r\n", State::Bad, ErrorKind::UnsupportedVersion},
        {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", State::Bad, ErrorKind::UnsupportedVersion},
        {"HTTP/3.0", "GET / HTTP/3.0\r\n\r\n", State::Bad, ErrorKind::UnsupportedVersion},
        {"a version in lower case", "GET / http/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a version of three digits", "GET / HTTP/1.10\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a version of one digit", "GET / HTTP/1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a version without point", "GET / HTTP/11\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"another protocol", "GET / ICAP/1.0\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"no version", "GET / \r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"no target", "GET HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"an empty target", "GET  HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"no method", " / HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"two spaces before the target", "GET  / HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"two spaces before the version", "GET /  HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a space behind the version", "GET / HTTP/1.1 \r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a tab before the target", "GET\t/ HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a tab before the version", "GET /\tHTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a space in the target", "GET /a b HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"two versions", "GET / HTTP/1.1 HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a control in the target", "GET /\x01 HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"NUL in the target", "GET /\0 HTTP/1.1\r\n\r\n"s, State::Bad, ErrorKind::BadRequest},
        {"NUL in the method", "G\0T / HTTP/1.1\r\n\r\n"s, State::Bad, ErrorKind::BadRequest},
        {"a colon in the method", "G:T / HTTP/1.1\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a response", "HTTP/1.1 200 OK\r\n\r\n", State::Bad, ErrorKind::BadRequest},
        {"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"s, State::Bad, ErrorKind::BadRequest},
        // What follows is for http/framing.h to judge, and has to reach it as it was sent.
        {"two equal lengths", with_line("Content-Length: 5\r\nContent-Length: 5"), State::Complete},
        {"two differing lengths", with_line("Content-Length: 5\r\nContent-Length: 6"), State::Complete},
        {"a list of lengths", with_line("Content-Length: 5, 5"), State::Complete},
        {"a length beyond 64 bits", with_line("Content-Length: 99999999999999999999"), State::Complete},
        {"a huge length", with_line("Content-Length: 9223372036854775807"), State::Complete},
        {"a length that is none", with_line("Content-Length: x"), State::Complete},
        {"chunked beside a length", with_line("Transfer-Encoding: chunked\r\nContent-Length: 5"), State::Complete},
        {"a length beside chunked", with_line("Content-Length: 5\r\nTransfer-Encoding: chunked"), State::Complete},
        {"xchunked", with_line("Transfer-Encoding: xchunked"), State::Complete},
        {"chunked twice", with_line("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), State::Complete},
        {"a Connection that is no list of tokens", with_line("Connection: a b, \"c"), State::Complete},
        {"a Connection of commas", with_line("Connection: ,,close,"), State::Complete},
        {"two Hosts", with_line("Host: g"), State::Complete},
        {"an empty Upgrade", with_line("Upgrade:"), State::Complete},
        {"a Proxy-Connection that is no list", with_line("Proxy-Connection: @"), State::Complete},
    };
    return rows;
}

bool same(const http::RequestHead& a, const http::RequestHead& b) {
    return a.method == b.method && a.target == b.target && a.version == b.version &&
           a.fields.serialised() == b.fields.serialised();
}

bool same(const http::ResponseHead& a, const http::ResponseHead& b) {
    return a.status == b.status && a.reason == b.reason && a.version == b.version &&
           a.fields.serialised() == b.fields.serialised();
}

} // namespace

TEST_CASE("request heads are accepted or refused as a whole") {
    for (const Row& row : request_rows()) {
        SUBCASE(row.name) {
            const auto parsed = parse_request(row.bytes);
            CHECK(parsed.parse.state == row.state);
            if (row.state == State::Bad) {
                CHECK(parsed.parse.error.kind == row.kind);
                CHECK_FALSE(parsed.parse.error.detail.empty());
            }
        }
    }
}

TEST_CASE("a request that comes in pieces gets the same verdict at every split") {
    for (const Row& row : request_rows()) {
        SUBCASE(row.name) {
            const auto whole = parse_request(row.bytes);
            for (std::size_t size = 0; size < row.bytes.size(); ++size) {
                CAPTURE(size);
                const auto part = parse_request(std::string_view(row.bytes).substr(0, size));
                if (part.parse.state == State::Complete) {
                    REQUIRE(whole.parse.state == State::Complete);
                    REQUIRE(part.parse.consumed == whole.parse.consumed);
                    REQUIRE(same(part.head, whole.head));
                } else if (part.parse.state == State::Bad) {
                    REQUIRE(whole.parse.state == State::Bad);
                    REQUIRE(part.parse.error.kind == whole.parse.error.kind);
                } else if (whole.parse.state == State::Complete) {
                    REQUIRE(size < whole.parse.consumed);
                }
            }
        }
    }
}

TEST_CASE("a request's parts are taken as they were sent") {
    const std::string bytes = "\r\npatch /A/../%2f?q HTTP/1.0\r\nhost: H\r\nX:\t a b \t\r\nX: \r\n\r\nrest";
    const auto parsed = parse_request(bytes);
    REQUIRE(parsed.parse.state == State::Complete);
    CHECK(parsed.parse.consumed == bytes.size() - 4);
    CHECK(parsed.head.method == "patch");
    CHECK(parsed.head.target == "/A/../%2f?q");
    CHECK(parsed.head.version == http::Version::Http10);
    CHECK(parsed.head.fields.serialised() == "host: H\r\nX: a b\r\nX: \r\n");
}

TEST_CASE("a head that is used again keeps nothing of the one before") {
    http::RequestHead head;
    const HeadLimits limits;
    REQUIRE(proxy::parse_request_head(with_line("X: 1"), limits, head).state == State::Complete);
    REQUIRE(proxy::parse_request_head("PUT /b HTTP/1.0\r\n\r\n", limits, head).state == State::Complete);
    CHECK(head.method == "PUT");
    CHECK(head.target == "/b");
    CHECK(head.version == http::Version::Http10);
    CHECK(head.fields.empty());
}

TEST_CASE("framing that is malformed reaches the place that judges it") {
    for (const char* line : {"Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5, 5", "Content-Length: -1",
                             "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
                             "Transfer-Encoding: chunked, gzip", "Content-Length: 18446744073709551616"}) {
        CAPTURE(line);
        const auto parsed = parse_request(with_line(line));
        REQUIRE(parsed.parse.state == State::Complete);
        const auto framing = http::request_framing(parsed.head);
        REQUIRE_FALSE(framing);
        CHECK(framing.error().kind == ErrorKind::BadRequest);
    }
    const auto parsed = parse_request(with_line("Content-Length: 5\r\nContent-Length: 5"));
    REQUIRE(parsed.parse.state == State::Complete);
    CHECK(http::request_framing(parsed.head)->length == 5);
}

TEST_CASE("the size of a request head is limited") {
    HeadLimits limits;
    const std::string fixed = with_line("X: ");
    limits.bytes = 200;
    for (const int off : {-1, 0, 1}) {
        CAPTURE(off);
        const std::string padding(200 - fixed.size() + static_cast<std::size_t>(off + 1) - 1, 'x');
        const std::string bytes = with_line("X: " + padding);
        REQUIRE(bytes.size() == static_cast<std::size_t>(200 + off));
        const auto parsed = parse_request(bytes, limits);
        if (off <= 0) {
            CHECK(parsed.parse.state == State::Complete);
        } else {
            CHECK(parsed.parse.state == State::Bad);
            CHECK(parsed.parse.error.kind == ErrorKind::HeadTooLarge);
        }
        // Without its end yet: refused as soon as it is certain.
        const auto open = parse_request(bytes.substr(0, bytes.size() - 2) + "yy", limits);
        CHECK((open.parse.state == State::Incomplete) == (off <= 0));
    }
    CHECK(parse_request(std::string(100'000, 'G'), limits).parse.state == State::Bad);
}

TEST_CASE("content behind a head does not count for its size") {
    HeadLimits limits;
    limits.bytes = 64;
    CHECK(parse_request("GET / HTTP/1.1\r\nHost: h\r\n\r\n" + std::string(1000, '\n'), limits).parse.state ==
          State::Complete);
}

TEST_CASE("the number of fields is limited") {
    HeadLimits limits;
    limits.fields = 3;
    CHECK(parse_request(with_line("A: 1"), limits).parse.state == State::Complete);
    CHECK(parse_request(with_line("A: 1\r\nB: 2"), limits).parse.state == State::Complete);
    const auto parsed = parse_request(with_line("A: 1\r\nB: 2\r\nC: 3"), limits);
    CHECK(parsed.parse.state == State::Bad);
    CHECK(parsed.parse.error.kind == ErrorKind::HeadTooLarge);
}

TEST_CASE("a target that is too long has an error of its own, also before its end has come") {
    HeadLimits limits;
    limits.target_bytes = 100;
    limits.bytes = 400;
    for (const std::size_t size : {99U, 100U, 101U, 180U}) {
        CAPTURE(size);
        const std::string bytes = "GET /" + std::string(size - 1, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
        const auto parsed = parse_request(bytes, limits);
        if (size <= 100) {
            CHECK(parsed.parse.state == State::Complete);
        } else {
            CHECK(parsed.parse.state == State::Bad);
            CHECK(parsed.parse.error.kind == ErrorKind::UriTooLong);
        }
    }
    const auto open = parse_request("GET /" + std::string(300, 'a'), limits);
    CHECK(open.parse.state == State::Bad);
    CHECK(open.parse.error.kind == ErrorKind::UriTooLong);
    const auto fields = parse_request(with_line("X: " + std::string(500, 'a')), limits);
    CHECK(fields.parse.error.kind == ErrorKind::HeadTooLarge);
    const auto beyond_both = parse_request("GET /" + std::string(5000, 'a'), limits);
    CHECK(beyond_both.parse.error.kind == ErrorKind::UriTooLong);
}

TEST_CASE("response heads are accepted or refused as a whole") {
    const std::vector<Row> rows = {
        {"plain", "HTTP/1.1 200 OK\r\nX: 1\r\n\r\n", State::Complete},
        {"no fields", "HTTP/1.1 204 No Content\r\n\r\n", State::Complete},
        {"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", State::Complete},
        {"an empty reason", "HTTP/1.1 200 \r\n\r\n", State::Complete},
        {"no reason and no space", "HTTP/1.1 200\r\nX: 1\r\n\r\n", State::Complete},
        {"a reason with high bytes and a tab", "HTTP/1.1 200 \xe4\tb\r\n\r\n", State::Complete},
        {"status 100", "HTTP/1.1 100 Continue\r\n\r\n", State::Complete},
        {"status 999", "HTTP/1.1 999 What\r\n\r\n", State::Complete},
        {"status 099", "HTTP/1.1 099 What\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"status 000", "HTTP/1.1 000 What\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"status 1000", "HTTP/1.1 1000 What\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"status 20", "HTTP/1.1 20 What\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"status 20x", "HTTP/1.1 20x What\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"status -20", "HTTP/1.1 -20 What\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"no status", "HTTP/1.1 \r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"no space before the status", "HTTP/1.1200 OK\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"no space before the reason", "HTTP/1.1 200OK\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"HTTP/0.9", "hello\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"lower case", "http/1.1 200 OK\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"a leading CR LF", "\r\nHTTP/1.1 200 OK\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"a control in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n"s, State::Bad, ErrorKind::ProtocolError},
        {"bare LF", "HTTP/1.1 200 OK\nX: 1\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"bare CR", "HTTP/1.1 200 O\rK\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"obs-fold", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"space before the colon", "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", State::Bad, ErrorKind::ProtocolError},
        {"NUL in a value", "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"s, State::Bad, ErrorKind::ProtocolError},
        // For http/framing.h: what has no content has it whatever its fields say.
        {"304 with two lengths", "HTTP/1.1 304 N\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", State::Complete},
        {"204 with a list", "HTTP/1.1 204 N\r\nContent-Length: 5, 6\r\n\r\n", State::Complete},
        {"chunked and a length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
         State::Complete},
        {"gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", State::Complete},
        {"an odd Connection", "HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n", State::Complete},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto whole = parse_response(row.bytes);
            CHECK(whole.parse.state == row.state);
            if (row.state == State::Bad) {
                CHECK(whole.parse.error.kind == row.kind);
            }
            for (std::size_t size = 0; size < row.bytes.size(); ++size) {
                CAPTURE(size);
                const auto part = parse_response(std::string_view(row.bytes).substr(0, size));
                REQUIRE(part.parse.state != State::Complete);
                REQUIRE((part.parse.state == State::Incomplete || row.state == State::Bad));
            }
        }
    }
}

TEST_CASE("a response's parts are taken as they were sent, without a reason too") {
    for (const char* line : {"HTTP/1.1 418", "HTTP/1.1 418 ", "HTTP/1.1 418 I'm a teapot"}) {
        CAPTURE(line);
        const std::string bytes = std::string(line) + "\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n";
        const auto parsed = parse_response(bytes + "HTTP/1.1 200 OK\r\n\r\n");
        REQUIRE(parsed.parse.state == State::Complete);
        CHECK(parsed.parse.consumed == bytes.size());
        CHECK(parsed.head.status == 418);
        CHECK(parsed.head.fields.serialised() == "Set-Cookie: a\r\nSet-Cookie: b\r\n");
    }
    CHECK(parse_response("HTTP/1.0 200 Fine, thanks\r\n\r\n").head.reason == "Fine, thanks");
    CHECK(parse_response("HTTP/1.0 200 Fine\r\n\r\n").head.version == http::Version::Http10);
}

TEST_CASE("the size of a response head and the number of its fields are limited") {
    HeadLimits limits;
    limits.bytes = 30;
    limits.fields = 2;
    CHECK(parse_response("HTTP/1.1 200 OK\r\nX: 45678\r\n\r\n", limits).parse.state == State::Complete);
    CHECK(parse_response("HTTP/1.1 200 OK\r\nX: 456789\r\n\r\n", limits).parse.state == State::Complete);
    const auto large = parse_response("HTTP/1.1 200 OK\r\nX: 4567890\r\n\r\n", limits);
    CHECK(large.parse.error.kind == ErrorKind::ResponseHeadTooLarge);
    CHECK(parse_response(std::string(31, 'H'), limits).parse.error.kind == ErrorKind::ResponseHeadTooLarge);
    limits.bytes = 100;
    CHECK(parse_response("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n", limits).parse.state == State::Complete);
    const auto many = parse_response("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits);
    CHECK(many.parse.error.kind == ErrorKind::ResponseHeadTooLarge);
}

TEST_CASE("whatever comes, a head that is accepted can be sent on as it is read") {
    std::mt19937 random(4711);
    const auto pick = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
    constexpr std::string_view kBytes = "\r\n\t :,/\0\x01\x7f\x80\xff\vGXa1;="sv;
    HeadLimits limits;
    limits.bytes = 512;
    limits.fields = 8;
    limits.target_bytes = 64;
    std::size_t accepted = 0;
    for (int round = 0; round < 20'000; ++round) {
        const bool request = pick(1) == 0;
        std::string bytes = request ? "GET /a?b HTTP/1.1\r\nHost: h\r\nX: 1\r\nContent-Length: 3\r\n\r\nabc"
                                    : "HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        for (std::size_t changes = 1 + pick(3); changes > 0; --changes) {
            const std::size_t at = pick(bytes.size() - 1);
            switch (pick(3)) {
            case 0: bytes[at] = kBytes[pick(kBytes.size() - 1)]; break;
            case 1: bytes.erase(at, 1 + pick(2)); break;
            case 2: bytes.insert(at, 1, kBytes[pick(kBytes.size() - 1)]); break;
            default: bytes.insert(at, bytes.substr(pick(bytes.size() - 1), pick(20))); break;
            }
        }
        // Sent again as it was read, it must be read the same.
        std::string again;
        if (request) {
            const auto parsed = parse_request(bytes, limits);
            if (parsed.parse.state != State::Complete) {
                continue;
            }
            REQUIRE(parsed.parse.consumed <= bytes.size());
            again = parsed.head.method + " " + parsed.head.target +
                    (parsed.head.version == http::Version::Http10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n") +
                    std::string(parsed.head.fields.serialised()) + "\r\n";
            const auto second = parse_request(again);
            REQUIRE(second.parse.state == State::Complete);
            REQUIRE(second.parse.consumed == again.size());
            REQUIRE(same(second.head, parsed.head));
        } else {
            const auto parsed = parse_response(bytes, limits);
            if (parsed.parse.state != State::Complete) {
                continue;
            }
            REQUIRE(parsed.head.status >= 100);
            REQUIRE(parsed.head.status <= 999);
            again = "HTTP/1.1 " + std::to_string(parsed.head.status) + " " + parsed.head.reason + "\r\n" +
                    std::string(parsed.head.fields.serialised()) + "\r\n";
            REQUIRE(parse_response(again).head.fields.serialised() == parsed.head.fields.serialised());
        }
        ++accepted;
    }
    CHECK(accepted > 1000);
}

// A field written with more space than usual makes the careful way read the whole head.
TEST_CASE("whatever comes, the usual way of reading a request head takes it as the careful one does") {
    std::mt19937 random(1147);
    const auto pick = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
    constexpr std::string_view kBytes = "\r\n\t :,/\0\x01\x7f\x80\xff\vGXa1;="sv;
    HeadLimits limits;
    limits.fields = 8;
    std::size_t accepted = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string lines = "GET /a?b HTTP/1.1\r\nHost: h\r\nX: 1\r\nContent-Length: 3\r\n";
        for (std::size_t changes = 1 + pick(3); changes > 0; --changes) {
            const std::size_t at = pick(lines.size() - 1);
            switch (pick(2)) {
            case 0: lines[at] = kBytes[pick(kBytes.size() - 1)]; break;
            case 1: lines.erase(at, 1 + pick(2)); break;
            default: lines.insert(at, 1, kBytes[pick(kBytes.size() - 1)]); break;
            }
        }
        if (!lines.ends_with("\r\n") || lines.find("\r\n\r\n") != std::string::npos) {
            continue; // what is put behind it would belong to a line of it, or to no head
        }
        const auto usual = parse_request(lines + "\r\n", limits);
        auto careful = parse_request(lines + "Unusual:  1\r\n\r\n", limits);
        CAPTURE(lines);
        REQUIRE(usual.parse.state == careful.parse.state);
        if (usual.parse.state == State::Complete) {
            REQUIRE(careful.head.fields.remove("Unusual") == 1);
            REQUIRE(same(usual.head, careful.head));
            ++accepted;
        }
    }
    CHECK(accepted > 1000);
}

// Each byte in the place of, and before, each of these.
template <class Parse>
void check_every_byte(const std::string& whole, Parse parse) {
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (unsigned byte = 0; byte < 256; ++byte) {
            for (const bool is_inserted : {false, true}) {
                std::string lines = whole;
                lines.replace(at, is_inserted ? 0 : 1, 1, static_cast<char>(byte));
                if (!lines.ends_with("\r\n")) {
                    continue; // what is put behind it would belong to its last line
                }
                CAPTURE(at);
                CAPTURE(byte);
                const auto usual = parse(lines + "\r\n");
                auto careful = parse(lines + "Unusual:  1\r\n\r\n");
                REQUIRE(usual.parse.state == careful.parse.state);
                if (usual.parse.state == State::Complete) {
                    REQUIRE(careful.head.fields.remove("Unusual") == 1);
                    REQUIRE(same(usual.head, careful.head));
                }
            }
        }
    }
}

TEST_CASE("every byte at every place of a request head is taken by the usual way as by the careful one") {
    check_every_byte("GET /a?b HTTP/1.1\r\nHost: h\r\nX: a, b\r\n", [](const std::string& head) { return parse_request(head); });
}

TEST_CASE("every byte at every place of a response head is taken by the usual way as by the careful one") {
    check_every_byte("HTTP/1.1 200 O K\r\nX: a, b\r\n", [](const std::string& head) { return parse_response(head); });
    check_every_byte("HTTP/1.0 099 \r\nX: a\r\n", [](const std::string& head) { return parse_response(head); });
}
