// What a core keeps of a store: the contract, asked through core tables; what is kept, for how long, and what it costs
// others.
#include "cache/store/file_body.h"
#include "cache/store/memory_store.h"

#include "tests/store/near_store.h"
#include "tests/store/store_contract.h"
#include "tests/store/store_tools.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::testing;

namespace {

std::unique_ptr<Store> make(std::uint64_t size_bytes = 64 * 1024 * 1024) {
    return make_memory_store({.size_bytes = size_bytes, .max_object_bytes = size_bytes});
}

HeldEntry ask(CoreTable& table, std::string_view key) {
    Candidates found;
    table.lookup(hash_key(key), key, found);
    return found.empty() ? HeldEntry() : found.take(0);
}

void ask_often(CoreTable& table, std::string_view key, std::uint32_t times = CoreTable::kUsesToKeep) {
    for (std::uint32_t i = 0; i < times; ++i) {
        ask(table, key);
    }
}

// Whether the core has it without asking the store: then a body that it sends is not counted at its blocks.
bool is_kept(CoreTable& table, std::string_view key) {
    const HeldEntry entry = ask(table, key);
    const Body::Cursor cursor = entry.open_body();
    return entry->body()->is_unique();
}

std::string read(Body::Cursor cursor) { return read_all(cursor); }

// Another key for the slot that `key` has.
std::string rival_of(std::string_view key, int number = 0) {
    for (int i = 0;; ++i) {
        std::string rival = "rival " + std::to_string(i);
        if (hash_key(rival).high % CoreTable::kSlots == hash_key(key).high % CoreTable::kSlots && number-- == 0) {
            return rival;
        }
    }
}

// Of a store that each thread asks through a table of its own.
void run_contract(unsigned shards) {
    const auto make_near = [shards](const ContractOptions& options) {
        return std::make_unique<NearStore>(make_memory_store({.size_bytes = options.size_bytes,
                                                              .max_object_bytes = options.max_object_bytes,
                                                              .shards = shards,
                                                              .max_variants = options.max_variants}));
    };
    run_store_contract(make_near, [](Store& store) { static_cast<NearStore&>(store).rest(); });
}

} // namespace

TEST_CASE("core table: contract, 16 shards") { run_contract(16); }
TEST_CASE("core table: contract, 1 shard") { run_contract(1); }

TEST_CASE("core table: what is asked for often is kept, and held without a count that others read") {
    const auto store = make();
    CoreTable table(*store);
    put(*store, {.key = "key", .metadata = "head", .body = "content"});
    ask_often(table, "key", CoreTable::kUsesToKeep - 1);
    CHECK(table.keeps_nothing());
    ask_often(table, "key", 1);
    CHECK_FALSE(table.keeps_nothing());
    CHECK(is_kept(table, "key"));
    const HeldEntry entry = ask(table, "key");
    CHECK(entry->metadata() == "head");
    CHECK(read(entry.open_body()) == "content");
}

TEST_CASE("core table: several variants are kept together, newest first, and more than a few are not") {
    const auto store = make();
    CoreTable table(*store);
    for (std::size_t variants = 1; variants <= CoreTable::kMostVariants + 1; ++variants) {
        CAPTURE(variants);
        put(*store, {.key = "key", .secondary_key = std::to_string(variants), .body = "content"});
        ask_often(table, "key");
        CHECK(table.keeps_nothing() == (variants > CoreTable::kMostVariants));
        Candidates found;
        table.lookup(hash_key("key"), "key", found);
        REQUIRE(found.size() == variants);
        for (std::size_t i = 0; i < variants; ++i) {
            CHECK(found[i]->secondary_key() == std::to_string(variants - i));
        }
    }
}

