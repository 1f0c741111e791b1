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

TEST_CASE("a purge finds the keys of cached methods by their URI") {
    const PurgeMatcher matcher = exact("a.example", "/search", "p=1");
    for (const char* of_method :
         {"@POST 0123456789abcdef\ncontent-type:application/json\n", "@OPTIONS\norigin:https://a\n"}) {
        CAPTURE(of_method);
        CHECK(matcher.matches(key_of("a.example", "/search", "p=1") + of_method));
        CHECK_FALSE(matcher.matches(key_of("a.example", "/search", "p=2") + of_method));
        CHECK_FALSE(matcher.matches(key_of("b.example", "/search", "p=1") + of_method));
    }
}

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

TEST_CASE("any number of exact purges kills what they name and nothing else") {
    PurgeLog log;
    constexpr std::uint64_t kPurges = 8 * PurgeLog::kMaxPrefixes;
    for (std::uint64_t i = 0; i < kPurges; ++i) {
        log.record(exact("h", "/items/" + std::to_string(i)));
        log.record(exact("h", "/search", "q=" + std::to_string(i)));
    }
    CHECK(log.prefix_count() == 0);
    int wrong = 0;
    for (std::uint64_t i = 0; i < kPurges; ++i) {
        const std::uint64_t before = 2 * i; // requested just before its own purge
        CHECK(log.kills(key_of("h", "/items/" + std::to_string(i)), before, 0));
        CHECK(log.kills(key_of("h", "/search", "q=" + std::to_string(i)), before + 1, 0));
        wrong += log.kills(key_of("h", "/items/" + std::to_string(i)), before + 1, 0) ? 1 : 0;
        wrong += log.kills(key_of("h", "/items/x" + std::to_string(i)), 0, 0) ? 1 : 0;
        wrong += log.kills(key_of("g", "/items/" + std::to_string(i)), 0, 0) ? 1 : 0;
        wrong += log.kills(key_of("h", "/search", "r=" + std::to_string(i)), 0, 0) ? 1 : 0;
    }
    // A set of the table that is full widens for what it holds alone. The hash is drawn anew for each process.
    CHECK(wrong < 4 * static_cast<int>(kPurges) / 100);
    CHECK_FALSE(log.kills(key_of("h", "/items/0"), log.current(), 0));
}

TEST_CASE("exact purges reach keys by every combination of host and query") {
    PurgeMatcher any_query = exact("h", "/a");
    any_query.any_query = true;
    PurgeMatcher everywhere = exact(std::nullopt, "/a");
    everywhere.any_query = true;
    struct Row {
        const char* name;
        PurgeMatcher matcher;
    };
    const std::vector<Row> rows = {
        {"host and query", exact("h", "/a", "q=1")},
        {"host, no query", exact("h", "/a")},
        {"host, any query", any_query},
        {"query", exact(std::nullopt, "/a", "q=1")},
        {"no query", exact(std::nullopt, "/a")},
        {"any query", everywhere},
        {"a prefix", prefix("/a")},
        {"a prefix with a host", prefix("/a", "h")},
    };
    std::vector<std::string> keys;
    for (const char* authority : {"h", "g", "*"}) {
        for (const char* path : {"/a", "/b", "/ab"}) {
            for (const char* query : {"", "q=1", "q=2"}) {
                keys.push_back(key_of(authority, path, query));
            }
        }
    }
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            PurgeLog log;
            log.record(row.matcher);
            for (const std::string& key : keys) {
                CAPTURE(key);
                CHECK(log.kills(key, 0, 0) == row.matcher.matches(key));
                CHECK_FALSE(log.kills(key, 1, 0));
                CHECK_FALSE(log.kills(key, 0, 1));
            }
        }
    }
}

TEST_CASE("requests and purges are numbered together") {
    PurgeLog log;
    const std::uint64_t before = log.next();
    const std::uint64_t purge = log.record(exact("h", "/a"));
    const std::uint64_t after = log.next();
    CHECK(before < purge);
    CHECK(purge < after);
    CHECK(log.current() == purge); // a request does not make entries look again
    CHECK(log.kills(key_of("h", "/a"), before, 0));
    CHECK_FALSE(log.kills(key_of("h", "/a"), after, 0));
}

