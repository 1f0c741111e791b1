// Validation: the conditional request, what a 304 speaks of, and what it changes.
#include "cache/policy/validation.h"

#include "cache/policy/freshness.h"
#include "cache/policy/storability.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace http = gatehouse::http;

namespace {

http::ResponseHead not_modified(std::string_view lines) {
    http::ResponseHead head = response_of(lines);
    head.status = 304;
    return head;
}

FreshenedHead freshen_at(const Stored& stored, std::string_view lines, WallTime when, std::string_view request = "") {
    return freshen(stored.view(), not_modified(lines), request_facts_of(request), false, when, when,
                   {"CDN-Cache-Control"});
}

} // namespace

TEST_CASE("the client's own conditions are removed") {
    http::Fields fields = fields_of("If-None-Match: \"a\"\nA: 1\nif-modified-since: @0\nIf-Match: *\n"
                                    "If-Unmodified-Since: @0\nIf-Range: \"a\"\nRange: bytes=0-1\nIf-None-Match: \"b\"");
    remove_client_conditions(fields);
    CHECK(fields.serialised() == "A: 1\r\n");
}

TEST_CASE("the conditional request (RFC 9111 section 4.3.1)") {
    struct Row {
        const char* name;
        const char* response;
        const char* none_match; // "" when there is no such field
        long modified_since;    // seconds before kArrival; 0 when there is no such field
    };
    const Row rows[] = {
        {"strong ETag", "ETag: \"a\"", "\"a\"", 0},
        {"weak ETag", "ETag: W/\"a\"", "W/\"a\"", 0},
        {"Last-Modified", "Last-Modified: @-60", "", 60},
        {"both", "ETag: \"a\"\nLast-Modified: @-60", "\"a\"", 60},
        {"malformed ETag", "ETag: a", "", 0},
        {"malformed ETag and Last-Modified", "ETag: a\nLast-Modified: @-60", "", 60},
        {"malformed Last-Modified", "Last-Modified: then", "", 0},
        {"neither", "A: 1", "", 0},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const Stored stored = stored_of("", row.response);
            http::Fields request = fields_of("If-None-Match: \"old\"\nIf-Modified-Since: @-1");
            remove_client_conditions(request);
            const bool added = add_validators(request, stored.view());
            CHECK(added == (*row.none_match != '\0' || row.modified_since != 0));
            CHECK(added == stored.view().facts.has_validator);
            CHECK(request.combined("If-None-Match") == row.none_match);
            CHECK(request.combined("If-Modified-Since") ==
                  (row.modified_since == 0 ? "" : http_date(-row.modified_since)));
            // What the origin sent is passed on as it came.
            CHECK(stored.view().fields().serialised() == stored.view().field_lines);
        }
    }
}

TEST_CASE("which stored response a 304 speaks of (RFC 9111 section 4.3.4)") {
    struct Row {
        const char* name;
        const char* stored;
        const char* answer;
        bool freshens;
    };
    const Row rows[] = {
        {"same strong tag", "ETag: \"a\"", "ETag: \"a\"", true},
        {"other strong tag", "ETag: \"a\"", "ETag: \"b\"", false},
        {"strong tag, stored weak", "ETag: W/\"a\"", "ETag: \"a\"", false},
        {"strong tag, none stored", "Last-Modified: @-60", "ETag: \"a\"\nLast-Modified: @-60", false},
        {"same weak tag", "ETag: W/\"a\"", "ETag: W/\"a\"", true},
        {"other weak tag", "ETag: W/\"a\"", "ETag: W/\"b\"", false},
        {"weak tag, stored strong", "ETag: \"a\"", "ETag: W/\"a\"", true},
        {"weak tag decides before the date", "ETag: W/\"a\"\nLast-Modified: @-60", "ETag: W/\"b\"\nLast-Modified: @-60",
         false},
        {"weak tag, date stored", "Last-Modified: @-60", "ETag: W/\"a\"\nLast-Modified: @-60", true},
        {"weak tag, none stored", "A: 1", "ETag: W/\"a\"", false},
        {"same date", "Last-Modified: @-60", "Last-Modified: @-60", true},
        {"other date", "Last-Modified: @-60", "Last-Modified: @-59", false},
        {"same date in another form", "Last-Modified: @-60", "Last-Modified: Sunday, 01-Mar-26 11:59:00 GMT", true},
        {"date, tag stored", "ETag: \"a\"", "Last-Modified: @-60", false},
        {"date and tag stored, date only", "ETag: \"a\"\nLast-Modified: @-60", "Last-Modified: @-60", true},
        {"no validator, tag stored", "ETag: \"a\"", "A: 1", true},
        {"no validator at all", "A: 1", "A: 1", true},
        {"a malformed tag is none", "ETag: \"a\"", "ETag: a", true},
        {"malformed tags are not compared", "ETag: a\nLast-Modified: @-60", "ETag: b\nLast-Modified: @-60", true},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CHECK(freshens(not_modified(row.answer), stored_of("", row.stored).view()) == row.freshens);
        }
    }
}

