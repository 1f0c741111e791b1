// Freshness: where a lifetime comes from, the limits on it, the age, and the windows for stale responses.
#include "cache/policy/freshness.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;
using Source = LifetimeSource;

TEST_CASE("where the lifetime comes from, in order (DESIGN section 6)") {
    struct Row {
        const char* name;
        const char* clause;
        const char* request;
        const char* response;
        Rules rules;
        Source source;
        milliseconds lifetime;
    };
    const char* kAllThree = "Date: @0\nExpires: @30\nCache-Control: max-age=20, s-maxage=10";
    const Row rows[] = {
        {"nothing", "RFC 9111 section 4.2.1", "", "", nullptr, Source::None, seconds(0)},
        {"s-maxage first", "RFC 9111 section 4.2.1", "", kAllThree, nullptr, Source::SMaxage, seconds(10)},
        {"max-age second", "RFC 9111 section 4.2.1", "", "Date: @0\nExpires: @30\nCache-Control: max-age=20", nullptr,
         Source::MaxAge, seconds(20)},
        {"Expires third", "RFC 9111 section 4.2.1", "", "Date: @0\nExpires: @30", nullptr, Source::Expires,
         seconds(30)},
        {"Expires minus Date", "RFC 9111 section 4.2.1", "", "Date: @-5\nExpires: @30", nullptr, Source::Expires,
         seconds(35)},
        {"Expires without Date", "RFC 9110 section 6.6.1", "", "Expires: @30", nullptr, Source::Expires, seconds(30)},
        {"Expires before Date", "RFC 9111 section 5.3", "", "Date: @0\nExpires: @-30", nullptr, Source::Expires,
         seconds(0)},
        {"Expires: 0", "RFC 9111 section 5.3", "", "Expires: 0\nLast-Modified: @-1000", nullptr, Source::Expires,
         seconds(0)},
        {"invalid max-age", "RFC 9111 section 4.2.1", "", "Cache-Control: max-age=x\nDate: @0\nExpires: @30", nullptr,
         Source::MaxAge, seconds(0)},
        {"invalid s-maxage beats max-age", "RFC 9111 section 4.2.1", "", "Cache-Control: max-age=20, s-maxage=-1",
         nullptr, Source::SMaxage, seconds(0)},
        {"targeted", "RFC 9213 section 2.2", "", "CDN-Cache-Control: max-age=40\nCache-Control: max-age=20", nullptr,
         Source::Targeted, seconds(40)},
        {"targeted s-maxage", "RFC 9213 section 2.2", "", "CDN-Cache-Control: max-age=40, s-maxage=30", nullptr,
         Source::Targeted, seconds(30)},
        {"targeted, invalid", "RFC 9213 section 2.1", "", "CDN-Cache-Control: max-age=x\nCache-Control: max-age=20",
         nullptr, Source::Targeted, seconds(0)},
        {"targeted without lifetime", "RFC 9213 section 2.2", "",
         "CDN-Cache-Control: public\nCache-Control: max-age=20", nullptr, Source::None, seconds(0)},
        {"heuristic", "RFC 9111 section 4.2.2", "", "Date: @0\nLast-Modified: @-1000", nullptr, Source::Heuristic,
         seconds(100)},
        {"heuristic keeps fractions", "RFC 9111 section 4.2.2", "", "Date: @0\nLast-Modified: @-5", nullptr,
         Source::Heuristic, milliseconds(500)},
        {"heuristic, modified now", "RFC 9111 section 4.2.2", "", "Date: @0\nLast-Modified: @0", nullptr, Source::None,
         seconds(0)},
        {"heuristic, modified later", "RFC 9111 section 4.2.2", "", "Date: @0\nLast-Modified: @9", nullptr,
         Source::None, seconds(0)},
        {"heuristic off", "RFC 9111 section 4.2.2", "", "Date: @0\nLast-Modified: @-1000",
         [](auto& p) { p.heuristic = false; }, Source::None, seconds(0)},
        {"heuristic, ten days less", "RFC 9111 section 4.2.2", "", "Date: @0\nLast-Modified: @-863990", nullptr,
         Source::Heuristic, seconds(86399)},
        {"heuristic, ten days", "RFC 9111 section 4.2.2", "", "Date: @0\nLast-Modified: @-864000", nullptr,
         Source::Heuristic, seconds(86400)},
        {"heuristic, ten days more", "RFC 9111 section 4.2.2", "", "Date: @0\nLast-Modified: @-864010", nullptr,
         Source::Heuristic, seconds(86400)},
        {"no heuristic for 302", "RFC 9111 section 4.2.2", "", "302\nDate: @0\nLast-Modified: @-1000", nullptr,
         Source::None, seconds(0)},
        {"302 with public", "RFC 9111 section 4.2.2", "", "302\nDate: @0\nLast-Modified: @-1000\nCache-Control: public",
         nullptr, Source::Heuristic, seconds(100)},
        {"explicit lifetime for 302", "RFC 9111 section 3", "", "302\nCache-Control: max-age=5", nullptr,
         Source::MaxAge, seconds(5)},
        {"default_ttl before heuristic", "DESIGN section 6", "", "Date: @0\nLast-Modified: @-1000",
         [](auto& p) { p.default_ttl = seconds(7); }, Source::DefaultTtl, seconds(7)},
        {"default_ttl after max-age", "DESIGN section 6", "", "Cache-Control: max-age=5",
         [](auto& p) { p.default_ttl = seconds(7); }, Source::MaxAge, seconds(5)},
        {"default_ttl, fraction", "DESIGN section 6", "", "", [](auto& p) { p.default_ttl = milliseconds(250); },
         Source::DefaultTtl, milliseconds(250)},
        {"no default_ttl for 302", "DESIGN section 6", "", "302", [](auto& p) { p.default_ttl = seconds(7); },
         Source::None, seconds(0)},
        {"error_ttl, exact", "DESIGN section 6", "", "404",
         [](auto& p) {
             p.error_ttl = {{{404, seconds(9)}}, {{4, seconds(3)}}};
         },
         Source::ErrorTtl, seconds(9)},
        {"error_ttl, class", "DESIGN section 6", "", "410",
         [](auto& p) {
             p.error_ttl = {{{404, seconds(9)}}, {{4, seconds(3)}}};
         },
         Source::ErrorTtl, seconds(3)},
        {"error_ttl before default_ttl", "DESIGN section 6", "", "404",
         [](auto& p) {
             p.default_ttl = seconds(7);
             p.error_ttl = {{{404, seconds(9)}}, {}};
         },
         Source::ErrorTtl, seconds(9)},
        {"error_ttl after max-age", "DESIGN section 6", "", "404\nCache-Control: max-age=1",
         [](auto& p) {
             p.error_ttl = {{{404, seconds(9)}}, {}};
         },
         Source::MaxAge, seconds(1)},
        {"error_ttl from 400 on: 399", "DESIGN section 6", "", "399",
         [](auto& p) {
             p.error_ttl = {{{399, seconds(9)}}, {}};
         },
         Source::None, seconds(0)},
        {"error_ttl from 400 on: 400", "DESIGN section 6", "", "400",
         [](auto& p) {
             p.error_ttl = {{{400, seconds(9)}}, {}};
         },
         Source::ErrorTtl, seconds(9)},
        {"ttl instead of the origin's", "DESIGN section 6", "", "Cache-Control: max-age=5",
         [](auto& p) { p.ttl = seconds(60); }, Source::PolicyTtl, seconds(60)},
        {"ttl knows no limits", "DESIGN section 6", "", "",
         [](auto& p) {
             p.ttl = seconds(60);
             p.max_ttl = seconds(10);
         },
         Source::PolicyTtl, seconds(60)},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CAPTURE(row.clause);
            const auto policy = policy_of(row.rules);
            const Lifetime lifetime = freshness_lifetime(facts_of(row.request, row.response, policy), policy);
            CHECK(to_string(lifetime.source) == to_string(row.source));
            CHECK(lifetime.duration == row.lifetime);
        }
    }
}

