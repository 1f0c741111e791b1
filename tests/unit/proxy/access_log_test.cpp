// The access log as its readers see it: a file, and a pipe whose reader stalls. No test
// waits for time to pass but the one of a reader who never reads again.
#include "proxy/access_log.h"

#include "proxy/record_ring.h"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace gatehouse;
using namespace gatehouse::proxy;

namespace {

// A directory of its own, removed at the end.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "gatehouse-log-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

config::AccessLog options(const std::string& path, std::uint32_t queue_records = 8192) {
    config::AccessLog result;
    result.path = path;
    result.queue_records = queue_records;
    return result;
}

ExchangeRecord record_of(std::string_view target) {
    ExchangeRecord record;
    record.method = "GET";
    record.target = target;
    record.routed = true;
    record.status = 200;
    return record;
}

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The targets of the lines, each of which must be a JSON object.
std::vector<std::string> targets_in(const std::string& text) {
    std::vector<std::string> targets;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        CAPTURE(line);
        boost::system::error_code error;
        const boost::json::value value = boost::json::parse(line, error);
        REQUIRE_FALSE(error);
        targets.emplace_back(value.as_object().at("target").as_string());
    }
    return targets;
}

void wait_until_written(const AccessLog& log, std::uint64_t lines) {
    while (log.written() + log.lost() < lines) {
        std::this_thread::yield();
    }
}

// Until the writing side has closed.
std::string read_to_end(int descriptor) {
    std::string text;
    std::array<char, 65536> room;
    for (ssize_t count = 0; (count = ::read(descriptor, room.data(), room.size())) > 0;) {
        text.append(room.data(), static_cast<std::size_t>(count));
    }
    return text;
}

// A named pipe whose reading end is held open.
class Pipe {
public:
    explicit Pipe(std::string path) : path_(std::move(path)) {
        REQUIRE(::mkfifo(path_.c_str(), 0600) == 0);
        descriptor_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        REQUIRE(descriptor_ >= 0);
        REQUIRE(::fcntl(descriptor_, F_SETFL, 0) == 0); // reading waits from here on
    }
    ~Pipe() { close(); }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    const std::string& path() const { return path_; }
    void close() {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
            descriptor_ = -1;
        }
    }
    std::string read_all() const { return read_to_end(descriptor_); }

private:
    std::string path_;
    int descriptor_ = -1;
};

} // namespace

TEST_CASE("every record becomes a line, in order, and the end writes what is queued") {
    const Folder folder;
    const std::string path = folder.file("access.log");
    std::vector<std::string> expected;
    {
        AccessLog log(options(path), 1);
        REQUIRE(log.open_error().empty());
        for (int i = 0; i < 3000; ++i) {
            expected.push_back("/item/" + std::to_string(i));
            CHECK(log.submit(0, record_of(expected.back())));
        }
    }
    CHECK(targets_in(content_of(path)) == expected);
}

TEST_CASE("standard output may be a file, a pipe or a socket, and stays as blocking as it was") {
    struct Ends {
        int reading = -1;
        int writing = -1;
    };
    const Folder folder;
    const std::string path = folder.file("stdout");
    const auto open_ends = [&path](const std::string& kind) {
        int ends[2] = {-1, -1};
        if (kind == "a file") {
            ends[1] = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            ends[0] = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        } else if (kind == "a pipe") {
            CHECK(::pipe2(ends, O_CLOEXEC) == 0);
        } else {
            CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
            std::swap(ends[0], ends[1]);
        }
        REQUIRE(ends[0] >= 0);
        REQUIRE(ends[1] >= 0);
        return Ends{ends[0], ends[1]};
    };
    for (const std::string kind : {"a file", "a pipe", "a socket"}) {
        CAPTURE(kind);
        const Ends ends = open_ends(kind);
        std::string text;
        std::vector<std::string> expected;
        std::thread reader;
        {
            // The log keeps a descriptor of its own, so standard output is another one for a moment only.
            std::fflush(stdout);
            const int saved = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
            REQUIRE(::dup2(ends.writing, STDOUT_FILENO) >= 0);
            AccessLog log(options("-"), 1);
            REQUIRE(::dup2(saved, STDOUT_FILENO) >= 0);
            ::close(saved);
            REQUIRE(log.open_error().empty());
            CHECK((::fcntl(ends.writing, F_GETFL) & O_NONBLOCK) == 0);
            ::close(ends.writing);
            log.reopen(); // means nothing here
            if (kind != "a file") reader = std::thread([&] { text = read_to_end(ends.reading); });
            for (int i = 0; i < 3000; ++i) { // several times what a pipe holds
                expected.push_back("/" + std::to_string(i));
                CHECK(log.submit(0, record_of(expected.back())));
            }
        }
        if (reader.joinable()) {
            reader.join();
        } else {
            text = read_to_end(ends.reading);
        }
        ::close(ends.reading);
        CHECK(targets_in(text) == expected);
    }
}

