// How the writing thread gathers: what is new waits for more of it, and nothing else does.
#include "tests/store/tiered_tools.h"

#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <utility>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::testing;

namespace {

// Time alone has nothing written.
Process::Options for_ever() {
    Process::Options options;
    options.memory_bytes = 64 * 1024 * kKiB;
    options.segments = 64;
    options.segment_bytes = 4 * 1024 * kKiB;
    options.writer.gather = std::chrono::hours(1);
    return options;
}

bool is_on_disk(Process& one, const std::string& key) { return one.store->log().has(key, ""); }

// Whatever has it written does so soon; a test that waits in vain is ended from outside.
void await_on_disk(Process& one, const std::string& key) {
    while (!is_on_disk(one, key)) {
        std::this_thread::yield();
    }
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "what is new is written together, by one call") {
    Process& one = start(for_ever());
    put(*one.store, {.key = "begins the segment", .body = "x"});
    one.store->writer().flush();
    const int before = files.writes;
    for (int i = 0; i < 20; ++i) {
        put(*one.store, {.key = "key " + std::to_string(i), .body = std::string(1000, 'x')});
    }
    CHECK(files.writes == before);
    CHECK_FALSE(is_on_disk(one, "key 0"));
    one.store->writer().flush();
    CHECK(files.writes == before + 1);
    for (int i = 0; i < 20; ++i) {
        CHECK(is_on_disk(one, "key " + std::to_string(i)));
    }
}

TEST_CASE_FIXTURE(Fixture, "what waits is written when time is up, or as much has come as is written together, or at the end") {
    Process::Options options = for_ever();
    std::size_t records = 1;
    std::size_t bytes = 100;
    bool ends = false;
    SUBCASE("time") { options.writer.gather = std::chrono::milliseconds(1); }
    SUBCASE("bytes") {
        records = 3;
        bytes = options.writer.gathered_bytes / records;
    }
    SUBCASE("bytes, where the store is told to gather less") {
        options.writer.gathered_bytes = 5'000;
        bytes = 5'000;
    }
    SUBCASE("records") { records = disk::DiskLog::kMostTogether; }
    SUBCASE("the end") { ends = true; }
    Process& one = start(options);
    for (std::size_t i = 0; i < records; ++i) {
        put(*one.store, {.key = "key " + std::to_string(i), .body = std::string(bytes, 'x')});
    }
    if (ends) {
        one.store->stop();
    }
    await_on_disk(one, "key 0");
}

TEST_CASE_FIXTURE(Fixture, "what takes the place of something is written at once, and with it what waits") {
    Process& one = start(for_ever());
    const EntryRef old = put(*one.store, {.key = "a", .body = "old", .sequence = 1});
    put(*one.store, {.key = "to be erased", .body = "x", .sequence = 2});
    one.store->writer().flush();
    put(*one.store, {.key = "new", .body = "new", .sequence = 3});
    REQUIRE_FALSE(is_on_disk(one, "new"));
    SUBCASE("it is on the disk") { put(*one.store, {.key = "a", .body = "newer", .sequence = 4}); }
    SUBCASE("it waits still") { put(*one.store, {.key = "new", .body = "newer", .sequence = 4}); }
    SUBCASE("a new head") { REQUIRE(one.store->replace_metadata(old, "", "fresh head", 4)); }
    SUBCASE("it is erased") {
        one.store->erase(find(*one.store, "to be erased")[0]);
        while (is_on_disk(one, "to be erased")) {
            std::this_thread::yield();
        }
    }
    await_on_disk(one, "new");
}

TEST_CASE_FIXTURE(Fixture, "who waits for room does not wait for more to come") {
    Process::Options options = for_ever();
    options.writer.queued_bytes = 100'000;
    Process& one = start(options);
    put(*one.store, {.key = "a", .body = std::string(60'000, 'x')});
    REQUIRE_FALSE(is_on_disk(one, "a"));
    const auto pause = one.store->writer().pause();
    REQUIRE(pause);
    std::promise<void> over;
    if (pause->when_done([&over] { over.set_value(); })) {
        over.get_future().wait();
    }
    CHECK(is_on_disk(one, "a"));
}

TEST_CASE_FIXTURE(Fixture, "of what is written together each is admitted, refused and counted by itself") {
    Process::Options options = for_ever();
    options.writer.max_object_bytes = 50'000;
    Process& one = start(options);
    put(*one.store, {.key = "too large", .body = std::string(500, 'x'), .sequence = 1});
    one.store->writer().flush();
    std::promise<void> go;
    one.store->writer().run_later([&go](disk::DiskLog&) { go.get_future().wait(); });
    put(*one.store, {.key = "a", .body = std::string(50'000, 'a'), .sequence = 2});
    put(*one.store, {.key = "too large", .body = std::string(50'001, 'x'), .sequence = 3});
    put(*one.store, {.key = "b", .body = "b", .sequence = 4});
    put(*one.store, {.key = "a", .body = "newer", .sequence = 5}); // not together with the other
    go.set_value();
    one.store->writer().flush();
    CHECK(one.store->disk_stats().too_large == 1);
    CHECK(one.store->disk_stats().objects == 2);
    Process& two = start(options);
    CHECK(two.get("a") == "newer");
    CHECK(two.get("too large").empty()); // also what it took the place of
    CHECK(two.get("b") == "b");
}

TEST_CASE_FIXTURE(Fixture, "where a write of several fails, what each would have replaced does not come back") {
    Process::Options options = for_ever();
    Process& one = start(options);
    for (const char* key : {"a", "b"}) {
        put(*one.store, {.key = key, .body = "old", .sequence = 1});
    }
    one.store->writer().flush();
    std::promise<void> go;
    one.store->writer().run_later([&go](disk::DiskLog&) { go.get_future().wait(); });
    put(*one.store, {.key = "new", .body = "new", .sequence = 2});
    put(*one.store, {.key = "a", .body = "newer", .sequence = 3});
    put(*one.store, {.key = "b", .body = "newer", .sequence = 4});
    files.writes_fail = true;
    go.set_value();
    one.store->writer().flush();
    files.writes_fail = false;
    Process& two = start(options);
    for (const char* key : {"a", "b", "new"}) {
        CAPTURE(key);
        CHECK(two.get(key).empty());
    }
}

TEST_CASE_FIXTURE(Fixture, "what was erased does not come back from a write of several that failed midway") {
    for (const std::size_t percent : {std::size_t{0}, std::size_t{50}, std::size_t{70}, std::size_t{100}}) {
        CAPTURE(percent);
        files.percent_that_arrives = percent;
        Process& one = start(for_ever());
        put(*one.store, {.key = "begins the segment", .body = "x", .sequence = 1});
        one.store->writer().flush();
        const std::string keys[] = {"a " + std::to_string(percent), "b " + std::to_string(percent),
                                    "c " + std::to_string(percent)};
        std::vector<EntryRef> entries;
        for (const std::string& key : keys) {
            entries.push_back(put(*one.store, {.key = key, .body = std::string(1000, 'x'), .sequence = 2}));
        }
        files.writes_fail = true;
        one.store->writer().flush();
        files.writes_fail = false;
        one.now += DiskWriter::kPauseAfterError;
        for (const EntryRef& entry : std::exchange(entries, {})) { // none outlives its store
            one.store->erase(entry);
        }
        put(*one.store, {.key = "later", .body = "x", .sequence = 3}); // the disk is written again
        one.store->writer().flush();
        Process& two = start(for_ever());
        for (const std::string& key : keys) {
            CHECK(two.get(key).empty());
        }
    }
}

TEST_CASE_FIXTURE(Fixture, "what is written is held no longer, also while nothing else comes") {
    Process::Options options = for_ever();
    options.writer.gather = std::chrono::milliseconds(1);
    Process& one = start(options);
    const std::uint64_t before = one.store->stats().bytes_used;
    put(*one.store, {.key = "a", .body = std::string(10'000, 'x'), .sequence = 1});
    await_on_disk(one, "a");
    CHECK(one.store->erase(find(*one.store, "a")[0]));
    while (one.store->stats().bytes_used > before) {
        std::this_thread::yield();
    }
}

TEST_CASE_FIXTURE(Fixture, "a new head that finds no room takes out what was there under the old secondary key, too") {
    Process::Options options = for_ever();
    options.writer.queued_bytes = 20'000;
    Process& one = start(options);
    put(*one.store, {.key = "a", .secondary_key = "old", .body = "content", .sequence = 1});
    one.store->writer().flush();
    std::promise<void> go;
    one.store->writer().run_later([&go](disk::DiskLog&) { go.get_future().wait(); });
    put(*one.store, {.key = "fills the queue", .body = std::string(19'990, 'x'), .sequence = 2});
    REQUIRE(one.store->replace_metadata(find(*one.store, "a")[0], "new", "fresh head", 3));
    go.set_value();
    one.store->writer().flush();
    REQUIRE(one.store->disk_stats().over_queue == 1);
    Process& two = start(options);
    CHECK(two.get("a", "old").empty());
    CHECK(two.get("a", "new").empty());
}
