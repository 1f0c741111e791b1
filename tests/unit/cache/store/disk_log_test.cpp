// The disk store's log on real files: what was appended is read, after an orderly end, a kill, a torn write, a flipped
// bit or a failing disk; or it is not there. Never something else.
#include "cache/store/disk_log.h"

#include "tests/unit/cache/policy/dice.h"
#include "tests/unit/cache/store/disk_log_support.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::disk;
using namespace gatehouse::cache::store::disk::testing;
namespace chance = gatehouse::cache::policy::testing;

TEST_CASE("What is appended is read, replaced and removed") {
    const TemporaryDirectory directory;
    OpenLog disk(directory);
    REQUIRE(disk.log);
    CHECK(disk.get("a") == "-");
    CHECK_FALSE(disk.put("a", "one"));
    CHECK_FALSE(disk.put("b", ""));
    CHECK_FALSE(disk.put("a", "in German", "de"));
    CHECK(disk.get("a") == "one");
    CHECK(disk.get("b").empty());
    CHECK(disk.get("a", "de") == "in German");
    CHECK_FALSE(disk.put("a", "two"));
    CHECK(disk.get("a") == "two");
    CHECK(disk.get("a", "de") == "in German");
    CHECK_FALSE(disk.log->remove("a", "", 5));
    CHECK(disk.get("a") == "-");
    CHECK(disk.get("a", "de") == "in German");
    CHECK(disk.index.size() == 2);
}

TEST_CASE("A record of a quarter of a segment is taken, and not one that is larger") {
    const TemporaryDirectory directory;
    OpenLog disk(directory);
    const std::size_t head = 96 + 1 + 9 + 8 + 14; // header, key, metadata, one checksum, padding
    static_assert(head % kUnitBytes == 0);
    CHECK_FALSE(disk.put("a", std::string(kSegment / 4 - head, 'x')));
    CHECK(disk.get("a").size() == kSegment / 4 - head);
    CHECK(disk.put("b", std::string(kSegment / 4 - head + 1, 'x')) == boost::system::errc::value_too_large);
    CHECK(disk.get("b") == "-");
    CHECK(disk.get("a").size() == kSegment / 4 - head);
}

TEST_CASE("All of it is there again after an orderly end, and after a kill") {
    for (const bool closes : {true, false}) {
        CAPTURE(closes);
        const TemporaryDirectory place;
        {
            OpenLog disk(place, 8);
            for (std::size_t i = 0; i < 40; ++i) {
                REQUIRE_FALSE(disk.put("key " + std::to_string(i), body_of(i, 5000), "", i + 1));
            }
            REQUIRE_FALSE(disk.put("key 7", "newer", "", 100));
            REQUIRE_FALSE(disk.log->remove("key 8", "", 101));
            if (closes) {
                CHECK_FALSE(disk.log->close());
            }
        }
        for (int start = 0; start < 2; ++start) {
            CAPTURE(start);
            OpenLog disk(place, 8);
            REQUIRE(disk.log);
            // What was not sealed is sealed at the first start.
            CHECK(disk.found.scanned_segments == (closes ? 0 : 1));
            CHECK(disk.found.damaged_segments == 0);
            CHECK(disk.found.records == 39);
            CHECK(disk.found.largest_sequence == 101);
            for (std::size_t i = 0; i < 40; ++i) {
                const std::string expected = i == 7 ? "newer" : i == 8 ? "-" : body_of(i, 5000);
                CHECK(disk.get("key " + std::to_string(i)) == expected);
            }
            CHECK_FALSE(disk.put("after start " + std::to_string(start), "x"));
            CHECK(disk.log->remove("after start " + std::to_string(start), "", 101) == FileError());
            if (closes) {
                CHECK_FALSE(disk.log->close());
            }
        }
    }
}

TEST_CASE("The process ends at any byte of a write: what was whole before is there, and nothing else") {
    const TemporaryDirectory directory;
    std::vector<std::uint64_t> ends;
    {
        OpenLog disk(directory);
        for (std::size_t i = 0; i < 6; ++i) {
            REQUIRE_FALSE(disk.put("key " + std::to_string(i), body_of(i, 100 + 40 * i)));
            ends.push_back(disk.log->stats().bytes_written); // header and records, one behind the other
        }
    }
    const std::string whole = file_content(directory.file("segment-0"));
    for (std::uint64_t torn = kSegmentHeaderBytes; torn <= ends.back(); torn += torn % 64 == 60 ? 4 : 7) {
        CAPTURE(torn);
        std::string left = whole.substr(0, torn);
        left.resize(whole.size(), '\0');
        write_file(directory.file("segment-0"), left);
        OpenLog disk(directory);
        REQUIRE(disk.log);
        for (std::size_t i = 0; i < 6; ++i) {
            // What is missing of the padding is zeros anyway.
            const std::uint64_t padding = (64 - (100 + 40 * i) % 64) % 64;
            const std::string expected = ends[i] - padding <= torn ? body_of(i, 100 + 40 * i) : "-";
            const std::string got = disk.get("key " + std::to_string(i));
            CHECK((got == expected || (got == body_of(i, 100 + 40 * i) && ends[i] <= torn + 64)));
        }
        CHECK_FALSE(disk.put("new", "goes on"));
        CHECK(disk.get("new") == "goes on");
    }
}

