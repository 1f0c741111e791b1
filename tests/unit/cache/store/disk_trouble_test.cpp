// The disk store's log on a disk that fails, fills up, or is changed under it: what is not affected stays, and what was
// replaced never comes back.
#include "tests/unit/cache/store/disk_log_support.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::disk;
using namespace gatehouse::cache::store::disk::testing;
namespace errc = boost::system::errc;
namespace fs = std::filesystem;
using Operation = HookedFiles::Operation;

namespace {

std::string key_of(std::size_t number) { return "key " + std::to_string(number); }

} // namespace

TEST_CASE("A segment whose write fails is set aside: it is read, not written, and the record goes to the next") {
    const TemporaryDirectory directory;
    bool fails = false;
    std::size_t writes = 0;
    {
        HookedFiles files([&](Operation operation, const std::string& name) {
            const bool hits = operation == Operation::Write && name == "segment-0";
            writes += hits && fails ? 1 : 0;
            return hits && fails ? HookedFiles::broken() : FileError();
        });
        OpenLog disk(directory, 8, files);
        for (std::size_t i = 0; i < 5; ++i) {
            REQUIRE_FALSE(disk.put(key_of(i), body_of(i, 1000)));
        }
        fails = true;
        for (std::size_t i = 5; i < 10; ++i) {
            CHECK_FALSE(disk.put(key_of(i), body_of(i, 1000)));
        }
        CHECK(disk.log->stats().bad_segments == 1);
        for (std::size_t i = 0; i < 10; ++i) {
            CHECK(disk.entry(key_of(i)).location.segment == (i < 5 ? 0 : 1));
            CHECK(disk.get(key_of(i)) == body_of(i, 1000));
        }
        // Its turn comes: what was read is written anew elsewhere.
        while (disk.log->stats().segments_reused < 24) {
            REQUIRE_FALSE(disk.put("other", body_of(0, 1000)));
            disk.get(key_of(0));
        }
        CHECK(disk.get(key_of(0)) == body_of(0, 1000));
        CHECK(disk.entry(key_of(0)).location.segment != 0);
        CHECK(disk.get(key_of(1)) == "-");
        CHECK(writes == 2); // the record, and what would have taken back the half of it that arrived
        CHECK(disk.log->stats().bad_segments == 1);
    }
    OpenLog disk(directory, 8);
    CHECK(disk.get(key_of(0)) == body_of(0, 1000));
    CHECK(disk.get(key_of(1)) == "-"); // although it still stands in the file
    for (std::size_t i = 0; disk.log->stats().segments_reused < 16; ++i) {
        REQUIRE_FALSE(disk.put(key_of(i), body_of(i, 1000)));
    }
    CHECK(disk.log->stats().bad_segments == 0);
}

TEST_CASE("A segment that was set aside is filled again after the next start") {
    const TemporaryDirectory directory;
    {
        bool fails = false;
        HookedFiles files([&](Operation operation, const std::string&) {
            return operation == Operation::Write && std::exchange(fails, false) ? HookedFiles::broken() : FileError();
        });
        OpenLog disk(directory, 4, files);
        REQUIRE_FALSE(disk.put("a", "one"));
        fails = true;
        REQUIRE_FALSE(disk.put("b", "two"));
        CHECK(disk.log->stats().bad_segments == 1);
    }
    OpenLog disk(directory);
    CHECK(disk.found.scanned_segments == 2);
    CHECK(disk.get("a") == "one");
    CHECK(disk.get("b") == "two");
    bool filled = false;
    for (std::size_t i = 0; i < 200; ++i) {
        REQUIRE_FALSE(disk.put("c", body_of(i, 4000)));
        filled = filled || disk.entry("c").location.segment == 0;
    }
    CHECK(filled);
}

