// Memory with a disk below it: the contract, and what comes back from the disk and what never does.
#include "tests/store/store_contract.h"
#include "tests/store/tiered_tools.h"

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::testing;
using namespace std::chrono_literals;

TEST_CASE("the tiered store keeps the contract of a store") {
    static std::vector<std::unique_ptr<DiskDirectory>> directories;
    static disk::PosixFiles files;
    const auto make = [](const ContractOptions& options) -> std::unique_ptr<Store> {
        directories.push_back(std::make_unique<DiskDirectory>());
        disk::LogOptions log_options;
        log_options.directory = directories.back()->path();
        log_options.segment_bytes = 1024 * kKiB;
        auto index = std::make_unique<disk::DiskIndex>();
        disk::LogRecovery found;
        auto log = disk::DiskLog::open(files, log_options, *index, found);
        REQUIRE(log);
        TieredOptions tiered;
        tiered.writer.queued_bytes = options.size_bytes / 8; // what waits keeps its memory
        tiered.writer.gathered_bytes = options.size_bytes / 64;
        auto store = std::make_unique<TieredStore>(
            make_memory_store({.size_bytes = options.size_bytes,
                               .max_object_bytes = options.max_object_bytes,
                               .max_variants = options.max_variants}),
            std::move(index), std::move(*log), tiered, [](const disk::FileError&) {},
            [] { return gatehouse::http::SteadyTime(); });
        store->start();
        return store;
    };
    run_store_contract(make, [](Store& store) { static_cast<TieredStore&>(store).writer().flush(); });
    directories.clear();
}

TEST_CASE_FIXTURE(Fixture, "what memory evicts is found on the disk, with all that was stored of it") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .secondary_key = "de", .metadata = "head", .body = "content", .sequence = 7});
    one.crowd_out();
    CHECK(find(*one.store, "a").empty());
    CHECK(one.get("a", "de") == "content");
    const auto found = find(*one.store, "a");
    REQUIRE(found.size() == 1);
    CHECK(found[0]->metadata() == "head");
    CHECK(found[0]->sequence() == 7);
    CHECK(one.store->disk_stats().read_at_once == 1);
    CHECK(one.get("never stored").empty());
}

TEST_CASE_FIXTURE(Fixture, "what is not at hand is brought by a thread that may wait, once for all who ask") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .body = "content"});
    one.crowd_out();
    files.nothing_at_hand = true;
    std::promise<void> go;
    files.before_read = [open = go.get_future().share()] { open.wait(); };
    const Candidates none;
    CHECK(one.store->bring(hash_key("a"), "a", none, false).kind == Below::Kind::Nothing);
    const Below first = one.store->bring(hash_key("a"), "a", none, true);
    const Below second = one.store->bring(hash_key("a"), "a", none, true);
    CHECK(first.kind == Below::Kind::Coming);
    CHECK(second.load == first.load);
    std::promise<void> came;
    REQUIRE(first.load->when_done([&came] { came.set_value(); }));
    go.set_value();
    came.get_future().wait();
    REQUIRE(find(*one.store, "a").size() == 1);
    CHECK(one.store->disk_stats().read_by_readers == 1);
    CHECK_FALSE(first.load->when_done([] {}));
}

TEST_CASE_FIXTURE(Fixture, "records larger than the loop reads are brought by a thread") {
    Process& one = start(on_a_large_disk());
    const std::string large(60 * kKiB, 'x');
    put(*one.store, {.key = "small", .body = large});
    one.crowd_out();
    CHECK(one.get("small") == large);
    CHECK(one.store->disk_stats().read_at_once == 1);
}

TEST_CASE_FIXTURE(Fixture, "a start finds what was stored, after an orderly end and after a kill") {
    for (const bool is_killed : {false, true}) {
        CAPTURE(is_killed);
        Process& one = start(on_a_large_disk());
        put(*one.store, {.key = "a", .secondary_key = "de", .metadata = "head de", .body = "inhalt", .sequence = 3});
        put(*one.store, {.key = "a", .secondary_key = "fr", .metadata = "head fr", .body = "contenu", .sequence = 4});
        put(*one.store, {.key = "b", .body = is_killed ? "killed" : "stopped", .sequence = 9});
        one.store->writer().flush();
        if (!is_killed) {
            one.store->stop();
        }
        const DiskDirectory image;
        std::filesystem::copy(
            directory.path(), image.path(),
            std::filesystem::copy_options::overwrite_existing | std::filesystem::copy_options::recursive);
        Process two(image.path(), files);
        CHECK(two.found.records == 3);
        CHECK(two.found.largest_sequence == 9);
        CHECK(two.found.scanned_segments == (is_killed ? 1 : 0));
        CHECK(two.get("a", "de") == "inhalt");
        CHECK(two.get("a", "fr") == "contenu");
        CHECK(two.get("b") == (is_killed ? "killed" : "stopped"));
    }
}

