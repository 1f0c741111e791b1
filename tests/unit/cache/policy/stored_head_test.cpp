// Stored heads: the block reads back, and which fields get into it.
#include "cache/policy/stored_head.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <cstring>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace http = gatehouse::http;

namespace {

std::string stored_lines(std::string_view response) {
    return std::string(fields_to_store(response_of(response), kArrival).serialised());
}

} // namespace

TEST_CASE("a stored head reads back what was written") {
    const char* response = "404\nCache-Control: max-age=60\nETag: W/\"a\"\nLast-Modified: @-60\nDate: @-1\nVary: Foo";
    const Stored stored = stored_of("Foo: 1", response);
    // The block need not be aligned.
    const std::string shifted = "x" + stored.block;
    for (const std::string_view bytes : {std::string_view(stored.block), std::string_view(shifted).substr(1)}) {
        const StoredHead head = view_stored_head(bytes);
        CHECK(head.facts.status == 404);
        CHECK(head.facts.max_age.seconds == 60);
        CHECK(head.facts.response_time == kArrival);
        CHECK(head.etag == "W/\"a\"");
        CHECK(head.last_modified == http_date(-60));
        CHECK(head.date == http_date(-1));
        CHECK(head.vary_names == "foo");
        CHECK(head.vary_values == "=1\n");
        CHECK(head.field_lines == fields_to_store(response_of(response), kArrival).serialised());
        CHECK(head.fields().combined("ETag") == "W/\"a\"");
    }
}

TEST_CASE("what is absent reads back empty") {
    const std::string block = encode_stored_head(ResponseFacts(), http::Fields(), "", "");
    const StoredHead head = view_stored_head(block);
    CHECK(head.field_lines.empty());
    CHECK(head.etag.empty());
    CHECK(head.last_modified.empty());
    CHECK(head.date.empty());
    CHECK(head.vary_names.empty());
    CHECK(head.vary_values.empty());
}

TEST_CASE("bytes from anywhere are read as a stored head, or refused") {
    http::Fields fields;
    fields.add("ETag", "\"a\"");
    const std::string block = encode_stored_head(ResponseFacts(), fields, "accept", "=a\n");
    const auto whole = read_stored_head(block);
    REQUIRE(whole);
    CHECK(whole->etag == "\"a\"");
    CHECK(whole->vary_values == "=a\n");
    for (std::size_t size = 0; size < block.size(); ++size) {
        CHECK_FALSE(read_stored_head(std::string_view(block).substr(0, size)));
    }
}

TEST_CASE("which fields are stored (RFC 9111 section 3.1)") {
    const std::string date = "Date: " + http_date(0) + "\r\n";
    struct Row {
        const char* name;
        const char* response;
        std::string lines;
    };
    const Row rows[] = {
        {"end-to-end fields stay", "A: 1\nDate: @0\nA: 2", "A: 1\r\n" + date + "A: 2\r\nVia: 1.1 gatehouse\r\n"},
        {"hop-by-hop fields go",
         "Connection: close, X\nKeep-Alive: 1\nProxy-Authenticate: a\nProxy-Authentication-Info: a\nTE: a\n"
         "Transfer-Encoding: chunked\nUpgrade: h2\nTrailer: a\nProxy-Connection: a\nX: 1\nDate: @0",
         date + "Via: 1.1 gatehouse\r\n"},
        {"framing and Age go", "Content-Length: 5\nAge: 7\nDate: @0", date + "Via: 1.1 gatehouse\r\n"},
        {"Date is added", "A: 1", "A: 1\r\nVia: 1.1 gatehouse\r\n" + date},
        {"a Date that cannot be read is replaced", "Date: today", date + "Via: 1.1 gatehouse\r\n"},
        {"Via is appended to", "Via: 1.0 x\nDate: @0", "Via: 1.0 x, 1.1 gatehouse\r\n" + date},
        {"names in no-cache", "Cache-Control: no-cache=\"a, b\"\nA: 1\nB: 2\nC: 3\nDate: @0",
         "Cache-Control: no-cache=\"a, b\"\r\nC: 3\r\n" + date + "Via: 1.1 gatehouse\r\n"},
        {"names in private", "Cache-Control: private=\"Set-Cookie\"\nSet-Cookie: a=1\nset-cookie: b=2\nDate: @0",
         "Cache-Control: private=\"Set-Cookie\"\r\n" + date + "Via: 1.1 gatehouse\r\n"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { CHECK(stored_lines(row.response) == row.lines); }
    }
}

TEST_CASE("what is left out of the store is there for the client that caused the answer") {
    const auto response =
        response_of("Cache-Control: private=\"Set-Cookie, Date\", no-cache=\"X\"\nSet-Cookie: a=1\nSet-Cookie: b=2\n"
                    "Date: @-5\nX: 1\nY: 2\nAge: 7");
    http::Fields left_out;
    const http::Fields stored = fields_to_store(response, kArrival, &left_out);
    CHECK(left_out.combined("Set-Cookie") == "a=1, b=2");
    CHECK(left_out.size() == 4);
    CHECK(stored.combined("Date") == http_date(0)); // stands in for the one that is not stored
    CHECK_FALSE(stored.contains("X"));
    const http::Fields first = with_left_out(stored, left_out);
    CHECK(first.combined("Set-Cookie") == "a=1, b=2");
    CHECK(first.combined("Date") == http_date(-5));
    CHECK(first.combined("X") == "1");
    CHECK(first.combined("Y") == "2");
    CHECK(first.combined("Via") == "1.1 gatehouse");
    CHECK_FALSE(first.contains("Age"));

    http::Fields nothing;
    fields_to_store(response_of("Cache-Control: private=\"X\"\nY: 1"), kArrival, &nothing);
    CHECK(nothing.size() == 0);
}

TEST_CASE("a response that is only passed on keeps what the directives and the cache would take") {
    const auto response = response_of("Cache-Control: private=\"Set-Cookie\"\nSet-Cookie: a=1\nAge: 7\nKeep-Alive: 1");
    const http::Fields fields = fields_to_forward(response, kArrival);
    CHECK(fields.combined("Set-Cookie") == "a=1");
    CHECK(fields.combined("Age") == "7");
    CHECK(fields.combined("Date") == http_date(0));
    CHECK(fields.combined("Via") == "1.1 gatehouse");
    CHECK_FALSE(fields.contains("Keep-Alive"));
}
