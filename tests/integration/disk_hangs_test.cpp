// The program on a disk of which no read ends: the loops wait for none, so everything that needs no disk is answered.
#include "tests/support/child_process.h"
#include "tests/support/gatehouse_process.h"
#include "tests/support/proxy_under_test.h"
#include "tests/support/raw_client.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

using namespace gatehouse::testing;
namespace fs = std::filesystem;

namespace {

constexpr const char* kHit = "Hit from gatehouse";
constexpr const char* kMiss = "Miss from gatehouse";
constexpr int kOfEach = 30;
constexpr std::size_t kFilms = 4;

std::string tool(const char* name) { return (fs::path(GatehouseProcess::binary()).parent_path() / name).string(); }

// tests/tools/gated_file_system.cpp
class GatedDisk {
public:
    GatedDisk() {
        fs::create_directory(scratch_.path("mounted"));
        fs::create_directory(scratch_.path("behind"));
        if (::access("/dev/fuse", R_OK | W_OK) != 0) {
            MESSAGE("skipped: there is no /dev/fuse, or this user may not use it");
            return;
        }
        server_.emplace(
            std::vector<std::string>{tool("gated_file_system"), scratch_.path("mounted"), scratch_.path("behind")},
            scratch_.path("log"));
        ProxyUnderTest::await([this] { return fs::exists(gate()) || !server_->is_running(); }, "it is mounted");
        is_there_ = fs::exists(gate());
        if (!is_there_) {
            MESSAGE("skipped: this user cannot mount file systems here: " << server_->log());
        }
    }
    ~GatedDisk() {
        if (is_there_) {
            let_go();
            ::umount2(scratch_.path("mounted").c_str(), MNT_DETACH);
        }
    }
    GatedDisk(const GatedDisk&) = delete;
    GatedDisk& operator=(const GatedDisk&) = delete;

    bool is_there() const { return is_there_; }
    fs::path directory() const { return scratch_.path("mounted/store"); }
    // From now on what is not in the kernel's memory cannot be read.
    void hold() const {
        std::ofstream(gate()) << "hold";
        for (const auto& file : fs::directory_iterator(directory())) {
            forget(file.path(), 0, 0);
        }
    }
    // The same, and what leaves memory is the end of each content that begins with this; heads stay.
    void hold_ends_of(const std::string& beginning, std::size_t bytes) const {
        std::vector<std::pair<fs::path, std::size_t>> ends;
        for (const auto& file : fs::directory_iterator(scratch_.path("behind/store"))) {
            std::ifstream in(file.path(), std::ios::binary);
            const std::string text(std::istreambuf_iterator<char>(in), {});
            for (auto at = text.find(beginning); at != std::string::npos; at = text.find(beginning, at + 1)) {
                ends.emplace_back(directory() / file.path().filename(), at + bytes / 2);
            }
        }
        std::ofstream(gate()) << "hold";
        for (const auto& [path, at] : ends) {
            forget(path, at, bytes / 2);
        }
    }
    void let_go() const { std::ofstream(gate()) << "go"; }
    int waiting_reads() const {
        int count = 0;
        std::ifstream(gate()) >> count;
        return count;
    }

private:
    static void forget(const fs::path& path, std::size_t first, std::size_t bytes) {
        const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        ::posix_fadvise(descriptor, static_cast<off_t>(first), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
        ::close(descriptor);
    }
    std::string gate() const { return scratch_.path("mounted/.gate"); }

    ScratchDirectory scratch_;
    std::optional<ChildProcess> server_;
    bool is_there_ = false;
};

std::string content_of(const std::string& target) {
    const std::size_t bytes = target.starts_with("/film") ? 3'000'000 : target.starts_with("/large") ? 100'000 : 8'000;
    return target + std::string(bytes, 'x');
}

struct Site {
    GatedDisk disk;
    ScriptedOrigin origin;
    std::optional<GatehouseProcess> proxy;

