// What is written to the end of the disk store's log.
#include "cache/store/disk_log.h"
#include "cache/store/disk_segment.h"

#include <boost/container/static_vector.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace gatehouse::cache::store::disk {

namespace {

namespace errc = boost::system::errc;

constexpr std::array<char, kUnitBytes> kZeros{}; // what fills up the last unit of a record

std::uint64_t text_bytes_of(const NewRecord& record) noexcept {
    return record.key.size() + record.secondary_key.size() + record.metadata.size();
}

} // namespace

// A record that is to be written.
struct DiskLog::Unwritten {
    RecordFacts facts;
    const NewRecord* record = nullptr;
    Carried carried;
    std::vector<std::uint64_t> sums = {}; // of its body
    // Where it is to stand in the open segment:
    std::string head = {};
    std::uint64_t record_bytes = 0;

    RecordLength length() const noexcept { return record_length(text_bytes_of(*record), record->body.size()); }
    bool is_padded() const noexcept { return facts.kind == RecordKind::Whole; } // only what is sent as it lies there
    std::uint64_t most_bytes() const noexcept {
        return is_padded() ? length().most_bytes() : length().record_bytes;
    }
    void place_at(std::uint64_t offset, std::uint64_t generation) {
        facts.generation = generation;
        facts.padding_units = is_padded() ? padding_units_at(offset, length()) : 0;
        record_bytes = length().record_bytes + facts.padding_units * kUnitBytes;
        head = encode_record_head(facts, record->key, record->secondary_key, record->metadata, sums);
    }
};

bool DiskLog::is_too_large(const Unwritten& one) const noexcept {
    return text_bytes_of(*one.record) > kMostHeadBytes || one.most_bytes() > most_record_bytes();
}

// A segment whose write fails is set aside, and the next one tried once.
FileError DiskLog::write_together(std::span<Unwritten> records) {
    std::uint64_t most_bytes = 0;
    for (Unwritten& one : records) {
        one.sums = checksums_of(one.record->body);
        most_bytes += one.most_bytes();
    }
    FileError error;
    for (int attempt = 0; attempt < 2; ++attempt) {
        const std::uint32_t bad_before = bad_segments_;
        error = make_room(most_bytes, records.size());
        if (!error) {
            error = write_at_end(records);
        }
        if (!error || bad_segments_ == bad_before) {
            break; // else the next segment is another one
        }
    }
    return error;
}

FileError DiskLog::write_at_end(std::span<Unwritten> records) {
    static_assert(3 * kMostTogether <= File::kMostPieces);
    boost::container::static_vector<std::string_view, File::kMostPieces> pieces;
    std::uint64_t end = open_end_;
    for (Unwritten& one : records) {
        one.place_at(end, open_->generation());
        end += one.record_bytes;
        const std::string_view body = one.record->body;
        pieces.insert(pieces.end(), {one.head, body, {kZeros.data(), padded(body.size()) - body.size()}});
    }
    return write_open(pieces, records);
}

// Some of them may be whole in the file although their write failed, and the next start would find them: each that has
// arrived is made none.
void DiskLog::take_back(std::span<const Unwritten> records) {
    const std::string_view nothing(kZeros.data(), kZeros.size());
    std::array<char, kRecordHeaderBytes> header{};
    std::uint64_t at = open_end_;
    for (const Unwritten& one : records) {
        const bool may_be_there = open_->file().read(header, at) || begins_record(header, open_->generation());
        const FileError error = may_be_there ? open_->file().write(nothing, at) : FileError();
        left_records_ = left_records_ || error;
        at += one.record_bytes;
    }
}

FileResult<Location> DiskLog::write_record(const RecordFacts& facts, const NewRecord& record, const Carried& carried) {
    Unwritten one{facts, &record, carried};
    if (is_too_large(one)) {
        return errc::make_error_code(errc::value_too_large);
    }
    if (const FileError error = write_together({&one, 1})) {
        return error;
    }
    return enter_written(one);
}

// A file that became shorter meanwhile is not written to: behind its end a write would leave a hole of zeros in records
// that were found right before.
FileError DiskLog::write_open(std::span<const std::string_view> pieces, std::span<const Unwritten> records) {
    const auto size = open_->file().size();
    FileError error = size ? FileError() : size.error();
    if (size && *size < options_.segment_bytes) {
        error = errc::make_error_code(errc::io_error);
    }
    if (!error) {
        open_->is_dirty = true;
        error = open_->file().write_pieces(pieces, open_end_);
        if (error) {
            take_back(records);
        }
    }
    if (error) {
        set_aside_open();
    }
    return error;
}

