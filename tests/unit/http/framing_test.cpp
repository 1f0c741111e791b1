// Message framing, row by row, and chunked content at every split.
#include "http/framing.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace gatehouse::http;
using Kind = Framing::Kind;
using Lines = std::vector<std::pair<std::string_view, std::string_view>>;

namespace {

struct Row {
    const char* name;
    Lines lines;
    bool valid;
    Framing framing; // of a request; a response differs only where there is neither field
    Version version = Version::Http11;
};

const std::vector<Row>& framing_rows() {
    static const std::vector<Row> rows = {
        {"neither field", {}, true, {Kind::None, 0}},
        {"neither field in HTTP/1.0", {}, true, {Kind::None, 0}, Version::Http10},
        {"length 0", {{"Content-Length", "0"}}, true, {Kind::Length, 0}},
        {"a length", {{"content-length", "5"}}, true, {Kind::Length, 5}},
        {"a length in HTTP/1.0", {{"Content-Length", "5"}}, true, {Kind::Length, 5}, Version::Http10},
        {"leading zeros", {{"Content-Length", "0005"}}, true, {Kind::Length, 5}},
        {"2^63-2", {{"Content-Length", "9223372036854775806"}}, true, {Kind::Length, 9223372036854775806U}},
        {"2^63-1", {{"Content-Length", "9223372036854775807"}}, true, {Kind::Length, 9223372036854775807U}},
        {"2^63", {{"Content-Length", "9223372036854775808"}}, false, {}},
        {"2^64", {{"Content-Length", "18446744073709551616"}}, false, {}},
        {"2^64+5", {{"Content-Length", "18446744073709551621"}}, false, {}},
        {"identical lines", {{"Content-Length", "5"}, {"Content-Length", "5"}}, true, {Kind::Length, 5}},
        {"three identical", {{"Content-Length", "5"}, {"X", "1"}, {"Content-Length", "5"}, {"content-length", "5"}},
         true, {Kind::Length, 5}},
        {"differing lines", {{"Content-Length", "5"}, {"Content-Length", "6"}}, false, {}},
        {"the third differs", {{"Content-Length", "5"}, {"Content-Length", "5"}, {"Content-Length", "4"}}, false, {}},
        {"the middle one differs", {{"Content-Length", "5"}, {"Content-Length", "4"}, {"Content-Length", "5"}}, false,
         {}},
        {"the same number written differently", {{"Content-Length", "5"}, {"Content-Length", "05"}}, false, {}},
        {"a list", {{"Content-Length", "5, 5"}}, false, {}},
        {"a list without space", {{"Content-Length", "5,5"}}, false, {}},
        {"identical lists", {{"Content-Length", "5, 5"}, {"Content-Length", "5, 5"}}, false, {}},
        {"a comma behind", {{"Content-Length", "5,"}}, false, {}},
        {"empty", {{"Content-Length", ""}}, false, {}},
        {"one empty of two", {{"Content-Length", ""}, {"Content-Length", "5"}}, false, {}},
        {"plus", {{"Content-Length", "+5"}}, false, {}},
        {"minus", {{"Content-Length", "-1"}}, false, {}},
        {"minus zero", {{"Content-Length", "-0"}}, false, {}},
        {"hexadecimal", {{"Content-Length", "0x5"}}, false, {}},
        {"a fraction", {{"Content-Length", "5.0"}}, false, {}},
        {"an exponent", {{"Content-Length", "5e1"}}, false, {}},
        {"an underscore", {{"Content-Length", "1_0"}}, false, {}},
        {"a space inside", {{"Content-Length", "5 5"}}, false, {}},
        {"a tab inside", {{"Content-Length", "5\t5"}}, false, {}},
        {"quoted", {{"Content-Length", "\"5\""}}, false, {}},
        {"digits of another script", {{"Content-Length", "\xd9\xa5"}}, false, {}},
        {"chunked", {{"Transfer-Encoding", "chunked"}}, true, {Kind::Chunked, 0}},
        {"chunked in other case", {{"transfer-encoding", "CHUNked"}}, true, {Kind::Chunked, 0}},
        {"chunked in HTTP/1.0", {{"Transfer-Encoding", "chunked"}}, false, {}, Version::Http10},
        {"chunked beside a length", {{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}, false, {}},
        {"a length beside chunked", {{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}, false, {}},
        {"chunked beside a bad length", {{"Content-Length", "x"}, {"Transfer-Encoding", "chunked"}}, false, {}},
        {"identity beside a length", {{"Content-Length", "5"}, {"Transfer-Encoding", "identity"}}, false, {}},
        {"chunked twice", {{"Transfer-Encoding", "chunked, chunked"}}, false, {}},
        {"chunked in two lines", {{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}, false, {}},
        {"identity in a second line", {{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "identity"}}, false, {}},
        {"xchunked", {{"Transfer-Encoding", "xchunked"}}, false, {}},
        {"chunkedx", {{"Transfer-Encoding", "chunkedx"}}, false, {}},
        {"gzip, chunked", {{"Transfer-Encoding", "gzip, chunked"}}, false, {}},
        {"chunked, gzip", {{"Transfer-Encoding", "chunked, gzip"}}, false, {}},
        {"gzip", {{"Transfer-Encoding", "gzip"}}, false, {}},
        {"identity", {{"Transfer-Encoding", "identity"}}, false, {}},
        {"empty coding", {{"Transfer-Encoding", ""}}, false, {}},
        {"a comma behind chunked", {{"Transfer-Encoding", "chunked,"}}, false, {}},
        {"a comma before chunked", {{"Transfer-Encoding", ", chunked"}}, false, {}},
        {"a parameter", {{"Transfer-Encoding", "chunked;q=1"}}, false, {}},
        {"quoted chunked", {{"Transfer-Encoding", "\"chunked\""}}, false, {}},
        {"a vertical tab", {{"X", "1"}, {"Transfer-Encoding", "chunked\xa0"}}, false, {}},
    };
    return rows;
}

// What a decoder makes of a text that it is given in pieces.
struct Decoded {
    bool ok = true;
    bool done = false;
    std::string content;
    std::string trailers;
    std::size_t consumed = 0;

    bool operator==(const Decoded&) const = default;
};

class Feeder {
public:
    explicit Feeder(const ChunkedDecoder::Limits& limits = {}) : decoder_(limits) {}

    // False once there is no use in giving more.
    bool feed(std::string_view piece) {
        const std::vector<char> original(piece.begin(), piece.end());
        std::vector<char> bytes = original; // a heap block of its own, so that the sanitizer sees its ends
        const auto step = decoder_.decode(bytes);
        if (!step) {
            result_.ok = false;
            CHECK(step.error().kind == ErrorKind::BadRequest);
            CHECK(!decoder_.done());
            std::vector<char> more(1, '\n');
            CHECK(!decoder_.decode(more)); // an error stays one
            return false;
        }
        CHECK(step->content <= step->consumed);
        CHECK(step->consumed <= bytes.size());
        CHECK(step->done == decoder_.done());
        CHECK((step->done || step->consumed == bytes.size()));
        result_.content.append(bytes.data(), step->content);
        result_.consumed += step->consumed;
        result_.done = step->done;
        // What follows the message is another's: it is not touched.
        for (std::size_t i = step->consumed; i < bytes.size(); ++i) {
            CHECK(bytes[i] == original[i]);
        }
        return !step->done;
    }

    Decoded result() {
        if (result_.done) {
            result_.trailers = decoder_.trailers().serialised();
        }
        return result_;
    }

private:
    ChunkedDecoder decoder_;
    Decoded result_;
};

Decoded decode_whole(std::string_view text, const ChunkedDecoder::Limits& limits = {}) {
    Feeder feeder(limits);
    feeder.feed(text);
    return feeder.result();
}

Decoded decode_bytewise(std::string_view text, const ChunkedDecoder::Limits& limits = {}) {
    Feeder feeder(limits);
    for (std::size_t i = 0; i < text.size() && feeder.feed(text.substr(i, 1)); ++i) {
    }
    return feeder.result();
}

std::string hex(std::size_t number) {
    std::string text;
    do {
        text.insert(text.begin(), "0123456789abcdef"[number % 16]);
        number /= 16;
    } while (number != 0);
    return text;
}

} // namespace

TEST_CASE("the framing of a request") {
    for (const Row& row : framing_rows()) {
        CAPTURE(std::string(row.name));
        RequestHead head;
        head.version = row.version;
        for (const auto& [name, value] : row.lines) {
            head.fields.add(name, value);
        }
        const auto framing = request_framing(head);
        REQUIRE(framing.ok() == row.valid);
        if (framing) {
            CHECK(*framing == row.framing);
        } else {
            CHECK(framing.error().kind == ErrorKind::BadRequest);
        }
    }
}

TEST_CASE("the framing of a response has the same faults, and ends with the connection without fields") {
    for (const Row& row : framing_rows()) {
        CAPTURE(std::string(row.name));
        ResponseHead head;
        head.status = 200;
        head.version = row.version;
        for (const auto& [name, value] : row.lines) {
            head.fields.add(name, value);
        }
        const auto framing = response_framing(head, Method::Get);
        REQUIRE(framing.ok() == row.valid);
        if (!framing) {
            CHECK(framing.error().kind == ErrorKind::ProtocolError);
        } else if (row.framing.kind == Kind::None) {
            CHECK(*framing == Framing{Kind::UntilClose, 0});
        } else {
            CHECK(*framing == row.framing);
        }
        // No content, whatever the fields say.
        CHECK(*response_framing(head, Method::Head) == Framing{});
        for (const int status : {100, 101, 103, 204, 304}) {
            head.status = status;
            CHECK(*response_framing(head, Method::Get) == Framing{});
        }
    }
}

// RFC 9112 section 6.3
TEST_CASE("a response under a coding nobody knows ends with the connection, a request under one is refused") {
    struct CodingRow {
        const char* name;
        std::vector<std::pair<std::string_view, std::string_view>> lines;
        bool valid;
        Version version = Version::Http11;
    };
    const CodingRow rows[] = {
        {"an unknown coding", {{"Transfer-Encoding", "braid"}}, true},
        {"in HTTP/1.0", {{"Transfer-Encoding", "braid"}}, false, Version::Http10},
        {"beside a length", {{"Transfer-Encoding", "braid"}, {"Content-Length", "5"}}, false},
        {"twice", {{"Transfer-Encoding", "braid"}, {"Transfer-Encoding", "braid"}}, false},
        {"two codings", {{"Transfer-Encoding", "braid, knot"}}, false},
        {"before chunked", {{"Transfer-Encoding", "braid, chunked"}}, false},
        {"with a parameter", {{"Transfer-Encoding", "braid;q=1"}}, false},
        {"no token", {{"Transfer-Encoding", "br aid"}}, false},
        {"empty", {{"Transfer-Encoding", ""}}, false},
        {"a known one", {{"Transfer-Encoding", "Deflate"}}, false},
        {"identity", {{"Transfer-Encoding", "identity"}}, false},
        {"chunked with something in front", {{"Transfer-Encoding", "xCHUNKED"}}, false},
        {"chunked with something behind", {{"Transfer-Encoding", "chunked2"}}, false},
    };
    for (const CodingRow& row : rows) {
        CAPTURE(std::string(row.name));
        ResponseHead response;
        RequestHead request;
        response.status = 200;
        response.version = request.version = row.version;
        for (const auto& [name, value] : row.lines) {
            response.fields.add(name, value);
            request.fields.add(name, value);
        }
        CHECK(!request_framing(request));
        const auto framing = response_framing(response, Method::Get);
        REQUIRE(framing.ok() == row.valid);
        if (framing) {
            CHECK(*framing == Framing{Kind::UntilClose, 0});
        }
    }
}

TEST_CASE("statuses beside those without content are framed by their fields") {
    for (const int status : {200, 203, 205, 206, 303, 305, 404, 500, 999}) {
        ResponseHead head;
        head.status = status;
        head.fields.add("Content-Length", "3");
        CHECK(*response_framing(head, Method::Post) == Framing{Kind::Length, 3});
    }
}

TEST_CASE("chunked content is decoded, whole and byte by byte") {
    struct ChunkedRow {
        const char* name;
        std::string_view text;
        std::string_view content;
        std::string_view trailers;
        std::size_t rest; // bytes behind the message
    };
    const ChunkedRow rows[] = {
        {"no content", "0\r\n\r\n", "", "", 0},
        {"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", "", 0},
        {"two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", "", 0},
        {"upper and lower case", "A\r\n0123456789\r\na\r\n9876543210\r\n0\r\n\r\n", "01234567899876543210", "", 0},
        {"sixteen digits", "0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello", "", 0},
        {"several zeros end it", "000\r\n\r\n", "", "", 0},
        {"another message behind", "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n", "x", "", 16},
        {"line ends in the content", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", "", 0},
        {"an extension", "5;a=b\r\nhello\r\n0;c\r\n\r\n", "hello", "", 0},
        {"a quoted extension", "5;a=\"b;c 0\"\r\nhello\r\n0\r\n\r\n", "hello", "", 0},
        {"white space before an extension", "5 \t;a\r\nhello\r\n0\r\n\r\n", "hello", "", 0},
        {"an empty extension", "5;\r\nhello\r\n0\r\n\r\n", "hello", "", 0},
        {"a trailer", "0\r\nX-Sum: 1\r\n\r\n", "", "X-Sum: 1\r\n", 0},
        {"trailers with other white space", "0\r\nA:1\r\nB: \t 2 \r\nC:\r\n\r\n", "", "A: 1\r\nB: 2\r\nC: \r\n", 0},
        {"forbidden trailers are dropped",
         "0\r\nContent-Length: 5\r\nX-A: 1\r\nhost: b\r\nX-Forwarded-For: c\r\nX-B: 2\r\n\r\n", "",
         "X-A: 1\r\nX-B: 2\r\n", 0},
        {"a repeated trailer", "0\r\nA: 1\r\na: 2\r\n\r\n", "", "A: 1\r\na: 2\r\n", 0},
    };
    for (const ChunkedRow& row : rows) {
        CAPTURE(std::string(row.name));
        const Decoded expected{true, true, std::string(row.content), std::string(row.trailers),
                               row.text.size() - row.rest};
        CHECK(decode_whole(row.text) == expected);
        CHECK(decode_bytewise(row.text) == expected);
        for (std::size_t split = 0; split <= row.text.size(); ++split) {
            CAPTURE(split);
            Feeder feeder;
            if (feeder.feed(row.text.substr(0, split))) {
                feeder.feed(row.text.substr(split));
            }
            CHECK(feeder.result() == expected);
        }
    }
}

TEST_CASE("content that ends early is not done, wherever it ends") {
    const std::string_view text = "5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for (std::size_t size = 0; size < text.size(); ++size) {
        CAPTURE(size);
        const Decoded decoded = decode_whole(text.substr(0, size));
        CHECK(decoded.ok);
        CHECK(!decoded.done);
        CHECK(decoded.consumed == size);
    }
    CHECK(decode_whole(text).done);
}

TEST_CASE("malformed chunked content is refused, whole and byte by byte") {
    struct BadRow {
        const char* name;
        std::string_view text;
    };
    const std::string_view nul_in_extension("5;a\0\r\nhello\r\n", 13);
    const std::string_view nul_in_trailer("0\r\nA: \0\r\n\r\n", 11);
    const BadRow rows[] = {
        {"no size", "\r\nhello"},
        {"no digit before an extension", ";a\r\n"},
        {"hexadecimal prefix", "0x5\r\nhello\r\n"},
        {"plus", "+5\r\nhello\r\n"},
        {"minus", "-5\r\nhello\r\n"},
        {"underscore", "1_0\r\n0123456789abcdef\r\n"},
        {"space before", " 5\r\nhello\r\n"},
        {"tab before", "\t5\r\nhello\r\n"},
        {"space behind", "5 \r\nhello\r\n"},
        {"space between digits", "1 0\r\n"},
        {"no hexadecimal digit", "g\r\n"},
        {"quoted", "\"5\"\r\nhello\r\n"},
        {"17 digits", "00000000000000005\r\nhello\r\n"},
        {"17 zeros", "00000000000000000\r\n\r\n"},
        {"2^63", "8000000000000000\r\n"},
        {"2^64-1", "ffffffffffffffff\r\n"},
        {"2^64", "10000000000000000\r\n"},
        {"bare LF behind the size", "5\nhello\r\n0\r\n\r\n"},
        {"bare CR behind the size", "5\rhello\r\n0\r\n\r\n"},
        {"another byte for LF behind the size", "5\rXhello\r\n0\r\n\r\n"},
        {"CR CR LF behind the size", "5\r\r\nhello\r\n"},
        {"bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n"},
        {"bare CR in an extension", "5;a\rb\r\nhello\r\n"},
        {"NUL in an extension", nul_in_extension},
        {"DEL in an extension", "5;a\x7f\r\nhello\r\n"},
        {"bare LF behind the data", "5\r\nhello\n0\r\n\r\n"},
        {"bare CR behind the data", "5\r\nhello\r0\r\n\r\n"},
        {"another byte for CR behind the data", "5\r\nhelloX\n0\r\n\r\n"},
        {"another byte for LF behind the data", "5\r\nhello\rX0\r\n\r\n"},
        {"data longer than its size", "5\r\nhello!\r\n0\r\n\r\n"},
        {"nothing behind the data", "5\r\nhello0\r\n\r\n"},
        {"an empty line before the next size", "5\r\nhello\r\n\r\n0\r\n\r\n"},
        {"bare LF at the end", "0\r\n\n"},
        {"another byte for LF at the end", "0\r\n\rX"},
        {"another byte for LF behind a trailer", "0\r\nA: b\rXC: d\r\n\r\n"},
        {"bare LF behind a trailer", "0\r\nA: b\n\r\n"},
        {"bare CR in a trailer", "0\r\nA: b\rc\r\n\r\n"},
        {"NUL in a trailer", nul_in_trailer},
        {"DEL in a trailer", "0\r\nA: \x7f\r\n\r\n"},
        {"a trailer without colon", "0\r\nabc\r\n\r\n"},
        {"a trailer without name", "0\r\n: b\r\n\r\n"},
        {"space before the colon", "0\r\nA : b\r\n\r\n"},
        {"space in the name", "0\r\nA B: c\r\n\r\n"},
        {"a folded trailer", "0\r\nA: b\r\n c: d\r\n\r\n"},
        {"a folded trailer with tab", "0\r\nA: b\r\n\tc\r\n\r\n"},
        {"a trailer that begins with space", "0\r\n A: b\r\n\r\n"},
        {"a malformed forbidden trailer", "0\r\nContent-Length : 5\r\n\r\n"},
    };
    for (const BadRow& row : rows) {
        CAPTURE(std::string(row.name));
        CHECK(!decode_whole(row.text).ok);
        CHECK(!decode_bytewise(row.text).ok);
    }
}

TEST_CASE("the largest chunk size is 2^63-1") {
    CHECK(decode_whole("7ffffffffffffffe\r\nx").ok);
    CHECK(decode_whole("7fffffffffffffff\r\nx").content == "x");
    CHECK(!decode_whole("8000000000000000\r\nx").ok);
}

TEST_CASE("extensions are bounded for each chunk") {
    ChunkedDecoder::Limits limits;
    limits.extension_bytes = 8; // with the semicolon
    const auto chunk = [](std::size_t size) { return "1;" + std::string(size - 1, 'e') + "\r\nx\r\n"; };
    const std::string end = "0\r\n\r\n";
    CHECK(decode_whole(chunk(7) + end, limits).done);
    CHECK(decode_whole(chunk(8) + end, limits).done);
    CHECK(!decode_whole(chunk(9) + end, limits).ok);
    CHECK(!decode_bytewise(chunk(9) + end, limits).ok);
    CHECK(decode_whole(chunk(8) + chunk(8) + end, limits).done);
    CHECK(decode_whole("1       ;\r\nx\r\n" + end, limits).done);
    CHECK(!decode_whole("1        ;\r\nx\r\n" + end, limits).ok);
}

TEST_CASE("the trailer section is bounded in bytes and in lines, dropped ones included") {
    ChunkedDecoder::Limits limits;
    limits.trailer_bytes = 20;
    limits.trailer_fields = 3;
    const auto of_size = [](std::size_t size) { return "0\r\nA: " + std::string(size - 5, 'v') + "\r\n\r\n"; };
    for (const auto& decode : {decode_whole, decode_bytewise}) {
        CHECK(decode(of_size(19), limits).done);
        CHECK(decode(of_size(20), limits).done);
        CHECK(!decode(of_size(21), limits).ok);
        CHECK(decode("0\r\nA:1\r\nB:2\r\n\r\n", limits).done);
        CHECK(decode("0\r\nA:1\r\nB:2\r\nC:3\r\n\r\n", limits).done);
        CHECK(!decode("0\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n", limits).ok);
        CHECK(!decode("0\r\nTE:\r\nTE:\r\nTE:\r\nTE:\r\n\r\n", limits).ok);
    }
    CHECK(!decode_whole("0\r\n" + std::string(100, 'a'), limits).ok); // before the line ends
}

TEST_CASE("a decoder that is done takes nothing more") {
    ChunkedDecoder decoder;
    std::string text = "0\r\n\r\n";
    REQUIRE(decoder.decode(std::span(text.data(), text.size())));
    CHECK(decoder.done());
    std::string more = "5\r\n";
    const auto step = decoder.decode(std::span(more.data(), more.size()));
    REQUIRE(step);
    CHECK(step->done);
    CHECK(step->consumed == 0);
    CHECK(step->content == 0);
    CHECK(decoder.decode({})->done);
}

TEST_CASE("random content in random chunks comes out of random pieces as it went in") {
    std::minstd_rand random(7);
    const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
    for (int round = 0; round < 300; ++round) {
        CAPTURE(round);
        std::string content;
        std::string text;
        for (std::size_t chunks = below(8); chunks > 0; --chunks) {
            std::string data(1 + below(below(2) == 0 ? 4 : 300), '\0');
            for (char& c : data) {
                c = static_cast<char>(below(256));
            }
            content += data;
            text += hex(data.size()) + (below(3) == 0 ? ";x=\"y\"" : "") + "\r\n" + data + "\r\n";
        }
        text += below(2) == 0 ? "0\r\n\r\n" : "0\r\nA: b\r\n\r\n";
        const std::size_t message_size = text.size();
        text += "rest";
        Feeder feeder;
        std::size_t at = 0;
        for (bool more = true; more && at < text.size();) {
            const std::size_t size = std::min(text.size() - at, below(40));
            more = feeder.feed(std::string_view(text).substr(at, size));
            at += size;
        }
        const Decoded decoded = feeder.result();
        REQUIRE(decoded.ok);
        REQUIRE(decoded.done);
        REQUIRE(decoded.content == content);
        REQUIRE(decoded.consumed == message_size);
    }
}

TEST_CASE("random bytes give the same result in one piece and in single bytes") {
    std::minstd_rand random(11);
    const std::string_view alphabet = "0125aF\r\n\r\n\r\n;: \tAx=\"\x7f\x80";
    for (int round = 0; round < 5000; ++round) {
        std::string text = round % 2 == 0 ? "" : "2\r\nok\r\n0\r\n";
        for (std::size_t size = random() % 24; size > 0; --size) {
            text += alphabet[random() % alphabet.size()];
        }
        CAPTURE(text);
        const Decoded whole = decode_whole(text);
        const Decoded bytewise = decode_bytewise(text);
        REQUIRE(whole.ok == bytewise.ok);
        REQUIRE(whole.done == bytewise.done);
        if (whole.ok) {
            REQUIRE(whole == bytewise);
        }
    }
}

TEST_CASE("trailers that would change how the message is read are forbidden") {
    for (const std::string_view name :
         {"Transfer-Encoding", "content-length", "Host", "Authorization", "Cookie", "Set-Cookie", "Cache-Control",
          "CDN-Cache-Control", "Expires", "Vary", "Age", "Date", "Location", "Content-Type", "Content-Encoding",
          "Content-Range", "Trailer", "TE", "Connection", "Forwarded", "X-Forwarded-Host", "x-forwarded-", "Via",
          "If-None-Match", "If-", "Range", "Expect", "Max-Forwards", "X-Original-URL"}) {
        CAPTURE(std::string(name));
        CHECK(is_forbidden_trailer(name));
    }
    for (const std::string_view name : {"", "Server-Timing", "Digest", "ETag", "grpc-status", "X-Forwarded", "If",
                                        "Iffy", "Hosts"}) {
        CAPTURE(std::string(name));
        CHECK(!is_forbidden_trailer(name));
    }
}
