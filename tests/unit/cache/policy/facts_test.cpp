// Facts: what is read from the fields of a request and of a response.
#include "cache/policy/facts.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace http = gatehouse::http;

namespace {

ResponseFacts facts(std::string_view response, std::string_view request = "") {
    return facts_of(request, response, rfc9111());
}

} // namespace

TEST_CASE("the facts of a request") {
    const RequestFacts plain = request_facts_of("Host: a");
    CHECK(plain.method == http::Method::Get);
    CHECK_FALSE(plain.authorization);
    CHECK_FALSE(plain.cookie);
    CHECK_FALSE(plain.range);
    CHECK_FALSE(plain.upgrade);
    CHECK_FALSE(plain.has_content);
    CHECK_FALSE(plain.origin_only_precondition);

    CHECK(request_facts_of("authorization: Basic x").authorization);
    CHECK(request_facts_of("cookie: a=1").cookie);
    CHECK(request_facts_of("Range: bytes=0-1").range);
    CHECK_FALSE(request_facts_of("HEAD\nRange: bytes=0-1").range); // RFC 9110 section 14.2
    CHECK(request_facts_of("If-Match: *").origin_only_precondition);
    CHECK(request_facts_of("If-Unmodified-Since: @0").origin_only_precondition);
    CHECK(request_facts_of("Cache-Control: no-store").cache_control.no_store);
    CHECK(request_facts_of("Pragma: no-cache").cache_control.no_cache);
    CHECK(request_facts(request_of("POST"), true).has_content);
}

TEST_CASE("a protocol switch needs both fields, and h2c alone is none") {
    struct Row {
        const char* lines;
        bool upgrade;
    };
    const Row rows[] = {
        {"Connection: Upgrade\nUpgrade: websocket", true},
        {"Connection: keep-alive, upgrade\nUpgrade: websocket", true},
        {"Upgrade: websocket", false},
        {"Connection: upgrade", false},
        {"Connection: close\nUpgrade: websocket", false},
        {"Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: x", false},
        {"Connection: Upgrade\nUpgrade: h2c, websocket", true},
    };
    for (const Row& row : rows) {
        SUBCASE(row.lines) { CHECK(request_facts_of(row.lines).upgrade == row.upgrade); }
    }
    // RFC 9110 section 7.8
    http::RequestHead old = request_of("Connection: Upgrade\nUpgrade: websocket");
    CHECK_FALSE(request_facts(old, true).upgrade); // its content is still to come
    old.version = http::Version::Http10;
    CHECK_FALSE(request_facts(old, false).upgrade);
}

TEST_CASE("Date, Expires and Last-Modified") {
    CHECK(facts("Date: @-5").date == kArrival - seconds(5));
    CHECK(facts("").date == kArrival); // RFC 9110 section 6.6.1
    CHECK(facts("Date: today").date == kArrival);

    CHECK(facts("").expires_state == LifetimeState::Absent);
    CHECK(facts("Expires: @60").expires_state == LifetimeState::Valid);
    CHECK(facts("Expires: @60").expires == kArrival + seconds(60));
    for (const char* value : {"Expires: 0", "Expires: -1", "Expires: never", "Expires: "}) {
        CAPTURE(value);
        CHECK(facts(value).expires_state == LifetimeState::Invalid); // RFC 9111 section 5.3
    }
    // Of two the one that restricts more. RFC 9111 section 4.2.1
    CHECK(facts("Expires: @60\nExpires: @30").expires == kArrival + seconds(30));
    CHECK(facts("Expires: @60\nExpires: 0").expires_state == LifetimeState::Invalid);
    CHECK(facts("Expires: 0\nExpires: @60").expires_state == LifetimeState::Invalid);

    CHECK(facts("Last-Modified: @-90").has_last_modified);
    CHECK(facts("Last-Modified: @-90").last_modified == kArrival - seconds(90));
    CHECK_FALSE(facts("Last-Modified: yesterday").has_last_modified);
}

