// Records whose bodies stay in their files: found without being read, and checked piece by piece.
#include "cache/store/disk_log.h"

#include <algorithm>
#include <array>
#include <utility>

namespace gatehouse::cache::store::disk {

namespace errc = boost::system::errc;

namespace {

// Most heads fit: one read.
constexpr std::size_t kHeadBytes = 4096;

FileError read_bytes(const File& file, std::span<char> bytes, std::uint64_t offset, Blocking blocking) {
    return blocking == Blocking::Allowed ? file.read(bytes, offset) : file.read_at_hand(bytes, offset);
}

} // namespace

// A record, and where its body lies.
struct DiskLog::Located {
    IndexEntry entry;
    Segment::View body_segment;
    RecordHead body_head; // its texts are not valid
    std::uint64_t body_offset = 0;
};

// Into record.bytes, from the front.
ReadState DiskLog::read_head_of(const Segment::View& segment, const KeyHash& hash, const Location& location,
                             ReadRecord& record, RecordHead& head, Blocking blocking) {
    const std::uint64_t offset = std::uint64_t{location.units} * kUnitBytes;
    const std::size_t record_bytes = std::size_t{location.length_units} * kUnitBytes;
    std::size_t wanted = std::min(kHeadBytes, record_bytes);
    for (;;) {
        if (record.bytes.size() < wanted) {
            record.bytes.resize(wanted);
        }
        const std::span<char> bytes(record.bytes.data(), wanted);
        record.error = read_bytes(*segment.file, bytes, offset, blocking);
        if (record.error) {
            const bool would_block = record.error == errc::resource_unavailable_try_again && blocking == Blocking::Refused;
            return would_block ? ReadState::WouldBlock : ReadState::Failed;
        }
        const auto length = disk::record_length(std::span<const char>(bytes).first(kRecordHeaderBytes));
        if (length && length->head_bytes > wanted && length->head_bytes <= record_bytes) {
            wanted = static_cast<std::size_t>(length->head_bytes);
            continue;
        }
        const bool is_whole =
            decode(bytes, segment.generation, head) == Decoded::Whole && head.facts.hash == hash;
        return is_whole ? ReadState::Whole : ReadState::Absent;
    }
}

ReadState DiskLog::locate(const KeyHash& hash, const Location& location, ReadRecord& record, Blocking blocking,
                          Located& found) {
    Segment* const segment = segment_at(location.segment);
    const Segment::View view = segment == nullptr ? Segment::View() : segment->view();
    const auto entry = view.generation == 0 ? std::nullopt : index_.look(hash, location);
    if (!entry) {
        return ReadState::Absent;
    }
    found.entry = *entry;
    found.body_segment = view;
    ReadState state = read_head_of(view, hash, location, record, found.body_head, blocking);
    std::uint64_t units = location.units;
    if (state == ReadState::Whole && entry->kind == RecordKind::Metadata) {
        std::array<char, kBodyPlaceBytes> bytes{};
        const std::uint64_t at = units * kUnitBytes + found.body_head.head_bytes;
        const bool is_read = found.body_head.facts.body_bytes == bytes.size() &&
                             !read_bytes(*view.file, bytes, at, blocking) &&
                             checksums_of({bytes.data(), bytes.size()}) == found.body_head.body_checksums;
        const auto place = is_read ? decode_body_place({bytes.data(), bytes.size()}) : std::nullopt;
        found.body_segment = place ? view_of(place->place) : Segment::View();
        state = found.body_segment.file == nullptr
                    ? ReadState::Absent
                    : read_head_of(found.body_segment, hash,
                                {place->place.segment, place->place.units, place->length_units}, record,
                                found.body_head, blocking);
        units = place ? place->place.units : 0;
    }
    if (state == ReadState::Whole && found.body_head.facts.kind != RecordKind::Whole) {
        state = ReadState::Absent;
    }
    drop_unreadable(*segment, view, hash, location, state);
    found.body_offset = units * kUnitBytes + found.body_head.head_bytes;
    return state;
}

ReadState DiskLog::open(const KeyHash& hash, const Location& location, ReadRecord& record,
                        std::shared_ptr<const FileBody>& body) {
    Located found;
    ReadState state = locate(hash, location, record, Blocking::Refused, found);
    if (state != ReadState::Whole) {
        return state;
    }
    if (!found.entry.verified) {
        return ReadState::WouldBlock;
    }
    const std::uint64_t bytes = found.body_head.facts.body_bytes;
    body = std::make_shared<const FileBody>(
        std::vector<FileBody::Piece>{{found.body_segment.file, found.body_offset, bytes}});
    // The head that counts was overwritten by that of the body's record where the two are not one.
    record.head = found.body_head;
    record.body = {};
    if (found.entry.kind == RecordKind::Metadata) {
        Segment* const segment = segment_at(location.segment);
        const Segment::View view = segment->view();
        state = view.generation == 0
                    ? ReadState::Absent
                    : read_head_of(view, hash, location, record, record.head, Blocking::Refused);
        record.head.facts.body_bytes = bytes;
    }
    index_.use(hash, location);
    return state;
}

ReadState DiskLog::check(const KeyHash& hash, const Location& location) {
    ReadRecord record;
    Located found;
    const ReadState state = locate(hash, location, record, Blocking::Allowed, found);
    if (state != ReadState::Whole) {
        return state;
    }
    std::uint64_t left = found.body_head.facts.body_bytes;
    std::uint64_t at = found.body_offset;
    std::string bytes(static_cast<std::size_t>(std::min(left, kBodyBytesPerChecksum)), '\0');
    for (const std::uint64_t expected : found.body_head.body_checksums) {
        const auto part = static_cast<std::size_t>(std::min(left, kBodyBytesPerChecksum));
        const FileError error = found.body_segment.file->read({bytes.data(), part}, at);
        if (error || checksum({bytes.data(), part}) != expected) {
            index_.erase(hash, location);
            return error ? ReadState::Failed : ReadState::Absent;
        }
        at += part;
        left -= part;
    }
    return index_.use(hash, location) ? ReadState::Whole : ReadState::Absent;
}

} // namespace gatehouse::cache::store::disk
