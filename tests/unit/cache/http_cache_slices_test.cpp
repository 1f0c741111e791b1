// Slices in the coordinator: planned, joined, stored under keys of their own, and dropped when something has changed.
#include "tests/unit/cache/http_cache_bench.h"

#include "cache/policy/partial.h"

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;

namespace {

constexpr std::uint64_t kSlice = 4;
const std::string kContent = "0123456789"; // two slices of four bytes and one of two

struct SlicingBench : CacheBench {
    explicit SlicingBench(const HttpCache::Options& options = {}) : CacheBench(4 * 1024 * 1024, 256 * 1024, options) {
        policy.range = config::RangeHandling::Slice;
        policy.slice_bytes = kSlice;
    }
    // What a request needs first, by what is known now.
    SliceNeed need(const Client& client, std::uint64_t index) const {
        SliceNeed need{{kSlice, index}, {}, client.plan.manifest_current, client.plan.manifest, client.plan.result};
        if (need.manifest) {
            need.validator = policy::strong_validator(policy::view_stored_head(need.manifest->metadata()));
        }
        return need;
    }
    // A client whose plan is that of one slice.
    std::unique_ptr<Client> slice(std::uint64_t index, const std::string& request = "") {
        auto client = asking(request);
        REQUIRE(client->plan.kind == Plan::Kind::Slices);
        client->plan = cache.plan_slice(context(*client), need(*client, index));
        return client;
    }
    Reason fetch_slice(std::uint64_t index, const std::string& fields = "Cache-Control: max-age=60\nETag: \"1\"",
                       const std::string& request = "") {
        const auto client = slice(index, request);
        REQUIRE(client->plan.leader);
        return answer_slice(*client, index, fields);
    }
    Reason answer_slice(Client& client, std::uint64_t index, const std::string& fields) {
        const std::size_t first = index * kSlice;
        const std::string bytes = kContent.substr(first, kSlice);
        return answer(client,
                      "206\nContent-Range: bytes " + std::to_string(first) + "-" +
                          std::to_string(first + bytes.size() - 1) +
                          "/10\nContent-Length: " + std::to_string(bytes.size()) + "\n" + fields,
                      bytes);
    }
    std::size_t objects() const { return store->stats().objects; }
};

} // namespace

TEST_CASE("which requests are put together from slices") {
    struct Row {
        const char* request;
        bool sliced;
    };
    const Row rows[] = {
        {"", true},
        {"HEAD", true},
        {"Range: bytes=0-1", true},
        {"Cache-Control: no-cache", false},
        {"Cache-Control: no-store", false},
        {"Cache-Control: only-if-cached", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.request);
        SlicingBench bench;
        CHECK((bench.asking(row.request)->plan.kind == Plan::Kind::Slices) == row.sliced);
    }
    CacheBench other;
    CHECK(other.asking()->plan.kind == Plan::Kind::Wait);
}

TEST_CASE("a slice and its manifest are stored, and the next request finds both") {
    SlicingBench bench;
    CHECK(bench.fetch_slice(1) == Reason::None);
    CHECK(bench.objects() == 2);
    const auto again = bench.slice(1);
    CHECK(again->plan.kind == Plan::Kind::Serve);
    CHECK(stored_text(again->plan.entry) == "4567");
    CHECK(again->plan.result.forwarded == Forwarded::No);
    const auto next = bench.slice(2);
    REQUIRE(next->plan.leader);
    CHECK(next->plan.fetch->slice_validator == "\"1\"");
    CHECK(next->plan.result.reason == Reason::PartialMiss);
    CHECK(bench.answer_slice(*next, 2, "Cache-Control: max-age=60\nETag: \"1\"") == Reason::None);
    CHECK(stored_text(bench.slice(2)->plan.entry) == "89");
    CHECK(bench.objects() == 3);
}

TEST_CASE("a manifest answers nothing by itself") {
    SlicingBench bench;
    CHECK(bench.fetch_slice(0) == Reason::None);
    bench.policy.range = config::RangeHandling::Pass;
    CHECK(bench.asking("Range: bytes=0-0")->plan.kind == Plan::Kind::Alone);
    const auto whole = bench.asking();
    REQUIRE(whole->plan.leader);
    CHECK_FALSE(whole->plan.fetch->completing);
    CHECK(bench.answer(*whole, "200\nCache-Control: max-age=60\nContent-Length: 10", kContent) == Reason::None);
    CHECK(bench.objects() == 2); // the whole took the place of the manifest
}

TEST_CASE("a slice is joined by those who need the same one, in time or of the same validator") {
    SlicingBench bench;
    const auto first = bench.slice(0);
    const auto second = bench.slice(0);
    const auto other = bench.slice(1);
    CHECK(second->plan.fetch == first->plan.fetch);
    CHECK(second->plan.result.collapsed);
    CHECK(other->plan.leader);
    bench.send(*first);
    Intake intake;
    REQUIRE(bench.head(*first,
                       "206\nContent-Range: bytes 0-3/10\nContent-Length: 4\nETag: \"1\"\nCache-Control: max-age=0",
                       intake) == HttpCache::BeginResult::Answered);
    const Fetch& fetch = *first->plan.fetch;
    CHECK(fetch.answer().slice);
    SliceNeed need = bench.need(*second, 0);
    CHECK_FALSE(bench.cache.takes_slice(bench.context(*second), need, fetch)); // stale on arrival
    need.current = true;
    need.validator = "\"1\"";
    CHECK(bench.cache.takes_slice(bench.context(*second), need, fetch)); // one more of what it has
    need.validator = "\"2\"";
    CHECK_FALSE(bench.cache.takes_slice(bench.context(*second), need, fetch));
    bench.cache.abort(*first->plan.fetch, intake, kBrokeOff);
    CHECK(bench.slice(0)->plan.leader);
}

