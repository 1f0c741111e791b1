// The file of purges: when it is believed, and what it comes to when it is not.
#include "cache/purge_file.h"

#include "tests/unit/cache/purge_tools.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace gatehouse;
using namespace gatehouse::testing;
using cache::PurgeFile;
using cache::PurgeTable;
using Found = PurgeFile::Found;

namespace {

constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kBootIdAt = 256;
constexpr std::size_t kBootIdEnd = 296;
constexpr std::size_t kStateEnd = 312;
constexpr std::size_t kHeaderEnd = 248; // of what never changes

// As a process that was killed leaves it, and as a clean stop does.
struct Files {
    std::string in_use;
    std::string closed;
};

Files make_files(const PurgeDirectory& directory) {
    Files files;
    {
        const auto log = new_log(directory.path());
        log->record(exact_purge("h", "/a"));
        log->record(prefix_purge("h", "/folder/"));
        files.in_use = read_all(directory.path());
    }
    files.closed = read_all(directory.path());
    return files;
}

Found found_with(const PurgeDirectory& directory, const std::string& content, const std::string& boot_id = kBootId) {
    write_all(directory.path("copy"), content);
    return found_in(directory.path("copy"), boot_id);
}

std::string flipped(std::string content, std::size_t at) {
    content[at] = static_cast<char>(content[at] ^ (1 << at % 8));
    return content;
}

class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        handler_ = std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

private:
    rlimit before_{};
    void (*handler_)(int) = nullptr;
};

} // namespace

TEST_CASE("the tables and slots of a file of purges lie where its format says") {
    CHECK(PurgeFile::kNewestAt == 512);
    CHECK(PurgeFile::kEverythingAt == 640);
    CHECK(PurgeFile::kExactAt == 4096);
    CHECK(PurgeFile::kAnyHostAt == 1'052'672);
    CHECK(PurgeFile::kPathsAt == 2'101'248);
    CHECK(PurgeFile::kPrefixesAt == 2'166'784);
    CHECK(PurgeFile::kFileBytes == 3'219'456);
    const PurgeDirectory directory;
    const Files files = make_files(directory);
    CHECK(files.in_use.size() == PurgeFile::kFileBytes);
    CHECK(files.in_use.substr(0, 8) == "GHPURGE1");
    CHECK(files.in_use.substr(kBootIdAt, kBootId.size()) == kBootId);
    CHECK(files.in_use.substr(304, 8) == "--in-use");
    CHECK(files.closed.substr(304, 8) == "closed--");
    CHECK(files.in_use.substr(PurgeFile::kPrefixesAt + 16, 9) == "h/folder/");
}

