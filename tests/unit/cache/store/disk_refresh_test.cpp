// A new head for a body that stands elsewhere: both are read as one, and never one head with another body, whatever
// fails, is cut, is reused or starts anew.
#include "tests/unit/cache/policy/dice.h"
#include "tests/unit/cache/store/disk_log_support.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::disk;
using namespace gatehouse::cache::store::disk::testing;
namespace chance = gatehouse::cache::policy::testing;
namespace errc = boost::system::errc;
namespace fs = std::filesystem;
using Operation = HookedFiles::Operation;

namespace {

constexpr std::size_t kLarge = 10'000; // stays where it is
constexpr std::size_t kSmall = 1'000;  // is copied

FileError refresh(OpenLog& disk, const std::string& key, const std::string& head, const std::string& old_secondary = "",
                  const std::string& new_secondary = "", std::uint64_t sequence = 2) {
    const auto written = disk.log->refresh(key, old_secondary, new_secondary, head, sequence, 5'000'000);
    return written ? FileError() : written.error();
}

// "head|body" of what is stored; "-" for nothing.
std::string stored(OpenLog& disk, const std::string& key, const std::string& secondary = "") {
    const KeyHash hash = disk.log->hash(key);
    for (const IndexEntry& entry : disk.log->find(hash)) {
        if (entry.secondary_marker == DiskLog::marker_of(secondary) &&
            disk.log->read(hash, entry.location, disk.got, Blocking::Allowed) == ReadState::Whole) {
            CHECK(disk.got.head.key == key);
            CHECK(disk.got.head.secondary_key == secondary);
            CHECK(disk.got.head.facts.kind == RecordKind::Whole);
            CHECK(disk.got.head.facts.body_bytes == disk.got.body.size());
            CHECK(disk.got.head.facts.total_bytes == disk.got.body.size());
            return std::string(disk.got.head.metadata) + "|" + std::string(disk.got.body);
        }
    }
    return "-";
}

std::size_t fill_segments(OpenLog& disk, std::size_t segments) {
    const std::uint64_t until = disk.log->stats().segments_reused + segments;
    std::size_t count = 0;
    while (disk.log->stats().segments_reused < until) {
        REQUIRE_FALSE(disk.put("other " + std::to_string(count++), body_of(0, 4000)));
    }
    return count;
}

// Appends until the open segment is another one.
void next_segment(OpenLog& disk) {
    REQUIRE_FALSE(disk.put("filler", body_of(0, 4000)));
    const std::uint32_t before = disk.entry("filler").location.segment;
    while (disk.entry("filler").location.segment == before) {
        REQUIRE_FALSE(disk.put("filler", body_of(0, 4000)));
    }
}

} // namespace

TEST_CASE("A new head is read with the body that was there, also after a start") {
    for (const std::size_t bytes : {kLarge, kSmall}) {
        for (const bool closes : {true, false}) {
            CAPTURE(bytes);
            CAPTURE(closes);
            const TemporaryDirectory directory;
            const std::string body = body_of(1, bytes);
            {
                OpenLog disk(directory);
                REQUIRE_FALSE(disk.put("a", body));
                REQUIRE_FALSE(disk.put("b", body_of(2, bytes)));
                const Location before = disk.entry("a").location;
                CHECK_FALSE(refresh(disk, "a", "new head"));
                CHECK(disk.entry("a").kind == (bytes == kLarge ? RecordKind::Metadata : RecordKind::Whole));
                CHECK(disk.entry("a").location.length_units == (bytes == kLarge ? 3 : before.length_units));
                CHECK(stored(disk, "a") == "new head|" + body);
                CHECK(disk.got.head.facts.sequence == 2);
                CHECK(disk.got.head.facts.expires_ms == 5'000'000);
                CHECK(disk.entry("a").uses == 1);
                CHECK_FALSE(refresh(disk, "a", "newer head", "", "", 3)); // of a new head
                CHECK(disk.entry("a").uses == 1);
                CHECK(stored(disk, "a") == "newer head|" + body);
                CHECK(disk.index.size() == 2);
                if (closes) {
                    CHECK_FALSE(disk.log->close());
                }
            }
            for (int start = 0; start < 2; ++start) {
                OpenLog disk(directory);
                CHECK(disk.found.scanned_segments == (closes || start == 1 ? 0 : 1));
                CHECK(disk.found.largest_sequence == 3);
                CHECK(disk.index.size() == 2);
                CHECK(stored(disk, "a") == "newer head|" + body);
                CHECK(stored(disk, "b") == "head of b|" + body_of(2, bytes));
            }
        }
    }
}

