#include "cache/store/disk_log.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <sys/random.h>
#include <xxhash.h>

namespace gatehouse::cache::store::disk {

namespace {

namespace errc = boost::system::errc;

constexpr std::string_view kIdentityMagic = "GHSTORE1";
constexpr std::size_t kSecretBytes = 192; // as in key_hash.cpp
constexpr std::size_t kIdentityBytes = kIdentityMagic.size() + sizeof(StoreId) + kSecretBytes + 8;
constexpr std::string_view kSegmentPrefix = "segment-";
constexpr std::size_t kFreeSegments = 2; // kept ready, so that what is written again has somewhere to go
constexpr std::size_t kMostPerHash = 64; // records that are looked at for one hash

std::uint64_t padded(std::uint64_t bytes) noexcept { return (bytes + kUnitBytes - 1) / kUnitBytes * kUnitBytes; }

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

std::uint32_t secondary_hash(std::string_view secondary_key) noexcept {
    return static_cast<std::uint32_t>(checksum(secondary_key));
}

std::uint16_t marker(std::uint32_t hash) noexcept { return static_cast<std::uint16_t>(hash); }

// At least 1, and no later than what 32 bits hold.
std::uint32_t expiry_seconds(std::int64_t milliseconds) noexcept {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(milliseconds / 1000, 1, 0xffff'ffff));
}

// nullopt: the name is none of a segment.
std::optional<std::uint32_t> segment_number(std::string_view name) noexcept {
    if (!name.starts_with(kSegmentPrefix)) {
        return std::nullopt;
    }
    name.remove_prefix(kSegmentPrefix.size());
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool is_plain = !name.empty() && (name[0] != '0' || name.size() == 1);
    return error == std::errc() && end == name.data() + name.size() && is_plain && number < Location::kMostSegments
               ? std::optional(number)
               : std::nullopt;
}

IndexEntry entry_of(const FooterEntry& footer, std::uint32_t segment) noexcept {
    IndexEntry entry;
    entry.location = {segment, footer.units, footer.length_units};
    entry.expires_seconds = expiry_seconds(footer.expires_ms);
    entry.secondary_marker = marker(footer.secondary_hash);
    entry.kind = footer.kind;
    return entry;
}

bool body_is_right(std::string_view body, const RecordHead& head) { return checksums_of(body) == head.body_checksums; }

} // namespace

// A segment that was found, and what stands in it.
struct DiskLog::Found {
    Segment* segment;
    std::vector<FooterEntry> entries;
};

DiskLog::DiskLog(Files& files, const LogOptions& options, DiskIndex& index)
    : files_(files), options_(options), index_(index) {}

DiskLog::~DiskLog() = default;

FileResult<std::unique_ptr<DiskLog>> DiskLog::open(Files& files, const LogOptions& options, DiskIndex& index,
                                                   LogRecovery& found) {
    std::unique_ptr<DiskLog> log(new DiskLog(files, options, index));
    if (const FileError error = files.make_directory(options.directory)) {
        return error;
    }
    auto lock = files.lock(options.directory + "/LOCK");
    if (!lock) {
        return lock.error();
    }
    log->lock_ = std::move(*lock);
    if (const FileError error = log->open_identity()) {
        return error;
    }
    if (const FileError error = log->open_segments(found)) {
        return error;
    }
    return log;
}

// An identity that is not whole is replaced: then no segment belongs to the store, and it begins empty.
FileError DiskLog::open_identity() {
    const std::string path = options_.directory + "/identity";
    auto file = files_.open(path);
    if (!file) {
        return file.error();
    }
    std::string bytes(kIdentityBytes, '\0');
    const auto size = (*file)->size();
    const bool is_there = size && *size == kIdentityBytes && !(*file)->read(bytes, 0);
    const auto sum_of = [&bytes] { return checksum(std::string_view(bytes).substr(0, kIdentityBytes - 8)); };
    std::uint64_t sum = 0;
    std::memcpy(&sum, bytes.data() + kIdentityBytes - sizeof sum, sizeof sum);
    const bool is_whole = is_there && bytes.starts_with(kIdentityMagic) && sum == sum_of();
    if (!is_whole) {
        std::memcpy(bytes.data(), kIdentityMagic.data(), kIdentityMagic.size());
        const std::span<char> chance(bytes.data() + kIdentityMagic.size(), sizeof(StoreId) + kSecretBytes);
        if (const FileError error = fill_with_chance(chance)) {
            return error;
        }
        sum = sum_of();
        std::memcpy(bytes.data() + kIdentityBytes - sizeof sum, &sum, sizeof sum);
        if (const FileError error = files_.replace(path, bytes)) {
            return error;
        }
    }
    std::memcpy(id_.data(), bytes.data() + kIdentityMagic.size(), id_.size());
    secret_ = bytes.substr(kIdentityMagic.size() + id_.size(), kSecretBytes);
    return {};
}

KeyHash DiskLog::hash(std::string_view key) const noexcept {
    const XXH128_hash_t hash = XXH3_128bits_withSecret(key.data(), key.size(), secret_.data(), secret_.size());
    return {hash.low64, hash.high64};
}

std::uint16_t DiskLog::marker_of(std::string_view secondary_key) noexcept {
    return marker(secondary_hash(secondary_key));
}

FileError DiskLog::open_segments(LogRecovery& found) {
    const auto names = files_.list(options_.directory);
    if (!names) {
        return names.error();
    }
    std::uint32_t count = options_.segments;
    for (const std::string& name : *names) {
        if (const auto number = segment_number(name)) {
            count = std::max(count, *number + 1);
        }
    }
    std::vector<Found> all;
    for (std::uint32_t number = 0; number < count; ++number) {
        auto segment = std::make_unique<Segment>();
        segment->number = number;
        auto file = files_.open(options_.directory + "/" + std::string(kSegmentPrefix) + std::to_string(number));
        if (!file) {
            return file.error();
        }
        segment->file = std::move(*file);
        segments_.push_back(std::move(segment));
        if (const FileError error = look_at(*segments_.back(), found, all)) {
            return error;
        }
    }
    // In the order in which they were written.
    std::sort(all.begin(), all.end(),
              [](const Found& a, const Found& b) { return a.segment->generation < b.segment->generation; });
    for (const Found& one : all) {
        enter(*one.segment, one.entries, found);
        sealed_.push_back(one.segment);
    }
    found.records = index_.size();
    return {};
}

FileError DiskLog::look_at(Segment& segment, LogRecovery& found, std::vector<Found>& all) {
    std::array<char, kSegmentHeaderBytes> bytes{};
    const auto size = segment.file->size();
    if (!size) {
        return size.error();
    }
    if (*size == 0) {
        return {}; // free
    }
    SegmentHeader header;
    const Decoded decoded = segment.file->read(bytes, 0) ? Decoded::Damaged : decode(bytes, header);
    const bool is_ours = decoded == Decoded::Whole && header.store == id_ && header.number == segment.number &&
                         header.segment_bytes == options_.segment_bytes;
    if (decoded == Decoded::OtherVersion) {
        segment.state = State::Foreign;
        ++found.foreign_segments;
        return {};
    }
    if (!is_ours) {
        ++found.damaged_segments;
        return {};
    }
    segment.generation = header.generation;
    segment.state = State::Sealed;
    next_generation_ = std::max(next_generation_, header.generation + 1);
    Found one{&segment, {}};
    if (read_footer(segment, header, one.entries)) {
        ++found.sealed_segments;
    } else {
        std::uint64_t end = 0;
        one.entries = scan(segment, end);
        ++found.scanned_segments;
        // Sealed with what is whole, so that it is scanned only once.
        open_ = &segment;
        open_end_ = end;
        open_largest_sequence_ = 0;
        for (const FooterEntry& entry : one.entries) {
            append_footer_entry(footer_, entry);
            open_largest_sequence_ = std::max(open_largest_sequence_, entry.sequence);
        }
        if (const FileError error = seal()) {
            return error;
        }
        sealed_.clear(); // it is put in its place below
    }
    all.push_back(std::move(one));
    return {};
}

bool DiskLog::read_footer(Segment& segment, const SegmentHeader& header, std::vector<FooterEntry>& entries) const {
    std::array<char, kTrailerBytes> bytes{};
    Trailer trailer;
    if (segment.file->read(bytes, header.segment_bytes - kTrailerBytes) ||
        decode(bytes, header, trailer) != Decoded::Whole) {
        return false;
    }
    std::string footer(trailer.entries * kFooterEntryBytes, '\0');
    if (segment.file->read(footer, trailer.footer_offset)) {
        return false;
    }
    auto decoded = decode_footer(footer, trailer);
    if (!decoded) {
        return false;
    }
    entries = std::move(*decoded);
    return true;
}

// Record by record from the front, to the first that is not whole.
std::vector<FooterEntry> DiskLog::scan(const Segment& segment, std::uint64_t& end) const {
    std::vector<FooterEntry> entries;
    end = kSegmentHeaderBytes;
    for (;;) {
        std::array<char, kRecordHeaderBytes> header{};
        if (end + header.size() > options_.segment_bytes || segment.file->read(header, end)) {
            return entries;
        }
        const auto length = record_length(header);
        if (!length || length->record_bytes > options_.segment_bytes - end) {
            return entries;
        }
        const Location location{segment.number, static_cast<std::uint32_t>(end / kUnitBytes),
                                static_cast<std::uint32_t>(length->record_bytes / kUnitBytes)};
        const auto record = read_from(segment, segment.generation, location);
        if (!record) {
            return entries;
        }
        const RecordFacts& facts = record->head.facts;
        entries.push_back({facts.hash, facts.sequence, facts.expires_ms, location.units, location.length_units,
                           facts.kind, secondary_hash(record->head.secondary_key)});
        end += length->record_bytes;
    }
}

// Each takes the place of what was written before it for its key and secondary key.
void DiskLog::enter(const Segment& segment, const std::vector<FooterEntry>& entries, LogRecovery& found) {
    for (const FooterEntry& footer : entries) {
        found.largest_sequence = std::max(found.largest_sequence, footer.sequence);
        if (footer.kind == RecordKind::Chunk) {
            continue;
        }
        const IndexEntry entry = entry_of(footer, segment.number);
        for (const IndexEntry& older : index_.find(footer.hash, kMostPerHash)) {
            if (older.secondary_marker == entry.secondary_marker) {
                index_.erase(footer.hash, older.location);
            }
        }
        if (footer.kind != RecordKind::Removed) {
            index_.insert(footer.hash, entry);
        }
    }
}

std::optional<ReadRecord> DiskLog::read_from(const Segment& segment, std::uint64_t generation,
                                             const Location& location) const {
    ReadRecord record;
    record.bytes.resize(std::uint64_t{location.length_units} * kUnitBytes);
    if (segment.file->read(record.bytes, std::uint64_t{location.units} * kUnitBytes) ||
        decode(record.bytes, generation, record.head) != Decoded::Whole ||
        record.head.record_bytes != record.bytes.size()) {
        return std::nullopt;
    }
    record.body = std::string_view(record.bytes).substr(record.head.head_bytes, record.head.facts.body_bytes);
    return body_is_right(record.body, record.head) ? std::optional(std::move(record)) : std::nullopt;
}

std::optional<ReadRecord> DiskLog::read(const KeyHash& hash, const Location& location) {
    const auto before = index_.use(hash, location);
    if (!before || location.segment >= segments_.size()) {
        return std::nullopt;
    }
    const Segment& segment = *segments_[location.segment];
    // If the segment is reused meanwhile, its records are of another generation.
    auto record = read_from(segment, segment.generation, location);
    if (!record || record->head.facts.hash != hash) {
        index_.erase(hash, location);
        return std::nullopt;
    }
    return record;
}

std::vector<IndexEntry> DiskLog::find(const KeyHash& hash) const { return index_.find(hash, kMostPerHash); }

std::uint64_t DiskLog::room() const noexcept {
    if (open_ == nullptr) {
        return 0;
    }
    const std::uint64_t behind = padded(footer_.size() + kFooterEntryBytes) + kTrailerBytes;
    return options_.segment_bytes - open_end_ > behind ? options_.segment_bytes - open_end_ - behind : 0;
}

std::size_t DiskLog::free_segments() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(segments_.begin(), segments_.end(), [](const auto& one) { return one->state == State::Free; }));
}

