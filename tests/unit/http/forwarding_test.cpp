// What an intermediary removes, adds and overwrites.
#include "http/forwarding.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

using namespace gatehouse::http;

namespace {

Fields make(std::initializer_list<std::pair<std::string_view, std::string_view>> lines) {
    Fields fields;
    for (const auto& [name, value] : lines) {
        fields.add(name, value);
    }
    return fields;
}

const ForwardedFor kClient{"192.0.2.1", "http", "example.com", false};
const ForwardedFor kTrusted{"192.0.2.1", "http", "example.com", true};

} // namespace

TEST_CASE("fields of one connection are known without case") {
    for (const std::string_view name :
         {"Connection", "proxy-connection", "KEEP-ALIVE", "te", "Transfer-Encoding", "Upgrade", "Trailer",
          "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info", "HTTP2-Settings"}) {
        CAPTURE(std::string(name));
        CHECK(is_hop_by_hop(name));
    }
    for (const std::string_view name : {"", "Host", "T", "Trailers", "Content-Length", "Proxy-Status", "Via"}) {
        CAPTURE(std::string(name));
        CHECK(!is_hop_by_hop(name));
    }
}

TEST_CASE("fields of one connection, those that Connection names and Content-Length are removed") {
    Fields fields = make({{"Host", "a"}, {"Connection", "close, X-One"}, {"X-One", "1"}, {"Keep-Alive", "timeout=5"},
                          {"X-Two", "2"}, {"connection", "x-two,, X-Absent"}, {"TE", "trailers"},
                          {"x-one", "again"}, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"},
                          {"Upgrade", "h2c"}, {"Accept", "*/*"}});
    remove_hop_by_hop(fields);
    CHECK(fields.serialised() == "Host: a\r\nAccept: */*\r\n");
}

TEST_CASE("Connection cannot take away what the origin or the client relies on") {
    for (const std::string_view name :
         {"Host", "Authorization", "Cookie", "Set-Cookie", "Cache-Control", "Vary", "ETag", "Content-Type",
          "Content-Encoding", "Content-Range", "Range", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Any",
          "Forwarded", "Via", "Age", "Expires", "Date", "Last-Modified", "Location", "If-None-Match", "If-Range"}) {
        CAPTURE(std::string(name));
        Fields fields;
        fields.add("Connection", name);
        fields.add(name, "x");
        remove_hop_by_hop(fields);
        CHECK(fields.size() == 1);
        CHECK(fields.contains(name));
    }
}

TEST_CASE("a message without fields of one connection stays as it is") {
    Fields fields = make({{"Host", "a"}, {"Connection", "\"quoted, X\", ;"}, {"X", "1"}});
    remove_hop_by_hop(fields);
    CHECK(fields.serialised() == "Host: a\r\nX: 1\r\n");
    remove_hop_by_hop(fields);
    CHECK(fields.size() == 2);
}

TEST_CASE("a connection is kept by HTTP/1.1 unless closed, and by HTTP/1.0 only when asked for") {
    struct Row {
        Version version;
        std::string_view connection;
        bool keep;
    };
    const Row rows[] = {
        {Version::Http11, "", true},
        {Version::Http11, "close", false},
        {Version::Http11, "Close", false},
        {Version::Http11, "x, close", false},
        {Version::Http11, "keep-alive", true},
        {Version::Http11, "keep-alive, close", false},
        {Version::Http11, "closed", true},
        {Version::Http10, "", false},
        {Version::Http10, "keep-alive", true},
        {Version::Http10, "Keep-Alive", true},
        {Version::Http10, "keep-alive, close", false},
        {Version::Http10, "close", false},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.connection));
        Fields fields;
        if (!row.connection.empty()) {
            fields.add("Connection", row.connection);
        }
        CHECK(wants_keep_alive(row.version, fields) == row.keep);
    }
    CHECK(!wants_keep_alive(Version::Http11, make({{"Connection", "x"}, {"Connection", "close"}})));
    CHECK(!wants_keep_alive(Version::Http10, make({{"Proxy-Connection", "keep-alive"}})));
}

TEST_CASE("our name is appended to Via with the version that was received") {
    Fields fields = make({{"Host", "a"}});
    append_via(fields, Version::Http11, "gatehouse");
    CHECK(fields.serialised() == "Host: a\r\nVia: 1.1 gatehouse\r\n");
    append_via(fields, Version::Http10, "second");
    CHECK(fields.combined("Via") == "1.1 gatehouse, 1.0 second");
    Fields several = make({{"Via", "1.0 a"}, {"X", "1"}, {"via", "1.1 b"}});
    append_via(several, Version::Http11, "gatehouse");
    CHECK(several.serialised() == "Via: 1.0 a, 1.1 b, 1.1 gatehouse\r\nX: 1\r\n");
}

