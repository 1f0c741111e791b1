// The program on file systems that are full, read-only or another user's: requests never fail, and log, metrics and
// /readyz say what is wrong.
#include "tests/support/child_process.h"
#include "tests/support/gatehouse_process.h"
#include "tests/support/proxy_under_test.h"
#include "tests/support/raw_client.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

using namespace gatehouse::testing;
namespace fs = std::filesystem;

namespace {

constexpr const char* kHit = "Hit from gatehouse";
constexpr const char* kMiss = "Miss from gatehouse";
constexpr std::size_t kBytes = 100'000;
constexpr int kMoreThanMemory = 40; // responses, where memory has 2 MiB

// A file system that is there as long as this.
class Mounted {
public:
    explicit Mounted(const std::vector<std::string>& how) : directory_(scratch_.path("mounted")) {
        fs::create_directory(directory_);
        std::vector<std::string> command{"mount"};
        command.insert(command.end(), how.begin(), how.end());
        command.push_back(directory_);
        is_there_ = program_succeeds(command);
        if (!is_there_) {
            MESSAGE("skipped: this user cannot mount file systems here");
        }
    }
    ~Mounted() {
        if (is_there_) {
            ::umount2(directory_.c_str(), MNT_DETACH);
        }
    }
    Mounted(const Mounted&) = delete;
    Mounted& operator=(const Mounted&) = delete;

    bool is_there() const { return is_there_; }
    std::string path(const std::string& name) const { return directory_ + "/" + name; }
    void remount(const std::string& options) const { run_program({"mount", "-o", "remount," + options, directory_}); }

private:
    ScratchDirectory scratch_;
    std::string directory_;
    bool is_there_ = false;
};

class Tmpfs : public Mounted {
public:
    explicit Tmpfs(const std::string& size) : Mounted({"-t", "tmpfs", "-o", "size=" + size, "tmpfs"}) {}
};

// In a file.
class Ext4 {
public:
    Ext4() {
        const std::string image = scratch_.write("image", "");
        fs::resize_file(image, 64 * 1024 * 1024);
        if (program_succeeds({"mkfs.ext4", "-q", "-F", image})) {
            mounted_.emplace(std::vector<std::string>{"-o", "loop", image});
        } else {
            MESSAGE("skipped: there is no mkfs.ext4");
        }
    }
    bool is_there() const { return mounted_ && mounted_->is_there(); }
    std::string path(const std::string& name) const { return mounted_->path(name); }
    // As it does with errors=remount-ro when it finds itself damaged: also for files that are open for writing.
    void become_read_only() const {
        program_succeeds({"mount", "-o", "remount,abort", path("")}); // some kernels say no, and do it
    }
    // As if the device were pulled out: every read and write is an error. False: this kernel cannot.
    bool fail() const {
        const int directory = ::open(path("").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        std::uint32_t flag = 2; // without writing anything more
        const bool has_failed = ::ioctl(directory, _IOR('X', 125, std::uint32_t), &flag) == 0; // EXT4_IOC_SHUTDOWN
        ::close(directory);
        return has_failed;
    }

private:
    ScratchDirectory scratch_;
    std::optional<Mounted> mounted_;
};

std::string content_of(const std::string& target) { return target + std::string(kBytes, 'x'); }

// An origin, and one process after the other that uses a directory.
struct Site {
    ScriptedOrigin origin;
    Yaml yaml;
    std::optional<GatehouseProcess> proxy;

    Site() {
        origin.otherwise([](OriginExchange& x) { x.ok("max-age=3600", content_of(x.target())); });
    }
    void start(const std::string& directory, const std::vector<std::string>& launcher = {}) {
        yaml.disk = "path: " + directory + ", size: 64MiB, segment_size: 1MiB";
        proxy.reset();
        proxy.emplace(launcher, yaml.text(origin.port()));
    }
    // X-Cache of an answer that is as it should be.
    std::string get(const std::string& target) const {
        RawClient client(proxy->port());
        client.get(target);
        const Response response = client.read();
        CHECK(response.status == 200);
        CHECK(response.content == content_of(target));
        return response.get("X-Cache");
    }
    double metric(const char* name, const char* label = "") const {
        return sum_of_metric(proxy->metrics(), name, label);
    }
    void settle() const {
        ProxyUnderTest::await([this] { return metric("gatehouse_disk_queued_bytes") == 0; }, "the queue is empty");
    }
    // Whether /readyz, which stays ready, says this.
    bool ready_says(const std::string& text) const {
        const Response response = proxy->ready();
        CHECK(response.status == 200);
        return response.content.find(text) != std::string::npos;
    }
    bool log_says(const std::string& text) const { return proxy->log().find(text) != std::string::npos; }