TEST_CASE("A bit that flips anywhere on the disk costs at most a record, and never shows") {
    const TemporaryDirectory directory;
    for (const bool closes : {true, false}) {
        {
            OpenLog disk(directory);
            for (std::size_t i = 0; i < 6; ++i) {
                REQUIRE_FALSE(disk.put("key " + std::to_string(i), body_of(i, 150)));
            }
            if (closes) {
                REQUIRE_FALSE(disk.log->close());
            }
        }
        const std::string whole = file_content(directory.file("segment-0"));
        chance::Dice dice(chance::property_seed());
        for (int round = 0; round < 600; ++round) {
            const bool in_records = round % 3 != 0;
            const std::size_t bit = in_records ? dice.below(2600 * 8) : dice.below(whole.size() * 8);
            CAPTURE(bit);
            std::string flipped = whole;
            flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
            write_file(directory.file("segment-0"), flipped);
            OpenLog disk(directory);
            REQUIRE(disk.log);
            for (std::size_t i = 0; i < 6; ++i) {
                const std::string got = disk.get("key " + std::to_string(i));
                CHECK((got == body_of(i, 150) || got == "-"));
            }
        }
        fs::remove(directory.file("segment-0"));
    }
}

TEST_CASE("When the disk is full the oldest goes, what was read stays, and little is written twice") {
    const TemporaryDirectory directory;
    OpenLog disk(directory, 8);
    std::size_t number = 0;
    const auto put_next = [&] {
        REQUIRE_FALSE(disk.put("key " + std::to_string(number), body_of(number, 1000)));
        ++number;
    };
    while (disk.log->stats().segments_reused < 24) { // three times round
        put_next();
    }
    const LogStats unread = disk.log->stats();
    CHECK(unread.records_rewritten == 0);
    CHECK(static_cast<double>(unread.bytes_written) <= 1.15 * static_cast<double>(unread.bytes_admitted));
    CHECK(disk.get("key 0") == "-");
    for (std::size_t i = number - 100; i < number; ++i) {
        CHECK(disk.get("key " + std::to_string(i)) == body_of(i, 1000));
    }
    // One that is asked for again and again stays for longer than the disk is large.
    const std::string kept = "key " + std::to_string(number - 1);
    const std::string content = disk.get(kept);
    const std::uint64_t reused = disk.log->stats().segments_reused;
    while (disk.log->stats().segments_reused < reused + 24) {
        put_next();
        REQUIRE(disk.get(kept) == content);
    }
    CHECK(disk.log->stats().records_rewritten > 0);
    // And is there after a start.
    disk.log.reset();
    OpenLog again(directory, 8);
    CHECK(again.get(kept) == content);
    // With what stood in segments that were free again, and not yet filled.
    CHECK(again.index.size() >= disk.index.size());
}

TEST_CASE("A segment of another version is left as it is") {
    const TemporaryDirectory directory;
    {
        OpenLog disk(directory);
        REQUIRE_FALSE(disk.put("a", "one"));
    }
    std::string bytes = file_content(directory.file("segment-0"));
    bytes[7] = '9';
    const std::uint64_t sum = checksum(std::string_view(bytes).substr(0, 56));
    std::memcpy(bytes.data() + 56, &sum, sizeof sum);
    write_file(directory.file("segment-0"), bytes);
    {
        OpenLog disk(directory, 8);
        REQUIRE(disk.log);
        CHECK(disk.found.foreign_segments == 1);
        CHECK(disk.get("a") == "-");
        while (disk.log->stats().segments_reused < 16) {
            REQUIRE_FALSE(disk.put("b", body_of(1, 1000)));
        }
    }
    CHECK(file_content(directory.file("segment-0")) == bytes);
}

TEST_CASE("A directory serves one process at a time, and each store has a hash of its own") {
    const TemporaryDirectory one(TemporaryDirectory::Identity::None);
    const TemporaryDirectory two(TemporaryDirectory::Identity::None);
    OpenLog first(one);
    REQUIRE(first.log);
    OpenLog second(one);
    CHECK(second.error == boost::system::errc::resource_unavailable_try_again);
    OpenLog other(two);
    REQUIRE(other.log);
    CHECK(first.log->hash("key") != other.log->hash("key"));
    const KeyHash hash = first.log->hash("key");
    first.log.reset();
    OpenLog again(one);
    REQUIRE(again.log);
    CHECK(again.log->hash("key") == hash);
}