TEST_CASE("a full list of prefixes forgets nothing and stays bounded") {
    PurgeLog log;
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < 3 * PurgeLog::kMaxPrefixes; ++i) {
        paths.push_back("/items/" + std::to_string(i) + "/");
        log.record(prefix(paths.back(), "h"));
        CHECK(log.prefix_count() <= PurgeLog::kMaxPrefixes);
    }
    for (std::size_t i = 0; i < paths.size(); ++i) {
        // Requested just before its own purge.
        const bool killed = log.kills(key_of("h", paths[i] + "x"), i, 0);
        CHECK(killed);
    }
    CHECK_FALSE(log.kills(key_of("h", paths.back()), paths.size(), 0));
}

TEST_CASE("a widened prefix does not reach past what it was made from") {
    PurgeLog log;
    for (std::size_t i = 0; i < PurgeLog::kMaxPrefixes + 10; ++i) {
        log.record(prefix("/items/" + std::to_string(i) + "/", "h"));
    }
    CHECK_FALSE(log.kills(key_of("h", "/other"), 0, 0));
    CHECK_FALSE(log.kills(key_of("g", "/items/0/"), 0, 0));
    CHECK_FALSE(log.kills(key_of("h", "/items/0/"), PurgeLog::kMaxPrefixes, 0)); // requested after it
}

TEST_CASE("a prefix takes the place of older ones that it covers") {
    struct Row {
        const char* name;
        PurgeMatcher older;
        PurgeMatcher newer;
        std::size_t kept;
    };
    const std::vector<Row> rows = {
        {"the same", prefix("/a", "h"), prefix("/a", "h"), 1},
        {"a longer one", prefix("/ab", "h"), prefix("/a", "h"), 1},
        {"a shorter one", prefix("/a", "h"), prefix("/ab", "h"), 2},
        {"of one host, by every host", prefix("/a", "h"), prefix("/a"), 1},
        {"of every host, by one", prefix("/a"), prefix("/a", "h"), 2},
        {"of another host", prefix("/a", "g"), prefix("/a", "h"), 2},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            PurgeLog log;
            log.record(row.older);
            log.record(row.newer);
            CHECK(log.prefix_count() == row.kept);
            CHECK(log.kills(key_of(row.older.authority.value_or("x"), row.older.path), 0, 0));
            CHECK(log.kills(key_of(row.newer.authority.value_or("x"), row.newer.path), 1, 0));
        }
    }
}

TEST_CASE("every purge ever recorded is honoured: a list without a bound is the model") {
    std::mt19937 random(20260301);
    const auto pick = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
    const std::vector<std::string> hosts = {"h", "g"};
    const std::vector<std::string> authorities = {"h", "g", "*"}; // "*": made with host: any
    PurgeLog log;
    std::vector<PurgeMatcher> model;
    for (int round = 0; round < 5000; ++round) {
        PurgeMatcher matcher = exact(std::nullopt, "/" + std::to_string(pick(40)));
        if (pick(2) > 0) {
            matcher.authority = hosts[pick(1)];
        }
        matcher.prefix = pick(9) == 0;
        matcher.any_query = pick(3) == 0;
        matcher.query = pick(2) == 0 ? "q=1" : "";
        matcher.sequence = log.record(matcher);
        model.push_back(matcher);
        const std::string key = key_of(authorities[pick(2)], "/" + std::to_string(pick(40)), pick(2) == 0 ? "q=1" : "");
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

TEST_CASE("what was asked for before the rule of its key was known dies with an exact purge of its path") {
    PurgeLog log;
    const auto by_rule = [](std::uint64_t number, std::string_view path = "/a") {
        return key_of("h", path, "q=1") + "(" + std::to_string(number) + ")\n";
    };
    const auto sent = log.next();
    const auto purged = log.record(exact("h", "/a", "q=1&utm=x"));
    const auto learnt = log.mark();
    const auto asked = log.next();
    CHECK(log.kills(by_rule(learnt), sent, 0));
    CHECK_FALSE(log.kills(by_rule(learnt), asked, 0));         // asked for when it was known
    CHECK_FALSE(log.kills(by_rule(learnt), sent, purged));     // checked since
    CHECK_FALSE(log.kills(by_rule(learnt, "/b"), sent, 0));    // another path
    CHECK_FALSE(log.kills(key_of("h", "/a", "q=1"), sent, 0)); // no rule
    const auto later = log.record(exact("h", "/a", "q=1"));
    CHECK(log.kills(by_rule(learnt), asked, 0)); // its normal query
    CHECK_FALSE(log.kills(by_rule(learnt), later + 1, 0));
}
