// Who leads and who joins, and the short memory of keys that cannot be stored.
#include "cache/fetch_table.h"

#include "tests/unit/cache/harness.h"

#include <doctest/doctest.h>

#include <thread>

using namespace gatehouse;
using namespace gatehouse::cache;
using cache::testing::QueuePoster;

namespace {

using Others = std::vector<std::shared_ptr<Fetch>>;

struct Table {
    QueuePoster poster;
    FetchTable table;

    FetchTable::Found ask(std::string_view key, bool joins = true) {
        const auto hash = store::hash_key(key);
        return table.join_or_insert(
            key, hash, [&](const Fetch&) { return joins; },
            [&](const Others&) {
                auto fetch = std::make_shared<Fetch>(poster, 0U, false);
                fetch->key = key;
                fetch->hash = hash;
                return fetch;
            });
    }
};

http::WallTime at(long seconds) { return http::WallTime() + std::chrono::seconds(1'700'000'000 + seconds); }

} // namespace

TEST_CASE("the first of a key leads and the others join it") {
    Table table;
    const auto first = table.ask("a");
    CHECK(first.leader);
    const auto second = table.ask("a");
    CHECK_FALSE(second.leader);
    CHECK(second.fetch == first.fetch);
    const auto other = table.ask("b");
    CHECK(other.leader);
    CHECK(table.table.size() == 2);
}

TEST_CASE("how many fetches a key has can be asked without joining one") {
    Table table;
    const auto count = [&table](std::string_view key) { return table.table.count(key, store::hash_key(key)); };
    CHECK(count("a") == 0);
    const auto first = table.ask("a");
    static_cast<void>(table.ask("a", false));
    static_cast<void>(table.ask("b"));
    CHECK(count("a") == 2);
    CHECK(count("b") == 1);
    table.table.remove(*first.fetch);
    CHECK(count("a") == 1);
}

TEST_CASE("until when a key is remembered as one that cannot be stored") {
    UncacheableMemory memory;
    const auto hash = store::hash_key("a");
    CHECK_FALSE(memory.until(hash, at(0)));
    memory.remember(hash, at(60));
    CHECK(memory.until(hash, at(0)) == at(60));
    CHECK(memory.until(hash, at(59)) == at(60));
    CHECK_FALSE(memory.until(hash, at(60)));
    memory.forget(hash);
    CHECK_FALSE(memory.until(hash, at(0)));
}

TEST_CASE("a fetch that is moved is joined under its new key and no longer under the old one") {
    Table table;
    const auto moved = table.ask("a");
    const auto stays = table.ask("a", false);
    table.table.move(*moved.fetch, "b");
    CHECK(moved.fetch->key == "b");
    CHECK(moved.fetch->hash == store::hash_key("b"));
    CHECK(table.ask("b").fetch == moved.fetch);
    CHECK(table.ask("a").fetch == stays.fetch);
    CHECK(table.table.size() == 2);
    table.table.remove(*moved.fetch);
    CHECK(table.ask("b").leader);
    table.table.move(*moved.fetch, "c"); // nobody can join it: it only gets another key
    CHECK(moved.fetch->key == "c");
    CHECK(table.ask("c").leader);
}

TEST_CASE("where nothing is made nothing is kept") {
    Table table;
    const auto hash = store::hash_key("a");
    const auto nothing = [](const Others&) { return std::shared_ptr<Fetch>(); };
    const auto joins = [](const Fetch&) { return true; };
    const auto found = table.table.join_or_insert("a", hash, joins, nothing);
    CHECK_FALSE(found.fetch);
    CHECK_FALSE(found.leader);
    CHECK(table.table.size() == 0);
    const auto first = table.ask("a");
    CHECK(table.table.join_or_insert("a", hash, joins, nothing).fetch == first.fetch);
    CHECK_FALSE(table.table
                    .join_or_insert(
                        "a", hash, [](const Fetch&) { return false; }, nothing)
                    .fetch);
    CHECK(table.ask("a").fetch == first.fetch);
}

TEST_CASE("one that does not fit gets a fetch beside it, and the newest is asked first") {
    Table table;
    const auto first = table.ask("a");
    const auto second = table.ask("a", false);
    CHECK(second.leader);
    CHECK(table.table.size() == 2);
    CHECK(table.ask("a").fetch == second.fetch);
    table.table.remove(*second.fetch);
    CHECK(table.ask("a").fetch == first.fetch);
}

TEST_CASE("whoever makes a fetch sees those that did not fit") {
    Table table;
    const auto first = table.ask("a");
    const auto second = table.ask("a", false);
    std::size_t seen = 0;
    const auto third = table.table.join_or_insert(
        "a", store::hash_key("a"), [](const Fetch&) { return false; },
        [&](const Others& others) {
            seen = others.size();
            return std::make_shared<Fetch>(table.poster, 0U, false);
        });
    CHECK(third.leader);
    CHECK(seen == 2);
}

TEST_CASE("a fetch that was removed is not joined, and may be removed again") {
    Table table;
    const auto first = table.ask("a");
    table.table.remove(*first.fetch);
    table.table.remove(*first.fetch);
    CHECK(table.table.size() == 0);
    const auto second = table.ask("a");
    CHECK(second.leader);
    CHECK(second.fetch != first.fetch);
    table.table.remove(*first.fetch);
    CHECK(table.table.size() == 1); // only itself is removed, never its successor
}

TEST_CASE("removing a private fetch without a key does nothing") {
    Table table;
    const auto first = table.ask("a");
    const Fetch alone(table.poster, 0, true);
    table.table.remove(alone);
    CHECK(table.table.size() == 1);
}

TEST_CASE("two threads never both lead") {
    Table table;
    constexpr int kRounds = 2'000;
    std::atomic<int> leaders{0};
    std::atomic<int> arrived{0};
    const auto run = [&] {
        for (int round = 0; round < kRounds; ++round) {
            const auto found = table.ask("key " + std::to_string(round));
            leaders += found.leader ? 1 : 0;
            ++arrived;
            while (arrived.load() < 2 * (round + 1)) {
                std::this_thread::yield();
            }
        }
    };
    std::thread first(run);
    std::thread second(run);
    first.join();
    second.join();
    CHECK(leaders.load() == kRounds);
}

TEST_CASE("a key that cannot be shared is remembered for a while") {
    UncacheableMemory memory;
    const auto a = store::hash_key("a");
    const auto b = store::hash_key("b");
    CHECK_FALSE(memory.remembers(a, at(0)));
    memory.remember(a, at(60));
    CHECK(memory.remembers(a, at(0)));
    CHECK(memory.remembers(a, at(59)));
    CHECK_FALSE(memory.remembers(a, at(60)));
    CHECK_FALSE(memory.remembers(a, at(61)));
    CHECK_FALSE(memory.remembers(b, at(0)));
    memory.forget(b);
    CHECK(memory.remembers(a, at(0)));
    memory.forget(a);
    CHECK_FALSE(memory.remembers(a, at(0)));
}

TEST_CASE("a memory of less than a second lasts at least as long as it should") {
    UncacheableMemory memory;
    const auto a = store::hash_key("a");
    const auto now = at(0) + std::chrono::milliseconds(100);
    memory.remember(a, now + std::chrono::milliseconds(500));
    CHECK(memory.remembers(a, now + std::chrono::milliseconds(499)));
    CHECK_FALSE(memory.remembers(a, now + std::chrono::milliseconds(1500)));
}

TEST_CASE("two keys in one slot forget each other and are never taken for one another") {
    UncacheableMemory memory;
    const store::KeyHash a{7, 0x1111111100000000ULL};
    const store::KeyHash b{7, 0x2222222200000000ULL};
    memory.remember(a, at(60));
    CHECK_FALSE(memory.remembers(b, at(0)));
    memory.remember(b, at(60));
    CHECK_FALSE(memory.remembers(a, at(0)));
    memory.forget(a);
    CHECK(memory.remembers(b, at(0)));
}
