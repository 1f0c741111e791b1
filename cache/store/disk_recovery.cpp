// What the disk store's log finds at a start.
#include "cache/store/disk_log.h"
#include "cache/store/disk_segment.h"

#include <algorithm>
#include <array>
#include <utility>

namespace gatehouse::cache::store::disk {

namespace {

// At least 1, and no later than what 32 bits hold.
std::uint32_t expiry_seconds(std::int64_t milliseconds) noexcept {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(milliseconds / 1000, 1, 0xffff'ffff));
}

} // namespace

IndexEntry entry_of(const FooterEntry& footer, std::uint32_t segment) noexcept {
    IndexEntry entry;
    entry.location = {segment, footer.units, footer.length_units};
    entry.expires_seconds = expiry_seconds(footer.expires_ms);
    entry.secondary_marker = marker(footer.secondary_hash);
    entry.kind = footer.kind;
    return entry;
}

FileError DiskLog::open_segments(LogRecovery& found) {
    const auto names = files_.list(options_.directory);
    if (!names) {
        return names.error();
    }
    std::vector<std::uint32_t> numbers;
    for (const std::string& name : *names) {
        if (const auto number = segment_number(name)) {
            numbers.push_back(*number);
        }
    }
    std::sort(numbers.begin(), numbers.end());
    std::vector<Segment*> ours;
    for (const std::uint32_t number : numbers) {
        const auto segment = open_segment(number);
        if (!segment) {
            return segment.error();
        }
        if (const FileError error = look_at(**segment, found)) {
            return error;
        }
        if ((*segment)->state == Segment::State::Sealed) {
            ours.push_back(*segment);
        }
    }
    keep_newest(ours, found);
    if (const FileError error = add_segments()) {
        return error;
    }
    recover(found);
    return {};
}

// Whose it is, by its header: Sealed when it is ours, Free when it may be begun anew, Foreign when it is left alone.
FileError DiskLog::look_at(Segment& segment, LogRecovery& found) {
    std::array<char, kSegmentHeaderBytes> bytes{};
    const auto size = segment.file().size();
    if (!size) {
        return size.error();
    }
    SegmentHeader header;
    const Decoded decoded = segment.file().read(bytes, 0) ? Decoded::Damaged : decode(bytes, header);
    const bool is_ours = decoded == Decoded::Whole && header.store == identity_.store &&
                         header.number == segment.number && header.segment_bytes == options_.segment_bytes;
    if (decoded == Decoded::OtherVersion) {
        segment.state = Segment::State::Foreign;
        ++found.foreign_segments;
        return {};
    }
    ++in_use_;
    if (!is_ours) {
        const bool is_blank = std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; });
        found.damaged_segments += is_blank ? 0 : 1; // or it was about to be begun
        free_.push_back(&segment);
        return {};
    }
    segment.set_generation(header.generation);
    segment.state = Segment::State::Sealed;
    segment.is_dirty = true; // a process that was killed synced nothing
    next_generation_ = std::max(next_generation_, header.generation + 1);
    oldest_generation_ = std::max(oldest_generation_, header.oldest_generation);
    return {};
}

// Of what is ours the newest that fit go to sealed_, in the order in which they were written. What is older than any
// segment allows is free; files beyond the number of segments are removed.
void DiskLog::keep_newest(std::vector<Segment*>& ours, LogRecovery& found) {
    std::sort(ours.begin(), ours.end(),
              [](const Segment* a, const Segment* b) { return a->generation() < b->generation(); });
    std::vector<Segment*> victims(free_.begin(), free_.end());
    for (Segment* const segment : ours) {
        if (segment->generation() < oldest_generation_) {
            segment->state = Segment::State::Free;
            segment->set_generation(0);
            free_.push_back(segment);
            victims.push_back(segment);
        } else {
            sealed_.push_back(segment);
        }
    }
    victims.insert(victims.end(), sealed_.begin(), sealed_.end());
    for (std::size_t i = 0; in_use_ > options_.segments; ++i) {
        give_up(*victims[i]); // a file that cannot be removed is older than all that will be written
        ++found.removed_segments;
    }
    std::erase_if(free_, [](const Segment* one) { return one->state == Segment::State::GivenUp; });
    std::erase_if(sealed_, [](const Segment* one) { return one->state == Segment::State::GivenUp; });
}

// Segment by segment, in the order in which they were written: what all their footers have would be more than the
// index.
void DiskLog::recover(LogRecovery& found) {
    std::uint64_t expected = 0;
    for (const Segment* const segment : sealed_) {
        const auto trailer = read_trailer(*segment);
        expected += trailer ? trailer->entries : 0;
    }
    index_.reserve(expected);
    for (Segment* const segment : std::exchange(sealed_, {})) {
        std::vector<FooterEntry> entries;
        if (read_footer(*segment, entries)) {
            ++found.sealed_segments;
            sealed_.push_back(segment);
        } else {
            seal_scanned(*segment, entries);
            ++found.scanned_segments;
        }
        enter(*segment, entries, found);
    }
    index_.fit();
    found.records = index_.size();
}

