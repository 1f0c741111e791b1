// Assembly: 200, 206, 304 and 416 from a stored 200, down to the last byte of a multipart answer.
#include "cache/policy/response_assembly.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <vector>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;
namespace http = gatehouse::http;
using Kind = Assembly::Kind;

namespace {

constexpr const char* kResponse = "Date: @-10\nCache-Control: max-age=60\nETag: \"a\"\nLast-Modified: @-60\n"
                                  "Content-Type: text/plain";
constexpr std::uint64_t kSeed = 0x0123456789abcdef;
const std::string kContent = "0123456789";

Assembly assembly_of(std::string_view request, const Stored& stored, std::optional<std::uint64_t> length = 10) {
    return assemble(request_of(request), stored.view(), length, kArrival + seconds(5), kSeed);
}

std::string head_of(const Assembly& assembly, const Stored& stored, std::optional<std::uint64_t> length = 10) {
    std::string head;
    append_head(head, assembly, stored.view(), length);
    return head;
}

// The fields of a head, after its status line.
http::Fields fields_in(const std::string& head) {
    return http::Fields::from_serialised(std::string_view(head).substr(head.find("\r\n") + 2));
}

// What is sent behind the head.
std::string content_of(const Assembly& assembly, const Stored& stored) {
    std::string content;
    for (std::size_t i = 0; i < assembly.spans.size(); ++i) {
        if (assembly.kind == Kind::MultiPart) {
            content += multipart_part_head(assembly, i, stored.view(), kContent.size());
        }
        const http::ByteSpan& span = assembly.spans[i];
        content += kContent.substr(static_cast<std::size_t>(span.first), static_cast<std::size_t>(span.size()));
    }
    if (assembly.kind == Kind::MultiPart) {
        content += multipart_end(assembly);
    }
    return assembly.kind == Kind::Whole ? kContent : content;
}

struct Part {
    http::Fields fields;
    std::string content;
};

// An independent reader of multipart/byteranges (RFC 2046 section 5.1.1).
std::vector<Part> parse_multipart(std::string_view text, const std::string& boundary) {
    std::vector<Part> parts;
    const std::string first = "--" + boundary + "\r\n";
    const std::string delimiter = "\r\n--" + boundary;
    REQUIRE(text.starts_with(first));
    text.remove_prefix(first.size());
    for (;;) {
        const auto end = text.find(delimiter);
        REQUIRE(end != std::string_view::npos);
        const std::string_view part = text.substr(0, end);
        const auto blank = part.find("\r\n\r\n");
        REQUIRE(blank != std::string_view::npos);
        parts.push_back(
            {http::Fields::from_serialised(part.substr(0, blank + 2)), std::string(part.substr(blank + 4))});
        text.remove_prefix(end + delimiter.size());
        if (text == "--\r\n") {
            return parts;
        }
        REQUIRE(text.starts_with("\r\n"));
        text.remove_prefix(2);
    }
}

} // namespace

