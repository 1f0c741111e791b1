// What any thread does with the disk store's log: find and read.
#include "cache/store/disk_log.h"
#include "cache/store/disk_segment.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace gatehouse::cache::store::disk {

namespace errc = boost::system::errc;

Segment* DiskLog::segment_at(std::uint32_t number) const noexcept {
    return number < segments_by_number_.size() ? segments_by_number_[number].load(std::memory_order_acquire) : nullptr;
}

std::uint64_t DiskLog::generation_of(const Location& location) const noexcept {
    const Segment* const segment = segment_at(location.segment);
    return segment == nullptr ? 0 : segment->generation();
}

std::uint16_t DiskLog::marker_of(std::string_view secondary_key) noexcept {
    return marker(secondary_hash(secondary_key));
}

IndexEntries DiskLog::find(const KeyHash& hash) const {
    IndexEntries entries = index_.find(hash, std::numeric_limits<std::size_t>::max());
    if (entries.size() < 2) {
        return entries;
    }
    const auto written = [this](const IndexEntry& entry) {
        return std::pair(generation_of(entry.location), entry.location.units);
    };
    std::sort(entries.begin(), entries.end(),
              [&](const IndexEntry& a, const IndexEntry& b) { return written(a) > written(b); });
    return entries;
}

bool DiskLog::has(std::string_view key, std::string_view secondary_key) const {
    const IndexEntries entries = index_.find(hash(key), std::numeric_limits<std::size_t>::max());
    return std::any_of(entries.begin(), entries.end(), [marker = marker_of(secondary_key)](const IndexEntry& one) {
        return one.secondary_marker == marker;
    });
}

void DiskLog::hide(std::string_view key, std::string_view secondary_key) {
    index_.erase_marked(hash(key), marker_of(secondary_key));
}

ReadState DiskLog::read(const KeyHash& hash, const Location& location, ReadRecord& record, Blocking blocking) {
    const ReadState state = read_entry(hash, location, record, blocking, options_.verify_always);
    if (state == ReadState::Whole) {
        index_.use(hash, location);
    }
    return state;
}

// The segment is looked at first: what the index has after that is of this generation or of a later one, because the
// entries of a segment go before it is begun anew.
ReadState DiskLog::read_entry(const KeyHash& hash, const Location& location, ReadRecord& record, Blocking blocking,
                              bool check_body) {
    record.error = {};
    Segment* const segment = segment_at(location.segment);
    const Segment::View view = segment == nullptr ? Segment::View() : segment->view();
    const auto entry = view.generation == 0 ? std::nullopt : index_.look(hash, location);
    if (!entry) {
        return ReadState::Absent;
    }
    const bool checks = check_body || !entry->verified;
    const bool is_elsewhere = entry->kind == RecordKind::Metadata;
    ReadState state = read_record(view, hash, location, {record, 0, record.head, blocking, checks || is_elsewhere});
    if (state == ReadState::Whole && is_elsewhere) {
        state = read_body(hash, location, record, blocking, checks);
    }
    drop_unreadable(*segment, view, hash, location, state);
    return state;
}

// Where the segment was begun anew meanwhile the entry is out of the index already, and the same place may have an
// entry of the same key again.
void DiskLog::drop_unreadable(const Segment& segment, const Segment::View& view, const KeyHash& hash,
                              const Location& location, ReadState state) {
    const bool is_lost = state == ReadState::Absent || state == ReadState::Failed;
    if (is_lost && segment.generation() == view.generation) {
        index_.erase(hash, location);
    }
}

ReadRing::Extent DiskLog::extent_of(const Location& location) const {
    const Segment* const segment = segment_at(location.segment);
    return {segment == nullptr ? nullptr : segment->view().file, std::uint64_t{location.units} * kUnitBytes,
            std::uint64_t{location.length_units} * kUnitBytes};
}

Segment::View DiskLog::view_of(const Place& place) const {
    Segment* const segment = segment_at(place.segment);
    const Segment::View view = segment == nullptr ? Segment::View() : segment->view();
    return place.generation != 0 && view.generation == place.generation ? view : Segment::View();
}

// A metadata record was read: the record that has its body is read behind it, and the two make one.
ReadState DiskLog::read_body(const KeyHash& hash, const Location& location, ReadRecord& record, Blocking blocking,
                             bool check_body) const {
    const auto where = decode_body_place(record.body);
    const Segment::View view = where ? view_of(where->place) : Segment::View();
    if (view.generation == 0 || where->length_units > most_record_bytes() / kUnitBytes) {
        return ReadState::Absent;
    }
    const std::uint64_t generation = record.head.facts.generation;
    const std::size_t at = std::size_t{location.length_units} * kUnitBytes;
    const char* const before = record.bytes.data();
    RecordHead body;
    const ReadState state = read_record(view, hash, {where->place.segment, where->place.units, where->length_units},
                                        {record, at, body, blocking, check_body});
    if (state != ReadState::Whole) {
        return state;
    }
    if (body.facts.kind != RecordKind::Whole && body.facts.kind != RecordKind::Manifest) {
        return ReadState::Absent;
    }
    if (record.bytes.data() != before) { // and with it what the head refers to
        decode({record.bytes.data(), at}, generation, record.head);
    }
    record.head.facts.kind = body.facts.kind;
    record.head.facts.body_bytes = body.facts.body_bytes;
    record.head.facts.total_bytes = body.facts.total_bytes;
    record.head.facts.body_offset = body.facts.body_offset;
    std::swap(record.head.body_checksums, body.body_checksums);
    return ReadState::Whole;
}

ReadState DiskLog::read_record(const Segment::View& segment, const KeyHash& hash, const Location& location,
                               const ReadTarget& target) {
    ReadRecord& record = target.record;
    const std::size_t size = std::size_t{location.length_units} * kUnitBytes;
    const std::uint64_t offset = std::uint64_t{location.units} * kUnitBytes;
    if (record.bytes.size() < target.at + size) {
        record.bytes.resize(target.at + size);
    }
    const std::span<char> bytes(record.bytes.data() + target.at, size);
    const bool may_wait = target.blocking == Blocking::Allowed;
    const FileError error = may_wait ? segment.file->read(bytes, offset) : segment.file->read_at_hand(bytes, offset);
    if (error) {
        const bool would_block = error == errc::resource_unavailable_try_again && !may_wait;
        record.error = would_block ? FileError() : error;
        return would_block ? ReadState::WouldBlock : ReadState::Failed;
    }
    RecordHead& head = target.head;
    if (decode(bytes, segment.generation, head) != Decoded::Whole || head.record_bytes != size ||
        head.facts.hash != hash) {
        return ReadState::Absent;
    }
    record.body = std::string_view(bytes.data(), size).substr(head.head_bytes, head.facts.body_bytes);
    const bool is_right = !target.check_body || checksums_of(record.body) == head.body_checksums;
    return is_right ? ReadState::Whole : ReadState::Absent;
}

} // namespace gatehouse::cache::store::disk
