#include "cache/store/disk_inspect.h"

#include "cache/store/disk_segment.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

namespace gatehouse::cache::store::disk {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIdentityName = "identity";
constexpr std::size_t kFirstRead = 4096;                    // of a record: most heads are whole in it
constexpr std::size_t kMostOpen = 128;                      // files at a time
constexpr std::uint64_t kMostPlaceBytes = 64 * 1024 * 1024; // of a manifest: 4 TiB of body

std::string text_of(const Place& place) {
    return segment_file_name(place.segment) + " at offset " + std::to_string(std::uint64_t{place.units} * kUnitBytes);
}

bool is_same(const LiveRecord& a, const LiveRecord& b) noexcept {
    return a.entry.hash == b.entry.hash && a.entry.secondary_hash == b.entry.secondary_hash;
}

} // namespace

std::unique_ptr<Inspector> Inspector::open(const std::string& directory, std::string& why) {
    std::error_code error;
    const fs::file_status status = fs::status(directory, error);
    if (!fs::is_directory(status)) {
        const bool is_missing = status.type() == fs::file_type::not_found;
        why = is_missing ? "there is no such directory" : error ? error.message() : "it is no directory";
        return nullptr;
    }
    std::unique_ptr<Inspector> inspector(new Inspector(directory));
    fs::directory_iterator names(directory, error);
    for (; !error && names != fs::directory_iterator(); names.increment(error)) {
        if (const auto number = segment_number(names->path().filename().string())) {
            inspector->segments_.push_back(*number);
        }
    }
    if (error) {
        why = error.message();
        return nullptr;
    }
    std::sort(inspector->segments_.begin(), inspector->segments_.end());
    return inspector->look_at_identity(why) ? std::move(inspector) : nullptr;
}

bool Inspector::look_at_identity(std::string& why) {
    const auto file = ReadOnlyFile::open(directory_ + "/" + std::string(kIdentityName));
    if (!file) {
        const bool is_missing = file.error() == boost::system::errc::no_such_file_or_directory;
        why = is_missing ? "it has no file `identity`: no cache directory, or one that was never used"
                         : "its file `identity` cannot be opened: " + file.error().message();
        return false;
    }
    const auto size = (*file)->size();
    std::array<char, kIdentityBytes> bytes{};
    if (const FileError error = size ? FileError() : size.error()) {
        why = "its file `identity` cannot be read: " + error.message();
        return false;
    }
    const auto wrong = [this](std::string what) {
        findings_.push_back({std::string(kIdentityName), 0, std::move(what)});
    };
    if (*size != kIdentityBytes) {
        wrong("it has " + std::to_string(*size) + " bytes, not " + std::to_string(kIdentityBytes));
        return true;
    }
    if (const FileError error = (*file)->read(bytes, 0)) {
        why = "its file `identity` cannot be read: " + error.message();
        return false;
    }
    Identity identity;
    switch (decode(bytes, identity)) {
    case Decoded::Whole: store_ = identity.store; return true;
    case Decoded::Damaged: wrong("its checksum is wrong"); return true;
    case Decoded::OtherVersion: break;
    }
    why = "it is of another version of the format than " + std::to_string(kFormatVersion);
    return false;
}

const ReadOnlyFile* Inspector::file_of(std::uint32_t segment) {
    if (const auto known = files_.find(segment); known != files_.end()) {
        return known->second.get();
    }
    if (files_.size() >= kMostOpen) {
        files_.clear();
    }
    auto file = ReadOnlyFile::open(directory_ + "/" + segment_file_name(segment));
    return file ? files_.emplace(segment, std::move(*file)).first->second.get() : nullptr;
}

SegmentReport Inspector::look_at(std::uint32_t segment, Depth depth) {
    const auto file = ReadOnlyFile::open(directory_ + "/" + segment_file_name(segment));
    if (file) {
        return walk_segment(**file, segment, identity_is_whole() ? std::optional(store_) : std::nullopt, depth);
    }
    SegmentReport report;
    report.file = segment_file_name(segment);
    report.number = segment;
    if (file.error() == boost::system::errc::no_such_file_or_directory) {
        report.state = SegmentState::Free; // it is being begun anew, or was given up, since the directory was read
        return report;
    }
    report.state = SegmentState::Damaged;
    report.findings.push_back({report.file, 0, "cannot be opened: " + file.error().message()});
    return report;
}