    Site() {
        origin.otherwise([](OriginExchange& x) { x.ok("max-age=3600", content_of(x.target())); });
    }
    // With one loop: whatever keeps it waiting keeps everybody waiting.
    void start(const std::string& io) {
        Yaml yaml;
        yaml.workers = "1";
        yaml.memory = "size: 4MiB, max_object_size: 512KiB";
        yaml.disk = "path: " + disk.directory().string() + ", size: 64MiB, segment_size: 8MiB, io: " + io;
        proxy.reset();
        proxy.emplace(yaml.text(origin.port()));
    }
    Response get(const std::string& target) const {
        RawClient client(proxy->port());
        client.get(target);
        Response response = client.read();
        CHECK(response.status == 200);
        CHECK((response.content == content_of(target)));
        return response;
    }
    double metric(const char* name, const char* label = "") const {
        return sum_of_metric(proxy->metrics(), name, label);
    }
    void settle() const {
        ProxyUnderTest::await([this] { return metric("gatehouse_disk_queued_bytes") == 0; }, "the queue is empty");
    }
    // All of it on the disk, checked, and nothing of it in memory but /hot.
    void fill() const {
        for (int round = 0; round < 2; ++round) {
            for (int i = 0; i < kOfEach; ++i) {
                get("/large/" + std::to_string(i));
                get("/small/" + std::to_string(i));
                settle();
            }
            for (std::size_t i = 0; i < kFilms; ++i) {
                get("/film/" + std::to_string(i));
                settle();
            }
        }
        for (int i = 0; i < 600; ++i) {
            get("/crowd/" + std::to_string(i));
        }
        get("/hot");
        get("/hot"); // what the disk has from another run is in memory when it is read the second time
        settle();
    }
    // What the disk has no part in.
    void check_all_else_is_answered() const {
        for (int i = 0; i < 20; ++i) {
            REQUIRE(get("/hot").get("X-Cache") == kHit);
        }
        CHECK(get("/new/" + std::to_string(origin.requests())).get("X-Cache") == kMiss);
        CHECK(proxy->purge(R"({"path":"/purged"})").status == 200);
        CHECK(proxy->ready().status == 200);
    }
};

} // namespace

TEST_CASE_FIXTURE(Site, "while no read of the disk ends, hits in memory, misses and purges are answered") {
    if (!disk.is_there()) {
        return;
    }
    for (const char* const io : {"threads", "auto"}) {
        CAPTURE(io);
        start(io);
        fill();
        disk.hold();
        std::vector<std::unique_ptr<RawClient>> clients;
        std::vector<std::string> targets;
        for (int i = 0; i < kOfEach; ++i) {
            for (const char* const kind : {"/small/", "/large/"}) {
                targets.push_back(kind + std::to_string(i));
                clients.push_back(std::make_unique<RawClient>(proxy->port()));
                clients.back()->get(targets.back());
            }
        }
        ProxyUnderTest::await([this] { return disk.waiting_reads() > 0; }, "the disk is asked");
        check_all_else_is_answered();
        // Those who asked for what the disk has get it from the origin, which they are sent to after a second.
        for (std::size_t i = 0; i < clients.size(); ++i) {
            const Response response = clients[i]->read();
            CHECK(response.status == 200);
            CHECK((response.content == content_of(targets[i])));
        }
        CHECK(disk.waiting_reads() > 0);
        CHECK(metric("gatehouse_loop_lag_max_seconds") < 1); // the disk hung for longer
        disk.let_go();
        CHECK(get("/film/0").get("X-Cache") == kHit);
    }
}

TEST_CASE_FIXTURE(Site, "clients that take bodies slowly from a disk that comes to hang keep nobody else waiting") {
    if (!disk.is_there()) {
        return;
    }
    start("auto");
    fill();
    // Where each stops decides whether the rest of what is queued for it is in memory: pages that a socket holds stay.
    std::vector<std::unique_ptr<RawClient>> clients;
    for (std::size_t i = 0; i < kFilms; ++i) {
        clients.push_back(std::make_unique<RawClient>(proxy->port(), 4096));
        clients.back()->get("/film/" + std::to_string(i));
        CHECK(clients.back()->read_content(10'000 + i * 61'000).get("X-Cache") == kHit);
    }
    disk.hold();
    for (const auto& client : clients) {
        std::size_t taken = client->read_content(0).content.size();
        for (const int before = disk.waiting_reads(); disk.waiting_reads() == before && taken < 2'000'000;) {
            taken += 4000;
            client->read_content(taken);
        }
    }
    check_all_else_is_answered();
    CHECK(disk.waiting_reads() > 0);
    CHECK(metric("gatehouse_loop_lag_max_seconds") < 5);
    disk.let_go();
    for (std::size_t i = 0; i < kFilms; ++i) {
        CHECK((clients[i]->read().content == content_of("/film/" + std::to_string(i))));
    }
}

TEST_CASE_FIXTURE(Site, "a body of which the beginning alone is in memory keeps nobody else waiting") {
    if (!disk.is_there()) {
        return;
    }
    start("threads"); // io_uring would read the whole record ahead
    fill();
    for (int i = 0; i < kOfEach; ++i) {
        CHECK(get("/large/" + std::to_string(i)).get("X-Cache") == kHit); // from its file, and checked by now
    }
    disk.hold_ends_of("/large/", 100'000);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < kOfEach; ++i) {
        clients.push_back(std::make_unique<RawClient>(proxy->port()));
        clients.back()->get("/large/" + std::to_string(i));
    }
    ProxyUnderTest::await([this] { return disk.waiting_reads() > 0; }, "the disk is asked");
    check_all_else_is_answered();
    disk.let_go();
    for (int i = 0; i < kOfEach; ++i) {
        const Response response = clients[static_cast<std::size_t>(i)]->read();
        CHECK((response.content == content_of("/large/" + std::to_string(i))));
    }
}
