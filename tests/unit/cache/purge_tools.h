// What the tests of purges in files share: a directory, copies of what a killed process leaves, keys and matchers.
#pragma once

#include "cache/purge_log.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

namespace gatehouse::testing {

inline constexpr cache::store::disk::StoreId kStoreId = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
inline const std::string kBootId = "c2af9133-edab-4b34-a52d-c420c424c939";

class PurgeDirectory {
public:
    // In memory where that can be had: hundreds of files are written back here.
    PurgeDirectory()
        : PurgeDirectory(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path()) {}
    explicit PurgeDirectory(const std::filesystem::path& parent) {
        std::string name = (parent / "gatehouse-purges-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        directory_ = name;
    }
    ~PurgeDirectory() { std::filesystem::remove_all(directory_); }
    PurgeDirectory(const PurgeDirectory&) = delete;
    PurgeDirectory& operator=(const PurgeDirectory&) = delete;

    std::string path(std::string_view name = "purges") const { return (directory_ / name).string(); }
    const std::filesystem::path& directory() const { return directory_; }

private:
    std::filesystem::path directory_;
};

inline std::string read_all(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_all(const std::string& path, std::string_view content) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    REQUIRE(file.good());
}

inline std::unique_ptr<cache::PurgeFile> open_purges(const std::string& path, const std::string& boot_id = kBootId) {
    auto file = cache::PurgeFile::open(path, kStoreId, boot_id);
    REQUIRE(file);
    return std::move(*file);
}

inline cache::PurgeFile::Found found_in(const std::string& path, const std::string& boot_id = kBootId) {
    return open_purges(path, boot_id)->found();
}

// A log whose file has been settled and has nothing in it but the purge of everything, number 1.
inline std::unique_ptr<cache::PurgeLog> new_log(const std::string& path) {
    return std::make_unique<cache::PurgeLog>(open_purges(path));
}

inline std::string purge_key(std::string_view authority, std::string_view path, std::string_view query = "") {
    std::string key = "rules|*\napi\n";
    key.append(authority).append(1, '\n').append(path).append(1, '\n').append(query).append(1, '\n');
    return key;
}

inline cache::PurgeMatcher exact_purge(std::optional<std::string> authority, std::string path, std::string query = "") {
    cache::PurgeMatcher matcher;
    matcher.authority = std::move(authority);
    matcher.path = std::move(path);
    matcher.query = std::move(query);
    return matcher;
}

inline cache::PurgeMatcher any_query_purge(std::optional<std::string> authority, std::string path) {
    cache::PurgeMatcher matcher = exact_purge(std::move(authority), std::move(path));
    matcher.any_query = true;
    return matcher;
}

inline cache::PurgeMatcher prefix_purge(std::optional<std::string> authority, std::string path) {
    cache::PurgeMatcher matcher = exact_purge(std::move(authority), std::move(path));
    matcher.prefix = true;
    return matcher;
}

} // namespace gatehouse::testing