TEST_CASE("Age: the first member counts, an invalid one is ignored (RFC 9111 section 5.1)") {
    struct Row {
        const char* lines;
        std::uint32_t age;
    };
    const Row rows[] = {
        {"", 0},
        {"Age: 0", 0},
        {"Age: 7", 7},
        {"Age: 007", 7},
        {"Age: 7, 0", 7},
        {"Age: 7\nAge: 9", 7},
        {"Age: 2147483648", 2147483648U},
        {"Age: 2147483649", 2147483648U},
        {"Age: -7", 0},
        {"Age: 7.5", 0},
        {"Age: seven", 0},
        {"Age: ", 0},
        {"Age: , 7", 0},
        {"Age: 7;x", 0},
    };
    for (const Row& row : rows) {
        SUBCASE(row.lines) { CHECK(facts(row.lines).age_seconds == row.age); }
    }
}

TEST_CASE("a validator is a well-formed ETag or a valid Last-Modified") {
    CHECK(facts("ETag: \"a\"").has_validator);
    CHECK(facts("ETag: W/\"a\"").has_validator);
    CHECK(facts("Last-Modified: @-1").has_validator);
    CHECK(facts("ETag: a\nLast-Modified: @-1").has_validator);
    CHECK_FALSE(facts("ETag: a").has_validator);
    CHECK_FALSE(facts("ETag: w/\"a\"").has_validator);
    CHECK_FALSE(facts("Last-Modified: x").has_validator);
    CHECK_FALSE(facts("").has_validator);
}

TEST_CASE("what the request adds") {
    const ResponseFacts anonymous = facts("");
    CHECK(anonymous.method_is_get);
    CHECK_FALSE(anonymous.request_authorization);
    CHECK_FALSE(anonymous.request_no_store);
    CHECK_FALSE(anonymous.request_cookie_unkeyed);
    CHECK_FALSE(facts("", "HEAD").method_is_get);
    CHECK(facts("", "Authorization: x").request_authorization);
    CHECK(facts("", "Cache-Control: no-store").request_no_store);
    CHECK(facts("", "Cookie: a=1").request_cookie_unkeyed);
    CHECK_FALSE(facts_of("Cookie: a=1", "", own()).request_cookie_unkeyed); // removed before it was sent
}

TEST_CASE("Set-Cookie and Vary") {
    CHECK(facts("Set-Cookie: a=1").has_set_cookie);
    // What no-cache="..." or private="..." names is not stored, so the copy sets no cookie.
    CHECK_FALSE(facts("Set-Cookie: a=1\nCache-Control: no-cache=\"Set-Cookie\"").has_set_cookie);
    CHECK_FALSE(facts("Set-Cookie: a=1\nCache-Control: private=\"set-cookie\"").has_set_cookie);
    CHECK(facts("Set-Cookie: a=1\nCache-Control: private=\"X\"").has_set_cookie);
    CHECK(facts("Set-Cookie: a=1\nCDN-Cache-Control: private=\"Set-Cookie\"").has_set_cookie);
    CHECK(facts("Vary: *").vary_star);
    CHECK(facts("Vary: Accept\nVary: a, *").vary_star);
    CHECK_FALSE(facts("Vary: Accept").vary_star);
}

TEST_CASE("a targeted field replaces Cache-Control and Expires (RFC 9213 section 2.2)") {
    const ResponseFacts replaced = facts("CDN-Cache-Control: max-age=60\nCache-Control: no-store\nExpires: 0");
    CHECK(replaced.targeted);
    CHECK_FALSE(replaced.no_store);
    CHECK(replaced.max_age.seconds == 60);
    CHECK(replaced.expires_state == LifetimeState::Absent);

    const ResponseFacts malformed = facts("CDN-Cache-Control: max-age=60,\nCache-Control: no-store");
    CHECK_FALSE(malformed.targeted);
    CHECK(malformed.no_store);

    auto policy = rfc9111();
    policy.targeted_cache_control = {"Gatehouse-Cache-Control", "CDN-Cache-Control"};
    const char* both = "CDN-Cache-Control: max-age=1\nGatehouse-Cache-Control: max-age=2";
    CHECK(facts_of("", both, policy).max_age.seconds == 2);
    const char* first_malformed = "CDN-Cache-Control: max-age=1\nGatehouse-Cache-Control: MAX";
    CHECK(facts_of("", first_malformed, policy).max_age.seconds == 1);
    policy.targeted_cache_control = {};
    CHECK_FALSE(facts_of("", both, policy).targeted);
}
