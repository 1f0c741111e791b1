// Partial content: which requests a stored part answers, how it is completed, what parts make together.
#include "cache/policy/partial.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace http = gatehouse::http;

namespace {

using Kind = Assembly::Kind;

// "4-8/10" as a stored part, with these fields.
Stored part(const std::string& range, const std::string& fields = "ETag: \"a\"") {
    return stored_of("", "206\nContent-Range: bytes " + range + "\nCache-Control: max-age=60\n" + fields);
}

std::string text_of(const std::optional<Assembly>& assembly) {
    if (!assembly) {
        return "none";
    }
    if (assembly->kind == Kind::NotModified || assembly->kind == Kind::Unsatisfiable) {
        CHECK(assembly->spans.empty());
        return std::to_string(assembly->status);
    }
    REQUIRE(assembly->kind == (assembly->spans.size() == 1 ? Kind::SinglePart : Kind::MultiPart));
    CHECK(assembly->boundary.empty() == (assembly->spans.size() == 1));
    CHECK(assembly->status == 206);
    std::string text; // the bytes that are sent, and where they lie in what is stored
    for (const http::ByteSpan& span : assembly->spans) {
        text += (text.empty() ? "" : ", ") + std::to_string(span.first) + "-" + std::to_string(span.last) + " from " +
                std::to_string(span.first - assembly->content_first);
    }
    return text;
}

http::Validators validators(const http::Fields& fields) { return validators_of(fields); }

} // namespace

TEST_CASE("which part a response says it is (RFC 9110 section 14.4)") {
    struct Row {
        const char* response;
        bool is_part;
    };
    const Row rows[] = {
        {"206\nContent-Range: bytes 0-4/10", true},
        {"206\nContent-Range: bytes 0-9/10", true},
        {"206\nContent-Range: bytes 0-4/*", false},
        {"206\nContent-Range: bytes 0-10/10", false},
        {"206\nContent-Range: bytes */10", false},
        {"206\nContent-Range: lines 0-4/10", false},
        {"206\nContent-Range: bytes 0-4/10\nContent-Range: bytes 5-9/10", false},
        {"206", false},
        {"200\nContent-Range: bytes 0-4/10", false},
        {"416\nContent-Range: bytes 0-4/10", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.response);
        CHECK(content_part(response_of(row.response)).has_value() == row.is_part);
        CHECK(part_of(stored_of("", row.response).view()).has_value() == row.is_part);
        CHECK(facts_of("", row.response, rfc9111()).is_part == row.is_part);
    }
    const auto known = content_part(response_of("206\nContent-Range: bytes 2-4/10"));
    CHECK(known->span == http::ByteSpan{2, 4});
    CHECK(known->complete_length == 10);
}

