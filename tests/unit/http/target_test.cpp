// Request targets, authorities, paths and URLs.
#include "http/target.h"

#include "tests/unit/http/given_request.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace gatehouse::http;
using namespace gatehouse::http::testing;

namespace {

Result<Target> parse(std::string_view target) {
    Given given;
    given.target = target;
    return parse(given);
}

// Ways in which servers read a path before they resolve its dot segments.
std::string as_it_is(std::string_view path) { return std::string(path); }

std::string decoded_slashes(std::string_view path) {
    std::string read(path);
    for (auto at = read.find("%2F"); at != std::string::npos; at = read.find("%2F")) {
        read.replace(at, 3, "/");
    }
    return read;
}

std::string without_parameters(std::string_view path) {
    std::string read;
    bool skipping = false;
    for (const char c : path) {
        skipping = c != '/' && (skipping || c == ';');
        if (!skipping) {
            read += c;
        }
    }
    return read;
}

constexpr std::string (*kReadings[])(std::string_view) = {
    &as_it_is,
    &decoded_slashes,
    &without_parameters,
    [](std::string_view path) { return without_parameters(decoded_slashes(path)); },
    [](std::string_view path) { return decoded_slashes(without_parameters(path)); },
};

// RFC 3986 section 5.2.4 by the letter: an empty segment counts as one.
std::string without_dot_segments(std::string_view path) {
    std::vector<std::string_view> kept;
    std::string_view last;
    for (std::size_t at = 1; at <= path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        last = path.substr(at, end - at);
        at = end + 1;
        if (last == ".." && !kept.empty()) {
            kept.pop_back();
        } else if (last != ".." && last != ".") {
            kept.push_back(last);
        }
    }
    std::string out;
    for (const std::string_view segment : kept) {
        out.append("/").append(segment);
    }
    return out + (out.empty() || last == "." || last == ".." ? "/" : "");
}

} // namespace

