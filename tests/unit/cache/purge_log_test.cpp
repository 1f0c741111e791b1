// What a purge kills, also after the list of matchers was full many times.
#include "cache/purge_log.h"

#include "cache/policy/cache_key.h"

#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace gatehouse;
using cache::PurgeLog;
using cache::PurgeMatcher;

namespace {

std::string key_of(std::string_view authority, std::string_view path, std::string_view query = "") {
    std::string key = "rules|*\napi\n";
    key.append(authority).append(1, '\n').append(path).append(1, '\n').append(query).append(1, '\n');
    return key;
}

PurgeMatcher exact(std::optional<std::string> authority, std::string path, std::string query = "") {
    PurgeMatcher matcher;
    matcher.authority = std::move(authority);
    matcher.path = std::move(path);
    matcher.query = std::move(query);
    return matcher;
}

PurgeMatcher prefix(std::string path, std::optional<std::string> authority = std::nullopt) {
    PurgeMatcher matcher = exact(std::move(authority), std::move(path));
    matcher.prefix = true;
    return matcher;
}

} // namespace

TEST_CASE("a matcher names keys by authority, path and query") {
    PurgeMatcher any_query = exact(std::nullopt, "/a");
    any_query.any_query = true;
    struct Row {
        const char* name;
        PurgeMatcher matcher;
        std::string key;
        bool matches;
    };
    const std::vector<Row> rows = {
        {"the same", exact("h", "/a", "q=1"), key_of("h", "/a", "q=1"), true},
        {"another host", exact("h", "/a"), key_of("g", "/a"), false},
        {"a host that begins the same", exact("h", "/a"), key_of("h2", "/a"), false},
        {"no host means every host", exact(std::nullopt, "/a"), key_of("g", "/a"), true},
        {"a key of any host is matched by every host", exact("h", "/a"), key_of("*", "/a"), true},
        {"another path", exact("h", "/a"), key_of("h", "/b"), false},
        {"a longer path", exact("h", "/a"), key_of("h", "/ab"), false},
        {"a path in other case", exact("h", "/a"), key_of("h", "/A"), false},
        {"another query", exact("h", "/a", "q=1"), key_of("h", "/a", "q=2"), false},
        {"a query where none is meant", exact("h", "/a"), key_of("h", "/a", "q=1"), false},
        {"no query where one is meant", exact("h", "/a", "q=1"), key_of("h", "/a"), false},
        {"any query", any_query, key_of("h", "/a", "q=1"), true},
        {"any query, none", any_query, key_of("h", "/a"), true},
        {"any query of another path", any_query, key_of("h", "/ab", "q=1"), false},
        {"a prefix matches itself", prefix("/a"), key_of("h", "/a"), true},
        {"a prefix matches what is longer", prefix("/a"), key_of("h", "/abc/d", "q"), true},
        {"a prefix does not match what is shorter", prefix("/ab"), key_of("h", "/a"), false},
        {"a prefix with a host", prefix("/a", "h"), key_of("g", "/ab"), false},
        {"everything", prefix("/"), key_of("h", "/x/y", "z"), true},
        {"a prefix does not reach into the query", prefix("/a?q"), key_of("h", "/a", "q"), false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { CHECK(row.matcher.matches(row.key) == row.matches); }
    }
}

TEST_CASE("a matcher takes a key apart as the key was made") {
    config::CachePolicy policy;
    policy.name = "own";
    config::Behavior behavior;
    behavior.path_pattern = "*";
    behavior.origin = "api";
    behavior.policy_ref = &policy;
    http::RequestHead request;
    http::Target target;
    target.authority = "h:8080";
    target.path = "/a";
    target.query = "q=1";
    target.has_query = true;
    std::string key;
    cache::policy::make_cache_key(behavior, target, request, key);
    CHECK(exact("h:8080", "/a", "q=1").matches(key));
    CHECK_FALSE(exact("h:8080", "/a").matches(key));
    policy.key.any_host = true;
    cache::policy::make_cache_key(behavior, target, request, key);
    CHECK(exact("other", "/a", "q=1").matches(key));
}

TEST_CASE("a purge kills what was requested before it, and nothing later") {
    PurgeLog log;
    CHECK(log.current() == 0);
    CHECK_FALSE(log.kills(key_of("h", "/a"), 0, 0));
    CHECK(log.record(exact("h", "/a")) == 1);
    CHECK(log.current() == 1);
    CHECK(log.kills(key_of("h", "/a"), 0, 0));
    CHECK_FALSE(log.kills(key_of("h", "/a"), 1, 0)); // requested when the purge had been recorded
    CHECK_FALSE(log.kills(key_of("h", "/b"), 0, 0));
    CHECK(log.record(exact("h", "/b")) == 2);
    CHECK(log.kills(key_of("h", "/b"), 1, 0));
    CHECK(log.kills(key_of("h", "/b"), 0, 1));       // checked before the second purge
    CHECK_FALSE(log.kills(key_of("h", "/b"), 0, 2)); // checked after it
    CHECK(log.kills(key_of("h", "/a"), 0, 0));
}

TEST_CASE("a full list forgets nothing and stays bounded") {
    PurgeLog log;
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < 3 * PurgeLog::kMaxMatchers; ++i) {
        paths.push_back("/items/" + std::to_string(i));
        log.record(exact("h", paths.back()));
        CHECK(log.size() <= PurgeLog::kMaxMatchers);
    }
    for (std::size_t i = 0; i < paths.size(); ++i) {
        // Requested just before its own purge.
        const bool killed = log.kills(key_of("h", paths[i]), i, 0);
        CHECK(killed);
    }
    CHECK_FALSE(log.kills(key_of("h", paths.back()), paths.size(), 0));
}

