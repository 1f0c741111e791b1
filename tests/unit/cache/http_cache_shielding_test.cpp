// What spares the origin and its clients: waits that end before the answer comes, fetches before the end of what is
// stored, lifetimes that do not end together.
#include "tests/unit/cache/http_cache_bench.h"

#include <chrono>
#include <set>

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kMinute = "Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 5";

} // namespace

TEST_CASE("a request for what may be served stale waits for as long as stale_if_slow, and the fetch goes on") {
    CacheBench bench;
    bench.policy.stale_if_slow = 300ms;
    bench.stored(kMinute, "first");
    bench.now = after(61);
    const auto leader = bench.asking();
    const auto joined = bench.asking("", "/a", 1);
    for (const auto* client : {&leader, &joined}) {
        const Patience patience = bench.cache.patience(bench.context(**client), (*client)->plan, 0ms, true);
        CHECK(patience.wait == 300ms);
        CHECK(patience.serves_stale);
        const auto given_up = bench.cache.give_up_waiting(bench.context(**client), (*client)->plan, patience);
        REQUIRE(given_up);
        CHECK(given_up->kind == Resolution::Kind::Serve);
        CHECK(stored_text(given_up->entry) == "first");
        CHECK(given_up->result.reason == Reason::StaleIfSlow);
        CHECK(given_up->result.forwarded == Forwarded::Stale);
        CHECK(given_up->result.ttl_seconds == -1);
    }
    leader->plan.fetch->expect_initiator();
    leader->plan.fetch->initiator_left();
    CHECK(leader->plan.fetch->wanted());
    CHECK(bench.answer(*leader, kMinute, "other") == Reason::None);
    CHECK(stored_text(bench.asking()->plan.entry) == "other");
}

TEST_CASE("what could no longer be served when the wait is over is waited for") {
    CacheBench bench;
    bench.policy.stale_if_slow = 10s;
    bench.stored("Cache-Control: max-age=60, stale-if-error=5\nContent-Length: 5", "first");
    bench.now = after(64);
    const auto client = bench.asking();
    const Patience patience = bench.cache.patience(bench.context(*client), client->plan, 0ms, true);
    CHECK(patience.wait == 10s);
    bench.now = after(66);
    CHECK_FALSE(bench.cache.give_up_waiting(bench.context(*client), client->plan, patience));
}

