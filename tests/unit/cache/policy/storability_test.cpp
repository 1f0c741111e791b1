// Storability: every reason not to store, in order, with its clause.
#include "cache/policy/storability.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;

namespace {

struct Row {
    const char* name;
    const char* clause;
    const char* request;
    const char* response;
    Rules rules;
    Reason reason; // None: stored
};

void check(const Row& row) {
    CAPTURE(row.clause);
    const auto policy = policy_of(row.rules);
    const StoreDecision decision = decide_storability(facts_of(row.request, row.response, policy), policy);
    CHECK(to_string(decision.reason) == to_string(row.reason));
    CHECK(decision.store == (row.reason == Reason::None));
}

} // namespace

TEST_CASE("what directives, methods and fields say about storing (RFC 9111 section 3)") {
    const Row rows[] = {
        {"explicit lifetime", "RFC 9111 section 3", "", "Cache-Control: max-age=1", nullptr, Reason::None},
        {"Expires", "RFC 9111 section 3", "", "Expires: @60", nullptr, Reason::None},
        {"heuristic", "RFC 9111 section 4.2.2", "", "Last-Modified: @-60", nullptr, Reason::None},
        {"nothing at all", "RFC 9111 section 3", "", "", nullptr, Reason::NoLifetime},
        {"nothing but an ETag", "RFC 9111 section 3", "", "ETag: \"a\"", nullptr, Reason::NoLifetime},
        {"public alone", "RFC 9111 section 5.2.2.9", "", "Cache-Control: public", nullptr, Reason::NoLifetime},
        {"default_ttl", "DESIGN section 6", "", "", [](auto& p) { p.default_ttl = seconds(1); }, Reason::None},
        {"ttl", "DESIGN section 6", "", "", [](auto& p) { p.ttl = seconds(1); }, Reason::None},
        {"disabled", "DESIGN section 2", "", "Cache-Control: max-age=1", [](auto& p) { p.disabled = true; },
         Reason::CachingDisabled},

        {"request no-store", "RFC 9111 section 5.2.1.5", "Cache-Control: no-store", "Cache-Control: max-age=1", nullptr,
         Reason::RequestNoStore},
        {"request no-cache", "RFC 9111 section 5.2.1.4", "Cache-Control: no-cache", "Cache-Control: max-age=1", nullptr,
         Reason::None},
        {"HEAD", "RFC 9111 section 3", "HEAD", "Cache-Control: max-age=1", nullptr, Reason::Method},
        {"POST", "RFC 9111 section 3", "POST", "Cache-Control: max-age=1", nullptr, Reason::Method},
        {"get is not GET", "RFC 9110 section 9.1", "get", "Cache-Control: max-age=1", nullptr, Reason::Method},

        {"a range that lies behind the end", "RFC 9110 section 15.5.17", "", "416\nCache-Control: max-age=60", nullptr,
         Reason::StatusNotStorable},
        {"no-store", "RFC 9111 section 5.2.2.5", "", "Cache-Control: max-age=1, no-store", nullptr,
         Reason::ResponseNoStore},
        {"no-store in other case", "RFC 9111 section 5.2", "", "Cache-Control: No-Store, max-age=1", nullptr,
         Reason::ResponseNoStore},
        {"private", "RFC 9111 section 5.2.2.7", "", "Cache-Control: max-age=1, private", nullptr,
         Reason::ResponsePrivate},
        {"private with names", "RFC 9111 section 5.2.2.7", "", "Cache-Control: max-age=1, private=\"X\"", nullptr,
         Reason::None},
        {"ttl does not override no-store", "DESIGN 4.17", "", "Cache-Control: no-store",
         [](auto& p) { p.ttl = seconds(1); }, Reason::ResponseNoStore},
        {"min_ttl does not override private", "DESIGN 4.17", "", "Cache-Control: private",
         [](auto& p) { p.min_ttl = seconds(1); }, Reason::ResponsePrivate},
        {"targeted despite no-store", "RFC 9213 section 2.2", "",
         "CDN-Cache-Control: max-age=1\nCache-Control: no-store", nullptr, Reason::None},
        {"targeted no-store", "RFC 9213 section 2.2", "", "CDN-Cache-Control: no-store\nCache-Control: max-age=1",
         nullptr, Reason::ResponseNoStore},
        {"targeted and malformed", "RFC 9213 section 2.1", "", "CDN-Cache-Control: max-age=1,\nCache-Control: no-store",
         nullptr, Reason::ResponseNoStore},

        {"Authorization", "RFC 9111 section 3.5", "Authorization: x", "Cache-Control: max-age=1", nullptr,
         Reason::Authorization},
        {"Authorization, public", "RFC 9111 section 3.5", "Authorization: x", "Cache-Control: max-age=1, public",
         nullptr, Reason::None},
        {"Authorization, must-revalidate", "RFC 9111 section 3.5", "Authorization: x",
         "Cache-Control: max-age=1, must-revalidate", nullptr, Reason::None},
        {"Authorization, s-maxage", "RFC 9111 section 3.5", "Authorization: x", "Cache-Control: s-maxage=1", nullptr,
         Reason::None},
        {"Authorization, invalid s-maxage", "RFC 9111 section 3.5", "Authorization: x",
         "ETag: \"a\"\nCache-Control: s-maxage=x", nullptr, Reason::Authorization},
        {"Authorization, proxy-revalidate", "RFC 9111 section 3.5", "Authorization: x",
         "Cache-Control: max-age=1, proxy-revalidate", nullptr, Reason::Authorization},
        {"Authorization, default_ttl", "DESIGN 4.17", "Authorization: x", "",
         [](auto& p) { p.default_ttl = seconds(1); }, Reason::Authorization},

        {"Vary", "RFC 9111 section 4.1", "", "Cache-Control: max-age=1\nVary: Foo", nullptr, Reason::None},
        {"Vary: *", "RFC 9111 section 4.1", "", "Cache-Control: max-age=1\nVary: Foo, *", nullptr, Reason::VaryStar},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("the first reason that applies is given") {
    const char* kEverything = "304\nCache-Control: no-store, private\nVary: *\nSet-Cookie: a=1";
    const Row rows[] = {
        {"1 request no-store", "", "POST\nCache-Control: no-store\nAuthorization: x\nCookie: a=1", kEverything, nullptr,
         Reason::RequestNoStore},
        {"2 method", "", "POST\nAuthorization: x\nCookie: a=1", kEverything, nullptr, Reason::Method},
        {"3 status", "", "Authorization: x\nCookie: a=1", kEverything, nullptr, Reason::StatusNotStorable},
        {"4 no-store", "", "Authorization: x\nCookie: a=1",
         "Cache-Control: no-store, private\nVary: *\nSet-Cookie: a=1", nullptr, Reason::ResponseNoStore},
        {"5 private", "", "Authorization: x\nCookie: a=1", "Cache-Control: private\nVary: *\nSet-Cookie: a=1", nullptr,
         Reason::ResponsePrivate},
        {"6 Authorization", "", "Authorization: x\nCookie: a=1", "Vary: *\nSet-Cookie: a=1", nullptr,
         Reason::Authorization},
        {"7 Vary", "", "Cookie: a=1", "Vary: *\nSet-Cookie: a=1", nullptr, Reason::VaryStar},
        {"8 Set-Cookie", "", "Cookie: a=1", "Set-Cookie: a=1", nullptr, Reason::SetCookie},
        {"9 cookie forwarded", "", "Cookie: a=1", "", nullptr, Reason::CookieForwarded},
        {"10 no lifetime", "", "", "", nullptr, Reason::NoLifetime},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("statuses (RFC 9111 section 3)") {
    struct StatusRow {
        int status;
        bool is_explicit; // stored with max-age
        bool is_default;  // stored with default_ttl
        bool is_understood = true;
    };
    const StatusRow rows[] = {
        {199, false, false}, {200, true, true},   {201, true, false},        {203, true, true},
        {204, true, true},   {206, false, false}, {299, true, false, false}, {300, true, true},
        {301, true, true},   {302, true, false},  {303, true, false},        {304, false, false},
        {307, true, false},  {308, true, true},   {400, true, false},        {404, true, true},
        {410, true, true},   {429, true, false},  {499, true, false, false}, {500, true, false},
        {501, true, true},   {503, true, false},  {599, true, false, false}, {100, false, false},
        {101, false, false},
    };
    auto policy = rfc9111();
    policy.default_ttl = seconds(60);
    for (const StatusRow& row : rows) {
        CAPTURE(row.status);
        const std::string status = std::to_string(row.status);
        const auto stored = [&](const std::string& fields) {
            return decide_storability(facts_of("", status + fields, policy), policy).store;
        };
        CHECK(stored("\nCache-Control: max-age=1") == row.is_explicit);
        CHECK(stored("") == row.is_default);
        // `public` permits a default for every final status. RFC 9111 section 4.2.2
        CHECK(stored("\nCache-Control: public") == row.is_explicit);
        // must-understand lets no-store be ignored where the status is understood, and forbids storing where it is not.
        // RFC 9111 section 5.2.2.3
        const bool may_store = row.is_explicit && row.is_understood;
        CHECK(stored("\nCache-Control: must-understand, no-store, max-age=1") == may_store);
        CHECK(stored("\nCache-Control: must-understand, max-age=1") == may_store);
        CHECK(stored("\nCache-Control: must-understand, public") == may_store);
        CHECK_FALSE(stored("\nCache-Control: no-store, max-age=1"));
    }
}

TEST_CASE("a part is stored where it says which one it is (RFC 9111 section 3.3)") {
    const Row rows[] = {
        {"a part", "RFC 9111 section 3.3", "Range: bytes=0-4",
         "206\nContent-Range: bytes 0-4/10\nCache-Control: max-age=1", nullptr, Reason::None},
        {"by heuristics", "RFC 9110 section 15.1", "Range: bytes=0-4",
         "206\nContent-Range: bytes 0-4/10\nLast-Modified: @-60", nullptr, Reason::None},
        {"no lifetime", "RFC 9111 section 3", "Range: bytes=0-4", "206\nContent-Range: bytes 0-4/10", nullptr,
         Reason::NoLifetime},
        {"no Content-Range", "RFC 9110 section 15.3.7.2", "Range: bytes=0-0,2-2",
         "206\nContent-Type: multipart/byteranges; boundary=a\nCache-Control: max-age=1", nullptr,
         Reason::ContentRange},
        {"no complete length", "RFC 9110 section 14.4", "Range: bytes=0-4",
         "206\nContent-Range: bytes 0-4/*\nCache-Control: max-age=1", nullptr, Reason::ContentRange},
        {"another unit", "RFC 9111 section 3.3", "Range: lines=0-4",
         "206\nContent-Range: lines 0-4/10\nCache-Control: max-age=1", nullptr, Reason::ContentRange},
        {"malformed", "RFC 9110 section 14.4", "Range: bytes=0-4",
         "206\nContent-Range: bytes 4-0/10\nCache-Control: max-age=1", nullptr, Reason::ContentRange},
        {"two lines", "RFC 9110 section 14.4", "Range: bytes=0-4",
         "206\nContent-Range: bytes 0-4/10\nContent-Range: bytes 0-4/10\nCache-Control: max-age=1", nullptr,
         Reason::ContentRange},
        {"no-store", "RFC 9111 section 5.2.2.5", "Range: bytes=0-4",
         "206\nContent-Range: bytes 0-4/10\nCache-Control: no-store", nullptr, Reason::ResponseNoStore},
        {"a whole with Content-Range", "RFC 9110 section 14.4", "",
         "Content-Range: bytes 0-4/10\nCache-Control: max-age=1", nullptr, Reason::None},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("a POST is stored where it represents the target and names its lifetime (RFC 9110 section 9.3.3)") {
    struct PostRow {
        const char* name;
        const char* response;
        bool represents;
        Rules rules;
        Reason reason;
    };
    const PostRow rows[] = {
        {"max-age", "Cache-Control: max-age=60", true, nullptr, Reason::None},
        {"Expires", "Expires: @60", true, nullptr, Reason::None},
        {"heuristic", "Last-Modified: @-6000", true, nullptr, Reason::Method},
        {"default_ttl", "", true, [](auto& p) { p.default_ttl = seconds(60); }, Reason::Method},
        {"ttl", "Cache-Control: max-age=60", true, [](auto& p) { p.ttl = seconds(60); }, Reason::Method},
        {"no-store", "Cache-Control: max-age=60, no-store", true, nullptr, Reason::ResponseNoStore},
        {"not the target", "Cache-Control: max-age=60", false, nullptr, Reason::Method},
    };
    for (const PostRow& row : rows) {
        SUBCASE(row.name) {
            const auto policy = policy_of(row.rules);
            auto facts = facts_of("POST", row.response, policy);
            facts.from_post = row.represents;
            CHECK(to_string(decide_storability(facts, policy).reason) == to_string(row.reason));
        }
    }
}

TEST_CASE("errors with error_ttl (DESIGN section 6)") {
    const Rules errors = [](auto& p) { p.error_ttl = {{{404, seconds(10)}, {429, seconds(0)}}, {{5, seconds(1)}}}; };
    const Row rows[] = {
        {"404", "", "", "404", errors, Reason::None},
        {"500", "", "", "500", errors, Reason::None},
        {"403", "", "", "403", errors, Reason::NoLifetime},
        {"zero says no", "", "", "429\nETag: \"a\"", errors, Reason::NoLifetime},
        {"zero says no, despite windows", "", "", "429\nCache-Control: stale-if-error=60", errors, Reason::NoLifetime},
        {"not understood", "", "", "599", errors, Reason::StatusNotStorable},
        {"not understood, under ttl", "", "", "599", [](auto& p) { p.ttl = seconds(1); }, Reason::StatusNotStorable},
        {"not understood, public", "", "", "599\nCache-Control: public", errors, Reason::None},
        {"no-store", "", "", "404\nCache-Control: no-store", errors, Reason::ResponseNoStore},
        {"private", "", "", "500\nCache-Control: private", errors, Reason::ResponsePrivate},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("cookies (DESIGN 4.17)") {
    const Row rows[] = {
        {"RFC9111, explicit", "RFC 9111 section 7.3", "", "Set-Cookie: a=1\nCache-Control: max-age=1", nullptr,
         Reason::None},
        {"RFC9111, Expires", "", "", "Set-Cookie: a=1\nExpires: @60", nullptr, Reason::None},
        {"RFC9111, heuristic", "", "", "Set-Cookie: a=1\nLast-Modified: @-60", nullptr, Reason::SetCookie},
        {"RFC9111, invalid lifetime", "", "", "Set-Cookie: a=1\nETag: \"a\"\nCache-Control: max-age=x", nullptr,
         Reason::SetCookie},
        {"RFC9111, max-age=0", "", "", "Set-Cookie: a=1\nETag: \"a\"\nCache-Control: max-age=0", nullptr,
         Reason::SetCookie},
        {"RFC9111, max-age=1", "", "", "Set-Cookie: a=1\nETag: \"a\"\nCache-Control: max-age=1", nullptr, Reason::None},
        {"RFC9111, no-cache", "", "", "Set-Cookie: a=1\nETag: \"a\"\nCache-Control: max-age=1, no-cache", nullptr,
         Reason::SetCookie},
        {"min_ttl does not help", "", "", "Set-Cookie: a=1\nCache-Control: max-age=0",
         [](auto& p) { p.min_ttl = seconds(60); }, Reason::SetCookie},
        {"ttl does not help", "", "", "Set-Cookie: a=1", [](auto& p) { p.ttl = seconds(60); }, Reason::SetCookie},
        {"error_ttl does not help", "", "", "404\nSet-Cookie: a=1",
         [](auto& p) {
             p.error_ttl = {{{404, seconds(9)}}, {}};
         },
         Reason::SetCookie},
        {"own policy refuses", "", "", "Set-Cookie: a=1\nCache-Control: max-age=1", own_policy, Reason::SetCookie},
        {"own policy that allows", "", "", "Set-Cookie: a=1\nCache-Control: max-age=1",
         [](auto& p) {
             p = own();
             p.refuse_set_cookie = false;
         },
         Reason::None},
        {"named by no-cache, own policy", "RFC 9111 section 5.2.2.4", "",
         "Set-Cookie: a=1\nCache-Control: max-age=1, no-cache=\"Set-Cookie\"", own_policy, Reason::None},
        {"named by private, default_ttl", "RFC 9111 section 5.2.2.7", "",
         "Set-Cookie: a=1\nCache-Control: private=\"Set-Cookie\"", [](auto& p) { p.default_ttl = seconds(9); },
         Reason::None},

        {"forwarded, explicit", "", "Cookie: a=1", "Cache-Control: max-age=1", nullptr, Reason::None},
        {"forwarded, explicit zero", "", "Cookie: a=1", "ETag: \"a\"\nCache-Control: max-age=0", nullptr, Reason::None},
        {"forwarded, heuristic", "", "Cookie: a=1", "Last-Modified: @-60", nullptr, Reason::CookieForwarded},
        {"forwarded, default_ttl", "", "Cookie: a=1", "", [](auto& p) { p.default_ttl = seconds(60); },
         Reason::CookieForwarded},
        {"forwarded, ttl", "", "Cookie: a=1", "", [](auto& p) { p.ttl = seconds(60); }, Reason::CookieForwarded},
        {"forwarded, no-cache", "", "Cookie: a=1", "ETag: \"a\"\nCache-Control: no-cache", nullptr,
         Reason::CookieForwarded},
        {"removed before it was sent", "", "Cookie: a=1", "",
         [](auto& p) {
             p = own();
             p.default_ttl = seconds(60);
         },
         Reason::None},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("what is stale at once is stored only where it is of use") {
    const Rules windows = [](auto& p) {
        p.stale_while_revalidate = seconds(30);
        p.stale_if_error = seconds(30);
    };
    const Row rows[] = {
        {"max-age=0", "", "", "Cache-Control: max-age=0", nullptr, Reason::NoLifetime},
        {"max-age=1", "", "", "Cache-Control: max-age=1", nullptr, Reason::None},
        {"max-age=0 and ETag", "RFC 9111 section 4.3", "", "Cache-Control: max-age=0\nETag: \"a\"", nullptr,
         Reason::None},
        {"max-age=0 and Last-Modified", "RFC 9111 section 4.3", "", "Cache-Control: max-age=0\nLast-Modified: @-1",
         nullptr, Reason::None},
        {"max-age=0 and a malformed ETag", "RFC 9110 section 8.8.3", "", "Cache-Control: max-age=0\nETag: a", nullptr,
         Reason::NoLifetime},
        {"Expires: 0 and ETag", "RFC 9111 section 5.3", "", "Expires: 0\nETag: \"a\"", nullptr, Reason::None},
        {"max-age=0 and its own window", "RFC 5861 section 3", "", "Cache-Control: max-age=0, stale-while-revalidate=1",
         nullptr, Reason::None},
        {"max-age=0 and its own window for errors", "RFC 5861 section 4", "",
         "Cache-Control: max-age=0, stale-if-error=1", nullptr, Reason::None},
        {"max-age=0 and a window of zero", "RFC 5861 section 3", "",
         "Cache-Control: max-age=0, stale-while-revalidate=0", nullptr, Reason::NoLifetime},
        {"max-age=0 and the policy's window", "", "", "Cache-Control: max-age=0", windows, Reason::None},
        {"max-age=0, must-revalidate", "RFC 9111 section 4.2.4", "", "Cache-Control: max-age=0, must-revalidate",
         windows, Reason::NoLifetime},
        {"max-age=0 of an error", "", "", "503\nCache-Control: max-age=0", windows, Reason::NoLifetime},
        {"no-cache", "RFC 9111 section 5.2.2.4", "", "Cache-Control: no-cache", windows, Reason::NoLifetime},
        {"no-cache and ETag", "RFC 9111 section 5.2.2.4", "", "Cache-Control: no-cache\nETag: \"a\"", nullptr,
         Reason::None},
        {"no-cache and max-age", "RFC 9111 section 5.2.2.4", "", "Cache-Control: no-cache, max-age=1", nullptr,
         Reason::NoLifetime},
        {"no-cache, max-age and ETag", "RFC 9111 section 5.2.2.4", "",
         "Cache-Control: no-cache, max-age=1\nETag: \"a\"", nullptr, Reason::None},
        {"no-cache and ETag of a 302", "RFC 9111 section 3", "", "302\nCache-Control: no-cache\nETag: \"a\"", nullptr,
         Reason::NoLifetime},
        {"no-cache, public and ETag of a 302", "RFC 9111 section 3", "",
         "302\nCache-Control: no-cache, public\nETag: \"a\"", nullptr, Reason::None},
        {"no-cache with names", "RFC 9111 section 5.2.2.4", "", "Cache-Control: no-cache=\"a\", max-age=1", nullptr,
         Reason::None},
        {"default_ttl of zero says no", "", "", "ETag: \"a\"",
         [](auto& p) {
             p.default_ttl = seconds(0);
             p.stale_while_revalidate = seconds(30);
         },
         Reason::NoLifetime},
        {"ttl of zero says no", "", "", "Cache-Control: max-age=60\nETag: \"a\"", [](auto& p) { p.ttl = seconds(0); },
         Reason::NoLifetime},
        {"max_ttl of zero keeps what can be validated", "", "", "Cache-Control: max-age=60\nETag: \"a\"",
         [](auto& p) { p.max_ttl = seconds(0); }, Reason::None},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("what override names is stored, and nothing else is (DESIGN 4.17)") {
    struct OverrideRow {
        const char* name;
        const char* request;
        const char* response;
        Rules rules;
        Reason without; // what stops it before it is named
    };
    const OverrideRow rows[] = {
        {"no-store", "", "Cache-Control: no-store, max-age=9", [](auto& p) { p.overrides.no_store = true; },
         Reason::ResponseNoStore},
        {"private", "", "Cache-Control: private, max-age=9", [](auto& p) { p.overrides.is_private = true; },
         Reason::ResponsePrivate},
        {"no-cache without a validator", "", "Cache-Control: no-cache, max-age=9",
         [](auto& p) { p.overrides.no_cache = true; }, Reason::NoLifetime},
        {"set-cookie", "", "Cache-Control: max-age=9\nSet-Cookie: a=1", [](auto& p) { p.overrides.set_cookie = true; },
         Reason::SetCookie},
        {"authorization", "Authorization: x", "Cache-Control: max-age=9",
         [](auto& p) { p.overrides.authorization = true; }, Reason::Authorization},
    };
    for (const OverrideRow& row : rows) {
        CAPTURE(row.name);
        config::CachePolicy policy = own();
        CHECK(decide_storability(facts_of(row.request, row.response, policy), policy).reason == row.without);
        row.rules(policy);
        const auto facts = facts_of(row.request, row.response, policy);
        CHECK(decide_storability(facts, policy).store);
        for (const OverrideRow& other : rows) {
            if (&other == &row) continue;
            const auto forbidden = facts_of(other.request, other.response, policy);
            CHECK(decide_storability(forbidden, policy).reason == other.without);
        }
    }
}

TEST_CASE("a prohibition that is taken back gives no lifetime; one that another names still counts") {
    config::CachePolicy policy = own();
    policy.overrides.no_store = true;
    policy.overrides.set_cookie = true;
    const auto decide = [&](const char* response) {
        return decide_storability(facts_of("", response, policy), policy);
    };
    CHECK(decide("Cache-Control: no-store").reason == Reason::NoLifetime);
    CHECK(decide("Cache-Control: no-store, private, max-age=9").reason == Reason::ResponsePrivate);
    policy.default_ttl = seconds(5);
    CHECK(decide("Cache-Control: no-store").lifetime.duration == seconds(5));
    CHECK(decide("Set-Cookie: a=1").lifetime.duration == seconds(5));
}