TEST_CASE("which answer a stored response gives") {
    struct Row {
        const char* name;
        const char* clause;
        const char* request;
        const char* response;
        Kind kind;
        int status;
    };
    const Row rows[] = {
        {"plain", "RFC 9111 section 4", "", kResponse, Kind::Whole, 200},
        {"HEAD", "RFC 9110 section 9.3.2", "HEAD", kResponse, Kind::Whole, 200},

        {"If-None-Match, equal", "RFC 9110 section 13.1.2", "If-None-Match: \"a\"", kResponse, Kind::NotModified, 304},
        {"If-None-Match, weak", "RFC 9110 section 13.1.2", "If-None-Match: W/\"a\"", kResponse, Kind::NotModified, 304},
        {"If-None-Match, one of", "RFC 9110 section 13.1.2", "If-None-Match: \"b\", \"a\"", kResponse,
         Kind::NotModified, 304},
        {"If-None-Match, other", "RFC 9110 section 13.1.2", "If-None-Match: \"b\"", kResponse, Kind::Whole, 200},
        {"If-None-Match: *", "RFC 9110 section 13.1.2", "If-None-Match: *", kResponse, Kind::NotModified, 304},
        {"If-None-Match with HEAD", "RFC 9110 section 13.2.1", "HEAD\nIf-None-Match: \"a\"", kResponse,
         Kind::NotModified, 304},
        {"If-None-Match, malformed ETag stored", "RFC 9110 section 8.8.3", "If-None-Match: a", "ETag: a", Kind::Whole,
         200},
        {"If-None-Match, no ETag stored", "RFC 9110 section 13.1.2", "If-None-Match: \"a\"", "A: 1", Kind::Whole, 200},

        {"If-Modified-Since, one less", "RFC 9110 section 13.1.3", "If-Modified-Since: @-61", kResponse, Kind::Whole,
         200},
        {"If-Modified-Since, equal", "RFC 9110 section 13.1.3", "If-Modified-Since: @-60", kResponse, Kind::NotModified,
         304},
        {"If-Modified-Since, one more", "RFC 9110 section 13.1.3", "If-Modified-Since: @-59", kResponse,
         Kind::NotModified, 304},
        {"If-Modified-Since against Date", "RFC 9111 section 4.3.2", "If-Modified-Since: @-10", "Date: @-10",
         Kind::NotModified, 304},
        {"If-Modified-Since before Date", "RFC 9111 section 4.3.2", "If-Modified-Since: @-11", "Date: @-10",
         Kind::Whole, 200},
        {"If-None-Match goes first", "RFC 9110 section 13.2.2", "If-None-Match: \"b\"\nIf-Modified-Since: @0",
         kResponse, Kind::Whole, 200},

        {"404 and If-None-Match", "RFC 9110 section 13.2.1", "If-None-Match: \"a\"", "404\nETag: \"a\"", Kind::Whole,
         404},
        {"404 and Range", "RFC 9110 section 14.2", "Range: bytes=0-1", "404", Kind::Whole, 404},

        {"Range", "RFC 9110 section 14.2", "Range: bytes=0-4", kResponse, Kind::SinglePart, 206},
        {"two ranges", "RFC 9110 section 15.3.7.2", "Range: bytes=0-0,9-9", kResponse, Kind::MultiPart, 206},
        {"two ranges, one satisfiable", "RFC 9110 section 15.3.7.2", "Range: bytes=0-0,10-11", kResponse,
         Kind::SinglePart, 206},
        {"last byte", "RFC 9110 section 14.1.2", "Range: bytes=9-", kResponse, Kind::SinglePart, 206},
        {"behind the last byte", "RFC 9110 section 15.5.17", "Range: bytes=10-", kResponse, Kind::Unsatisfiable, 416},
        {"other unit", "RFC 9110 section 14.2", "Range: lines=0-4", kResponse, Kind::Whole, 200},
        {"two Range lines", "RFC 9110 section 14.2", "Range: bytes=0-4\nRange: bytes=5-6", kResponse, Kind::Whole, 200},
        {"Range with HEAD", "RFC 9110 section 14.2", "HEAD\nRange: bytes=0-4", kResponse, Kind::Whole, 200},
        {"not modified goes before Range", "RFC 9110 section 13.2.2", "Range: bytes=0-4\nIf-None-Match: \"a\"",
         kResponse, Kind::NotModified, 304},
        {"If-Range, equal", "RFC 9110 section 13.1.5", "Range: bytes=0-4\nIf-Range: \"a\"", kResponse, Kind::SinglePart,
         206},
        {"If-Range, other", "RFC 9110 section 13.1.5", "Range: bytes=0-4\nIf-Range: \"b\"", kResponse, Kind::Whole,
         200},
        {"If-Range, weak", "RFC 9110 section 13.1.5", "Range: bytes=0-4\nIf-Range: W/\"a\"", "ETag: W/\"a\"",
         Kind::Whole, 200},
        {"If-Range, date", "RFC 9110 section 13.1.5", "Range: bytes=0-4\nIf-Range: @-60", kResponse, Kind::SinglePart,
         206},
        {"If-Range, unsatisfiable and other", "RFC 9110 section 13.1.5", "Range: bytes=10-\nIf-Range: \"b\"", kResponse,
         Kind::Whole, 200},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CAPTURE(row.clause);
            const Assembly assembly = assembly_of(row.request, stored_of("", row.response));
            CHECK(static_cast<int>(assembly.kind) == static_cast<int>(row.kind));
            CHECK(assembly.status == row.status);
            CHECK(assembly.boundary.empty() == (row.kind != Kind::MultiPart));
        }
    }
}

