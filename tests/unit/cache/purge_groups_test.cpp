// Purges of groups: a host's group, by its name, for what is older than the purge.
#include "cache/purge_log.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>

using gatehouse::cache::PurgeLog;

namespace {

std::string key_of(std::string_view authority) { return "rules|*\napi\n" + std::string(authority) + "\n/a\n\n"; }

} // namespace

TEST_CASE("a purge of a group kills what belongs to it, of that host, and nothing newer") {
    PurgeLog log;
    const std::uint64_t before = log.next();
    const std::uint64_t purge = log.record_group("h", "g");
    CHECK(purge > before);
    CHECK(log.current() == purge);
    const std::uint64_t later = log.next();

    struct Row {
        const char* name;
        std::string key;
        const char* groups;
        std::uint64_t sequence;
        std::uint64_t checked;
        bool is_dead;
    };
    const Row rows[] = {
        {"the group", key_of("h"), "g\n", before, 0, true},
        {"among others", key_of("h"), "a\ng\nz\n", before, 0, true},
        {"requested later", key_of("h"), "g\n", later, 0, false},
        {"checked since", key_of("h"), "g\n", before, purge, false},
        {"another group", key_of("h"), "f\n", before, 0, false},
        {"a group that begins the same", key_of("h"), "gg\n", before, 0, false},
        {"a group in other case", key_of("h"), "G\n", before, 0, false},
        {"another host", key_of("i"), "g\n", before, 0, false},
        {"host and name changed about", key_of("g"), "h\n", before, 0, false},
        {"no group", key_of("h"), "", before, 0, false},
        {"the group without a name", key_of("h"), "\n", before, 0, false},
        {"a key of any host", key_of("*"), "g\n", before, 0, true},
        {"a key of any host, another group", key_of("*"), "h\n", before, 0, false},
        {"more groups than are told apart", key_of("h"), "\t\n", before, 0, true},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        CHECK(log.kills_group(row.key, row.groups, row.sequence, row.checked) == row.is_dead);
    }
    // The URI itself was not purged.
    CHECK_FALSE(log.kills(key_of("h"), before, 0));
}

TEST_CASE("a purge of a group of every host kills it of each, and nothing newer or of another name") {
    PurgeLog log;
    const std::uint64_t before = log.next();
    log.record_group(std::nullopt, "g");
    const std::uint64_t later = log.next();
    struct Row {
        const char* authority;
        const char* groups;
        std::uint64_t sequence;
        bool is_dead;
    };
    const Row rows[] = {
        {"h", "g\n", before, true},  {"i", "a\ng\n", before, true}, {"*", "g\n", before, true},
        {"h", "\t\n", before, true}, {"h", "f\n", before, false},   {"h", "g\n", later, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.authority);
        CAPTURE(row.groups);
        CHECK(log.kills_group(key_of(row.authority), row.groups, row.sequence, 0) == row.is_dead);
    }
}

TEST_CASE("a purge of a URI kills no group, and a group's name that looks like a path is no path") {
    PurgeLog log;
    const std::uint64_t before = log.next();
    gatehouse::cache::PurgeMatcher matcher;
    matcher.authority = "h";
    matcher.path = "/a";
    log.record(matcher);
    CHECK(log.kills(key_of("h"), before, 0));
    CHECK_FALSE(log.kills_group(key_of("h"), "/a\n", before, 0));
    PurgeLog other;
    const std::uint64_t first = other.next();
    other.record_group("h", "/a");
    CHECK(other.kills_group(key_of("h"), "/a\n", first, 0));
    CHECK_FALSE(other.kills(key_of("h"), first, 0));
}
