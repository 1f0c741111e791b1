// Ranges of what is not stored: who fetches the whole for them, who joins, and who is told to go alone.
#include "tests/unit/cache/http_cache_bench.h"

#include "cache/policy/range_fill.h"

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;
using config::RangeHandling;

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

struct FillingBench : CacheBench {
    explicit FillingBench(RangeHandling handling = RangeHandling::Fill) : CacheBench(64 * kMiB, 32 * kMiB) {
        policy.range = handling;
    }
};

std::string whole_head(std::uint64_t length, const std::string& fields = "Cache-Control: max-age=60") {
    return "200\nContent-Length: " + std::to_string(length) + "\n" + fields;
}

// A client whose fetch has its head, and these bytes of its content.
std::unique_ptr<Client> arriving(CacheBench& bench, Intake& intake, const std::string& head, std::string_view content,
                                 const std::string& request = "") {
    auto client = bench.asking(request);
    REQUIRE(client->plan.leader);
    bench.send(*client);
    REQUIRE(bench.head(*client, head, intake) == HttpCache::BeginResult::Answered);
    CHECK(fill(*intake.body, content) == content.size());
    return client;
}

void end(CacheBench& bench, Client& client, Intake& intake) {
    bench.cache.abort(*client.plan.fetch, intake, kBrokeOff);
}

} // namespace

TEST_CASE("a range of what is not stored is one fetch with the whole where it is filled") {
    FillingBench bench;
    const auto range = bench.asking("Range: bytes=2-3");
    CHECK(range->plan.kind == Plan::Kind::Wait);
    CHECK(range->plan.leader);
    CHECK_FALSE(range->plan.as_part);
    CHECK(range->plan.result.reason == Reason::RequestRange);
    const auto whole = bench.asking();
    const auto other = bench.asking("Range: bytes=-1");
    CHECK(whole->plan.fetch == range->plan.fetch);
    CHECK(other->plan.fetch == range->plan.fetch);
    CHECK(bench.answer(*range, whole_head(10), "0123456789") == Reason::None);
    for (const auto* client : {&range, &whole, &other}) {
        CHECK(bench.resolve(**client).kind == Resolution::Kind::Stream);
    }
    CHECK(bench.asking("Range: bytes=2-3")->plan.kind == Plan::Kind::Serve);
}