TEST_CASE("A new head may have another secondary key: the old one has nothing any more") {
    for (const std::size_t bytes : {kLarge, kSmall}) {
        CAPTURE(bytes);
        const TemporaryDirectory directory;
        const std::string body = body_of(1, bytes);
        for (int start = 0; start < 2; ++start) {
            OpenLog disk(directory);
            if (start == 0) {
                REQUIRE_FALSE(disk.put("a", body, "de"));
                REQUIRE_FALSE(disk.put("a", "in English", "en"));
                CHECK_FALSE(refresh(disk, "a", "new head", "de", "de, fr"));
                CHECK_FALSE(refresh(disk, "a", "newer head", "de, fr", "fr"));
            }
            CHECK(stored(disk, "a", "de") == "-");
            CHECK(stored(disk, "a", "de, fr") == "-");
            CHECK(stored(disk, "a", "fr") == "newer head|" + body);
            CHECK(stored(disk, "a", "en") == "head of a|in English");
            CHECK(disk.index.size() == 2);
        }
    }
}

TEST_CASE("Where there is no record there is no new head for it") {
    const TemporaryDirectory directory;
    OpenLog disk(directory);
    REQUIRE_FALSE(disk.put("a", "one", "de"));
    CHECK(refresh(disk, "b", "head") == errc::no_such_file_or_directory);
    CHECK(refresh(disk, "a", "head") == errc::no_such_file_or_directory);
    CHECK(refresh(disk, "a", "head", "en", "de") == errc::no_such_file_or_directory);
    CHECK(stored(disk, "a", "de") == "head of a|one");
    REQUIRE_FALSE(disk.log->remove("a", "de", 2));
    CHECK(refresh(disk, "a", "head", "de", "de") == errc::no_such_file_or_directory);
    CHECK(disk.index.size() == 0);
}

TEST_CASE("A head that is too large for any record takes the record with it, for good") {
    const TemporaryDirectory directory;
    for (int start = 0; start < 2; ++start) {
        OpenLog disk(directory);
        if (start == 0) {
            REQUIRE_FALSE(disk.put("a", body_of(1, kLarge)));
            CHECK(refresh(disk, "a", std::string(kSegment / 4, 'x')) == errc::value_too_large);
        }
        CHECK(stored(disk, "a") == "-");
    }
}

TEST_CASE("A body elsewhere is checked at the first read, and a head there always") {
    for (const bool was_read : {false, true}) {
        for (const std::uint64_t offset : {std::uint64_t{100}, std::uint64_t{5000}}) {
            CAPTURE(was_read);
            CAPTURE(offset);
            const TemporaryDirectory directory;
            OpenLog disk(directory);
            REQUIRE_FALSE(disk.put("a", body_of(1, kLarge)));
            const std::uint64_t at = std::uint64_t{disk.entry("a").location.units} * kUnitBytes + offset;
            if (was_read) {
                REQUIRE(disk.read("a") == ReadState::Whole); // verified, and the new head has that from it
            }
            REQUIRE_FALSE(refresh(disk, "a", "new head"));
            std::string bytes = file_content(directory.file("segment-0"));
            bytes[at] = static_cast<char>(bytes[at] ^ 1);
            write_file(directory.file("segment-0"), bytes);
            const bool finds = !was_read || offset == 100;
            CHECK(disk.read("a") == (finds ? ReadState::Absent : ReadState::Whole));
            CHECK(disk.index.size() == (finds ? 0 : 1));
        }
    }
}

