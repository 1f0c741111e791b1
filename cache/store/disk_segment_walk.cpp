#include "cache/store/disk_segment_walk.h"

#include "cache/store/disk_segment.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gatehouse::cache::store::disk {

namespace {

namespace errc = boost::system::errc;

constexpr std::size_t kWindowBytes = 1024 * 1024; // what is read at once
constexpr int kMostReadings = 4;                  // of a segment that is begun anew each time
constexpr std::uint64_t kMostSegmentBytes = std::uint64_t{Location::kMostUnits} * kUnitBytes;

FileError last_error() noexcept { return {errno, boost::system::system_category()}; }

bool is_zero(std::string_view bytes) noexcept {
    return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

// A file read in order, so that many small records cost one call. What is returned is valid until the next call.
class Window {
public:
    explicit Window(const ReadOnlyFile& file) : file_(file) {}
    // Requires: `end` does not lie behind the end of what may be read. nullopt: it cannot be read.
    std::optional<std::string_view> get(std::uint64_t offset, std::size_t bytes, std::uint64_t end) {
        if (bytes > end || offset > end - bytes) {
            return std::nullopt;
        }
        if (offset < at_ || offset + bytes > at_ + bytes_.size()) {
            bytes_.resize(std::min<std::uint64_t>(std::max(bytes, kWindowBytes), end - offset));
            at_ = offset;
            if (file_.read(bytes_, offset)) {
                bytes_.clear();
                return std::nullopt;
            }
        }
        return std::string_view(bytes_).substr(offset - at_, bytes);
    }
    // What another process wrote since is seen from now on.
    void forget() noexcept { bytes_.clear(); }

private:
    const ReadOnlyFile& file_;
    std::string bytes_;
    std::uint64_t at_ = 0;
};

class Walk {
public:
    Walk(const ReadOnlyFile& file, const std::optional<StoreId>& store, Depth depth, SegmentReport& report)
        : window_(file), file_(file), store_(store), depth_(depth), report_(report) {}

    // False: the segment was begun anew meanwhile, and the report is not to be used.
    bool read() {
        if (!read_header()) {
            return true;
        }
        if (read_footer()) {
            report_.state = SegmentState::Sealed;
            if (depth_ == Depth::EveryByte) {
                check_sealed();
            }
        } else {
            report_.state = SegmentState::Unsealed;
            scan();
        }
        std::array<char, kSegmentHeaderBytes> bytes{};
        SegmentHeader now;
        return !file_.read(bytes, 0) && decode(bytes, now) == Decoded::Whole && now == header_;
    }

private:
    // Bytes between parts that should be zeros and are not.
    struct Gap {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0; // less than a page
    };
    struct Checked {
        std::string wrong;    // empty: the record is whole
        bool is_head = false; // at least its head is
        FooterEntry entry;
        std::uint64_t bytes = 0;
        std::vector<Gap> gaps;
    };

    void tell(std::uint64_t offset, std::string what, bool is_wrong = true) {
        auto& findings = report_.findings;
        if (findings.size() + 1 < SegmentReport::kMostFindings) {
            findings.push_back({report_.file, offset, std::move(what), is_wrong});
        } else if (findings.size() + 1 == SegmentReport::kMostFindings) {
            findings.push_back({report_.file, offset, "there is more; these are the first of this file", is_wrong});
        }
    }

    // False: nothing can be read behind it, and the report says why.
    bool read_header() {
        const auto size = file_.size();
        if (!size) {
            return damaged("cannot be read: " + size.error().message());
        }
        if (*size == 0) {
            return false; // free
        }
        std::array<char, kSegmentHeaderBytes> bytes{};
        if (*size < bytes.size()) {
            return damaged("the file has " + std::to_string(*size) + " bytes, too few for a header");
        }
        if (const FileError error = file_.read(bytes, 0)) {
            return damaged("cannot be read: " + error.message());
        }
        const Decoded decoded = decode(bytes, header_);
        if (decoded == Decoded::OtherVersion) {
            report_.state = SegmentState::OtherVersion;
            tell(0, "of another version of the format: a start leaves it alone", false);
            return false;
        }
        if (decoded == Decoded::Damaged) {
            // Room that was made, and then the process ended.
            return !is_zero({bytes.data(), bytes.size()}) && damaged("the checksum of the header is wrong");
        }
        return check_header(*size);
    }

    bool check_header(std::uint64_t file_bytes) {
        report_.generation = header_.generation;
        report_.segment_bytes = header_.segment_bytes;
        if (store_ && header_.store != *store_) {
            report_.state = SegmentState::OtherStore;
            tell(0, "written by another store than that of the file identity", false);
            return false;
        }
        if (header_.number != report_.number) {
            return damaged("the header is that of segment-" + std::to_string(header_.number));
        }
        if (header_.segment_bytes < kSegmentHeaderBytes + kTrailerBytes || header_.segment_bytes > kMostSegmentBytes) {
            return damaged("the header says a size of " + std::to_string(header_.segment_bytes) + " bytes");
        }
        end_ = std::min(header_.segment_bytes, file_bytes);
        if (file_bytes < header_.segment_bytes) {
            tell(file_bytes, "the file ends here; its header says " + std::to_string(header_.segment_bytes) + " bytes");
        }
        return true;
    }

    bool damaged(std::string what) {
        report_.state = SegmentState::Damaged;
        tell(0, std::move(what));
        return false;
    }

    // False: the segment is not sealed, or not to be read by its footer.
    bool read_footer() {
        const std::uint64_t at = header_.segment_bytes - kTrailerBytes;
        std::array<char, kTrailerBytes> bytes{};
        if (end_ < header_.segment_bytes) {
            return false;
        }
        if (const FileError error = file_.read(bytes, at)) {
            tell(at, "cannot be read: " + error.message());
            return false;
        }
        if (decode(bytes, header_, trailer_) != Decoded::Whole) {
            if (is_trailer_of_this(bytes)) {
                tell(at, "the trailer's checksum is wrong, or it says what cannot be");
            }
            return false;
        }
        std::string footer(trailer_.footer_bytes(), '\0');
        if (const FileError error = file_.read(footer, trailer_.footer_offset)) {
            tell(trailer_.footer_offset, "cannot be read: " + error.message());
            return false;
        }
        auto entries = decode_footer(footer, trailer_);
        if (!entries) {
            tell(trailer_.footer_offset, "the footer's checksum is wrong");
            return false;
        }
        report_.records = std::move(*entries);
        return true;
    }

    // What was written by an earlier use of the file, or by none, is none of this generation.
    bool is_trailer_of_this(std::span<const char> bytes) const {
        SegmentHeader earlier = header_;
        std::memcpy(&earlier.generation, bytes.data() + 8, sizeof earlier.generation);
        Trailer ignored;
        const bool is_earlier =
            earlier.generation != header_.generation && decode(bytes, earlier, ignored) == Decoded::Whole;
        const bool has_magic = std::string_view(bytes.data(), 7) == "GHSEALD";
        return !is_earlier && (has_magic || earlier.generation == header_.generation);
    }

    // The record that begins there, byte for byte.
    Checked check_record(std::uint64_t offset, std::uint64_t end) {
        Checked out;
        const auto header = window_.get(offset, kRecordHeaderBytes, end);
        const auto length = header ? record_length(*header) : std::nullopt;
        if (!length) {
            out.wrong = header ? "no record begins here" : "a record's header cannot be read";
            return out;
        }
        if (length->record_bytes > end - offset) {
            out.wrong = "the record would reach beyond the end of what there is";
            return out;
        }
        const auto bytes = window_.get(offset, length->head_bytes, end);
        RecordHead head;
        if (!bytes || decode(*bytes, header_.generation, head) != Decoded::Whole) {
            out.wrong = bytes ? "the checksum of the record's head is wrong, or it is of another generation"
                              : "the record's head cannot be read";
            return out;
        }
        out.is_head = true;
        out.bytes = head.record_bytes;
        out.entry = {head.facts.hash,
                     head.facts.sequence,
                     head.facts.expires_ms,
                     static_cast<std::uint32_t>(offset / kUnitBytes),
                     static_cast<std::uint32_t>(head.record_bytes / kUnitBytes),
                     head.facts.kind,
                     secondary_hash(head.secondary_key),
                     {}};
        const std::uint64_t texts = kRecordHeaderBytes + head.key.size() + head.secondary_key.size() +
                                    head.metadata.size() + 8 * head.body_checksums.size();
        if (!is_zero(bytes->substr(texts))) {
            out.gaps.push_back({offset + texts, head.head_bytes - texts});
        }
        if (head.facts.kind == RecordKind::Metadata) {
            const auto body = window_.get(offset + head.head_bytes, head.facts.body_bytes, end_);
            const auto place = body ? decode_body_place(*body) : std::nullopt;
            if (!place) {
                out.wrong = "it names no place of its body";
                return out;
            }
            out.entry.body = place->place;
        }
        check_body(offset + head.head_bytes, head, out);
        return out;
    }

    void check_body(std::uint64_t at, const RecordHead& head, Checked& out) {
        std::uint64_t left = head.facts.body_bytes;
        std::uint64_t done = 0;
        for (const std::uint64_t expected : head.body_checksums) {
            const auto size = static_cast<std::size_t>(std::min(left, kBodyBytesPerChecksum));
            const auto piece = window_.get(at + done, size, end_);
            if (!piece || checksum(*piece) != expected) {
                out.wrong = (piece ? "the checksum of the body is wrong for the " : "the body cannot be read: the ") +
                            std::to_string(size) + " bytes from byte " + std::to_string(done) + " on, at offset " +
                            std::to_string(at + done);
                return;
            }
            left -= size;
            done += size;
        }
        const std::uint64_t padding = head.record_bytes - head.head_bytes - done;
        if (padding > 0) {
            const auto zeros = window_.get(at + done, padding, end_);
            if (!zeros || !is_zero(*zeros)) {
                out.gaps.push_back({at + done, padding});
            }
        }
    }

    void tell_gaps(const std::vector<Gap>& gaps) {
        for (const Gap& gap : gaps) {
            tell(gap.offset, "the " + std::to_string(gap.bytes) + " bytes up to the next part are not zeros");
        }
    }

    void check_sealed() {
        std::uint64_t next = kSegmentHeaderBytes;
        std::uint64_t largest = 0;
        for (const FooterEntry& entry : report_.records) {
            const std::uint64_t offset = std::uint64_t{entry.units} * kUnitBytes;
            if (offset != next) {
                tell(offset,
                     "by the footer a record begins here, but the one before it ends at " + std::to_string(next));
            }
            const Checked found = offset >= kSegmentHeaderBytes && offset < trailer_.footer_offset
                                      ? check_record(offset, trailer_.footer_offset)
                                      : Checked{"the footer names a place outside of the records", false, {}, 0, {}};
            if (!found.wrong.empty()) {
                tell(offset, found.wrong);
            } else if (found.entry != entry) {
                tell(offset, "the footer says something else of this record than its head");
            }
            tell_gaps(found.gaps);
            next = offset + std::uint64_t{entry.length_units} * kUnitBytes;
            largest = std::max(largest, entry.sequence);
        }
        if (next != trailer_.footer_offset) {
            tell(next, "records end here, and the footer begins at " + std::to_string(trailer_.footer_offset));
        }
        if (largest != trailer_.largest_sequence) {
            tell(header_.segment_bytes - kTrailerBytes,
                 "the trailer names another largest number than the records have");
        }
    }

    void scan() {
        std::uint64_t at = kSegmentHeaderBytes;
        std::vector<Gap> gaps; // of the last record, which may be being written: zeros come last
        for (;;) {
            Checked found = check_record(at, end_);
            if (!found.wrong.empty() && depth_ == Depth::EveryByte && !judge_end(at, found)) {
                continue; // it was being written
            }
            if (!found.wrong.empty()) {
                return;
            }
            if (depth_ == Depth::EveryByte) {
                tell_gaps(still_filled(gaps));
            }
            gaps = std::move(found.gaps);
            report_.records.push_back(found.entry);
            at += found.bytes;
        }
    }

    std::vector<Gap> still_filled(const std::vector<Gap>& gaps) const {
        std::vector<Gap> out;
        for (const Gap& gap : gaps) {
            std::string bytes(gap.bytes, '\0');
            if (!file_.read(bytes, gap.offset) && !is_zero(bytes)) {
                out.push_back(gap);
            }
        }
        return out;
    }

    // Records end at `at`, where something that is not whole may stand. False: it is whole by now.
    bool judge_end(std::uint64_t at, const Checked& found) {
        if (at + kRecordHeaderBytes <= end_ && !window_.get(at, kRecordHeaderBytes, end_)) {
            tell(at, found.wrong);
            return true;
        }
        const auto behind = find_record(found.is_head ? at + found.bytes : at + kUnitBytes);
        window_.forget();
        if (behind) {
            // Whoever wrote it had written all before it, unless that is damaged.
            if (check_record(at, end_).wrong.empty()) {
                return false;
            }
            tell(at, found.wrong + "; a start ends here, although a whole record stands at offset " +
                         std::to_string(*behind));
        } else if (found.is_head || is_begun(at)) {
            tell(at,
                 "a record that is not whole: what a kill leaves, or one that is being written (" + found.wrong + ")",
                 false);
        }
        return true;
    }

    bool is_begun(std::uint64_t at) {
        const auto header = window_.get(at, kRecordHeaderBytes, end_);
        std::uint64_t generation = 0;
        if (!header) {
            return false;
        }
        std::memcpy(&generation, header->data() + 8, sizeof generation);
        return generation == header_.generation;
    }

    // The first record of this generation, from `at` on, whose head is whole.
    std::optional<std::uint64_t> find_record(std::uint64_t at) {
        for (; at < end_; at += kUnitBytes) {
            if (!is_begun(at)) {
                continue;
            }
            const auto length = record_length(*window_.get(at, kRecordHeaderBytes, end_));
            const auto bytes = length ? window_.get(at, length->head_bytes, end_) : std::nullopt;
            RecordHead head;
            if (bytes && decode(*bytes, header_.generation, head) == Decoded::Whole) {
                return at;
            }
        }
        return std::nullopt;
    }

    Window window_;
    const ReadOnlyFile& file_;
    const std::optional<StoreId>& store_;
    Depth depth_;
    SegmentReport& report_;
    SegmentHeader header_;
    Trailer trailer_;
    std::uint64_t end_ = 0; // of what may be read
};

} // namespace

FileResult<std::unique_ptr<ReadOnlyFile>> ReadOnlyFile::open(const std::string& path) {
    // O_NONBLOCK: a pipe of that name is not waited for.
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return last_error();
    }
    return std::unique_ptr<ReadOnlyFile>(new ReadOnlyFile(descriptor));
}

ReadOnlyFile::~ReadOnlyFile() { ::close(descriptor_); }

FileError ReadOnlyFile::read(std::span<char> bytes, std::uint64_t offset) const {
    return read_descriptor(descriptor_, bytes, offset);
}

FileResult<std::uint64_t> ReadOnlyFile::size() const { return size_of_descriptor(descriptor_); }

SegmentReport walk_segment(const ReadOnlyFile& file, std::uint32_t number, const std::optional<StoreId>& store,
                           Depth depth) {
    SegmentReport report;
    for (int reading = 0; reading < kMostReadings; ++reading) {
        report = SegmentReport();
        report.number = number;
        report.file = segment_file_name(number);
        if (Walk(file, store, depth, report).read()) {
            return report;
        }
    }
    report.records.clear();
    report.findings = {{report.file, 0, "begun anew each time it was read: left out", false}};
    return report;
}

} // namespace gatehouse::cache::store::disk