TEST_CASE("which fields a 304 replaces (RFC 9111 section 3.2)") {
    struct Row {
        const char* name;
        const char* stored;
        const char* answer;
        const char* field;
        const char* value; // afterwards, combined
    };
    const Row rows[] = {
        {"left alone", "A: 1", "B: 2", "A", "1"},
        {"added", "A: 1", "B: 2", "B", "2"},
        {"replaced", "A: 1", "a: 2", "A", "2"},
        {"all lines by all lines", "A: 1\nB: 1\nA: 2", "A: 3\nC: 1\nA: 4", "A", "3, 4"},
        {"two lines by one", "A: 1\nA: 2", "A: 3", "A", "3"},
        {"by an empty one", "A: 1", "A: ", "A", ""},
        {"Cache-Control", "Cache-Control: max-age=1", "Cache-Control: max-age=9", "Cache-Control", "max-age=9"},
        {"Expires stays", "Expires: 0", "Cache-Control: max-age=9", "Expires", "0"},
        {"Set-Cookie", "A: 1", "Set-Cookie: a=1\nSet-Cookie: b=2", "Set-Cookie", "a=1, b=2"},
        {"Content-Type", "Content-Type: text/plain", "Content-Type: text/html", "Content-Type", "text/html"},
        {"not Content-MD5", "Content-MD5: a", "Content-MD5: b", "Content-MD5", "a"},
        {"not Content-Digest", "Content-Digest: sha-256=:a:", "Content-Digest: sha-256=:b:", "Content-Digest",
         "sha-256=:a:"},
        {"not Repr-Digest", "Repr-Digest: sha-256=:a:", "Repr-Digest: sha-256=:b:", "Repr-Digest", "sha-256=:a:"},
        {"not Content-Encoding", "Content-Encoding: gzip", "Content-Encoding: br", "Content-Encoding", "gzip"},
        {"not Content-Range", "A: 1", "Content-Range: bytes 0-1/2", "Content-Range", ""},
        {"not Content-Length", "A: 1", "Content-Length: 0", "Content-Length", ""},
        {"Content-Foo", "Content-Foo: 1", "Content-Foo: 2", "Content-Foo", "2"},
        {"Content-Location", "Content-Location: /a", "Content-Location: /b", "Content-Location", "/b"},
        {"not hop-by-hop", "A: 1", "Keep-Alive: 5", "Keep-Alive", ""},
        {"not what Connection names", "A: 1", "Connection: A\nA: 2", "A", "1"},
        {"not Age", "A: 1", "Age: 5", "Age", ""},
        {"Via, ours stays", "A: 1", "B: 1", "Via", "1.1 gatehouse"},
        {"Via, theirs and ours", "Via: 1.1 x", "Via: 1.1 y", "Via", "1.1 y, 1.1 gatehouse"},
        {"excluded by the new no-cache", "A: 1", "Cache-Control: no-cache=\"A\"", "A", ""},
        {"excluded from the 304 itself", "A: 1", "Cache-Control: private=\"Set-Cookie\"\nSet-Cookie: a=1", "Set-Cookie",
         ""},
        {"Date", "Date: @-60", "Date: @5", "Date", "Sun, 01 Mar 2026 12:00:05 GMT"},
        {"no Date", "Date: @-60", "A: 1", "Date", ""},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const Stored stored = stored_of("", row.stored);
            const http::Fields fields = freshened_fields(stored.view(), not_modified(row.answer));
            CHECK(fields.combined(row.field) == row.value);
            // It can be stored and read back.
            CHECK(http::Fields::from_serialised(fields.serialised()).combined(row.field) == row.value);
        }
    }
}