TEST_CASE("a part answers what lies wholly within it (RFC 9111 section 3.3)") {
    struct Row {
        const char* name;
        const char* range; // that is stored
        const char* request;
        const char* answer;
    };
    const Row rows[] = {
        {"all of it", "4-8/10", "Range: bytes=4-8", "4-8 from 0"},
        {"the first byte", "4-8/10", "Range: bytes=4-4", "4-4 from 0"},
        {"the last byte", "4-8/10", "Range: bytes=8-8", "8-8 from 4"},
        {"in between", "4-8/10", "Range: bytes=5-7", "5-7 from 1"},
        {"one byte before it", "4-8/10", "Range: bytes=3-8", "none"},
        {"one byte behind it", "4-8/10", "Range: bytes=4-9", "none"},
        {"before it", "4-8/10", "Range: bytes=0-3", "none"},
        {"behind it", "4-8/10", "Range: bytes=9-9", "none"},
        {"to the end, which is not there", "4-8/10", "Range: bytes=4-", "none"},
        {"to the end, which is there", "4-9/10", "Range: bytes=6-", "6-9 from 2"},
        {"beyond the end, which is there", "4-9/10", "Range: bytes=6-100", "6-9 from 2"},
        {"a suffix", "4-9/10", "Range: bytes=-3", "7-9 from 3"},
        {"a suffix that is all of it", "4-9/10", "Range: bytes=-6", "4-9 from 0"},
        {"a suffix that is longer", "4-9/10", "Range: bytes=-7", "none"},
        {"a suffix of what does not reach the end", "4-8/10", "Range: bytes=-1", "none"},
        {"behind the end of everything", "4-8/10", "Range: bytes=10-", "416"},
        {"behind the end of everything, twice", "4-8/10", "Range: bytes=10-,11-12", "416"},
        {"no bytes of the end", "4-8/10", "Range: bytes=-0", "416"},
        {"If-None-Match, behind the end", "4-8/10", "Range: bytes=10-\nIf-None-Match: \"a\"", "304"},
        {"If-Range, other, behind the end", "4-8/10", "Range: bytes=10-\nIf-Range: \"b\"", "none"},
        {"two ranges", "4-9/10", "Range: bytes=4-5,7-8", "4-5 from 0, 7-8 from 3"},
        {"two ranges backwards", "4-9/10", "Range: bytes=7-8,4-5", "7-8 from 3, 4-5 from 0"},
        {"two ranges, one a suffix", "4-9/10", "Range: bytes=4-4,-2", "4-4 from 0, 8-9 from 4"},
        {"two ranges, one before it", "4-9/10", "Range: bytes=3-5,7-8", "none"},
        {"two ranges, one behind it", "4-8/10", "Range: bytes=4-5,8-9", "none"},
        {"two ranges and If-None-Match", "4-9/10", "Range: bytes=4-5,7-8\nIf-None-Match: \"a\"", "304"},
        {"two ranges, one satisfiable", "4-9/10", "Range: bytes=4-5,10-11", "4-5 from 0"},
        {"two Range lines", "4-9/10", "Range: bytes=4-5\nRange: bytes=4-5", "none"},
        {"another unit", "4-9/10", "Range: lines=4-5", "none"},
        {"malformed", "4-9/10", "Range: bytes=5-4", "none"},
        {"no range", "4-9/10", "", "none"},
        {"a part that is the whole", "0-9/10", "Range: bytes=0-", "0-9 from 0"},
        {"If-Range, equal", "4-9/10", "Range: bytes=4-5\nIf-Range: \"a\"", "4-5 from 0"},
        {"If-Range, other", "4-9/10", "Range: bytes=4-5\nIf-Range: \"b\"", "none"},
        {"If-None-Match, equal", "4-9/10", "Range: bytes=4-5\nIf-None-Match: \"a\"", "304"},
        {"If-None-Match, other", "4-9/10", "Range: bytes=4-5\nIf-None-Match: \"b\"", "4-5 from 0"},
        {"If-None-Match, but not within it", "4-9/10", "Range: bytes=0-5\nIf-None-Match: \"a\"", "none"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const Stored stored = part(row.range);
            const auto size = part_of(stored.view())->span.size();
            CHECK(text_of(assemble_part(request_of(row.request), stored.view(), size, kArrival, 0)) == row.answer);
        }
    }
    const Stored whole = stored_of("", "200\nETag: \"a\"");
    CHECK(text_of(assemble_part(request_of("Range: bytes=0-1"), whole.view(), 10, kArrival, 0)) == "none");
}

TEST_CASE("no byte is sent that an origin counted and did not send") {
    struct Row {
        const char* name;
        const char* range;
        std::uint64_t stored_bytes;
        const char* request;
        const char* answer;
    };
    const Row rows[] = {
        {"to the end", "4-9/10", 5, "Range: bytes=6-", "6-8 from 2"},
        {"in between", "4-9/10", 5, "Range: bytes=6-8", "6-8 from 2"},
        {"a suffix", "4-9/10", 5, "Range: bytes=-5", "5-9 from 0"},
        {"the last byte", "4-9/10", 5, "Range: bytes=-1", "9-9 from 4"},
        {"a suffix that is longer than what came", "4-9/10", 5, "Range: bytes=-6", "none"},
        {"the byte that did not come", "4-9/10", 5, "Range: bytes=9-9", "none"},
        {"up to the byte that did not come", "4-8/10", 4, "Range: bytes=4-8", "none"},
        {"nothing came", "4-9/10", 0, "Range: bytes=4-9", "none"},
        {"several ranges that came", "4-9/10", 5, "Range: bytes=4-4,6-6", "none"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const Stored stored = part(row.range);
            CHECK(text_of(assemble_part(request_of(row.request), stored.view(), row.stored_bytes, kArrival, 0)) ==
                  row.answer);
        }
    }
}

