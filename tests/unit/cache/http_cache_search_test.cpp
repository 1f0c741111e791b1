// No-Vary-Search in the coordinator: equal queries find, wait for and lose one stored response.
#include "tests/unit/cache/http_cache_bench.h"

#include <string>

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;

namespace {

constexpr const char* kWithoutUtm =
    "Cache-Control: max-age=60\nETag: \"1\"\nNo-Vary-Search: params=(\"utm\")\nContent-Length: 3";
constexpr const char* kOnlyQ = "Cache-Control: max-age=60\nNo-Vary-Search: except=(\"q\")\nContent-Length: 3";
constexpr const char* kNoRule = "Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 3";

struct SearchBench : CacheBench {
    static std::string key_for(std::string_view query, std::string_view path = "/a") {
        return "rules|*\napi\nh\n" + std::string(path) + "\n" + std::string(query) + "\n";
    }
    std::unique_ptr<Client> client(std::string_view query, std::string_view lines = "") {
        auto made = CacheBench::client(lines);
        made->key = key_for(query);
        return made;
    }
    std::unique_ptr<Client> asking(std::string_view query, std::string_view lines = "") {
        auto made = client(query, lines);
        ask(*made);
        return made;
    }
    void stored(std::string_view query, std::string_view response, std::string_view body, std::string_view lines = "") {
        const auto first = asking(query, lines);
        REQUIRE(first->plan.leader);
        REQUIRE(answer(*first, response, body) == Reason::None);
    }
    // What a request is served from the store, or "" where it is not.
    std::string served(std::string_view query, std::string_view lines = "") {
        const auto one = client(query, lines);
        const Plan plan = cache.plan(context(*one), one->decision);
        if (plan.kind != Plan::Kind::Serve) {
            if (plan.leader) { // nobody may wait for what never comes
                cache.fail(*plan.fetch, http::Error(http::ErrorKind::ConnectionRefused, "refused"));
            }
            return "";
        }
        return stored_text(plan.entry);
    }
    std::uint64_t purge(std::string_view query, std::string_view path = "/a") {
        PurgeMatcher matcher;
        matcher.authority = "h";
        matcher.path = path;
        matcher.query = query;
        return cache.purge(matcher);
    }
};

} // namespace

TEST_CASE("what is equal by the rule of the stored response is served, what differs is not") {
    SearchBench bench;
    bench.stored("q=1&utm=x", kWithoutUtm, "one");
    CHECK(bench.served("q=1&utm=x") == "one");
    CHECK(bench.served("q=1&utm=y") == "one");
    CHECK(bench.served("q=1") == "one");
    CHECK(bench.served("utm=z&%71=1") == "one");
    CHECK(bench.served("q=2") == "");
    CHECK(bench.served("") == "");
    CHECK(bench.store->stats().objects == 1);
}

TEST_CASE("a request without a query is equal to those of which nothing counts") {
    SearchBench bench;
    bench.stored("", kOnlyQ, "one");
    CHECK(bench.served("utm=1") == "one");
    CHECK(bench.served("") == "one");
    CHECK(bench.served("q=") == "");
}

TEST_CASE("where it is ignored, or slices are stored, queries are compared to the letter") {
    SearchBench bench;
    SUBCASE("ignored") { bench.policy.no_vary_search = false; }
    SUBCASE("ignored later") {
        bench.stored("q=1&utm=x", kWithoutUtm, "one");
        CHECK(bench.served("q=1") == "one");
        bench.policy.no_vary_search = false;
        CHECK(bench.served("q=1&utm=x") == "");
    }
    if (bench.served("q=1&utm=x").empty()) {
        bench.stored("q=1&utm=x", kWithoutUtm, "two");
    }
    CHECK(bench.served("q=1&utm=x") == "two");
    CHECK(bench.served("q=1") == "");
}