TEST_CASE("a freshened response starts a new life (RFC 9111 section 4.3.4)") {
    const Stored stored = stored_of("", "404\nDate: @-1\nCache-Control: max-age=10\nAge: 3\nETag: \"a\"");
    const WallTime later = kArrival + seconds(100);
    struct Row {
        const char* name;
        const char* answer;
        milliseconds age;
        milliseconds lifetime;
    };
    const Row rows[] = {
        {"Date of the 304", "Date: @98", seconds(2), seconds(10)},
        {"no Date", "A: 1", seconds(0), seconds(10)},
        {"a Date that cannot be read", "Date: now", seconds(0), seconds(10)},
        {"Age of the 304", "Date: @100\nAge: 4", seconds(4), seconds(10)},
        {"a new lifetime", "Date: @100\nCache-Control: max-age=20", seconds(0), seconds(20)},
        {"a targeted lifetime", "Date: @100\nCDN-Cache-Control: max-age=30", seconds(0), seconds(30)},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const FreshenedHead head = freshen_at(stored, row.answer, later);
            const Freshness now = freshness(head.facts, rfc9111(), later);
            CHECK(now.age == row.age);
            CHECK(now.lifetime.duration == row.lifetime);
            CHECK(head.facts.status == 404);
            CHECK_FALSE(head.lines.contains("Age"));
            const std::string date = head.lines.combined("Date");
            CHECK(http::parse_http_date(date, later).has_value());
            CHECK(date != http_date(-1));
        }
    }
}

TEST_CASE("what a 304 brings for its client alone is not stored") {
    const Stored stored = stored_of("", "Cache-Control: max-age=10\nETag: \"a\"\nX: old");
    const FreshenedHead head = freshen_at(
        stored, "Cache-Control: max-age=10, private=\"Set-Cookie, X\"\nSet-Cookie: a=1", kArrival + seconds(20));
    CHECK_FALSE(head.lines.contains("Set-Cookie"));
    CHECK_FALSE(head.lines.contains("X"));
    CHECK(head.left_out.combined("Set-Cookie") == "a=1");
    CHECK(head.left_out.combined("X") == "old");
    CHECK_FALSE(head.facts.has_set_cookie);
}

TEST_CASE("a 304 may end the life of a stored response") {
    const Stored stored = stored_of("", "Cache-Control: max-age=10\nETag: \"a\"");
    struct Row {
        const char* name;
        const char* request;
        const char* answer;
        Reason reason;
    };
    const Row rows[] = {
        {"nothing new", "", "A: 1", Reason::None},
        {"no-store", "", "Cache-Control: no-store", Reason::ResponseNoStore},
        {"private", "", "Cache-Control: private", Reason::ResponsePrivate},
        {"Set-Cookie", "", "Set-Cookie: a=1", Reason::SetCookie},
        {"Vary: *", "", "Vary: *", Reason::VaryStar},
        {"asked for with no-store", "Cache-Control: no-store", "A: 1", Reason::RequestNoStore},
        {"asked for with Authorization", "Authorization: x", "A: 1", Reason::Authorization},
        {"asked for with HEAD", "HEAD", "A: 1", Reason::None},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const FreshenedHead head = freshen_at(stored, row.answer, kArrival + seconds(20), row.request);
            CHECK(to_string(decide_storability(head.facts, own()).reason) == to_string(row.reason));
        }
    }
    // What was forbidden to share before is not made shareable by another request.
    const Stored authorized = stored_of("Authorization: x", "Cache-Control: max-age=10, public\nETag: \"a\"");
    const FreshenedHead head = freshen_at(authorized, "Cache-Control: max-age=10", kArrival);
    CHECK(to_string(decide_storability(head.facts, own()).reason) == to_string(Reason::Authorization));
}

TEST_CASE("what the answer to HEAD confirms (RFC 9111 section 4.3.5)") {
    struct Row {
        const char* name;
        const char* stored;
        const char* head;
        bool confirms;
    };
    const Row rows[] = {
        {"nothing to compare", "ETag: \"a\"", "A: 1", true},
        {"equal tag", "ETag: \"a\"", "ETag: \"a\"", true},
        {"weakly equal tag", "ETag: \"a\"", "ETag: W/\"a\"", true},
        {"other tag", "ETag: \"a\"", "ETag: \"b\"", false},
        {"a tag where none is stored", "A: 1", "ETag: \"a\"", false},
        {"equal malformed tags", "ETag: a", "ETag: a", true},
        {"other malformed tags", "ETag: a", "ETag: b", false},
        {"equal date", "Last-Modified: @-60", "Last-Modified: @-60", true},
        {"other date", "Last-Modified: @-60", "Last-Modified: @-59", false},
        {"a date where none is stored", "A: 1", "Last-Modified: @-60", false},
        {"a date that is none", "Last-Modified: @-60", "Last-Modified: x", true},
        {"equal tag, other date", "ETag: \"a\"\nLast-Modified: @-60", "ETag: \"a\"\nLast-Modified: @-59", false},
        {"equal length", "ETag: \"a\"", "ETag: \"a\"\nContent-Length: 5", true},
        {"other length", "ETag: \"a\"", "ETag: \"a\"\nContent-Length: 6", false},
        {"other length alone", "A: 1", "Content-Length: 4", false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CHECK(confirms(response_of(row.head), stored_of("", row.stored).view(), 5) == row.confirms);
        }
    }
}