TEST_CASE("a file of purges is private, has its full size, and leaves no other file") {
    const PurgeDirectory directory;
    const auto file = open_purges(directory.path());
    CHECK(file->found() == Found::New);
    struct stat facts {};
    REQUIRE(::stat(directory.path().c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0600);
    CHECK(facts.st_size == static_cast<off_t>(PurgeFile::kFileBytes));
    CHECK(static_cast<std::size_t>(facts.st_blocks) * 512 >= PurgeFile::kFileBytes);
    CHECK_FALSE(std::filesystem::exists(directory.path("purges.new")));
}

TEST_CASE("what a start finds of a file of purges") {
    const PurgeDirectory directory;
    const Files files = make_files(directory);
    const auto edited = [](std::string content, std::size_t at, std::string_view with) {
        return content.replace(at, with.size(), with);
    };
    struct Row {
        const char* name;
        std::string content;
        std::string boot_id;
        Found found;
    };
    const std::vector<Row> rows = {
        {"killed", files.in_use, kBootId, Found::Restored},
        {"killed, another boot", files.in_use, "another", Found::PowerFailure},
        {"killed, a boot id that begins the same", files.in_use, kBootId + "0", Found::PowerFailure},
        {"killed, no boot id to be had", files.in_use, "", Found::PowerFailure},
        {"closed", files.closed, kBootId, Found::Restored},
        {"closed, another boot", files.closed, "another", Found::Restored},
        {"closed, no boot id to be had", files.closed, "", Found::Restored},
        {"of a later version", edited(files.closed, kVersionAt, "\x02"), kBootId, Found::OtherVersion},
        {"of a later version, of another size", edited(files.closed, kVersionAt, "\x02") + "x", kBootId,
         Found::OtherVersion},
        {"another file", std::string(PurgeFile::kFileBytes, 'x'), kBootId, Found::Damaged},
        {"zeros", std::string(PurgeFile::kFileBytes, '\0'), kBootId, Found::Damaged},
        {"nothing", "", kBootId, Found::Damaged},
        {"a piece of a header", files.closed.substr(0, 100), kBootId, Found::Damaged},
        {"a header alone", files.closed.substr(0, PurgeFile::kHeaderBytes), kBootId, Found::Damaged},
        {"too short", files.closed.substr(0, PurgeFile::kFileBytes - 1), kBootId, Found::Damaged},
        {"too long", files.closed + "x", kBootId, Found::Damaged},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        CHECK(found_with(directory, row.content, row.boot_id) == row.found);
        // By now it is a file that is believed, or one that says again that everything has to be purged.
        const Found again = found_in(directory.path("copy"), row.boot_id);
        CHECK(again == (row.found == Found::Restored ? Found::Restored : Found::New));
    }
}

TEST_CASE("a file of purges of another store is replaced") {
    const PurgeDirectory directory;
    write_all(directory.path("copy"), make_files(directory).closed);
    auto other = kStoreId;
    other[15] ^= 1;
    const auto file = PurgeFile::open(directory.path("copy"), other, kBootId);
    REQUIRE(file);
    CHECK((*file)->found() == Found::OtherStore);
    CHECK((*file)->found_prefixes().empty());
    CHECK(PurgeTable((*file)->exact()).largest() == 0);
}

TEST_CASE("a flipped bit in the header of a file of purges is found, wherever it is") {
    const PurgeDirectory directory;
    const Files files = make_files(directory);
    const auto wrong = [&](const std::string& content, std::size_t from, std::size_t to) {
        std::vector<std::size_t> believed;
        for (std::size_t at = from; at < to; ++at) {
            if (found_with(directory, flipped(content, at)) == Found::Restored) {
                believed.push_back(at);
            }
        }
        return believed.empty() ? std::string() : "believed at " + std::to_string(believed.front());
    };
    CHECK(wrong(files.in_use, kBootIdAt, kBootIdEnd) == "");
    CHECK(wrong(files.in_use, kBootIdEnd + 8, kStateEnd) == ""); // between them the checksum that nobody has made yet
    CHECK(wrong(files.closed, 0, kHeaderEnd) == "");
    CHECK(wrong(files.closed, kBootIdEnd, kStateEnd) == "");
}

TEST_CASE("a flipped bit in the content of a file of purges that was closed is found") {
    const PurgeDirectory directory;
    const Files files = make_files(directory);
    for (std::size_t at = PurgeFile::kNewestAt; at < PurgeFile::kFileBytes; at += 40'009) {
        CAPTURE(at);
        CHECK(found_with(directory, flipped(files.closed, at)) == Found::Damaged);
    }
    CHECK(found_with(directory, flipped(files.closed, PurgeFile::kFileBytes - 1)) == Found::Damaged);
}

TEST_CASE("a damaged prefix, or a number that nobody gave, makes a file of purges one that is not believed") {
    const PurgeDirectory directory;
    const Files files = make_files(directory);
    for (const std::size_t at : {std::size_t{0}, std::size_t{8}, std::size_t{12}, std::size_t{16}, std::size_t{1016}}) {
        CAPTURE(at);
        const auto content = flipped(files.in_use, PurgeFile::kPrefixesAt + at);
        CHECK(found_with(directory, content) == Found::Damaged);
    }
    struct Row {
        std::uint64_t number;
        Found found;
    };
    for (const Row row :
         {Row{PurgeFile::kMaxNumber, Found::Restored}, Row{PurgeFile::kMaxNumber + 1, Found::Damaged}}) {
        CAPTURE(row.number);
        for (int table = 0; table < 3; ++table) {
            write_all(directory.path("copy"), files.in_use);
            {
                const auto file = open_purges(directory.path("copy"));
                const auto sets = table == 0 ? file->exact() : table == 1 ? file->any_host() : file->paths();
                PurgeTable(sets).record({0, 5}, row.number);
            }
            CHECK(found_in(directory.path("copy")) == row.found);
        }
        write_all(directory.path("copy"), files.in_use);
        open_purges(directory.path("copy"))->add_prefix(std::nullopt, "/", row.number);
        CHECK(found_in(directory.path("copy")) == row.found);
        write_all(directory.path("copy"), files.in_use);
        open_purges(directory.path("copy"))->everything() = row.number;
        CHECK(found_in(directory.path("copy")) == row.found);
    }
}

TEST_CASE("prefixes are found as they were added, and not when they were dropped") {
    const PurgeDirectory directory;
    new_log(directory.path());
    const std::string long_path(PurgeFile::kPrefixPath + 1, 'p');
    const std::string long_host(PurgeFile::kPrefixAuthority + 1, 'h');
    const std::string path = long_path.substr(1);
    const std::string host = long_host.substr(1);
    struct Row {
        std::optional<std::string> authority;
        std::string path;
        cache::PurgePrefix found;
    };
    const std::vector<Row> rows = {
        {std::nullopt, "", {std::nullopt, "", 100}},
        {"", "/a", {"", "/a", 101}},
        {"h", "/a", {"h", "/a", 102}},
        {host, path, {host, path, 103}},
        {"h", long_path, {"h", path, 104}}, // what has no room kills more
        {long_host, "/a", {std::nullopt, "/a", 105}},
    };
    {
        const auto file = open_purges(directory.path());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            file->add_prefix(rows[i].authority, rows[i].path, 100 + i);
        }
        file->drop_prefix(file->add_prefix("gone", "/gone", 106));
    }
    const auto file = open_purges(directory.path());
    std::vector<cache::PurgePrefix> found;
    for (const auto& each : file->found_prefixes()) {
        found.push_back(each.prefix);
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    REQUIRE(found.size() == rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(i);
        CHECK(found[i] == rows[i].found);
    }
}

TEST_CASE("a file of purges is not believed before everything was purged because of its making") {
    const PurgeDirectory directory;
    {
        const auto file = open_purges(directory.path());
        CHECK(file->found() == Found::New);
        write_all(directory.path("killed"), read_all(directory.path()));
    }
    CHECK(found_in(directory.path("killed")) == Found::New);
    {
        const auto file = open_purges(directory.path()); // closed, and yet
        CHECK(file->found() == Found::New);
        file->settle();
        write_all(directory.path("killed"), read_all(directory.path()));
    }
    CHECK(found_in(directory.path("killed")) == Found::Restored);
    CHECK(found_in(directory.path()) == Found::Restored);
}

TEST_CASE("a file of purges that was closed is in use from its opening on") {
    const PurgeDirectory directory;
    write_all(directory.path(), make_files(directory).closed);
    const auto file = open_purges(directory.path(), "next");
    CHECK(file->found() == Found::Restored);
    CHECK(found_with(directory, read_all(directory.path()), "next") == Found::Restored);
    CHECK(found_with(directory, read_all(directory.path()), kBootId) == Found::PowerFailure);
}

TEST_CASE("a file of purges that was copied with holes is filled before it is used") {
    const PurgeDirectory directory;
    const std::string closed = make_files(directory).closed;
    {
        std::ofstream file(directory.path("copy"), std::ios::binary);
        const std::string page_of_zeros(4096, '\0');
        for (std::size_t at = 0; at < closed.size(); at += page_of_zeros.size()) {
            const std::string page = closed.substr(at, page_of_zeros.size());
            if (page != page_of_zeros) {
                file.seekp(static_cast<std::streamoff>(at));
                file << page;
            }
        }
    }
    std::filesystem::resize_file(directory.path("copy"), closed.size());
    const auto file = open_purges(directory.path("copy"));
    CHECK(file->found() == Found::Restored);
    struct stat facts {};
    REQUIRE(::stat(directory.path("copy").c_str(), &facts) == 0);
    CHECK(static_cast<std::size_t>(facts.st_blocks) * 512 >= PurgeFile::kFileBytes);
}

TEST_CASE("a file of purges that has no room is an error, and leaves nothing") {
    const PurgeDirectory directory;
    {
        const FileSizeLimit limit(PurgeFile::kFileBytes - 1);
        const auto file = PurgeFile::open(directory.path(), kStoreId, kBootId);
        REQUIRE_FALSE(file);
        CHECK(file.error() == boost::system::errc::file_too_large);
    }
    CHECK(std::filesystem::is_empty(directory.directory()));
    CHECK(found_in(directory.path()) == Found::New);

    const PurgeDirectory small;
    if (::mount("tmpfs", small.directory().c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") != 0) {
        MESSAGE("not tried on a file system that is full: mounting one is not permitted");
        return;
    }
    const auto file = PurgeFile::open(small.path(), kStoreId, kBootId);
    const bool is_empty = std::filesystem::is_empty(small.directory());
    ::umount(small.directory().c_str());
    REQUIRE_FALSE(file);
    CHECK(file.error() == boost::system::errc::no_space_on_device);
    CHECK(is_empty);
}

TEST_CASE("a file of purges that cannot be opened is an error") {
    const PurgeDirectory directory;
    const auto nowhere = PurgeFile::open(directory.path("missing/purges"), kStoreId, kBootId);
    REQUIRE_FALSE(nowhere);
    CHECK(nowhere.error() == boost::system::errc::no_such_file_or_directory);
    std::filesystem::create_directory(directory.path());
    const auto folder = PurgeFile::open(directory.path(), kStoreId, kBootId);
    REQUIRE_FALSE(folder);
    CHECK(folder.error() == boost::system::errc::is_a_directory);
}

TEST_CASE("the boot id of this machine can be read and is no path or message") {
    const std::string id = PurgeFile::current_boot_id();
    CHECK((id.empty() || id.size() == 36));
    CHECK(id == PurgeFile::current_boot_id());
}