TEST_CASE("What was replaced does not come back from a segment that could not be written over") {
    for (const bool fails_while_open : {true, false}) {
        CAPTURE(fails_while_open);
        const TemporaryDirectory directory;
        {
            bool fails = false;
            HookedFiles files([&](Operation operation, const std::string& name) {
                const bool hits = fails && operation == Operation::Write && name == "segment-0";
                return hits ? HookedFiles::broken() : FileError();
            });
            OpenLog disk(directory, 6, files);
            REQUIRE_FALSE(disk.put("a", "old"));
            if (!fails_while_open) { // else its next header is what fails
                while (disk.put("filler", body_of(0, 4000)), disk.entry("filler").location.segment == 0) {}
            }
            fails = true;
            REQUIRE_FALSE(disk.put("a", "new"));
            CHECK(disk.get("a") == "new");
            disk.log->set_is_dead([](auto, auto, auto) { return true; });
            // What has the newer one is written over.
            for (std::size_t i = 0; i < 200; ++i) {
                REQUIRE_FALSE(disk.put("other", body_of(i, 4000)));
            }
            CHECK(disk.get("a") == "-");
            CHECK(disk.log->stats().bad_segments == 1);
        }
        OpenLog disk(directory, 6);
        CHECK(disk.get("a") == "-");
        CHECK(disk.get("other") == body_of(199, 4000));
    }
}

TEST_CASE("What was replaced does not come back from a segment that was set aside, once its turn has come") {
    const TemporaryDirectory directory;
    {
        bool fails = false;
        HookedFiles files([&](Operation operation, const std::string&) {
            return operation == Operation::Size && std::exchange(fails, false) ? HookedFiles::broken() : FileError();
        });
        OpenLog disk(directory, 4, files);
        REQUIRE_FALSE(disk.put("a", "old"));
        fails = true;
        REQUIRE_FALSE(disk.put("a", "new")); // in the next segment
        REQUIRE(disk.log->stats().bad_segments == 1);
        // Of the segment with the new one another is made, and no segment is begun after that.
        for (std::size_t i = 0; disk.get("a") == "new"; ++i) {
            REQUIRE_FALSE(disk.put("other", body_of(i, 4000)));
            disk.log->set_is_dead([](auto, auto, auto) { return true; });
        }
    }
    CHECK(OpenLog(directory, 4).get("a") == "-");
}

TEST_CASE("Of free segments the one that was written longest ago is begun, so that a kill brings nothing old back") {
    // The number of appends after which it ends is any: each leaves another picture of free and begun segments.
    for (std::size_t appends = 1; appends < 60; ++appends) {
        CAPTURE(appends);
        const TemporaryDirectory directory;
        std::vector<std::string> last(7, "-");
        {
            OpenLog disk(directory);
            for (std::size_t i = 0; i < appends; ++i) {
                const std::size_t key = i * 5 % last.size();
                last[key] = body_of(i, 9000);
                REQUIRE_FALSE(disk.put(key_of(key), last[key]));
            }
        }
        OpenLog disk(directory);
        for (std::size_t key = 0; key < last.size(); ++key) {
            const std::string got = disk.get(key_of(key));
            CHECK((got == last[key] || got == "-"));
        }
    }
}

TEST_CASE("A full disk refuses what is new, keeps what is there, and is asked again each time") {
    const TemporaryDirectory directory;
    bool full = false;
    std::size_t asked = 0;
    HookedFiles files([&](Operation operation, const std::string&) {
        asked += operation == Operation::Allocate ? 1 : 0;
        return full && operation == Operation::Allocate ? errc::make_error_code(errc::no_space_on_device) : FileError();
    });
    OpenLog disk(directory, 8, files);
    std::size_t stored = 0;
    const auto put_next = [&] {
        const FileError error = disk.put(key_of(stored), body_of(stored, 4000));
        stored += error ? 0 : 1;
        return error;
    };
    REQUIRE_FALSE(put_next());
    full = true;
    while (!put_next()) {}
    CHECK(stored > 10);
    const std::size_t before = asked;
    for (int i = 0; i < 5; ++i) {
        CHECK(put_next() == errc::no_space_on_device);
    }
    CHECK(asked == before + 5);
    for (std::size_t i = 0; i < stored; ++i) {
        CHECK(disk.get(key_of(i)) == body_of(i, 4000));
    }
    CHECK(disk.log->stats().bad_segments == 0);
    full = false;
    CHECK_FALSE(put_next());
    for (std::size_t i = 0; i < stored; ++i) {
        CHECK(disk.get(key_of(i)) == body_of(i, 4000));
    }
}

