// Heads of bodies in files: what is kept, how it is found, and what makes room; and in the store, that nothing is found
// which is not what is stored.
#include "cache/store/kept_heads.h"

#include "tests/store/tiered_tools.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::testing;

namespace {

constexpr std::uint64_t kMemory = 1024 * kKiB;

struct Heads {
    std::unique_ptr<Store> memory = make_memory_store({.size_bytes = kMemory, .max_object_bytes = kMemory});
    disk::PosixFiles posix;
    DiskDirectory directory;
    std::shared_ptr<disk::File> file = *posix.open(directory.path() + "/file");
    KeptHeads kept{kMemory};

    EntryRef entry(const std::string& key, const std::string& metadata = "head") const {
        const FileBody::Piece piece{file, 0, 100};
        return memory->make_file_entry({key, hash_key(key), {}, 1}, metadata,
                                       std::make_shared<const FileBody>(std::span(&piece, 1)),
                                       Store::FileEntryFor::Keeping);
    }
    // Whether it is kept now.
    bool keep(const std::string& key, const disk::Location& place, std::uint64_t generation = 1,
              std::uint64_t changes = 7, const std::string& metadata = "head") {
        if (!kept.makes_room(hash_key(key), key.size() + metadata.size())) {
            return false;
        }
        kept.keep(hash_key(key), place, generation, changes, entry(key, metadata));
        return static_cast<bool>(kept.find_at(hash_key(key), place, generation, changes));
    }
    bool has(const std::string& key, std::uint64_t changes = 7) {
        return static_cast<bool>(kept.find(hash_key(key), key, changes));
    }
};

constexpr disk::Location kPlace{3, 100, 20};

} // namespace

TEST_CASE("kept heads: one is found by its key as long as nothing has changed, and by its place whatever has") {
    Heads heads;
    REQUIRE(heads.keep("a", kPlace, 5, 7));
    CHECK(heads.kept.find(hash_key("a"), "a", 7).entry->metadata() == "head");
    CHECK(heads.kept.find(hash_key("a"), "a", 7).body->size() == 100);
    CHECK_FALSE(heads.has("a", 8));
    CHECK_FALSE(heads.kept.find(hash_key("a"), "another key with that hash", 7));
    CHECK_FALSE(heads.has("b"));
    struct Row {
        const char* name;
        disk::Location place;
        std::uint64_t generation;
    };
    for (const Row& row : {Row{"another segment", {4, 100, 20}, 5}, Row{"another offset", {3, 101, 20}, 5},
                           Row{"another generation", kPlace, 6}}) {
        CAPTURE(row.name);
        CHECK_FALSE(heads.kept.find_at(hash_key("a"), row.place, row.generation, 8));
    }
    CHECK_FALSE(heads.has("a", 8));
    CHECK(heads.kept.find_at(hash_key("a"), kPlace, 5, 8));
    CHECK(heads.has("a", 8)); // from then on
    CHECK_FALSE(heads.has("a", 7));
}

TEST_CASE("kept heads: one of several for its key is found by its place only") {
    Heads heads;
    REQUIRE(heads.keep("a", kPlace, 5, KeptHeads::kOneOfSeveral));
    CHECK_FALSE(heads.has("a", 7));
    CHECK(heads.kept.find_at(hash_key("a"), kPlace, 5, KeptHeads::kOneOfSeveral));
}

TEST_CASE("kept heads: they take no more than their share, and none takes much of it") {
    Heads heads;
    CHECK(heads.kept.most_bytes() == kMemory / KeptHeads::kShareOfMemory);
    CHECK_FALSE(heads.keep("large", kPlace, 1, 7, std::string(KeptHeads::kMostTextBytes, 'h')));
    std::uint32_t kept = 0;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        kept += heads.keep("key " + std::to_string(i), {0, i, 1}, 1, 7, std::string(1000, 'h')) ? 1 : 0;
        REQUIRE(heads.kept.bytes() <= heads.kept.most_bytes());
    }
    CHECK(kept > 20);
    CHECK(heads.kept.bytes() > heads.kept.most_bytes() / 2);
    CHECK(heads.memory->stats().bytes_used >= heads.kept.bytes());
}

TEST_CASE("kept heads: what is in use stays, whatever is asked for once, and gives way when it is not asked for") {
    Heads heads;
    REQUIRE(heads.keep("in use", kPlace));
    for (std::uint32_t i = 0; i < 1000; ++i) {
        heads.keep("once " + std::to_string(i), {0, i, 1});
        REQUIRE(heads.has("in use"));
    }
    for (std::uint32_t i = 0; i < 1000; ++i) {
        heads.keep("later " + std::to_string(i), {1, i, 1});
    }
    CHECK_FALSE(heads.has("in use"));
}

