// Bodies that stay on the disk: in their files, in pieces, larger than memory.
#include "tests/store/tiered_tools.h"

#include <algorithm>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::testing;

namespace {

// Content that is not the same at two places.
std::string varied(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>(i * 31 + i / 251 + i / 65'521);
    }
    return text;
}

// What a FetchTask does with a response that is larger than memory takes. Null: it is not stored.
EntryRef put_large(TieredStore& store, const Put& what) {
    const PutFacts facts{what.key, hash_key(what.key), what.secondary_key, what.sequence};
    CHECK_FALSE(store.open_writer(facts, what.body.size()));
    const auto writer = store.open_large_writer(facts, what.body.size());
    if (!writer) {
        return {};
    }
    std::string_view left = what.body;
    while (!left.empty()) {
        if (const auto pause = writer->pause()) {
            std::promise<void> over;
            if (pause->when_done([&over] { over.set_value(); })) {
                over.get_future().wait();
            }
        }
        const Body::Room room = writer->body()->prepare();
        REQUIRE(room.state == Body::RoomState::Room);
        const std::size_t part = std::min(room.room.size(), left.size());
        std::copy_n(left.begin(), part, room.room.begin());
        writer->took(room.room.first(part));
        writer->body()->publish(part);
        left.remove_prefix(part);
    }
    writer->body()->complete();
    return writer->commit(what.metadata);
}

std::string read_in(const FileBody& body) {
    REQUIRE(body.read_in(0, body.size()));
    CHECK(body.is_at_hand(0, body.size()));
    return content_of(body);
}

} // namespace