TEST_CASE("what an untrusted client says about itself is replaced") {
    Fields fields = make({{"X-Forwarded-For", "10.0.0.1"}, {"x-forwarded-proto", "https"}, {"X-Forwarded-Host", "evil"},
                          {"Forwarded", "for=10.0.0.1"}, {"X-Forwarded-Port", "443"}, {"X-Forwarded-Server", "s"},
                          {"X-Forwarded-Prefix", "/admin"}, {"X-Real-IP", "10.0.0.1"}, {"X_Forwarded_For", "10.0.0.1"},
                          {"x-real_ip", "10.0.0.1"}, {"Accept", "*/*"}});
    set_forwarded(fields, kClient);
    CHECK(fields.serialised() == "Accept: */*\r\n"
                                 "X-Forwarded-For: 192.0.2.1\r\n"
                                 "X-Forwarded-Proto: http\r\n"
                                 "X-Forwarded-Host: example.com\r\n"
                                 "Forwarded: for=192.0.2.1;host=\"example.com\";proto=http\r\n");
}

TEST_CASE("what a trusted peer says is kept and added to") {
    Fields fields = make({{"X-Forwarded-For", "10.0.0.1"}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "shop"},
                          {"Forwarded", "for=10.0.0.1;proto=https"}, {"X-Forwarded-Port", "443"},
                          {"X-Real-IP", "10.0.0.1"}, {"X_Forwarded_For", "10.0.0.9"}, {"X-Forwarded-For", "10.0.0.2"}});
    set_forwarded(fields, kTrusted);
    CHECK(fields.combined("X-Forwarded-For") == "10.0.0.1, 10.0.0.2, 192.0.2.1");
    CHECK(fields.count("X-Forwarded-For") == 1);
    CHECK(fields.combined("X-Forwarded-Proto") == "https");
    CHECK(fields.combined("X-Forwarded-Host") == "shop");
    CHECK(fields.combined("Forwarded") ==
          "for=10.0.0.1;proto=https, for=192.0.2.1;host=\"example.com\";proto=http");
    CHECK(fields.contains("X-Forwarded-Port"));
    CHECK(fields.contains("X-Real-IP"));
    CHECK(!fields.contains("X_Forwarded_For"));
}

TEST_CASE("a trusted peer that says nothing gets all four fields") {
    Fields fields;
    set_forwarded(fields, kTrusted);
    CHECK(fields.size() == 4);
    CHECK(fields.first("X-Forwarded-For") == "192.0.2.1");
    CHECK(fields.first("X-Forwarded-Proto") == "http");
    CHECK(fields.first("X-Forwarded-Host") == "example.com");
}

TEST_CASE("fields that make a request another one are dropped from everybody") {
    for (const ForwardedFor& facts : {kClient, kTrusted}) {
        for (const std::string_view name : {"X-Original-URL", "x-rewrite-url", "X-HTTP-Method-Override",
                                            "X-HTTP-Method", "X-Method-Override", "X_Original_URL"}) {
            CAPTURE(std::string(name));
            Fields fields;
            fields.add(name, "/admin");
            set_forwarded(fields, facts);
            CHECK(!fields.contains(name));
            CHECK(fields.size() == 4);
        }
    }
}

TEST_CASE("addresses are plain in X-Forwarded-For and quoted where Forwarded needs it") {
    struct Row {
        std::string_view address;
        std::string_view host;
        std::string_view forwarded_for;
        std::string_view forwarded;
    };
    const Row rows[] = {
        {"192.0.2.1", "a:8080", "192.0.2.1", "for=192.0.2.1;host=\"a:8080\";proto=http"},
        {"2001:db8::1", "[::1]:80", "2001:db8::1", "for=\"[2001:db8::1]\";host=\"[::1]:80\";proto=http"},
        {"unix:", "a", "unix:", "for=unknown;host=\"a\";proto=http"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.address));
        Fields fields;
        set_forwarded(fields, {row.address, "http", row.host, false});
        CHECK(fields.first("X-Forwarded-For") == row.forwarded_for);
        CHECK(fields.first("Forwarded") == row.forwarded);
    }
}

TEST_CASE("Max-Forwards is a number or nothing") {
    struct Row {
        const char* value;
        std::optional<std::uint32_t> hops;
    };
    static constexpr Row kRows[] = {{"0", 0U},      {"1", 1U},
                                    {"007", 7U},    {"4294967294", 4294967294U},
                                    {"4294967295", 4294967295U}, {"4294967296", 4294967295U},
                                    {"-1", {}},     {"1.0", {}},
                                    {"", {}},       {"1, 2", {}}};
    for (const Row& row : kRows) {
        CAPTURE(std::string(row.value));
        CHECK(max_forwards(make({{"Max-Forwards", row.value}})) == row.hops);
    }
    CHECK(max_forwards(Fields()) == std::nullopt);
}
