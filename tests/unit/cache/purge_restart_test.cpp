// Purges outlive the process, however it ends: closed, killed behind a purge, killed at any instruction within one.
#include "cache/purge_log.h"

#include "tests/unit/cache/purge_tools.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace gatehouse;
using namespace gatehouse::testing;
using cache::PurgeFile;
using cache::PurgeLog;
using cache::PurgeMatcher;
using Found = PurgeFile::Found;

namespace {

// What a process that was killed now leaves to the next one.
std::unique_ptr<PurgeLog> after_kill(const PurgeDirectory& directory) {
    write_all(directory.path("killed"), read_all(directory.path()));
    auto file = open_purges(directory.path("killed"));
    REQUIRE(file->found() == Found::Restored);
    return std::make_unique<PurgeLog>(std::move(file));
}

std::string key_by_rule(std::uint64_t number, std::string_view path) {
    return purge_key("h", path, "q=1") + "(" + std::to_string(number) + ")\n";
}

std::vector<std::string> keys_around() {
    std::vector<std::string> keys;
    for (const char* authority : {"h", "g", "*"}) {
        for (const char* path : {"/a", "/b", "/ab", "/folder/x", "/f"}) {
            for (const char* query : {"", "q=1"}) {
                keys.push_back(purge_key(authority, path, query));
            }
        }
    }
    keys.push_back(key_by_rule(1'000'000, "/a"));
    keys.push_back(key_by_rule(1'000'000, "/b"));
    return keys;
}

void check_same(const PurgeLog& one, const PurgeLog& other, std::uint64_t most) {
    REQUIRE(one.current() == other.current());
    CHECK(one.prefix_count() == other.prefix_count());
    for (const std::string& key : keys_around()) {
        CAPTURE(key);
        for (std::uint64_t sequence = 0; sequence <= most; ++sequence) {
            CHECK(one.kills(key, sequence, 0) == other.kills(key, sequence, 0));
            for (const char* groups : {"", "a\n", "a\nb\n", "\t\n"}) {
                CHECK(one.kills_group(key, groups, sequence, 0) == other.kills_group(key, groups, sequence, 0));
            }
        }
    }
}

// The pages of a file's mapping; the process that steps through them is a copy of this one.
char* watched_pages = nullptr;

void let_write(int) { ::mprotect(watched_pages, PurgeFile::kFileBytes, PROT_READ | PROT_WRITE); }

[[noreturn]] void run_traced(const std::function<void()>& act) {
    struct sigaction action {};
    action.sa_handler = let_write;
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0 || ::sigaction(SIGSEGV, &action, nullptr) != 0 ||
        ::mprotect(watched_pages, PurgeFile::kFileBytes, PROT_READ) != 0) {
        ::_exit(77);
    }
    act();
    ::_exit(0);
}

// Runs `act` in a process of its own, which is stopped behind each instruction from its first store into the file on;
// `look` is called where `changed` says so. False: nothing may be traced here.
bool step_through(const std::function<void()>& act, const std::function<bool()>& changed,
                  const std::function<void()>& look) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        run_traced(act);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status)) {
        return false;
    }
    CHECK(WSTOPSIG(status) == SIGSEGV);
    long signal = SIGSEGV; // its handler lets it write
    while (WIFSTOPPED(status)) {
        if (::ptrace(PTRACE_SINGLESTEP, child, nullptr, signal) != 0 || ::waitpid(child, &status, 0) != child) {
            ::kill(child, SIGKILL);
            ::waitpid(child, &status, 0);
            return false;
        }
        signal = 0;
        if (changed()) {
            look();
        }
    }
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    return true;
}

// The bytes of the file, as they change while `act` runs in another process.
class Watched {
public:
    explicit Watched(const std::function<void()>& act) : seen_(watched_pages, PurgeFile::kFileBytes) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            act();
            ::_exit(0);
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        for (std::size_t at = 0; at < seen_.size(); at += kLine) {
            if (differs(at)) {
                lines_.push_back(at);
            }
        }
        std::memcpy(watched_pages, seen_.data(), seen_.size()); // it has not happened
    }

    bool changed() {
        const auto found = std::find_if(lines_.begin(), lines_.end(), [this](std::size_t at) { return differs(at); });
        if (found == lines_.end()) {
            return false;
        }
        seen_.assign(watched_pages, PurgeFile::kFileBytes);
        return true;
    }
    const std::string& seen() const noexcept { return seen_; }

private:
    static constexpr std::size_t kLine = 64;
    bool differs(std::size_t at) const noexcept {
        return std::memcmp(watched_pages + at, seen_.data() + at, kLine) != 0;
    }

    std::string seen_;
    std::vector<std::size_t> lines_; // that it changes
};

struct Answered {
    std::string key;
    std::uint64_t number = 0;
};