TEST_CASE("core table: what was erased, replaced or freshened is not found from the return of the call on") {
    const auto store = make();
    CoreTable table(*store);
    const auto keep = [&](std::string_view body) {
        const EntryRef entry = put(*store, {.key = "key", .metadata = "head", .body = std::string(body)});
        ask_often(table, "key");
        REQUIRE(is_kept(table, "key"));
        return entry;
    };
    keep("old");
    const EntryRef young = keep("young");
    CHECK(ask(table, "key").get() == young.get());
    const EntryRef fresh = store->replace_metadata(young, "", "fresh head", 1);
    CHECK(ask(table, "key").get() == fresh.get());
    put(*store, {.key = "key", .secondary_key = "other", .sequence = 1});
    CHECK(ask(table, "key")->secondary_key() == "other");
    store->for_each([&](const EntryRef& entry) { store->erase(entry); });
    CHECK_FALSE(ask(table, "key"));
    CHECK(table.keeps_nothing());
}

TEST_CASE("core table: what is held of it stays what it was, whatever happens to it in the store") {
    const auto store = make();
    CoreTable table(*store);
    const EntryRef stored = put(*store, {.key = "key", .metadata = "head", .body = std::string(20'000, 'x')});
    ask_often(table, "key");
    {
        const HeldEntry held = ask(table, "key");
        Body::Cursor cursor = held.open_body();
        const EntryRef shared = held; // what another core may have
        store->erase(stored);
        table.tidy();
        table.tidy();
        CHECK_FALSE(ask(table, "key"));
        CHECK(held->metadata() == "head");
        CHECK(read_all(cursor) == std::string(20'000, 'x'));
        CHECK(content(*shared) == std::string(20'000, 'x'));
        CHECK_FALSE(table.keeps_nothing());
        // The slot is in use. What takes its place in the store is found there.
        put(*store, {.key = "key", .body = "young"});
        ask_often(table, "key");
        CHECK(read(ask(table, "key").open_body()) == "young");
    }
    ask_often(table, "key");
    CHECK(is_kept(table, "key"));
}

TEST_CASE("core table: what was removed is charged until the next tick, and no longer") {
    const auto store = make();
    const std::uint64_t empty = store->stats().bytes_used;
    CoreTable table(*store);
    for (int i = 0; i < 20; ++i) {
        const std::string key = "key " + std::to_string(i);
        put(*store, {.key = key, .body = std::string(5000, 'x')});
        ask_often(table, key);
    }
    const std::uint64_t kept = table.kept_bytes();
    CHECK(kept > 10 * 5000); // but for keys of one slot
    store->for_each([&](const EntryRef& entry) { store->erase(entry); });
    CHECK(store->stats().bytes_used == empty + kept);
    table.tidy();
    CHECK(store->stats().bytes_used == empty);
    CHECK(table.keeps_nothing());
    CHECK(table.kept_bytes() == 0);
}

TEST_CASE("core table: what is not asked for between two ticks is let go of, and may be evicted") {
    const auto store = make(1024 * 1024);
    CoreTable table(*store);
    const auto crowd = [&] {
        for (int i = 0; i < 3000; ++i) {
            put(*store, {.key = "crowd " + std::to_string(i), .body = std::string(800, 'c')});
        }
    };
    put(*store, {.key = "key", .body = "content"});
    ask_often(table, "key");
    table.tidy();
    crowd();
    ask(table, "key");            // in the store: the number of changes has grown
    CHECK(is_kept(table, "key")); // what is in use is not evicted
    table.tidy();
    CHECK_FALSE(table.keeps_nothing());
    table.tidy();
    CHECK(table.keeps_nothing());
    crowd();
    CHECK(find(*store, "key").empty());
    CHECK_FALSE(ask(table, "key"));
}

TEST_CASE("core table: no more is kept than a share of the store, and nothing that is large") {
    const auto store = make(64 * 1024 * 1024);
    CoreTable table(*store);
    REQUIRE(table.most_bytes() == 64 * 1024 * 1024 / CoreTable::kShareOfStore);
    for (int i = 0; i < 300; ++i) {
        const std::string key = "key " + std::to_string(i);
        put(*store, {.key = key, .body = std::string(10'000, 'x')});
        ask_often(table, key);
        REQUIRE(table.kept_bytes() <= table.most_bytes());
    }
    CHECK(table.kept_bytes() > table.most_bytes() / 2);
    const auto huge = make(std::uint64_t{4} << 30);
    CoreTable other(*huge);
    CHECK(other.most_bytes() == CoreTable::kMostBytes);
    put(*huge, {.key = "large", .body = std::string(CoreTable::kMostSlotBytes, 'x')});
    put(*huge, {.key = "smaller", .body = std::string(CoreTable::kMostSlotBytes / 4 * 3, 'x')});
    ask_often(other, "large", 100);
    CHECK(other.keeps_nothing());
    ask_often(other, "smaller");
    CHECK_FALSE(other.keeps_nothing());
}

TEST_CASE("core table: what has its body in a file is asked for in the store each time") {
    class Files final : public Store {
    public:
        explicit Files(std::unique_ptr<Store> memory)
            : memory_(std::move(memory)),
              entry_(memory_->make_file_entry({"key", hash_key("key"), {}, 1}, "head",
                                              std::make_shared<const FileBody>(std::span<const FileBody::Piece>()),
                                              FileEntryFor::Keeping)) {}
        void lookup(const KeyHash&, std::string_view, Candidates& found) override {
            ++lookups;
            found.push(entry_);
        }
        const std::atomic<std::uint64_t>* changes(const KeyHash& hash) const noexcept override {
            return memory_->changes(hash);
        }
        void touch(const Entry&) noexcept override {}
        std::unique_ptr<Writer> open_writer(const PutFacts&, std::optional<std::uint64_t>) override { return {}; }
        std::shared_ptr<Body> open_relay(std::optional<std::uint64_t>) override { return {}; }
        EntryRef replace_metadata(const EntryRef&, std::string_view, std::string_view, std::uint64_t) override {
            return {};
        }
        bool erase(const EntryRef&) override { return false; }
        std::uint64_t max_object_bytes() const noexcept override { return memory_->max_object_bytes(); }
        void for_each(const std::function<void(const EntryRef&)>&) override {}
        StoreStats stats() const override { return memory_->stats(); }
        int lookups = 0;

    private:
        std::unique_ptr<Store> memory_;
        EntryRef entry_;
    };
    Files store(make());
    CoreTable table(store);
    ask_often(table, "key", 10);
    CHECK(table.keeps_nothing());
    CHECK(store.lookups == 10);
}

TEST_CASE("core table: of two keys for one slot the one that is asked for more often gets it") {
    const auto store = make();
    CoreTable table(*store);
    const std::string rival = rival_of("key");
    put(*store, {.key = "key", .body = "content"});
    put(*store, {.key = rival, .body = "content of the rival"});
    ask_often(table, "key", 20);
    ask_often(table, rival, 10);
    CHECK(is_kept(table, "key"));
    ask_often(table, rival, 20);
    CHECK(is_kept(table, rival));
    CHECK(read(ask(table, "key").open_body()) == "content");
}

TEST_CASE("core table: what is asked for once among much else takes no place") {
    const auto store = make();
    CoreTable table(*store);
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 3; ++i) {
            const std::string key = rival_of("key", i);
            put(*store, {.key = key, .body = "content"});
            ask(table, key);
        }
    }
    CHECK(table.keeps_nothing());
}

TEST_CASE("core table: a change of another key leaves what is kept in its place") {
    const auto store = make();
    CoreTable table(*store);
    put(*store, {.key = "key", .body = "content"});
    ask_often(table, "key");
    for (int i = 0; i < 5000; ++i) {
        put(*store, {.key = "other " + std::to_string(i)});
    }
    CHECK(read(ask(table, "key").open_body()) == "content"); // asked for in the store, because the number has grown
    CHECK(is_kept(table, "key"));
}

TEST_CASE("core table: what is kept with an entry goes when the core keeps the entry no longer") {
    struct Counted final : Companion {
        explicit Counted(int& counter) : count(counter) { ++count; }
        ~Counted() override { --count; }
        int& count;
    };
    int alive = 0;
    const auto store = make();
    CoreTable table(*store);
    put(*store, {.key = "key", .secondary_key = "one", .body = "content"});
    put(*store, {.key = "key", .secondary_key = "two", .body = "content"});
    CHECK(ask(table, "key").companion() == nullptr); // found in the store
    ask_often(table, "key");
    Candidates found;
    table.lookup(hash_key("key"), "key", found);
    REQUIRE(found.size() == 2);
    for (std::size_t i = 0; i < found.size(); ++i) {
        REQUIRE(found[i].companion() != nullptr);
        CHECK(*found[i].companion() == nullptr);
        *found[i].companion() = std::make_unique<Counted>(alive);
    }
    CHECK(found[0].companion() != found[1].companion());
    CHECK(HeldEntry(found[0]).companion() == found[0].companion());
    CHECK(*ask(table, "key").companion() != nullptr); // the same next time
    CHECK(alive == 2);
    SUBCASE("because the entry was replaced") {
        put(*store, {.key = "key", .secondary_key = "one", .body = "other"});
        CHECK(alive == 2); // whoever holds the old one finds it there
        CHECK(ask(table, "key").companion() == nullptr);
        found.clear();
        ask(table, "key"); // the new one is kept in its place
        REQUIRE(ask(table, "key").companion() != nullptr);
        CHECK(*ask(table, "key").companion() == nullptr);
    }
    SUBCASE("because it was not asked for") {
        found.clear();
        table.tidy();
        CHECK(alive == 2);
        table.tidy();
    }
    CHECK(alive == 0);
}

TEST_CASE("core table: it says when it begins to keep something, so that somebody looks after it") {
    const auto store = make();
    int begun = 0;
    CoreTable table(*store, [&begun] { ++begun; });
    for (const char* key : {"a", "b"}) {
        put(*store, {.key = key, .body = "content"});
        ask_often(table, key);
    }
    CHECK(begun == 1);
    table.tidy();
    table.tidy();
    REQUIRE(table.keeps_nothing());
    ask_often(table, "a");
    CHECK(begun == 2);
}

// One thread stores, freshens and erases, and says so when the call has returned; others, with a table each, must not
// see what was there before.
TEST_CASE("core table: threads never see what was gone before they asked") {
    NearStore store(make());
    Store& shared = store.inner();
    constexpr std::uint64_t kChanges = 20'000;
    std::atomic<std::uint64_t> in_force{
        0}; // the last change; what is stored has its number, after each fourth nothing is
    std::atomic<int> wrong{0};
    std::atomic<int> found_kept{0};
    std::atomic<bool> is_done{false};
    const auto look = [&] {
        CoreTable& table = store.table();
        for (unsigned asked = 1; !is_done.load(std::memory_order_acquire); ++asked) {
            const std::uint64_t first = in_force.load(std::memory_order_acquire);
            const HeldEntry entry = ask(table, "key");
            const std::uint64_t last = in_force.load(std::memory_order_acquire) + 1; // it may be at work on that one
            if (entry) {
                wrong += entry->sequence() < first || entry->sequence() > last ? 1 : 0;
                wrong += read(entry.open_body()) == "content" ? 0 : 1;
                found_kept += entry->body()->is_unique() ? 1 : 0;
            } else {
                wrong += last / 4 * 4 < first ? 1 : 0;
            }
            if (asked % 64 == 0) {
                table.tidy();
            }
        }
    };
    std::vector<std::thread> threads;
    threads.emplace_back(look);
    threads.emplace_back(look);
    EntryRef stored;
    for (std::uint64_t change = 1; change <= kChanges; ++change) {
        if (change % 4 == 3) {
            stored = shared.replace_metadata(stored, "", "fresh", change);
        } else if (change % 4 == 0) {
            shared.erase(stored);
        } else {
            stored = put(shared, {.key = "key", .body = "content", .sequence = change});
        }
        in_force.store(change, std::memory_order_release);
        for (int turn = 0; change == 1 && found_kept == 0 && turn < 10'000'000; ++turn) {
            std::this_thread::yield(); // until they are at work
        }
    }
    is_done.store(true, std::memory_order_release);
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(found_kept > 0);
}