TEST_CASE("requests that are equal by a known rule wait for one fetch; before it is known only the same do") {
    SearchBench bench;
    const auto first = bench.asking("q=1&utm=a");
    const auto stranger = bench.asking("q=1&utm=b");
    CHECK(stranger->plan.leader);
    bench.answer(*first, kWithoutUtm, "one");
    bench.answer(*stranger, kWithoutUtm, "two");
    CHECK(bench.served("q=1") == "two"); // the later request's
    CHECK(bench.store->stats().objects == 1);
    const auto leader = bench.asking("q=2&utm=a");
    const auto follower = bench.asking("q=2&utm=b");
    CHECK(leader->plan.leader);
    CHECK(follower->plan.fetch == leader->plan.fetch);
    CHECK(bench.asking("q=3")->plan.leader);
    bench.answer(*leader, kWithoutUtm, "two");
    CHECK(bench.resolve(*follower).kind == Resolution::Kind::Stream);
}

TEST_CASE("equal requests join an answer that arrives and has just taught the rule") {
    SearchBench bench;
    const auto leader = bench.asking("q=1&utm=a");
    bench.send(*leader);
    Intake intake;
    bench.head(*leader, kWithoutUtm, intake);
    fill(*intake.body, "on");
    const auto equal = bench.asking("q=1&utm=b");
    CHECK(equal->plan.fetch == leader->plan.fetch);
    CHECK(bench.resolve(*equal).kind == Resolution::Kind::Stream);
    const auto same = bench.asking("q=1&utm=a");
    CHECK(same->plan.fetch == leader->plan.fetch);
    fill(*intake.body, "e");
    CHECK(bench.cache.finish(*leader->plan.fetch, intake) == Reason::None);
    CHECK(bench.cache.fetches_in_flight() == 0);
    CHECK(bench.served("q=1") == "one");
}

TEST_CASE("an answer with another rule, or none, is for the same query only, and its rule counts from then on") {
    struct Row {
        const char* name;
        const char* response;
        const char* served; // of what was stored by it: "q=5&utm=a" was asked for
        Resolution::Kind others;
    };
    const Row rows[] = {
        {"no rule", kNoRule, "q=5&utm=a", Resolution::Kind::Rejoin},
        {"another rule", kOnlyQ, "q=5&x=y", Resolution::Kind::Rejoin},
        {"an error", "404\nCache-Control: max-age=60\nContent-Length: 3", "q=5&utm=a", Resolution::Kind::Alone},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            SearchBench bench;
            bench.stored("q=1&utm=x", kWithoutUtm, "one");
            const auto leader = bench.asking("q=5&utm=a");
            const auto same = bench.asking("q=5&utm=a");
            const auto equal = bench.asking("q=5&utm=b");
            REQUIRE(equal->plan.fetch == leader->plan.fetch);
            bench.answer(*leader, row.response, "two");
            CHECK(bench.resolve(*leader).kind == Resolution::Kind::Stream);
            CHECK(bench.resolve(*same).kind == Resolution::Kind::Stream);
            CHECK(bench.resolve(*equal).kind == row.others);
            CHECK(bench.served(row.served) == "two");
            // Neither an error nor an answer without the field changes what is stored for the others.
            const bool is_kept = std::string_view(row.name) != "another rule";
            CHECK(bench.served("q=1") == (is_kept ? "one" : ""));
            CHECK(bench.cache.fetches_in_flight() == 0);
        }
    }
}

TEST_CASE("what arrives with another rule is not joined by whom the old one made equal") {
    SearchBench bench;
    bench.stored("q=1", kWithoutUtm, "one");
    const auto leader = bench.asking("q=5&utm=a");
    bench.send(*leader);
    Intake intake;
    bench.head(*leader, kOnlyQ, intake);
    const auto other = bench.asking("q=6&utm=a");
    CHECK(other->plan.leader);
    CHECK(bench.asking("q=5&utm=a")->plan.fetch == leader->plan.fetch);
    fill(*intake.body, "two");
    CHECK(bench.cache.finish(*leader->plan.fetch, intake) == Reason::None);
}

TEST_CASE("what was stored by a rule that was replaced is not found again when the rule comes back") {
    SearchBench bench;
    bench.stored("q=1&utm=x", kWithoutUtm, "one");
    bench.stored("q=2", kOnlyQ, "two");
    bench.stored("q=3", kWithoutUtm, "thr");
    CHECK(bench.served("q=3&utm=x") == "thr");
    CHECK(bench.served("q=1") == "");
}

