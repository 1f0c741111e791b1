// The disk store's log: segments that are filled one after the other, sealed, and reused when the disk is full
// (docs/formats/disk.md).
//
// One thread appends, removes and seals; any thread reads. What append() returns is in the file as a whole, and in the
// index. Reusing a segment takes its records out of the index; those that were read since they were written go to the
// front of the log instead, up to half a segment.
#pragma once

#include "cache/store/disk_files.h"
#include "cache/store/disk_index.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::store::disk {

struct LogOptions {
    std::string directory;
    std::uint64_t segment_bytes = 64 * 1024 * 1024;
    std::uint32_t segments = 16; // at least 4
};

// What opening a log found, for the program's log.
struct LogRecovery {
    std::uint64_t records = 0;          // in the index now
    std::uint32_t sealed_segments = 0;  // read by their footers
    std::uint32_t scanned_segments = 0; // read record by record
    std::uint32_t foreign_segments = 0; // of another version or another store: left alone
    std::uint32_t damaged_segments = 0; // to be filled anew
    std::uint64_t largest_sequence = 0;
};

struct NewRecord {
    RecordKind kind = RecordKind::Whole; // not Chunk
    std::string_view key;
    std::string_view secondary_key;
    std::string_view metadata;
    std::string_view body;
    std::uint64_t total_bytes = 0; // of the whole body
    std::uint64_t sequence = 0;
    std::int64_t expires_ms = 0;
};

// One record as it was read, checked.
struct ReadRecord {
    std::string bytes; // the views below refer to it
    RecordHead head;
    std::string_view body;
};

struct LogStats {
    std::uint64_t bytes_written = 0;  // to segments, headers and footers included
    std::uint64_t bytes_admitted = 0; // of records that were appended, without those that were written again
    std::uint64_t records_rewritten = 0;
    std::uint64_t segments_reused = 0;
};

class DiskLog {
public:
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
    // Takes the place of what the index has for the key and secondary key. An error: nothing was stored, and what was
    // there for the key is gone; value_too_large: it is larger than most_record_bytes().
    FileResult<Location> append(const NewRecord& record);
    // What is stored for the key and secondary key is no more, also after the next start.
    FileError remove(std::string_view key, std::string_view secondary_key, std::uint64_t sequence);
    // Seals the open segment, so that the next start reads footers only.
    FileError close();

    // ---- any thread
    // Reads the record and checks every byte of it. nullopt: it is not there as a whole, or is another one by now; it
    // is taken out of the index then.
    std::optional<ReadRecord> read(const KeyHash& hash, const Location& location);
    // The places where a record for the key and secondary key may stand, newest first.
    std::vector<IndexEntry> find(const KeyHash& hash) const;
    static std::uint16_t marker_of(std::string_view secondary_key) noexcept;
    LogStats stats() const noexcept;

private:
    enum class State : std::uint8_t { Free, Open, Sealed, Foreign };
    struct Segment {
        std::unique_ptr<File> file;
        std::uint32_t number = 0;
        std::atomic<std::uint64_t> generation{0};
        State state = State::Free; // the writing thread's
    };
    struct Found;

    DiskLog(Files& files, const LogOptions& options, DiskIndex& index);
    FileError open_identity();
    FileError open_segments(LogRecovery& found);
    FileError look_at(Segment& segment, LogRecovery& found, std::vector<Found>& all);
    bool read_footer(Segment& segment, const SegmentHeader& header, std::vector<FooterEntry>& entries) const;
    std::vector<FooterEntry> scan(const Segment& segment, std::uint64_t& end) const;
    void enter(const Segment& segment, const std::vector<FooterEntry>& entries, LogRecovery& found);

    FileError make_room(std::uint64_t record_bytes);
    FileError begin_segment();
    std::size_t free_segments() const noexcept;
    FileError seal();
    FileError reuse_oldest();
    FileError rewrite(const Segment& segment, const FooterEntry& entry);
    FileResult<Location> write_record(RecordFacts facts, const NewRecord& record);
    void forget(const KeyHash& hash, std::string_view secondary_key);
    std::optional<ReadRecord> read_from(const Segment& segment, std::uint64_t generation,
                                        const Location& location) const;
    std::uint64_t room() const noexcept;

    Files& files_;
    LogOptions options_;
    DiskIndex& index_;
    std::unique_ptr<File> lock_;
    StoreId id_{};
    std::string secret_;
    std::vector<std::unique_ptr<Segment>> segments_; // by number; never shrinks while the log is open
    std::deque<Segment*> sealed_;                    // oldest first
    Segment* open_ = nullptr;
    std::uint64_t open_end_ = 0; // where the next record goes
    std::string footer_;         // of the open segment
    std::uint64_t open_largest_sequence_ = 0;
    std::uint64_t next_generation_ = 1;
    bool reusing_ = false;
    std::atomic<std::uint64_t> bytes_written_{0};
    std::atomic<std::uint64_t> bytes_admitted_{0};
    std::atomic<std::uint64_t> records_rewritten_{0};
    std::atomic<std::uint64_t> segments_reused_{0};
};

} // namespace gatehouse::cache::store::disk
