// What a reader of the disk store's log is told: what it asked for, that it is gone, that it would have to wait, or
// that the disk failed.
#include "tests/unit/cache/store/disk_log_support.h"

#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::disk;
using namespace gatehouse::cache::store::disk::testing;
namespace errc = boost::system::errc;
using Operation = HookedFiles::Operation;

namespace {

// A bit of the record's `offset`-th byte, under the program.
void flip(const TemporaryDirectory& directory, const Location& location, std::uint64_t offset) {
    std::fstream file(directory.file("segment-" + std::to_string(location.segment)),
                      std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(std::uint64_t{location.units} * kUnitBytes + offset);
    file.seekg(at);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(at);
    file.put(byte);
}

constexpr std::uint64_t kInBody = 300; // of records with small heads
constexpr std::uint64_t kInHead = 100;

} // namespace

TEST_CASE("A file that is in memory is read without waiting, and one that is not says so") {
    const TemporaryDirectory directory;
    PosixFiles files;
    const auto file = files.open(directory.file("a"));
    REQUIRE(file);
    const std::string content = body_of(1, 10'000);
    REQUIRE_FALSE((*file)->allocate(content.size()));
    REQUIRE_FALSE((*file)->write(content, 0));
    REQUIRE_FALSE((*file)->sync());
    std::string bytes(content.size(), '\0');
    CHECK((*file)->is_at_hand(0, bytes.size()));
    CHECK_FALSE((*file)->read_at_hand(bytes, 0)); // also where the file system knows no RWF_NOWAIT
    CHECK(bytes == content);
    CHECK((*file)->read_at_hand(bytes, 1)); // it is one byte too short
    CHECK_FALSE((*file)->is_at_hand(8192, 4096 + 1));
    const int descriptor = ::open(directory.file("a").c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(descriptor >= 0);
    CHECK(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0);
    ::close(descriptor);
    bytes.assign(content.size(), '\0');
    const FileError dropped = (*file)->read_at_hand(bytes, 0);
    CHECK((dropped == errc::resource_unavailable_try_again || (!dropped && bytes == content)));
}

TEST_CASE("What is on its way from the disk is not at hand yet") {
    const TemporaryDirectory directory;
    PosixFiles files;
    const auto file = files.open(directory.file("a"));
    REQUIRE(file);
    constexpr std::uint64_t kStep = 256 * 1024;
    constexpr std::uint64_t kSteps = 64;
    std::string bytes(kStep, 'x');
    REQUIRE_FALSE((*file)->allocate(kSteps * kStep));
    for (std::uint64_t i = 0; i < kSteps; ++i) {
        REQUIRE_FALSE((*file)->write(bytes, i * kStep));
    }
    REQUIRE_FALSE((*file)->sync());
    const int descriptor = (*file)->descriptor();
    CHECK((*file)->is_at_hand(0, kSteps * kStep));
    REQUIRE(::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0);
    const File::Transfer transfer(**file); // as whoever reads it says
    for (std::uint64_t i = 0; i < kSteps; ++i) {
        CAPTURE(i);
        REQUIRE(::posix_fadvise(descriptor, i * kStep, kStep, POSIX_FADV_WILLNEED) == 0); // the read has begun
        if ((*file)->is_at_hand(i * kStep, kStep)) {
            CHECK_FALSE((*file)->read_at_hand(bytes, i * kStep));
        }
    }
}

TEST_CASE("A read that may not wait is no use of the record where it would have to") {
    const TemporaryDirectory directory;
    bool in_memory = false;
    HookedFiles files([&in_memory](Operation operation, const std::string&) {
        const bool blocks = operation == Operation::ReadAtHand && !in_memory;
        return blocks ? errc::make_error_code(errc::resource_unavailable_try_again) : FileError();
    });
    OpenLog disk(directory, 4, files);
    REQUIRE_FALSE(disk.put("a", body_of(1, 1000)));
    CHECK(disk.read("a", Blocking::Refused) == ReadState::WouldBlock);
    CHECK_FALSE(disk.got.error);
    CHECK(disk.entry("a").uses == 0);
    CHECK_FALSE(disk.entry("a").verified);
    in_memory = true;
    CHECK(disk.read("a", Blocking::Refused) == ReadState::Whole);
    CHECK(disk.got.body == body_of(1, 1000));
    CHECK(disk.entry("a").uses == 1);
    CHECK(disk.entry("a").verified);
    CHECK(disk.read("a") == ReadState::Whole);
    CHECK(disk.entry("a").uses == 2);
}

TEST_CASE("A read that fails says why, and the entry is gone") {
    for (const Blocking blocking : {Blocking::Allowed, Blocking::Refused}) {
        CAPTURE(static_cast<int>(blocking));
        const TemporaryDirectory directory;
        bool fails = false;
        HookedFiles files([&fails](Operation operation, const std::string&) {
            const bool is_read = operation == Operation::ReadAtHand || operation == Operation::Read;
            return fails && is_read ? HookedFiles::broken() : FileError();
        });
        OpenLog disk(directory, 4, files);
        REQUIRE_FALSE(disk.put("a", body_of(1, 1000)));
        REQUIRE_FALSE(disk.put("b", body_of(2, 1000)));
        const Location location = disk.entry("a").location;
        fails = true;
        CHECK(disk.read("a", blocking) == ReadState::Failed);
        CHECK(disk.got.error == errc::io_error);
        fails = false;
        CHECK(disk.get("a") == "-");
        CHECK(disk.log->read(disk.log->hash("a"), location, disk.got, blocking) == ReadState::Absent);
        CHECK_FALSE(disk.got.error);
        CHECK(disk.get("b") == body_of(2, 1000));
    }
}

TEST_CASE("Room for a record is used again, and what is shorter is seen as short") {
    const TemporaryDirectory directory;
    OpenLog disk(directory);
    REQUIRE_FALSE(disk.put("long", body_of(1, 9000)));
    REQUIRE_FALSE(disk.put("short", body_of(2, 10)));
    REQUIRE(disk.read("long") == ReadState::Whole);
    const char* const room = disk.got.bytes.data();
    REQUIRE(disk.read("short") == ReadState::Whole);
    CHECK(disk.got.body == body_of(2, 10));
    CHECK(disk.got.head.key == "short");
    CHECK(disk.got.bytes.data() == room);
}

TEST_CASE("A body is checked at its first read, also after a start, or always; a head always") {
    struct Row {
        const char* what;
        bool reads_before;
        bool restarts;
        bool verify_always;
        std::uint64_t flipped;
        ReadState expected;
    };
    const std::vector<Row> rows = {
        {"the first read", false, false, false, kInBody, ReadState::Absent},
        {"the second read", true, false, false, kInBody, ReadState::Whole},
        {"the second read, always", true, false, true, kInBody, ReadState::Absent},
        {"the first read after a start", true, true, false, kInBody, ReadState::Absent},
        {"a head, at the first read", false, false, false, kInHead, ReadState::Absent},
        {"a head, at the second", true, false, false, kInHead, ReadState::Absent},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const TemporaryDirectory directory;
        PosixFiles files;
        const LogOptions options{directory.path(), kSegment, 4, row.verify_always, 32};
        Location location;
        {
            OpenLog disk(files, options);
            REQUIRE_FALSE(disk.put("a", body_of(1, 1000)));
            location = disk.entry("a").location;
            if (row.reads_before) {
                REQUIRE(disk.read("a") == ReadState::Whole);
            }
            if (!row.restarts) {
                flip(directory, location, row.flipped);
                CHECK(disk.read("a") == row.expected);
                CHECK((disk.get("a") == "-") == (row.expected == ReadState::Absent));
                continue;
            }
            REQUIRE_FALSE(disk.log->close());
        }
        flip(directory, location, row.flipped);
        OpenLog disk(files, options);
        CHECK(disk.read("a") == row.expected);
        CHECK(disk.index.size() == 0);
    }
}

TEST_CASE("A segment that is reused in the middle of a read gives what was there, never a mixture") {
    for (const bool was_verified : {true, false}) {
        for (const bool replaces : {true, false}) { // by records of the same key, length and place
            CAPTURE(was_verified);
            CAPTURE(replaces);
            const TemporaryDirectory directory;
            std::function<void()> in_between;
            HookedFiles files([&in_between](Operation operation, const std::string&) {
                if (operation == Operation::Read && in_between) {
                    std::exchange(in_between, nullptr)();
                }
                return FileError();
            });
            OpenLog disk(directory, 4, files);
            REQUIRE_FALSE(disk.put("key", body_of(0, 4000)));
            const Location location = disk.entry("key").location;
            if (was_verified) {
                REQUIRE(disk.read("key") == ReadState::Whole);
            }
            bool over_it = false;
            in_between = [&] {
                for (std::size_t i = 1; i < 200; ++i) {
                    REQUIRE_FALSE(disk.put(replaces ? "key" : "other " + std::to_string(i), body_of(i, 4000)));
                    over_it = over_it || (i > 4 && replaces && disk.entry("key").location == location);
                }
            };
            CHECK(disk.log->read(disk.log->hash("key"), location, disk.got, Blocking::Allowed) == ReadState::Whole);
            CHECK(disk.got.body == body_of(0, 4000));
            CHECK(over_it == replaces);
            CHECK(disk.log->stats().segments_reused > 8);
            CHECK(disk.get(replaces ? "key" : "other 199") == body_of(199, 4000));
        }
    }
}

TEST_CASE("What a purge killed is not written again when its segment is reused") {
    for (const bool dead : {false, true}) {
        CAPTURE(dead);
        const TemporaryDirectory directory;
        OpenLog disk(directory);
        disk.log->set_is_dead([dead](std::string_view key, std::string_view metadata, std::uint64_t sequence) {
            return dead && key == "purged" && metadata == "head of purged" && sequence == 7;
        });
        REQUIRE_FALSE(disk.put("purged", "1", "", 7));
        REQUIRE_FALSE(disk.put("kept", "2", "", 7));
        for (std::size_t i = 0; disk.log->stats().segments_reused < 4; ++i) {
            disk.get("purged");
            disk.get("kept");
            REQUIRE_FALSE(disk.put("other " + std::to_string(i), body_of(i, 1000)));
        }
        CHECK(disk.get("purged") == (dead ? "-" : "1"));
        CHECK(disk.get("kept") == "2");
    }
}

TEST_CASE("Of the variants of a key the newest stay, newest first, also after a start") {
    const TemporaryDirectory directory;
    PosixFiles files;
    const LogOptions options{directory.path(), kSegment, 8, false, 5};
    {
        OpenLog disk(files, options);
        for (std::size_t i = 0; i < 30; ++i) { // over several segments
            REQUIRE_FALSE(disk.put("key", body_of(i, 6000), "variant " + std::to_string(i)));
        }
        REQUIRE_FALSE(disk.put("key", "newer", "variant 27"));
    }
    for (const unsigned most : {5U, 3U}) {
        LogOptions fewer = options;
        fewer.max_variants = most;
        OpenLog disk(files, fewer);
        REQUIRE(disk.log);
        std::vector<std::string> found;
        for (const IndexEntry& entry : disk.log->find(disk.log->hash("key"))) {
            REQUIRE(disk.log->read(disk.log->hash("key"), entry.location, disk.got, Blocking::Allowed) ==
                    ReadState::Whole);
            found.emplace_back(disk.got.head.secondary_key);
        }
        const std::vector<std::string> newest = {"variant 27", "variant 29", "variant 28", "variant 26", "variant 25"};
        CHECK(found == std::vector<std::string>(newest.begin(), newest.begin() + most));
    }
}
