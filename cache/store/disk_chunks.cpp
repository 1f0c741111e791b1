// Bodies that are written in pieces.
#include "cache/store/disk_log.h"

#include <algorithm>

namespace gatehouse::cache::store::disk {

// Half of what a record may have, where that is less than what one checksum covers.
std::uint64_t DiskLog::chunk_bytes() const noexcept { return std::min(kBodyBytesPerChecksum, most_record_bytes() / 2); }

FileResult<Place> DiskLog::append_chunk(const NewChunk& chunk) {
    RecordFacts facts;
    facts.kind = RecordKind::Chunk;
    facts.hash = chunk.hash;
    facts.sequence = chunk.sequence;
    facts.body_bytes = chunk.body.size();
    facts.total_bytes = chunk.total_bytes;
    facts.body_offset = chunk.body_offset;
    NewRecord record;
    record.kind = RecordKind::Chunk;
    record.body = chunk.body;
    const auto written = write_record(facts, record, {});
    if (!written) {
        return written.error();
    }
    bytes_admitted_ += std::uint64_t{written->length_units} * kUnitBytes;
    return Place{written->segment, written->units, open_->generation()};
}

FileResult<Location> DiskLog::append_manifest(const NewRecord& record, std::span<const Place> chunks) {
    std::string places;
    for (const Place& place : chunks) {
        append_place(places, place);
    }
    NewRecord manifest = record;
    manifest.kind = RecordKind::Manifest;
    manifest.body = places;
    Carried carried;
    carried.chunk_bytes = chunk_bytes();
    return append_carrying(manifest, carried);
}

std::optional<std::uint64_t> DiskLog::sequence_of(std::string_view key, std::string_view secondary_key,
                                                  Blocking blocking) {
    const KeyHash hash = this->hash(key);
    ReadRecord record;
    for (const IndexEntry& entry : find(hash)) {
        const Segment* const segment = segment_at(entry.location.segment);
        const bool may_be_it = segment != nullptr && entry.secondary_marker == marker_of(secondary_key);
        if (may_be_it &&
            read_head_of(segment->view(), hash, entry.location, record, record.head, blocking) ==
                ReadState::Whole &&
            record.head.key == key && record.head.secondary_key == secondary_key) {
            return record.head.facts.sequence;
        }
    }
    return std::nullopt;
}

} // namespace gatehouse::cache::store::disk
