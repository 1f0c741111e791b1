// What is read from the disk for one request, without a place in memory.
#include "tests/store/tiered_tools.h"

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::testing;

namespace {

// More than a memory that is full of bodies of 8,000 bytes has room for.
const std::string kBody(20'000, 'b');

bool is_in_memory(TieredStore& store, const std::string& key) {
    Candidates found;
    store.lookup(hash_key(key), key, found);
    return found.size() > 0;
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "what is read once serves one request, what is read again soon is in memory") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .secondary_key = "s", .metadata = "head", .body = kBody, .sequence = 7});
    one.crowd_out();
    REQUIRE_FALSE(is_in_memory(*one.store, "a"));
    const std::uint64_t insertions = one.store->stats().insertions;
    std::vector<EntryRef> entries = brought(*one.store, "a");
    REQUIRE(entries.size() == 1);
    CHECK(entries[0]->key() == "a");
    CHECK(entries[0]->secondary_key() == "s");
    CHECK(entries[0]->metadata() == "head");
    CHECK(entries[0]->sequence() == 7);
    CHECK(content(*entries[0]) == kBody);
    CHECK_FALSE(is_in_memory(*one.store, "a"));
    CHECK(one.store->stats().insertions == insertions);
    entries.clear();

    CHECK(brought(*one.store, "a").empty());
    CHECK(is_in_memory(*one.store, "a"));
    CHECK(one.store->stats().insertions == insertions + 1);
    CHECK(one.get("a", "s") == kBody);
}

TEST_CASE_FIXTURE(Fixture, "where memory has room for it, what is read is in memory at once") {
    Process& one = start();
    put(*one.store, {.key = "a", .body = "body"});
    one.store->writer().flush();
    Process& two = start();
    CHECK(brought(*two.store, "a").empty());
    CHECK(is_in_memory(*two.store, "a"));
}

TEST_CASE_FIXTURE(Fixture, "where what passes through has no memory left, what is read goes into memory") {
    Process::Options options = on_a_large_disk();
    options.relay_bytes = 100; // less than any head
    Process& one = start(options);
    put(*one.store, {.key = "a", .body = kBody});
    one.crowd_out();
    CHECK(brought(*one.store, "a").empty());
    CHECK(is_in_memory(*one.store, "a"));
}

TEST_CASE_FIXTURE(Fixture, "what is read for one request leaves a quarter of that memory to what is not stored") {
    Process::Options options = on_a_large_disk();
    options.relay_bytes = 100 * kKiB;
    Process& one = start(options);
    for (int i = 0; i < 8; ++i) {
        put(*one.store, {.key = "a" + std::to_string(i), .body = kBody});
    }
    one.crowd_out();
    std::vector<EntryRef> held;
    for (int i = 0; i < 8; ++i) {
        for (EntryRef& entry : brought(*one.store, "a" + std::to_string(i))) {
            held.push_back(std::move(entry));
        }
    }
    CHECK(one.store->relays_are_short());
    CHECK(held.size() == 4); // more than three quarters with the fourth
    CHECK(is_in_memory(*one.store, "a7"));
}

TEST_CASE_FIXTURE(Fixture, "a response without content is read for one request, too") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .metadata = kBody});
    one.crowd_out();
    const std::vector<EntryRef> entries = brought(*one.store, "a");
    REQUIRE(entries.size() == 1);
    CHECK(entries[0]->metadata() == kBody);
    CHECK(entries[0]->body_size() == 0);
}

TEST_CASE_FIXTURE(Fixture, "what was read for one request and is freshened is in memory, and is what the disk has") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .secondary_key = "s", .metadata = "head", .body = kBody, .sequence = 1});
    one.crowd_out();
    std::vector<EntryRef> entries = brought(*one.store, "a");
    REQUIRE(entries.size() == 1);
    CHECK(one.store->replace_metadata(entries[0], "s", "fresh head", 2));
    entries.clear();
    {
        Candidates found;
        one.store->lookup(hash_key("a"), "a", found);
        REQUIRE(found.size() == 1);
        CHECK(found[0]->metadata() == "fresh head");
        CHECK(content(*found[0]) == kBody);
    }
    one.crowd_out();
    CHECK_FALSE(is_in_memory(*one.store, "a"));
    entries = brought(*one.store, "a");
    REQUIRE(entries.size() == 1);
    CHECK(entries[0]->metadata() == "fresh head");
    REQUIRE(entries[0]->file()); // a new head, and the body where it was
    CHECK(content_of(*entries[0]->file()) == kBody);
}