TEST_CASE("a request target in origin-form keeps path and query byte for byte") {
    struct Row {
        std::string_view text;
        std::string_view path;
        std::string_view query;
        bool has_query;
    };
    const Row rows[] = {
        {"/", "/", "", false},
        {"/a/b", "/a/b", "", false},
        {"/a?", "/a", "", true},
        {"/a?b=c", "/a", "b=c", true},
        {"/a?b?c", "/a", "b?c", true},
        {"/?/", "/", "/", true},
        {"//", "//", "", false},
        {"//a///b", "//a///b", "", false},
        {"//example.org/x", "//example.org/x", "", false}, // no network-path reference
        {"/a/../b/./c", "/a/../b/./c", "", false},
        {"/%7Euser%2f%2F", "/%7Euser%2f%2F", "", false},
        {"/%00%ff", "/%00%ff", "", false},
        {"/*", "/*", "", false},
        {"/http://x/", "/http://x/", "", false},
        {R"(/"<>\^`{|}~!$&'()*+,;=:@[])", R"(/"<>\^`{|}~!$&'()*+,;=:@[])", "", false},
        {R"(/?q="<>\^`{|}%20)", "/", R"(q="<>\^`{|}%20)", true},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        const auto target = parse(row.text);
        REQUIRE(target);
        CHECK(target->path == row.path);
        CHECK(target->query == row.query);
        CHECK(target->has_query == row.has_query);
        CHECK(target->origin_form() == row.text);
        CHECK(target->authority == "example.com");
    }
}

TEST_CASE("a request target with other characters or in another form is refused") {
    const std::string_view nul("/\0", 2);
    for (const std::string_view text :
         {std::string_view(""), nul, std::string_view("/a b"), std::string_view("/a\tb"), std::string_view("/a\r"),
          std::string_view("/a\x7f"), std::string_view("/\x80"), std::string_view("/\xc3\xa4"),
          std::string_view("/a#b"), std::string_view("#"), std::string_view("/%"), std::string_view("/%2"),
          std::string_view("/%2g"), std::string_view("/%g2"), std::string_view("/%%41"), std::string_view("/?%"),
          std::string_view("/?a=%4"), std::string_view("a"), std::string_view("a/b"), std::string_view("?a"),
          std::string_view("*"), std::string_view("**"), std::string_view("example.com:80"),
          std::string_view("ftp://example.com/"), std::string_view("http:/example.com/"),
          std::string_view("http:example.com"), std::string_view("http://"), std::string_view("http:///a"),
          std::string_view("http://?a"), std::string_view("://example.com/"),
          std::string_view("http//example.com/")}) {
        CAPTURE(std::string(text));
        const auto target = parse(text);
        REQUIRE(!target);
        CHECK(target.error().kind == ErrorKind::BadRequest);
        CHECK(!target.error().detail.empty());
    }
}

TEST_CASE("only printable ASCII but space and '#' stands in a target as it is") {
    for (int i = 0; i < 256; ++i) {
        CAPTURE(i);
        const std::string text = std::string("/") + static_cast<char>(i) + "zz";
        CHECK(parse(text).ok() == (i > 32 && i < 127 && i != '#' && i != '%'));
    }
}

TEST_CASE("absolute-form gives the authority, which must equal Host") {
    struct Row {
        std::string_view text;
        std::string_view host;
        std::string_view authority; // empty: refused
        std::string_view origin_form;
    };
    const Row rows[] = {
        {"http://example.com/a?b", "example.com", "example.com", "/a?b"},
        {"HTTP://EXAMPLE.com/A", "Example.Com", "example.com", "/A"},
        {"http://example.com:80/", "example.com", "example.com", "/"},
        {"http://example.com/", "example.com:80", "example.com", "/"},
        {"http://example.com:/", "example.com", "example.com", "/"},
        {"http://example.com:8080/", "example.com:8080", "example.com:8080", "/"},
        {"http://example.com", "example.com", "example.com", "/"},
        {"http://example.com?q", "example.com", "example.com", "/?q"},
        {"http://example.com//a", "example.com", "example.com", "//a"},
        {"http://example.com?a/b@c", "example.com", "example.com", "/?a/b@c"},
        {"http://[::1]:8080/", "[::1]:8080", "[::1]:8080", "/"},
        {"http://example.org/", "example.com", "", ""},
        {"http://example.com:8080/", "example.com", "", ""},
        {"http://example.com./", "example.com", "", ""},
        {"http://user@example.com/", "example.com", "", ""},
        {"http://user:secret@example.com/", "example.com", "", ""},
        {"http://@example.com/", "example.com", "", ""},
        {"http://example.com@example.org/", "example.com", "", ""},
        {"http://example.com\\@example.org/", "example.com", "", ""},
        {"https://example.com/", "example.com", "", ""}, // not what this listener speaks
        {"http://example.com:70000/", "example.com", "", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        Given given;
        given.target = row.text;
        given.hosts = {row.host};
        const auto target = parse(given);
        REQUIRE(target.ok() == !row.authority.empty());
        if (target) {
            CHECK(target->authority == row.authority);
            CHECK(target->origin_form() == row.origin_form);
        }
    }
}

TEST_CASE("the star is for OPTIONS, and for absolute-form without a path") {
    Given given;
    given.method = "OPTIONS";
    given.target = "*";
    REQUIRE(parse(given));
    CHECK(parse(given)->path == "*");
    CHECK(parse(given)->origin_form() == "*");
    given.target = "http://example.com";
    CHECK(parse(given)->path == "*");
    given.target = "http://example.com/";
    CHECK(parse(given)->path == "/");
    given.target = "http://example.com?a";
    CHECK(parse(given)->origin_form() == "/?a");
    given.method = "options"; // another method: names have case
    given.target = "*";
    CHECK(!parse(given));
}

TEST_CASE("Host comes once in HTTP/1.1 and at most once in HTTP/1.0") {
    Given given;
    given.hosts = {};
    CHECK(!parse(given));
    given.target = "http://example.com/";
    CHECK(!parse(given));
    given.target = "/";
    given.hosts = {"example.com", "example.com"};
    CHECK(!parse(given));
    given.version = Version::Http10;
    CHECK(!parse(given));
    given.hosts = {"EXAMPLE.com"};
    CHECK(parse(given)->authority == "example.com");
    given.hosts = {};
    CHECK(parse(given)->authority == "default.test");
    given.target = "http://example.com/";
    CHECK(parse(given)->authority == "example.com");
    given.hosts = {"example.org"};
    CHECK(!parse(given));
    given.hosts = {""};
    given.target = "/";
    CHECK(!parse(given));
}

TEST_CASE("an authority is lower-cased and loses the default port of its scheme") {
    struct Row {
        std::string_view text;
        std::string_view http; // empty: refused
        std::string_view https;
    };
    const Row rows[] = {
        {"example.com", "example.com", "example.com"},
        {"EXAMPLE.Com", "example.com", "example.com"},
        {"example.com.", "example.com.", "example.com."},
        {"localhost", "localhost", "localhost"},
        {"192.0.2.1", "192.0.2.1", "192.0.2.1"},
        {"a_b-c~d", "a_b-c~d", "a_b-c~d"},
        {"x%41y", "x%41y", "x%41y"},
        {"example.com:", "example.com", "example.com"},
        {"example.com:79", "example.com:79", "example.com:79"},
        {"example.com:80", "example.com", "example.com:80"},
        {"example.com:81", "example.com:81", "example.com:81"},
        {"example.com:0080", "example.com", "example.com:80"},
        {"example.com:443", "example.com:443", "example.com"},
        {"example.com:0", "example.com:0", "example.com:0"},
        {"example.com:65534", "example.com:65534", "example.com:65534"},
        {"example.com:65535", "example.com:65535", "example.com:65535"},
        {"example.com:65536", "", ""},
        {"example.com:99999999999999999999999", "", ""},
        {"example.com:-1", "", ""},
        {"example.com:+80", "", ""},
        {"example.com:8a", "", ""},
        {"example.com: 80", "", ""},
        {"example.com:80:80", "", ""},
        {"[::1]", "[::1]", "[::1]"},
        {"[2001:DB8::1]:8080", "[2001:db8::1]:8080", "[2001:db8::1]:8080"},
        {"[::1]:80", "[::1]", "[::1]:80"},
        {"[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"},
        {"[::1", "", ""},
        {"::1", "", ""},
        {"::1]", "", ""},
        {"[::1]x", "", ""},
        {"[::1]]", "", ""},
        {"[]", "", ""},
        {"[]:80", "", ""},
        {"[::g]", "", ""},
        {"[1:2:3:4:5:6:7]", "", ""},
        {"[192.0.2.1]", "", ""},
        {"[fe80::1%25eth0]", "", ""},
        {"[fe80::1%eth0]", "", ""},
        {"[v1.fe]", "", ""},
        {"", "", ""},
        {":80", "", ""},
        {"user@example.com", "", ""},
        {"exa mple.com", "", ""},
        {" example.com", "", ""},
        {"example.com/", "", ""},
        {"example.com?a", "", ""},
        {"example.com#a", "", ""},
        {"ex\"ample", "", ""},
        {"ex\\ample", "", ""},
        {"ex<ample", "", ""},
        {"x%4", "", ""},
        {"x%zz", "", ""},
        {"b\xc3\xbc" "cher", "", ""},
        {std::string_view("[::1\0]", 6), "", ""},
        {std::string_view("a\0b", 3), "", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        const auto http = canonical_authority(row.text, "http");
        const auto https = canonical_authority(row.text, "https");
        REQUIRE(http.ok() == !row.http.empty());
        REQUIRE(https.ok() == !row.https.empty());
        if (http) {
            CHECK(*http == row.http);
            CHECK(*https == row.https);
        }
    }
    CHECK(!canonical_authority("[" + std::string(100, ':') + "]", "http"));
}

TEST_CASE("a path may not climb above the root, however its dots are written and whatever follows") {
    const std::string_view spellings[] = {"..", "%2e%2e", ".%2e", "%2E."};
    struct Row {
        const char* before; // of the segment that is spelt in every way
        const char* after;
        bool refused;
    };
    const Row rows[] = {
        {"/", "", true},
        {"/", "/", true},
        {"/", "/admin", true},
        {"/../", "", true},
        {"/../", "/admin", true},
        {"/a/", "", false},
        {"/a/", "/", false},
        {"/a/", "/b", false},
        {"/a/../", "", true},
        {"/a/../", "/b/c", true},
        {"/a/b/../", "/c", false},
        {"/a/b/../../", "/c", true},
        {"/a/", "/../b", true},
        {"/a/", "/b/../../..", true},
        {"/a/", "/b/../c", false},
        // segments that are not one level for everybody
        {"//", "/a", true},
        {"/a//", "/b", true},
        {"/a//b/", "/c", false},
        {"/a//b/../", "/c", true},
        {"/./", "/a", true},
        {"/%2e/", "/a", true},
        {"/a/./", "/b", false},
        {"/a/./", "/../b", true},
        {"/%2F/", "/a", true},
        {"/a/%5C/", "/b", true},
        {"/a/\\/", "/b", true},
        {"/a/;b=c/", "/d", true},
        {"/a/.;b=c/", "/d", true},
        {"/a%2Fb/", "/c", true},
        {"/a%2Fb/c/", "/d", false},
        {"/a;b=c/", "/d", false},
        // what only looks like it
        {"/.", "", false},
        {"/", "...", false},
        {"/a", "", false},
        {"/", "a", false},
        {"/.%2e.", "/b", false},
        {"/?q=/", "/../..", false},
    };
    for (const Row& row : rows) {
        for (const std::string_view spelling : spellings) {
            const std::string text = row.before + std::string(spelling) + row.after;
            CAPTURE(text);
            const auto target = parse(text);
            REQUIRE(target.ok() != row.refused);
            if (target) {
                CHECK(target->origin_form() == text); // as it was sent
            } else {
                CHECK(target.error().kind == ErrorKind::UnsafePath);
            }
        }
    }
}

TEST_CASE("'..' is a segment for everybody or for nobody") {
    for (const std::string_view text :
         {"/a/..%2fb", "/a/..%2F", "/a/b%2f..", "/a/b%2f../c", "/a%2f..%2fb", "/a/%2e%2e%2fb", "/a/..%5Cb", "/a/..%5cb",
          "/a/..\\b", "/a/b\\..", "/a/b\\..\\c", "/a/..;", "/a/..;b=c", "/a/..;/b", "/a/..%3b/b", "/a/b;c%2f..%2fd",
          "/a/b;c\\..", "/a/.%2e;x/b"}) {
        CAPTURE(std::string(text));
        const auto target = parse(text);
        REQUIRE(!target);
        CHECK(target.error().kind == ErrorKind::UnsafePath);
        CHECK(target.error().detail.find("alike") != std::string::npos);
    }
    for (const std::string_view text : {"/a/b%2fc", "/a/.%2fb", "/a/...%2fb", "/a/x..%2fb", "/a/b;..", "/a/b;c=..d",
                                        "/a/%252e%252e%252fb", "/a\\b", "/a?..%2f..;/..\\"}) {
        CAPTURE(std::string(text));
        CHECK(parse(text).ok());
    }
}

TEST_CASE("absolute-form climbs no higher than origin-form") {
    CHECK(parse("http://example.com/a/../b")->path == "/a/../b");
    for (const std::string_view text : {"http://example.com/..", "http://example.com/a/%2e%2E/../b"}) {
        CAPTURE(std::string(text));
        const auto target = parse(text);
        REQUIRE(!target);
        CHECK(target.error().kind == ErrorKind::UnsafePath);
    }
}

TEST_CASE("whoever resolves an accepted path stays below the origin's path and ends where it was matched") {
    const std::string_view pieces[] = {"/", "..", "a", "%2F", ";", "."};
    std::size_t accepted = 0;
    for (std::size_t i = 0; i < 6 * 6 * 6 * 6 * 6 * 6; ++i) {
        std::string path = "/";
        for (std::size_t rest = i, n = 0; n < 6; ++n, rest /= 6) {
            path += pieces[rest % 6];
        }
        if (!parse(path)) {
            continue;
        }
        ++accepted;
        CAPTURE(path);
        for (const auto& read : kReadings) {
            const std::string place = normalised_path(read(path));
            REQUIRE(place == normalised_path(read(normalised_path(path))));
            REQUIRE(place == normalised_path(without_dot_segments(read(path))));
            REQUIRE(normalised_path("/prod" + read(path)) == "/prod" + place);
            REQUIRE(normalised_path(without_dot_segments("/prod" + read(path))) == "/prod" + place);
        }
    }
    CHECK(accepted > 10'000);
}

TEST_CASE("an authority in its canonical form stays as it is") {
    for (const std::string_view text : {"example.com", "example.com:8080", "[2001:db8::1]:1"}) {
        CHECK(*canonical_authority(text, "http") == text);
    }
}

TEST_CASE("a path is normalised for matching") {
    struct Row {
        std::string_view path;
        std::string_view expected;
    };
    const Row rows[] = {
        {"/", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a/b/c", "/a/b/c"},
        // dot segments
        {"/.", "/"},
        {"/./", "/"},
        {"/a/.", "/a/"},
        {"/a/./b", "/a/b"},
        {"/..", "/"},
        {"/../", "/"},
        {"/../..", "/"},
        {"/../a", "/a"},
        {"/a/..", "/"},
        {"/a/../", "/"},
        {"/a/b/..", "/a/"},
        {"/a/b/../", "/a/"},
        {"/a/b/../c", "/a/c"},
        {"/a/b/../../../c", "/c"},
        {"/a/b/c/./../../g", "/a/g"},
        {"/...", "/..."},
        {"/.a/..b/c..", "/.a/..b/c.."},
        // encoded ones are the same
        {"/%2e", "/"},
        {"/a/%2E%2e/b", "/b"},
        {"/a/.%2e/b", "/b"},
        // unreserved characters
        {"/%7Euser", "/~user"},
        {"/%41%5a%61%7a%30%39%2D%2e%5F%7e", "/AZaz09-._~"},
        // everything else keeps its encoding, in upper case
        {"/%2f", "/%2F"},
        {"/a%2fb", "/a%2Fb"},
        {"/a/..%2fb", "/a/..%2Fb"},
        {"/%2f%2e%2e%2f", "/%2F..%2F"},
        {"/%25%32%65", "/%252e"}, // decoded once only
        {"/%c3%a4%20%00%3f%23", "/%C3%A4%20%00%3F%23"},
        {"/%7f%40%5b%60%7b", "/%7F%40%5B%60%7B"},
        // repeated slashes
        {"//", "/"},
        {"//a///b", "/a/b"},
        {"/a//", "/a/"},
        {"/a//../b", "/b"},
        {"/a/.//b", "/a/b"},
        {"//..//a", "/a"},
        // not a path
        {"*", "*"},
        {"", ""},
        // as sent
        {"/a;b=c/{d}|\\", "/a;b=c/{d}|\\"},
        {"/%", "/%"},
        {"/%4", "/%4"},
        {"/%4g", "/%4g"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.path));
        CHECK(normalised_path(row.path) == row.expected);
        CHECK(normalised_path(row.expected).size() <= row.expected.size());
    }
}

TEST_CASE("a normalised path has no dot segments and no repeated slashes") {
    const std::string_view pieces[] = {"/", ".", "a", "%2e", "%2F"};
    for (std::size_t i = 0; i < 5 * 5 * 5 * 5 * 5 * 5; ++i) {
        std::string path = "/";
        for (std::size_t rest = i, n = 0; n < 6; ++n, rest /= 5) {
            path += pieces[rest % 5];
        }
        const std::string normal = normalised_path(path);
        const std::string closed = normal + "/";
        CAPTURE(path);
        CAPTURE(normal);
        REQUIRE(normal.front() == '/');
        REQUIRE(normal.find("//") == std::string::npos);
        REQUIRE(closed.find("/./") == std::string::npos);
        REQUIRE(closed.find("/../") == std::string::npos);
        REQUIRE(normalised_path(normal) == normal);
    }
}

TEST_CASE("a URL of the configuration gives scheme, host, port and path") {
    struct Row {
        std::string_view text;
        std::string_view scheme;
        std::string_view host;
        std::uint16_t port;
        std::string_view path;
        std::string_view path_as_written;
        std::string_view authority;
    };
    const Row rows[] = {
        {"http://example.com", "http", "example.com", 80, "", "/", "example.com"},
        {"https://example.com", "https", "example.com", 443, "", "/", "example.com"},
        {"HTTPS://Example.COM/Prod", "https", "example.com", 443, "/Prod", "/Prod", "example.com"},
        {"http://example.com/", "http", "example.com", 80, "", "/", "example.com"},
        {"http://example.com/a/", "http", "example.com", 80, "/a", "/a/", "example.com"},
        {"http://example.com/a/b//", "http", "example.com", 80, "/a/b", "/a/b//", "example.com"},
        {"http://example.com:8080/a", "http", "example.com", 8080, "/a", "/a", "example.com:8080"},
        {"http://example.com:443", "http", "example.com", 443, "", "/", "example.com:443"},
        {"https://example.com:443", "https", "example.com", 443, "", "/", "example.com"},
        {"http://example.com:", "http", "example.com", 80, "", "/", "example.com"},
        {"http://127.0.0.1:1", "http", "127.0.0.1", 1, "", "/", "127.0.0.1:1"},
        {"http://[2001:DB8::1]", "http", "2001:db8::1", 80, "", "/", "[2001:db8::1]"},
        {"http://[::1]:65535/x", "http", "::1", 65535, "/x", "/x", "[::1]:65535"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        const auto url = parse_url(row.text);
        REQUIRE(url);
        CHECK(url->scheme == row.scheme);
        CHECK(url->host == row.host);
        CHECK(url->port == row.port);
        CHECK(url->path == row.path);
        CHECK(url->path_as_written == row.path_as_written);
        CHECK(url->authority() == row.authority);
        CHECK(!url->has_query);
    }
}

TEST_CASE("a URL keeps its query") {
    const auto url = parse_url("http://example.com/a/?b=/c/");
    REQUIRE(url);
    CHECK(url->path == "/a");
    CHECK(url->path_as_written == "/a/");
    CHECK(url->has_query);
    CHECK(url->query == "b=/c/");
    const auto bare = parse_url("http://example.com?");
    REQUIRE(bare);
    CHECK(bare->path.empty());
    CHECK(bare->has_query);
    CHECK(bare->query.empty());
}

TEST_CASE("a URL that cannot be connected to is refused with a sentence") {
    for (const std::string_view text :
         {"", "example.com", "example.com:80", "/a", "//example.com/", "ftp://example.com/", "http:/example.com",
          "http://", "http:///a", "http://:80", "http://example.com:0", "http://example.com:65536",
          "http://example.com:x", "http://user@example.com", "http://example.com/a b", "http://example.com/#a",
          "http://example.com/%4", "http://[::1", "http://::1", "http://b\xc3\xbc" "cher.example", " http://a"}) {
        CAPTURE(std::string(text));
        const auto url = parse_url(text);
        REQUIRE(!url);
        CHECK(!url.error().detail.empty());
    }
}