TEST_CASE("how long a request waits depends on what there is to fall back on, and on whose fetch it is") {
    CacheBench bench;
    const auto wait_of = [&bench](const Client& client) {
        return bench.cache.patience(bench.context(client), client.plan, 0ms, true);
    };
    SUBCASE("by default for as long as it takes") {
        CHECK(wait_of(*bench.asking()).wait == 0ms);
        CHECK(wait_of(*bench.asking()).wait == 0ms);
    }
    SUBCASE("max_wait is for those who wait for the fetch of another one") {
        bench.policy.collapse_max_wait = 2s;
        const auto leader = bench.asking();
        CHECK(wait_of(*leader).wait == 0ms);
        const auto joined = bench.asking();
        const Patience patience = wait_of(*joined);
        CHECK(patience.wait == 2s);
        CHECK_FALSE(patience.serves_stale);
        const auto given_up = bench.cache.give_up_waiting(bench.context(*joined), joined->plan, patience);
        REQUIRE(given_up);
        CHECK(given_up->kind == Resolution::Kind::Rejoin);
        // Planned again, it leads a second fetch, which the next one joins for as long as it takes.
        const auto again_with = [&](Client& client) {
            RequestContext context = bench.context(client);
            context.given_up = leader->plan.fetch.get();
            client.plan = bench.cache.plan(context, client.decision);
            return bench.cache.patience(context, client.plan, 2s, true).wait;
        };
        const auto other = bench.asking();
        CHECK(again_with(*joined) == 0ms);
        CHECK(joined->plan.leader);
        CHECK(again_with(*other) == 0ms);
        CHECK_FALSE(other->plan.leader);
        CHECK(other->plan.fetch == joined->plan.fetch);
    }
    SUBCASE("without something stored stale_if_slow is without effect") {
        bench.policy.stale_if_slow = 300ms;
        CHECK(wait_of(*bench.asking()).wait == 0ms);
    }
    SUBCASE("the shorter of the two counts") {
        bench.policy.stale_if_slow = 300ms;
        bench.stored(kMinute, "first");
        bench.now = after(61);
        const auto leader = bench.asking();
        const auto joined = bench.asking();
        bench.policy.collapse_max_wait = 299ms;
        CHECK(wait_of(*joined).wait == 299ms);
        CHECK_FALSE(wait_of(*joined).serves_stale);
        bench.policy.collapse_max_wait = 300ms;
        CHECK(wait_of(*joined).wait == 300ms);
        CHECK(wait_of(*joined).serves_stale);
    }
    SUBCASE("time that passed before it was planned again counts") {
        bench.policy.stale_if_slow = 300ms;
        bench.stored(kMinute, "first");
        bench.now = after(61);
        const auto client = bench.asking();
        const auto left = [&](http::Duration since, bool may_serve_stale = true) {
            return bench.cache.patience(bench.context(*client), client->plan, since, may_serve_stale).wait;
        };
        CHECK(left(299ms) == 1ms);
        CHECK(left(300ms) == 1ms); // a moment, so that the wait ends
        CHECK(left(10s) == 1ms);
        CHECK(left(0ms, false) == 0ms);
    }
    SUBCASE("who asks for itself waits") {
        bench.policy.stale_if_slow = 300ms;
        bench.policy.collapse_max_wait = 300ms;
        auto alone = bench.asking("POST");
        CHECK(alone->plan.kind == Plan::Kind::Alone);
        CHECK(wait_of(*alone).wait == 0ms);
    }
}

TEST_CASE("a wait that ends serves what others have stored, and nothing that was purged") {
    CacheBench bench;
    bench.policy.stale_if_slow = 300ms;
    bench.stored(kMinute, "first");
    bench.now = after(61);
    const auto client = bench.asking();
    const Patience patience = bench.cache.patience(bench.context(*client), client->plan, 0ms, true);
    SUBCASE("stored by another one") {
        auto other = bench.client("Cache-Control: no-cache");
        bench.ask(*other);
        REQUIRE(other->plan.leader);
        REQUIRE(bench.answer(*other, kMinute, "newer") == Reason::None);
        const auto given_up = bench.cache.give_up_waiting(bench.context(*client), client->plan, patience);
        REQUIRE(given_up);
        CHECK(stored_text(given_up->entry) == "newer");
        CHECK(given_up->result.reason == Reason::None);
    }
    SUBCASE("purged") {
        PurgeMatcher matcher;
        matcher.path = "/a";
        matcher.any_query = true;
        bench.cache.purge(matcher);
        CHECK_FALSE(bench.cache.give_up_waiting(bench.context(*client), client->plan, patience));
        bench.cache.fail(*client->plan.fetch, http::Error(http::ErrorKind::ConnectionRefused, ""));
        CHECK(bench.resolve(*client).kind == Resolution::Kind::Failed);
    }
}

TEST_CASE("without collapsing there is still one background fetch, and an early one is not repeated at once") {
    CacheBench bench;
    bench.policy.collapse = false;
    SUBCASE("while stale is served") {
        bench.stored("Cache-Control: max-age=60, stale-while-revalidate=30\nContent-Length: 5", "first");
        bench.now = after(61);
        CHECK(bench.asking()->plan.leader);
        CHECK_FALSE(bench.asking()->plan.leader);
    }
    SUBCASE("ahead of the end") {
        bench.policy.refresh_ahead = 100;
        bench.stored(kMinute, "first");
        bench.now = after(60) - 2s;
        const auto ask_luckily = [&bench] {
            auto client = bench.client();
            RequestContext context = bench.context(*client);
            context.dice = 0;
            client->plan = bench.cache.plan(context, client->decision);
            return client;
        };
        const auto refresher = ask_luckily();
        REQUIRE(refresher->plan.leader);
        bench.answer(*refresher, "500\nContent-Length: 0");
        CHECK_FALSE(ask_luckily()->plan.leader);
        bench.now += 1s;
        CHECK(ask_luckily()->plan.leader);
    }
}