TEST_CASE("kept heads: when all that may be taken is, idle heads make room whichever set they are in") {
    Heads heads;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        heads.keep("key " + std::to_string(i), {0, i, 1}, 1, 7, std::string(1000, 'h'));
    }
    REQUIRE(heads.kept.bytes() > heads.kept.most_bytes() * 9 / 10);
    std::uint32_t kept = 0;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const std::string key = "new " + std::to_string(i);
        bool is_kept = false;
        for (int asked = 0; asked < 10 && !is_kept; ++asked) {
            is_kept = heads.keep(key, {1, i, 1}, 1, 7, std::string(1000, 'h'));
        }
        kept += is_kept ? 1 : 0;
    }
    CHECK(kept == 1000); // each at its time
}

TEST_CASE("kept heads: where all that is stored is in use, what passes through lends the memory for a head") {
    Heads heads;
    std::vector<EntryRef> held;
    while (EntryRef entry = put(*heads.memory, {.key = "held " + std::to_string(held.size()), .body = "content"})) {
        held.push_back(std::move(entry));
    }
    const EntryRef head = heads.entry("a");
    REQUIRE(head);
    CHECK(head->body_size() == 100);
}

TEST_CASE("kept heads: those whose file was given up go, and nothing else") {
    Heads heads;
    REQUIRE(heads.keep("old", kPlace));
    const std::weak_ptr<disk::File> old = heads.file;
    heads.file->give_up();
    CHECK_FALSE(heads.keep("too late", kPlace));
    heads.file = *heads.posix.open(heads.directory.path() + "/another");
    REQUIRE(heads.keep("new", kPlace));
    heads.kept.drop_given_up();
    CHECK_FALSE(heads.has("old"));
    CHECK(heads.has("new"));
    CHECK(old.expired());
}

