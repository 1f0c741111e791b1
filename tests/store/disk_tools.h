// A directory for a disk store, and files whose behaviour a test decides.
#pragma once

#include "cache/store/disk_files.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace gatehouse::cache::store::testing {

class DiskDirectory {
public:
    DiskDirectory() {
        std::string name = (std::filesystem::temp_directory_path() / "gatehouse-disk-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~DiskDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    DiskDirectory(const DiskDirectory&) = delete;
    DiskDirectory& operator=(const DiskDirectory&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// Real files that may be told to fail, to have nothing at hand, or to wait.
class HookedFiles final : public disk::Files {
public:
    std::atomic<bool> nothing_at_hand{false};
    std::atomic<bool> writes_fail{false};
    std::atomic<std::size_t> percent_that_arrives{0}; // of a write of more than 1,000 bytes that fails
    std::atomic<bool> reads_fail{false};
    std::atomic<int> writes{0};
    std::function<void()> before_read = [] {}; // one that may block

    disk::FileError make_directory(const std::string& path) override { return real_.make_directory(path); }
    disk::FileResult<std::vector<std::string>> list(const std::string& directory) override {
        return real_.list(directory);
    }
    disk::FileResult<std::unique_ptr<disk::File>> open(const std::string& path) override {
        auto file = real_.open(path);
        if (!file) {
            return file.error();
        }
        return std::unique_ptr<disk::File>(std::make_unique<HookedFile>(*this, std::move(*file)));
    }
    disk::FileResult<std::unique_ptr<disk::File>> lock(const std::string& path) override { return real_.lock(path); }
    disk::FileError remove(const std::string& path) override { return real_.remove(path); }
    disk::FileError replace(const std::string& path, std::string_view content) override {
        return real_.replace(path, content);
    }

private:
    static disk::FileError broken() { return boost::system::errc::make_error_code(boost::system::errc::io_error); }

    class HookedFile final : public disk::File {
    public:
        HookedFile(HookedFiles& all, std::unique_ptr<disk::File> real) : all_(all), real_(std::move(real)) {}
        disk::FileError read(std::span<char> bytes, std::uint64_t offset) const override {
            all_.before_read();
            return all_.reads_fail ? broken() : real_->read(bytes, offset);
        }
        disk::FileError read_at_hand(std::span<char> bytes, std::uint64_t offset) const override {
            if (all_.nothing_at_hand) {
                return boost::system::errc::make_error_code(boost::system::errc::resource_unavailable_try_again);
            }
            return all_.reads_fail ? broken() : real_->read(bytes, offset); // a tmpfs knows no RWF_NOWAIT
        }
        bool is_at_hand(std::uint64_t offset, std::uint64_t bytes) const noexcept override {
            return !all_.nothing_at_hand && real_->is_at_hand(offset, bytes);
        }
        int descriptor() const noexcept override { return real_->descriptor(); }
        disk::FileError write_pieces(std::span<const std::string_view> pieces, std::uint64_t offset) override {
            ++all_.writes;
            if (!all_.writes_fail) {
                return real_->write_pieces(pieces, offset);
            }
            std::string bytes;
            for (const std::string_view piece : pieces) {
                bytes += piece;
            }
            const std::size_t part = bytes.size() > 1000 ? bytes.size() * all_.percent_that_arrives / 100 : 0;
            real_->write(std::string_view(bytes).substr(0, part), offset);
            return broken();
        }
        disk::FileError allocate(std::uint64_t bytes) override { return real_->allocate(bytes); }
        disk::FileError sync() override { return real_->sync(); }
        disk::FileResult<std::uint64_t> size() const override { return real_->size(); }

    private:
        HookedFiles& all_;
        std::unique_ptr<disk::File> real_;
    };

    disk::PosixFiles real_;
};

} // namespace gatehouse::cache::store::testing