TEST_CASE("what is stored by a rule takes the place of what was stored for its own query") {
    SearchBench bench;
    bench.stored("q=1", kNoRule, "one");
    bench.now = after(61);
    const auto validating = bench.asking("q=1");
    REQUIRE(validating->plan.validate);
    bench.answer(*validating, kWithoutUtm, "two");
    CHECK(bench.served("q=1") == "two");
    CHECK(bench.served("q=1&utm=x") == "two");
    CHECK(bench.store->stats().objects == 1);
}

TEST_CASE("Vary and No-Vary-Search: each variant is one for all equal queries") {
    SearchBench bench;
    const std::string varies = std::string(kWithoutUtm) + "\nVary: Accept-Language";
    bench.stored("q=1&utm=x", varies, "deu", "Accept-Language: de");
    bench.stored("q=1&utm=y", varies, "fra", "Accept-Language: fr");
    CHECK(bench.served("q=1", "Accept-Language: de") == "deu");
    CHECK(bench.served("q=1&utm=z", "Accept-Language: fr") == "fra");
    CHECK(bench.served("q=1", "Accept-Language: it") == "");
}

TEST_CASE("a 304 freshens what is stored by a rule for all equal queries") {
    SearchBench bench;
    bench.stored("q=1&utm=x", kWithoutUtm, "one");
    bench.now = after(61);
    const auto validating = bench.asking("q=1&utm=y");
    REQUIRE(validating->plan.validate);
    SUBCASE("that names the rule again, or does not") {
        const char* response = "304\nCache-Control: max-age=60\nETag: \"1\"";
        SUBCASE("again") {
            response = "304\nCache-Control: max-age=60\nETag: \"1\"\nNo-Vary-Search: params=(\"utm\" \"utm\")";
        }
        bench.answer(*validating, response);
        CHECK(bench.served("q=1&utm=z") == "one");
    }
    SUBCASE("that names another: it is asked for as a whole") {
        bench.send(*validating);
        Intake intake;
        CHECK(bench.head(*validating, "304\nCache-Control: max-age=60\nETag: \"1\"\nNo-Vary-Search: except=(\"q\")",
                         intake) == HttpCache::BeginResult::RetryUnconditional);
    }
}

TEST_CASE("a 304 for what has no rule yet teaches it") {
    SearchBench bench;
    bench.stored("q=1", kNoRule, "one");
    bench.now = after(61);
    const auto validating = bench.asking("q=1");
    bench.answer(*validating, "304\nCache-Control: max-age=60\nETag: \"1\"\nNo-Vary-Search: params=(\"utm\")");
    CHECK(bench.served("q=1") == "one");
    const auto leader = bench.asking("q=1&utm=a");
    CHECK(bench.asking("q=1&utm=b")->plan.fetch == leader->plan.fetch);
}

TEST_CASE("a purge of one query reaches what is stored for all equal ones, and nothing else") {
    SearchBench bench;
    bench.stored("q=1&utm=x", kWithoutUtm, "one");
    bench.stored("q=2&utm=x", kWithoutUtm, "two");
    const auto number = bench.purge("q=1&utm=other");
    CHECK(number == bench.cache.purges().current());
    CHECK(bench.served("q=1") == "");
    CHECK(bench.served("q=2") == "two");
    bench.purge("q=2", "/b");
    CHECK(bench.served("q=2") == "two");
    PurgeMatcher matcher;
    matcher.path = "/a";
    matcher.query = "utm=9&q=2";
    bench.cache.purge(matcher); // of every host
    CHECK(bench.cache.sweep(matcher) == 1);
    CHECK(bench.store->stats().objects == 0);
}

