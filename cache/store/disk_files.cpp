#include "cache/store/disk_files.h"

#include <boost/container/static_vector.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace gatehouse::cache::store::disk {

namespace {

namespace errc = boost::system::errc;

constexpr mode_t kOwnerOnly = 0600;

FileError last_error() noexcept { return {errno, boost::system::system_category()}; }

// What linux/mman.h of Linux 6.5 and later has.
struct CachedRange {
    std::uint64_t offset;
    std::uint64_t bytes;
};
struct CachedPages {
    std::uint64_t cached;
    std::uint64_t dirty;
    std::uint64_t under_writeback;
    std::uint64_t evicted;
    std::uint64_t recently_evicted;
};
constexpr long kCachestat = 451; // its number, on every architecture

// nullopt: the system, or what confines this process, does not say.
std::optional<std::uint64_t> count_cached_pages(int descriptor, std::uint64_t offset, std::uint64_t bytes) noexcept {
    static std::atomic<bool> is_refused{false};
    if (is_refused.load(std::memory_order_relaxed)) {
        return std::nullopt;
    }
    const CachedRange range{offset, bytes};
    CachedPages pages{};
    if (::syscall(kCachestat, descriptor, &range, &pages, 0) != 0) {
        is_refused.store(true, std::memory_order_relaxed);
        return std::nullopt;
    }
    return pages.cached;
}

using Pieces = boost::container::static_vector<iovec, File::kMostPieces>;

// So many bytes from the front, and what is empty then.
void drop_written(Pieces& pieces, std::size_t bytes) noexcept {
    auto left = pieces.begin();
    for (; left != pieces.end() && left->iov_len <= bytes; ++left) {
        bytes -= left->iov_len;
    }
    pieces.erase(pieces.begin(), left);
    if (bytes > 0) {
        pieces.front().iov_base = static_cast<char*>(pieces.front().iov_base) + bytes;
        pieces.front().iov_len -= bytes;
    }
}

class PosixFile final : public File {
public:
    explicit PosixFile(int descriptor) noexcept : descriptor_(descriptor) { map(); }
    ~PosixFile() override {
        if (unsigned char* const pages = pages_.load(std::memory_order_acquire)) {
            ::munmap(pages, mapped_bytes_);
        }
        ::close(descriptor_);
    }
    PosixFile(const PosixFile&) = delete;
    PosixFile& operator=(const PosixFile&) = delete;

    FileError read(std::span<char> bytes, std::uint64_t offset) const override {
        const Transfer transfer(*this);
        return read_descriptor(descriptor_, bytes, offset);
    }

    FileError read_at_hand(std::span<char> bytes, std::uint64_t offset) const override {
        while (!bytes.empty()) {
            const iovec room{bytes.data(), bytes.size()};
            const ssize_t got = ::preadv2(descriptor_, &room, 1, static_cast<off_t>(offset), RWF_NOWAIT);
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got < 0) {
                const bool cannot_say = errno == EOPNOTSUPP || errno == ENOSYS; // tmpfs, overlayfs
                if (!cannot_say) {
                    return last_error();
                }
                return is_at_hand(offset, bytes.size())
                           ? read(bytes, offset)
                           : errc::make_error_code(errc::resource_unavailable_try_again);
            }
            if (got == 0) {
                return errc::make_error_code(errc::io_error);
            }
            // Fewer than asked for: the next call says whether the rest is missing in memory or in the file.
            bytes = bytes.subspan(static_cast<std::size_t>(got));
            offset += static_cast<std::uint64_t>(got);
        }
        return {};
    }

    FileError write_pieces(std::span<const std::string_view> pieces, std::uint64_t offset) override {
        const Transfer transfer(*this);
        Pieces left;
        for (const std::string_view piece : pieces) {
            left.push_back({const_cast<char*>(piece.data()), piece.size()}); // NOLINT: it is not written to
        }
        drop_written(left, 0);
        while (!left.empty()) {
            const ssize_t put =
                ::pwritev(descriptor_, left.data(), static_cast<int>(left.size()), static_cast<off_t>(offset));
            if (put < 0 && errno == EINTR) {
                continue;
            }
            if (put <= 0) {
                return put < 0 ? last_error() : errc::make_error_code(errc::no_space_on_device);
            }
            drop_written(left, static_cast<std::size_t>(put));
            offset += static_cast<std::uint64_t>(put);
        }
        return {};
    }

    FileError allocate(std::uint64_t bytes) override {
        int failed = 0;
        do {
            failed = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes));
        } while (failed == EINTR);
        if (failed == 0) {
            map();
        }
        return {failed, boost::system::system_category()};
    }

    FileError sync() override { return ::fdatasync(descriptor_) == 0 ? FileError() : last_error(); }

    FileResult<std::uint64_t> size() const override { return size_of_descriptor(descriptor_); }

    bool is_at_hand(std::uint64_t offset, std::uint64_t bytes) const noexcept override {
        return is_cached_and_idle(offset, bytes) || is_read(offset, bytes);
    }

    int descriptor() const noexcept override { return descriptor_; }

