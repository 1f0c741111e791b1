// Generated tags, and how clients see the tags of others.
#include "cache/policy/etag_rule.h"

#include "cache/policy/response_assembly.h"
#include "cache/policy/validation.h"
#include "http/entity_tag.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;
namespace http = gatehouse::http;

namespace {

constexpr ContentDigest kDigest{0x1, 0xab, 31};

Stored tagged(std::string_view response) { return {with_generated_tag(kDigest, stored_of("", response).block)}; }

} // namespace

TEST_CASE("a tag is made where a 200 has none, or one that nobody could compare") {
    struct Row {
        const char* response;
        bool lacks;
    };
    const Row rows[] = {
        {"", true},        {"ETag: \"a\"", false}, {"ETag: W/\"a\"", false}, {"ETag: \"\"", false},
        {"ETag: a", true}, {"ETag: \"a", true},    {"ETag: w/\"a\"", true},  {"201", false},
        {"206", false},    {"404", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.response);
        const auto response = response_of(row.response);
        CHECK(lacks_entity_tag(response.status, response.fields) == row.lacks);
    }
}

TEST_CASE("a generated tag is a strong one, of the size, the hash and the coding") {
    CHECK(generated_tag(kDigest, "") == "\"1f-00000000000000ab0000000000000001\"");
    CHECK(generated_tag({}, "") == "\"0-00000000000000000000000000000000\"");
    CHECK(generated_tag(kDigest, "gzip") == "\"1f-00000000000000ab0000000000000001-gzip\"");
    CHECK(generated_tag(kDigest, "GZIP, br") == "\"1f-00000000000000ab0000000000000001-gzip+br\"");
    CHECK(generated_tag(kDigest, "a\"b") == "\"1f-00000000000000ab0000000000000001-ab\"");
    for (const char* coding : {"", "gzip", "\"\\"}) {
        const std::string tag = generated_tag(kDigest, coding);
        const auto parsed = http::parse_entity_tag(tag);
        REQUIRE(parsed);
        CHECK_FALSE(parsed->weak);
    }
}

TEST_CASE("a generated tag replaces what is no tag, and the origin is never asked with it") {
    const Stored stored = tagged("Cache-Control: max-age=9\nETag: unquoted\nContent-Encoding: gzip");
    const StoredHead head = stored.view();
    CHECK(head.etag == "\"1f-00000000000000ab0000000000000001-gzip\"");
    CHECK(head.facts.etag_generated);
    CHECK(head.fields().count("ETag") == 1);
    http::Fields request;
    CHECK_FALSE(add_validators(request, head));
    CHECK(request.empty());

    const Stored dated = tagged("Cache-Control: max-age=9\nLast-Modified: @-60");
    CHECK(add_validators(request, dated.view()));
    CHECK_FALSE(request.contains("If-None-Match"));
    CHECK(request.contains("If-Modified-Since"));
}

TEST_CASE("a 304 keeps the generated tag, as long as it brings none that is valid") {
    const Stored stored = tagged("Cache-Control: max-age=9\nLast-Modified: @-60");
    const auto freshened = [&](const char* not_modified) {
        return freshen(stored.view(), response_of(not_modified), RequestFacts{}, false, kArrival, kArrival, {});
    };
    for (const char* not_modified : {"304\nLast-Modified: @-60", "304\nETag: unquoted\nLast-Modified: @-60"}) {
        CAPTURE(not_modified);
        const FreshenedHead head = freshened(not_modified);
        CHECK(head.lines.first("ETag") == stored.view().etag);
        CHECK(head.facts.etag_generated);
        CHECK(head.facts.has_validator); // its date
    }
    // Another tag speaks of something else.
    CHECK_FALSE(freshens(response_of("304\nETag: \"other\""), stored.view()));
}

TEST_CASE("a HEAD whose tag is none does not end what has a generated one") {
    const Stored stored = tagged("Cache-Control: max-age=9\nETag: unquoted");
    CHECK(confirms(response_of("ETag: unquoted\nContent-Length: 31"), stored.view(), 31));
    CHECK_FALSE(confirms(response_of("ETag: unquoted\nContent-Length: 30"), stored.view(), 31));
    CHECK_FALSE(confirms(response_of("ETag: \"other\""), stored.view(), 31));
}

TEST_CASE("clients see tags as the rule says") {
    struct Row {
        config::EtagRule rule;
        const char* etag;
        const char* seen;
        bool weakened;
    };
    using enum config::EtagRule;
    const Row rows[] = {
        {Keep, "\"a\"", "\"a\"", false},      {Keep, "a", "a", false},
        {Generate, "\"a\"", "\"a\"", false},  {Weaken, "\"a\"", "\"a\"", true},
        {Weaken, "W/\"a\"", "W/\"a\"", true}, {Weaken, "a", "", true},
        {Remove, "\"a\"", "", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.etag);
        const Stored stored = stored_of("", std::string("ETag: ") + row.etag);
        const StoredHead seen = under_etag_rule(stored.view(), row.rule);
        CHECK(seen.etag == row.seen);
        CHECK(seen.etag_weakened == row.weakened);
    }
}

TEST_CASE("a weakened tag answers If-None-Match, and no If-Range; a removed one answers nothing") {
    const Stored stored = stored_of("", "Cache-Control: max-age=9\nETag: \"a\"");
    const auto kind = [&](const char* request, config::EtagRule rule) {
        return assemble(request_of(request), under_etag_rule(stored.view(), rule), 10, kArrival, 0).kind;
    };
    using Kind = Assembly::Kind;
    using enum config::EtagRule;
    CHECK(kind("If-None-Match: W/\"a\"", Weaken) == Kind::NotModified);
    CHECK(kind("If-None-Match: \"a\"", Weaken) == Kind::NotModified);
    CHECK(kind("Range: bytes=0-1\nIf-Range: \"a\"", Keep) == Kind::SinglePart);
    CHECK(kind("Range: bytes=0-1\nIf-Range: \"a\"", Weaken) == Kind::Whole);
    CHECK(kind("Range: bytes=0-1", Weaken) == Kind::SinglePart);
    CHECK(kind("If-None-Match: \"a\"", Remove) == Kind::Whole);
    CHECK(kind("Range: bytes=0-1\nIf-Range: \"a\"", Remove) == Kind::Whole);
}