TEST_CASE_FIXTURE(Fixture, "what was read for one request is not freshened where something else is stored by now") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .metadata = "head", .body = kBody, .sequence = 1});
    one.crowd_out();
    const std::vector<EntryRef> entries = brought(*one.store, "a");
    REQUIRE(entries.size() == 1);
    SUBCASE("which memory has") { put(*one.store, {.key = "a", .metadata = "head", .body = "new", .sequence = 2}); }
    SUBCASE("which the disk has") {
        put(*one.store, {.key = "a", .metadata = "head", .body = "new", .sequence = 2});
        one.crowd_out();
    }
    CHECK_FALSE(one.store->replace_metadata(entries[0], "", "too late", 3));
    CHECK(one.get("a") == "new");
}

TEST_CASE_FIXTURE(Fixture, "what was read for one request and was erased since does not come back") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .metadata = "head", .body = kBody, .sequence = 1});
    one.crowd_out();
    const std::vector<EntryRef> entries = brought(*one.store, "a");
    REQUIRE(entries.size() == 1);
    one.store->erase(entries[0]);
    CHECK_FALSE(one.store->replace_metadata(entries[0], "", "too late", 2));
    CHECK(one.get("a").empty());
    one.store->writer().flush();
    CHECK(one.get("a").empty());
}

TEST_CASE_FIXTURE(Fixture, "what was read for one request and then into memory is one response to who holds the first") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .metadata = "head", .body = kBody, .sequence = 1});
    one.crowd_out();
    std::vector<EntryRef> entries = brought(*one.store, "a");
    REQUIRE(entries.size() == 1);
    CHECK(brought(*one.store, "a").empty());
    REQUIRE(is_in_memory(*one.store, "a"));
    SUBCASE("erased") {
        CHECK(one.store->erase(entries[0]));
        CHECK(one.get("a").empty());
        one.store->writer().flush();
        CHECK(one.get("a").empty());
    }
    SUBCASE("freshened") {
        CHECK(one.store->replace_metadata(entries[0], "", "fresh head", 2));
        Candidates found;
        one.store->lookup(hash_key("a"), "a", found);
        REQUIRE(found.size() == 1);
        CHECK(found[0]->metadata() == "fresh head");
    }
}

TEST_CASE_FIXTURE(Fixture, "what was read for one request does not take the place of what is newer under its new name") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .metadata = "head", .body = kBody, .sequence = 1});
    one.crowd_out();
    const std::vector<EntryRef> entries = brought(*one.store, "a");
    REQUIRE(entries.size() == 1);
    put(*one.store, {.key = "a", .secondary_key = "gzip", .metadata = "gzip head", .body = "newer", .sequence = 3});
    one.store->writer().flush();
    CHECK_FALSE(one.store->replace_metadata(entries[0], "gzip", "fresh head", 2));
    one.store->writer().flush();
    CHECK(one.get("a", "gzip") == "newer");
    one.crowd_out();
    CHECK(one.get("a", "gzip") == "newer");
}

TEST_CASE_FIXTURE(Fixture, "all variants of a key that is read once are for one request") {
    Process& one = start(on_a_large_disk());
    for (const char* const variant : {"de", "en", "fr"}) {
        put(*one.store, {.key = "a", .secondary_key = variant, .metadata = "head", .body = kBody});
    }
    one.crowd_out();
    CHECK(brought(*one.store, "a").size() == 3);
    CHECK_FALSE(is_in_memory(*one.store, "a"));
    CHECK(brought(*one.store, "a").empty());
    Candidates found;
    one.store->lookup(hash_key("a"), "a", found);
    CHECK(found.size() == 3);
}

TEST_CASE("a key is remembered as read until another takes its slot") {
    RecentReads reads(0); // the fewest slots
    const auto key = [](std::uint64_t low, std::uint64_t high) {
        KeyHash hash;
        hash.low = low;
        hash.high = high << 32;
        return hash;
    };
    CHECK_FALSE(reads.note(key(1, 10)));
    CHECK(reads.note(key(1, 10)));
    CHECK_FALSE(reads.note(key(2, 10)));
    CHECK(reads.note(key(1, 10)));
    CHECK_FALSE(reads.note(key(1 + 256, 12))); // the same slot
    CHECK_FALSE(reads.note(key(1, 10)));
    CHECK_FALSE(reads.note(key(3, 0))); // a fingerprint of zeros is none of an empty slot
    CHECK(reads.note(key(3, 0)));
}
