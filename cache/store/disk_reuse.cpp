// How the disk store's log makes room: segments are begun, sealed, set aside and reused.
#include "cache/store/disk_log.h"
#include "cache/store/disk_segment.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

namespace gatehouse::cache::store::disk {

namespace {

namespace errc = boost::system::errc;

// The share of a segment that is written again when it is reused, on average at most: what is written for each byte
// that is admitted stays below 1.15 with it. What one leaves of it the next may use.
constexpr std::int64_t kRewrittenShare = 10;
constexpr std::size_t kFreeSegments = 2; // kept ready, so that what is written again has somewhere to go

} // namespace

// For so many records together.
std::uint64_t DiskLog::room(std::uint64_t records) const noexcept {
    if (open_ == nullptr) {
        return 0;
    }
    const std::uint64_t behind = padded(footer_.most_bytes_with(records)) + kTrailerBytes;
    return options_.segment_bytes - open_end_ > behind ? options_.segment_bytes - open_end_ - behind : 0;
}

FileError DiskLog::make_room(std::uint64_t bytes, std::uint64_t records) {
    while (bytes > room(records)) {
        if (open_ != nullptr) {
            seal(); // where it fails the segment is set aside, and what it holds stays
        }
        // After a start all may be sealed. Nothing was read since, so nothing of the oldest is written again.
        while (!reusing_ && free_.empty() && !sealed_.empty()) {
            reuse_oldest();
        }
        if (const FileError error = begin_segment()) {
            return error;
        }
        keep_free_segments();
    }
    return {};
}

// Ahead of need, and not while records of a segment that is being reused are written again.
void DiskLog::keep_free_segments() {
    while (!reusing_ && free_.size() < kFreeSegments && !sealed_.empty()) {
        reuse_oldest();
    }
}

// The free segment that was written longest ago. From its first new byte on nothing is valid that is as old as what it
// held: of two records for one key the older must not outlive the newer, whichever of their segments is left.
FileError DiskLog::begin_segment() {
    if (free_.empty()) {
        return errc::make_error_code(errc::no_space_on_device);
    }
    Segment& segment = *free_.front();
    if (!segment.has_file()) {
        auto file = files_.open(path_of(segment));
        if (!file) {
            return file.error();
        }
        segment.set(std::move(*file), 0);
    }
    if (const FileError error = segment.file().allocate(options_.segment_bytes)) {
        return error;
    }
    free_.pop_front();
    const SegmentHeader header{segment.number, next_generation_, options_.segment_bytes, identity_.store,
                               oldest_generation_};
    const auto bytes = encode(header);
    segment.set_generation(next_generation_++);
    segment.is_dirty = true;
    if (const FileError error = segment.file().write({bytes.data(), bytes.size()}, 0)) {
        segment.state = Segment::State::Bad;
        spent_.push_back(&segment);
        ++bad_segments_;
        return error;
    }
    bytes_written_ += bytes.size();
    segment.state = Segment::State::Open;
    open_ = &segment;
    open_end_ = kSegmentHeaderBytes;
    open_largest_sequence_ = 0;
    footer_.clear();
    return {};
}

std::string DiskLog::path_of(const Segment& segment) const {
    return options_.directory + "/" + segment_file_name(segment.number);
}

// The file is made where it is not there.
FileResult<Segment*> DiskLog::open_segment(std::uint32_t number) {
    Segment* segment = segment_at(number);
    if (segment == nullptr) {
        segments_.push_back(std::make_unique<Segment>());
        segment = segments_.back().get();
        segment->number = number;
        segment->state = Segment::State::GivenUp;
        segments_by_number_[number].store(segment, std::memory_order_release);
    }
    auto file = files_.open(path_of(*segment));
    if (!file) {
        return file.error();
    }
    segment->set(std::move(*file), 0);
    segment->state = Segment::State::Free;
    return segment;
}

// As many as are missing, with the lowest numbers that are not in use. They are begun before those that still hold
// something.
FileError DiskLog::add_segments() {
    std::ptrdiff_t added = 0;
    for (std::uint32_t number = 0; in_use_ < options_.segments && number < Location::kMostSegments; ++number) {
        const Segment* const known = segment_at(number);
        if (known != nullptr && (known->state != Segment::State::GivenUp || known->has_file())) {
            continue;
        }
        const auto segment = open_segment(number);
        if (!segment) {
            return segment.error();
        }
        free_.insert(free_.begin() + added++, *segment);
        ++in_use_;
    }
    return {};
}

// The caller takes it out of free_ or sealed_, and its entries out of the index.
FileError DiskLog::give_up(Segment& segment) {
    oldest_generation_ = std::max(oldest_generation_, segment.generation() + 1);
    segment.state = Segment::State::GivenUp;
    const FileError error = remove_file(segment);
    segment.set(nullptr, 0);
    gave_up_files_ = true;
    --in_use_;
    return error;
}

// One that somebody removed already is none the less. One that cannot be removed has no header any more: so a start does
// not find what it holds either.
FileError DiskLog::remove_file(const Segment& segment) {
    const FileError error = files_.remove(path_of(segment));
    if (!error || error == errc::no_such_file_or_directory) {
        return {};
    }
    if (segment.has_file()) {
        const std::string no_header(kSegmentHeaderBytes, '\0');
        segment.file().write(no_header, 0);
    }
    return error;
}

FileError DiskLog::resize(std::uint32_t segments) {
    if (segments < kFewestSegments || segments > Location::kMostSegments) {
        return errc::make_error_code(errc::invalid_argument);
    }
    options_.segments = segments;
    FileError first_error;
    const auto give_up_first_of = [&](std::deque<Segment*>& order) {
        Segment& segment = *order.front();
        order.pop_front();
        const FileError error = give_up(segment);
        first_error = first_error ? first_error : error;
    };
    const bool shrinks = in_use_ > segments;
    while (in_use_ > segments && !spent_.empty()) {
        give_up_first_of(spent_);
    }
    while (in_use_ > segments && !free_.empty()) {
        give_up_first_of(free_);
    }
    while (in_use_ > segments && !sealed_.empty()) {
        give_up_first_of(sealed_);
    }
    if (shrinks) {
        index_.erase_segments(
            [this](std::uint32_t number) { return segment_at(number)->state == Segment::State::GivenUp; });
        keep_free_segments();
    }
    const FileError error = add_segments();
    return first_error ? first_error : error;
}

bool DiskLog::has_been_full() const noexcept { return free_.size() <= kFreeSegments; }

// The header of the segment that is begun here says that nothing older is valid.
FileError DiskLog::clear() {
    if (open_ != nullptr) {
        seal();
    }
    index_.erase_segments([](std::uint32_t) { return true; });
    for (Segment* segment : std::exchange(sealed_, {})) {
        set_free(*segment);
    }
    oldest_generation_ = next_generation_;
    return begin_segment();
}

// Without footer and trailer its records are found all the same, one by one.
void DiskLog::set_aside_open() {
    Segment& segment = *std::exchange(open_, nullptr);
    segment.state = Segment::State::Bad;
    sealed_.push_back(&segment);
    footer_.clear();
    ++bad_segments_;
}

FileError DiskLog::seal() {
    const std::string footer = footer_.encoded();
    const Trailer trailer{open_->generation(),    padded(open_end_), footer_.entries(),
                          open_largest_sequence_, checksum(footer),  footer_.places()};
    const auto bytes = encode(trailer);
    FileError error = open_->file().write(footer, trailer.footer_offset);
    if (!error) {
        error = open_->file().write({bytes.data(), bytes.size()}, options_.segment_bytes - kTrailerBytes);
    }
    if (error) {
        set_aside_open();
        return error;
    }
    bytes_written_ += footer.size() + bytes.size();
    Segment& segment = *std::exchange(open_, nullptr);
    segment.state = Segment::State::Sealed;
    sealed_.push_back(&segment);
    footer_.clear();
    return {};
}

// What is in use is written again. The rest is gone for good, and the file with it: nobody notes that it was removed
// when something else is stored for its key and kept off the disk, so a start must not find it.
void DiskLog::reuse_oldest() {
    Segment& segment = *sealed_.front();
    sealed_.pop_front();
    std::vector<FooterEntry> entries;
    const bool has_footer = read_footer(segment, entries);
    if (!has_footer) {
        std::uint64_t end = 0;
        entries = scan(segment, end);
    }
    reusing_ = true;
    const auto credit = static_cast<std::int64_t>(options_.segment_bytes) / kRewrittenShare;
    rewrite_credit_ = std::min(rewrite_credit_ + credit, 2 * credit);
    for (const bool only_read : {true, false}) { // what was read comes first
        for (const FooterEntry& entry : entries) {
            drop(segment, entry, only_read);
        }
    }
    reusing_ = false;
    if (!has_footer) {
        index_.erase_segments([&segment](std::uint32_t number) { return number == segment.number; });
    }
    set_free(segment);
    ++segments_reused_;
}

// It was sealed, or set aside. Nobody writes where somebody may still read: it gets another file under its name, or none
// where it could not be written.
void DiskLog::set_free(Segment& segment) {
    oldest_generation_ = std::max(oldest_generation_, segment.generation() + 1);
    const bool was_sealed = segment.state == Segment::State::Sealed;
    const bool is_removed = !remove_file(segment);
    if (is_removed) {
        auto fresh = was_sealed ? files_.open(path_of(segment)) : nullptr; // or when it is begun
        segment.set(fresh ? std::move(*fresh) : nullptr, 0);
        gave_up_files_ = true;
        segment.is_dirty = false;
    }
    if (was_sealed && is_removed) {
        segment.state = Segment::State::Free;
        free_.push_back(&segment);
        return;
    }
    bad_segments_ += was_sealed ? 1 : 0;
    segment.state = Segment::State::Bad;
    spent_.push_back(&segment);
}

// Where the index does not know the record it was replaced or removed since; or only its head was, and a metadata
// record has its place. The index does not have that place: the metadata record is read.
void DiskLog::drop(const Segment& segment, const FooterEntry& entry, bool only_read) {
    if (const auto known = index_.look(entry.hash, {segment.number, entry.units, entry.length_units})) {
        keep_or_drop(entry.hash, *known, entry.length_units, only_read);
        return;
    }
    const Place place{segment.number, entry.units, segment.generation()};
    for (const IndexEntry& one : index_.find(entry.hash, std::numeric_limits<std::size_t>::max())) {
        if (one.kind == RecordKind::Metadata && has_body_at(entry.hash, one, place)) {
            keep_or_drop(entry.hash, one, entry.length_units, only_read);
        }
    }
}

bool DiskLog::has_body_at(const KeyHash& hash, const IndexEntry& entry, const Place& place) const {
    const Segment* const segment = segment_at(entry.location.segment);
    ReadRecord record;
    const ReadState state = segment == nullptr ? ReadState::Absent
                                               : read_record(segment->view(), hash, entry.location,
                                                             {record, 0, record.head, Blocking::Allowed, true});
    const auto body = state == ReadState::Whole ? decode_body_place(record.body) : std::nullopt;
    return body && body->place == place;
}

void DiskLog::keep_or_drop(const KeyHash& hash, const IndexEntry& known, std::uint32_t length_units, bool only_read) {
    if (only_read && known.uses == 0) {
        return; // its turn comes
    }
    const bool has_room = open_ != nullptr && rewrite_credit_ > 0;
    if (has_room && (known.uses > 0 || is_wanted(hash, known)) && !rewrite(hash, known)) {
        rewrite_credit_ -= static_cast<std::int64_t>(std::uint64_t{length_units} * kUnitBytes);
    }
    index_.erase(hash, known.location);
}

bool DiskLog::is_wanted(const KeyHash& hash, const IndexEntry& entry) const {
    const Segment* const segment = segment_at(entry.location.segment);
    if (!is_wanted_ || segment == nullptr) {
        return false;
    }
    ReadRecord record;
    return read_head_of(segment->view(), hash, entry.location, record, record.head, Blocking::Allowed) ==
               ReadState::Whole &&
           is_wanted_(record.head.key, record.head.secondary_key);
}

FileError DiskLog::rewrite(const KeyHash& hash, const IndexEntry& entry) {
    ReadRecord record;
    if (read_entry(hash, entry.location, record, Blocking::Allowed, true) != ReadState::Whole) {
        return errc::make_error_code(errc::io_error);
    }
    if (is_dead_ && is_dead_(record.head.key, record.head.metadata, record.head.facts.sequence)) {
        return errc::make_error_code(errc::no_such_file_or_directory);
    }
    NewRecord again;
    again.key = record.head.key;
    again.secondary_key = record.head.secondary_key;
    again.metadata = record.head.metadata;
    again.body = record.body;
    const auto written = write_record(record.head.facts, again, {});
    if (!written) {
        return written.error();
    }
    ++records_rewritten_;
    return {};
}

} // namespace gatehouse::cache::store::disk