TEST_CASE("A disk that refuses every write takes nothing, and gives what it has until its turn comes") {
    const TemporaryDirectory directory;
    bool read_only = false;
    HookedFiles files([&](Operation operation, const std::string&) {
        return read_only && operation == Operation::Write ? errc::make_error_code(errc::read_only_file_system)
                                                          : FileError();
    });
    OpenLog disk(directory, 4, files);
    REQUIRE_FALSE(disk.put("a", "one"));
    read_only = true;
    CHECK(disk.put("b", "two") == errc::read_only_file_system);
    CHECK(disk.get("a") == "one");
    for (std::size_t i = 0; i < 20; ++i) {
        CHECK(disk.put("b", "two"));
        CHECK(disk.get("b") == "-");
    }
    CHECK(disk.log->stats().bad_segments == 4);
    read_only = false;
    CHECK(disk.put("b", "two") == errc::no_space_on_device); // before the next start
    OpenLog refused(directory);
    CHECK(refused.error == errc::resource_unavailable_try_again);
    disk.log.reset();
    OpenLog again(directory);
    CHECK_FALSE(again.put("b", "two"));
    CHECK(again.get("b") == "two");
}

TEST_CASE("A segment that is removed under the program is read until the end, and not there at the next start") {
    const TemporaryDirectory directory;
    {
        OpenLog disk(directory);
        REQUIRE_FALSE(disk.put("a", "one"));
        fs::remove(directory.file("segment-0"));
        CHECK(disk.get("a") == "one");
        CHECK_FALSE(disk.put("b", "two"));
        CHECK(disk.get("b") == "two");
    }
    OpenLog disk(directory);
    CHECK(disk.get("a") == "-");
    CHECK_FALSE(disk.put("a", "three"));
    CHECK(disk.get("a") == "three");
}

TEST_CASE("A segment that is cut at any place gives what is left of it, and never a wrong byte") {
    constexpr std::size_t kRecords = 6;
    for (std::uint64_t cut = 0; cut < 2'600; cut += cut % 64 == 1 ? 62 : 1) {
        CAPTURE(cut);
        const TemporaryDirectory directory;
        {
            OpenLog disk(directory);
            std::vector<std::uint64_t> ends;
            for (std::size_t i = 0; i < kRecords; ++i) {
                REQUIRE_FALSE(disk.put(key_of(i), body_of(i, 200)));
                const Location at = disk.entry(key_of(i)).location;
                ends.push_back((std::uint64_t{at.units} + at.length_units) * kUnitBytes);
                REQUIRE(disk.read(key_of(i)) == ReadState::Whole); // verified: it is not checked again
            }
            fs::resize_file(directory.file("segment-0"), cut);
            // Goes to another segment: behind the cut it would leave zeros where bodies were.
            CHECK_FALSE(disk.put("new", body_of(9, 200)));
            CHECK(disk.get("new") == body_of(9, 200));
            CHECK(disk.log->stats().bad_segments == 1);
            for (std::size_t i = 0; i < kRecords; ++i) {
                const bool is_left = ends[i] <= cut;
                CHECK(disk.read(key_of(i)) == (is_left ? ReadState::Whole : ReadState::Failed));
                CHECK(disk.got.error == (is_left ? FileError() : FileError(HookedFiles::broken())));
                CHECK(disk.get(key_of(i)) == (is_left ? body_of(i, 200) : "-"));
            }
        }
        OpenLog disk(directory);
        for (std::size_t i = 0; i < kRecords; ++i) {
            const std::string got = disk.get(key_of(i));
            CHECK((got == body_of(i, 200) || got == "-"));
        }
        CHECK(disk.get("new") == body_of(9, 200));
    }
}

TEST_CASE("Entries of a segment whose footer and records cannot be read go when it is reused") {
    const TemporaryDirectory directory;
    bool fails = false;
    HookedFiles files([&](Operation operation, const std::string& name) {
        return fails && operation == Operation::Read && name == "segment-0" ? HookedFiles::broken() : FileError();
    });
    OpenLog disk(directory, 6, files);
    for (std::size_t i = 0; i < 40; ++i) {
        REQUIRE_FALSE(disk.put(key_of(i), body_of(i, 1000)));
    }
    fails = true;
    while (disk.log->stats().segments_reused < 1) {
        REQUIRE_FALSE(disk.put("other", body_of(0, 1000)));
    }
    for (std::size_t i = 0; i < 40; ++i) {
        for (const IndexEntry& entry : disk.log->find(disk.log->hash(key_of(i)))) {
            CHECK(entry.location.segment != 0);
        }
    }
}