TEST_CASE_FIXTURE(Fixture, "what has no room in one record is written in pieces, and found whole, also after a kill") {
    Process& one = start(on_a_large_disk());
    const std::string body = varied(kSegment + 12'345); // several segments of pieces
    put(*one.store, {.key = "a", .secondary_key = "s", .metadata = "head", .body = body, .sequence = 7});
    one.store->writer().flush();
    for (const bool is_restarted : {false, true}) {
        CAPTURE(is_restarted);
        Process& now = is_restarted ? start(on_a_large_disk()) : one;
        const std::vector<EntryRef> found = files_of(*now.store, "a");
        REQUIRE(found.size() == 1);
        CHECK(found[0]->secondary_key() == "s");
        CHECK(found[0]->metadata() == "head");
        CHECK(found[0]->sequence() == 7);
        REQUIRE(found[0]->body_size() == body.size());
        CHECK_FALSE(found[0]->file()->is_at_hand(0, 1000)); // no piece was checked yet
        CHECK(read_in(*found[0]->file()) == body);
        CHECK(files_of(*now.store, "a")[0]->file()->is_at_hand(0, body.size())); // it is known from now on
    }
}

TEST_CASE_FIXTURE(Fixture, "content that is larger than memory is written while it comes") {
    Process& one = start(with_large_segments());
    const std::string body = varied(1'500'000); // memory has 1 MiB
    put(*one.store, {.key = "a", .body = "the one before", .sequence = 1});
    EntryRef stored = put_large(*one.store, {.key = "a", .metadata = "head", .body = body, .sequence = 2});
    REQUIRE(stored);
    CHECK(stored->sequence() == 2);
    CHECK(find(*one.store, "a").empty());
    std::vector<EntryRef> found = files_of(*one.store, "a"); // waits until all of it is written
    REQUIRE(found.size() == 1);
    CHECK(read_in(*found[0]->file()) == body);
    stored = EntryRef(); // before the store
    found.clear();
    Process& two = start(with_large_segments());
    CHECK(read_in(*files_of(*two.store, "a")[0]->file()) == body);
}

TEST_CASE_FIXTURE(Fixture,
                  "large content that breaks off, or was asked for before what is stored, leaves what is stored") {
    Process& one = start(with_large_segments());
    put(*one.store, {.key = "a", .body = "newer", .sequence = 9});
    {
        const auto writer = one.store->open_large_writer({"a", hash_key("a"), {}, 10}, 1'500'000);
        REQUIRE(writer);
        writer->took(varied(800'000));
    }
    CHECK(put_large(*one.store, {.key = "a", .body = varied(1'500'000), .sequence = 2})->sequence() == 9);
    CHECK(one.get("a") == "newer");
    one.crowd_out();
    CHECK(one.get("a") == "newer");
    CHECK_FALSE(one.store->open_large_writer({"b", hash_key("b"), {}, 11}, 9'000'000)); // more than the disk takes
}

TEST_CASE_FIXTURE(Fixture, "a large body of which a piece is damaged or gone is not sent as if it were whole") {
    Process& one = start(with_large_segments());
    const std::string body = varied(1'500'000);
    put_large(*one.store, {.key = "a", .body = body});
    one.store->writer().flush();
    const std::vector<EntryRef> found = files_of(*one.store, "a");
    REQUIRE(found.size() == 1);
    std::fstream file(directory.path() + "/segment-0", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(900'000);
    file.put('\0');
    file.put('\1');
    file.close();
    CHECK(found[0]->file()->read_in(0, 100'000));
    CHECK_FALSE(found[0]->file()->read_in(0, body.size()));
    while (one.store->disk_stats().segments_reused < 4) { // the segment of its first pieces goes
        put(*one.store, {.key = "other", .body = std::string(200'000, 'b')});
        one.store->writer().flush();
    }
    CHECK(files_of(*one.store, "a").empty());
}

TEST_CASE_FIXTURE(Fixture, "a large body stays in its file: checked once by a thread, and then found at once") {
    Process& one = start(with_large_segments());
    const std::string body = std::string(300'000, 'x') + "end";
    put(*one.store, {.key = "a", .secondary_key = "de", .metadata = "head", .body = body, .sequence = 7});
    one.store->writer().flush();
    CHECK(one.store->bring(hash_key("a"), "a", {}, false).kind == Below::Kind::Nothing); // nobody has checked it
    const Below first = one.store->bring(hash_key("a"), "a", {}, true);
    CHECK(first.kind == Below::Kind::Coming);
    const std::vector<EntryRef> found = files_of(*one.store, "a");
    REQUIRE(found.size() == 1);
    CHECK(found[0]->key() == "a");
    CHECK(found[0]->secondary_key() == "de");
    CHECK(found[0]->metadata() == "head");
    CHECK(found[0]->sequence() == 7);
    CHECK(found[0]->body_size() == body.size());
    CHECK_FALSE(found[0]->body());
    REQUIRE(found[0]->file());
    CHECK(content_of(*found[0]->file()) == body);
    CHECK(one.store->bring(hash_key("a"), "a", {}, true).kind == Below::Kind::Brought);
    files.nothing_at_hand = true; // it left the kernel's memory
    CHECK(one.store->bring(hash_key("a"), "a", {}, true).kind == Below::Kind::Coming);
}

TEST_CASE_FIXTURE(Fixture, "a large body that is checked each time is checked for each who asks") {
    Process::Options options = with_large_segments();
    options.verify_always = true;
    Process& one = start(options);
    put(*one.store, {.key = "a", .body = std::string(100'000, 'x')});
    one.store->writer().flush();
    for (int i = 0; i < 3; ++i) {
        CHECK(one.store->bring(hash_key("a"), "a", {}, true).kind == Below::Kind::Coming);
        CHECK(files_of(*one.store, "a").size() == 1);
    }
}

TEST_CASE_FIXTURE(Fixture, "a damaged large body is not found, and is not there any more") {
    Process& one = start(with_large_segments());
    put(*one.store, {.key = "a", .body = std::string(100'000, 'x')});
    one.store->writer().flush();
    const std::string segment = directory.path() + "/segment-0";
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(50'000);
    file.put('y');
    file.close();
    CHECK(files_of(*one.store, "a").empty());
    CHECK_FALSE(one.store->log().has("a", ""));
}

TEST_CASE_FIXTURE(Fixture, "a body in a file is what it was for as long as somebody holds it") {
    Process& one = start(with_large_segments());
    const std::string body(200'000, 'a');
    put(*one.store, {.key = "a", .body = body});
    one.store->writer().flush();
    const std::vector<EntryRef> held = files_of(*one.store, "a");
    REQUIRE(held.size() == 1);
    while (one.store->disk_stats().segments_reused < 8) {
        put(*one.store, {.key = "other", .body = std::string(200'000, 'b')});
        one.store->writer().flush();
    }
    CHECK(content_of(*held[0]->file()) == body);
}

TEST_CASE_FIXTURE(Fixture, "a body that is sent from its file begins with a page of it, also when it was written again") {
    Process::Options options = with_large_segments();
    options.segments = 16;
    Process& one = start(options);
    const std::string body = varied(200'000);
    for (int i = 0; i < 4; ++i) { // at several places of a page
        const std::string key = "a" + std::string(static_cast<std::size_t>(i) * 700, 'x');
        put(*one.store, {.key = key, .metadata = "head", .body = body});
        one.crowd_out();
        for (const bool is_kept : {false, true}) {
            CAPTURE(is_kept);
            const std::vector<EntryRef> found = files_of(*one.store, key);
            REQUIRE(found.size() == 1);
            CHECK(found[0]->file()->begins_with_page_at(0));
            CHECK(content_of(*found[0]->file()) == body);
        }
    }
    const std::vector<EntryRef> before = files_of(*one.store, "a");
    REQUIRE(before.size() == 1);
    while (!before[0]->file()->is_given_up()) {
        put(*one.store, {.key = "other", .body = std::string(200'000, 'b')});
        one.store->writer().flush();
    }
    const std::vector<EntryRef> after = files_of(*one.store, "a");
    REQUIRE(after.size() == 1);
    CHECK(after[0]->file()->at(0).file != before[0]->file()->at(0).file);
    CHECK(after[0]->file()->begins_with_page_at(0));
    CHECK(content_of(*after[0]->file()) == body);
}

TEST_CASE_FIXTURE(Fixture, "a body in a file is found once however it is found, and counted when it is served") {
    Process& one = start(with_large_segments());
    put(*one.store, {.key = "a", .metadata = "head", .body = std::string(200'000, 'a')});
    one.crowd_out();
    REQUIRE(files_of(*one.store, "a").size() == 1);
    const Below below = one.store->bring(hash_key("a"), "a", {}, true);
    Candidates found;
    one.store->lookup(hash_key("a"), "a", found);
    CHECK(found.size() == 1);
    found.add(below.unlisted, "a");
    REQUIRE(found.size() == 1);
    CHECK(one.store->disk_stats().from_files == 0);
    one.store->touch(*found[0]);
    CHECK(one.store->disk_stats().from_files == 1);
}

TEST_CASE_FIXTURE(Fixture, "a response whose body lies in a file is freshened and erased like any other") {
    Process& one = start(with_large_segments());
    const std::string body(200'000, 'a');
    put(*one.store, {.key = "a", .secondary_key = "s", .metadata = "head", .body = body, .sequence = 1});
    one.crowd_out();
    std::vector<EntryRef> found = files_of(*one.store, "a");
    REQUIRE(found.size() == 1);
    EntryRef fresh = one.store->replace_metadata(found[0], "s", "fresh head", 2);
    REQUIRE(fresh);
    CHECK(fresh->metadata() == "fresh head");
    CHECK(content_of(*fresh->file()) == body);
    fresh = EntryRef();
    one.store->writer().flush();
    found = files_of(*one.store, "a");
    REQUIRE(found.size() == 1);
    CHECK(found[0]->metadata() == "fresh head");
    CHECK(found[0]->sequence() == 2);
    CHECK(content_of(*found[0]->file()) == body);
    one.store->erase(found[0]);
    CHECK(files_of(*one.store, "a").empty());
    CHECK_FALSE(one.store->replace_metadata(found[0], "s", "too late", 3));
    one.store->writer().flush();
    found.clear(); // before the store
    Process& two = start(with_large_segments());
    CHECK(files_of(*two.store, "a").empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "a new head of a body in a file is found while it waits to be written, until something else is") {
    Process::Options options = with_large_segments();
    options.segments = 64;
    Process& one = start(options);
    const std::string body(200'000, 'a');
    put(*one.store, {.key = "a", .secondary_key = "s", .metadata = "head", .body = body, .sequence = 1});
    put(*one.store, {.key = "a", .secondary_key = "t", .metadata = "other", .body = "other", .sequence = 2});
    one.crowd_out();
    std::promise<void> go;
    one.store->writer().run_later([&go](disk::DiskLog&) { go.get_future().wait(); });
    std::vector<EntryRef> found = files_of(*one.store, "a");
    REQUIRE(found.size() == 1);
    EntryRef fresh = one.store->replace_metadata(found[0], "s", "fresh head", 3);
    REQUIRE(fresh);
    for (const bool may_wait : {false, true}) {
        Below below = one.store->bring(hash_key("a"), "a", {}, may_wait);
        REQUIRE(below.unlisted.size() == 1);
        CHECK(below.unlisted[0] == fresh);
    }
    CHECK_FALSE(one.store->replace_metadata(found[0], "s", "too late", 4)); // it is not what is stored any more
    std::string last = "fresher head";
    SUBCASE("and then freshened again, under another name") {
        fresh = one.store->replace_metadata(fresh, "u", last, 4);
        REQUIRE(fresh);
        const Below below = one.store->bring(hash_key("a"), "a", {}, true);
        REQUIRE(below.unlisted.size() == 1);
        CHECK(below.unlisted[0] == fresh);
    }
    SUBCASE("and then erased") {
        one.store->erase(fresh);
        CHECK(one.store->bring(hash_key("a"), "a", {}, true).kind == Below::Kind::Nothing);
        last.clear();
    }
    SUBCASE("and then replaced") {
        last = "new";
        put(*one.store, {.key = "a", .secondary_key = "s", .metadata = last, .body = body, .sequence = 5});
        CHECK(one.store->bring(hash_key("a"), "a", {}, true).unlisted.empty());
    }
    fresh = EntryRef();
    found.clear();
    go.set_value();
    one.store->writer().flush();
    one.crowd_out();
    found = files_of(*one.store, "a");
    REQUIRE(found.size() == (last.empty() ? 0 : 1));
    if (!last.empty()) {
        CHECK(found[0]->metadata() == last);
        CHECK(content_of(*found[0]->file()) == body);
    }
    CHECK(one.get("a", "t") == "other");
}

TEST_CASE_FIXTURE(Fixture, "a body says when its file has been given up") {
    Process& one = start(with_large_segments());
    put(*one.store, {.key = "a", .body = std::string(200'000, 'a')});
    one.store->writer().flush();
    const std::vector<EntryRef> held = files_of(*one.store, "a");
    REQUIRE(held.size() == 1);
    CHECK_FALSE(held[0]->file()->is_given_up());
    while (one.store->disk_stats().segments_reused < 8) {
        put(*one.store, {.key = "other", .body = std::string(200'000, 'b')});
        one.store->writer().flush();
    }
    CHECK(held[0]->file()->is_given_up());
}

TEST_CASE_FIXTURE(Fixture, "the head of a body in a file is not given to another body that took its place") {
    Process& one = start(with_large_segments());
    const std::string body(200'000, 'o');
    put(*one.store, {.key = "a", .secondary_key = "s", .metadata = "old", .body = body, .sequence = 1});
    one.crowd_out();
    const std::vector<EntryRef> old = files_of(*one.store, "a");
    REQUIRE(old.size() == 1);
    const std::string other_body(200'000, 'n');
    put(*one.store, {.key = "a", .secondary_key = "s", .metadata = "new", .body = other_body, .sequence = 3});
    one.crowd_out();
    static_cast<void>(one.store->replace_metadata(old[0], "s", "old, confirmed", 2));
    one.store->writer().flush();
    const std::vector<EntryRef> found = files_of(*one.store, "a");
    REQUIRE(found.size() == 1);
    CHECK(found[0]->metadata() == "new");
    CHECK(content_of(*found[0]->file()) == other_body);
}

TEST_CASE_FIXTURE(Fixture, "what waits when the count is lost is older than what was lost, and is not written") {
    Process& one = start(on_a_large_disk());
    std::promise<void> go;
    one.store->writer().run_later([&go](disk::DiskLog&) { go.get_future().wait(); });
    EntryRef entry = put(*one.store, {.key = "a", .body = "old", .sequence = 1});
    EntryRef other = put(*one.store, {.key = "b", .body = "other", .sequence = 2});
    while (!one.store->writer().has_lost_count()) {
        one.store->erase(other);
    }
    one.store->erase(entry); // finds no room either
    entry = EntryRef();
    other = EntryRef();
    go.set_value();
    one.store->writer().flush();
    CHECK_FALSE(one.store->writer().has_lost_count());
    CHECK(one.get("a").empty());
    Process& two = start(on_a_large_disk());
    CHECK(two.get("a").empty());
}

TEST_CASE_FIXTURE(Fixture, "removals wait within a bound of their own, and what is lost beyond it does not come back") {
    Process& one = start(on_a_large_disk());
    const std::string long_key(50'000, 'k');
    const EntryRef entry = put(*one.store, {.key = long_key, .body = "old", .sequence = 1});
    one.store->writer().flush();
    std::promise<void> go;
    one.store->writer().run_later([&go](disk::DiskLog&) { go.get_future().wait(); });
    const std::size_t most = DiskWriter::kMostTextBytes / long_key.size() + 1;
    std::size_t removals = 0;
    for (; !one.store->writer().has_lost_count() && removals <= 2 * most; ++removals) {
        one.store->erase(entry);
    }
    CHECK(removals == most + 1);
    go.set_value();
    one.store->writer().flush();
    CHECK_FALSE(one.store->writer().has_lost_count());
    CHECK(one.get(long_key).empty());
    std::promise<void> go_again;
    one.store->writer().run_later([&go_again](disk::DiskLog&) { go_again.get_future().wait(); });
    const EntryRef again = put(*one.store, {.key = long_key, .body = "new", .sequence = 2});
    for (std::size_t i = 0; i + 1 < most; ++i) {
        one.store->erase(again);
    }
    CHECK_FALSE(one.store->writer().has_lost_count()); // there is as much room as before
    go_again.set_value();
    put(*one.store, {.key = "b", .body = "b", .sequence = 3});
    one.crowd_out();
    CHECK_FALSE(one.store->writer().has_lost_count());
    CHECK(one.get("b") == "b");
}

TEST_CASE_FIXTURE(Fixture, "a new head of a large body takes the room of a head in the queue, and the body stays") {
    Process::Options options = with_large_segments();
    options.writer.queued_bytes = 50'000; // less than the body
    const std::string body(200'000, 'a');
    put(*start(options).store, {.key = "a", .metadata = "head", .body = body, .sequence = 1});
    Process& one = start(options); // memory has nothing
    const std::vector<EntryRef> found = files_of(*one.store, "a");
    REQUIRE(found.size() == 1);
    std::promise<void> go;
    one.store->writer().run_later([&go](disk::DiskLog&) { go.get_future().wait(); });
    put(*one.store, {.key = "other", .body = "other", .sequence = 2}); // it waits already
    CHECK(one.store->replace_metadata(found[0], "", "fresh head", 3));
    go.set_value();
    one.store->writer().flush();
    const std::vector<EntryRef> fresh = files_of(*one.store, "a");
    REQUIRE(fresh.size() == 1);
    CHECK(fresh[0]->metadata() == "fresh head");
    CHECK(content_of(*fresh[0]->file()) == body);
}

TEST_CASE_FIXTURE(Fixture, "what is owed to a disk that could not be written is written at the end") {
    Process& one = start(on_a_large_disk());
    put(*one.store, {.key = "a", .body = "old", .sequence = 1});
    one.store->writer().flush();
    files.writes_fail = true;
    put(*one.store, {.key = "a", .body = "new", .sequence = 2});
    one.store->writer().flush();
    files.writes_fail = false;
    Process& two = start(on_a_large_disk());
    CHECK(two.get("a").empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "a head that cannot be read when it is freshened does not stop the disk from being written") {
    Process& one = start(on_a_large_disk());
    for (const std::size_t size : {std::size_t{10}, std::size_t{20'000}}) {
        CAPTURE(size);
        const std::string key = "key " + std::to_string(size);
        const std::string body(size, 'x');
        const EntryRef old = put(*one.store, {.key = key, .metadata = "head", .body = body, .sequence = 1});
        one.store->writer().flush();
        files.reads_fail = true;
        REQUIRE(one.store->replace_metadata(old, "", "fresh head", 2));
        one.store->writer().flush();
        files.reads_fail = false;
        CHECK(one.troubles.empty());
        one.crowd_out();
        CHECK(one.get(key) == body); // it was in memory still, and is written as a whole
        CHECK(find(*one.store, key)[0]->metadata() == "fresh head");
    }
}