TEST_CASE("a line from the queue is the line of the record") {
    const Folder folder;
    const std::string path = folder.file("access.log");
    ExchangeRecord record = record_of("/a\"b");
    record.started = http::WallTime{std::chrono::milliseconds(1'234'567'890'123)};
    record.duration = std::chrono::microseconds(17);
    record.origin_wait = std::chrono::microseconds(5);
    record.client = "192.0.2.1";
    record.authority = "example";
    record.user_agent = "agent \xFF";
    record.request_body_bytes = 1;
    record.response_body_bytes = 2;
    record.complete = true;
    record.http10 = true;
    record.behavior = 3;
    record.behavior_name = "*";
    record.origin = "api";
    record.origin_address = "192.0.2.2:80";
    record.origin_reused = true;
    record.origin_attempts = 1;
    record.origin_status = 503;
    record.cache.forwarded = cache::policy::Forwarded::VaryMiss;
    record.cache.ttl_seconds = 9;
    record.cache.reason = cache::policy::Reason::VaryMiss;
    record.store_reason = cache::policy::Reason::VaryStar;
    record.error = http::ErrorKind::DnsError;
    record.error_detail = "no such name";
    std::string expected;
    append_json_line(expected, record);
    append_json_line(expected, ExchangeRecord());
    {
        AccessLog log(options(path), 1);
        CHECK(log.submit(0, record));
        CHECK(log.submit(0, ExchangeRecord())); // nothing of the one before is left in it
    }
    CHECK(content_of(path) == expected);
}

TEST_CASE("a very long text is cut, so that it cannot fill the queue") {
    const Folder folder;
    const std::string path = folder.file("access.log");
    {
        AccessLog log(options(path), 1);
        CHECK(log.submit(0, record_of(std::string(1'000'000, 'x'))));
    }
    CHECK(targets_in(content_of(path)).at(0).size() == AccessLog::kMaxTextBytes);
}

TEST_CASE("all cores at once: every record arrives, each core's in its order") {
    constexpr unsigned kCores = 4;
    constexpr int kRecords = 2000;
    const Folder folder;
    const std::string path = folder.file("access.log");
    {
        AccessLog log(options(path), kCores);
        std::vector<std::thread> producers;
        std::atomic<int> dropped{0};
        for (unsigned core = 0; core < kCores; ++core) {
            producers.emplace_back([&log, &dropped, core] {
                for (int i = 0; i < kRecords; ++i) {
                    if (!log.submit(core, record_of("/" + std::to_string(core) + "/" + std::to_string(i)))) {
                        dropped.fetch_add(1);
                    }
                }
            });
        }
        log.reopen(); // beside them, on the same file
        for (std::thread& producer : producers) {
            producer.join();
        }
        CHECK(dropped == 0);
    }
    std::array<int, kCores> next{};
    for (const std::string& target : targets_in(content_of(path))) {
        const auto core = static_cast<std::size_t>(target[1] - '0');
        CHECK(target == "/" + std::to_string(core) + "/" + std::to_string(next[core]));
        ++next[core];
    }
    for (const int count : next) {
        CHECK(count == kRecords);
    }
}