TEST_CASE("Range is ignored while the length is unknown, and of nothing there is no range") {
    const Stored stored = stored_of("", kResponse);
    CHECK(assembly_of("Range: bytes=0-4", stored, std::nullopt).kind == Kind::Whole);
    CHECK(assembly_of("Range: bytes=0-4", stored, 0).kind == Kind::Unsatisfiable);
}

TEST_CASE("a whole response is sent as it is stored") {
    const Stored stored = stored_of("", "404\nA: 1\nDate: @0\nA: 2");
    const std::string head = head_of(assembly_of("", stored), stored);
    CHECK(head == "HTTP/1.1 404 Not Found\r\n" + std::string(stored.view().field_lines));
    CHECK(content_length(assembly_of("", stored), stored.view(), 10) == 10);
    // A status without a registered phrase still has its space. RFC 9112 section 4
    Assembly unknown;
    unknown.status = 299;
    CHECK(head_of(unknown, stored).starts_with("HTTP/1.1 299 \r\n"));
}

TEST_CASE("the fields of a 304 (RFC 9110 section 15.4.5)") {
    const char* kAll = "Cache-Control: max-age=60\nContent-Location: /a\nDate: @0\nETag: \"a\"\nExpires: @60\nVary: A\n"
                       "Set-Cookie: a=1\nAccess-Control-Allow-Origin: *\nContent-Security-Policy: x\nX: 1\n"
                       "Content-Type: text/plain\nContent-Encoding: gzip\nContent-Language: en\nContent-MD5: x\n"
                       "Content-Disposition: inline\nLast-Modified: @-60";
    const Stored stored = stored_of("", kAll);
    const Assembly assembly = assembly_of("If-None-Match: \"a\"", stored);
    const std::string head = head_of(assembly, stored);
    CHECK(head.starts_with("HTTP/1.1 304 Not Modified\r\n"));
    const http::Fields fields = fields_in(head);
    for (const char* name : {"Cache-Control", "Content-Location", "Date", "ETag", "Expires", "Vary", "Set-Cookie",
                             "Access-Control-Allow-Origin", "Content-Security-Policy", "X", "Via"}) {
        CAPTURE(name);
        CHECK(fields.contains(name));
    }
    for (const char* name : {"Content-Type", "Content-Encoding", "Content-Language", "Content-MD5",
                             "Content-Disposition", "Last-Modified", "Content-Range"}) {
        CAPTURE(name);
        CHECK_FALSE(fields.contains(name));
    }
    CHECK(content_length(assembly, stored.view(), 10) == 0);

    // Without an ETag Last-Modified says what was not modified.
    const Stored dated = stored_of("", "Last-Modified: @-60");
    CHECK(fields_in(head_of(assembly_of("If-Modified-Since: @0", dated), dated)).contains("Last-Modified"));
}

TEST_CASE("one part (RFC 9110 section 15.3.7.1)") {
    const Stored stored = stored_of("", std::string(kResponse) + "\nContent-Range: nonsense");
    const Assembly assembly = assembly_of("Range: bytes=2-4", stored);
    const std::string head = head_of(assembly, stored);
    CHECK(head.starts_with("HTTP/1.1 206 Partial Content\r\n"));
    CHECK(fields_in(head).combined("Content-Range") == "bytes 2-4/10");
    CHECK(fields_in(head).combined("Content-Type") == "text/plain");
    CHECK(fields_in(head).combined("ETag") == "\"a\"");
    CHECK(content_of(assembly, stored) == "234");
    CHECK(content_length(assembly, stored.view(), 10) == 3);
}