// How many of these are not in force.
std::size_t missing(const PurgeLog& log, const std::vector<Answered>& answered) {
    std::size_t count = 0;
    for (const Answered& each : answered) {
        count += log.kills(each.key, each.number - 1, 0) ? 0 : 1;
    }
    return count;
}

} // namespace

TEST_CASE("a log whose file is new, or was replaced, has purged what was stored before") {
    const PurgeDirectory directory;
    for (const std::uint64_t begin_behind : {std::uint64_t{0}, std::uint64_t{500}}) {
        CAPTURE(begin_behind);
        std::filesystem::remove(directory.path());
        PurgeLog log(open_purges(directory.path()), begin_behind);
        CHECK(log.current() == begin_behind + 1);
        for (const std::string& key : keys_around()) {
            CHECK(log.kills(key, begin_behind, 0));
            CHECK_FALSE(log.kills(key, begin_behind + 1, 0));
        }
        const auto next = after_kill(directory);
        CHECK(next->current() == begin_behind + 1);
        CHECK(next->kills(purge_key("h", "/a"), begin_behind, 0));
    }
}

TEST_CASE("a log without a file numbers behind what is stored, and has purged nothing") {
    PurgeLog log(nullptr, 41);
    CHECK(log.current() == 0);
    CHECK_FALSE(log.kills(purge_key("h", "/a"), 0, 0));
    CHECK(log.record(exact_purge("h", "/a")) == 42);
    CHECK(log.kills(purge_key("h", "/a"), 41, 0));
}

TEST_CASE("numbers continue behind the larger of what is stored and what was purged") {
    struct Row {
        std::uint64_t begin_behind;
        std::uint64_t next;
    };
    for (const Row row : {Row{0, 4}, Row{2, 4}, Row{3, 4}, Row{4, 5}, Row{900, 901}}) {
        CAPTURE(row.begin_behind);
        const PurgeDirectory directory;
        {
            const auto log = new_log(directory.path());
            log->record_group("h", "g");
            CHECK(log->record(exact_purge("h", "/a")) == 3);
        }
        PurgeLog log(open_purges(directory.path()), row.begin_behind);
        CHECK(log.current() == 3);
        CHECK(log.latest() == row.next - 1);
        CHECK(log.next() == row.next);
        CHECK(log.record(exact_purge("h", "/b")) == row.next + 1);
    }
}

TEST_CASE("purges of each kind are in force after a kill and after a clean stop, as they were before") {
    struct Row {
        const char* name;
        std::function<void(PurgeLog&)> purge;
    };
    const std::vector<Row> rows = {
        {"host and query", [](PurgeLog& log) { log.record(exact_purge("h", "/a", "q=1")); }},
        {"host, no query", [](PurgeLog& log) { log.record(exact_purge("h", "/a")); }},
        {"host, any query", [](PurgeLog& log) { log.record(any_query_purge("h", "/a")); }},
        {"every host", [](PurgeLog& log) { log.record(exact_purge(std::nullopt, "/a", "q=1")); }},
        {"every host, any query", [](PurgeLog& log) { log.record(any_query_purge(std::nullopt, "/a")); }},
        {"a group", [](PurgeLog& log) { log.record_group("h", "a"); }},
        {"a group of every host", [](PurgeLog& log) { log.record_group(std::nullopt, "b"); }},
        {"a prefix", [](PurgeLog& log) { log.record(prefix_purge("h", "/a")); }},
        {"a prefix of every host", [](PurgeLog& log) { log.record(prefix_purge(std::nullopt, "/folder/")); }},
        {"prefixes that one covers",
         [](PurgeLog& log) {
             log.record(prefix_purge("h", "/folder/x"));
             log.record(prefix_purge("g", "/folder/y"));
             log.record(prefix_purge(std::nullopt, "/f"));
         }},
        {"everything",
         [](PurgeLog& log) {
             log.record(prefix_purge("h", "/folder/x"));
             log.record(exact_purge("h", "/a"));
             log.record(prefix_purge(std::nullopt, ""));
         }},
        {"one of each",
         [](PurgeLog& log) {
             log.record(exact_purge("g", "/b"));
             log.record_group("g", "a");
             log.record(prefix_purge("h", "/folder/"));
             log.record(any_query_purge("h", "/ab"));
         }},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const PurgeDirectory directory;
            auto log = new_log(directory.path());
            row.purge(*log);
            PurgeLog model; // what it is without a file
            model.record(prefix_purge(std::nullopt, ""));
            row.purge(model);
            const std::uint64_t most = model.current() + 1;
            check_same(*log, model, most);
            check_same(*after_kill(directory), model, most);
            log.reset();
            auto file = open_purges(directory.path(), "another boot");
            CHECK(file->found() == Found::Restored);
            const PurgeLog next(std::move(file));
            check_same(next, model, most);
        }
    }
}

