// HEAD requests that go to the origin as they are.
#include "tests/unit/cache/http_cache_bench.h"

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;

TEST_CASE("a HEAD that goes alone updates what it confirms and ends what it does not (RFC 9111 section 4.3.5)") {
    struct Row {
        const char* name;
        const char* request;
        const char* head;
        const char* outcome; // of the next GET
    };
    const Row rows[] = {
        {"confirmed", "HEAD", "Cache-Control: max-age=60\nETag: \"1\"\nA: 2\nContent-Length: 5", "hit 2"},
        {"another tag", "HEAD", "Cache-Control: max-age=60\nETag: \"2\"\nContent-Length: 5", "miss"},
        {"another length", "HEAD", "Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 6", "miss"},
        {"confirmed, no-store", "HEAD", "Cache-Control: no-store\nETag: \"1\"", "miss"},
        {"confirmed, the request says no-store", "HEAD\nCache-Control: no-store",
         "Cache-Control: max-age=60\nETag: \"1\"\nA: 2", "stale 1"},
        {"another tag, the request says no-store", "HEAD\nCache-Control: no-store",
         "Cache-Control: max-age=60\nETag: \"2\"", "miss"},
        {"not 200", "HEAD", "410\nETag: \"2\"", "stale 1"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CacheBench bench;
            bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nA: 1\nContent-Length: 5", "hello");
            bench.now = after(61);
            const auto head = bench.asking(row.request);
            head->plan.may_store = false; // as for a key that is known not to be storable
            bench.go_alone(*head);
            bench.answer(*head, row.head);
            const auto next = bench.asking();
            std::string outcome = next->plan.kind == Plan::Kind::Serve ? "hit" : next->plan.entry ? "stale" : "miss";
            if (next->plan.entry) {
                outcome += " " + next->plan.head.fields().combined("A");
                CHECK(stored_text(next->plan.entry) == "hello");
            }
            CHECK(outcome == row.outcome);
        }
    }
}

TEST_CASE("a HEAD that goes alone passes on the length and stores nothing") {
    CacheBench bench;
    bench.policy.disabled = true;
    const auto client = bench.asking("HEAD");
    bench.go_alone(*client);
    bench.answer(*client, "Cache-Control: max-age=60\nContent-Length: 5");
    const Answer& answer = client->plan.fetch->answer();
    CHECK_FALSE(answer.body);
    CHECK(answer.length == 5);
    CHECK(bench.store->stats().objects == 0);
}