TEST_CASE_FIXTURE(Fixture, "what was erased does not come back, neither from the disk nor after a start") {
    Process& one = start(on_a_large_disk());
    CHECK(one.store->erase(put(*one.store, {.key = "in memory", .body = "x"})));
    put(*one.store, {.key = "brought", .body = "y"});
    put(*one.store, {.key = "brought", .secondary_key = "other", .body = "z"});
    one.crowd_out();
    CHECK(one.get("in memory").empty());
    REQUIRE(one.get("brought") == "y");
    for (const EntryRef& entry : find(*one.store, "brought")) {
        if (entry->secondary_key().empty()) {
            CHECK(one.store->erase(entry));
        }
    }
    CHECK(one.get("brought").empty());
    one.store->writer().flush();
    one.crowd_out();
    CHECK(one.get("brought").empty());
    CHECK(one.get("brought", "other") == "z");
    Process& two = start(on_a_large_disk());
    CHECK(two.get("in memory").empty());
    CHECK(two.get("brought").empty());
    CHECK(two.get("brought", "other") == "z");
}

TEST_CASE_FIXTURE(Fixture, "erasing what was replaced leaves what took its place") {
    Process& one = start(on_a_large_disk());
    const EntryRef old = put(*one.store, {.key = "a", .body = "old", .sequence = 1});
    put(*one.store, {.key = "a", .body = "new", .sequence = 2});
    CHECK_FALSE(one.store->erase(old));
    one.crowd_out();
    CHECK(one.get("a") == "new");
}

TEST_CASE_FIXTURE(Fixture, "the disk is not asked for a key whose change waits to be written") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .body = "old", .sequence = 1});
    one.crowd_out();
    REQUIRE(one.get("a") == "old");
    std::promise<void> go;
    one.store->writer().run_later([&go](disk::DiskLog&) { go.get_future().wait(); });
    one.store->erase(find(*one.store, "a")[0]);
    CHECK(one.store->log().has("a", ""));
    CHECK(one.get("a").empty());
    go.set_value();
    one.store->writer().flush();
    CHECK_FALSE(one.store->log().has("a", ""));
}

TEST_CASE_FIXTURE(Fixture, "what was being read when its key was erased or replaced is dropped") {
    Process& one = start(on_a_large_disk());
    const EntryRef entry = put(*one.store, {.key = "a", .body = "old", .sequence = 1});
    one.crowd_out();
    for (const bool is_replaced : {false, true}) {
        CAPTURE(is_replaced);
        files.nothing_at_hand = true;
        std::promise<void> go;
        std::promise<void> reads;
        files.before_read = [&, open = go.get_future().share(), is_first = true]() mutable {
            if (std::exchange(is_first, false)) {
                reads.set_value();
            }
            open.wait();
        };
        const Below below = one.store->bring(hash_key("a"), "a", {}, true);
        REQUIRE(below.kind == Below::Kind::Coming);
        std::promise<void> came;
        REQUIRE(below.load->when_done([&came] { came.set_value(); }));
        reads.get_future().wait();
        if (is_replaced) {
            const EntryRef newer = put(*one.store, {.key = "a", .secondary_key = "b", .body = "new", .sequence = 2});
            CHECK(one.store->erase(newer));
        } else {
            one.store->erase(entry);
        }
        go.set_value();
        came.get_future().wait();
        files.before_read = [] {};
        CHECK(find(*one.store, "a").empty());
        files.nothing_at_hand = false;
        one.store->writer().flush();
        CHECK(one.get("a") == (is_replaced ? "old" : "")); // the other variant is as it was
        put(*one.store, {.key = "a", .body = "old", .sequence = 3});
        one.crowd_out();
    }
    CHECK(one.store->disk_stats().read_in_vain == 2);
}

TEST_CASE_FIXTURE(Fixture,
                  "a disk that cannot be written costs what was to be written, and never brings back what was before") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .body = "old", .sequence = 1});
    put(*one.store, {.key = "b", .body = "kept", .sequence = 2});
    one.crowd_out();
    files.writes_fail = true;
    put(*one.store, {.key = "a", .body = "new", .sequence = 3});
    one.store->writer().flush();
    REQUIRE(one.troubles.size() == 1);
    CHECK(one.store->disk_stats().is_failing);
    CHECK(one.get("a") == "new"); // from memory
    const int tried = files.writes;
    put(*one.store, {.key = "c", .body = "c", .sequence = 4});
    one.store->writer().flush();
    CHECK(files.writes == tried); // not again at once
    one.crowd_out();
    CHECK(one.get("a").empty());
    CHECK(one.get("b") == "kept"); // reading goes on
    files.writes_fail = false;
    one.now += DiskWriter::kPauseAfterError;
    put(*one.store, {.key = "d", .body = "d", .sequence = 5});
    one.store->writer().flush();
    CHECK(one.troubles.size() == 2);
    CHECK_FALSE(one.store->disk_stats().is_failing);
    Process& two = start(on_a_large_disk());
    CHECK(two.get("a").empty()); // the removal that was owed was written
    CHECK(two.get("b") == "kept");
    CHECK(two.get("d") == "d");
}

TEST_CASE_FIXTURE(Fixture, "a disk that cannot be read has nothing") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .body = "content"});
    one.crowd_out();
    files.reads_fail = true;
    CHECK(one.get("a").empty());
    CHECK(one.store->disk_stats().read_errors == 1);
}