TEST_CASE("whoever finds no room to wait for a slice fetches it beside the others") {
    HttpCache::Options options;
    options.waiters_per_fetch = 1;
    SlicingBench bench(options);
    const auto first = bench.slice(0);
    CHECK_FALSE(bench.slice(0)->plan.leader);
    const auto third = bench.slice(0);
    CHECK(third->plan.leader);
    CHECK(third->plan.fetch != first->plan.fetch);
    CHECK_FALSE(third->plan.result.collapsed);
}

TEST_CASE("a stale manifest is asked about with a slice that is stored, and without condition for one that is not") {
    SlicingBench bench;
    CHECK(bench.fetch_slice(0) == Reason::None);
    bench.now = after(61);
    const auto absent = bench.slice(1);
    CHECK(absent->plan.leader);
    CHECK_FALSE(absent->plan.validate);
    CHECK(absent->plan.fetch->slice_validator.empty());
    const auto stored = bench.slice(0);
    CHECK(stored->plan.validate);
    CHECK(stored->plan.result.reason == Reason::Stale);
    CHECK(bench.answer(*stored, "304\nETag: \"1\"\nCache-Control: max-age=100") == Reason::None);
    CHECK(stored->plan.fetch->answer().kind == Answer::Kind::Freshened);
    CHECK(stored_text(bench.slice(0)->plan.entry) == "0123");
}

TEST_CASE("a slice with another validator drops those of the old one") {
    SlicingBench bench;
    CHECK(bench.fetch_slice(0) == Reason::None);
    CHECK(bench.fetch_slice(1, "Cache-Control: max-age=60\nETag: \"2\"") == Reason::None);
    const auto first = bench.slice(0);
    CHECK(first->plan.kind == Plan::Kind::Wait);
    CHECK(first->plan.fetch->slice_validator == "\"2\"");
    CHECK(stored_text(bench.slice(1)->plan.entry) == "4567");
}

TEST_CASE("what an answer that is no slice does to those that are stored") {
    struct Row {
        const char* name;
        std::string response;
        bool dropped;
        bool sliced_again; // for the next minute
    };
    const Row rows[] = {
        {"the whole", "200\nCache-Control: no-store\nContent-Length: 10", true, false},
        {"a weak validator",
         "206\nContent-Range: bytes 4-7/10\nContent-Length: 4\nCache-Control: max-age=60\nETag: W/\"1\"", true, false},
        {"gone", "404\nContent-Length: 10", true, true},
        {"it became shorter", "416\nContent-Length: 10", true, true},
        {"an error", "503\nContent-Length: 10", false, true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        SlicingBench bench;
        CHECK(bench.fetch_slice(0) == Reason::None);
        const auto client = bench.slice(1);
        bench.send(*client);
        Intake intake;
        REQUIRE(bench.head(*client, row.response, intake) == HttpCache::BeginResult::Answered);
        CHECK_FALSE(client->plan.fetch->answer().slice);
        bench.cache.abort(*client->plan.fetch, intake, kBrokeOff);
        const auto next = bench.asking("Range: bytes=0-1");
        CHECK((next->plan.kind == Plan::Kind::Slices) == row.sliced_again);
        if (row.sliced_again) {
            CHECK(static_cast<bool>(next->plan.manifest) == !row.dropped);
        }
        bench.now = after(59);
        CHECK((bench.asking()->plan.kind == Plan::Kind::Slices) == row.sliced_again);
        bench.now = after(61);
        CHECK(bench.asking()->plan.kind == Plan::Kind::Slices);
    }
}

TEST_CASE("a purge of the URL kills manifest and slices, stored and in flight") {
    SlicingBench bench;
    CHECK(bench.fetch_slice(0) == Reason::None);
    const auto in_flight = bench.slice(1);
    bench.send(*in_flight);
    PurgeMatcher matcher;
    matcher.path = "/a";
    bench.cache.purge(matcher);
    CHECK_FALSE(bench.asking()->plan.manifest);
    Intake intake;
    REQUIRE(bench.head(*in_flight,
                       "206\nContent-Range: bytes 4-7/10\nContent-Length: 4\nETag: \"1\"\nCache-Control: max-age=60",
                       intake) == HttpCache::BeginResult::Answered);
    CHECK_FALSE(in_flight->plan.fetch->answer().stored);
    bench.cache.abort(*in_flight->plan.fetch, intake, kBrokeOff);
    const auto client = bench.asking(); // it says nothing about whether there are slices
    REQUIRE(client->plan.kind == Plan::Kind::Slices);
    SliceNeed need = bench.need(*client, 0);
    need.validator = "\"1\"";
    need.current = true;
    CHECK(bench.cache.plan_slice(bench.context(*client), need).kind == Plan::Kind::Wait);
}

TEST_CASE("what is one slice altogether is stored as the whole") {
    SlicingBench bench;
    const auto client = bench.slice(0);
    CHECK(bench.answer(*client,
                       "206\nContent-Range: bytes 0-2/3\nContent-Length: 3\nETag: \"1\"\nCache-Control: max-age=60",
                       "012") == Reason::None);
    CHECK(client->plan.fetch->answer().slice);
    const auto hit = bench.asking();
    CHECK(hit->plan.kind == Plan::Kind::Serve);
    CHECK(hit->plan.head.facts.status == 200);
    CHECK(bench.objects() == 1);
}
