// Looks into the directory of a disk store (docs/formats/disk.md) without changing it, also while a process uses it: no
// lock is taken, nothing is made, and every file is opened for reading only.
//
// What a process writes meanwhile is told by the generations: a segment that was begun anew while it was read is read
// again, and what stands in another generation by now is gone, not damaged.
#pragma once

#include "cache/store/disk_format.h"
#include "cache/store/disk_segment_walk.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::cache::store::disk {

// A record's head, with bytes of its own.
struct InspectedHead {
    std::string bytes; // the views below refer to it
    RecordHead head;
};

// Where a body lies, piece by piece, wherever the record stands that was asked about.
struct BodyPlan {
    struct Piece {
        std::uint32_t segment = 0;
        std::uint64_t generation = 0;
        std::uint64_t offset = 0; // in the segment
        std::uint64_t bytes = 0;
        std::vector<std::uint64_t> checksums;
    };
    std::vector<Piece> pieces;
    std::uint64_t bytes = 0;
    std::uint64_t other_records_bytes = 0; // of the records that it lies in, but for the one that was asked about
    std::string problem;                   // not empty: there is no body to read, and why
    bool was_reclaimed = false;            // a segment that it stood in was begun anew, which is no damage
};

// A record that a start would find.
struct LiveRecord {
    FooterEntry entry;
    Place place;
};

class Inspector {
public:
    // An error: `why` says what is missing. A damaged identity is none: see findings().
    static std::unique_ptr<Inspector> open(const std::string& directory, std::string& why);

    const StoreId& store() const noexcept { return store_; }
    bool identity_is_whole() const noexcept { return findings_.empty(); }
    const std::vector<Finding>& findings() const noexcept { return findings_; } // of the identity
    // Numbers of the segments that there are, ascending.
    const std::vector<std::uint32_t>& segments() const noexcept { return segments_; }

    SegmentReport look_at(std::uint32_t segment, Depth depth);

    // nullopt: it is not there (any more).
    std::optional<InspectedHead> read_head(const Place& place);
    BodyPlan plan_body(const Place& place);
    // Only what has the right checksum is given to `take`, up to a MiB at a time. Returns what went wrong, or nothing.
    std::string read_body(const BodyPlan& plan, const std::function<bool(std::string_view)>& take);

private:
    explicit Inspector(std::string directory) : directory_(std::move(directory)) {}
    bool look_at_identity(std::string& why);
    // nullptr: it cannot be opened (any more).
    const ReadOnlyFile* file_of(std::uint32_t segment);
    std::optional<std::uint64_t> generation_of(std::uint32_t segment);
    std::optional<InspectedHead> read_referred(const Place& place, BodyPlan& plan);
    std::string list_in(const BodyPlan::Piece& piece, BodyPlan& plan);
    std::vector<Place> places_in(const BodyPlan::Piece& piece, BodyPlan& plan);
    void plan_chunks(const BodyPlan::Piece& manifest, const KeyHash& hash, BodyPlan& plan);

    std::string directory_;
    StoreId store_{};
    std::vector<Finding> findings_;
    std::vector<std::uint32_t> segments_;
    std::map<std::uint32_t, std::unique_ptr<ReadOnlyFile>> files_; // some of those that were read lately
};

// What a start would find, given all segments' records: the newest for each key and secondary key, without those that
// were removed. Bodies are not looked at.
class LiveRecords {
public:
    void add(const SegmentReport& report);
    // In the order in which they stand in the files. May be called once, after the last add().
    std::vector<LiveRecord> take();

private:
    std::vector<LiveRecord> all_;
};

} // namespace gatehouse::cache::store::disk
