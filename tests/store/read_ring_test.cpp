// Reading ahead by io_uring: what it promises, and a tiered store that waits for the disk by it.
#include "cache/store/read_ring.h"

#include "tests/store/tiered_tools.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::testing;

namespace {

// Null where this kernel has none, or does not let us use it.
std::shared_ptr<ReadRing> open_ring() {
    auto ring = ReadRing::open();
    if (!ring) {
        MESSAGE("skipped: no io_uring here: " << ring.error().message());
        return nullptr;
    }
    return std::move(*ring);
}

struct RealFile {
    DiskDirectory directory;
    disk::PosixFiles files;
    std::shared_ptr<disk::File> file;

    explicit RealFile(std::size_t bytes) {
        auto opened = files.open(directory.path() + "/file");
        REQUIRE(opened);
        file = std::move(*opened);
        REQUIRE_FALSE(file->allocate(bytes));
        REQUIRE_FALSE(file->write(std::string(bytes, 'x'), 0));
        REQUIRE_FALSE(file->sync());
    }
    // False: this file system keeps it.
    bool leaves_memory(std::uint64_t bytes) const {
        ::posix_fadvise(file->descriptor(), 0, 0, POSIX_FADV_DONTNEED);
        return !file->is_at_hand(0, bytes);
    }
};

void bring_and_wait(ReadRing& ring, const ReadRing::Extent& extent) {
    std::promise<void> brought;
    REQUIRE(ring.bring(extent, [&brought] { brought.set_value(); }));
    brought.get_future().wait();
}

} // namespace

TEST_CASE("what the ring has brought is in the kernel's memory") {
    const auto ring = open_ring();
    if (!ring) {
        return;
    }
    constexpr std::uint64_t kBytes = 3 * ReadRing::kMostBytes;
    const RealFile real(kBytes);
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{12'345}, kBytes - 1}) {
        CAPTURE(offset);
        if (!real.leaves_memory(kBytes)) {
            MESSAGE("skipped: the file system keeps the file in memory");
            return;
        }
        const std::uint64_t bytes = std::min<std::uint64_t>(kBytes - offset, 300'000);
        bring_and_wait(*ring, {real.file, offset, bytes});
        CHECK(real.file->is_at_hand(offset, bytes));
    }
}

TEST_CASE("a read that fails, or ends before its time, is an end like any other") {
    const auto ring = open_ring();
    if (!ring) {
        return;
    }
    const RealFile real(1000);
    bring_and_wait(*ring, {real.file, 500, 1000}); // half of it is there
    bring_and_wait(*ring, {real.file, 1000, 1});   // nothing is
    const auto closed = std::make_shared<RealFile>(10);
    const auto file = closed->file;
    ::close(file->descriptor());
    bring_and_wait(*ring, {file, 0, 10});
    const int again = ::open("/dev/null", O_RDONLY | O_CLOEXEC); // the destructor closes the number once more
    CHECK(again >= 0);
}

TEST_CASE("nothing is not brought") {
    const auto ring = open_ring();
    if (!ring) {
        return;
    }
    const RealFile real(10);
    CHECK_FALSE(ring->bring({nullptr, 0, 10}, [] { FAIL("called"); }));
    CHECK_FALSE(ring->bring({real.file, 0, 0}, [] { FAIL("called"); }));
}

TEST_CASE("more than the ring has in flight is brought too, more than may be asked for is refused, and a stop waits") {
    const auto ring = open_ring();
    if (!ring) {
        return;
    }
    const RealFile real(100'000);
    std::atomic<std::size_t> brought{0};
    std::promise<void> go;
    std::shared_future<void> may_go = go.get_future().share();
    // The first one keeps the ring's thread, so that nothing else ends meanwhile.
    REQUIRE(ring->bring({real.file, 0, 1}, [may_go, &brought] {
        may_go.wait();
        ++brought;
    }));
    for (std::size_t i = 1; i < ReadRing::kMostAsked; ++i) {
        REQUIRE(ring->bring({real.file, i, 1}, [&brought] { ++brought; }));
    }
    CHECK_FALSE(ring->bring({real.file, 0, 1}, [] { FAIL("called"); }));
    go.set_value();
    ring->stop();
    CHECK(brought == ReadRing::kMostAsked);
    CHECK_FALSE(ring->bring({real.file, 0, 1}, [] { FAIL("called"); }));
}

TEST_CASE_FIXTURE(Fixture, "a tiered store finds small and large responses by the ring, each as it was stored") {
    Process::Options options = on_a_large_disk();
    options.ring = open_ring();
    if (!options.ring) {
        return;
    }
    const auto content = [](int i) {
        return std::string(i % 7 == 0 ? 200'000 : 3000, static_cast<char>('a' + i % 26));
    };
    options.segment_bytes = 2048 * kKiB;
    Process& one = start(options);
    for (int i = 0; i < 60; ++i) {
        put(*one.store, {.key = std::to_string(i), .body = content(i)});
        one.store->writer().flush(); // what waits is held in memory
    }
    options.ring = open_ring();
    Process& two = start(options);
    files.nothing_at_hand = true; // the loop finds nothing
    for (int i = 0; i < 60; ++i) {
        CAPTURE(i);
        const std::string key = std::to_string(i);
        if (i % 7 != 0) {
            CHECK((two.get(key) == content(i)));
            continue;
        }
        const std::vector<EntryRef> found = files_of(*two.store, key);
        REQUIRE(found.size() == 1);
        const auto load = two.store->read_in(found[0]->file(), 1000, 100'000);
        REQUIRE(load);
        std::promise<void> came;
        if (load->when_done([&came] { came.set_value(); })) {
            came.get_future().wait();
        }
        CHECK_FALSE(load->has_failed());
        CHECK((content_of(*found[0]->file()) == content(i)));
    }
    CHECK(two.store->disk_stats().read_by_readers == 60);
}