FileError DiskLog::make_room(std::uint64_t record_bytes) {
    while (record_bytes > room()) {
        if (open_ != nullptr) {
            if (const FileError error = seal()) {
                return error;
            }
        }
        // After a start all may be sealed. Nothing was read since, so nothing of the oldest is written again.
        if (free_segments() == 0 && !sealed_.empty()) {
            if (const FileError error = reuse_oldest()) {
                return error;
            }
        }
        if (const FileError error = begin_segment()) {
            return error;
        }
        // Ahead of need, and not while records of a segment that is being reused are written again.
        while (!reusing_ && free_segments() < kFreeSegments && !sealed_.empty()) {
            if (const FileError error = reuse_oldest()) {
                return error;
            }
        }
    }
    return {};
}

FileError DiskLog::begin_segment() {
    const auto free =
        std::find_if(segments_.begin(), segments_.end(), [](const auto& one) { return one->state == State::Free; });
    if (free == segments_.end()) {
        return errc::make_error_code(errc::no_space_on_device);
    }
    Segment& segment = **free;
    if (const FileError error = segment.file->allocate(options_.segment_bytes)) {
        return error;
    }
    const SegmentHeader header{segment.number, next_generation_, options_.segment_bytes, id_};
    const auto bytes = encode(header);
    if (const FileError error = segment.file->write({bytes.data(), bytes.size()}, 0)) {
        return error;
    }
    bytes_written_ += bytes.size();
    segment.generation = next_generation_++;
    segment.state = State::Open;
    open_ = &segment;
    open_end_ = kSegmentHeaderBytes;
    open_largest_sequence_ = 0;
    footer_.clear();
    return {};
}