TEST_CASE("max_ttl caps and min_ttl raises (DESIGN section 6)") {
    const Rules limits = [](auto& p) {
        p.min_ttl = seconds(10);
        p.max_ttl = seconds(100);
        p.error_ttl = {{{404, seconds(1)}, {410, seconds(1000)}}, {}};
    };
    struct Row {
        const char* name;
        const char* response;
        milliseconds lifetime;
    };
    const Row rows[] = {
        {"one less than min", "Cache-Control: max-age=9", seconds(10)},
        {"min", "Cache-Control: max-age=10", seconds(10)},
        {"one more than min", "Cache-Control: max-age=11", seconds(11)},
        {"one less than max", "Cache-Control: max-age=99", seconds(99)},
        {"max", "Cache-Control: max-age=100", seconds(100)},
        {"one more than max", "Cache-Control: max-age=101", seconds(100)},
        {"zero is raised", "Cache-Control: max-age=0", seconds(10)},
        {"Expires", "Date: @0\nExpires: @500", seconds(100)},
        {"targeted", "CDN-Cache-Control: max-age=500", seconds(100)},
        {"heuristic", "Date: @0\nLast-Modified: @-86400", seconds(100)},
        {"error_ttl is raised", "404", seconds(10)},
        {"error_ttl is not capped", "410", seconds(1000)},
        {"no lifetime is not raised", "", seconds(0)},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto policy = policy_of(limits);
            CHECK(freshness_lifetime(facts_of("", row.response, policy), policy).duration == row.lifetime);
        }
    }
    SUBCASE("default_ttl is raised and not capped") {
        auto policy = policy_of(limits);
        policy.default_ttl = seconds(1);
        CHECK(freshness_lifetime(facts_of("", "", policy), policy).duration == seconds(10));
        policy.default_ttl = seconds(1000);
        CHECK(freshness_lifetime(facts_of("", "", policy), policy).duration == seconds(1000));
    }
    SUBCASE("min_ttl over max_ttl") {
        auto policy = policy_of(limits);
        policy.min_ttl = seconds(200);
        CHECK(freshness_lifetime(facts_of("", "Cache-Control: max-age=5", policy), policy).duration == seconds(200));
    }
}