TEST_CASE("a purge that came before the rule was known reaches what was on its way by then") {
    struct Row {
        const char* name;
        const char* purged;
        bool kills;
    };
    const Row rows[] = {{"the same query", "q=1&utm=x", true},
                        {"an equal query", "q=1&utm=y", true},
                        {"nothing can tell that it is another", "q=2", true}};
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            SearchBench bench;
            const auto leader = bench.asking("q=1&utm=x");
            bench.send(*leader);
            bench.purge(row.purged);
            Intake intake;
            bench.head(*leader, kWithoutUtm, intake);
            if (intake.body) {
                fill(*intake.body, "one");
            }
            const Reason reason = bench.cache.finish(*leader->plan.fetch, intake);
            CHECK((reason == Reason::PurgedMeanwhile) == row.kills);
            CHECK(bench.served("q=1&utm=z") == "");
            // What is asked for after it is stored, by the rule.
            bench.stored("q=1&utm=x", kWithoutUtm, "two");
            CHECK(bench.served("q=1&utm=z") == "two");
            bench.purge("q=3");
            CHECK(bench.served("q=1&utm=z") == "two");
        }
    }
}

TEST_CASE("a purge while the body arrives kills it for all equal queries") {
    SearchBench bench;
    bench.stored("q=9", kWithoutUtm, "one");
    const auto leader = bench.asking("q=1&utm=x");
    bench.send(*leader);
    Intake intake;
    bench.head(*leader, kWithoutUtm, intake);
    bench.purge("utm=1&q=1");
    CHECK(bench.asking("q=1&utm=y")->plan.leader);
    fill(*intake.body, "two");
    CHECK(bench.cache.finish(*leader->plan.fetch, intake) == Reason::PurgedMeanwhile);
    CHECK(bench.served("q=9") == "one");
}

TEST_CASE("an error does not hide what is stored by a rule and may be served in its place") {
    SearchBench bench;
    bench.policy.stale_if_error = std::chrono::hours(1);
    bench.stored("q=1&utm=x", kWithoutUtm, "one");
    bench.now = after(61);
    const auto leader = bench.asking("q=1&utm=y");
    const auto other = bench.asking("q=1&utm=z");
    REQUIRE(other->plan.fetch == leader->plan.fetch);
    bench.answer(*leader, "503\nCache-Control: max-age=60\nContent-Length: 3", "bad");
    CHECK(bench.resolve(*leader).kind == Resolution::Kind::Serve);
    CHECK(bench.resolve(*other).kind == Resolution::Kind::Serve);
    const auto later = bench.asking("q=1&utm=w");
    CHECK(later->plan.kind == Plan::Kind::Wait);
    CHECK(later->plan.entry);
}

TEST_CASE("a part is stored for its own query, and a whole by its rule answers ranges of equal ones") {
    SearchBench bench;
    bench.policy.range = config::RangeHandling::Pass;
    const auto part = bench.asking("q=1", "Range: bytes=0-1");
    REQUIRE(part->plan.as_part);
    bench.go_alone(*part);
    bench.answer(*part,
                 "206\nCache-Control: max-age=60\nETag: \"1\"\nNo-Vary-Search: params=(\"utm\")\nContent-Range: bytes "
                 "0-1/3\nContent-Length: 2",
                 "on");
    CHECK(bench.served("q=1", "Range: bytes=0-1") == "on");
    CHECK(bench.served("q=1&utm=x", "Range: bytes=0-1") == "");
    bench.stored("q=1&utm=y", kWithoutUtm, "one");
    CHECK(bench.served("q=1&utm=x", "Range: bytes=0-1") == "one"); // cut out of it
}

TEST_CASE("a HEAD finds what a GET of an equal query stored") {
    SearchBench bench;
    bench.stored("q=1&utm=x", kWithoutUtm, "one");
    const auto head = bench.client("q=1&utm=y", "HEAD\n");
    CHECK(bench.ask(*head).kind == Plan::Kind::Serve);
}

TEST_CASE("a fetch that is alone stores by the rule, too") {
    SearchBench bench;
    const auto one = bench.asking("q=1&utm=x");
    bench.cache.fail(*one->plan.fetch, http::Error(http::ErrorKind::ConnectionRefused, "refused"));
    bench.go_alone(*one);
    CHECK(bench.answer(*one, kWithoutUtm, "one") == Reason::None);
    CHECK(bench.served("q=1") == "one");
    CHECK(bench.cache.fetches_in_flight() == 0);
}