TEST_CASE("Either of the two reads may have to wait, or fail") {
    const TemporaryDirectory directory;
    int nth = 0; // of the reads, 1 or 2
    FileError answer;
    HookedFiles files([&](Operation operation, const std::string&) {
        const bool is_read = operation == Operation::ReadAtHand;
        return is_read && nth > 0 && --nth == 0 ? answer : FileError();
    });
    OpenLog disk(directory, 4, files);
    REQUIRE_FALSE(disk.put("a", body_of(1, kLarge)));
    REQUIRE_FALSE(refresh(disk, "a", "new head"));
    for (const int which : {1, 2}) {
        nth = which;
        answer = errc::make_error_code(errc::resource_unavailable_try_again);
        CHECK(disk.read("a", Blocking::Refused) == ReadState::WouldBlock);
        CHECK(disk.entry("a").uses == 0);
    }
    nth = 0;
    CHECK(disk.read("a", Blocking::Refused) == ReadState::Whole);
    CHECK(disk.entry("a").uses == 1);
    nth = 2;
    answer = HookedFiles::broken();
    CHECK(disk.read("a", Blocking::Refused) == ReadState::Failed);
    CHECK(disk.got.error == errc::io_error);
    CHECK(disk.index.size() == 0);
}

TEST_CASE("When the segment of the body is reused both are written anew as one, or both go") {
    struct Row {
        const char* what;
        bool same_segment;
        bool read;
    };
    const Row rows[] = {{"the head stands in a later segment, read", false, true},
                        {"the head stands in a later segment, not read", false, false},
                        {"both in one segment, read", true, true},
                        {"both in one segment, not read", true, false}};
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const TemporaryDirectory directory;
        const std::string body = body_of(1, kLarge);
        {
            OpenLog disk(directory, 8);
            REQUIRE_FALSE(disk.put("a", body));
            const std::uint32_t first = disk.entry("a").location.segment;
            if (!row.same_segment) {
                next_segment(disk);
            }
            REQUIRE_FALSE(refresh(disk, "a", "new head"));
            CHECK((disk.entry("a").location.segment == first) == row.same_segment);
            if (row.read) {
                REQUIRE(stored(disk, "a") == "new head|" + body);
            }
            const std::uint64_t before = disk.log->stats().records_rewritten;
            fill_segments(disk, 1);
            CHECK(disk.log->stats().records_rewritten == before + (row.read ? 1 : 0));
            if (row.read) {
                CHECK(disk.entry("a").kind == RecordKind::Whole);
                CHECK(disk.entry("a").location.segment > first);
            }
            CHECK(stored(disk, "a") == (row.read ? "new head|" + body : "-"));
            fill_segments(disk, 2); // what the first held is written over by now
            CHECK(stored(disk, "a") == (row.read ? "new head|" + body : "-"));
        }
        OpenLog disk(directory, 8);
        CHECK(stored(disk, "a") == (row.read ? "new head|" + body : "-"));
    }
}

TEST_CASE("A new head whose body is not there any more is no entry at the next start, and nothing older is one") {
    for (const bool removes_file : {true, false}) {
        for (const bool closes : {true, false}) {
            CAPTURE(removes_file);
            CAPTURE(closes);
            const TemporaryDirectory directory;
            KeyHash hash;
            {
                OpenLog disk(directory, 8);
                REQUIRE_FALSE(disk.put("a", body_of(1, kLarge)));
                next_segment(disk);
                REQUIRE_FALSE(disk.put("a", body_of(2, kLarge)));
                const std::uint32_t body_segment = disk.entry("a").location.segment;
                next_segment(disk);
                REQUIRE_FALSE(refresh(disk, "a", "new head"));
                hash = disk.log->hash("a");
                if (removes_file) {
                    fs::remove(directory.file("segment-" + std::to_string(body_segment)));
                } else {
                    fill_segments(disk, 2); // both of the older ones; the head's is still there
                    next_segment(disk);
                    next_segment(disk);
                }
                if (closes) {
                    REQUIRE_FALSE(disk.log->close());
                }
            }
            OpenLog disk(directory, 8);
            CHECK(disk.log->find(hash).empty());
            CHECK(stored(disk, "a") == "-");
        }
    }
}

TEST_CASE("The process ends at any byte of a new head: the old one is there until the new one is whole") {
    const TemporaryDirectory directory;
    const std::string body = body_of(1, kLarge);
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    {
        OpenLog disk(directory);
        REQUIRE_FALSE(disk.put("a", body));
        begin = disk.log->stats().bytes_written;
        REQUIRE_FALSE(refresh(disk, "a", "new head"));
        end = disk.log->stats().bytes_written;
    }
    const std::string whole = file_content(directory.file("segment-0"));
    for (std::uint64_t torn = begin; torn <= end; ++torn) {
        CAPTURE(torn);
        std::string left = whole.substr(0, torn);
        left.resize(whole.size(), '\0');
        write_file(directory.file("segment-0"), left);
        fs::remove(directory.file("segment-1")); // of the round before
        OpenLog disk(directory);
        const std::string got = stored(disk, "a");
        // What is missing of it may be zeros: the last bytes of a place, and what fills it up.
        CHECK((got == "head of a|" + body || (torn > end - 64 && got == "new head|" + body)));
        CHECK((torn < end || got == "new head|" + body));
        REQUIRE_FALSE(refresh(disk, "a", "newest head"));
        CHECK(stored(disk, "a") == "newest head|" + body);
    }
}