FileError DiskLog::seal() {
    const Trailer trailer{open_->generation, padded(open_end_), footer_.size() / kFooterEntryBytes,
                          open_largest_sequence_, checksum(footer_)};
    const auto bytes = encode(trailer);
    Segment& segment = *std::exchange(open_, nullptr);
    segment.state = State::Sealed;
    sealed_.push_back(&segment);
    const std::string footer = std::exchange(footer_, std::string());
    if (const FileError error = segment.file->write(footer, trailer.footer_offset)) {
        return error;
    }
    if (const FileError error =
            segment.file->write({bytes.data(), bytes.size()}, options_.segment_bytes - kTrailerBytes)) {
        return error;
    }
    bytes_written_ += footer.size() + bytes.size();
    return {};
}

// Frees the oldest segment. What was read since it was written is written again.
FileError DiskLog::reuse_oldest() {
    Segment& segment = *sealed_.front();
    sealed_.pop_front();
    SegmentHeader header{segment.number, segment.generation, options_.segment_bytes, id_};
    std::vector<FooterEntry> entries;
    if (!read_footer(segment, header, entries)) {
        std::uint64_t end = 0;
        entries = scan(segment, end);
    }
    reusing_ = true;
    std::uint64_t left = options_.segment_bytes / 2;
    for (const FooterEntry& entry : entries) {
        const Location location{segment.number, entry.units, entry.length_units};
        const auto known = index_.find(entry.hash, kMostPerHash);
        const auto here =
            std::find_if(known.begin(), known.end(), [&](const IndexEntry& one) { return one.location == location; });
        if (here == known.end()) {
            continue; // replaced or removed since
        }
        const std::uint64_t bytes = std::uint64_t{entry.length_units} * kUnitBytes;
        const bool has_room = open_ != nullptr && bytes <= left;
        if (here->uses > 0 && has_room && !rewrite(segment, entry)) {
            left -= bytes;
        }
        index_.erase(entry.hash, location);
    }
    reusing_ = false;
    segment.state = State::Free;
    ++segments_reused_;
    return {};
}