TEST_CASE_FIXTURE(Fixture, "a body in a file that was asked for is found by lookup until anything of its key changes") {
    Process::Options options = with_large_segments();
    options.segments = 64; // all is written
    Process& one = start(options);
    const std::string body(200'000, 'a');
    put(*one.store, {.key = "a", .secondary_key = "s", .metadata = "head", .body = body, .sequence = 1});
    one.crowd_out();
    CHECK(find(*one.store, "a").empty());
    REQUIRE(files_of(*one.store, "a").size() == 1); // checked by a thread
    CHECK(find(*one.store, "a").empty());
    REQUIRE(files_of(*one.store, "a").size() == 1); // found at once, and kept
    std::vector<EntryRef> found = find(*one.store, "a");
    REQUIRE(found.size() == 1);
    CHECK(found[0]->metadata() == "head");
    CHECK(content_of(*found[0]->file()) == body);
    CHECK(find(*one.store, "b").empty());
    SUBCASE("it left the kernel's memory") {
        files.nothing_at_hand = true;
        CHECK(find(*one.store, "a").empty());
        CHECK(one.store->bring(hash_key("a"), "a", {}, false).kind == Below::Kind::Nothing);
        files.nothing_at_hand = false;
        CHECK(find(*one.store, "a").size() == 1);
    }
    SUBCASE("it is erased") {
        one.store->erase(found[0]);
        CHECK(find(*one.store, "a").empty());
        one.store->writer().flush();
        CHECK(find(*one.store, "a").empty());
        CHECK(files_of(*one.store, "a").empty());
    }
    SUBCASE("it is erased when the disk has given it up already") {
        one.store->log().hide("a", "s");
        one.store->erase(found[0]);
        CHECK(find(*one.store, "a").empty());
    }
    SUBCASE("it is freshened") {
        REQUIRE(one.store->replace_metadata(found[0], "s", "fresh head", 2));
        CHECK(find(*one.store, "a").empty());
        one.store->writer().flush();
        REQUIRE(files_of(*one.store, "a").size() == 1);
        REQUIRE(find(*one.store, "a").size() == 1);
        CHECK(find(*one.store, "a")[0]->metadata() == "fresh head");
    }
    SUBCASE("it is replaced, and what replaced it is evicted") {
        put(*one.store, {.key = "a", .secondary_key = "s", .metadata = "new", .body = "small", .sequence = 2});
        REQUIRE(find(*one.store, "a").size() == 1);
        CHECK(find(*one.store, "a")[0]->metadata() == "new");
        one.crowd_out();
        CHECK(find(*one.store, "a").empty());
        CHECK(one.get("a", "s") == "small");
    }
    SUBCASE("another variant is stored beside it, and evicted") {
        put(*one.store, {.key = "a", .secondary_key = "t", .metadata = "other", .body = "other", .sequence = 2});
        CHECK(find(*one.store, "a").size() == 1);
        one.crowd_out();
        CHECK(find(*one.store, "a").empty()); // it would be one of two
        CHECK(one.get("a", "t") == "other");
        CHECK(files_of(*one.store, "a").size() == 1);
        CHECK(files_of(*one.store, "a").size() == 1);
        REQUIRE(find(*one.store, "a").size() == 1);
        CHECK(find(*one.store, "a")[0]->secondary_key() == "t"); // from memory
    }
    found.clear();
}

TEST_CASE_FIXTURE(Fixture, "a kept head lets go of its file when the segment is used for something else") {
    Process& one = start(with_large_segments());
    put(*one.store, {.key = "a", .body = std::string(200'000, 'a')});
    one.crowd_out();
    REQUIRE(files_of(*one.store, "a").size() == 1);
    REQUIRE(files_of(*one.store, "a").size() == 1);
    const std::weak_ptr<const FileBody> body = find(*one.store, "a").at(0)->file();
    CHECK_FALSE(body.expired());
    SUBCASE("because the disk is full") {
        while (one.store->disk_stats().segments_reused < 8) {
            put(*one.store, {.key = "other", .body = std::string(200'000, 'b')});
            one.store->writer().flush();
        }
    }
    SUBCASE("because it was emptied") {
        one.store->writer().run_later([](disk::DiskLog& log) { log.clear(); });
    }
    one.store->writer().flush();
    CHECK(body.expired());
}

// One thread stores, erases and fills the disk again and again; others look.
TEST_CASE_FIXTURE(Fixture, "threads never find a body in a file that was replaced or erased before they asked") {
    constexpr std::uint64_t kChanges = 600;
    Process& one = start(with_large_segments());
    TieredStore& store = *one.store;
    std::atomic<std::uint64_t> least{0}; // what is older was gone when this was written
    std::atomic<bool> is_over{false};
    std::atomic<int> wrong{0};
    std::atomic<int> found_kept{0};
    const auto look = [&] {
        while (!is_over) {
            const std::uint64_t expected = least;
            Candidates found;
            store.lookup(hash_key("a"), "a", found);
            found_kept += !found.empty() && found[0]->has_file() ? 1 : 0;
            if (found.empty()) {
                found.add(store.bring(hash_key("a"), "a", found, false).unlisted, "a");
            }
            for (std::size_t i = 0; i < found.size(); ++i) {
                wrong += found[i]->sequence() < expected ? 1 : 0;
            }
        }
    };
    std::thread first(look);
    std::thread second(look);
    for (std::uint64_t n = 1; n <= kChanges; ++n) {
        if (!put(store, {.key = "a", .body = std::string(100'000, 'a'), .sequence = n})) {
            continue; // no room: what was there stays
        }
        least = n;
        for (int i = 0; i < 12; ++i) { // memory has 1 MiB, the disk 8
            put(store, {.key = "other " + std::to_string(i), .body = std::string(100'000, 'b')});
        }
        store.writer().flush();
        std::vector<EntryRef> found = find(store, "a");
        if (found.empty()) {
            found = files_of(store, "a"); // checked by a thread, and then found at once by those who look
            const int kept_before = found_kept;
            for (int i = 0; i < 10'000 && !found.empty() && found_kept == kept_before; ++i) {
                std::this_thread::yield();
            }
        }
        if (n % 3 == 0) {
            for (const EntryRef& entry : found) {
                store.erase(entry);
            }
            least = n + 1;
        }
    }
    is_over = true;
    first.join();
    second.join();
    CHECK(wrong == 0);
    CHECK(found_kept > 0);
}

TEST_CASE_FIXTURE(Fixture, "what is always checked is never found without being asked of the disk") {
    Process::Options options = with_large_segments();
    options.verify_always = true;
    Process& one = start(options);
    put(*one.store, {.key = "a", .body = std::string(100'000, 'x')});
    one.crowd_out();
    for (int i = 0; i < 3; ++i) {
        CHECK(files_of(*one.store, "a").size() == 1);
        CHECK(find(*one.store, "a").empty());
    }
}