// Sealed with what is whole, so that it is scanned only once.
void DiskLog::seal_scanned(Segment& segment, std::vector<FooterEntry>& entries) {
    entries = scan(segment, open_end_);
    open_ = &segment;
    open_largest_sequence_ = 0;
    for (const FooterEntry& entry : entries) {
        footer_.append(entry);
        open_largest_sequence_ = std::max(open_largest_sequence_, entry.sequence);
    }
    seal();
}

void DiskLog::enter(const Segment& segment, const std::vector<FooterEntry>& entries, LogRecovery& found) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
        constexpr std::size_t kAhead = 12; // the index is far larger than the processor's caches
        if (i + kAhead < entries.size()) {
            index_.expect(entries[i + kAhead].hash);
        }
        found.largest_sequence = std::max(found.largest_sequence, entries[i].sequence);
        enter(segment, entries[i]);
    }
}

// Takes the place of what was written before it for its key and secondary key.
void DiskLog::enter(const Segment& segment, const FooterEntry& footer) {
    if (footer.kind == RecordKind::Chunk) {
        return;
    }
    const IndexEntry entry = entry_of(footer, segment.number);
    if (footer.kind == RecordKind::Removed || (footer.kind == RecordKind::Metadata && !is_there(footer.body))) {
        index_.erase_marked(footer.hash, entry.secondary_marker);
    } else if (index_.replace(footer.hash, entry) > options_.max_variants) {
        drop_oldest(footer.hash);
    }
}

bool DiskLog::is_there(const Place& place) const noexcept {
    const Segment* const segment = segment_at(place.segment);
    return segment != nullptr && segment->generation() == place.generation;
}

namespace {

// The records of a segment from the front on, read in large pieces.
class Scan {
public:
    Scan(const File& file, std::uint64_t end) : file_(file), end_(end) {}
    // The bytes from `offset` on, at least `least` of them; empty: there are not so many, or they cannot be read.
    std::span<const char> at(std::uint64_t offset, std::uint64_t least) {
        if (offset < begin_ || offset + least > begin_ + bytes_.size()) {
            constexpr std::uint64_t kPiece = 1024 * 1024;
            const std::uint64_t wanted = std::min(std::max(least, kPiece), end_ - std::min(offset, end_));
            begin_ = offset;
            bytes_.resize(wanted);
            if (wanted < least || file_.read(bytes_, offset)) {
                // What is left of the file may be shorter than a piece.
                bytes_.resize(std::min(wanted, least));
                if (wanted < least || file_.read(bytes_, offset)) {
                    bytes_.clear();
                    return {};
                }
            }
        }
        return std::span<const char>(bytes_).subspan(offset - begin_);
    }

private:
    const File& file_;
    std::uint64_t end_;
    std::uint64_t begin_ = 0;
    std::string bytes_;
};

} // namespace

// To the first that is not whole.
std::vector<FooterEntry> DiskLog::scan(const Segment& segment, std::uint64_t& end) const {
    std::vector<FooterEntry> entries;
    Scan bytes(segment.file(), options_.segment_bytes);
    RecordHead head;
    end = kSegmentHeaderBytes;
    for (;;) {
        const auto length = record_length(bytes.at(end, kRecordHeaderBytes));
        if (!length || length->record_bytes > most_record_bytes()) {
            return entries;
        }
        const auto record = bytes.at(end, length->record_bytes);
        if (decode(record, segment.generation(), head) != Decoded::Whole) {
            return entries;
        }
        const std::string_view body(record.data() + head.head_bytes, head.facts.body_bytes);
        if (checksums_of(body) != head.body_checksums) {
            return entries;
        }
        const RecordFacts& facts = head.facts;
        const auto elsewhere =
            facts.kind == RecordKind::Metadata ? decode_body_place(body).value_or(BodyPlace{}) : BodyPlace{};
        entries.push_back({facts.hash, facts.sequence, facts.expires_ms, static_cast<std::uint32_t>(end / kUnitBytes),
                           static_cast<std::uint32_t>(length->record_bytes / kUnitBytes), facts.kind,
                           secondary_hash(head.secondary_key), elsewhere.place});
        end += length->record_bytes;
    }
}
std::optional<Trailer> DiskLog::read_trailer(const Segment& segment) const {
    const SegmentHeader header{segment.number, segment.generation(), options_.segment_bytes, identity_.store, 0};
    std::array<char, kTrailerBytes> bytes{};
    Trailer trailer;
    const bool is_whole = !segment.file().read(bytes, options_.segment_bytes - kTrailerBytes) &&
                          decode(bytes, header, trailer) == Decoded::Whole;
    return is_whole ? std::optional(trailer) : std::nullopt;
}

bool DiskLog::read_footer(const Segment& segment, std::vector<FooterEntry>& entries) const {
    const auto trailer = read_trailer(segment);
    if (!trailer) {
        return false;
    }
    std::string footer(trailer->footer_bytes(), '\0');
    if (segment.file().read(footer, trailer->footer_offset)) {
        return false;
    }
    auto decoded = decode_footer(footer, *trailer);
    if (!decoded) {
        return false;
    }
    entries = std::move(*decoded);
    return true;
}

} // namespace gatehouse::cache::store::disk
