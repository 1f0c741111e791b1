// Records whose bodies stay in their files: found without being read, and checked piece by piece.
#include "cache/store/disk_log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

namespace gatehouse::cache::store::disk {

namespace errc = boost::system::errc;

namespace {

// Most heads fit: one read.
constexpr std::size_t kHeadBytes = 1024;

FileError read_bytes(const File& file, std::span<char> bytes, std::uint64_t offset, Blocking blocking) {
    return blocking == Blocking::Allowed ? file.read(bytes, offset) : file.read_at_hand(bytes, offset);
}

} // namespace

// A record, and where its body lies.
struct DiskLog::Located {
    IndexEntry entry;
    Segment::View segment; // of the record
    Segment::View body_segment;
    RecordHead body_head; // its texts are not valid
    std::uint64_t body_offset = 0;
};

// Into record.bytes, from the front.
ReadState DiskLog::read_head_of(const Segment::View& segment, const KeyHash& hash, const Location& location,
                                ReadRecord& record, RecordHead& head, Blocking blocking) {
    if (segment.file == nullptr) {
        return ReadState::Absent; // it was given up meanwhile
    }
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
            const bool would_block =
                record.error == errc::resource_unavailable_try_again && blocking == Blocking::Refused;
            return would_block ? ReadState::WouldBlock : ReadState::Failed;
        }
        const auto length = disk::record_length(std::span<const char>(bytes).first(kRecordHeaderBytes));
        if (length && length->text_end > wanted && length->text_end <= record_bytes) {
            wanted = static_cast<std::size_t>(length->text_end);
            continue;
        }
        const bool is_whole = decode(bytes, segment.generation, head) == Decoded::Whole && head.facts.hash == hash;
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
    found.segment = view;
    found.body_segment = view;
    ReadState state = read_head_of(view, hash, location, record, found.body_head, blocking);
    std::uint64_t units = location.units;
    if (state == ReadState::Whole && entry->kind == RecordKind::Metadata) {
        std::array<char, kBodyPlaceBytes> bytes{};
        const std::uint64_t at = units * kUnitBytes + found.body_head.head_bytes;
        const FileError error = read_bytes(*view.file, bytes, at, blocking);
        if (error == errc::resource_unavailable_try_again && blocking == Blocking::Refused) {
            return ReadState::WouldBlock;
        }
        const bool is_read = !error && found.body_head.facts.body_bytes == bytes.size() &&
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
    const RecordKind kind = found.body_head.facts.kind;
    if (state == ReadState::Whole && kind != RecordKind::Whole && kind != RecordKind::Manifest) {
        state = ReadState::Absent;
    }
    drop_unreadable(*segment, view, hash, location, state);
    found.body_offset = units * kUnitBytes + found.body_head.head_bytes;
    return state;
}

// Of one large body.
class DiskLog::ChunkCheck final : public FileBody::Check {
public:
    struct Chunk {
        Segment::View segment;
        Place place;
        std::uint64_t body_offset = 0; // in the whole
        std::uint64_t body_bytes = 0;
    };
    ChunkCheck(const KeyHash& hash, std::vector<Chunk> chunks, bool always)
        : hash_(hash), chunks_(std::move(chunks)), always_(always), done_(chunks_.size()) {}

    bool is_done(std::size_t piece) const override {
        const Chunk& chunk = chunks_[piece];
        return done_[piece].load(std::memory_order_acquire) ||
               (!always_ && chunk.segment.checked->has(chunk.place.units));
    }

