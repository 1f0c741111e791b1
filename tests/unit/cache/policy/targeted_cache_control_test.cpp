// Targeted Cache-Control fields: what is a well-formed dictionary, and which directives it gives.
#include "cache/policy/targeted_cache_control.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
using State = gatehouse::http::DeltaSeconds::State;

namespace {

std::optional<gatehouse::http::ResponseCacheControl> parse(std::string_view lines) {
    return parse_targeted_cache_control(fields_of(lines), "CDN-Cache-Control");
}

} // namespace

TEST_CASE("a targeted field is a dictionary or it is ignored") {
    struct Row {
        std::string_view value; // of CDN-Cache-Control
        const char* clause;
        bool is_used;
    };
    const Row rows[] = {
        {"max-age=60", "RFC 9213 section 2.1", true},
        {"max-age=60, no-cache", "RFC 9213 section 2.1", true},
        {"foobar, max-age=60", "RFC 9213 section 2.1", true},
        {"none", "RFC 9213 section 2.1", true},
        {"max-age=60;ext=1;other", "RFC 9213 section 2.1", true},
        {"max-age=60\t, no-store", "RFC 9651 section 4.2.2", true},
        {"a=\"x\\\"y\\\\\", b=tok/en:x, c=:aGk=:, d=?0, e=-1.5, f=(1 \"2\" x);q=1", "RFC 9651 section 3", true},
        {"a=()", "RFC 9651 section 3.1.1", true},
        {"*a=1", "RFC 9651 section 3.1.2", true},
        {"max-age=999999999999999", "RFC 9651 section 3.3.1", true},
        {"max-age=9999999999999999", "RFC 9651 section 3.3.1", false},
        {"", "RFC 9213 section 2.1", false},
        {"max-age=60,", "RFC 9651 section 4.2.2", false},
        {",max-age=60", "RFC 9651 section 4.2.2", false},
        {"max-age=60 no-store", "RFC 9651 section 4.2.2", false},
        {"max-age=60, &&&&&", "RFC 9213 section 2.1", false},
        {"Max-Age=60", "RFC 9651 section 3.1.2", false},
        {"1a", "RFC 9651 section 3.1.2", false},
        {"max-age =60", "RFC 9651 section 3.2", false},
        {"max-age= 60", "RFC 9651 section 3.2", false},
        {"max-age=", "RFC 9651 section 3.2", false},
        {"a=1.", "RFC 9651 section 3.3.2", false},
        {"a=1.1234", "RFC 9651 section 3.3.2", false},
        {"a=1234567890123.1", "RFC 9651 section 3.3.2", false},
        {"a=-", "RFC 9651 section 3.3.1", false},
        {"a=?2", "RFC 9651 section 3.3.6", false},
        {"a=\"x", "RFC 9651 section 3.3.3", false},
        {"a=\"x\\y\"", "RFC 9651 section 3.3.3", false},
        {"a=:x", "RFC 9651 section 3.3.5", false},
        {"a=(1 2", "RFC 9651 section 3.1.1", false},
        {"a=(1,2)", "RFC 9651 section 3.1.1", false},
        {"a=1;", "RFC 9651 section 3.1.2", false},
        {"a=1;b=", "RFC 9651 section 3.1.2", false},
        {"a=@1659578233, b=%\"f%c3%bc\"", "RFC 9651 section 3.3.7", true},
        {"a=@1.5", "RFC 9651 section 3.3.7", false},
        {"a=%\"%ff\"", "RFC 9651 section 3.3.8", false},
        {"\nCDN-Cache-Control: max-age=60", "RFC 9651 section 4.2", false},
    };
    for (const Row& row : rows) {
        SUBCASE(std::string(row.value).c_str()) {
            CAPTURE(row.clause);
            CHECK(parse("CDN-Cache-Control: " + std::string(row.value)).has_value() == row.is_used);
        }
    }
    CHECK_FALSE(parse("Cache-Control: max-age=60").has_value());
}

TEST_CASE("the directives of a targeted field") {
    const auto control = parse("CDN-Cache-Control: max-age=1, no-cache=\"a, b\"\nCDN-Cache-Control: max-age=5, public");
    REQUIRE(control);
    CHECK(control->max_age.seconds == 5); // the last of equal keys. RFC 9651 section 3.2
    CHECK(control->no_cache);             // qualified counts as unqualified
    CHECK(control->is_public);

    CHECK(parse("CDN-Cache-Control: max-age")->max_age.state == State::Invalid);
    CHECK(parse("CDN-Cache-Control: max-age=\"60\"")->max_age.state == State::Invalid);
    CHECK(parse("CDN-Cache-Control: max-age=1.5")->max_age.state == State::Invalid);
    CHECK(parse("CDN-Cache-Control: max-age=-1")->max_age.state == State::Invalid);
    CHECK(parse("CDN-Cache-Control: max-age=60;x")->max_age.seconds == 60);
    CHECK(parse("CDN-Cache-Control: private=\"x\"")->is_private);
    CHECK(parse("CDN-Cache-Control: no-store=5")->no_store);
    CHECK_FALSE(parse("CDN-Cache-Control: no-store=?0")->no_store);
    CHECK_FALSE(parse("CDN-Cache-Control: public=5")->is_public);
    CHECK_FALSE(parse("CDN-Cache-Control: must-understand=yes")->must_understand);
    CHECK(parse("CDN-Cache-Control: public")->is_public);
    CHECK(parse("CDN-Cache-Control: public=?1")->is_public);
    CHECK(parse("CDN-Cache-Control: max-age=(1)")->max_age.state == State::Invalid);
    CHECK(parse("CDN-Cache-Control: max-age=@1")->max_age.state == State::Invalid);
    CHECK(parse("CDN-Cache-Control: max-age=?0")->max_age.state == State::Absent);
    CHECK(parse("CDN-Cache-Control: max-age=2147483649")->max_age.seconds == std::uint32_t{1} << 31);
    CHECK(parse("CDN-Cache-Control: max-age=5, max-age=x")->max_age.state == State::Invalid); // the last one counts
    CHECK(parse("CDN-Cache-Control: s-maxage=1, stale-while-revalidate=2, stale-if-error=3")->s_maxage.seconds == 1);
    CHECK(parse("CDN-Cache-Control: s-maxage=1, stale-while-revalidate=2")->stale_while_revalidate.seconds == 2);
    CHECK(parse("CDN-Cache-Control: s-maxage=1, stale-if-error=3")->stale_if_error.seconds == 3);
    CHECK(parse("CDN-Cache-Control: unknown, must-revalidate, immutable")->must_revalidate);
}
