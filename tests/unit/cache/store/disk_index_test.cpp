// The disk store's index: what is entered is found, whatever else comes and goes, and an entry costs what it may.
#include "cache/store/disk_index.h"

#include "tests/unit/cache/policy/dice.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::disk;

namespace {

// Numbers in a row, spread over all bits as a hash is (SplitMix64).
std::uint64_t spread(std::uint64_t number) {
    number += 0x9e3779b97f4a7c15;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
    number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
    return number ^ (number >> 31);
}

KeyHash hash_of(std::uint64_t number) { return {spread(number), spread(~number)}; }

IndexEntry entry_at(std::uint32_t segment, std::uint32_t units) {
    IndexEntry entry;
    entry.location = {segment, units, 3};
    return entry;
}

std::tuple<std::uint32_t, std::uint32_t> order(const IndexEntry& entry) {
    return {entry.location.segment, entry.location.units};
}

} // namespace

TEST_CASE("An entry of the index comes out as it went in, at the ends of every range") {
    DiskIndex index;
    IndexEntry least;
    least.location = {0, 0, 1};
    IndexEntry most;
    most.location = {Location::kMostSegments - 1, Location::kMostUnits - 1, Location::kMostUnits - 1};
    most.expires_seconds = 0xffff'ffff;
    most.secondary_marker = 0xffff;
    most.kind = RecordKind::Metadata;
    most.uses = DiskIndex::kMostUses;
    most.verified = true;
    index.insert(hash_of(1), least);
    index.insert(hash_of(2), most);
    CHECK(index.find(hash_of(1), 8) == IndexEntries{least});
    CHECK(index.find(hash_of(2), 8) == IndexEntries{most});
    CHECK(index.find(hash_of(3), 8).empty());
    CHECK(index.size() == 2);
}

TEST_CASE("Entries of one hash are told apart by their place") {
    DiskIndex index;
    for (std::uint32_t i = 0; i < 40; ++i) {
        index.insert(hash_of(1), entry_at(i, 1));
    }
    CHECK(index.find(hash_of(1), 100).size() == 40);
    CHECK(index.find(hash_of(1), 32).size() == 32);
    CHECK(index.erase(hash_of(1), {7, 1, 3}));
    CHECK_FALSE(index.erase(hash_of(1), {7, 1, 3}));
    CHECK_FALSE(index.erase(hash_of(2), {8, 1, 3}));
    CHECK(index.find(hash_of(1), 100).size() == 39);
}

TEST_CASE("Uses are counted up to three, and an entry is verified from the first on") {
    DiskIndex index;
    const Location location{1, 2, 3};
    index.insert(hash_of(1), entry_at(1, 2));
    for (const int before : {0, 1, 2, 3, 3}) {
        const auto entry = index.look(hash_of(1), location);
        REQUIRE(entry);
        CHECK(entry->uses == before);
        CHECK(entry->verified == (before > 0));
        CHECK(index.use(hash_of(1), location));
    }
    CHECK_FALSE(index.look(hash_of(1), {1, 3, 3}));
    CHECK_FALSE(index.use(hash_of(1), {1, 3, 3}));
    CHECK_FALSE(index.use(hash_of(2), location));
}

TEST_CASE("Entries of one marker go together, and an insertion says how many its hash has") {
    DiskIndex index;
    for (std::uint32_t i = 0; i < 12; ++i) {
        IndexEntry entry = entry_at(i, 1);
        entry.secondary_marker = static_cast<std::uint16_t>(i % 3);
        CHECK(index.insert(hash_of(1), entry) == i + 1);
    }
    CHECK(index.insert(hash_of(2), entry_at(20, 1)) == 1);
    index.erase_marked(hash_of(1), 1);
    index.erase_marked(hash_of(3), 1);
    CHECK(index.size() == 9);
    for (const IndexEntry& entry : index.find(hash_of(1), 100)) {
        CHECK(entry.secondary_marker != 1);
        CHECK(entry.location.segment % 3 != 1);
    }
    CHECK(index.insert(hash_of(1), entry_at(30, 1)) == 9);
}

TEST_CASE("An entry takes the place of the one of its hash and marker, and of no other") {
    DiskIndex index;
    IndexEntry entry = entry_at(1, 1);
    entry.secondary_marker = 7;
    CHECK(index.replace(hash_of(1), entry) == 1);
    CHECK(index.replace(hash_of(2), entry) == 1);
    entry.secondary_marker = 8;
    entry.location.units = 2;
    CHECK(index.replace(hash_of(1), entry) == 2);
    entry.location.units = 3;
    CHECK(index.replace(hash_of(1), entry) == 2);
    CHECK(index.size() == 3);
    CHECK_FALSE(index.look(hash_of(1), {1, 2, 3}));
    CHECK(index.look(hash_of(1), {1, 3, 3}) == entry);
    CHECK(index.look(hash_of(1), {1, 1, 3})->secondary_marker == 7);
    CHECK(index.find(hash_of(2), 8).size() == 1);
}

