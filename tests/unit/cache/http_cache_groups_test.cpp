// Group invalidation wins over what is stored and over fetches in flight (RFC 9875).
#include "tests/unit/cache/http_cache_bench.h"

#include <doctest/doctest.h>

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;

namespace {

constexpr const char* kInGroup = "Cache-Control: max-age=60\nCache-Groups: \"g\"\nETag: \"1\"\nContent-Length: 1";

} // namespace

TEST_CASE("a purge of a group is effective at once for what is stored") {
    CacheBench bench;
    bench.stored(kInGroup, "x");
    bench.stored(kInGroup, "x", "", "/b");
    bench.stored("Cache-Control: max-age=60\nCache-Groups: \"other\"\nContent-Length: 0", "", "", "/c");
    bench.cache.purge_group("h", "g");
    const auto client = bench.asking();
    CHECK(client->plan.kind == Plan::Kind::Wait);
    CHECK(client->plan.result.reason == Reason::Purged);
    CHECK_FALSE(client->plan.entry);
    CHECK(bench.asking("", "/b")->plan.kind == Plan::Kind::Wait);
    CHECK(bench.asking("", "/c")->plan.kind == Plan::Kind::Serve);
    CHECK(bench.asking("", "/c")->plan.entry->checked_sequence() == bench.cache.purges().current());
    CHECK(bench.store->stats().objects == 1);
    // What is fetched after the purge lives.
    CHECK(bench.answer(*client, kInGroup, "x") == Reason::None);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Serve);
}

TEST_CASE("a group of another host is left alone") {
    CacheBench bench;
    bench.stored(kInGroup, "x");
    bench.cache.purge_group("i", "g");
    CHECK(bench.asking()->plan.kind == Plan::Kind::Serve);
}

TEST_CASE("a response whose group was purged while it arrived is not stored") {
    CacheBench bench;
    const auto client = bench.asking();
    bench.send(*client);
    Intake intake;
    SUBCASE("before its head") {
        bench.cache.purge_group("h", "g");
        bench.head(*client, kInGroup, intake);
        CHECK_FALSE(client->plan.fetch->answer().shared);
        CHECK(client->plan.fetch->answer().not_stored == Reason::PurgedMeanwhile);
    }
    SUBCASE("before its end") {
        bench.head(*client, kInGroup, intake);
        bench.cache.purge_group("h", "g");
        // Who asks after the purge does not read what was asked for before it.
        CHECK(bench.asking()->plan.leader);
    }
    fill(*intake.body, "x");
    CHECK(bench.cache.finish(*client->plan.fetch, intake) == Reason::PurgedMeanwhile);
    CHECK(bench.store->stats().objects == 0);
}

TEST_CASE("a purge of another group changes nothing for a fetch in flight") {
    CacheBench bench;
    const auto client = bench.asking();
    bench.send(*client);
    Intake intake;
    bench.head(*client, kInGroup, intake);
    bench.cache.purge_group("h", "other");
    CHECK_FALSE(bench.asking()->plan.leader);
    fill(*intake.body, "x");
    CHECK(bench.cache.finish(*client->plan.fetch, intake) == Reason::None);
}

TEST_CASE("a response whose group was purged is not brought back by a 304") {
    CacheBench bench;
    bench.stored(kInGroup, "x");
    bench.now = after(60);
    const auto client = bench.asking();
    REQUIRE(client->plan.validate);
    Intake intake;
    const char* not_modified = "304\nETag: \"1\"";
    SUBCASE("of the stored response, before the request was sent") {
        bench.cache.purge_group("h", "g");
        bench.send(*client);
    }
    SUBCASE("of the stored response, after it was sent") {
        bench.send(*client);
        bench.cache.purge_group("h", "g");
    }
    SUBCASE("that the 304 names, after it was sent") {
        bench.send(*client);
        bench.cache.purge_group("h", "new");
        not_modified = "304\nETag: \"1\"\nCache-Groups: \"new\"";
    }
    CHECK(bench.head(*client, not_modified, intake) == HttpCache::BeginResult::RetryUnconditional);
}

TEST_CASE("a 304 moves a stored response to the groups that it names") {
    CacheBench bench;
    bench.stored(kInGroup, "x");
    bench.now = after(60);
    const auto client = bench.asking();
    bench.cache.purge_group("h", "new"); // before the request was sent: the 304 is newer
    bench.answer(*client, "304\nETag: \"1\"\nCache-Groups: \"new\"");
    CHECK(bench.asking()->plan.kind == Plan::Kind::Serve);
    bench.cache.purge_group("h", "g");
    CHECK(bench.asking()->plan.kind == Plan::Kind::Serve);
    bench.cache.purge_group("h", "new");
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait);
}
