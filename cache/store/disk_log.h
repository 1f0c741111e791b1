// The disk store's log: segments that are filled one after the other, sealed, and reused when the disk is full
// (docs/formats/disk.md).
//
// One thread appends, removes and seals; any thread reads. What append() returns is in the file as a whole, and in the
// index. Reusing a segment takes its records out of the index; those that were read since they were written go to the
// front of the log instead, up to a tenth of a segment on average.
//
// A segment whose write fails is set aside: what it holds is found until its turn to be reused comes, and it is not
// filled again before the next start.
//
// disk_log.cpp opens and closes it, disk_append.cpp writes, disk_chunks.cpp in pieces, disk_refresh.cpp has new heads,
// disk_read.cpp what any thread does, disk_recovery.cpp the start, disk_reuse.cpp how room is made.
#pragma once

#include "cache/store/disk_files.h"
#include "cache/store/disk_index.h"
#include "cache/store/disk_log_options.h"
#include "cache/store/disk_segment.h"
#include "cache/store/file_body.h"
#include "cache/store/read_ring.h"
#include "cache/store/zeroed_array.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::cache::store::disk {

struct NewRecord {
    RecordKind kind = RecordKind::Whole; // not Chunk or Metadata
    std::string_view key;
    std::string_view secondary_key;
    std::string_view metadata;
    std::string_view body;
    std::uint64_t total_bytes = 0; // of the whole body
    std::uint64_t sequence = 0;
    std::int64_t expires_ms = 0;
};

enum class Blocking : std::uint8_t { Allowed, Refused };

enum class ReadState : std::uint8_t {
    Whole,
    Absent,     // not there, not right, or written over by now
    WouldBlock, // Refused, and not all of it is in memory, or the file system cannot say
    Failed      // an error of the file, in ReadRecord::error
};

// One record as it was read, checked. May be used for one read after the other: its room is kept.
struct ReadRecord {
    std::string bytes; // the views below refer to it; it may be longer than what was read
    RecordHead head;
    std::string_view body;
    FileError error;
};

struct LogStats {
    std::uint64_t bytes_written = 0;  // to segments, headers and footers included
    std::uint64_t bytes_admitted = 0; // of records that were appended, without those that were written again
    std::uint64_t records_rewritten = 0;
    std::uint64_t segments_reused = 0;
    std::uint32_t bad_segments = 0; // set aside since the start
};

class DiskLog {
public:
    static constexpr std::uint32_t kFewestSegments = 4;

    // Opens what is in the directory, or begins anew, and fills `index`, which has to be empty and outlives the log.
    // resource_unavailable_try_again: another process uses the directory.
    static FileResult<std::unique_ptr<DiskLog>> open(Files& files, const LogOptions& options, DiskIndex& index,
                                                     LogRecovery& found);
    ~DiskLog(); // without close(): what a process leaves that was killed

    DiskLog(const DiskLog&) = delete;
    DiskLog& operator=(const DiskLog&) = delete;

    KeyHash hash(std::string_view key) const noexcept;
    // The most that a record may have, head and padding included: a quarter of a segment.
    std::uint64_t most_record_bytes() const noexcept { return options_.segment_bytes / 4; }

