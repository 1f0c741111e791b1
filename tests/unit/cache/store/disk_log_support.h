// What the tests of the disk store's log share: a directory that goes away, files that fail or do something in the
// middle of an operation, and a log with its index.
#pragma once

#include "cache/store/disk_log.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace gatehouse::cache::store::disk::testing {

namespace fs = std::filesystem;

inline constexpr std::uint64_t kSegment = 64 * 1024;

class TemporaryDirectory {
public:
    enum class Identity { OfTheTests, None };
    // Making an identity waits for the disk, which hundreds of directories would feel: most have the same one.
    explicit TemporaryDirectory(Identity identity = Identity::OfTheTests) {
        std::string name = (fs::temp_directory_path() / "gatehouse-disk-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
        if (identity == Identity::OfTheTests) {
            static const std::string content = new_identity();
            std::ofstream(file("identity"), std::ios::binary) << content;
        }
    }
    ~TemporaryDirectory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

private:
    static std::string new_identity() {
        const TemporaryDirectory directory(Identity::None);
        PosixFiles files;
        DiskIndex index;
        LogRecovery found;
        REQUIRE(DiskLog::open(files, {directory.path(), kSegment, 4, false, 32}, index, found));
        std::ifstream in(directory.file("identity"), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    std::string path_;
};

// The real files, with a question before each operation that may answer with an error. Of a write that fails half
// arrives, as on a disk that fills up; of a read half is done when it is asked.
class HookedFiles : public Files {
public:
    enum class Operation {
        Directory,
        List,
        Open,
        Lock,
        Replace,
        Remove,
        Read,
        ReadAtHand,
        Write,
        Allocate,
        Sync,
        Size
    };
    using Hook = std::function<FileError(Operation operation, const std::string& name)>;
    static FileError broken() { return boost::system::errc::make_error_code(boost::system::errc::io_error); }
    explicit HookedFiles(Hook hook) : before(std::move(hook)) {}

    FileError make_directory(const std::string& path) override {
        const FileError error = ask(Operation::Directory, path);
        return error ? error : real_.make_directory(path);
    }
    FileResult<std::vector<std::string>> list(const std::string& directory) override {
        if (const FileError error = ask(Operation::List, directory)) return error;
        return real_.list(directory);
    }
    FileResult<std::unique_ptr<File>> open(const std::string& path) override {
        return wrap(Operation::Open, path, &Files::open);
    }
    FileResult<std::unique_ptr<File>> lock(const std::string& path) override {
        return wrap(Operation::Lock, path, &Files::lock);
    }
    FileError replace(const std::string& path, std::string_view content) override {
        const FileError error = ask(Operation::Replace, path);
        return error ? error : real_.replace(path, content);
    }
    FileError remove(const std::string& path) override {
        const FileError error = ask(Operation::Remove, path);
        return error ? error : real_.remove(path);
    }

    const Hook before;

private:
    class HookedFile final : public File {
    public:
        HookedFile(const HookedFiles& all, std::string name, std::unique_ptr<File> real)
            : all_(all), name_(std::move(name)), real_(std::move(real)) {}
        FileError read(std::span<char> bytes, std::uint64_t offset) const override {
            const std::size_t half = bytes.size() / 2;
            if (const FileError error = real_->read(bytes.first(half), offset)) return error;
            if (const FileError error = all_.ask(Operation::Read, name_)) return error;
            return real_->read(bytes.subspan(half), offset + half);
        }
        FileError read_at_hand(std::span<char> bytes, std::uint64_t offset) const override {
            const FileError error = all_.ask(Operation::ReadAtHand, name_);
            return error ? error : real_->read(bytes, offset);
        }
        FileError write_pieces(std::span<const std::string_view> pieces, std::uint64_t offset) override {
            const FileError error = all_.ask(Operation::Write, name_);
            if (!error) return real_->write_pieces(pieces, offset);
            std::string bytes;
            for (const std::string_view piece : pieces) bytes += piece;
            real_->write(std::string_view(bytes).substr(0, bytes.size() / 2), offset);
            return error;
        }
        FileError allocate(std::uint64_t bytes) override {
            const FileError error = all_.ask(Operation::Allocate, name_);
            return error ? error : real_->allocate(bytes);
        }
        FileError sync() override {
            const FileError error = all_.ask(Operation::Sync, name_);
            return error ? error : real_->sync();
        }
        bool is_at_hand(std::uint64_t offset, std::uint64_t bytes) const noexcept override {
            return real_->is_at_hand(offset, bytes);
        }
        int descriptor() const noexcept override { return real_->descriptor(); }
        FileResult<std::uint64_t> size() const override {
            if (const FileError error = all_.ask(Operation::Size, name_)) return error;
            return real_->size();
        }

    private:
        const HookedFiles& all_;
        std::string name_;
        std::unique_ptr<File> real_;
    };

    FileError ask(Operation operation, const std::string& path) const {
        return before ? before(operation, fs::path(path).filename().string()) : FileError();
    }
    FileResult<std::unique_ptr<File>> wrap(Operation operation, const std::string& path,
                                           FileResult<std::unique_ptr<File>> (Files::*make)(const std::string&)) {
        if (const FileError error = ask(operation, path)) return error;
        auto file = (real_.*make)(path);
        if (!file) return file.error();
        const std::string name = fs::path(path).filename().string();
        return std::unique_ptr<File>(std::make_unique<HookedFile>(*this, name, std::move(*file)));
    }

    PosixFiles real_;
};

// Fails every operation from the n-th on, or only that one.
class FaultyFiles final : public HookedFiles {
public:
    FaultyFiles(std::size_t nth, bool only_once)
        : HookedFiles([this, nth, only_once](Operation, const std::string&) {
              ++operations_;
              return (only_once ? operations_ == nth : operations_ >= nth) ? broken() : FileError();
          }) {}
    std::size_t operations() const { return operations_; }

private:
    std::size_t operations_ = 0;
};

// A log with its index; destroyed without close() it leaves what a killed process leaves.
struct OpenLog {
    explicit OpenLog(const TemporaryDirectory& directory, std::uint32_t segments = 4)
        : OpenLog(directory, segments, posix) {}
    OpenLog(const TemporaryDirectory& directory, std::uint32_t segments, Files& files)
        : OpenLog(files, {directory.path(), kSegment, segments, false, 32}) {}
    OpenLog(Files& files, const LogOptions& options) {
        auto opened = DiskLog::open(files, options, index, found);
        error = opened ? FileError() : opened.error();
        if (opened) {
            log = std::move(*opened);
        }
    }
    FileError put(const std::string& key, const std::string& body, const std::string& secondary = "",
                  std::uint64_t sequence = 1) {
        NewRecord record;
        record.key = key;
        record.secondary_key = secondary;
        const std::string metadata = "head of " + key;
        record.metadata = metadata;
        record.body = body;
        record.total_bytes = body.size();
        record.sequence = sequence;
        const auto written = log->append(record);
        return written ? FileError() : written.error();
    }
    // What is stored for the key; "-" for nothing.
    std::string get(const std::string& key, const std::string& secondary = "") {
        const KeyHash hash = log->hash(key);
        for (const IndexEntry& entry : log->find(hash)) {
            if (entry.secondary_marker != DiskLog::marker_of(secondary)) continue;
            if (log->read(hash, entry.location, got, Blocking::Allowed) != ReadState::Whole) continue;
            CHECK(got.head.key == key);
            CHECK(got.head.secondary_key == secondary);
            CHECK(got.head.metadata == "head of " + key);
            return std::string(got.body);
        }
        return "-";
    }

    // The newest place of the key; it has to have one.
    IndexEntry entry(const std::string& key) const {
        const auto entries = log->find(log->hash(key));
        REQUIRE_FALSE(entries.empty());
        return entries.front();
    }
    ReadState read(const std::string& key, Blocking blocking = Blocking::Allowed) {
        return log->read(log->hash(key), entry(key).location, got, blocking);
    }

    PosixFiles posix;
    DiskIndex index;
    LogRecovery found;
    FileError error;
    std::unique_ptr<DiskLog> log;
    ReadRecord got;
};

// What may be found of each key after a start: what was stored last, what failed since, or nothing.
class MayBeFound {
public:
    void note(const std::string& key, const std::string& body, const FileError& error) {
        std::vector<std::string>& bodies = bodies_[key];
        if (!error) {
            bodies.clear();
        }
        bodies.push_back(body);
    }
    void check(OpenLog& disk) const {
        for (const auto& [key, bodies] : bodies_) {
            const std::string got = disk.get(key);
            CHECK((got == "-" || std::find(bodies.begin(), bodies.end(), got) != bodies.end()));
        }
    }

private:
    std::map<std::string, std::vector<std::string>> bodies_;
};

inline std::string body_of(std::size_t number, std::size_t bytes) {
    std::string body = std::to_string(number) + ":";
    body.resize(bytes, static_cast<char>('a' + number % 26));
    return body;
}

inline std::string file_content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

} // namespace gatehouse::cache::store::disk::testing
