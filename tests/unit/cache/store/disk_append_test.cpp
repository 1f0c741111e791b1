// What is appended together is there as if it had been appended one after the other: whole, or not at all, each for itself.
#include "tests/unit/cache/policy/dice.h"
#include "tests/unit/cache/store/disk_log_support.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::disk;
using namespace gatehouse::cache::store::disk::testing;
namespace chance = gatehouse::cache::policy::testing;
namespace errc = boost::system::errc;

namespace {

struct Wanted {
    std::string key;
    std::string body;
    std::uint64_t sequence = 1;
};

std::vector<FileError> put_together(OpenLog& disk, const std::vector<Wanted>& wanted) {
    std::vector<std::string> heads;
    heads.reserve(wanted.size());
    std::vector<NewRecord> records;
    for (const Wanted& one : wanted) {
        heads.push_back("head of " + one.key);
        NewRecord record;
        record.key = one.key;
        record.metadata = heads.back();
        record.body = one.body;
        record.total_bytes = one.body.size();
        record.sequence = one.sequence;
        records.push_back(record);
    }
    return disk.log->append_together(records);
}

std::vector<Wanted> some(std::size_t count, std::size_t bytes) {
    std::vector<Wanted> wanted;
    for (std::size_t i = 0; i < count; ++i) {
        wanted.push_back({"key " + std::to_string(i), body_of(i, bytes), i + 1});
    }
    return wanted;
}

} // namespace