    // ---- the writing thread
    // Records for which it is true are not written again when their segment is reused: a purge killed them.
    using IsDead = std::function<bool(std::string_view key, std::string_view metadata, std::uint64_t sequence)>;
    void set_is_dead(IsDead is_dead) { is_dead_ = std::move(is_dead); }
    // Records for which it is true are written again although nobody has read them here.
    using IsWanted = std::function<bool(std::string_view key, std::string_view secondary_key)>;
    void set_is_wanted(IsWanted is_wanted) { is_wanted_ = std::move(is_wanted); }
    // Takes the place of what the index has for the key and secondary key. An error: nothing was stored, and what was
    // there for the key is gone; value_too_large: it is larger than most_record_bytes(), padding included. Where a write fails it is
    // tried once more in the next segment. Where no room can be made the next append tries again.
    FileResult<Location> append(const NewRecord& record);
    // The same for each of them, up to the first that cannot be written; an error for each. Requires: no two have the same
    // key. What there is room for in the open segment is written by one call, up to kMostTogether records, kMostBytesTogether
    // and what one record may have: that is cheaper, and the kernel keeps it in memory in larger pieces, which are cheaper to send.
    std::vector<FileError> append_together(std::span<const NewRecord> records);
    static constexpr std::size_t kMostTogether = 64;
    static constexpr std::uint64_t kMostBytesTogether = 1024 * 1024;
    // A body that is too large for one record, or too long in coming: its pieces one after the other, of
    // chunk_bytes() each but for the last, and then all of it under its key. Pieces alone are nothing.
    std::uint64_t chunk_bytes() const noexcept;
    struct NewChunk {
        KeyHash hash; // of the key
        std::uint64_t sequence = 0;
        std::uint64_t total_bytes = 0;
        std::uint64_t body_offset = 0;
        std::string_view body;
    };
    FileResult<Place> append_chunk(const NewChunk& chunk);
    // record.body is not looked at.
    FileResult<Location> append_manifest(const NewRecord& record, std::span<const Place> chunks);
    // The number of what is stored for the key and secondary key.
    std::optional<std::uint64_t> sequence_of(std::string_view key, std::string_view secondary_key,
                                             Blocking blocking = Blocking::Allowed);
    // What is stored for the key and secondary key is no more, also after the next start.
    FileError remove(std::string_view key, std::string_view secondary_key, std::uint64_t sequence);
    // More segments, or fewer: then the oldest go with what they hold, and their files are removed. An error: as far
    // as it came; invalid_argument: less than kFewestSegments, or more than there can be.
    FileError resize(std::uint32_t segments);
    std::uint32_t segments() const noexcept { return in_use_; } // that there are
    // Nothing is stored any more, also after the next start. An error: that is so for this process only.
    FileError clear();
    // Whether what is written from now on takes the place of something.
    bool has_been_full() const noexcept;
    // A new head for what is stored for the key and old secondary key, which may get another secondary key by it. The
    // body stays where it is, unless it is short (disk_refresh.cpp). An error: there is no new head, and what was there
    // may be gone; no_such_file_or_directory: there is no record for the key and old secondary key, or not the one of
    // `old_sequence`.
    FileResult<Location> refresh(std::string_view key, std::string_view old_secondary_key,
                                 std::string_view new_secondary_key, std::string_view metadata, std::uint64_t sequence,
                                 std::int64_t expires_ms, std::optional<std::uint64_t> old_sequence = std::nullopt);
    // Seals the open segment, so that the next start reads footers only, and waits until all is on the disk.
    FileError close();
    // Whether a write failed since this was asked last in such a way that the next start may find what was not stored by it.
    bool take_left_records() noexcept { return std::exchange(left_records_, false); }
    // Whether files were given up since this was asked last: who keeps a FileBody keeps their space.
    bool take_gave_up_files() noexcept { return std::exchange(gave_up_files_, false); }

    // ---- any thread
    const StoreId& id() const noexcept { return identity_.store; }
    // Whether a record for the key and secondary key may be there.
    bool has(std::string_view key, std::string_view secondary_key) const;
    // It is not found any more; the next start finds it again, if nothing else is written for it.
    void hide(std::string_view key, std::string_view secondary_key);
    // Whole counts as a use. Absent and Failed: the entry is out of the index.
    ReadState read(const KeyHash& hash, const Location& location, ReadRecord& record, Blocking blocking);
    // The same without its body, which stays in its file; record.body is empty. Refused: WouldBlock also where the body
    // has to be checked first. Allowed: it is checked, and is then in the kernel's memory; pieces of a large body are
    // when they are read in.
    ReadState open(const KeyHash& hash, const Location& location, ReadRecord& record,
                   std::shared_ptr<const FileBody>& body, Blocking blocking);
    // Of its segment at this moment; 0: there is nothing to read.
    std::uint64_t generation_of(const Location& location) const noexcept;
    // The places where a record for the key and secondary key may stand, newest first.
    IndexEntries find(const KeyHash& hash) const;
    // Where a record stands. Without a file: nowhere any more.
    ReadRing::Extent extent_of(const Location& location) const;
    static std::uint16_t marker_of(std::string_view secondary_key) noexcept;
    LogStats stats() const noexcept;

private:
    DiskLog(Files& files, const LogOptions& options, DiskIndex& index);
    FileError open_identity(LogRecovery& found);

    // ---- disk_recovery.cpp
    FileError open_segments(LogRecovery& found);
    FileError look_at(Segment& segment, LogRecovery& found);
    void keep_newest(std::vector<Segment*>& ours, LogRecovery& found);
    void recover(LogRecovery& found);
    void seal_scanned(Segment& segment, std::vector<FooterEntry>& entries);
    std::optional<Trailer> read_trailer(const Segment& segment) const;
    bool read_footer(const Segment& segment, std::vector<FooterEntry>& entries) const;
    std::vector<FooterEntry> scan(const Segment& segment, std::uint64_t& end) const;
    void enter(const Segment& segment, const std::vector<FooterEntry>& entries, LogRecovery& found);
    void enter(const Segment& segment, const FooterEntry& footer);
    bool is_there(const Place& place) const noexcept;

    // ---- disk_reuse.cpp
    FileError make_room(std::uint64_t bytes, std::uint64_t records = 1);
    FileError begin_segment();
    void keep_free_segments();
    FileError seal();
    FileResult<Segment*> open_segment(std::uint32_t number);
    FileError add_segments();
    FileError give_up(Segment& segment);
    std::string path_of(const Segment& segment) const;
    FileError remove_file(const Segment& segment);
    void set_aside_open();
    void reuse_oldest();
    void set_free(Segment& segment);
    void drop(const Segment& segment, const FooterEntry& entry, bool only_read);
    bool is_wanted(const KeyHash& hash, const IndexEntry& entry) const;
    bool has_body_at(const KeyHash& hash, const IndexEntry& entry, const Place& place) const;
    void keep_or_drop(const KeyHash& hash, const IndexEntry& known, std::uint32_t length_units, bool only_read);
    FileError rewrite(const KeyHash& hash, const IndexEntry& entry);
    std::uint64_t room(std::uint64_t records) const noexcept;

