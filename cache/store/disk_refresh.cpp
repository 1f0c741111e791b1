// New heads for what the disk store's log has, after a 304.
#include "cache/store/disk_log.h"
#include "cache/store/disk_segment.h"

#include <algorithm>
#include <utility>

namespace gatehouse::cache::store::disk {

namespace {

namespace errc = boost::system::errc;

// A record of at most so many bytes is written as a whole: to read it, check it and write it costs a few microseconds
// once, and a body that stands elsewhere costs each read one call more, and where it is not in memory one more wait.
constexpr std::uint64_t kCopiedBytes = 8 * 1024;

// As much of the record as its head. An error of the file, or io_error: there is no whole head.
FileError read_head(const Segment& segment, const Location& location, std::string& bytes, RecordHead& head) {
    const std::uint64_t offset = std::uint64_t{location.units} * kUnitBytes;
    const std::uint64_t record_bytes = std::uint64_t{location.length_units} * kUnitBytes;
    constexpr std::uint64_t kMostHeads = 4096;
    bytes.resize(std::min(record_bytes, kMostHeads));
    if (const FileError error = segment.file().read(bytes, offset)) {
        return error;
    }
    const auto length = record_length(bytes);
    if (length && length->text_end > bytes.size() && length->text_end <= record_bytes) {
        bytes.resize(length->text_end);
        if (const FileError error = segment.file().read(bytes, offset)) {
            return error;
        }
    }
    const bool is_whole =
        decode(bytes, segment.generation(), head) == Decoded::Whole && head.record_bytes == record_bytes;
    return is_whole ? FileError() : errc::make_error_code(errc::io_error);
}

} // namespace

// A record, and where its body stands.
struct DiskLog::Stored {
    IndexEntry entry;
    BodyPlace body;
    std::uint64_t total_bytes = 0;
    std::uint64_t sequence = 0;
};

FileResult<DiskLog::Stored> DiskLog::stored(const KeyHash& hash, std::string_view key, std::string_view secondary_key) {
    for (const IndexEntry& entry : find(hash)) {
        if (entry.secondary_marker != marker_of(secondary_key)) {
            continue;
        }
        const Segment& segment = *segment_at(entry.location.segment);
        std::string bytes;
        RecordHead head;
        if (const FileError error = read_head(segment, entry.location, bytes, head)) {
            index_.erase(hash, entry.location);
            return error;
        }
        if (head.key != key || head.secondary_key != secondary_key) {
            continue;
        }
        BodyPlace body{{segment.number, entry.location.units, segment.generation()}, entry.location.length_units};
        if (entry.kind == RecordKind::Metadata) {
            ReadRecord record;
            const ReadState state = read_record(segment.view(), hash, entry.location,
                                                {record, 0, record.head, Blocking::Allowed, true});
            const auto elsewhere = state == ReadState::Whole ? decode_body_place(record.body) : std::nullopt;
            if (!elsewhere) {
                index_.erase(hash, entry.location);
                return record.error ? record.error : errc::make_error_code(errc::io_error);
            }
            body = *elsewhere;
        }
        return Stored{entry, body, head.facts.total_bytes, head.facts.sequence};
    }
    return errc::make_error_code(errc::no_such_file_or_directory);
}

// Of what could not be read: that is no reason not to write, and it is not to be found by the next start either.
FileError DiskLog::given_up(std::string_view key, std::string_view secondary_key, std::uint64_t sequence,
                            const FileError& unreadable) {
    const FileError absent = errc::make_error_code(errc::no_such_file_or_directory);
    const FileError error = !unreadable || unreadable == absent ? FileError() : remove(key, secondary_key, sequence);
    return error ? error : absent;
}

FileResult<Location> DiskLog::refresh(std::string_view key, std::string_view old_secondary_key,
                                      std::string_view new_secondary_key, std::string_view metadata,
                                      std::uint64_t sequence, std::int64_t expires_ms,
                                      std::optional<std::uint64_t> old_sequence) {
    const KeyHash hash = this->hash(key);
    // Room first: to make it may take the segment in which the body stands.
    const std::uint64_t text_bytes = key.size() + new_secondary_key.size() + metadata.size();
    const std::uint64_t removal = record_length(key.size() + old_secondary_key.size(), 0).record_bytes;
    const std::uint64_t wanted = removal + record_length(text_bytes, kBodyPlaceBytes).record_bytes;
    if (const FileError error = make_room(std::min(wanted, most_record_bytes()))) {
        return error;
    }
    const auto old = stored(hash, key, old_secondary_key);
    if (!old) {
        return given_up(key, old_secondary_key, sequence, old.error());
    }
    if (old_sequence && old->sequence != *old_sequence) {
        return errc::make_error_code(errc::no_such_file_or_directory); // another response took its place
    }
    ReadRecord whole;
    const bool copies = std::uint64_t{old->body.length_units} * kUnitBytes <= kCopiedBytes;
    if (copies) {
        const ReadState state = read_entry(hash, old->entry.location, whole, Blocking::Allowed, true);
        if (state != ReadState::Whole) {
            return given_up(key, old_secondary_key, sequence, whole.error);
        }
    }
    if (marker_of(old_secondary_key) != marker_of(new_secondary_key)) {
        if (const FileError error = remove(key, old_secondary_key, sequence)) {
            return error;
        }
    }
    const std::string place = encode(old->body);
    NewRecord record;
    record.kind = copies ? whole.head.facts.kind : RecordKind::Metadata;
    record.key = key;
    record.secondary_key = new_secondary_key;
    record.metadata = metadata;
    record.body = copies ? whole.body : std::string_view(place);
    record.total_bytes = old->total_bytes;
    record.sequence = sequence;
    record.expires_ms = expires_ms;
    return append_carrying(record, {old->entry.uses, !copies && old->entry.verified, old->body.place});
}

} // namespace gatehouse::cache::store::disk
