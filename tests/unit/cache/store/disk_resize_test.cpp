// The disk store's log with more or fewer segments, while it is used and from one start to the next.
#include "tests/unit/cache/policy/dice.h"
#include "tests/unit/cache/store/disk_log_support.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <iterator>
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

std::string key_of(std::size_t number) { return "key " + std::to_string(number); }

std::size_t segment_files(const TemporaryDirectory& directory) {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(directory.path())) {
        count += entry.path().filename().string().starts_with("segment-") ? 1 : 0;
    }
    return count;
}

std::size_t open_descriptors() {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

// How many of the newest `count` keys are there, counted from the newest to the first that is not.
std::size_t newest_there(OpenLog& disk, std::size_t count) {
    std::size_t there = 0;
    while (there < count && disk.get(key_of(count - 1 - there)) == body_of(count - 1 - there, 4000)) {
        ++there;
    }
    return there;
}

constexpr std::size_t kPerSegment = 15; // records of body_of(.., 4000)

std::size_t fill(OpenLog& disk, std::size_t segments_reused) {
    std::size_t count = 0;
    while (disk.log->stats().segments_reused < segments_reused) {
        REQUIRE_FALSE(disk.put(key_of(count), body_of(count, 4000)));
        ++count;
    }
    return count;
}

} // namespace

TEST_CASE("A log that grows keeps what it has and takes more") {
    const TemporaryDirectory directory;
    OpenLog disk(directory, 4);
    std::size_t count = fill(disk, 6);
    const std::size_t before = newest_there(disk, count);
    CHECK_FALSE(disk.log->resize(12));
    CHECK(segment_files(directory) == 12);
    CHECK(newest_there(disk, count) == before);
    const std::uint64_t reused = disk.log->stats().segments_reused;
    for (const std::size_t end = count + 8 * kPerSegment; count < end; ++count) {
        REQUIRE_FALSE(disk.put(key_of(count), body_of(count, 4000)));
    }
    CHECK(disk.log->stats().segments_reused == reused); // into the new ones
    CHECK(newest_there(disk, count) >= before + 7 * kPerSegment);
}

TEST_CASE("What was replaced does not come back from a segment whose file cannot be removed when there are to be fewer") {
    const TemporaryDirectory directory;
    for (const bool closes : {true, false}) {
        CAPTURE(closes);
        HookedFiles files([](HookedFiles::Operation operation, const std::string& name) {
            return operation == HookedFiles::Operation::Remove && name == "segment-0" ? HookedFiles::broken() : FileError();
        });
        {
            OpenLog disk(directory, 8, files);
            REQUIRE_FALSE(disk.put("a", "old"));
            while (disk.put("filler", body_of(0, 4000)), disk.entry("filler").location.segment == 0) {}
            REQUIRE_FALSE(disk.put("a", "new"));
            CHECK(disk.log->resize(4) == FileError()); // as there are free ones to give up
            CHECK(disk.log->resize(8) == FileError());
            while (disk.put("filler", body_of(0, 4000)), disk.entry("filler").location.segment < 5) {}
            CHECK(disk.log->resize(4)); // it says so
            CHECK(disk.get("a") != "old");
            if (closes) {
                disk.log->close();
            }
        }
        CHECK(OpenLog(directory, 8).get("a") != "old");
    }
}

TEST_CASE("A log that shrinks keeps the newest, removes the files of the others, and goes on") {
    for (const bool closes : {true, false}) {
        CAPTURE(closes);
        const TemporaryDirectory directory;
        std::size_t count = 0;
        {
            OpenLog disk(directory, 16);
            count = fill(disk, 20);
            CHECK(newest_there(disk, count) >= 13 * kPerSegment);
            CHECK_FALSE(disk.log->resize(8));
            CHECK(segment_files(directory) == 8);
            const std::size_t there = newest_there(disk, count);
            CHECK(there >= 5 * kPerSegment);
            CHECK(there <= 8 * kPerSegment);
            CHECK(disk.index.size() <= 8 * kPerSegment);
            for (const std::size_t end = count + 40 * kPerSegment; count < end; ++count) {
                REQUIRE_FALSE(disk.put(key_of(count), body_of(count, 4000)));
            }
            CHECK(newest_there(disk, count) >= 5 * kPerSegment);
            CHECK(segment_files(directory) == 8);
            if (closes) {
                CHECK_FALSE(disk.log->close());
            }
        }
        OpenLog disk(directory, 8);
        CHECK(disk.found.removed_segments == 0);
        CHECK(newest_there(disk, count) >= 5 * kPerSegment);
    }
}

