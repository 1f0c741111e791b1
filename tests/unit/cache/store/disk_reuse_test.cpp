// What was given up for newer records is given up for good.
#include "tests/unit/cache/store/disk_log_support.h"

#include <string>

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
