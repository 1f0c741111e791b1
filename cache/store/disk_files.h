// What the disk store asks of a file system. PosixFiles does it; tests put one in its place whose n-th operation fails.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::store::disk {

using FileError = boost::system::error_code;
template <class T>
using FileResult = boost::system::result<T>;

// What File::read() and File::size() do, for a descriptor.
FileError read_descriptor(int descriptor, std::span<char> bytes, std::uint64_t offset);
FileResult<std::uint64_t> size_of_descriptor(int descriptor);

// An open file. Reads may come from any thread, also while another one writes elsewhere in it.
class File {
public:
    virtual ~File() = default;
    // All of `bytes`, from `offset` on; an error where the file ends before.
    virtual FileError read(std::span<char> bytes, std::uint64_t offset) const = 0;
    // The same without waiting for a disk. resource_unavailable_try_again: not all of it is in memory, or the file
    // system cannot say; what `bytes` has then means nothing.
    virtual FileError read_at_hand(std::span<char> bytes, std::uint64_t offset) const = 0;
    // Whether the kernel has all of it in memory. False where it cannot say, and beyond what the file had when it was
    // opened or allocated.
    virtual bool is_at_hand(std::uint64_t /*offset*/, std::uint64_t /*bytes*/) const noexcept { return false; }
    // For sendfile(2).
    virtual int descriptor() const noexcept = 0;
    // One piece behind the other, at most kMostPieces, from `offset` on. Where it fails some of it may have been written.
    static constexpr std::size_t kMostPieces = 256; // less than the kernel takes (IOV_MAX)
    virtual FileError write_pieces(std::span<const std::string_view> pieces, std::uint64_t offset) = 0;
    FileError write(std::string_view bytes, std::uint64_t offset) { return write_pieces({&bytes, 1}, offset); }
    // Makes room for that many bytes in all; what is new reads as zeros.
    virtual FileError allocate(std::uint64_t bytes) = 0;
    virtual FileError sync() = 0;
    virtual FileResult<std::uint64_t> size() const = 0;

    // Its name has gone to another file, or is gone: who still reads it keeps its space, and is not to for long.
    void give_up() noexcept { is_given_up_.store(true, std::memory_order_relaxed); }
    bool is_given_up() const noexcept { return is_given_up_.load(std::memory_order_relaxed); }

    // A read or write of the file while it is under way, by whatever system call: its pages may be in the kernel's
    // memory without their content.
    class Transfer {
    public:
        explicit Transfer(const File& file) noexcept : file_(file) { file_.begun_.fetch_add(1); }
        ~Transfer() { file_.ended_.fetch_add(1); }
        Transfer(const Transfer&) = delete;
        Transfer& operator=(const Transfer&) = delete;

    private:
        const File& file_;
    };

protected:
    // How many transfers have begun, where none is under way.
    std::optional<std::uint64_t> begun_if_idle() const noexcept {
        const std::uint64_t ended = ended_.load();
        return begun_.load() == ended ? std::optional(ended) : std::nullopt;
    }

private:
    std::atomic<bool> is_given_up_{false};
    mutable std::atomic<std::uint64_t> begun_{0};
    mutable std::atomic<std::uint64_t> ended_{0};
};

class Files {
public:
    virtual ~Files() = default;
    virtual FileError make_directory(const std::string& path) = 0; // one that is there is fine
    virtual FileResult<std::vector<std::string>> list(const std::string& directory) = 0;
    // For reading and writing; made where it is not there, for its owner only.
    virtual FileResult<std::unique_ptr<File>> open(const std::string& path) = 0;
    // Held until the File is destroyed. resource_unavailable_try_again: another process has it.
    virtual FileResult<std::unique_ptr<File>> lock(const std::string& path) = 0;
    // Under a name beside it first, so that it is there whole or as it was.
    virtual FileError replace(const std::string& path, std::string_view content) = 0;
    // Takes the name away; who has it open goes on with it.
    virtual FileError remove(const std::string& path) = 0;
};

class PosixFiles final : public Files {
public:
    FileError make_directory(const std::string& path) override;
    FileResult<std::vector<std::string>> list(const std::string& directory) override;
    FileResult<std::unique_ptr<File>> open(const std::string& path) override;
    FileResult<std::unique_ptr<File>> lock(const std::string& path) override;
    FileError replace(const std::string& path, std::string_view content) override;
    FileError remove(const std::string& path) override;
};

} // namespace gatehouse::cache::store::disk