TEST_CASE("a widened matcher does not reach past what it was made from") {
    PurgeLog log;
    for (std::size_t i = 0; i < PurgeLog::kMaxMatchers + 10; ++i) {
        log.record(exact("h", "/items/" + std::to_string(i)));
    }
    CHECK_FALSE(log.kills(key_of("h", "/other"), 0, 0));
    CHECK_FALSE(log.kills(key_of("g", "/items/0"), 0, 0));
    CHECK_FALSE(log.kills(key_of("h", "/items/0"), PurgeLog::kMaxMatchers, 0)); // requested after it
}

TEST_CASE("every purge ever recorded is honoured: a list without a bound is the model") {
    std::mt19937 random(20260301);
    const auto pick = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
    const std::vector<std::string> hosts = {"h", "g"};
    PurgeLog log;
    std::vector<PurgeMatcher> model;
    for (int round = 0; round < 5000; ++round) {
        PurgeMatcher matcher = exact(std::nullopt, "/" + std::to_string(pick(40)));
        if (pick(2) > 0) {
            matcher.authority = hosts[pick(1)];
        }
        matcher.prefix = pick(9) == 0;
        matcher.any_query = pick(3) == 0;
        matcher.sequence = log.record(matcher);
        model.push_back(matcher);
        const std::string key = key_of(hosts[pick(1)], "/" + std::to_string(pick(40)));
        const std::size_t requested = pick(model.size());
        bool dead = false;
        for (const auto& each : model) {
            dead = dead || (each.sequence > requested && each.matches(key));
        }
        if (dead) {
            const bool killed = log.kills(key, requested, 0);
            REQUIRE(killed); // it may kill more than the model, never less
        }
    }
}

TEST_CASE("whoever sees a purge's number finds its matcher") {
    PurgeLog log;
    std::atomic<bool> stop{false};
    std::atomic<bool> missed{false};
    std::thread reader([&] {
        const std::string key = key_of("h", "/a");
        while (!stop.load()) {
            const std::uint64_t seen = log.current();
            if (seen > 0 && !log.kills(key, seen - 1, 0)) {
                missed = true;
            }
        }
    });
    for (int i = 0; i < 5000; ++i) {
        log.record(exact("h", "/a"));
    }
    stop = true;
    reader.join();
    CHECK_FALSE(missed.load());
}
