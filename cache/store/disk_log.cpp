#include "cache/store/disk_log.h"

#include "cache/store/disk_segment.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/random.h>

namespace gatehouse::cache::store::disk {

namespace {

namespace errc = boost::system::errc;

constexpr std::array<char, kUnitBytes> kZeros{}; // what fills up the last unit of a record

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

// A segment whose write fails is set aside, and the next one tried once.
FileResult<Location> DiskLog::write_record(RecordFacts facts, const NewRecord& record, const Carried& carried) {
    const std::uint64_t text_bytes = record.key.size() + record.secondary_key.size() + record.metadata.size();
    const RecordLength length = record_length(text_bytes, record.body.size());
    const bool is_padded = facts.kind == RecordKind::Whole; // only what is sent as it lies there
    const std::uint64_t most_bytes = is_padded ? length.most_bytes() : length.record_bytes;
    if (text_bytes > kMostHeadBytes || most_bytes > most_record_bytes()) {
        return errc::make_error_code(errc::value_too_large);
    }
    const std::vector<std::uint64_t> sums = checksums_of(record.body);
    FileError error;
    for (int attempt = 0; attempt < 2; ++attempt) {
        const std::uint32_t bad_before = bad_segments_;
        error = make_room(most_bytes);
        std::uint64_t record_bytes = 0;
        if (!error) {
            facts.generation = open_->generation();
            facts.padding_units = is_padded ? padding_units_at(open_end_, length) : 0;
            record_bytes = length.record_bytes + facts.padding_units * kUnitBytes;
            const std::string head = encode_record_head(facts, record.key, record.secondary_key, record.metadata, sums);
            const std::string_view padding(kZeros.data(), padded(record.body.size()) - record.body.size());
            const std::string_view pieces[] = {head, record.body, padding};
            error = write_open(pieces);
        }
        if (!error) {
            return enter_written(facts, record, record_bytes, carried);
        }
        if (bad_segments_ == bad_before) {
            break; // nothing is other than it was
        }
    }
    return error;
}

// A file that became shorter meanwhile is not written to: behind its end a write would leave a hole of zeros in records
// that were found right before.
FileError DiskLog::write_open(std::span<const std::string_view> pieces) {
    const auto size = open_->file().size();
    FileError error = size ? FileError() : size.error();
    if (size && *size < options_.segment_bytes) {
        error = errc::make_error_code(errc::io_error);
    }
    if (!error) {
        open_->is_dirty = true;
        error = open_->file().write_pieces(pieces, open_end_);
    }
    if (error) {
        set_aside_open();
    }
    return error;
}

Location DiskLog::enter_written(const RecordFacts& facts, const NewRecord& record, std::uint64_t record_bytes,
                                const Carried& carried) {
    const FooterEntry footer{facts.hash,
                             facts.sequence,
                             facts.expires_ms,
                             static_cast<std::uint32_t>(open_end_ / kUnitBytes),
                             static_cast<std::uint32_t>(record_bytes / kUnitBytes),
                             facts.kind,
                             secondary_hash(record.secondary_key),
                             carried.body};
    footer_.append(footer);
    open_largest_sequence_ = std::max(open_largest_sequence_, facts.sequence);
    open_end_ += record_bytes;
    bytes_written_ += record_bytes;
    IndexEntry entry = entry_of(footer, open_->number);
    entry.uses = carried.uses;
    entry.verified = carried.verified;
    const bool is_found = facts.kind != RecordKind::Removed && facts.kind != RecordKind::Chunk;
    if (is_found && index_.insert(facts.hash, entry) > options_.max_variants && !reusing_) {
        drop_oldest(facts.hash);
    }
    return entry.location;
}

void DiskLog::drop_oldest(const KeyHash& hash) {
    const IndexEntries entries = find(hash);
    for (std::size_t i = options_.max_variants; i < entries.size(); ++i) {
        index_.erase(hash, entries[i].location);
    }
}

FileResult<Location> DiskLog::append(const NewRecord& record) { return append_carrying(record, {}); }

FileResult<Location> DiskLog::append_carrying(const NewRecord& record, const Carried& carried) {
    RecordFacts facts;
    facts.kind = record.kind;
    facts.hash = hash(record.key);
    facts.sequence = record.sequence;
    facts.body_bytes = record.body.size();
    facts.total_bytes = record.total_bytes;
    facts.expires_ms = record.expires_ms;
    facts.body_offset = carried.chunk_bytes;
    // Another secondary key with the same marker goes too: of 65,536 variants one is fetched again, and nothing has to
    // be read.
    index_.erase_marked(facts.hash, marker_of(record.secondary_key));
    auto written = write_record(facts, record, carried);
    if (written) {
        bytes_admitted_ += std::uint64_t{written->length_units} * kUnitBytes;
    } else if (written.error() == errc::value_too_large && record.kind != RecordKind::Removed) {
        remove(record.key, record.secondary_key, record.sequence); // else it would be back after the next start
    }
    return written;
}

FileError DiskLog::remove(std::string_view key, std::string_view secondary_key, std::uint64_t sequence) {
    NewRecord record;
    record.kind = RecordKind::Removed;
    record.key = key;
    record.secondary_key = secondary_key;
    record.sequence = sequence;
    const auto written = append(record);
    return written ? FileError() : written.error();
}

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
