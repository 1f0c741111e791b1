// What was given up for newer records is given up for good.
#include "tests/unit/cache/store/disk_log_support.h"

#include <memory>
#include <string>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::disk;
using namespace gatehouse::cache::store::disk::testing;

// Nobody writes that it was removed when something else is stored for its key and kept off the disk: it is not there.
TEST_CASE("What was dropped with its segment is not there after a kill either, before its bytes are written over") {
    const TemporaryDirectory directory;
    std::size_t written = 0;
    const auto key = [](std::size_t number) { return "key " + std::to_string(number); };
    std::vector<std::size_t> dropped;
    {
        OpenLog disk(directory, 8);
        while (disk.log->stats().segments_reused < 2) {
            REQUIRE_FALSE(disk.put(key(written), body_of(written, 5000), "", written + 1));
            ++written;
        }
        for (std::size_t i = 0; i < written; ++i) {
            if (!disk.log->has(key(i), "")) {
                dropped.push_back(i);
            }
        }
        REQUIRE(dropped.size() > 10);
    }
    OpenLog disk(directory, 8);
    REQUIRE(disk.log);
    CHECK(disk.found.damaged_segments == 0);
    CHECK(disk.found.records == written - dropped.size());
    for (const std::size_t number : dropped) {
        CAPTURE(number);
        CHECK_FALSE(disk.log->has(key(number), ""));
    }
    CHECK_FALSE(disk.put("after it", "x"));
    CHECK(disk.get(key(written - 1)) == body_of(written - 1, 5000));
}

TEST_CASE("A body that somebody holds is what it was after everything was given up at once") {
    const TemporaryDirectory directory;
    OpenLog disk(directory, 4);
    REQUIRE_FALSE(disk.put("key", body_of(1, 9000)));
    const Location location = disk.entry("key").location;
    std::shared_ptr<const FileBody> body;
    REQUIRE(disk.log->open(disk.log->hash("key"), location, disk.got, body, Blocking::Allowed) == ReadState::Whole);
    REQUIRE_FALSE(disk.log->clear());
    for (std::size_t i = 2; i < 40; ++i) {
        REQUIRE_FALSE(disk.put("other", body_of(i, 9000)));
    }
    const FileBody::Run run = body->at(0);
    std::string held(run.bytes, '\0');
    REQUIRE_FALSE(run.file->read(held, run.offset));
    CHECK(held == body_of(1, 9000));
}