    bool run(std::size_t piece) const override {
        const Chunk& chunk = chunks_[piece];
        const RecordLength length = disk::record_length(std::uint64_t{0}, chunk.body_bytes);
        std::string bytes(static_cast<std::size_t>(length.record_bytes), '\0');
        RecordHead head;
        if (chunk.segment.file->read(bytes, std::uint64_t{chunk.place.units} * kUnitBytes) ||
            decode(bytes, chunk.place.generation, head) != Decoded::Whole) {
            return false;
        }
        const std::string_view body = std::string_view(bytes).substr(head.head_bytes, head.facts.body_bytes);
        const RecordFacts& facts = head.facts;
        const bool is_right = facts.kind == RecordKind::Chunk && facts.hash == hash_ &&
                              facts.body_offset == chunk.body_offset && facts.body_bytes == chunk.body_bytes &&
                              checksums_of(body) == head.body_checksums;
        if (is_right) {
            done_[piece].store(true, std::memory_order_release);
            chunk.segment.checked->add(chunk.place.units);
        }
        return is_right;
    }

private:
    const KeyHash hash_;
    const std::vector<Chunk> chunks_;
    const bool always_;
    mutable std::vector<std::atomic<bool>> done_;
};

// Null: not all of it is there any more.
std::shared_ptr<const FileBody> DiskLog::chunks_of(const KeyHash& hash, const RecordFacts& manifest,
                                                   std::string_view places) const {
    const auto list = decode_places(places);
    const std::uint64_t chunk_bytes = manifest.body_offset;
    const std::uint64_t total = manifest.total_bytes;
    if (!list || chunk_bytes == 0 || list->size() != (total + chunk_bytes - 1) / chunk_bytes) {
        return nullptr;
    }
    std::vector<ChunkCheck::Chunk> chunks;
    std::vector<FileBody::Piece> pieces;
    std::uint64_t at = 0;
    for (const Place& place : *list) {
        const Segment::View view = view_of(place);
        if (view.file == nullptr) {
            return nullptr;
        }
        const std::uint64_t bytes = std::min(chunk_bytes, total - at);
        const std::uint64_t head_bytes = disk::record_length(std::uint64_t{0}, bytes).head_bytes;
        pieces.push_back({view.file, std::uint64_t{place.units} * kUnitBytes + head_bytes, bytes});
        chunks.push_back({view, place, at, bytes});
        at += bytes;
    }
    auto check = std::make_shared<const ChunkCheck>(hash, std::move(chunks), options_.verify_always);
    return std::make_shared<const FileBody>(pieces, std::move(check));
}

// The list of its pieces is checked each time; they are when they are sent.
ReadState DiskLog::open_manifest(const KeyHash& hash, const Located& found, std::shared_ptr<const FileBody>& body,
                                 Blocking blocking) {
    std::string places(static_cast<std::size_t>(found.body_head.facts.body_bytes), '\0');
    const FileError error = read_bytes(*found.body_segment.file, places, found.body_offset, blocking);
    if (error) {
        return error == errc::resource_unavailable_try_again ? ReadState::WouldBlock : ReadState::Failed;
    }
    if (checksums_of(places) == found.body_head.body_checksums) {
        body = chunks_of(hash, found.body_head.facts, places);
    }
    if (!body) {
        index_.erase(hash, found.entry.location);
        return ReadState::Absent;
    }
    return ReadState::Whole;
}

ReadState DiskLog::open(const KeyHash& hash, const Location& location, ReadRecord& record,
                        std::shared_ptr<const FileBody>& body, Blocking blocking) {
    Located found;
    ReadState state = locate(hash, location, record, blocking, found);
    if (state != ReadState::Whole) {
        return state;
    }
    const std::uint64_t bytes = found.body_head.facts.body_bytes;
    if (found.body_head.facts.kind == RecordKind::Manifest) {
        state = open_manifest(hash, found, body, blocking);
    } else {
        const bool is_checked = found.entry.verified && !options_.verify_always;
        if (!is_checked) {
            state = blocking == Blocking::Allowed ? check(hash, found) : ReadState::WouldBlock;
        }
        const FileBody::Piece piece{found.body_segment.file, found.body_offset, bytes};
        body = std::make_shared<const FileBody>(std::span(&piece, 1));
    }
    if (state != ReadState::Whole) {
        return state;
    }
    record.head = found.body_head;
    record.body = {};
    if (found.entry.kind == RecordKind::Metadata) {
        // The head that counts is another one than that of the body, which stands in its place by now.
        state = read_head_of(found.segment, hash, location, record, record.head, blocking);
        record.head.facts.body_bytes = bytes;
    }
    if (state == ReadState::Whole) {
        index_.use(hash, location);
    }
    return state;
}

// Piece by piece.
ReadState DiskLog::check(const KeyHash& hash, const Located& found) {
    std::uint64_t left = found.body_head.facts.body_bytes;
    std::uint64_t at = found.body_offset;
    std::string bytes(static_cast<std::size_t>(std::min(left, kBodyBytesPerChecksum)), '\0');
    for (const std::uint64_t expected : found.body_head.body_checksums) {
        const auto part = static_cast<std::size_t>(std::min(left, kBodyBytesPerChecksum));
        const FileError error = found.body_segment.file->read({bytes.data(), part}, at);
        if (error || checksum({bytes.data(), part}) != expected) {
            index_.erase(hash, found.entry.location);
            return error ? ReadState::Failed : ReadState::Absent;
        }
        at += part;
        left -= part;
    }
    return ReadState::Whole;
}

} // namespace gatehouse::cache::store::disk