TEST_CASE("the head of a range out of a part names the range and the complete length") {
    const Stored stored = part("4-9/10", "ETag: \"a\"\nContent-Type: text/plain");
    const auto assembly = assemble_part(request_of("Range: bytes=5-6"), stored.view(), 6, kArrival, 0);
    REQUIRE(assembly);
    std::string head;
    append_head(head, *assembly, stored.view(), part_of(stored.view())->complete_length);
    CHECK(head.starts_with("HTTP/1.1 206 Partial Content\r\n"));
    const auto fields = http::Fields::from_serialised(head.substr(head.find('\n') + 1));
    CHECK(fields.combined("Content-Range") == "bytes 5-6/10");
    CHECK(fields.first("ETag") == "\"a\"");
    CHECK(fields.first("Content-Type") == "text/plain");
    CHECK(content_length(*assembly, stored.view(), 6) == 2);
}

TEST_CASE("a beginning or an end is completed when it has a strong validator (RFC 9111 section 3.4)") {
    struct Row {
        const char* name;
        const char* range;
        const char* fields;
        std::uint64_t stored_bytes;
        bool immutable;
        const char* answer; // the Range and If-Range that are sent
    };
    const Row rows[] = {
        {"strong tag", "0-4/10", "ETag: \"a\"", 5, false, "bytes=5- \"a\""},
        {"weak tag", "0-4/10", "ETag: W/\"a\"", 5, false, "none"},
        {"weak tag, strong date", "0-4/10", "ETag: W/\"a\"\nDate: @0\nLast-Modified: @-60", 5, false, "none"},
        {"malformed tag", "0-4/10", "ETag: a", 5, false, "none"},
        {"strong date", "0-4/10", "Date: @0\nLast-Modified: @-1", 5, false, "bytes=5- Sun, 01 Mar 2026 11:59:59 GMT"},
        {"weak date", "0-4/10", "Date: @0\nLast-Modified: @0", 5, false, "none"},
        {"no validator", "0-4/10", "A: 1", 5, false, "none"},
        {"no validator, immutable", "0-4/10", "A: 1", 5, true, "bytes=5- "},
        {"strong tag, immutable", "0-4/10", "ETag: \"a\"", 5, true, "bytes=5- \"a\""},
        {"neither beginning nor end", "1-4/10", "ETag: \"a\"", 4, false, "none"},
        {"both", "0-9/10", "ETag: \"a\"", 10, false, "none"},
        {"the first byte", "0-0/10", "ETag: \"a\"", 1, false, "bytes=1- \"a\""},
        {"all but the last byte", "0-8/10", "ETag: \"a\"", 9, false, "bytes=9- \"a\""},
        {"an end", "6-9/10", "ETag: \"a\"", 4, false, "bytes=0-5 \"a\""},
        {"all but the first byte", "1-9/10", "ETag: \"a\"", 9, false, "bytes=0-0 \"a\""},
        {"fewer bytes than it says", "0-4/10", "ETag: \"a\"", 4, false, "none"},
        {"an end with fewer bytes than it says", "6-9/10", "ETag: \"a\"", 3, false, "none"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const Stored stored = part(row.range, row.fields);
            const StoredHead head = stored.view();
            const PartPlace place = place_of(head, row.stored_bytes, row.immutable);
            std::string answer = "none";
            if (place != PartPlace::None) {
                const bool is_beginning = place == PartPlace::Beginning;
                const Completion completion =
                    completion_of(is_beginning ? &head : nullptr, is_beginning ? nullptr : &head);
                answer = completion.range + " " + std::string(completion.if_range);
            }
            CHECK(answer == row.answer);
        }
    }
    CHECK(place_of(stored_of("", "200\nETag: \"a\"").view(), 5, true) == PartPlace::None);
    const Stored beginning = part("0-2/10");
    const Stored end = part("6-9/10");
    const StoredHead first = beginning.view();
    const StoredHead last = end.view();
    CHECK(completion_of(&first, &last).range == "bytes=3-5");
    CHECK(missing_between(&first, &last).span == http::ByteSpan{3, 5});
    CHECK(missing_between(&first, &last).complete_length == 10);
}