TEST_CASE("Whichever operation fails while heads are renewed, what is read was written so") {
    for (const bool only_once : {true, false}) {
        for (std::size_t nth = 1;; ++nth) {
            CAPTURE(only_once);
            CAPTURE(nth);
            const TemporaryDirectory directory;
            constexpr std::size_t kKeys = 6;
            std::vector<std::string> bodies(kKeys);
            bool happened = true;
            const auto check = [&](OpenLog& disk) {
                for (std::size_t i = 0; i < kKeys; ++i) {
                    const std::string key = "key " + std::to_string(i);
                    const std::string got = stored(disk, key);
                    const bool has_body = got.size() > 20 && got.ends_with(body_of(i, bodies[i].size()));
                    CHECK((got == "-" || (has_body && got.starts_with("head "))));
                }
            };
            {
                FaultyFiles files(nth, only_once);
                OpenLog disk(directory, 4, files);
                for (std::size_t i = 0; disk.log && i < kKeys; ++i) {
                    bodies[i] = body_of(i, i % 2 == 0 ? kLarge : kSmall);
                    disk.put("key " + std::to_string(i), bodies[i]);
                }
                for (std::size_t round = 0; disk.log && round < 30; ++round) {
                    const std::string key = "key " + std::to_string(round % kKeys);
                    const std::string head = "head " + std::to_string(round);
                    const FileError error = refresh(disk, key, head);
                    const std::string got = stored(disk, key);
                    CHECK((error || files.operations() >= nth || got.starts_with(head + "|") || got == "-"));
                    REQUIRE((got == "-" || got.ends_with(bodies[round % kKeys])));
                    disk.put("filler " + std::to_string(round), body_of(0, 9000));
                }
                if (disk.log) {
                    check(disk);
                }
                happened = files.operations() >= nth;
            }
            OpenLog disk(directory);
            check(disk);
            if (!happened) {
                break;
            }
        }
    }
}

TEST_CASE("Readers find a whole record or nothing, while heads are renewed and the log goes round under them") {
    const TemporaryDirectory directory;
    OpenLog disk(directory, 6);
    std::atomic<bool> over{false};
    std::atomic<std::size_t> wrong{0};
    std::atomic<std::size_t> right{0};
    std::vector<std::thread> readers;
    for (std::size_t t = 0; t < 2; ++t) {
        readers.emplace_back([&, t] {
            chance::Dice dice(static_cast<unsigned>(t));
            ReadRecord record;
            while (!over) {
                const std::size_t number = dice.below(8);
                const KeyHash hash = disk.log->hash("key " + std::to_string(number));
                for (const IndexEntry& entry : disk.log->find(hash)) {
                    if (disk.log->read(hash, entry.location, record, Blocking::Allowed) == ReadState::Whole) {
                        const bool is_it = record.body == body_of(number, kLarge + number) &&
                                           record.head.key == "key " + std::to_string(number) &&
                                           record.head.metadata.starts_with("head");
                        ++(is_it ? right : wrong);
                    }
                }
            }
        });
    }
    std::size_t failed = 0;
    for (std::size_t i = 0; i < 5'000 || right < 100; ++i) {
        const std::size_t number = i % 8;
        const std::string key = "key " + std::to_string(number);
        const FileError error = refresh(disk, key, "head " + std::to_string(i));
        failed += error && error != errc::no_such_file_or_directory ? 1 : 0;
        if (error || i % 50 == number) {
            failed += disk.put(key, body_of(number, kLarge + number)) ? 1 : 0;
        }
    }
    over = true;
    for (std::thread& reader : readers) {
        reader.join();
    }
    CHECK(failed == 0);
    CHECK(wrong == 0);
}
