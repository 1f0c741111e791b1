// What every Store has to do, from single entries to threads that do everything at once.
#include "tests/store/store_contract.h"

#include "tests/store/store_tools.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace gatehouse::cache::store::testing {

namespace {

void check_single_entries(const MakeStore& make) {
    SUBCASE("what was never stored is absent") {
        const auto store = make({});
        CHECK(find(*store, "a").empty());
        CHECK(store->stats().objects == 0);
        CHECK(store->max_object_bytes() == ContractOptions().max_object_bytes);
    }
    SUBCASE("what was committed is found as it was put") {
        const auto store = make({});
        const EntryRef put_entry = put(*store, {.key = "key", .secondary_key = "secondary", .metadata = "head",
                                                .body = "content", .sequence = 7});
        REQUIRE(put_entry);
        const auto found = find(*store, "key");
        REQUIRE(found.size() == 1);
        CHECK(found[0] == put_entry);
        CHECK(found[0]->key() == "key");
        CHECK(found[0]->secondary_key() == "secondary");
        CHECK(found[0]->metadata() == "head");
        CHECK(found[0]->body_size() == 7);
        CHECK(content(*found[0]) == "content");
        CHECK(found[0]->sequence() == 7);
        CHECK(found[0]->checked_sequence() == 0);
        CHECK(found[0]->storable_generation() == 0);
        found[0]->storable_generation() = 3;
        CHECK(find(*store, "key")[0]->storable_generation() == 3);
        store->touch(*found[0]);
        CHECK(find(*store, "other").empty());
        CHECK(store->stats().objects == 1);
        CHECK(store->stats().insertions == 1);
    }
    SUBCASE("keys, metadata and bodies may hold any bytes, of any size") {
        const auto store = make({});
        for (const std::size_t size :
             {0u, 1u, 63u, 64u, 65u, 4095u, 4096u, 4097u, 20'480u, 262'144u, 262'145u, 700'000u}) {
            for (const bool known_length : {true, false}) {
                CAPTURE(size);
                CAPTURE(known_length);
                std::string bytes(size, '\0');
                std::mt19937 random(static_cast<unsigned>(size));
                std::generate(bytes.begin(), bytes.end(), [&random] { return static_cast<char>(random()); });
                const std::string text = bytes.substr(0, 60'000);
                const EntryRef entry = put(*store, {.key = std::string("k\0\n", 3) + text.substr(0, 3000),
                                                    .secondary_key = text.substr(0, 500), .metadata = text,
                                                    .body = bytes, .known_length = known_length});
                REQUIRE(entry);
                CHECK(entry->metadata() == text);
                CHECK(entry->secondary_key() == text.substr(0, 500));
                CHECK(content(*entry) == bytes);
                CHECK((entry->body().get() == nullptr) == (size == 0));
                CHECK(store->erase(entry));
            }
        }
    }
    SUBCASE("the full key decides, not its hash") {
        const auto store = make({});
        const KeyHash same{42, 43};
        put(*store, {.key = "one", .body = "1", .hash = same});
        put(*store, {.key = "two", .body = "2", .hash = same});
        put(*store, {.key = "", .body = "0", .hash = same});
        for (const auto& [key, body] : std::map<std::string, std::string>{{"one", "1"}, {"two", "2"}, {"", "0"}}) {
            const auto found = find(*store, key, same);
            REQUIRE(found.size() == 1);
            CHECK(content(*found[0]) == body);
        }
        CHECK(find(*store, "three", same).empty());
    }
}

void check_writers(const MakeStore& make) {
    SUBCASE("nothing is visible before commit, and a dropped writer leaves nothing") {
        const auto store = make({});
        const std::uint64_t used = store->stats().bytes_used;
        auto writer = store->open_writer({"key", hash_key("key"), {}, 0}, std::nullopt);
        REQUIRE(writer);
        CHECK(find(*store, "key").empty());
        CHECK(fill(*writer->body(), "half a respo"));
        CHECK(find(*store, "key").empty());
        writer->body()->complete();
        CHECK(find(*store, "key").empty());
        CHECK(store->stats().bytes_used > used);
        writer.reset();
        CHECK(find(*store, "key").empty());
        CHECK(store->stats().bytes_used == used);
        CHECK(store->stats().objects == 0);
    }
    SUBCASE("a failed body stays readable up to its end, and is not stored") {
        const auto store = make({});
        auto writer = store->open_writer({"key", hash_key("key"), {}, 0}, 100);
        const std::shared_ptr<Body> body = writer->body();
        CHECK(fill(*body, "half"));
        Body::Cursor cursor = *body->open();
        body->fail();
        writer.reset();
        CHECK(read_all(cursor) == "half");
        CHECK(body->state() == Body::State::Failed);
        CHECK(find(*store, "key").empty());
    }
    SUBCASE("readers follow a body while it is filled, through commit and beyond the writer") {
        const auto store = make({});
        auto writer = store->open_writer({"key", hash_key("key"), {}, 0}, std::nullopt);
        const std::shared_ptr<Body> body = writer->body();
        Body::Cursor first = *body->open();
        CHECK(fill(*body, std::string(5000, 'a')));
        CHECK(read_all(first) == std::string(5000, 'a'));
        Body::Cursor second = *body->open();
        CHECK(fill(*body, std::string(5000, 'b')));
        body->complete();
        EntryRef entry = writer->commit("head");
        REQUIRE(entry);
        writer.reset();
        CHECK(read_all(first) == std::string(5000, 'b'));
        CHECK(read_all(second).size() == 10'000);
        CHECK(content(*entry).size() == 10'000);
        CHECK(store->erase(entry));
        Body::Cursor third = *body->open();
        CHECK(read_all(third).size() == 10'000);
    }
    SUBCASE("what is larger than an object may be gets no writer") {
        const auto store = make({});
        const std::uint64_t most = store->max_object_bytes();
        CHECK(store->open_writer({"key", hash_key("key"), {}, 0}, most));
        CHECK_FALSE(store->open_writer({"key", hash_key("key"), {}, 0}, most + 1));
        // What turns out to be larger goes on through a window.
        auto writer = store->open_writer({"key", hash_key("key"), {}, 0}, std::nullopt);
        Body::Cursor cursor = *writer->body()->open();
        CHECK(fill(*writer->body(), std::string(most + 1, 'x')));
        writer->body()->switch_to_window();
        CHECK_FALSE(writer->body()->open());
        CHECK(fill(*writer->body(), "end"));
        CHECK(read_all(cursor).size() == most + 4);
    }
    SUBCASE("a relay passes through without being stored") {
        const auto store = make({});
        const std::uint64_t used = store->stats().bytes_used;
        const std::shared_ptr<Body> body = store->open_relay(10);
        CHECK(body->mode() == Body::Mode::Window);
        Body::Cursor cursor = *body->open();
        CHECK(fill(*body, "0123456789"));
        CHECK(store->stats().bytes_used == used); // charged to a budget of its own
        body->complete();
        CHECK(read_all(cursor) == "0123456789");
        CHECK(store->stats().objects == 0);
    }
}

void check_replacement(const MakeStore& make) {
    SUBCASE("a commit replaces the entry with the same secondary key, whose holders keep it") {
        const auto store = make({});
        const EntryRef old =
            put(*store, {.key = "key", .secondary_key = "v", .metadata = "old", .body = "old content"});
        const EntryRef other = put(*store, {.key = "key", .secondary_key = "w", .body = "other"});
        const EntryRef young = put(*store, {.key = "key", .secondary_key = "v", .metadata = "young", .body = "young"});
        const auto found = find(*store, "key");
        REQUIRE(found.size() == 2);
        CHECK(found[0] == young);
        CHECK(found[1] == other);
        CHECK(old->metadata() == "old");
        CHECK(content(*old) == "old content");
        CHECK(store->stats().objects == 2);
    }
    SUBCASE("a commit loses against an entry with the same secondary key and a larger sequence") {
        const auto store = make({});
        const EntryRef newer =
            put(*store, {.key = "key", .secondary_key = "v", .metadata = "newer", .body = "newer", .sequence = 7});
        const std::uint64_t used = store->stats().bytes_used;
        CHECK(put(*store, {.key = "key", .secondary_key = "v", .body = "older", .sequence = 6}) == newer);
        REQUIRE(find(*store, "key").size() == 1);
        CHECK(find(*store, "key")[0] == newer);
        CHECK(store->stats().objects == 1);
        CHECK(store->stats().insertions == 1);
        CHECK(store->stats().bytes_used == used);
        // Another variant is another thing, and so is what comes after the newer one is gone.
        CHECK(put(*store, {.key = "key", .secondary_key = "w", .sequence = 6}) != newer);
        store->erase(newer);
        const EntryRef older = put(*store, {.key = "key", .secondary_key = "v", .body = "older", .sequence = 6});
        CHECK(content(*older) == "older");
        // The same sequence, or a larger one, replaces.
        for (const std::uint64_t sequence : {6u, 7u}) {
            const EntryRef next = put(*store, {.key = "key", .secondary_key = "v", .sequence = sequence});
            CHECK(find(*store, "key")[0] == next);
        }
    }
    SUBCASE("variants come newest first, and beyond max_variants the oldest goes") {
        const auto store = make({.max_variants = 3});
        for (const char* variant : {"a", "b", "c", "d", "e"}) {
            put(*store, {.key = "key", .secondary_key = variant, .body = variant});
        }
        put(*store, {.key = "another key", .secondary_key = "a"});
        CHECK(variants(*store, "key") == std::vector<std::string>{"e", "d", "c"});
        put(*store, {.key = "key", .secondary_key = "c", .body = "again"});
        CHECK(variants(*store, "key") == std::vector<std::string>{"c", "e", "d"});
        put(*store, {.key = "key", .secondary_key = "f"});
        CHECK(variants(*store, "key") == std::vector<std::string>{"f", "c", "e"});
        CHECK(variants(*store, "another key") == std::vector<std::string>{"a"});
        CHECK(store->stats().objects == 4);
    }
    SUBCASE("erase removes exactly one entry, once") {
        const auto store = make({});
        const EntryRef a = put(*store, {.key = "key", .secondary_key = "a", .body = "content of a"});
        const EntryRef b = put(*store, {.key = "key", .secondary_key = "b"});
        CHECK(store->erase(a));
        CHECK_FALSE(store->erase(a));
        CHECK(variants(*store, "key") == std::vector<std::string>{"b"});
        CHECK(content(*a) == "content of a");
        const EntryRef again = put(*store, {.key = "key", .secondary_key = "b"});
        CHECK_FALSE(store->erase(b)); // was replaced: its successor stays
        CHECK(variants(*store, "key") == std::vector<std::string>{"b"});
        CHECK(store->erase(again));
        CHECK(find(*store, "key").empty());
        CHECK(store->stats().objects == 0);
    }
}

void check_replace_metadata(const MakeStore& make) {
    SUBCASE("metadata is replaced around the same body") {
        const auto store = make({});
        const EntryRef old = put(*store, {.key = "key", .secondary_key = "v", .metadata = "old", .body = "content",
                                          .sequence = 1});
        old->checked_sequence() = 5;
        put(*store, {.key = "key", .secondary_key = "w"});
        const EntryRef young = store->replace_metadata(old, "v", "young and longer", 9);
        REQUIRE(young);
        CHECK(variants(*store, "key") == std::vector<std::string>{"v", "w"});
        CHECK(find(*store, "key")[0] == young);
        CHECK(young->metadata() == "young and longer");
        CHECK(young->sequence() == 9);
        CHECK(young->checked_sequence() == 0);
        CHECK(young->body_size() == 7);
        CHECK(content(*young) == "content");
        CHECK(old->metadata() == "old");
        CHECK(content(*old) == "content");
        CHECK(store->stats().objects == 2);
        CHECK_FALSE(store->replace_metadata(old, "v", "too late", 10));
        CHECK(find(*store, "key")[0]->metadata() == "young and longer");
    }
    SUBCASE("an entry that was erased or replaced takes no metadata") {
        const auto store = make({});
        const EntryRef erased = put(*store, {.key = "erased"});
        store->erase(erased);
        CHECK_FALSE(store->replace_metadata(erased, "", "m", 1));
        CHECK(find(*store, "erased").empty());
        const EntryRef replaced = put(*store, {.key = "replaced"});
        put(*store, {.key = "replaced", .metadata = "new"});
        CHECK_FALSE(store->replace_metadata(replaced, "", "m", 1));
        CHECK(find(*store, "replaced")[0]->metadata() == "new");
    }
    SUBCASE("a new secondary key takes the place of whoever had it") {
        const auto store = make({});
        put(*store, {.key = "key", .secondary_key = "a", .body = "of a"});
        const EntryRef b = put(*store, {.key = "key", .secondary_key = "b", .body = "of b"});
        REQUIRE(store->replace_metadata(b, "a", "", 1));
        REQUIRE(variants(*store, "key") == std::vector<std::string>{"a"});
        CHECK(content(*find(*store, "key")[0]) == "of b");
        CHECK(store->stats().objects == 1);
    }
    SUBCASE("a new secondary key does not take the place of an entry with a larger sequence") {
        const auto store = make({});
        const EntryRef a = put(*store, {.key = "key", .secondary_key = "a", .body = "of a", .sequence = 5});
        const EntryRef b = put(*store, {.key = "key", .secondary_key = "b", .body = "of b", .sequence = 1});
        CHECK_FALSE(store->replace_metadata(b, "a", "", 4));
        CHECK(variants(*store, "key") == std::vector<std::string>{"b", "a"});
        CHECK(store->replace_metadata(b, "a", "", 5));
        CHECK(variants(*store, "key") == std::vector<std::string>{"a"});
    }
}

void check_walks(const MakeStore& make) {
    SUBCASE("a walk sees every entry, and may erase them") {
        const auto store = make({});
        std::set<std::string> keys;
        for (int i = 0; i < 3000; ++i) {
            keys.insert("key " + std::to_string(i));
            put(*store, {.key = "key " + std::to_string(i)});
        }
        std::multiset<std::string> seen;
        store->for_each([&](const EntryRef& entry) {
            seen.insert(std::string(entry->key()));
            if (entry->key().ends_with('7')) {
                CHECK(store->erase(entry));
            }
        });
        CHECK(seen == std::multiset<std::string>(keys.begin(), keys.end()));
        std::size_t left = 0;
        store->for_each([&left](const EntryRef&) { ++left; });
        CHECK(left == 2700);
        CHECK(store->stats().objects == 2700);
    }
    SUBCASE("a walk misses nothing that is there all the time while others are put and erased") {
        const auto store = make({});
        for (int i = 0; i < 500; ++i) {
            put(*store, {.key = "stays " + std::to_string(i)});
        }
        std::set<std::string> seen;
        int number = 0;
        store->for_each([&](const EntryRef& entry) {
            if (entry->key().starts_with("stays")) {
                seen.insert(std::string(entry->key()));
                for (int i = 0; i < 5; ++i) {
                    put(*store, {.key = "new " + std::to_string(++number)});
                }
            }
        });
        CHECK(seen.size() == 500);
    }
}

void check_limits(const MakeStore& make) {
    SUBCASE("however much is put, the limit holds and the newest is there") {
        const auto store = make({.size_bytes = 1024 * 1024, .max_object_bytes = 256 * 1024});
        std::mt19937 random(1);
        for (int i = 0; i < 3000; ++i) {
            const std::size_t size = random() % 100 == 0 ? random() % 200'000 : random() % 5000;
            const std::string key = "key " + std::to_string(i);
            REQUIRE(put(*store, {.key = key, .metadata = "head", .body = std::string(size, 'x'),
                                 .known_length = i % 2 == 0}));
            REQUIRE(find(*store, key).size() == 1);
            const StoreStats stats = store->stats();
            REQUIRE(stats.bytes_used <= stats.bytes_limit);
        }
        const StoreStats stats = store->stats();
        CHECK(stats.insertions == 3000);
        CHECK(stats.objects + stats.evictions == 3000);
        CHECK(stats.objects > 50);
    }
}

// Lookups, commits, erases, new metadata and evictions from four threads at once. A body says in each of its bytes
// which key and version it belongs to, so that a wrong or reused byte is seen.
void check_threads(const MakeStore& make, const Settle& settle) {
    SUBCASE("threads that do everything at once never see a wrong byte, and leave nothing charged") {
        const auto store = make({.size_bytes = 2 * 1024 * 1024, .max_object_bytes = 300 * 1024});
        std::atomic<int> wrong{0};
        std::atomic<int> hits{0};
        const auto work = [&store, &wrong, &hits](unsigned seed) {
            std::mt19937 random(seed);
            std::vector<EntryRef> held(4);
            for (int i = 0; i < 4000; ++i) {
                const std::string key = "key " + std::to_string(random() % 64 * (random() % 64));
                const auto found = find(*store, key);
                for (const EntryRef& entry : found) {
                    wrong += is_marked(*entry) ? 0 : 1;
                }
                hits += found.empty() ? 0 : 1;
                switch (found.empty() ? 0 : random() % 8) {
                case 0: {
                    const std::size_t size = random() % 16 == 0 ? random() % 280'000 : random() % 3000;
                    put_marked(*store, key, std::to_string(random() % 3), size, random() % 2 == 0);
                    break;
                }
                case 1:
                    store->erase(found[0]);
                    break;
                case 2:
                    if (const EntryRef fresh = store->replace_metadata(found[0], found[0]->secondary_key(),
                                                                       std::string(random() % 500, 'm'), 1)) {
                        wrong += is_marked(*fresh) ? 0 : 1;
                    }
                    break;
                case 3:
                    held[random() % held.size()] = found[0]; // pinned for a while, evicted or not
                    break;
                default:
                    store->touch(*found[0]);
                }
                for (const EntryRef& entry : held) {
                    wrong += !entry || is_marked(*entry) ? 0 : 1;
                }
            }
        };
        std::vector<std::thread> threads;
        for (unsigned seed = 0; seed < 3; ++seed) {
            threads.emplace_back(work, seed);
        }
        threads.emplace_back([&store] {
            for (int i = 0; i < 30; ++i) {
                store->for_each([](const EntryRef& entry) { static_cast<void>(entry->key()); });
            }
        });
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(wrong == 0);
        CHECK(hits > 0);
        CHECK(store->stats().bytes_used <= store->stats().bytes_limit);
        store->for_each([&store](const EntryRef& entry) { store->erase(entry); });
        CHECK(store->stats().objects == 0);
        settle(*store);
        CHECK(store->stats().bytes_used == store->stats().bytes_index);
    }
}

} // namespace

void run_store_contract(const MakeStore& make, const Settle& settle) {
    check_single_entries(make);
    check_writers(make);
    check_replacement(make);
    check_replace_metadata(make);
    check_walks(make);
    check_limits(make);
    check_threads(make, settle);
}

} // namespace gatehouse::cache::store::testing