TEST_CASE("who has waited long enough makes room for another one to wait") {
    HttpCache::Options options;
    options.waiters_per_fetch = 1;
    CacheBench bench(4 * 1024 * 1024, 256 * 1024, options);
    const auto leader = bench.asking();
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Alone);
    leader->plan.fetch->waiter_left();
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait);
}

TEST_CASE("what is served fresh near its end is fetched again by one request, with a condition") {
    CacheBench bench;
    bench.policy.refresh_ahead = 1;
    bench.stored(kMinute, "first");
    const auto ask_with = [&bench](std::uint64_t dice, const char* request = "") {
        auto client = bench.client(request);
        RequestContext context = bench.context(*client);
        context.dice = dice;
        client->plan = bench.cache.plan(context, client->decision);
        return client;
    };
    constexpr std::uint64_t kLucky = 0;
    bench.now = after(59); // the answer came at once: one millisecond by which 36 can be won
    CHECK_FALSE(ask_with(kLucky)->plan.leader);
    bench.now = after(60) - 20ms;
    CHECK_FALSE(ask_with(~std::uint64_t{0})->plan.leader);
    const auto refresher = ask_with(kLucky);
    CHECK(refresher->plan.kind == Plan::Kind::Serve);
    CHECK(refresher->plan.leader);
    CHECK(refresher->plan.result.reason == Reason::RefreshAhead);
    CHECK(refresher->plan.result.forwarded == Forwarded::No);
    CHECK(refresher->plan.fetch->validating == refresher->plan.entry);
    const auto other = ask_with(kLucky);
    CHECK(other->plan.kind == Plan::Kind::Serve);
    CHECK_FALSE(other->plan.fetch);
    CHECK(other->plan.result.reason == Reason::None);
    CHECK_FALSE(other->plan.result.collapsed);
    CHECK(bench.answer(*refresher, "304\nCache-Control: max-age=60\nETag: \"1\"") == Reason::None);
    bench.now = after(61);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Serve);
    SUBCASE("not for a request whose answer may not be stored") {
        bench.now = after(120) - 30ms;
        CHECK_FALSE(ask_with(kLucky, "Cache-Control: no-store")->plan.leader);
        CHECK(ask_with(kLucky)->plan.leader);
    }
}

TEST_CASE("what is stored at one time, and what is stored again, ends at different times") {
    CacheBench bench;
    bench.policy.jitter_percent = 10;
    std::set<std::int64_t> ends;
    for (int i = 0; i < 20; ++i) {
        const std::string path = "/" + std::to_string(i);
        bench.stored("Cache-Control: max-age=1000\nETag: \"1\"\nContent-Length: 0", "", "", path);
        const std::int64_t ttl = *bench.asking("", path)->plan.result.ttl_seconds;
        CHECK(ttl >= 900);
        CHECK(ttl <= 1000);
        ends.insert(ttl);
    }
    CHECK(ends.size() > 10);
    const std::int64_t first = *bench.asking("", "/0")->plan.result.ttl_seconds;
    std::set<std::int64_t> again;
    for (int i = 1; i <= 10; ++i) {
        bench.now = after(1000 * i);
        const auto client = bench.asking("", "/0");
        REQUIRE(client->plan.leader);
        bench.answer(*client, "304\nETag: \"1\"\nCache-Control: max-age=1000\nAge: 0");
        again.insert(*bench.asking("", "/0")->plan.result.ttl_seconds - first);
    }
    CHECK(again.size() > 5);
}
