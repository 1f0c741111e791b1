// The table of exact purges: nothing is forgotten, and what is widened is widened within one set.
#include "cache/purge_table.h"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

using namespace gatehouse;
using cache::PurgeTable;
namespace store = cache::store;

namespace {

// The lower half selects the set, the upper half is the tag.
store::KeyHash hash(std::uint64_t set, std::uint64_t tag) { return {set, tag}; }

} // namespace

TEST_CASE("a table that nothing was recorded in kills nothing") {
    const PurgeTable table;
    CHECK_FALSE(table.kills(hash(0, 0), 0));
    CHECK_FALSE(table.kills(hash(5, 5), 0));
}

TEST_CASE("what was purged is dead when it is older than the last purge of it") {
    PurgeTable table;
    table.record(hash(1, 7), 10);
    CHECK(table.kills(hash(1, 7), 9));
    CHECK_FALSE(table.kills(hash(1, 7), 10));
    CHECK_FALSE(table.kills(hash(1, 7), 11));
    CHECK_FALSE(table.kills(hash(1, 8), 0));
    CHECK_FALSE(table.kills(hash(2, 7), 0));
    table.record(hash(1, 7), 12);
    CHECK(table.kills(hash(1, 7), 11));
    CHECK_FALSE(table.kills(hash(1, 7), 12));
}

TEST_CASE("a tag of zero is a tag like others") {
    PurgeTable table;
    table.record(hash(0, 0), 1);
    CHECK(table.kills(hash(0, 0), 0));
    CHECK_FALSE(table.kills(hash(0, 0), 1));
    CHECK_FALSE(table.kills(hash(0, 1), 0));
}

TEST_CASE("the same thing purged again and again takes one slot") {
    PurgeTable table(1);
    for (std::uint64_t number = 1; number <= 100; ++number) {
        table.record(hash(0, number % 2), number);
    }
    CHECK_FALSE(table.kills(hash(0, 2), 0)); // nothing was given up
    CHECK(table.kills(hash(0, 0), 99));
    CHECK(table.kills(hash(0, 1), 98));
}

TEST_CASE("a full set gives up its oldest purge, and counts as purged at that time") {
    PurgeTable table(2);
    for (std::uint64_t tag = 1; tag <= PurgeTable::kSlots; ++tag) {
        table.record(hash(0, tag), tag);
    }
    CHECK_FALSE(table.kills(hash(0, 100), 0)); // all of them fit
    table.record(hash(0, 2), 8);               // now 1 and 3 are the oldest
    table.record(hash(0, 50), 9);
    CHECK(table.kills(hash(0, 1), 0));
    CHECK(table.kills(hash(0, 100), 0));       // too much
    CHECK_FALSE(table.kills(hash(0, 100), 1)); // but nothing that was looked at since
    CHECK_FALSE(table.kills(hash(0, 1), 1));
    CHECK(table.kills(hash(0, 3), 2));
    CHECK(table.kills(hash(0, 2), 7));
    CHECK_FALSE(table.kills(hash(1, 100), 0)); // and nothing in another set
    table.record(hash(0, 51), 10);
    CHECK(table.kills(hash(0, 100), 2));
    CHECK_FALSE(table.kills(hash(0, 100), 3));
}

TEST_CASE("every purge is honoured, however many fall into few sets") {
    std::mt19937_64 random(20260302);
    PurgeTable table(4);
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> last;
    for (std::uint64_t number = 1; number <= 20'000; ++number) {
        const store::KeyHash purged = hash(random() % 4, random() % 40);
        table.record(purged, number);
        last[{purged.low, purged.high}] = number;
        const store::KeyHash asked = hash(random() % 4, random() % 40);
        const auto found = last.find({asked.low, asked.high});
        if (found != last.end()) {
            REQUIRE(table.kills(asked, found->second - 1));
        }
    }
}

TEST_CASE("whoever asks while others are recorded misses no purge that was recorded before") {
    PurgeTable table(1);
    std::atomic<std::uint64_t> recorded{0}; // the number of the last purge of tag 3 that is there
    std::atomic<bool> stop{false};
    std::atomic<bool> missed{false};
    std::thread asking([&] {
        while (!stop.load()) {
            const std::uint64_t number = recorded.load();
            if (number > 0 && !table.kills(hash(0, 3), number - 1)) {
                missed = true;
            }
        }
    });
    std::uint64_t number = 0;
    for (std::uint64_t round = 0; round < 20'000; ++round) {
        // Given up by the others in turn, taken again in another slot.
        for (std::uint64_t tag = 10; tag < 10 + round % 9; ++tag) {
            table.record(hash(0, tag), ++number);
        }
        table.record(hash(0, 3), ++number);
        recorded = number;
    }
    stop = true;
    asking.join();
    CHECK_FALSE(missed.load());
}