TEST_CASE_FIXTURE(Fixture, "more than may wait is not written, and what it would have replaced goes") {
    Process::Options options = on_a_large_disk();
    options.writer.queued_bytes = 20'000;
    Process& one = start(options);
    put(*one.store, {.key = "a", .body = "old", .sequence = 1});
    one.store->writer().flush();
    std::promise<void> go;
    one.store->writer().run_later([&go](disk::DiskLog&) { go.get_future().wait(); });
    put(*one.store, {.key = "first", .body = std::string(15'000, 'x'), .sequence = 2});
    put(*one.store, {.key = "a", .body = std::string(15'000, 'x'), .sequence = 3});
    go.set_value();
    one.store->writer().flush();
    CHECK(one.store->disk_stats().over_queue == 1);
    Process& two = start(options);
    CHECK(two.get("a").empty());
    CHECK(two.get("first").size() == 15'000);
}

TEST_CASE_FIXTURE(Fixture, "a response that is larger than the disk takes is not written") {
    Process::Options options = on_a_large_disk();
    options.writer.max_object_bytes = 1000;
    Process& one = start(options);
    put(*one.store, {.key = "fits", .body = std::string(1000, 'x')});
    put(*one.store, {.key = "larger", .body = std::string(1001, 'x')});
    one.store->writer().flush();
    CHECK(one.store->disk_stats().objects == 1);
    CHECK(one.store->disk_stats().too_large == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "what is in memory is written again when its segment is reused, although nobody read it there") {
    Process& one = start();
    put(*one.store, {.key = "in use", .body = "x"});
    one.store->writer().flush();
    for (int i = 0; one.store->disk_stats().segments_reused < 20; ++i) {
        one.store->touch(*find(*one.store, "in use").at(0)); // memory keeps it
        for (int twice = 0; twice < 2; ++twice) {
            put(*one.store, {.key = "crowd " + std::to_string(i), .body = std::string(8000, 'c')});
        }
        one.store->writer().flush();
    }
    CHECK(one.store->log().has("in use", ""));
    Process& two = start();
    CHECK(two.get("in use") == "x");
}

TEST_CASE_FIXTURE(Fixture, "once the disk was full, a response is written when it is stored for the second time") {
    Process::Options options;
    options.segments = 4;
    Process& one = start(options);
    one.crowd_out(); // three times as much as there is room
    const std::uint64_t refused = one.store->disk_stats().not_admitted;
    CHECK(refused > 0);
    for (const bool is_written : {false, true, true}) {
        CAPTURE(is_written);
        put(*one.store, {.key = "new", .body = "x"});
        one.store->writer().flush();
        CHECK(one.store->log().has("new", "") == is_written);
    }
    CHECK(one.store->disk_stats().not_admitted == refused + 1);
}

TEST_CASE_FIXTURE(Fixture, "the write budget is an average: a burst uses what was left over") {
    Process::Options options = on_a_large_disk();
    options.writer.bytes_per_second = 1000;
    Process& one = start(options);
    const auto is_written = [&](const std::string& key, std::size_t size) {
        put(*one.store, {.key = key, .body = std::string(size, 'x')});
        one.store->writer().flush();
        return one.store->log().has(key, "");
    };
    CHECK(is_written("burst", 9000)); // of the 10 kB of ten seconds
    CHECK_FALSE(is_written("more", 2000));
    CHECK(one.store->disk_stats().over_write_budget == 1);
    one.now += 2s;
    CHECK(is_written("more", 2000));
    one.store->writer().set_bytes_per_second(0);
    CHECK(is_written("unbounded", 30'000));
}

TEST_CASE_FIXTURE(Fixture, "a freshened response has its new head on the disk") {
    Process& one = start(on_a_large_disk());
    for (const std::size_t size : {std::size_t{10}, std::size_t{20'000}}) {
        CAPTURE(size);
        const std::string key = "key " + std::to_string(size);
        const EntryRef old = put(
            *one.store,
            {.key = key, .secondary_key = "old", .metadata = "head", .body = std::string(size, 'x'), .sequence = 1});
        REQUIRE(one.store->replace_metadata(old, "new", "fresh head", 2));
        one.crowd_out();
        CHECK(one.get(key, "old").empty());
    }
    for (const bool is_restarted : {false, true}) {
        CAPTURE(is_restarted);
        Process& now = is_restarted ? start(on_a_large_disk()) : one;
        CHECK(now.get("key 10", "new").size() == 10);
        CHECK(find(*now.store, "key 10")[0]->metadata() == "fresh head");
        CHECK(find(*now.store, "key 10")[0]->sequence() == 2);
        CHECK(now.get("key 10", "old").empty());
        const std::vector<EntryRef> large = files_of(*now.store, "key 20000"); // its body stays where it was
        REQUIRE(large.size() == 1);
        CHECK(large[0]->secondary_key() == "new");
        CHECK(large[0]->metadata() == "fresh head");
        CHECK(content_of(*large[0]->file()) == std::string(20'000, 'x'));
    }
}