TEST_CASE("The entries of segments that are gone go, wherever in the table they stand, and all others stay") {
    namespace chance = gatehouse::cache::policy::testing;
    chance::Dice dice(chance::property_seed());
    for (int round = 0; round < 300; ++round) {
        DiskIndex index;
        std::vector<std::pair<KeyHash, IndexEntry>> all;
        const std::size_t count = dice.below(60);
        for (std::uint32_t i = 0; i < count; ++i) {
            // In one part, and many at the end of it, so that rows go round the corner.
            const std::uint64_t low = dice.one_in(2) ? ~std::uint64_t{0} - i : spread(i);
            all.push_back({{low, 1}, entry_at(static_cast<std::uint32_t>(dice.below(4)), i)});
            index.insert(all.back().first, all.back().second);
        }
        index.erase_segments([](std::uint32_t segment) { return segment % 2 == 1; });
        std::size_t left = 0;
        for (const auto& [hash, entry] : all) {
            const bool stays = entry.location.segment % 2 == 0;
            left += stays ? 1 : 0;
            REQUIRE(index.look(hash, entry.location).has_value() == stays);
        }
        REQUIRE(index.size() == left);
    }
}

TEST_CASE("Room that is made for many is used by them, and given back when they are fewer") {
    DiskIndex index;
    index.reserve(1'000'000);
    const std::uint64_t reserved = index.memory_bytes();
    CHECK(reserved <= 45'000'000);
    for (std::uint32_t i = 0; i < 1'000'000; ++i) {
        index.expect(hash_of(i));
        index.replace(hash_of(i), entry_at(1, i % 1000));
    }
    CHECK(index.memory_bytes() == reserved);
    index.fit();
    CHECK(index.memory_bytes() == reserved);
    for (std::uint32_t i = 0; i < 500'000; ++i) {
        REQUIRE(index.erase(hash_of(i), {1, i % 1000, 3}));
    }
    index.fit();
    CHECK(index.memory_bytes() <= 45 * 500'000);
    CHECK(index.size() == 500'000);
    CHECK(index.look(hash_of(999'999), {1, 999, 3}).has_value());
    CHECK_FALSE(index.look(hash_of(1), {1, 1, 3}).has_value());
}

TEST_CASE("A random sequence of insertions and removals leaves what a plain map has") {
    namespace chance = gatehouse::cache::policy::testing;
    chance::Dice dice(chance::property_seed());
    DiskIndex index;
    std::multimap<std::uint64_t, IndexEntry> model;
    const auto hash_for = [](std::uint64_t number) {
        // All in one part and a quarter of them at one home, so that rows are long and go round the end.
        const std::uint64_t low = number % 4 == 0 ? ~std::uint64_t{0} : spread(number);
        return KeyHash{low, number};
    };
    for (std::uint32_t round = 0; round < 30'000; ++round) {
        const std::uint64_t number = dice.below(300);
        // It grows and shrinks in turn.
        const bool grows = round / 3'000 % 2 == 0;
        if (dice.below(10) < (grows ? 7U : 3U)) {
            const IndexEntry entry = entry_at(round % 1000, round);
            index.insert(hash_for(number), entry);
            model.emplace(number, entry);
        } else if (const auto found = model.find(number); found != model.end()) {
            CHECK(index.erase(hash_for(number), found->second.location));
            model.erase(found);
        }
        if (round % 100 == 0) {
            for (std::uint64_t one = 0; one < 300; ++one) {
                IndexEntries expected;
                for (auto [at, end] = model.equal_range(one); at != end; ++at) {
                    expected.push_back(at->second);
                }
                IndexEntries found = index.find(hash_for(one), 10'000);
                const auto by_place = [](const auto& a, const auto& b) { return order(a) < order(b); };
                std::sort(found.begin(), found.end(), by_place);
                std::sort(expected.begin(), expected.end(), by_place);
                REQUIRE(found == expected);
            }
        }
        REQUIRE(index.size() == model.size());
    }
}

TEST_CASE("An entry costs at most 45 bytes at a million, and at most 64 from 300,000 to three million") {
    DiskIndex index;
    for (std::uint32_t i = 0; i < 3'000'000; ++i) {
        index.insert(hash_of(i), entry_at(i % 1000, i / 1000));
        const std::size_t size = i + 1;
        if (size >= 300'000 && size % 10'000 == 0) {
            const double bytes = static_cast<double>(index.memory_bytes()) / static_cast<double>(size);
            CAPTURE(size);
            CAPTURE(bytes);
            REQUIRE(bytes <= (size == 1'000'000 ? 45.0 : 64.0));
        }
    }
    CHECK(index.size() == 3'000'000);
    for (const std::uint32_t i : {0U, 1'234'567U, 2'999'999U}) {
        CHECK(index.find(hash_of(i), 2) == IndexEntries{entry_at(i % 1000, i / 1000)});
    }
}

TEST_CASE("Many threads enter, find and remove at once") {
    DiskIndex index;
    std::vector<std::thread> threads;
    std::array<std::size_t, 4> lost{};
    for (std::uint32_t t = 0; t < 4; ++t) {
        threads.emplace_back([&index, &lost, t] {
            for (std::uint32_t i = 0; i < 20'000; ++i) {
                const std::uint64_t number = std::uint64_t{t} << 32 | i;
                index.insert(hash_of(number), entry_at(t, i));
                lost[t] += index.find(hash_of(number), 8).size() == 1 ? 0 : 1;
                if (i % 2 == 0) {
                    lost[t] += index.erase(hash_of(number), {t, i, 3}) ? 0 : 1;
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(lost == std::array<std::size_t, 4>{});
    CHECK(index.size() == 40'000);
}