    void check_serves_without_disk(const std::string& why) const {
        CHECK(get("/a") == kMiss);
        CHECK(get("/a") == kHit);
        CHECK(log_says("no disk store"));
        CHECK(log_says(why));
        CHECK(ready_says(why));
        CHECK(metric("gatehouse_disk_objects") == 0);
    }
    void check_cannot_be_written() const {
        CHECK(metric("gatehouse_disk_writable") == 0);
        CHECK(metric("gatehouse_disk_errors_total", "operation=\"write\"") > 0);
        CHECK(log_says("the disk cannot be written"));
        CHECK(ready_says("cannot be written at present"));
    }
    // Stores one response after the other until the disk is, or is not, written.
    void await_writable(bool is_writable) {
        ProxyUnderTest::await(
            [&] {
                CHECK(get("/" + std::to_string(++number)) == kMiss);
                return metric("gatehouse_disk_writable") == (is_writable ? 1 : 0);
            },
            "the disk is as it should be");
    }
    int number = 0;
};

} // namespace

TEST_CASE_FIXTURE(Site, "a full file system costs hits, and is written again when it has room") {
    const Tmpfs disk("6m");
    if (!disk.is_there()) {
        return;
    }
    start(disk.path("store"));
    await_writable(false);
    check_cannot_be_written();
    const double kept = metric("gatehouse_disk_objects");
    CHECK(kept > 5);
    CHECK(get("/1") == kHit);

    start(disk.path("store")); // as full as it was
    CHECK(metric("gatehouse_disk_objects") == kept);
    CHECK(get("/1") == kHit);
    CHECK(proxy->purge(R"({"path":"/1"})").status == 200);
    await_writable(false);
    check_cannot_be_written();
    CHECK(get("/1") == kMiss);

    disk.remount("size=64m");
    await_writable(true);
    CHECK(log_says("the disk is written again"));
    CHECK_FALSE(ready_says("cannot be written"));
    CHECK(get("/last") == kMiss);
    settle();
    start(disk.path("store"));
    CHECK(get("/last") == kHit);
    CHECK(get("/2") == kHit);
}

TEST_CASE_FIXTURE(Site, "a file system without room for the file of purges leaves memory") {
    const Tmpfs disk("1m");
    if (disk.is_there()) {
        start(disk.path("store"));
        check_serves_without_disk("No space left on device");
    }
}

TEST_CASE_FIXTURE(Site, "a file system that is read-only at the start leaves memory") {
    const Tmpfs disk("16m");
    if (disk.is_there()) {
        start(disk.path("store"));
        CHECK(get("/kept") == kMiss);
        settle();
        CHECK(proxy->stop() == 0);
        disk.remount("ro");
        start(disk.path("store"));
        check_serves_without_disk("Read-only file system");
        proxy.reset();
        disk.remount("rw");
        start(disk.path("store"));
        CHECK(get("/kept") == kHit);
        CHECK_FALSE(ready_says("cannot be used"));
    }
}

TEST_CASE_FIXTURE(Site, "a file system that becomes read-only under the program costs hits, and purges stay in force") {
    const Ext4 disk;
    if (!disk.is_there()) {
        return;
    }
    start(disk.path("store"));
    for (const char* target : {"/a", "/b", "/c"}) {
        CHECK(get(target) == kMiss);
    }
    settle();
    run_program({"sync", "-f", disk.path("store")}); // the pages of the purges are clean: writing to one is a fault
    disk.become_read_only();
    await_writable(false);
    check_cannot_be_written();
    CHECK(proxy->purge(R"({"path":"/a"})").status == 200);
    CHECK(proxy->purge(R"({"path":"/b*"})").status == 200);
    CHECK(get("/a") == kMiss);
    CHECK(get("/b") == kMiss);
    CHECK(get("/c") == kHit);
    CHECK(proxy->stop() == 0);
}

TEST_CASE_FIXTURE(Site, "a device that is gone costs hits, and purges stay in force") {
    const Ext4 disk;
    if (!disk.is_there()) {
        return;
    }
    yaml.memory = "size: 2MiB";
    start(disk.path("store"));
    for (int i = 0; i < kMoreThanMemory; ++i) {
        CHECK(get("/old/" + std::to_string(i)) == kMiss);
        settle();
    }
    run_program({"sync", "-f", disk.path("store")});
    CHECK(get("/old/0") == kHit);
    CHECK(metric("gatehouse_disk_reads_total") == 1);
    if (!disk.fail()) {
        MESSAGE("skipped: this kernel does not shut file systems down");
        return;
    }
    CHECK(get("/old/1") == kMiss);
    CHECK(metric("gatehouse_disk_errors_total", "operation=\"read\"") > 0);
    await_writable(false);
    check_cannot_be_written();
    CHECK(get("/1") == kHit);
    CHECK(proxy->purge(R"({"path":"/*"})").status == 200);
    CHECK(get("/1") == kMiss);
    for (int i = 0; i < kMoreThanMemory; ++i) {
        CHECK(get("/old/" + std::to_string(i)) == kMiss);
    }
    CHECK(proxy->stop() == 0);
}

TEST_CASE_FIXTURE(Site, "a directory of another user leaves memory") {
    const ScratchDirectory scratch;
    const std::string directory = scratch.path("store");
    fs::create_directory(directory);
    fs::permissions(directory, fs::perms::owner_all);
    const std::vector<std::string> launcher{"setpriv", "--bounding-set=-dac_override,-dac_read_search"};
    std::vector<std::string> probe = launcher;
    probe.push_back("true");
    if (::chown(directory.c_str(), 65534, 65534) != 0 || !program_succeeds(probe)) {
        MESSAGE("skipped: this user cannot give files away, or setpriv is not there");
        return;
    }
    start(directory, launcher);
    check_serves_without_disk("Permission denied");
}

TEST_CASE_FIXTURE(Site, "where the kernel refuses io_uring threads wait for the disk, and the log says so once") {
    const ScratchDirectory scratch;
    const fs::path here = fs::path(GatehouseProcess::binary()).parent_path();
    const std::vector<std::string> launcher{(here / "without_io_uring").string()};
    std::vector<std::string> probe = launcher;
    probe.push_back("true");
    if (!program_succeeds(probe)) {
        MESSAGE("skipped: there is no seccomp");
        return;
    }
    struct Row {
        const char* io;
        const char* line; // of the log; nullptr: none
    };
    const Row rows[] = {
        {"auto", "info disk store: no io_uring"},
        {"io_uring", "warning disk store: no io_uring"},
        {"threads", nullptr},
    };
    for (const Row& row : rows) {
        CAPTURE(row.io);
        start(scratch.path("store"), launcher);
        yaml.disk += std::string(", io: ") + row.io;
        proxy.reset();
        proxy.emplace(launcher, yaml.text(origin.port()));
        for (int i = 0; i < kMoreThanMemory; ++i) {
            get("/" + std::to_string(i));
            settle();
        }
        CHECK(get("/0") == kHit);
        CHECK(log_says("no io_uring") == (row.line != nullptr));
        if (row.line != nullptr) {
            CHECK(log_says(row.line));
            CHECK(log_says("Operation not permitted"));
        }
    }
}

TEST_CASE_FIXTURE(Site, "what was replaced while the disk could not be written does not come back") {
    const Tmpfs disk("6m");
    if (!disk.is_there()) {
        return;
    }
    origin.on("/changing", [](OriginExchange& x) { x.ok("max-age=3600", std::to_string(x.number())); });
    for (const bool is_killed : {true, false}) {
        CAPTURE(is_killed);
        start(disk.path("store"));
        RawClient client(proxy->port());
        client.get("/changing", "Cache-Control: no-cache\r\n");
        const std::string first = client.read().content;
        settle();
        await_writable(false);
        client.get("/changing", "Cache-Control: no-cache\r\n");
        const std::string second = client.read().content;
        CHECK(second != first);
        settle();
        if (is_killed) {
            proxy->kill();
        } else {
            CHECK(proxy->stop() == 0);
        }
        disk.remount("size=64m");
        start(disk.path("store"));
        RawClient another(proxy->port());
        another.get("/changing");
        CHECK(another.read().content != first);
        proxy.reset();
        fs::remove_all(disk.path("store"));
        disk.remount("size=6m");
    }
}