    // ---- disk_read.cpp
    ReadState read_entry(const KeyHash& hash, const Location& location, ReadRecord& record, Blocking blocking,
                         bool check_body);
    ReadState read_body(const KeyHash& hash, const Location& location, ReadRecord& record, Blocking blocking,
                        bool check_body) const;
    struct ReadTarget { // `record` gets bytes from `at` on, and the body
        ReadRecord& record;
        std::size_t at;
        RecordHead& head;
        Blocking blocking;
        bool check_body;
    };
    static ReadState read_record(const Segment::View& segment, const KeyHash& hash, const Location& location,
                                 const ReadTarget& target);
    void drop_unreadable(const Segment& segment, const Segment::View& view, const KeyHash& hash,
                         const Location& location, ReadState state);
    Segment::View view_of(const Place& place) const; // without a file where it is not there any more

    // ---- disk_body.cpp
    static ReadState read_head_of(const Segment::View& segment, const KeyHash& hash, const Location& location,
                                  ReadRecord& record, RecordHead& head, Blocking blocking);
    struct Located;
    class ChunkCheck;
    std::shared_ptr<const FileBody> chunks_of(const KeyHash& hash, const RecordFacts& manifest,
                                              std::string_view places) const;
    ReadState open_manifest(const KeyHash& hash, const Located& found, std::shared_ptr<const FileBody>& body,
                            Blocking blocking);
    ReadState check(const KeyHash& hash, const Located& found);
    ReadState locate(const KeyHash& hash, const Location& location, ReadRecord& record, Blocking blocking,
                     Located& found);
    Segment* segment_at(std::uint32_t number) const noexcept;

    // ---- disk_refresh.cpp
    struct Stored;
    FileError given_up(std::string_view key, std::string_view secondary_key, std::uint64_t sequence,
                       const FileError& unreadable);
    FileResult<Stored> stored(const KeyHash& hash, std::string_view key, std::string_view secondary_key);

    struct Carried { // what a record has from the one whose place it takes
        std::uint8_t uses = 0;
        bool verified = false;
        Place body;                    // Metadata
        std::uint64_t chunk_bytes = 0; // Manifest
    };
    // ---- disk_append.cpp
    struct Unwritten;
    RecordFacts facts_of(const NewRecord& record, const Carried& carried) const;
    void make_way(const RecordFacts& facts, const NewRecord& record);
    void count_admitted(const Location& written) noexcept;
    FileResult<Location> append_carrying(const NewRecord& record, const Carried& carried);
    FileError append_group(std::span<Unwritten> group);
    void take_back(std::span<const Unwritten> records);
    std::vector<Unwritten> that_fit_together(std::span<const NewRecord> records) const;
    bool is_too_large(const Unwritten& one) const noexcept;
    FileResult<Location> write_record(const RecordFacts& facts, const NewRecord& record, const Carried& carried);
    FileError write_together(std::span<Unwritten> records);
    FileError write_at_end(std::span<Unwritten> records);
    FileError write_open(std::span<const std::string_view> pieces, std::span<const Unwritten> records);
    Location enter_written(const Unwritten& one);
    void drop_oldest(const KeyHash& hash);

    Files& files_;
    LogOptions options_;
    DiskIndex& index_;
    IsDead is_dead_;
    IsWanted is_wanted_;
    std::unique_ptr<File> lock_;
    Identity identity_;
    std::vector<std::unique_ptr<Segment>> segments_;        // all of them, until the log is closed
    ZeroedArray<std::atomic<Segment*>> segments_by_number_; // for readers: it never moves
    std::deque<Segment*> free_;                             // in the order in which they are begun
    std::deque<Segment*> sealed_;                           // oldest first, with those that were set aside
    std::deque<Segment*> spent_;                            // set aside, and holding nothing any more
    std::uint32_t in_use_ = 0;                              // segments without Foreign and GivenUp
    Segment* open_ = nullptr;
    std::uint64_t open_end_ = 0; // where the next record goes
    FooterWriter footer_;        // of the open segment
    std::uint64_t open_largest_sequence_ = 0;
    std::uint64_t next_generation_ = 1;
    std::uint64_t oldest_generation_ = 0; // what is older is not valid any more, wherever it may still stand
    bool reusing_ = false;
    bool gave_up_files_ = false;
    bool left_records_ = false;
    std::int64_t rewrite_credit_ = 0; // bytes that may be written again
    std::atomic<std::uint64_t> bytes_written_{0};
    std::atomic<std::uint64_t> bytes_admitted_{0};
    std::atomic<std::uint64_t> records_rewritten_{0};
    std::atomic<std::uint64_t> segments_reused_{0};
    std::atomic<std::uint32_t> bad_segments_{0};
};

} // namespace gatehouse::cache::store::disk