// Requires: it was written to where the log ends as yet.
Location DiskLog::enter_written(const Unwritten& one) {
    const FooterEntry footer{one.facts.hash,
                             one.facts.sequence,
                             one.facts.expires_ms,
                             static_cast<std::uint32_t>(open_end_ / kUnitBytes),
                             static_cast<std::uint32_t>(one.record_bytes / kUnitBytes),
                             one.facts.kind,
                             secondary_hash(one.record->secondary_key),
                             one.carried.body};
    footer_.append(footer);
    open_largest_sequence_ = std::max(open_largest_sequence_, one.facts.sequence);
    open_end_ += one.record_bytes;
    bytes_written_ += one.record_bytes;
    IndexEntry entry = entry_of(footer, open_->number);
    entry.uses = one.carried.uses;
    entry.verified = one.carried.verified;
    const bool is_found = one.facts.kind != RecordKind::Removed && one.facts.kind != RecordKind::Chunk;
    if (is_found && index_.insert(one.facts.hash, entry) > options_.max_variants && !reusing_) {
        drop_oldest(one.facts.hash);
    }
    return entry.location;
}

void DiskLog::drop_oldest(const KeyHash& hash) {
    const IndexEntries entries = find(hash);
    for (std::size_t i = options_.max_variants; i < entries.size(); ++i) {
        index_.erase(hash, entries[i].location);
    }
}

RecordFacts DiskLog::facts_of(const NewRecord& record, const Carried& carried) const {
    RecordFacts facts;
    facts.kind = record.kind;
    facts.hash = hash(record.key);
    facts.sequence = record.sequence;
    facts.body_bytes = record.body.size();
    facts.total_bytes = record.total_bytes;
    facts.expires_ms = record.expires_ms;
    facts.body_offset = carried.chunk_bytes;
    return facts;
}

// Another secondary key with the same marker goes too: of 65,536 variants one is fetched again, and nothing has to be
// read.
void DiskLog::make_way(const RecordFacts& facts, const NewRecord& record) {
    index_.erase_marked(facts.hash, marker_of(record.secondary_key));
}

void DiskLog::count_admitted(const Location& written) noexcept {
    bytes_admitted_ += std::uint64_t{written.length_units} * kUnitBytes;
}

FileResult<Location> DiskLog::append(const NewRecord& record) { return append_carrying(record, {}); }

FileResult<Location> DiskLog::append_carrying(const NewRecord& record, const Carried& carried) {
    const RecordFacts facts = facts_of(record, carried);
    make_way(facts, record);
    auto written = write_record(facts, record, carried);
    if (written) {
        count_admitted(*written);
    } else if (written.error() == errc::value_too_large && record.kind != RecordKind::Removed) {
        remove(record.key, record.secondary_key, record.sequence); // else it would be back after the next start
    }
    return written;
}

std::vector<FileError> DiskLog::append_together(std::span<const NewRecord> records) {
    std::vector<FileError> errors;
    FileError failed;
    while (errors.size() < records.size() && !failed) {
        std::vector<Unwritten> group = that_fit_together(records.subspan(errors.size()));
        const FileError error = group.empty() ? append(records[errors.size()]).error() : append_group(group);
        errors.insert(errors.end(), std::max<std::size_t>(group.size(), 1), error);
        failed = error == errc::value_too_large ? FileError() : error;
    }
    // What is behind a record that could not be written is not tried: each would cost a segment or two.
    for (const NewRecord& record : records.subspan(errors.size())) {
        make_way(facts_of(record, {}), record);
        errors.push_back(failed);
    }
    return errors;
}

FileError DiskLog::append_group(std::span<Unwritten> group) {
    for (const Unwritten& one : group) {
        make_way(one.facts, *one.record);
    }
    if (const FileError error = write_together(group)) {
        return error;
    }
    for (const Unwritten& one : group) {
        count_admitted(enter_written(one));
    }
    return {};
}

// As many of the first as there is room for in the open segment, up to a quarter of it, as of a single record: so they have
// room in another one, too, where their write fails.
std::vector<DiskLog::Unwritten> DiskLog::that_fit_together(std::span<const NewRecord> records) const {
    const std::uint64_t most_bytes = std::min(kMostBytesTogether, most_record_bytes());
    std::vector<Unwritten> group;
    std::uint64_t bytes = 0;
    for (const NewRecord& record : records.first(std::min(records.size(), kMostTogether))) {
        Unwritten one{facts_of(record, {}), &record, {}};
        bytes += one.most_bytes();
        if (is_too_large(one) || bytes > most_bytes || bytes > room(group.size() + 1)) {
            break;
        }
        group.push_back(std::move(one));
    }
    return group;
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

} // namespace gatehouse::cache::store::disk