TEST_CASE("a reader that stalls fills the queue; what was taken is all there once it reads on") {
    const Folder folder;
    Pipe pipe(folder.file("access.pipe"));
    auto log = std::make_unique<AccessLog>(options(pipe.path(), 64), 2);
    REQUIRE(log->open_error().empty());
    std::vector<std::string> taken;
    const std::string padding(400, 'p');
    // The pipe takes 64 KiB and the writer's batch 256 KiB; then the queue of 64 records is full for good.
    while (taken.size() < 100'000) {
        const std::string target = "/" + std::to_string(taken.size()) + padding;
        if (log->submit(0, record_of(target))) {
            taken.push_back(target);
        } else if (log->written() > 0) {
            // The pipe is full when nothing more comes through although the queue is full.
            const std::uint64_t before = log->written();
            int rounds = 0;
            while (rounds < 1000 && log->written() == before) {
                std::this_thread::yield();
                ++rounds;
            }
            if (rounds == 1000) {
                break;
            }
        }
    }
    CHECK(taken.size() >= 64);
    CHECK(taken.size() < 100'000);
    std::string text;
    std::thread reader([&] { text = pipe.read_all(); });
    log.reset(); // flushes while the reader reads, then closes: the reader comes to its end
    reader.join();
    CHECK(targets_in(text) == taken);
}

TEST_CASE("a reader that never reads again does not hang the end") {
    const Folder folder;
    const Pipe pipe(folder.file("access.pipe"));
    AccessLog log(options(pipe.path()), 1);
    const std::string padding(400, 'p');
    for (int i = 0; i < 2000; ++i) {
        log.submit(0, record_of(padding));
    }
    // The destructor gives up; the test ends.
}

TEST_CASE("a reader that is gone costs its lines, counted, and not the process") {
    const Folder folder;
    Pipe pipe(folder.file("access.pipe"));
    AccessLog log(options(pipe.path()), 1);
    CHECK(log.submit(0, record_of("/first")));
    wait_until_written(log, 1);
    CHECK(log.written() == 1);
    pipe.close();
    CHECK(log.submit(0, record_of("/second")));
    wait_until_written(log, 2);
    CHECK(log.lost() == 1);
}

TEST_CASE("a full disk loses lines and counts them") {
    if (!std::filesystem::exists("/dev/full")) {
        return;
    }
    AccessLog log(options("/dev/full"), 1);
    REQUIRE(log.open_error().empty());
    for (int i = 0; i < 10; ++i) {
        CHECK(log.submit(0, record_of("/")));
    }
    wait_until_written(log, 10);
    CHECK(log.written() == 0);
    CHECK(log.lost() == 10);
}

TEST_CASE("reopen: what is submitted afterwards is in the new file") {
    const Folder folder;
    const std::string path = folder.file("access.log");
    const std::string rotated = folder.file("access.log.1");
    {
        AccessLog log(options(path), 1);
        CHECK(log.submit(0, record_of("/old")));
        wait_until_written(log, 1);
        std::filesystem::rename(path, rotated);
        log.reopen();
        CHECK(log.submit(0, record_of("/new")));
    }
    CHECK(targets_in(content_of(rotated)) == std::vector<std::string>{"/old"});
    CHECK(targets_in(content_of(path)) == std::vector<std::string>{"/new"});
}

TEST_CASE("a file that cannot be opened again leaves the old one in use") {
    const Folder folder;
    const std::string directory = folder.file("logs");
    std::filesystem::create_directory(directory);
    const std::string path = directory + "/access.log";
    const std::string moved = folder.file("moved");
    {
        AccessLog log(options(path), 1);
        std::filesystem::rename(directory, moved);
        log.reopen();
        CHECK(log.submit(0, record_of("/still")));
    }
    CHECK(targets_in(content_of(moved + "/access.log")) == std::vector<std::string>{"/still"});
}

TEST_CASE("a file that cannot be opened is reported, and submitting does no harm") {
    AccessLog log(options("/nonexistent/folder/access.log"), 1);
    CHECK(log.open_error() == "access_log.path: cannot open /nonexistent/folder/access.log: No such file or directory");
    CHECK(log.submit(0, record_of("/")));
    log.reopen();
}

TEST_CASE("a log that is switched off takes everything and does nothing") {
    const Folder folder;
    config::AccessLog off = options(folder.file("access.log"));
    off.enabled = false;
    AccessLog log(off, 1);
    CHECK(log.open_error().empty());
    CHECK(log.submit(0, record_of("/")));
    CHECK(log.submit(7, record_of("/")));
    CHECK_FALSE(std::filesystem::exists(off.path));
}

TEST_CASE("a core that does not exist is refused") {
    const Folder folder;
    AccessLog log(options(folder.file("access.log")), 2);
    CHECK_FALSE(log.submit(2, record_of("/")));
}

TEST_CASE("the ring keeps order and content over many turns, and never its place") {
    RecordRing ring(4096, 1'000'000);
    const char* const block = ring.block();
    const std::size_t capacity = ring.capacity();
    std::mt19937 random(20261123);
    std::uniform_int_distribution<std::size_t> any_size(0, 700);
    std::deque<std::string> expected;
    std::size_t full = 0;
    for (int round = 0; round < 20'000; ++round) {
        const std::size_t size = any_size(random);
        if (char* room = ring.reserve(size); room != nullptr) {
            const std::string record(size, static_cast<char>('a' + round % 26));
            std::copy(record.begin(), record.end(), room);
            ring.publish();
            expected.push_back(record);
        } else {
            ++full;
        }
        while (!expected.empty() && random() % 3 != 0) {
            const auto found = ring.front();
            REQUIRE(found.data() != nullptr);
            CHECK(std::string_view(found.data(), found.size()) == expected.front());
            ring.pop();
            expected.pop_front();
        }
        CHECK(ring.empty() == expected.empty());
    }
    CHECK(full > 0);
    CHECK(ring.block() == block);
    CHECK(ring.capacity() == capacity);
}

TEST_CASE("the ring is full by records or by bytes, and is empty again afterwards") {
    RecordRing by_records(4096, 3);
    for (int i = 0; i < 3; ++i) {
        CHECK(by_records.is_half_full() == (i > 1));
        REQUIRE(by_records.reserve(1) != nullptr);
        by_records.publish();
    }
    CHECK(by_records.reserve(1) == nullptr);
    CHECK(by_records.front().size() == 1);
    by_records.pop();
    CHECK(by_records.reserve(1) != nullptr);

    RecordRing by_bytes(4096, 1000);
    CHECK(by_bytes.reserve(1025) == nullptr); // larger than a quarter: never
    int taken = 0;
    while (by_bytes.reserve(1024 - 8) != nullptr) {
        by_bytes.publish();
        ++taken;
    }
    CHECK(taken == 4);
    CHECK(by_bytes.is_half_full());
    while (by_bytes.front().data() != nullptr) {
        by_bytes.pop();
    }
    CHECK(by_bytes.empty());
    CHECK_FALSE(by_bytes.is_half_full());
    CHECK(by_bytes.reserve(1024 - 8) != nullptr);
}

TEST_CASE("two threads over one ring") {
    RecordRing ring(1024, 64);
    constexpr std::uint64_t kRecords = 100'000;
    std::thread producer([&ring] {
        for (std::uint64_t i = 0; i < kRecords;) {
            const std::size_t size = sizeof(i) + static_cast<std::size_t>(i % 50);
            if (char* room = ring.reserve(size); room != nullptr) {
                std::memset(room, static_cast<int>(i % 100), size);
                std::memcpy(room, &i, sizeof(i));
                ring.publish();
                ++i;
            } else {
                std::this_thread::yield();
            }
        }
    });
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < kRecords;) {
        const auto found = ring.front();
        if (found.data() == nullptr) {
            std::this_thread::yield();
            continue;
        }
        std::uint64_t number = 0;
        std::memcpy(&number, found.data(), sizeof(number));
        wrong += number != i || found.size() != sizeof(i) + static_cast<std::size_t>(i % 50) ? 1 : 0;
        wrong += found.size() > sizeof(i) && found.back() != static_cast<char>(i % 100) ? 1 : 0;
        ring.pop();
        ++i;
    }
    producer.join();
    CHECK(wrong == 0);
    CHECK(ring.empty());
}
