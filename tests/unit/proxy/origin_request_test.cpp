// What an origin is sent for what a client asked.
#include "proxy/origin_request.h"

#include "cache/policy/cache_key.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

using namespace gatehouse;
using namespace gatehouse::proxy;
using cache::policy::testing::request_of;
using http::Method;

namespace {

// What a request needs around it: a behavior with its origin and policy, all of which a test may change.
struct Setting {
    config::Origin origin;
    config::CachePolicy policy = cache::policy::testing::rfc9111();
    config::Behavior behavior;
    std::string client_address = "192.0.2.1";
    std::string scheme = "http";
    bool trusted = false;
    bool for_store = true;
    bool has_content = false;
    http::Version version = http::Version::Http11;
    const cache::policy::StoredHead* validate = nullptr;
    const cache::policy::Completion* completion = nullptr;
    bool as_part = false;

    Setting() {
        origin.name = "api";
        origin.authority = "origin.example";
        behavior.path_pattern = "*";
        behavior.origin = "api";
    }
    OriginRequest make(std::string_view lines, std::string_view path = "/a", std::optional<std::string> query = {}) {
        behavior.origin_ref = &origin;
        behavior.policy_ref = &policy;
        http::RequestHead request = request_of(lines);
        request.version = version;
        http::Target target;
        target.authority = "viewer.example:8080";
        target.path = path;
        target.has_query = query.has_value();
        target.query = query.value_or("");
        const auto facts = cache::policy::request_facts(request, has_content);
        OriginRequestFacts all{request, target, facts, behavior, client_address, scheme};
        all.trusted_client = trusted;
        all.for_store = for_store;
        all.has_content = has_content;
        all.validate = validate;
        all.completion = completion;
        all.as_part = as_part;
        return make_origin_request(all);
    }
};

// The fields without those that every request gets; for tables.
std::string own_fields(const OriginRequest& request) {
    http::Fields fields = request.head.fields;
    for (const char* name : {"Host", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"}) {
        fields.remove(name);
    }
    std::string text;
    for (const auto line : fields) {
        text.append(text.empty() ? "" : "\n").append(line.name).append(": ").append(line.value);
    }
    return text;
}

void own_policy(Setting& setting) { setting.policy = cache::policy::testing::own(); }

} // namespace

TEST_CASE("every request names its host first, and says who asked through whom") {
    Setting setting;
    const OriginRequest request = setting.make("Host: viewer.example:8080\nAccept: */*");
    CHECK(request.head.fields.serialised() == "Host: origin.example\r\n"
                                              "Accept: */*\r\n"
                                              "X-Forwarded-For: 192.0.2.1\r\n"
                                              "X-Forwarded-Proto: http\r\n"
                                              "X-Forwarded-Host: viewer.example:8080\r\n"
                                              "Forwarded: for=192.0.2.1;host=\"viewer.example:8080\";proto=http\r\n"
                                              "Via: 1.1 gatehouse\r\n");
    CHECK(request.head.method == "GET");
    CHECK(request.method == Method::Get);
    CHECK(request.head.target == "/a");
}

TEST_CASE("the host is the origin's, or the viewer's where the behavior says so, and only one") {
    Setting setting;
    CHECK(setting.make("Host: a\nHost: b").head.fields.combined("Host") == "origin.example");
    setting.behavior.host = config::Behavior::HostMode::Viewer;
    CHECK(setting.make("Host: anything").head.fields.combined("Host") == "viewer.example:8080");
    CHECK(setting.make("Connection: Host\nHost: x").head.fields.combined("Host") == "viewer.example:8080");
}

TEST_CASE("the target is the origin's path and what the client sent, byte for byte") {
    struct Row {
        const char* prefix;
        const char* path;
        std::optional<std::string> query;
        const char* target;
    };
    const std::vector<Row> rows = {
        {"", "/", {}, "/"},
        {"", "/a", "", "/a?"},
        {"", "/a", "b=%2f&c", "/a?b=%2f&c"},
        {"/prod", "/", {}, "/prod/"},
        {"/prod", "/a%2Fb//c", "q", "/prod/a%2Fb//c?q"},
        {"", "*", {}, "*"},
        {"/prod", "*", {}, "/prod"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.prefix);
        CAPTURE(row.path);
        Setting setting;
        setting.origin.path = row.prefix;
        CHECK(setting.make("", row.path, row.query).head.target == row.target);
        setting.for_store = false;
        CHECK(setting.make("", row.path, row.query).head.target == row.target);
    }
}

TEST_CASE("a fetch for the store asks for the whole, without the client's conditions, and a HEAD asks with GET") {
    constexpr std::string_view kConditions = "HEAD\nIf-None-Match: \"1\"\nIf-Modified-Since: x\nIf-Range: \"1\"\n"
                                             "Range: bytes=0-1\nAccept: a";
    Setting setting;
    const OriginRequest stored = setting.make(kConditions);
    CHECK(stored.head.method == "GET");
    CHECK(stored.method == Method::Get);
    CHECK(own_fields(stored) == "Accept: a");
    setting.for_store = false;
    const OriginRequest passed = setting.make(kConditions);
    CHECK(passed.head.method == "HEAD");
    CHECK(passed.method == Method::Head);
    CHECK(own_fields(passed) == "If-None-Match: \"1\"\nIf-Modified-Since: x\nIf-Range: \"1\"\nRange: bytes=0-1\n"
                                "Accept: a");
}

TEST_CASE("a validation carries the stored validators in place of the client's, and can be asked again without") {
    const auto stored = cache::policy::testing::stored_of("", "ETag: W/\"s\"\nLast-Modified: @-60");
    const auto view = stored.view();
    Setting setting;
    setting.validate = &view;
    OriginRequest request = setting.make("If-None-Match: \"c\"\nAccept: a");
    CHECK(own_fields(request) ==
          "Accept: a\nIf-None-Match: W/\"s\"\nIf-Modified-Since: " + cache::policy::testing::http_date(-60));
    ask_anew(request, false);
    CHECK(own_fields(request) == "Accept: a");
}

TEST_CASE("a part is asked for with the client's Range and If-Range, and without its conditions") {
    const char* const kRange =
        "Range: bytes=0-1\nIf-Range: \"1\"\nIf-None-Match: \"c\"\nIf-Modified-Since: x\nAccept: a";
    Setting setting;
    setting.as_part = true;
    CHECK(own_fields(setting.make(kRange)) == "Range: bytes=0-1\nIf-Range: \"1\"\nAccept: a");
    const auto stored = cache::policy::testing::stored_of("", "206\nContent-Range: bytes 0-4/10\nETag: \"s\"");
    const auto view = stored.view();
    setting.validate = &view;
    OriginRequest request = setting.make(kRange);
    CHECK(own_fields(request) == "Range: bytes=0-1\nIf-Range: \"1\"\nAccept: a\nIf-None-Match: \"s\"");
    ask_anew(request, true);
    CHECK(own_fields(request) == "Range: bytes=0-1\nIf-Range: \"1\"\nAccept: a");
}

TEST_CASE("the rest of a stored beginning is asked for with If-Range, and can be asked again as a whole") {
    Setting setting;
    const cache::policy::Completion rest{"bytes=5-", "\"s\""};
    setting.completion = &rest;
    OriginRequest request = setting.make("If-None-Match: \"c\"\nAccept: a");
    CHECK(own_fields(request) == "Accept: a\nRange: bytes=5-\nIf-Range: \"s\"");
    ask_anew(request, false);
    CHECK(own_fields(request) == "Accept: a");
    const cache::policy::Completion vouched{"bytes=5-", ""};
    setting.completion = &vouched;
    CHECK(own_fields(setting.make("Accept: a")) == "Accept: a\nRange: bytes=5-");
}

TEST_CASE("fields of one connection go no further") {
    Setting setting;
    for (const bool for_store : {false, true}) {
        setting.for_store = for_store;
        CHECK(own_fields(setting.make("Connection: keep-alive\nKeep-Alive: 5\nProxy-Connection: x\nTE: gzip\n"
                                      "Transfer-Encoding: chunked\nContent-Length: 5\nTrailer: X\n"
                                      "Proxy-Authorization: secret\nHTTP2-Settings: x\nUpgrade: foo\nAccept: a")) ==
              "Accept: a");
    }
}

TEST_CASE("what Connection names is removed from what is passed on, but never what the origin relies on") {
    Setting setting;
    setting.for_store = false;
    CHECK(own_fields(setting.make("Connection: close, X-Mine, Cookie, Authorization, X-Forwarded-For, Cache-Control\n"
                                  "X-Mine: 1\nCookie: a=1\nAuthorization: b\nCache-Control: c\nAccept: a")) ==
          "Cookie: a=1\nAuthorization: b\nCache-Control: c\nAccept: a");
    const auto request = setting.make("Connection: X-Forwarded-For, Forwarded, Via");
    CHECK(request.head.fields.first("X-Forwarded-For") == "192.0.2.1");
    CHECK(request.head.fields.contains("Via"));
}

TEST_CASE("clients cannot claim to be somebody else, trusted proxies are appended to") {
    constexpr std::string_view kClaims =
        "X-Forwarded-For: 10.0.0.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: bank\n"
        "Forwarded: for=10.0.0.1\nX-Original-URL: /admin\nX-Rewrite-URL: /admin\n"
        "X-HTTP-Method-Override: DELETE\nX-Real-IP: 10.0.0.1\nX_Forwarded_For: 10.0.0.1";
    Setting setting;
    setting.client_address = "2001:db8::1";
    const auto plain = setting.make(kClaims);
    CHECK(plain.head.fields.combined("X-Forwarded-For") == "2001:db8::1");
    CHECK(plain.head.fields.combined("X-Forwarded-Proto") == "http");
    CHECK(plain.head.fields.combined("X-Forwarded-Host") == "viewer.example:8080");
    CHECK(plain.head.fields.combined("Forwarded") == "for=\"[2001:db8::1]\";host=\"viewer.example:8080\";proto=http");
    CHECK(own_fields(plain).empty());
    setting.trusted = true;
    const auto trusted = setting.make(kClaims);
    CHECK(trusted.head.fields.combined("X-Forwarded-For") == "10.0.0.1, 2001:db8::1");
    CHECK(trusted.head.fields.combined("X-Forwarded-Proto") == "https");
    CHECK(trusted.head.fields.combined("X-Forwarded-Host") == "bank");
    CHECK(own_fields(trusted) == "X-Real-IP: 10.0.0.1");
}

TEST_CASE("Via says what the client spoke, behind those who came before") {
    Setting setting;
    setting.version = http::Version::Http10;
    CHECK(setting.make("Via: 1.1 edge").head.fields.combined("Via") == "1.1 edge, 1.0 gatehouse");
}

TEST_CASE("a stored fetch of an own policy is narrowed to what the key has; everything else is forwarded whole") {
    struct Row {
        const char* name;
        bool own;
        bool for_store;
        const char* target;
        const char* fields;
        bool unkeyed;
    };
    const std::vector<Row> rows = {
        {"own policy, for the store", true, true, "/a?q=1", "Cookie: lang=de", false},
        {"own policy, passed on", true, false, "/a?q=1&utm=2", "Cookie: lang=de; id=9", true},
        {"RFC9111, for the store", false, true, "/a?q=1&utm=2", "Cookie: lang=de; id=9", true},
        {"RFC9111, passed on", false, false, "/a?q=1&utm=2", "Cookie: lang=de; id=9", true},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            Setting setting;
            if (row.own) {
                own_policy(setting);
                setting.policy.key.query_strings = {config::NameSelection::Mode::Allow, {"q"}};
                setting.policy.key.cookies = {config::NameSelection::Mode::Allow, {"lang"}};
            }
            setting.for_store = row.for_store;
            const auto request = setting.make("Cookie: lang=de; id=9", "/a", "q=1&utm=2");
            CHECK(request.head.target == row.target);
            CHECK(own_fields(request) == row.fields);
            CHECK(request.cookie_unkeyed == row.unkeyed);
        }
    }
}