std::optional<InspectedHead> Inspector::read_head(const Place& place) {
    const ReadOnlyFile* file = file_of(place.segment);
    const auto size = file != nullptr ? file->size() : FileResult<std::uint64_t>(0);
    const std::uint64_t offset = std::uint64_t{place.units} * kUnitBytes;
    if (!size || *size < kRecordHeaderBytes || offset > *size - kRecordHeaderBytes) {
        return std::nullopt;
    }
    InspectedHead out;
    out.bytes.resize(std::min<std::uint64_t>(kFirstRead, *size - offset));
    if (file->read(out.bytes, offset)) {
        return std::nullopt;
    }
    const auto length = record_length(out.bytes);
    if (!length || length->text_end > *size - offset) {
        return std::nullopt;
    }
    if (length->text_end > out.bytes.size()) {
        out.bytes.resize(length->text_end);
        if (file->read(out.bytes, offset)) {
            return std::nullopt;
        }
    }
    return decode(out.bytes, place.generation, out.head) == Decoded::Whole ? std::optional(std::move(out))
                                                                           : std::nullopt;
}

std::optional<std::uint64_t> Inspector::generation_of(std::uint32_t segment) {
    std::array<char, kSegmentHeaderBytes> bytes{};
    SegmentHeader header;
    const ReadOnlyFile* file = file_of(segment);
    const bool is_there = file != nullptr && !file->read(bytes, 0) && decode(bytes, header) == Decoded::Whole;
    return is_there ? std::optional(header.generation) : std::nullopt;
}

// A record that another one names.
std::optional<InspectedHead> Inspector::read_referred(const Place& place, BodyPlan& plan) {
    auto head = read_head(place);
    if (!head) {
        const auto generation = generation_of(place.segment);
        plan.was_reclaimed = generation != place.generation; // or it has no header, because it was about to be
        plan.problem = plan.was_reclaimed
                           ? "the segment of its body, " + segment_file_name(place.segment) + ", was begun anew since"
                           : "no whole record stands where its body should, in " + text_of(place);
        return std::nullopt;
    }
    plan.other_records_bytes += head->head.record_bytes;
    return head;
}

BodyPlan Inspector::plan_body(const Place& place) {
    BodyPlan plan;
    const auto piece_of = [](const Place& at, const RecordHead& head) {
        const std::uint64_t offset = std::uint64_t{at.units} * kUnitBytes + head.head_bytes;
        return BodyPlan::Piece{at.segment, at.generation, offset, head.facts.body_bytes, head.body_checksums};
    };
    auto head = read_referred(place, plan);
    if (!head) {
        return plan;
    }
    plan.other_records_bytes = 0;
    const KeyHash hash = head->head.facts.hash;
    Place at = place;
    if (head->head.facts.kind == RecordKind::Metadata) {
        const auto body = decode_body_place(list_in(piece_of(at, head->head), plan));
        if (!body) {
            plan.problem = plan.problem.empty() ? "its body is no place" : plan.problem;
            return plan;
        }
        at = body->place;
        head = read_referred(at, plan);
        if (!head) {
            return plan;
        }
    }
    const RecordFacts& facts = head->head.facts;
    if (facts.hash != hash) {
        plan.problem = "the record of its body is of another key, in " + text_of(at);
    } else if (facts.kind == RecordKind::Whole) {
        plan.pieces.push_back(piece_of(at, head->head));
        plan.bytes = facts.body_bytes;
    } else if (facts.kind == RecordKind::Manifest) {
        plan_chunks(piece_of(at, head->head), hash, plan);
        if (plan.problem.empty() && plan.bytes != facts.total_bytes) {
            plan.problem = "its chunks have " + std::to_string(plan.bytes) + " bytes, and it has " +
                           std::to_string(facts.total_bytes);
        }
    } else {
        plan.problem = "the record of its body has none, in " + text_of(at);
    }
    return plan;
}

