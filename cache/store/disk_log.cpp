#include "cache/store/disk_log.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <sys/random.h>

namespace gatehouse::cache::store::disk {

namespace {

namespace errc = boost::system::errc;

FileError fill_with_chance(std::span<char> bytes) {
    while (!bytes.empty()) {
        const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
        if (got < 0 && errno != EINTR) {
            return {errno, boost::system::system_category()};
        }
        bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    return {};
}

} // namespace

DiskLog::DiskLog(Files& files, const LogOptions& options, DiskIndex& index)
    : files_(files), options_(options), index_(index), segments_by_number_(Location::kMostSegments) {}

DiskLog::~DiskLog() = default;

FileResult<std::unique_ptr<DiskLog>> DiskLog::open(Files& files, const LogOptions& options, DiskIndex& index,
                                                   LogRecovery& found) {
    if (options.segments < kFewestSegments || options.segments > Location::kMostSegments || options.max_variants == 0) {
        return errc::make_error_code(errc::invalid_argument);
    }
    std::unique_ptr<DiskLog> log(new DiskLog(files, options, index));
    if (const FileError error = files.make_directory(options.directory)) {
        return error;
    }
    auto lock = files.lock(options.directory + "/LOCK");
    if (!lock) {
        return lock.error();
    }
    log->lock_ = std::move(*lock);
    if (const FileError error = log->open_identity(found)) {
        return error;
    }
    if (const FileError error = log->open_segments(found)) {
        return error;
    }
    return log;
}

// An identity that is not whole, or of another version, is replaced: then no segment belongs to the store, and it
// begins empty.
FileError DiskLog::open_identity(LogRecovery& found) {
    const std::string path = options_.directory + "/identity";
    auto file = files_.open(path);
    if (!file) {
        return file.error();
    }
    std::array<char, kIdentityBytes> bytes{};
    const auto size = (*file)->size();
    const bool is_there = size && *size == kIdentityBytes && !(*file)->read(bytes, 0);
    if (is_there && decode(bytes, identity_) == Decoded::Whole &&
        identity_.metadata_version == options_.metadata_version) {
        return {};
    }
    found.began_anew = size && *size > 0;
    if (const FileError error = fill_with_chance({reinterpret_cast<char*>(identity_.store.data()), sizeof(StoreId)})) {
        return error;
    }
    identity_.secret = draw_secret();
    identity_.metadata_version = options_.metadata_version;
    const auto fresh = encode(identity_);
    return files_.replace(path, {fresh.data(), fresh.size()});
}

KeyHash DiskLog::hash(std::string_view key) const noexcept { return hash_with(identity_.secret, key); }

// What is said to be whole by the purges, which are closed after this, has to be on the disk before.
FileError DiskLog::close() {
    FileError first_error = open_ == nullptr ? FileError() : seal();
    for (const auto& segment : segments_) {
        if (segment->is_dirty && segment->has_file()) {
            const FileError error = segment->file().sync();
            segment->is_dirty = static_cast<bool>(error);
            first_error = first_error ? first_error : error;
        }
    }
    return first_error;
}

LogStats DiskLog::stats() const noexcept {
    return {bytes_written_, bytes_admitted_, records_rewritten_, segments_reused_, bad_segments_};
}

} // namespace gatehouse::cache::store::disk