TEST_CASE("A start with fewer segments keeps the newest, one with more keeps all") {
    const TemporaryDirectory directory;
    std::size_t count = 0;
    {
        OpenLog disk(directory, 16);
        count = fill(disk, 20);
    }
    std::size_t all = 0;
    {
        OpenLog disk(directory, 20);
        CHECK(segment_files(directory) == 20);
        all = newest_there(disk, count);
        CHECK(all >= 13 * kPerSegment);
    }
    {
        OpenLog disk(directory, 5);
        CHECK(disk.found.removed_segments == 15);
        CHECK(segment_files(directory) == 5);
        const std::size_t there = newest_there(disk, count);
        CHECK(there >= 4 * kPerSegment); // the newest may not be full
        CHECK(there <= 5 * kPerSegment);
        REQUIRE_FALSE(disk.put("new", "content"));
    }
    OpenLog disk(directory, 16);
    CHECK(disk.get("new") == "content");
}

TEST_CASE("A size that cannot be is refused, at a start and later") {
    const TemporaryDirectory directory;
    OpenLog none(directory, DiskLog::kFewestSegments - 1);
    CHECK(none.error == errc::invalid_argument);
    OpenLog disk(directory, DiskLog::kFewestSegments);
    CHECK(disk.log->resize(DiskLog::kFewestSegments - 1) == errc::invalid_argument);
    CHECK(disk.log->resize(Location::kMostSegments + 1) == errc::invalid_argument);
    CHECK(segment_files(directory) == DiskLog::kFewestSegments);
}

TEST_CASE("A file that cannot be removed is reported, and what it holds does not come back") {
    const TemporaryDirectory directory;
    {
        bool fails = true;
        HookedFiles files([&fails](Operation operation, const std::string&) {
            return fails && operation == Operation::Remove ? errc::make_error_code(errc::permission_denied)
                                                           : FileError();
        });
        OpenLog disk(directory, 16, files);
        REQUIRE_FALSE(disk.put("a", "old"));
        while (disk.put("filler", body_of(0, 4000)), disk.entry("filler").location.segment == 0) {}
        REQUIRE_FALSE(disk.put("a", "new"));
        while (disk.put("filler", body_of(0, 4000)), disk.entry("filler").location.segment < 12) {}
        CHECK(disk.log->resize(4) == errc::permission_denied);
        CHECK(segment_files(directory) == 16);
        CHECK(disk.get("a") == "-");
        fails = false;
        for (std::size_t i = 0; i < 10 * kPerSegment; ++i) {
            REQUIRE_FALSE(disk.put("filler", body_of(i, 4000)));
        }
    }
    OpenLog disk(directory, 16);
    CHECK(disk.get("a") == "-");
    CHECK(disk.get("filler") == body_of(10 * kPerSegment - 1, 4000));
}

TEST_CASE("A segment whose file cannot be replaced is set aside, and others go on") {
    const TemporaryDirectory directory;
    HookedFiles files([](Operation operation, const std::string& name) {
        return operation == Operation::Remove && name == "segment-1" ? HookedFiles::broken() : FileError();
    });
    OpenLog disk(directory, 6, files);
    for (std::size_t i = 0; i < 20 * kPerSegment; ++i) {
        REQUIRE_FALSE(disk.put("filler", body_of(i, 4000)));
    }
    CHECK(disk.log->stats().bad_segments == 1);
    CHECK(disk.get("filler") == body_of(20 * kPerSegment - 1, 4000));
}