void Inspector::plan_chunks(const BodyPlan::Piece& manifest, const KeyHash& hash, BodyPlan& plan) {
    for (const Place& place : places_in(manifest, plan)) {
        const auto chunk = read_referred(place, plan);
        if (!chunk) {
            return;
        }
        const RecordFacts& facts = chunk->head.facts;
        if (facts.kind != RecordKind::Chunk || facts.hash != hash || facts.body_offset != plan.bytes) {
            plan.problem = "a chunk of another body stands in " + text_of(place);
            return;
        }
        const std::uint64_t offset = std::uint64_t{place.units} * kUnitBytes + chunk->head.head_bytes;
        plan.pieces.push_back({place.segment, place.generation, offset, facts.body_bytes, chunk->head.body_checksums});
        plan.bytes += facts.body_bytes;
    }
}

std::string Inspector::list_in(const BodyPlan::Piece& piece, BodyPlan& plan) {
    BodyPlan list;
    list.pieces.push_back(piece);
    std::string bytes;
    if (piece.bytes > kMostPlaceBytes) {
        plan.problem = "its list of places has " + std::to_string(piece.bytes) + " bytes";
        return {};
    }
    plan.problem = read_body(list, [&bytes](std::string_view more) {
        bytes += more;
        return true;
    });
    return bytes;
}

std::vector<Place> Inspector::places_in(const BodyPlan::Piece& piece, BodyPlan& plan) {
    auto places = decode_places(list_in(piece, plan));
    if (plan.problem.empty() && !places) {
        plan.problem = "its body is no list of places";
    }
    return plan.problem.empty() ? std::move(*places) : std::vector<Place>();
}

std::string Inspector::read_body(const BodyPlan& plan, const std::function<bool(std::string_view)>& take) {
    std::string bytes;
    for (const BodyPlan::Piece& piece : plan.pieces) {
        std::uint64_t done = 0;
        for (const std::uint64_t expected : piece.checksums) {
            const ReadOnlyFile* file = file_of(piece.segment);
            bytes.resize(std::min(piece.bytes - done, kBodyBytesPerChecksum));
            const std::string where =
                segment_file_name(piece.segment) + " at offset " + std::to_string(piece.offset + done);
            if (file == nullptr || file->read(bytes, piece.offset + done)) {
                return "the body cannot be read, in " + where;
            }
            if (checksum(bytes) != expected) {
                const bool is_gone = generation_of(piece.segment) != piece.generation;
                return (is_gone ? "the body was overwritten meanwhile, in "
                                : "the checksum of the body is wrong, in ") +
                       where;
            }
            if (!take(bytes)) {
                return {};
            }
            done += bytes.size();
        }
    }
    return {};
}

void LiveRecords::add(const SegmentReport& report) {
    for (const FooterEntry& entry : report.records) {
        if (entry.kind != RecordKind::Chunk) {
            all_.push_back({entry, {report.number, entry.units, report.generation}});
        }
    }
}

std::vector<LiveRecord> LiveRecords::take() {
    // Of each key and secondary key the one that was written last comes last.
    std::sort(all_.begin(), all_.end(), [](const LiveRecord& a, const LiveRecord& b) {
        const auto order = [](const LiveRecord& one) {
            return std::tuple(one.entry.hash.high, one.entry.hash.low, one.entry.secondary_hash, one.place.generation,
                              one.place.units);
        };
        return order(a) < order(b);
    });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < all_.size(); ++i) {
        const bool is_newest = i + 1 == all_.size() || !is_same(all_[i], all_[i + 1]);
        if (is_newest && all_[i].entry.kind != RecordKind::Removed) {
            all_[kept++] = all_[i];
        }
    }
    all_.resize(kept);
    // Reading them in this order is reading the files from front to back.
    std::sort(all_.begin(), all_.end(), [](const LiveRecord& a, const LiveRecord& b) {
        return std::tie(a.place.segment, a.place.units) < std::tie(b.place.segment, b.place.units);
    });
    return std::move(all_);
}

} // namespace gatehouse::cache::store::disk