TEST_CASE("What there is room for is written by one call, up to a number of records and of bytes") {
    struct Row {
        const char* name;
        std::size_t records;
        std::size_t bytes;
        std::size_t writes;
    };
    constexpr std::size_t kMost = DiskLog::kMostTogether;
    const Row rows[] = {{"one", 1, 100, 1},
                        {"two", 2, 100, 1},
                        {"none has content", 3, 0, 1},
                        {"as many as may be", kMost, 100, 1},
                        {"one more", kMost + 1, 100, 2},
                        {"just less than 1 MiB, with all the padding that may be", 14, 68'000, 1},
                        {"more", 15, 68'000, 2}};
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const TemporaryDirectory directory;
        std::size_t writes = 0;
        HookedFiles files([&](HookedFiles::Operation operation, const std::string& name) {
            writes += operation == HookedFiles::Operation::Write && name == "segment-0" ? 1 : 0;
            return FileError();
        });
        OpenLog disk(files, {directory.path(), 4 * 1024 * 1024, 4, false, 32});
        REQUIRE_FALSE(disk.put("before", "x")); // so that there is a segment
        writes = 0;
        const std::vector<Wanted> wanted = some(row.records, row.bytes);
        for (const FileError& error : put_together(disk, wanted)) {
            CHECK_FALSE(error);
        }
        CHECK(writes == row.writes);
        for (const Wanted& one : wanted) {
            CHECK(disk.get(one.key) == one.body);
        }
    }
}

TEST_CASE("Whatever is appended together is what it would be one after the other, also after a kill and an orderly end") {
    chance::Dice dice(7);
    for (const bool closes : {true, false}) {
        CAPTURE(closes);
        const TemporaryDirectory directory;
        std::map<std::string, std::string> expected;
        std::uint64_t sequence = 0;
        {
            OpenLog disk(directory, 64);
            for (int round = 0; round < 60; ++round) {
                std::map<std::string, Wanted> group; // no two of one key
                const std::size_t count = dice.below(9);
                for (std::size_t i = 0; i < count; ++i) {
                    const std::string key = "key " + std::to_string(dice.below(30));
                    const std::size_t bytes = dice.one_in(8) ? kSegment / 4 : dice.below(dice.one_in(3) ? 12'000 : 600);
                    group[key] = {key, body_of(dice.below(26), std::max<std::size_t>(bytes, 4)), ++sequence};
                }
                std::vector<Wanted> wanted;
                for (const auto& [key, one] : group) {
                    wanted.push_back(one);
                }
                const std::vector<FileError> errors = put_together(disk, wanted);
                REQUIRE(errors.size() == wanted.size());
                for (std::size_t i = 0; i < wanted.size(); ++i) {
                    CHECK(errors[i] == (wanted[i].body.size() == kSegment / 4 ? errc::make_error_code(errc::value_too_large)
                                                                              : FileError()));
                    expected[wanted[i].key] = errors[i] ? "-" : wanted[i].body;
                }
                for (const auto& [key, body] : expected) {
                    REQUIRE(disk.get(key) == body);
                }
            }
            CHECK(disk.log->stats().segments_reused == 0);
            if (closes) {
                CHECK_FALSE(disk.log->close());
            }
        }
        OpenLog disk(directory, 64);
        REQUIRE(disk.log);
        CHECK(disk.found.damaged_segments == 0);
        for (const auto& [key, body] : expected) {
            CHECK(disk.get(key) == body);
        }
    }
}

TEST_CASE("A record that is too large is refused by itself, and what was there for its key is gone") {
    const TemporaryDirectory directory;
    for (int start = 0; start < 2; ++start) {
        OpenLog disk(directory);
        if (start == 0) {
            REQUIRE_FALSE(disk.put("large", "before"));
            const std::vector<FileError> errors = put_together(
                disk, {{"a", "one"}, {"large", std::string(kSegment / 4, 'x'), 2}, {"b", "two"}});
            CHECK_FALSE(errors[0]);
            CHECK(errors[1] == errc::value_too_large);
            CHECK_FALSE(errors[2]);
        }
        CHECK(disk.get("a") == "one");
        CHECK(disk.get("large") == "-");
        CHECK(disk.get("b") == "two");
    }
}

TEST_CASE("The process ends at any byte of a write of several records: those that are whole are there, and nothing else") {
    const TemporaryDirectory directory;
    constexpr std::size_t kRecords = 6;
    constexpr std::size_t kBytes = 120;
    const std::vector<Wanted> wanted = some(kRecords, kBytes);
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    {
        OpenLog disk(directory);
        REQUIRE_FALSE(disk.put("before", "stays"));
        begin = disk.log->stats().bytes_written;
        for (const FileError& error : put_together(disk, wanted)) {
            REQUIRE_FALSE(error);
        }
        end = disk.log->stats().bytes_written;
    }
    const std::uint64_t record_bytes = (end - begin) / kRecords;
    const std::uint64_t padding = (kUnitBytes - kBytes % kUnitBytes) % kUnitBytes; // zeros anyway
    const std::string whole = file_content(directory.file("segment-0"));
    for (std::uint64_t torn = begin; torn <= end; torn += torn % kUnitBytes == 60 ? 4 : 5) {
        CAPTURE(torn);
        std::string left = whole.substr(0, torn);
        left.resize(whole.size(), '\0');
        write_file(directory.file("segment-0"), left);
        OpenLog disk(directory);
        REQUIRE(disk.log);
        CHECK(disk.get("before") == "stays");
        for (std::size_t i = 0; i < kRecords; ++i) {
            const bool is_whole = begin + (i + 1) * record_bytes - padding <= torn;
            CHECK(disk.get(wanted[i].key) == (is_whole ? wanted[i].body : "-"));
        }
        CHECK_FALSE(disk.put("new", "goes on"));
        CHECK(disk.get("new") == "goes on");
    }
}

TEST_CASE("Whichever operation fails while records are appended together, what was stored is there, and nothing wrong") {
    for (const bool only_once : {true, false}) {
        bool happened = true;
        for (std::size_t nth = 1; happened; ++nth) {
            CAPTURE(only_once);
            CAPTURE(nth);
            const TemporaryDirectory directory;
            MayBeFound may_be_found;
            {
                FaultyFiles files(nth, only_once);
                OpenLog disk(directory, 4, files);
                for (std::size_t round = 0; disk.log && round < 12; ++round) {
                    std::vector<Wanted> wanted;
                    for (std::size_t i = 0; i < 5; ++i) {
                        const std::size_t number = 5 * round + i;
                        wanted.push_back({"key " + std::to_string(number % 20), body_of(number, 3000), number});
                    }
                    const std::vector<FileError> errors = put_together(disk, wanted);
                    for (std::size_t i = 0; i < wanted.size(); ++i) {
                        may_be_found.note(wanted[i].key, wanted[i].body, errors[i]);
                        const std::string got = disk.get(wanted[i].key);
                        CHECK((got == wanted[i].body || (got == "-" && (errors[i] || files.operations() >= nth))));
                    }
                }
                if (disk.log) {
                    disk.log->close();
                }
                happened = files.operations() >= nth;
            }
            OpenLog disk(directory);
            REQUIRE(disk.log);
            may_be_found.check(disk);
        }
    }
}

TEST_CASE("Where the write of several records fails, all of them go to the next segment") {
    const TemporaryDirectory directory;
    bool fails = false;
    HookedFiles files([&](HookedFiles::Operation operation, const std::string& name) {
        return operation == HookedFiles::Operation::Write && name == "segment-0" && fails ? HookedFiles::broken()
                                                                                          : FileError();
    });
    OpenLog disk(directory, 8, files);
    REQUIRE_FALSE(disk.put("before", "stays"));
    fails = true;
    const std::vector<Wanted> wanted = some(4, 3000);
    for (const FileError& error : put_together(disk, wanted)) {
        CHECK_FALSE(error);
    }
    CHECK(disk.log->stats().bad_segments == 1);
    for (const Wanted& one : wanted) {
        CHECK(disk.entry(one.key).location.segment == 1);
        CHECK(disk.get(one.key) == one.body);
    }
    CHECK(disk.get("before") == "stays");
}

TEST_CASE("Where a write of several fails for good, nothing behind it is tried, and what is on the disk stays") {
    const TemporaryDirectory directory;
    bool fails = false;
    HookedFiles files([&](HookedFiles::Operation operation, const std::string&) {
        return operation == HookedFiles::Operation::Write && fails ? HookedFiles::broken() : FileError();
    });
    OpenLog disk(directory, 32, files);
    for (std::size_t i = 0; i < 40; ++i) {
        REQUIRE_FALSE(disk.put("there " + std::to_string(i), body_of(i, 5000)));
    }
    fails = true;
    std::vector<Wanted> wanted = some(50, 3000);
    wanted[40].key = "there 7"; // what was there for it is gone, whether or not it was tried
    for (const FileError& error : put_together(disk, wanted)) {
        CHECK(error);
    }
    CHECK(disk.log->stats().bad_segments <= 2);
    for (std::size_t i = 0; i < 40; ++i) {
        CHECK(disk.get("there " + std::to_string(i)) == (i == 7 ? "-" : body_of(i, 5000)));
    }
}

TEST_CASE("Of a write of several that fails midway nothing is found later, or the log says that it may be") {
    for (const bool may_take_back : {true, false}) {
        CAPTURE(may_take_back);
        const TemporaryDirectory directory;
        // The write of the group, of which half arrives, what takes back those two, and the head of the next segment.
        const std::vector<bool> fails = {true, !may_take_back, !may_take_back, true};
        std::size_t write = fails.size();
        HookedFiles files([&](HookedFiles::Operation operation, const std::string&) {
            const bool hits = operation == HookedFiles::Operation::Write && write < fails.size() && fails[write++];
            return hits ? HookedFiles::broken() : FileError();
        });
        {
            OpenLog disk(directory, 8, files);
            REQUIRE_FALSE(disk.put("before", "stays"));
            CHECK_FALSE(disk.log->take_left_records());
            write = 0;
            for (const FileError& error : put_together(disk, some(4, 1000))) {
                CHECK(error);
            }
            CHECK(disk.log->take_left_records() == !may_take_back);
            CHECK_FALSE(disk.log->take_left_records());
        }
        OpenLog disk(directory, 8);
        REQUIRE(disk.log);
        CHECK(disk.get("before") == "stays");
        for (const Wanted& one : some(4, 1000)) {
            CHECK((disk.get(one.key) == "-" || !may_take_back));
        }
    }
}