TEST_CASE("jitter shortens a lifetime by a share of its own, and never below min_ttl") {
    struct Row {
        const char* name;
        const char* response;
        unsigned percent;
        std::uint16_t dice;
        Rules rules;
        milliseconds lifetime;
    };
    const Rules ttl = [](auto& p) { p.ttl = seconds(100); };
    const Rules at_least = [](auto& p) { p.min_ttl = seconds(95); };
    const Rules errors = [](auto& p) {
        p.cloudfront = true;
        p.error_ttl = {{{404, seconds(100)}}, {}};
    };
    const Rules century = [](auto& p) { p.ttl = milliseconds(3'153'600'000'000); };
    const Row rows[] = {
        {"none", "Cache-Control: max-age=100", 0, 65'535, nullptr, seconds(100)},
        {"the lowest throw", "Cache-Control: max-age=100", 10, 0, nullptr, seconds(100)},
        {"half of it", "Cache-Control: max-age=100", 10, 32'768, nullptr, seconds(95)},
        {"the highest throw", "Cache-Control: max-age=100", 10, 65'535, nullptr, milliseconds(90'001)},
        {"the most there is", "Cache-Control: max-age=100", 50, 65'535, nullptr, milliseconds(50'001)},
        {"less than a hundred milliseconds", "", 50, 32'768, [](auto& p) { p.ttl = milliseconds(99); },
         milliseconds(75)},
        {"ttl", "Cache-Control: max-age=5", 10, 32'768, ttl, seconds(95)},
        {"min_ttl has the last word", "Cache-Control: max-age=100", 10, 65'535, at_least, seconds(95)},
        {"an error of a policy of CloudFront's", "404", 10, 32'768, errors, seconds(95)},
        {"a century", "", 50, 32'768, century, milliseconds(2'365'200'000'000)},
        {"zero stays zero", "Cache-Control: max-age=0", 50, 65'535, nullptr, seconds(0)},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        auto policy = policy_of(row.rules);
        policy.jitter_percent = row.percent;
        auto facts = facts_of("", row.response, policy);
        facts.dice = row.dice;
        CHECK(freshness_lifetime(facts, policy).duration == row.lifetime);
    }
}

TEST_CASE("nothing is assumed for a response with Set-Cookie or to a request with unkeyed cookies (DESIGN 4.17)") {
    struct Row {
        const char* name;
        const char* response;
        Rules rules;
        Source source;
        milliseconds lifetime;
    };
    const Row rows[] = {
        {"heuristic", "Date: @0\nLast-Modified: @-1000", nullptr, Source::None, seconds(0)},
        {"default_ttl", "", [](auto& p) { p.default_ttl = seconds(7); }, Source::None, seconds(0)},
        {"error_ttl", "404",
         [](auto& p) {
             p.error_ttl = {{{404, seconds(9)}}, {}};
         },
         Source::None, seconds(0)},
        {"ttl", "", [](auto& p) { p.ttl = seconds(60); }, Source::None, seconds(0)},
        {"ttl leaves the origin's", "Cache-Control: max-age=5", [](auto& p) { p.ttl = seconds(60); }, Source::MaxAge,
         seconds(5)},
        {"min_ttl does not raise", "Cache-Control: max-age=5", [](auto& p) { p.min_ttl = seconds(60); }, Source::MaxAge,
         seconds(5)},
        {"max_ttl caps", "Cache-Control: max-age=5", [](auto& p) { p.max_ttl = seconds(2); }, Source::MaxAge,
         seconds(2)},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto policy = policy_of(row.rules);
            const std::string with_cookie = std::string(row.response) + "\nSet-Cookie: a=1";
            const std::string set_cookie = *row.response == '\0' ? "Set-Cookie: a=1" : with_cookie;
            for (const ResponseFacts& facts :
                 {facts_of("", set_cookie, policy), facts_of("Cookie: a=1", row.response, policy)}) {
                const Lifetime lifetime = freshness_lifetime(facts, policy);
                CHECK(to_string(lifetime.source) == to_string(row.source));
                CHECK(lifetime.duration == row.lifetime);
            }
        }
    }
}

TEST_CASE("current age (RFC 9111 section 4.2.3)") {
    struct Row {
        const char* name;
        const char* response;
        milliseconds sent_before; // the request, before the response arrived
        milliseconds arrived_at;  // after kArrival
        milliseconds now;         // after the response arrived
        milliseconds age;
    };
    const Row rows[] = {
        {"just arrived", "Date: @0", seconds(0), seconds(0), seconds(0), seconds(0)},
        {"resident time", "Date: @0", seconds(0), seconds(0), milliseconds(2500), milliseconds(2500)},
        {"apparent age", "Date: @-5", seconds(0), seconds(0), seconds(0), seconds(5)},
        {"Date in the future", "Date: @5", seconds(0), seconds(0), seconds(1), seconds(1)},
        {"Age", "Date: @0\nAge: 7", seconds(0), seconds(0), seconds(1), seconds(8)},
        {"Age and delay", "Date: @0\nAge: 7", seconds(2), seconds(0), seconds(1), seconds(10)},
        {"delay without Age", "Date: @0", milliseconds(1500), seconds(0), seconds(0), milliseconds(1500)},
        {"the larger counts: Date", "Date: @-9\nAge: 7", seconds(1), seconds(0), seconds(0), seconds(9)},
        {"the larger counts: equal", "Date: @-8\nAge: 7", seconds(1), seconds(0), seconds(0), seconds(8)},
        {"the larger counts: Age", "Date: @-7\nAge: 7", seconds(1), seconds(0), seconds(0), seconds(8)},
        {"no Date", "", seconds(0), seconds(0), seconds(3), seconds(3)},
        {"the second of Date", "Date: @0", seconds(0), milliseconds(999), seconds(0), seconds(0)},
        {"the second after it", "Date: @0", seconds(0), milliseconds(1000), seconds(0), seconds(1)},
        {"cut to the second", "Date: @0", seconds(0), milliseconds(1999), seconds(0), seconds(1)},
        {"clock set back", "Date: @0\nAge: 7", seconds(0), seconds(0), seconds(-60), seconds(7)},
        {"answered before it was asked", "Date: @0\nAge: 7", seconds(-5), seconds(0), seconds(0), seconds(7)},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const WallTime arrived = kArrival + row.arrived_at;
            const auto request = request_of("");
            const ResponseFacts facts =
                response_facts(request, request_facts(request, false), false, response_of(row.response),
                               arrived - row.sent_before, arrived, {});
            CHECK(current_age(facts, arrived + row.now) == row.age);
        }
    }
}

TEST_CASE("fresh while the lifetime is greater than the age (RFC 9111 section 4.2)") {
    const auto policy = rfc9111();
    const ResponseFacts facts = facts_of("", "Cache-Control: max-age=10", policy);
    struct Row {
        milliseconds now;
        bool is_fresh;
        milliseconds ttl;
    };
    const Row rows[] = {
        {seconds(9), true, seconds(1)},    {milliseconds(9999), true, milliseconds(1)},
        {seconds(10), false, seconds(0)},  {milliseconds(10001), false, milliseconds(-1)},
        {seconds(11), false, seconds(-1)},
    };
    for (const Row& row : rows) {
        CAPTURE(row.now.count());
        const Freshness now = freshness(facts, policy, kArrival + row.now);
        CHECK(now.is_fresh() == row.is_fresh);
        CHECK(now.ttl() == row.ttl);
    }
}

TEST_CASE("how long a stale response may be served (RFC 5861, RFC 9111 section 4.2.4)") {
    struct Row {
        const char* name;
        const char* request;
        const char* response;
        Rules rules;
        milliseconds while_revalidate;
        milliseconds if_error;
    };
    const Rules both = [](auto& p) {
        p.stale_while_revalidate = seconds(30);
        p.stale_if_error = seconds(300);
    };
    const char* kOwn = "Cache-Control: stale-while-revalidate=5, stale-if-error=50";
    const Row rows[] = {
        {"nothing", "", "", nullptr, seconds(0), seconds(0)},
        {"its own", "", kOwn, nullptr, seconds(5), seconds(50)},
        {"the policy's", "", "", both, seconds(30), seconds(300)},
        {"its own before the policy's", "", kOwn, both, seconds(5), seconds(50)},
        {"its own zero before the policy's", "", "Cache-Control: stale-while-revalidate=0, stale-if-error=0", both,
         seconds(0), seconds(0)},
        {"a bare directive says nothing", "", "Cache-Control: stale-while-revalidate, stale-if-error", both,
         seconds(30), seconds(300)},
        {"despite s-maxage where allowed", "", "Cache-Control: s-maxage=1", both, seconds(30), seconds(300)},
        {"never past must-revalidate", "", "Cache-Control: must-revalidate", both, seconds(0), seconds(0)},
        {"never past proxy-revalidate", "", "Cache-Control: proxy-revalidate, stale-while-revalidate=5", both,
         seconds(0), seconds(0)},
        {"never past no-cache", "", "Cache-Control: no-cache, stale-if-error=5", both, seconds(0), seconds(0)},
        {"a policy does not prolong errors", "", "503", both, seconds(0), seconds(0)},
        {"an error may prolong itself", "", "503\nCache-Control: stale-while-revalidate=5, stale-if-error=50", both,
         seconds(5), seconds(50)},
        {"a 404 is no such error", "", "404", both, seconds(30), seconds(300)},
        {"the request's", "Cache-Control: stale-if-error=70", "", nullptr, seconds(0), seconds(70)},
        {"the larger of two", "Cache-Control: stale-if-error=70", kOwn, nullptr, seconds(5), seconds(70)},
        {"the larger of two, other way", "Cache-Control: stale-if-error=7", kOwn, nullptr, seconds(5), seconds(50)},
        {"the request's, not past s-maxage", "Cache-Control: stale-if-error=70", "Cache-Control: s-maxage=1", nullptr,
         seconds(0), seconds(0)},
        {"the request's, not past must-revalidate", "Cache-Control: stale-if-error=70",
         "Cache-Control: must-revalidate", nullptr, seconds(0), seconds(0)},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto policy = policy_of(row.rules);
            const ResponseFacts facts = facts_of(row.request, row.response, policy);
            CHECK(stale_while_revalidate_window(facts, policy) == row.while_revalidate);
            CHECK(stale_if_error_window(facts, request_facts_of(row.request), policy) == row.if_error);
        }
    }
}