private:
    static constexpr std::uint64_t kPageBytes = 4096;

    // cachestat(2) counts a page as soon as its read begins, and who sends it would wait for that. So its word is taken where
    // no read or write of this process was under way meanwhile; no other process reads these files but `gatehouse cache`.
    // OPTIMIZATION: of 256 KiB it takes a tenth of the time of mincore(2), which was a seventh of that of sending them.
    bool is_cached_and_idle(std::uint64_t offset, std::uint64_t bytes) const noexcept {
        const std::optional<std::uint64_t> begun = begun_if_idle();
        if (!begun || bytes == 0 || offset > sized_bytes_.load() || bytes > sized_bytes_.load() - offset) {
            return false;
        }
        const std::uint64_t first_page = offset / kPageBytes;
        const std::uint64_t pages = (offset + bytes - 1) / kPageBytes - first_page + 1;
        return count_cached_pages(descriptor_, first_page * kPageBytes, pages * kPageBytes) == pages &&
               begun_if_idle() == begun;
    }

    // mincore(2), which says of each page whether it has been read, and knows the pages of every file system.
    bool is_read(std::uint64_t offset, std::uint64_t bytes) const noexcept {
        unsigned char* const pages = pages_.load(std::memory_order_acquire);
        if (pages == nullptr || bytes > mapped_bytes_ || offset > mapped_bytes_ - bytes) {
            return false;
        }
        std::array<unsigned char, 128> is_read{};
        std::uint64_t at = offset / kPageBytes * kPageBytes;
        while (at < offset + bytes) {
            const std::uint64_t part = std::min(offset + bytes - at, is_read.size() * kPageBytes);
            const auto count = static_cast<std::ptrdiff_t>((part + kPageBytes - 1) / kPageBytes);
            if (::mincore(pages + at, part, is_read.data()) != 0 ||
                !std::all_of(is_read.begin(), is_read.begin() + count, [](unsigned char one) { return (one & 1) != 0; })) {
                return false;
            }
            at += part;
        }
        return true;
    }

    // For mincore() alone: nothing is ever read through it. Once, when it has its size; asking for that may wait.
    void map() noexcept {
        const auto bytes = size();
        if (!bytes || *bytes == 0 || pages_.load(std::memory_order_relaxed) != nullptr) {
            return;
        }
        sized_bytes_.store(*bytes);
        void* const pages = ::mmap(nullptr, *bytes, PROT_NONE, MAP_SHARED, descriptor_, 0);
        if (pages != MAP_FAILED) {
            mapped_bytes_ = *bytes;
            pages_.store(static_cast<unsigned char*>(pages), std::memory_order_release);
        }
    }

    int descriptor_;
    std::atomic<unsigned char*> pages_{nullptr}; // null: it cannot be mapped, or has no size yet
    std::uint64_t mapped_bytes_ = 0;             // before pages_
    std::atomic<std::uint64_t> sized_bytes_{0};  // what it had when it was opened or allocated
};

FileResult<std::unique_ptr<PosixFile>> open_file(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly);
    if (descriptor < 0) {
        return last_error();
    }
    // No readahead: sending what is in memory would begin one, and wait where the disk has its hands full. Who reads asks
    // for all that is needed.
    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
    return std::make_unique<PosixFile>(descriptor);
}

} // namespace

FileError read_descriptor(int descriptor, std::span<char> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t got = ::pread(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? last_error() : errc::make_error_code(errc::io_error);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
    }
    return {};
}

FileResult<std::uint64_t> size_of_descriptor(int descriptor) {
    struct stat found {};
    if (::fstat(descriptor, &found) != 0) {
        return last_error();
    }
    return static_cast<std::uint64_t>(found.st_size);
}

FileError PosixFiles::make_directory(const std::string& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    return {error.value(), boost::system::system_category()};
}

FileResult<std::vector<std::string>> PosixFiles::list(const std::string& directory) {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entries(directory, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        names.push_back(entries->path().filename().string());
    }
    if (error) {
        return FileError(error.value(), boost::system::system_category());
    }
    return names;
}

FileResult<std::unique_ptr<File>> PosixFiles::open(const std::string& path) {
    auto file = open_file(path);
    if (!file) {
        return file.error();
    }
    return std::unique_ptr<File>(std::move(*file));
}

FileResult<std::unique_ptr<File>> PosixFiles::lock(const std::string& path) {
    auto file = open_file(path);
    if (!file) {
        return file.error();
    }
    if (::flock((*file)->descriptor(), LOCK_EX | LOCK_NB) != 0) {
        return last_error();
    }
    return std::unique_ptr<File>(std::move(*file));
}

FileError PosixFiles::replace(const std::string& path, std::string_view content) {
    const std::string beside = path + ".new";
    ::unlink(beside.c_str()); // of a process that was killed
    auto file = open_file(beside);
    if (!file) {
        return file.error();
    }
    if (const FileError error = (*file)->write(content, 0)) {
        return error;
    }
    if (const FileError error = (*file)->sync()) {
        return error;
    }
    return ::rename(beside.c_str(), path.c_str()) == 0 ? FileError() : last_error();
}

FileError PosixFiles::remove(const std::string& path) {
    return ::unlink(path.c_str()) == 0 ? FileError() : last_error();
}

} // namespace gatehouse::cache::store::disk