TEST_CASE("An identity that is not whole makes an empty store of a new one") {
    const TemporaryDirectory directory;
    {
        OpenLog disk(directory);
        REQUIRE_FALSE(disk.put("a", "one"));
    }
    const std::string whole = file_content(directory.file("identity"));
    write_file(directory.file("identity"), whole.substr(0, whole.size() - 1));
    OpenLog disk(directory);
    REQUIRE(disk.log);
    CHECK(disk.found.damaged_segments == 1);
    CHECK(disk.get("a") == "-");
    CHECK_FALSE(disk.put("a", "two"));
    CHECK(disk.get("a") == "two");
}

TEST_CASE("Whichever operation on a file fails, once or for good, nothing wrong is ever read") {
    for (const bool only_once : {true, false}) {
        for (std::size_t nth = 1;; ++nth) {
            CAPTURE(only_once);
            CAPTURE(nth);
            // The first operations are those of a start that makes an identity.
            const auto identity =
                nth < 40 ? TemporaryDirectory::Identity::None : TemporaryDirectory::Identity::OfTheTests;
            const TemporaryDirectory directory(identity);
            MayBeFound may_be_found;
            bool happened = true;
            {
                FaultyFiles files(nth, only_once);
                OpenLog disk(directory, 4, files);
                for (std::size_t i = 0; disk.log && i < 60; ++i) {
                    const std::string key = "key " + std::to_string(i % 20);
                    const std::string body = body_of(i, 4000);
                    const FileError error = disk.put(key, body, "", i);
                    may_be_found.note(key, body, error);
                    const std::string got = disk.get(key);
                    CHECK((got == body || (got == "-" && (error || files.operations() >= nth))));
                }
                if (disk.log) {
                    disk.log->close();
                }
                happened = files.operations() >= nth;
            }
            OpenLog disk(directory);
            REQUIRE(disk.log);
            may_be_found.check(disk);
            if (!happened) {
                break;
            }
        }
    }
}

TEST_CASE("Readers find what they ask for or nothing, while the log goes round under them") {
    const TemporaryDirectory directory;
    OpenLog disk(directory);
    std::atomic<bool> over{false};
    std::atomic<std::size_t> wrong{0};
    std::atomic<std::size_t> right{0};
    std::vector<std::thread> readers;
    for (std::size_t t = 0; t < 3; ++t) {
        readers.emplace_back([&, t] {
            chance::Dice dice(static_cast<unsigned>(t));
            ReadRecord record;
            while (!over) {
                const std::size_t number = dice.below(100);
                const KeyHash hash = disk.log->hash("key " + std::to_string(number));
                for (const IndexEntry& entry : disk.log->find(hash)) {
                    if (disk.log->read(hash, entry.location, record, Blocking::Allowed) == ReadState::Whole) {
                        const bool is_it = record.body == body_of(number, 1000 + number);
                        ++(is_it ? right : wrong);
                    }
                }
            }
        });
    }
    std::size_t failed = 0;
    for (std::size_t i = 0; i < 20'000 || right < 100; ++i) {
        failed += disk.put("key " + std::to_string(i % 100), body_of(i % 100, 1000 + i % 100)) ? 1 : 0;
    }
    over = true;
    for (std::thread& reader : readers) {
        reader.join();
    }
    CHECK(failed == 0);
    CHECK(wrong == 0);
}

TEST_CASE("Only what is sent from its file as it lies there is padded, however long another record is") {
    constexpr std::uint64_t kLargeSegment = 1024 * 1024;
    const TemporaryDirectory directory;
    PosixFiles files;
    DiskIndex index;
    LogRecovery found;
    auto log = DiskLog::open(files, {directory.path(), kLargeSegment, 4, false, 32}, index, found);
    REQUIRE(log.has_value());
    const std::string metadata(70'000, 'm');
    const std::string body(100'000, 'b');
    for (const RecordKind kind : {RecordKind::Whole, RecordKind::Removed}) {
        CAPTURE(static_cast<int>(kind));
        NewRecord record;
        record.kind = kind;
        record.key = "key";
        record.metadata = metadata;
        record.body = kind == RecordKind::Whole ? std::string_view(body) : std::string_view();
        const auto written = (*log)->append(record);
        REQUIRE(written.has_value());
        const RecordLength length = record_length(record.key.size() + metadata.size(), record.body.size());
        const std::uint64_t padding = std::uint64_t{written->length_units} * kUnitBytes - length.record_bytes;
        CHECK(padding == (kind == RecordKind::Whole
                              ? padding_units_at(std::uint64_t{written->units} * kUnitBytes, length) * kUnitBytes
                              : 0));
        CHECK((padding > 0) == (kind == RecordKind::Whole));
    }
}