TEST_CASE("an own policy without cookies forwards none for the store, and says nothing of what is not there") {
    Setting setting;
    own_policy(setting);
    const auto request = setting.make("Cookie: id=9");
    CHECK(own_fields(request).empty());
    CHECK_FALSE(request.cookie_unkeyed);
    setting.policy = cache::policy::testing::rfc9111();
    CHECK_FALSE(setting.make("").cookie_unkeyed);
    setting.policy.key.cookies.mode = config::NameSelection::Mode::All;
    CHECK_FALSE(setting.make("Cookie: id=9").cookie_unkeyed);
}

TEST_CASE("Expect: 100-continue goes on where content follows, and no other expectation") {
    struct Row {
        const char* fields;
        bool content;
        http::Version version;
        bool expects;
    };
    const std::vector<Row> rows = {
        {"POST\nExpect: 100-continue", true, http::Version::Http11, true},
        {"POST\nExpect: 100-Continue", true, http::Version::Http11, true},
        {"POST\nExpect: 100-continue", false, http::Version::Http11, false},
        {"POST\nExpect: 100-continue", true, http::Version::Http10, false}, // RFC 9110 section 10.1.1
        {"POST\nExpect: 200-ok", true, http::Version::Http11, false},
        {"POST", true, http::Version::Http11, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.fields);
        CAPTURE(row.content);
        Setting setting;
        setting.for_store = false;
        setting.has_content = row.content;
        setting.version = row.version;
        const auto request = setting.make(row.fields);
        CHECK(request.expects_continue == row.expects);
        CHECK(own_fields(request) == (row.expects ? "Expect: 100-continue" : ""));
    }
}

