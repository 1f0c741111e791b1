// Which rule a resource has: learnt, replaced, forgotten, and never too many.
#include "cache/search_rules.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace gatehouse::cache;
using policy::SearchRule;

namespace {

std::string key_of(const std::string& path, const std::string& query = "", const std::string& fields = "") {
    return "p|*\napi\nh\n" + path + "\n" + query + "\n" + fields;
}

const SearchRule kWithoutUtm{false, {"utm"}, false};
const SearchRule kOnlyQ{true, {"q"}, false};

} // namespace

TEST_CASE("a rule is known for every query of its resource, and for no other resource") {
    SearchRules rules;
    PurgeLog numbers;
    CHECK(rules.empty());
    CHECK_FALSE(rules.find(key_of("/a")));
    const auto number = rules.learn(key_of("/a", "q=1"), kWithoutUtm, numbers);
    CHECK_FALSE(rules.empty());
    for (const char* query : {"", "q=1", "q=2&utm=x"}) {
        const auto known = rules.find(key_of("/a", query));
        REQUIRE(known);
        CHECK(*known->rule == kWithoutUtm);
        CHECK(known->number == number);
    }
    CHECK(rules.find(key_of("/a", "", "?\n"))); // an empty query
    CHECK_FALSE(rules.find(key_of("/b", "q=1")));
    CHECK_FALSE(rules.find(key_of("/a", "q=1", "x-a:1\n")));
    CHECK_FALSE(rules.find("other|*\napi\nh\n/a\nq=1\n"));
    CHECK_FALSE(rules.find("p|*\nother\nh\n/a\nq=1\n"));
    CHECK_FALSE(rules.find("p|*\napi\ni\n/a\nq=1\n"));
}

TEST_CASE("the newest rule counts, under a number of its own") {
    SearchRules rules;
    PurgeLog numbers;
    const auto first = rules.learn(key_of("/a"), kWithoutUtm, numbers);
    CHECK(rules.learn(key_of("/a", "x=1"), kWithoutUtm, numbers) == first); // the same again
    const auto sent = numbers.next();
    const auto second = rules.learn(key_of("/a"), kOnlyQ, numbers);
    CHECK(second > sent);
    CHECK(*rules.find(key_of("/a"))->rule == kOnlyQ);
    const auto third = rules.learn(key_of("/a"), kWithoutUtm, numbers);
    CHECK(third > second); // what was stored by the first is not found again
    CHECK(rules.size() == 1);
}

TEST_CASE("the rules of a path are those of all its resources") {
    SearchRules rules;
    PurgeLog numbers;
    CHECK(rules.of_path("/a")->empty());
    rules.learn(key_of("/a"), kWithoutUtm, numbers);
    rules.learn(key_of("/a", "", "x-a:1\n"), kOnlyQ, numbers);
    rules.learn(key_of("/b"), kOnlyQ, numbers);
    CHECK(rules.of_path("/a")->size() == 2);
    CHECK(rules.of_path("/b")->size() == 1);
    CHECK(rules.of_path("/c")->empty());
}

TEST_CASE("a path has each rule once, however many resources there are, and not more than are gone through") {
    SearchRules rules;
    PurgeLog numbers;
    for (int host = 0; host < 2000; ++host) {
        rules.learn("p|*\napi\nh" + std::to_string(host) + "\n/a\nq=1\n", kOnlyQ, numbers);
    }
    REQUIRE(rules.of_path("/a"));
    CHECK(rules.of_path("/a")->size() == 1);
    for (std::size_t i = 0; i < SearchRules::kMostOfPath; ++i) {
        CHECK(rules.of_path("/a"));
        policy::SearchRule rule = kWithoutUtm;
        rule.names = {"n" + std::to_string(i)};
        rules.learn(key_of("/a", "", "x-a:" + std::to_string(i) + "\n"), rule, numbers);
    }
    CHECK_FALSE(rules.of_path("/a"));
}

TEST_CASE("cached POSTs of one URL are one resource, whatever they ask") {
    SearchRules rules;
    PurgeLog numbers;
    const auto number = rules.learn(key_of("/a", "q=1", "@POST 0123\ncontent-type:a\n"), kOnlyQ, numbers);
    CHECK(rules.learn(key_of("/a", "q=2", "@POST 4567\ncontent-type:b\n"), kOnlyQ, numbers) == number);
    CHECK(rules.size() == 1);
    CHECK_FALSE(rules.find(key_of("/a", "q=1")));
}

TEST_CASE("there are never more rules than there is room for, and those that are asked for stay") {
    SearchRules rules;
    PurgeLog numbers;
    rules.learn(key_of("/asked"), kOnlyQ, numbers);
    for (std::size_t i = 0; i < 3 * SearchRules::kMaxRules; ++i) {
        rules.learn(key_of("/" + std::to_string(i)), kWithoutUtm, numbers);
        REQUIRE(rules.find(key_of("/asked")));
    }
    CHECK(rules.size() <= SearchRules::kMaxRules);
    CHECK(rules.size() > SearchRules::kMaxRules / 2);
    CHECK_FALSE(rules.find(key_of("/0")));
    CHECK(rules.of_path("/0")->empty());
}

TEST_CASE("a purge that sees no rule has a smaller number than a rule that is learnt at the same time") {
    SearchRules rules;
    PurgeLog numbers;
    constexpr int kRounds = 2000;
    std::atomic<int> at{-1};
    std::atomic<int> done{0};
    std::vector<std::uint64_t> learnt(kRounds);
    std::thread learner([&] {
        for (int i = 0; i < kRounds; ++i) {
            while (at.load() < i) {
                std::this_thread::yield();
            }
            learnt[static_cast<std::size_t>(i)] = rules.learn(key_of("/" + std::to_string(i)), kOnlyQ, numbers);
            done.fetch_add(1);
        }
    });
    std::vector<std::uint64_t> unseen(kRounds);
    for (int i = 0; i < kRounds; ++i) {
        at.store(i);
        const auto purge = numbers.record({"h", "/" + std::to_string(i), "q=1"});
        unseen[static_cast<std::size_t>(i)] = rules.of_path("/" + std::to_string(i))->empty() ? purge : 0;
        while (done.load() <= i) {
            std::this_thread::yield();
        }
    }
    learner.join();
    for (std::size_t i = 0; i < kRounds; ++i) {
        if (unseen[i] != 0) {
            CHECK(unseen[i] < learnt[i]);
        }
    }
}