TEST_CASE("which responses are of the same representation (RFC 9111 section 3.4)") {
    struct Row {
        const char* name;
        const char* a;
        const char* b;
        bool is_same;
        bool is_same_if_immutable;
    };
    const Row rows[] = {
        {"equal tags", "ETag: \"a\"", "ETag: \"a\"", true, true},
        {"other tags", "ETag: \"a\"", "ETag: \"b\"", false, false},
        {"weak tags", "ETag: W/\"a\"", "ETag: W/\"a\"", false, false},
        {"one weak tag", "ETag: \"a\"", "ETag: W/\"a\"", false, false},
        {"one tag missing", "ETag: \"a\"", "A: 1", false, false},
        {"malformed tags", "ETag: a", "ETag: a", false, false},
        {"equal strong dates", "Last-Modified: @-60\nDate: @0", "Last-Modified: @-60\nDate: @5", true, true},
        {"one weak date", "Last-Modified: @-60\nDate: @-60", "Last-Modified: @-60\nDate: @5", false, false},
        {"other dates", "Last-Modified: @-60\nDate: @0", "Last-Modified: @-61\nDate: @5", false, false},
        {"equal dates, other tags", "ETag: \"a\"\nLast-Modified: @-60\nDate: @0",
         "ETag: \"b\"\nLast-Modified: @-60\nDate: @0", false, false},
        {"no validators", "A: 1", "A: 1", false, true},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto a = fields_of(row.a);
            const auto b = fields_of(row.b);
            CHECK(same_representation(validators(a), validators(b), false, kArrival) == row.is_same);
            CHECK(same_representation(validators(b), validators(a), false, kArrival) == row.is_same);
            CHECK(same_representation(validators(a), validators(b), true, kArrival) == row.is_same_if_immutable);
        }
    }
}

TEST_CASE("what parts make together has the newer fields (RFC 9110 section 15.3.7.3)") {
    const Stored older = part("0-4/10", "ETag: \"a\"\nDate: @-9\nA: 1\nB: 1\nContent-Type: text/plain");
    const char* const kNewer = "206\nContent-Range: bytes 5-9/10\nCache-Control: max-age=9\nETag: \"a\"\nDate: @-1\n"
                               "Age: 3\nA: 2";
    auto facts = facts_of("", kNewer, rfc9111());
    facts.asker = 7;
    const auto lines = fields_to_store(response_of(kNewer), kArrival);
    const auto whole = combined_head(older.view(), facts, lines, std::nullopt, {});
    CHECK(whole.facts.status == 200);
    CHECK_FALSE(whole.facts.is_part);
    CHECK(whole.facts.max_age.seconds == 9);
    CHECK(whole.facts.age_seconds == 3);
    CHECK(whole.facts.asker == 7);
    CHECK(whole.facts.date == kArrival - seconds(1));
    CHECK(whole.lines.combined("A") == "2");
    CHECK(whole.lines.combined("B") == "1");
    CHECK(whole.lines.combined("Content-Type") == "text/plain");
    CHECK(whole.lines.combined("Date") == http_date(-1));
    CHECK_FALSE(whole.lines.contains("Content-Range"));
    CHECK_FALSE(whole.lines.contains("Age"));

    const ContentPart both{{0, 9}, 20};
    const auto longer = combined_head(older.view(), facts, lines, both, {});
    CHECK(longer.facts.status == 206);
    CHECK(longer.facts.is_part);
    CHECK(longer.lines.combined("Content-Range") == "bytes 0-9/20");
}

TEST_CASE("what was known of either request is known of what parts make together (RFC 9111 section 3.5)") {
    const char* const kPart = "206\nContent-Range: bytes 0-4/10\nCache-Control: public, max-age=9\nETag: \"a\"";
    const Stored older = stored_of("Authorization: x", kPart);
    const auto facts = facts_of("", kPart, rfc9111());
    const auto lines = fields_to_store(response_of(kPart), kArrival);
    CHECK(combined_head(older.view(), facts, lines, std::nullopt, {}).facts.request_authorization);
    const auto authorized = facts_of("Authorization: x", kPart, rfc9111());
    const Stored open = stored_of("", kPart);
    CHECK(combined_head(open.view(), authorized, lines, std::nullopt, {}).facts.request_authorization);
    CHECK_FALSE(combined_head(open.view(), facts, lines, std::nullopt, {}).facts.request_authorization);
}

TEST_CASE("what is immutable was not modified since any date") {
    struct Row {
        const char* request;
        const char* response;
        bool immutable;
        bool is_not_modified;
    };
    const Row rows[] = {
        {"If-Modified-Since: @-3000", "Date: @0", true, true},
        {"If-Modified-Since: @-3000", "Date: @0", false, false},
        {"If-Modified-Since: junk", "Date: @0", true, false},
        {"If-Modified-Since: @-3000\nIf-Modified-Since: @-3000", "Date: @0", true, false},
        {"If-None-Match: \"a\"\nIf-Modified-Since: @-3000", "Date: @0", true, false},
        {"If-Modified-Since: @-3000", "Date: @0\nLast-Modified: @-60", true, false}, // the origin knows better
        {"", "Date: @0", true, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.request);
        const Stored stored = stored_of("", row.response);
        const auto assembly = assemble(request_of(row.request), stored.view(), 5, kArrival, 0, row.immutable);
        CHECK((assembly.kind == Kind::NotModified) == row.is_not_modified);
    }
}