TEST_CASE("trailers are asked for where the client asked for them") {
    Setting setting;
    CHECK(own_fields(setting.make("TE: trailers")) == "Connection: TE\nTE: trailers");
    CHECK(own_fields(setting.make("TE: gzip, Trailers\nConnection: TE")) == "Connection: TE\nTE: trailers");
    CHECK(own_fields(setting.make("TE: gzip")).empty());
    CHECK(own_fields(setting.make("")).empty());
}

TEST_CASE("a protocol switch is passed on, but never one to HTTP/2 in clear text") {
    struct Row {
        const char* name;
        const char* fields;
        const char* upgrade; // "" for none
    };
    const std::vector<Row> rows = {
        {"WebSocket", "Connection: Upgrade\nUpgrade: websocket", "websocket"},
        {"in a list", "Connection: keep-alive, upgrade\nUpgrade: websocket", "websocket"},
        {"not named by Connection", "Upgrade: websocket", ""},
        {"h2c", "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: x", ""},
        {"h2c in other case", "Connection: Upgrade\nUpgrade: H2C", ""},
        {"h2c behind another", "Connection: Upgrade\nUpgrade: websocket, h2c", "websocket"},
        {"h2c before another", "Connection: Upgrade\nUpgrade: h2c, websocket", "websocket"},
        {"h2c in a second line", "Connection: Upgrade\nUpgrade: websocket\nUpgrade: h2c", "websocket"},
        {"h2c twice", "Connection: Upgrade\nUpgrade: h2c, h2c", ""},
        {"two others", "Connection: Upgrade\nUpgrade: a/1, b", "a/1, b"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            Setting setting;
            setting.for_store = false;
            const auto request = setting.make(row.fields);
            CHECK(request.upgrade == (*row.upgrade != '\0'));
            CHECK(request.head.fields.combined("Upgrade") == row.upgrade);
            CHECK(request.head.fields.combined("Connection") == (request.upgrade ? "Upgrade" : ""));
            CHECK_FALSE(request.head.fields.contains("HTTP2-Settings"));
        }
    }
}

TEST_CASE("a head is serialised with the framing of what follows") {
    Setting setting;
    OriginRequest request = setting.make("Accept: a");
    const std::string head = "GET /a HTTP/1.1\r\n" + std::string(request.head.fields.serialised());
    http::Framing framing;
    CHECK(serialise(request, framing) == head + "\r\n");
    framing.kind = http::Framing::Kind::Length;
    CHECK(serialise(request, framing) == head + "Content-Length: 0\r\n\r\n");
    framing.length = 9223372036854775807U;
    CHECK(serialise(request, framing) == head + "Content-Length: 9223372036854775807\r\n\r\n");
    framing.kind = http::Framing::Kind::Chunked;
    CHECK(serialise(request, framing) == head + "Transfer-Encoding: chunked\r\n\r\n");
}