TEST_CASE("several parts (RFC 9110 section 15.3.7.2)") {
    const Stored stored = stored_of("", kResponse);
    const Assembly assembly = assembly_of("Range: bytes=7-, 0-1, -1", stored);
    REQUIRE(assembly.kind == Kind::MultiPart);
    const std::string head = head_of(assembly, stored);
    CHECK(head.starts_with("HTTP/1.1 206 Partial Content\r\n"));
    CHECK_FALSE(fields_in(head).contains("Content-Range"));
    CHECK(assembly.boundary == "0123456789abcdef");
    CHECK(fields_in(head).combined("Content-Type") == "multipart/byteranges; boundary=" + assembly.boundary);

    const std::string content = content_of(assembly, stored);
    CHECK(content_length(assembly, stored.view(), 10) == content.size());
    const std::vector<Part> parts = parse_multipart(content, assembly.boundary);
    REQUIRE(parts.size() == 3);
    const char* expected[] = {"789", "01", "9"};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        CAPTURE(i);
        CHECK(parts[i].content == expected[i]);
        CHECK(parts[i].fields.combined("Content-Type") == "text/plain");
        const auto range = http::parse_content_range(parts[i].fields.combined("Content-Range"));
        REQUIRE(range);
        CHECK(range->span == assembly.spans[i]);
        CHECK(range->complete_length == 10);
    }
}

TEST_CASE("parts of something without a type, and small boundaries") {
    const Stored stored = stored_of("", "A: 1");
    const Assembly assembly = assemble(request_of("Range: bytes=0-0,9-9"), stored.view(), 10, kArrival, 1);
    CHECK(assembly.boundary == "0000000000000001");
    const std::string content = content_of(assembly, stored);
    CHECK(content_length(assembly, stored.view(), 10) == content.size());
    for (const Part& part : parse_multipart(content, assembly.boundary)) {
        CHECK_FALSE(part.fields.contains("Content-Type"));
    }
}

TEST_CASE("an unsatisfiable range (RFC 9110 section 15.5.17)") {
    const Stored stored = stored_of("", std::string(kResponse) + "\nExpires: @60\nCDN-Cache-Control: max-age=5\n"
                                                                 "Access-Control-Allow-Origin: *\nVary: Foo");
    const Assembly assembly = assembly_of("Range: bytes=10-", stored);
    const std::string head = head_of(assembly, stored);
    CHECK(head.starts_with("HTTP/1.1 416 Range Not Satisfiable\r\n"));
    const http::Fields fields = fields_in(head);
    CHECK(fields.combined("Content-Range") == "bytes */10");
    // The error is not kept in the place of the representation.
    for (const char* name :
         {"Cache-Control", "CDN-Cache-Control", "Expires", "ETag", "Last-Modified", "Content-Type"}) {
        CAPTURE(name);
        CHECK_FALSE(fields.contains(name));
    }
    for (const char* name : {"Date", "Via", "Vary", "Access-Control-Allow-Origin"}) {
        CAPTURE(name);
        CHECK(fields.contains(name));
    }
    CHECK(content_length(assembly, stored.view(), 10) == 0);
}

TEST_CASE("targeted fields are kept from clients where the policy says so, in every kind of answer") {
    const Stored stored = stored_of("", std::string(kResponse) + "\nCDN-Cache-Control: max-age=5\nEdge-Control: x");
    config::CachePolicy policy = own();
    policy.targeted_cache_control = {"edge-control", "CDN-Cache-Control"};
    for (const char* request : {"", "Range: bytes=0-1", "Range: bytes=0-0,9-9", "If-None-Match: \"a\"", "HEAD"}) {
        CAPTURE(request);
        policy.withhold_targeted_cache_control = false;
        Assembly assembly = assembly_of(request, stored);
        assembly.withheld = withheld_fields(policy);
        CHECK(fields_in(head_of(assembly, stored)).contains("CDN-Cache-Control"));
        policy.withhold_targeted_cache_control = true;
        assembly.withheld = withheld_fields(policy);
        const http::Fields fields = fields_in(head_of(assembly, stored));
        CHECK_FALSE(fields.contains("CDN-Cache-Control"));
        CHECK_FALSE(fields.contains("Edge-Control"));
        CHECK(fields.contains("Cache-Control"));
        CHECK(fields.contains("Date"));
    }
}