TEST_CASE("A file that somebody removed already is no trouble when the log shrinks") {
    const TemporaryDirectory directory;
    OpenLog disk(directory, 8);
    REQUIRE_FALSE(disk.put("a", "one"));
    fs::remove(directory.file("segment-2"));
    CHECK_FALSE(disk.log->resize(4));
    CHECK(segment_files(directory) == 4);
    CHECK(disk.get("a") == "one");
}

TEST_CASE("Growing stops at the file that cannot be made, and goes on at the next time") {
    const TemporaryDirectory directory;
    bool fails = false;
    HookedFiles files([&fails](Operation operation, const std::string& name) {
        return fails && operation == Operation::Open && name == "segment-6" ? HookedFiles::broken() : FileError();
    });
    OpenLog disk(directory, 4, files);
    fails = true;
    CHECK(disk.log->resize(8) == errc::io_error);
    CHECK(segment_files(directory) == 6);
    CHECK_FALSE(disk.put("a", "one"));
    fails = false;
    CHECK_FALSE(disk.log->resize(8));
    CHECK(segment_files(directory) == 8);
    CHECK(disk.get("a") == "one");
}

TEST_CASE("Descriptors and memory stay steady however often the size changes") {
    const TemporaryDirectory directory;
    OpenLog disk(directory, 6);
    std::size_t descriptors = 0;
    for (int round = 0; round < 10; ++round) {
        REQUIRE_FALSE(disk.log->resize(12));
        for (std::size_t i = 0; i < 15 * kPerSegment; ++i) {
            REQUIRE_FALSE(disk.put(key_of(i), body_of(i, 4000)));
        }
        REQUIRE_FALSE(disk.log->resize(6));
        descriptors = round == 0 ? open_descriptors() : descriptors;
        CHECK(open_descriptors() == descriptors);
        CHECK(segment_files(directory) == 6);
    }
}

TEST_CASE("A reader in a segment that is given up finds what was there, and its file is closed after it") {
    const TemporaryDirectory directory;
    std::function<void()> in_between;
    HookedFiles files([&in_between](Operation operation, const std::string&) {
        if (operation == Operation::Read && in_between) {
            std::exchange(in_between, nullptr)();
        }
        return FileError();
    });
    OpenLog disk(directory, 12, files);
    REQUIRE_FALSE(disk.put("a", body_of(1, 4000)));
    while (disk.put("filler", body_of(0, 4000)), disk.entry("filler").location.segment < 9) {}
    std::size_t descriptors = 0;
    in_between = [&] {
        REQUIRE_FALSE(disk.log->resize(4));
        descriptors = open_descriptors();
    };
    CHECK(disk.read("a") == ReadState::Whole);
    CHECK(open_descriptors() == descriptors - 1);
    CHECK(disk.get("a") == "-");
}

TEST_CASE("Readers find what they ask for or nothing, while the log grows and shrinks under them") {
    const TemporaryDirectory directory;
    OpenLog disk(directory, 4);
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
                const KeyHash hash = disk.log->hash(key_of(number));
                const Blocking blocking = dice.below(2) == 0 ? Blocking::Refused : Blocking::Allowed;
                for (const IndexEntry& entry : disk.log->find(hash)) {
                    const ReadState state = disk.log->read(hash, entry.location, record, blocking);
                    if (state == ReadState::Whole) {
                        const bool is_it = record.body == body_of(number, 1000 + number);
                        ++(is_it ? right : wrong);
                    }
                    wrong += state == ReadState::Failed ? 1 : 0;
                }
            }
        });
    }
    std::size_t failed = 0;
    for (std::size_t i = 0; i < 10'000 || right < 100; ++i) {
        failed += disk.put(key_of(i % 100), body_of(i % 100, 1000 + i % 100)) ? 1 : 0;
        if (i % 50 == 0) {
            const std::uint32_t segments = 4 + static_cast<std::uint32_t>(i / 50 * 7 % 9);
            failed += disk.log->resize(segments) ? 1 : 0;
        }
    }
    over = true;
    for (std::thread& reader : readers) {
        reader.join();
    }
    CHECK(failed == 0);
    CHECK(wrong == 0);
}