TEST_CASE("which ranges go alone, by policy and by what is known of the length") {
    struct Row {
        const char* name;
        RangeHandling handling;
        const char* length; // of a stored part; "" without one
        bool filled;
    };
    const Row rows[] = {
        {"pass", RangeHandling::Pass, "", false},
        {"pass, small", RangeHandling::Pass, "10", false},
        {"fill", RangeHandling::Fill, "", true},
        {"fill, more than the store takes", RangeHandling::Fill, "33554433", false},
        {"auto", RangeHandling::Auto, "", false},
        {"auto, small", RangeHandling::Auto, "8388608", true},
        {"auto, large", RangeHandling::Auto, "8388609", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        FillingBench bench(row.handling);
        if (*row.length != '\0') {
            bench.policy.range = RangeHandling::Pass;
            const auto part = bench.asking("Range: bytes=4-4");
            bench.go_alone(*part);
            CHECK(bench.answer(*part,
                               "206\nContent-Range: bytes 4-4/" + std::string(row.length) +
                                   "\nContent-Length: 1\nCache-Control: max-age=60\nETag: \"1\"",
                               "4") == Reason::None);
            bench.policy.range = row.handling;
        }
        const auto client = bench.asking("Range: bytes=2-3");
        CHECK((client->plan.kind == Plan::Kind::Wait) == row.filled);
        CHECK(client->plan.as_part == !row.filled);
        CHECK(client->plan.result.reason == (*row.length != '\0' ? Reason::PartialMiss : Reason::RequestRange));
    }
}

TEST_CASE("a range joins what is arriving and small, also where it would have been passed by default") {
    struct Row {
        const char* name;
        RangeHandling handling;
        std::string head;
        const char* request;
        bool joins;
    };
    const Row rows[] = {
        {"small", RangeHandling::Auto, whole_head(8 * kMiB), "", true},
        {"large", RangeHandling::Auto, whole_head(8 * kMiB + 1), "", false},
        {"of unknown length", RangeHandling::Auto, "200\nCache-Control: max-age=60", "", false},
        {"not to be shared", RangeHandling::Auto, whole_head(8, "Cache-Control: private"), "", false},
        {"of another variant", RangeHandling::Auto, whole_head(8, "Cache-Control: max-age=60\nVary: A"), "\nA: 1",
         false},
        {"the client wants it newer", RangeHandling::Auto, whole_head(8), "\nCache-Control: no-cache", false},
        {"passed by policy", RangeHandling::Pass, whole_head(8), "", false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        FillingBench bench(row.handling);
        Intake intake;
        const auto whole = arriving(bench, intake, row.head, "01234");
        const auto range = bench.asking("Range: bytes=2-3" + std::string(row.request));
        CHECK((range->plan.fetch == whole->plan.fetch) == row.joins);
        CHECK(range->plan.kind == (row.joins ? Plan::Kind::Wait : Plan::Kind::Alone));
        CHECK(range->plan.as_part == !row.joins);
        CHECK(range->plan.result.collapsed == row.joins);
        if (row.joins) {
            CHECK(bench.resolve(*range).kind == Resolution::Kind::Stream);
        }
        end(bench, *whole, intake);
    }
}

TEST_CASE("a whole that is asked for and has no head yet tells no length") {
    FillingBench bench(RangeHandling::Auto);
    const auto whole = bench.asking();
    const auto range = bench.asking("Range: bytes=2-3");
    CHECK(range->plan.kind == Plan::Kind::Alone);
    CHECK(range->plan.as_part);
}

TEST_CASE("a range that begins far behind what has arrived is passed, and of it nothing need be stored") {
    const std::string far = "Range: bytes=" + std::to_string(policy::kFillAheadBytes + 6) + "-";
    FillingBench bench;
    Intake intake;
    const auto first = arriving(bench, intake, whole_head(20 * kMiB), "01234", far);
    const auto second = bench.asking(far);
    REQUIRE(second->plan.fetch == first->plan.fetch);
    for (const auto* client : {&first, &second}) {
        const Resolution resolution = bench.resolve(**client);
        CHECK(resolution.kind == Resolution::Kind::Pass);
        CHECK(resolution.kept);
        CHECK(resolution.result.reason == Reason::RequestRange);
        CHECK_FALSE(resolution.result.collapsed);
    }
    CHECK(fill(*intake.body, "5") == 1);
    CHECK(bench.resolve(*second).kind == Resolution::Kind::Stream); // near enough now
    CHECK(first->plan.fetch->wanted());
    end(bench, *first, intake);
}

TEST_CASE("a range that is far away in what is not stored is passed, and its part may be") {
    const std::string far = "Range: bytes=" + std::to_string(policy::kFillAheadBytes + 6) + "-";
    FillingBench bench;
    Intake intake;
    const auto client = arriving(bench, intake, whole_head(33 * kMiB), "01234", far);
    const Resolution resolution = bench.resolve(*client);
    CHECK(resolution.kind == Resolution::Kind::Pass);
    CHECK_FALSE(resolution.kept);
    end(bench, *client, intake);
    // The next one does not try.
    const auto next = bench.asking("Range: bytes=0-1");
    CHECK(next->plan.kind == Plan::Kind::Alone);
    CHECK(next->plan.as_part);
    CHECK(next->plan.may_store);
    CHECK(next->plan.result.reason == Reason::KnownUncacheable);
}

TEST_CASE("a range that was passed takes what comes, whatever it is") {
    FillingBench bench(RangeHandling::Pass);
    const auto client = bench.asking("Range: bytes=30000000-");
    bench.go_alone(*client);
    bench.send(*client);
    Intake intake;
    REQUIRE(bench.head(*client, whole_head(33 * kMiB), intake) == HttpCache::BeginResult::Answered);
    CHECK(bench.resolve(*client).kind == Resolution::Kind::Stream);
    end(bench, *client, intake);
}
