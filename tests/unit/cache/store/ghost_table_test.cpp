// Ghosts: remembered within a window of bytes, forgotten beyond it, bounded by the size of the table.
#include "cache/store/ghost_table.h"

#include <random>
#include <vector>

#include <doctest/doctest.h>

using gatehouse::cache::store::GhostTable;

namespace {

void grow(GhostTable& table, std::size_t capacity, std::uint32_t now = 0, std::uint32_t window = 1000) {
    auto ghosts = std::make_unique<GhostTable::Ghost[]>(capacity);
    table.grow(ghosts, capacity, now, window);
}

std::uint64_t fingerprint(std::uint64_t number) { return std::mt19937_64(number)(); }

} // namespace

TEST_CASE("ghosts: a table without room remembers nothing") {
    GhostTable table;
    table.put(fingerprint(1), 0, 1000);
    CHECK_FALSE(table.take(fingerprint(1), 0, 1000));
    CHECK(table.capacity() == 0);
}

TEST_CASE("ghosts: are found once") {
    GhostTable table;
    grow(table, 64);
    table.put(fingerprint(1), 10, 1000);
    CHECK_FALSE(table.take(fingerprint(2), 10, 1000));
    CHECK(table.take(fingerprint(1), 10, 1000));
    CHECK_FALSE(table.take(fingerprint(1), 10, 1000));
}

TEST_CASE("ghosts: count up to the end of the window, also when the time wraps around") {
    for (const std::uint32_t start : {0u, 0xffff'fff0u}) {
        CAPTURE(start);
        GhostTable table;
        grow(table, 64);
        table.put(fingerprint(1), start, 100);
        table.put(fingerprint(2), start, 100);
        CHECK(table.take(fingerprint(1), start + 100, 100));
        CHECK_FALSE(table.take(fingerprint(2), start + 101, 100));
    }
}

TEST_CASE("ghosts: one that is put again is young again, and still one") {
    GhostTable table;
    grow(table, 8);
    table.put(fingerprint(1), 0, 100);
    table.put(fingerprint(1), 90, 100);
    CHECK(table.take(fingerprint(1), 150, 100));
    CHECK_FALSE(table.take(fingerprint(1), 150, 100));
}

TEST_CASE("ghosts: a full set gives up its oldest") {
    GhostTable table;
    grow(table, GhostTable::kWays);
    for (std::uint32_t i = 0; i <= GhostTable::kWays; ++i) {
        table.put(fingerprint(i), i, 1000);
    }
    CHECK_FALSE(table.take(fingerprint(0), 10, 1000));
    for (std::uint32_t i = 1; i <= GhostTable::kWays; ++i) {
        CHECK(table.take(fingerprint(i), 10, 1000));
    }
}

TEST_CASE("ghosts: survive the growth of the table while they are in the window") {
    GhostTable table;
    grow(table, 64);
    for (std::uint32_t i = 0; i < 32; ++i) {
        table.put(fingerprint(i), i, 1000);
    }
    grow(table, 256, 40, 1000);
    CHECK(table.capacity() == 256);
    int found = 0;
    for (std::uint32_t i = 0; i < 32; ++i) {
        found += table.take(fingerprint(i), 40, 1000) ? 1 : 0;
    }
    CHECK(found >= 28); // a set may have overflowed while the table was small
}

TEST_CASE("ghosts: a table as large as the number of ghosts remembers most of them") {
    GhostTable table;
    constexpr std::uint32_t kCount = 4096;
    grow(table, kCount);
    for (std::uint32_t i = 0; i < 3 * kCount; ++i) {
        table.put(fingerprint(i), i, kCount);
    }
    std::uint32_t found = 0;
    for (std::uint32_t i = 2 * kCount; i < 3 * kCount; ++i) {
        found += table.take(fingerprint(i), 3 * kCount, kCount) ? 1 : 0;
    }
    CHECK(found > kCount * 8 / 10);
    for (std::uint32_t i = 0; i < 2 * kCount; ++i) {
        REQUIRE_FALSE(table.take(fingerprint(i), 3 * kCount, kCount));
    }
}
