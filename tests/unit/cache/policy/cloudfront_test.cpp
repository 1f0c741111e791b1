// CloudFront's TTL table and error caching, by the policies that have its names.
#include "config/cloudfront.h"

#include "cache/policy/freshness.h"
#include "cache/policy/reuse.h"
#include "cache/policy/storability.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;

namespace {

config::CachePolicy managed(std::string_view name) {
    for (config::CachePolicy& policy : config::cloudfront_policies()) {
        if (policy.name == name) {
            return policy;
        }
    }
    FAIL("no such policy");
    return {};
}

bool asks_for_something(const RequestFacts& request) {
    const auto& wishes = request.cache_control;
    return wishes.no_cache || wishes.no_store || wishes.only_if_cached || wishes.max_age.present() ||
           wishes.min_fresh.present();
}

} // namespace

TEST_CASE("the policies with CloudFront's names know nothing of No-Vary-Search, the others obey it") {
    for (const config::CachePolicy& policy : config::cloudfront_policies()) {
        CAPTURE(policy.name);
        CHECK_FALSE(policy.no_vary_search);
    }
    CHECK(config::CachePolicy().no_vary_search);
}

TEST_CASE("how long a policy of CloudFront's keeps a response") {
    struct Row {
        const char* name;
        const char* policy;
        const char* response;
        seconds lifetime; // -1: not stored
    };
    const char* optimized = "CachingOptimized";
    const char* by_origin = "UseOriginCacheControlHeaders";
    const Row rows[] = {
        {"max-age", optimized, "Cache-Control: max-age=60", seconds(60)},
        {"max-age below the minimum", optimized, "Cache-Control: max-age=0\nETag: \"a\"", seconds(1)},
        {"max-age above the maximum", optimized, "Cache-Control: max-age=99999999", seconds(31'536'000)},
        {"s-maxage first", optimized, "Cache-Control: max-age=60, s-maxage=30", seconds(30)},
        {"Expires", optimized, "Date: @0\nExpires: @90", seconds(90)},
        {"nothing", optimized, "", seconds(86'400)},
        {"nothing, and only what the origin says counts", by_origin, "", seconds(-1)},
        {"private is private whatever the minimum", optimized, "Cache-Control: private, max-age=60", seconds(-1)},
        {"no-store", optimized, "Cache-Control: no-store", seconds(-1)},
        {"CDN-Cache-Control is not known there", optimized, "CDN-Cache-Control: max-age=5", seconds(86'400)},
        // Errors: the longer of ten seconds and what the origin says, capped.
        {"404", optimized, "404\n", seconds(10)},
        {"404 with a shorter lifetime", optimized, "404\nCache-Control: max-age=5", seconds(10)},
        {"404 with a longer one", optimized, "404\nCache-Control: max-age=50", seconds(50)},
        {"404 that may not be stored", optimized, "404\nCache-Control: no-store", seconds(-1)},
        {"503", by_origin, "503\n", seconds(10)},
        {"403 without a lifetime", optimized, "403\n", seconds(-1)},
        {"403 with one", optimized, "403\nCache-Control: max-age=20", seconds(20)},
        {"405 does not live by default", optimized, "405\n", seconds(-1)},
        {"410 does not live by default", optimized, "410\n", seconds(-1)},
        {"Set-Cookie never lives by default", optimized, "Set-Cookie: a=b", seconds(-1)},
        {"an error with Set-Cookie", optimized, "404\nSet-Cookie: a=b", seconds(-1)},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const auto policy = managed(row.policy);
        const auto decision = decide_storability(facts_of("", row.response, policy), policy);
        CHECK(decision.store == (row.lifetime >= seconds(0)));
        if (decision.store) {
            CHECK(decision.lifetime.duration == row.lifetime);
        }
    }
}

TEST_CASE("a policy of CloudFront's hides every 5xx, for as long as the response lets it and at most max_ttl") {
    struct Row {
        const char* name;
        const char* policy;
        const char* response;
        seconds age;
        bool serves;
    };
    const Row rows[] = {
        {"nothing said", "CachingOptimized", "Cache-Control: max-age=10", seconds(1'000'000), true},
        {"stale-if-error=0", "CachingOptimized", "Cache-Control: max-age=10, stale-if-error=0", seconds(11), false},
        {"within stale-if-error", "CachingOptimized", "Cache-Control: max-age=10, stale-if-error=5", seconds(15), true},
        {"beyond it", "CachingOptimized", "Cache-Control: max-age=10, stale-if-error=5", seconds(16), false},
        {"stale-if-error within max_ttl", "Amplify", "Cache-Control: max-age=10, stale-if-error=9999", seconds(610),
         true},
        {"stale-if-error beyond max_ttl", "Amplify", "Cache-Control: max-age=10, stale-if-error=9999", seconds(611),
         false},
        {"must-revalidate", "CachingOptimized", "Cache-Control: max-age=10, must-revalidate", seconds(11), false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const auto policy = managed(row.policy);
        CHECK(may_serve_on_error(request_facts_of(""), facts_of("", row.response, policy), policy,
                                 kArrival + row.age) == row.serves);
    }
    for (const int status : {500, 501, 505, 599}) {
        CHECK(is_stale_if_error_status(status, managed("CachingOptimized")));
    }
    CHECK_FALSE(is_stale_if_error_status(404, managed("CachingOptimized")));
}

TEST_CASE("what a client asks of the cache is ignored where the policy says so") {
    const config::CachePolicy honoring;
    for (const char* wish : {"Cache-Control: no-cache", "Cache-Control: no-store", "Cache-Control: max-age=0",
                             "Cache-Control: only-if-cached", "Cache-Control: min-fresh=60", "Pragma: no-cache"}) {
        CAPTURE(wish);
        auto facts = request_facts_of(wish);
        CHECK(decide_wishes(facts, honoring, false) == Wishes::Obeyed);
        CHECK(decide_wishes(facts, managed("CachingOptimized"), false) == Wishes::Ignored);
        CHECK(asks_for_something(facts));
        drop_wishes(facts);
        CHECK_FALSE(asks_for_something(facts));
    }
}

TEST_CASE("what only some clients may ask of the cache is ignored, ignored with a warning or refused of the others") {
    using Otherwise = config::AuthorizedRequests::Otherwise;
    struct Row {
        const char* wish;
        Otherwise otherwise;
        Wishes of_others;
        Wishes of_authorized;
    };
    const Row rows[] = {
        {"Cache-Control: no-cache", Otherwise::Warn, Wishes::IgnoredAndTold, Wishes::Obeyed},
        {"Cache-Control: no-cache", Otherwise::Ignore, Wishes::Ignored, Wishes::Obeyed},
        {"Cache-Control: no-cache", Otherwise::Refuse, Wishes::Refused, Wishes::Obeyed},
        {"Pragma: no-cache", Otherwise::Refuse, Wishes::Refused, Wishes::Obeyed},
        {"Cache-Control: max-age=0", Otherwise::Refuse, Wishes::Refused, Wishes::Obeyed},
        {"Cache-Control: max-age=60", Otherwise::Refuse, Wishes::Refused, Wishes::Obeyed},
        {"Cache-Control: min-fresh=1", Otherwise::Refuse, Wishes::Refused, Wishes::Obeyed},
        {"Cache-Control: no-store", Otherwise::Refuse, Wishes::Refused, Wishes::Obeyed},
        // These ask for no more than there is.
        {"Cache-Control: only-if-cached", Otherwise::Refuse, Wishes::Ignored, Wishes::Obeyed},
        {"Cache-Control: max-stale=60", Otherwise::Refuse, Wishes::Ignored, Wishes::Obeyed},
        {"Accept: */*", Otherwise::Refuse, Wishes::Ignored, Wishes::Obeyed},
    };
    for (const Row& row : rows) {
        CAPTURE(row.wish);
        config::CachePolicy policy;
        policy.request_cache_control = config::RequestCacheControl::Authorized;
        policy.authorized_requests.otherwise = row.otherwise;
        const auto facts = request_facts_of(row.wish);
        CHECK(decide_wishes(facts, policy, false) == row.of_others);
        CHECK(decide_wishes(facts, policy, true) == row.of_authorized);
    }
}

TEST_CASE("policies of CloudFront's are found by name, by the name in its console and by id") {
    CHECK(config::policy_name_of("CachingOptimized") == "CachingOptimized");
    CHECK(config::policy_name_of("Managed-CachingOptimized") == "CachingOptimized");
    CHECK(config::policy_name_of("658327ea-f89d-4fab-a63d-7e88639e58f6") == "CachingOptimized");
    CHECK(config::policy_name_of("4135ea2d-6df8-44a3-9df3-4b5a84be39ad") == "CachingDisabled");
    CHECK(config::policy_name_of("Managed-Own") == "Managed-Own");
    CHECK(config::policy_name_of("") == "");
}