TEST_CASE("behind each of many purges a killed process leaves all of them") {
    const PurgeDirectory directory;
    const auto log = new_log(directory.path());
    std::mt19937 random(20260401);
    const auto pick = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
    for (int round = 0; round < 80; ++round) {
        PurgeMatcher matcher = exact_purge(std::nullopt, std::string(1 + pick(1), '/') + "abf"[pick(2)]);
        if (pick(2) > 0) {
            matcher.authority = pick(1) == 0 ? "h" : "g";
        }
        matcher.prefix = pick(4) == 0;
        matcher.any_query = pick(3) == 0;
        if (pick(5) == 0) {
            log->record_group(matcher.authority, pick(1) == 0 ? "a" : "b");
        } else {
            log->record(matcher);
        }
        const auto next = after_kill(directory);
        check_same(*next, *log, 1);
        const std::uint64_t newest = log->current();
        for (const std::string& key : keys_around()) {
            CHECK(next->kills(key, newest - 1, 0) == log->kills(key, newest - 1, 0));
            CHECK_FALSE(next->kills(key, newest, 0));
        }
    }
}

TEST_CASE("more prefixes with long paths than there is room for are all in force after a kill") {
    const PurgeDirectory directory;
    const auto log = new_log(directory.path());
    const std::string folder(900, 'f');
    std::vector<Answered> answered;
    for (int i = 0; i < 1'100; ++i) {
        const std::string path = "/items/" + std::to_string(i) + "/" + folder + "/";
        answered.push_back({purge_key("h", path + "x"), log->record(prefix_purge("h", path))});
    }
    CHECK(log->prefix_count() == PurgeLog::kMaxPrefixes);
    const auto next = after_kill(directory);
    CHECK(next->prefix_count() == PurgeLog::kMaxPrefixes);
    CHECK(missing(*next, answered) == 0);
    CHECK_FALSE(next->kills(purge_key("h", "/other"), 1, 0));
    CHECK_FALSE(next->kills(purge_key("g", "/items/5/" + folder), 1, 0));
    CHECK_FALSE(next->kills(purge_key("h", "/items/1100/"), 1'000, 0)); // merged are the oldest
    // And the list goes on being merged, with room for what is written before others are dropped.
    for (int i = 1'100; i < 2'300; ++i) {
        const std::string path = "/items/" + std::to_string(i) + "/" + folder + "/";
        answered.push_back({purge_key("h", path + "x"), next->record(prefix_purge("h", path))});
    }
    CHECK(next->prefix_count() == PurgeLog::kMaxPrefixes);
    CHECK(missing(*next, answered) == 0);
}

TEST_CASE("a purge of everything does not widen what is merged later") {
    const PurgeDirectory directory;
    const auto log = new_log(directory.path());
    log->record(prefix_purge("g", "/other/"));
    log->record(prefix_purge(std::nullopt, ""));
    CHECK(log->prefix_count() == 0);
    const auto before = log->next();
    for (std::size_t i = 0; i < PurgeLog::kMaxPrefixes + 10; ++i) {
        log->record(prefix_purge("h", "/items/" + std::to_string(i) + "/"));
    }
    const auto next = after_kill(directory);
    for (const PurgeLog* each : {log.get(), next.get()}) {
        CHECK(each->kills(purge_key("h", "/other"), before - 2, 0));
        CHECK_FALSE(each->kills(purge_key("h", "/other"), before, 0));
        CHECK(each->kills(purge_key("h", "/items/0/"), before, 0));
    }
}

TEST_CASE("full sets of the tables are in force after a kill") {
    const PurgeDirectory directory;
    const auto log = new_log(directory.path());
    std::vector<Answered> answered;
    for (int i = 0; i < 150'000; ++i) {
        const std::string path = "/items/" + std::to_string(i);
        answered.push_back({purge_key("h", path), log->record(exact_purge("h", path))});
    }
    CHECK(missing(*after_kill(directory), answered) == 0);
}

TEST_CASE("a process that is killed at any instruction of a purge leaves all that was answered before") {
    const PurgeDirectory directory;
    auto file = open_purges(directory.path());
    watched_pages = reinterpret_cast<char*>(file->exact().data()) - PurgeFile::kExactAt;
    const auto log = std::make_unique<PurgeLog>(std::move(file));
    std::vector<Answered> answered;
    const auto add_exact = [&](int count) {
        for (int i = 0; i < count; ++i) {
            const std::string path = "/items/" + std::to_string(i);
            answered.push_back({purge_key("h", path), log->record(exact_purge("h", path))});
        }
    };
    const auto add_prefixes = [&](std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::string path = "/folder/" + std::to_string(i) + "/";
            answered.push_back({purge_key("h", path), log->record(prefix_purge("h", path))});
        }
    };
    struct Row {
        const char* name;
        std::function<void()> prepare;
        std::function<void()> act;
        std::size_t changes; // at least so many states that differ
    };
    const std::vector<Row> rows = {
        {"an exact purge", [] {}, [&] { log->record(exact_purge("h", "/new", "q=1")); }, 5},
        {"an exact purge into full sets", [&] { add_exact(300'000); },
         [&] { log->record(exact_purge("h", "/new", "q=1")); }, 6},
        {"an exact purge of what was purged", [&] { add_exact(1'000); },
         [&] { log->record(exact_purge("h", "/items/5")); }, 5},
        {"a group", [] {}, [&] { log->record_group("h", "g"); }, 4},
        {"a prefix", [&] { add_prefixes(3); }, [&] { log->record(prefix_purge("h", "/new")); }, 2},
        {"a prefix that covers others", [&] { add_prefixes(8); }, [&] { log->record(prefix_purge("h", "/folder/")); },
         10},
        {"everything", [&] { add_prefixes(8); }, [&] { log->record(prefix_purge(std::nullopt, "")); }, 9},
        {"a prefix where the list is full", [&] { add_prefixes(PurgeLog::kMaxPrefixes); },
         [&] { log->record(prefix_purge("h", "/new")); }, 4},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            row.prepare();
            Watched watched(row.act);
            std::size_t changes = 0;
            std::size_t lost = 0;
            std::size_t not_believed = 0;
            const auto look = [&] {
                ++changes;
                write_all(directory.path("killed"), watched.seen());
                auto left = open_purges(directory.path("killed"));
                not_believed += left->found() == Found::Restored ? 0 : 1;
                const PurgeLog next(std::move(left));
                lost += missing(next, answered);
                lost += next.prefix_count() <= PurgeLog::kMaxPrefixes ? 0 : 1;
            };
            if (!step_through(
                    row.act, [&] { return watched.changed(); }, look)) {
                MESSAGE("not tried: tracing a process is not permitted");
                return;
            }
            CHECK(changes >= row.changes);
            CHECK(not_believed == 0);
            CHECK(lost == 0);
        }
    }
}

TEST_CASE("a purge that a process reported before it was killed is in force for the next one") {
    const PurgeDirectory directory{std::filesystem::temp_directory_path()}; // on a disk, mostly
    new_log(directory.path());
    std::mt19937 random(20260402);
    std::vector<Answered> answered;
    for (int round = 0; round < 20; ++round) {
        int ends[2] = {-1, -1};
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        const auto path_of = [round](std::uint64_t i) {
            return "/" + std::to_string(round) + "/" + std::to_string(i) + "/";
        };
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            auto file = PurgeFile::open(directory.path(), kStoreId, kBootId);
            if (!file || (*file)->found() != Found::Restored) {
                ::_exit(1);
            }
            PurgeLog log(std::move(*file));
            for (std::uint64_t i = 0;; ++i) {
                const auto number =
                    log.record(i % 2 == 0 ? exact_purge("h", path_of(i)) : prefix_purge("h", path_of(i)));
                if (::write(ends[1], &number, sizeof number) != sizeof number) {
                    ::_exit(1);
                }
            }
        }
        ::close(ends[1]);
        const std::uint64_t most = std::uniform_int_distribution<std::uint64_t>(1, 60)(random);
        bool is_killed = false;
        std::uint64_t number = 0;
        for (std::uint64_t i = 0; ::read(ends[0], &number, sizeof number) == sizeof number; ++i) {
            answered.push_back({purge_key("h", path_of(i)), number});
            if (i + 1 >= most && !is_killed) {
                ::kill(child, SIGKILL);
                is_killed = true;
            }
        }
        ::close(ends[0]);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == SIGKILL);
        CHECK(missing(*after_kill(directory), answered) == 0);
    }
    CHECK(answered.size() > 100);
}

TEST_CASE("whoever sees a purge's number finds it in the file's tables, while others are recorded") {
    const PurgeDirectory directory;
    new_log(directory.path());
    PurgeLog log(open_purges(directory.path()));
    std::atomic<bool> stop{false};
    std::atomic<bool> missed{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i) {
        readers.emplace_back([&] {
            const std::string key = purge_key("h", "/a/b");
            while (!stop.load()) {
                const std::uint64_t seen = log.current();
                if (seen > 1 && !log.kills(key, seen - 1, 0)) {
                    missed = true;
                }
            }
        });
    }
    for (int i = 0; i < 5'000; ++i) {
        log.record(i % 3 == 0 ? prefix_purge("h", i % 2 == 0 ? "/a" : "/a/") : exact_purge("h", "/a/b"));
    }
    stop = true;
    for (auto& reader : readers) {
        reader.join();
    }
    CHECK_FALSE(missed.load());
    CHECK(after_kill(directory)->current() == log.current());
}