TEST_CASE("conditions and ranges of a part that just came are evaluated, but no range is cut from it") {
    const Stored stored = part("4-8/10");
    const auto kind = [&](const char* request) {
        return assemble(request_of(request), stored.view(), 5, kArrival, 0).kind;
    };
    CHECK(kind("Range: bytes=4-8") == Kind::Whole);
    CHECK(kind("Range: bytes=4-5") == Kind::Whole);
    CHECK(kind("Range: bytes=4-8\nIf-None-Match: \"a\"") == Kind::NotModified);
    std::string head;
    append_head(head, assemble(request_of("Range: bytes=4-8"), stored.view(), 5, kArrival, 0), stored.view(), 5);
    CHECK(head.starts_with("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-8/10\r\n"));
}

TEST_CASE(
    "the rest of what is stored is asked for where a strong validator of the origin's can say that it still fits") {
    struct Row {
        const char* stored;
        std::uint64_t first;
        std::uint64_t bytes;
        const char* range; // "none": it is not asked for
        const char* if_range;
        std::uint64_t complete_length;
    };
    const Row rows[] = {
        {"200\nETag: \"a\"", 4, 6, "bytes=4-9", "\"a\"", 10},
        {"200\nETag: \"a\"", 0, 1, "bytes=0-0", "\"a\"", 10},
        {"200\nETag: \"a\"", 4, 0, "none", "", 0},
        {"200\nETag: W/\"a\"", 4, 6, "none", "", 0},
        {"200", 4, 6, "none", "", 0},
        {"200\nDate: @0\nLast-Modified: @-3000", 4, 6, "bytes=4-9", "@-3000", 10},
        {"200\nDate: @0\nLast-Modified: @0", 4, 6, "none", "", 0}, // not strong: it may have changed since
        {"206\nContent-Range: bytes 20-29/50\nETag: \"a\"", 4, 6, "bytes=24-29", "\"a\"", 50},
        {"404\nETag: \"a\"", 4, 6, "none", "", 0},
    };
    for (const Row& row : rows) {
        CAPTURE(row.stored);
        const Stored stored = stored_of("", row.stored);
        const auto rest = rest_of(stored.view(), 10, row.first, row.bytes);
        CHECK((rest ? rest->completion.range : "none") == row.range);
        if (rest) {
            CHECK(rest->completion.if_range == (*row.if_range == '@' ? http_date(-3000) : row.if_range));
            CHECK(rest->part.complete_length == row.complete_length);
        }
    }
    const Stored ours = stored_of("", "200\nETag: \"a\"");
    StoredHead head = ours.view();
    head.facts.etag_generated = true; // the origin never heard of it
    CHECK_FALSE(rest_of(head, 10, 4, 6));
}

TEST_CASE("no byte of another representation, and none from elsewhere, is taken for the rest (RFC 9111 section 3.4)") {
    const Stored stored = stored_of("", "200\nETag: \"a\"");
    const auto rest = rest_of(stored.view(), 10, 4, 4);
    REQUIRE(rest);
    struct Row {
        const char* answer;
        bool fits;
    };
    const Row rows[] = {
        {"206\nContent-Range: bytes 4-7/10\nETag: \"a\"", true},
        {"206\nContent-Range: bytes 4-9/10\nETag: \"a\"", true}, // more than was asked for
        {"206\nContent-Range: bytes 4-6/10\nETag: \"a\"", false},
        {"206\nContent-Range: bytes 3-7/10\nETag: \"a\"", false},
        {"206\nContent-Range: bytes 5-7/10\nETag: \"a\"", false},
        {"206\nContent-Range: bytes 4-7/11\nETag: \"a\"", false},
        {"206\nContent-Range: bytes 4-7/*\nETag: \"a\"", false},
        {"206\nContent-Range: bytes 4-7/10\nETag: \"b\"", false},
        {"206\nContent-Range: bytes 4-7/10\nETag: W/\"a\"", false},
        {"206\nContent-Range: bytes 4-7/10", false},
        {"206\nETag: \"a\"", false},
        {"200\nETag: \"a\"", false},
        {"416\nContent-Range: bytes */10\nETag: \"a\"", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.answer);
        CHECK(is_rest(stored_of("", row.answer).view(), *rest) == row.fits);
    }
}