FileError DiskLog::rewrite(const Segment& segment, const FooterEntry& entry) {
    const auto record = read_from(segment, segment.generation, {segment.number, entry.units, entry.length_units});
    if (!record) {
        return errc::make_error_code(errc::io_error);
    }
    NewRecord again;
    again.key = record->head.key;
    again.secondary_key = record->head.secondary_key;
    again.metadata = record->head.metadata;
    again.body = record->body;
    const auto written = write_record(record->head.facts, again);
    if (!written) {
        return written.error();
    }
    ++records_rewritten_;
    return {};
}

FileResult<Location> DiskLog::write_record(RecordFacts facts, const NewRecord& record) {
    const std::vector<std::uint64_t> sums = checksums_of(record.body);
    const auto encode_with = [&] {
        return encode_record_head(facts, record.key, record.secondary_key, record.metadata, sums);
    };
    std::string bytes = encode_with();
    const std::uint64_t record_bytes = bytes.size() + padded(record.body.size());
    if (record_bytes > most_record_bytes()) {
        return errc::make_error_code(errc::value_too_large);
    }
    if (const FileError error = make_room(record_bytes)) {
        return error;
    }
    facts.generation = open_->generation;
    bytes = encode_with();
    bytes.append(record.body);
    bytes.resize(record_bytes, '\0');
    if (const FileError error = open_->file->write(bytes, open_end_)) {
        return error;
    }
    FooterEntry footer{facts.hash,
                       facts.sequence,
                       facts.expires_ms,
                       static_cast<std::uint32_t>(open_end_ / kUnitBytes),
                       static_cast<std::uint32_t>(record_bytes / kUnitBytes),
                       facts.kind,
                       secondary_hash(record.secondary_key)};
    append_footer_entry(footer_, footer);
    open_largest_sequence_ = std::max(open_largest_sequence_, facts.sequence);
    open_end_ += record_bytes;
    bytes_written_ += record_bytes;
    const IndexEntry entry = entry_of(footer, open_->number);
    if (facts.kind != RecordKind::Removed) {
        index_.insert(facts.hash, entry);
    }
    return entry.location;
}

// Another secondary key with the same marker goes too: of 65,536 variants one is fetched again, and nothing has to be
// read.
void DiskLog::forget(const KeyHash& hash, std::string_view secondary_key) {
    for (const IndexEntry& one : index_.find(hash, kMostPerHash)) {
        if (one.secondary_marker == marker_of(secondary_key)) {
            index_.erase(hash, one.location);
        }
    }
}

FileResult<Location> DiskLog::append(const NewRecord& record) {
    RecordFacts facts;
    facts.kind = record.kind;
    facts.hash = hash(record.key);
    facts.sequence = record.sequence;
    facts.body_bytes = record.body.size();
    facts.total_bytes = record.total_bytes;
    facts.expires_ms = record.expires_ms;
    forget(facts.hash, record.secondary_key);
    auto written = write_record(facts, record);
    if (written) {
        bytes_admitted_ += std::uint64_t{written->length_units} * kUnitBytes;
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

FileError DiskLog::close() { return open_ == nullptr ? FileError() : seal(); }

LogStats DiskLog::stats() const noexcept {
    return {bytes_written_, bytes_admitted_, records_rewritten_, segments_reused_};
}

} // namespace gatehouse::cache::store::disk
