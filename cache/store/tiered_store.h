// The memory store with a disk below it (docs/DISK.md).
//
// What is stored is stored in memory, and written to the disk by a thread of its own; what memory evicts is still on
// the disk. What lookup() does not find bring() looks for there. Small records are read. They are then entries of the
// memory store like any other where that has room, or where they were read before, a short while ago; else they serve
// those who wait for them now, and nothing has to be evicted for what may be wanted once. Of larger ones only the head
// is read, and kept for a while (cache/store/kept_heads.h); the body is sent from its file. Whatever is not in the kernel's
// memory, or was not checked since the start, is first read by threads that may wait for the disk.
//
// What is on the disk is never believed against what happened since: while a change of a key waits to be written, the
// disk is not asked for that key, and what was being read when a key changed is dropped.
#pragma once

#include "cache/store/disk_log.h"
#include "cache/store/disk_stats.h"
#include "cache/store/disk_writer.h"
#include "cache/store/job_threads.h"
#include "cache/store/kept_heads.h"
#include "cache/store/read_ring.h"
#include "cache/store/recent_reads.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gatehouse::cache::store {

struct TieredOptions {
    DiskWriterOptions writer;
    unsigned readers = 2; // threads for what is not resident
    // Where it is there it waits for the disk in their place. Else as many reads wait at once as there are threads.
    std::shared_ptr<ReadRing> ring = {};
};

class TieredStore final : public Store {
public:
    static constexpr std::size_t kMostReadsQueued = 4096;
    // Of a body in files, what is asked of the kernel's memory at a time.
    static constexpr std::uint64_t kFirstBytes = 256 * 1024;

    // `log` fills `index`. `trouble`: see DiskWriter. Nothing is written before start().
    TieredStore(std::unique_ptr<Store> memory, std::unique_ptr<disk::DiskIndex> index,
                std::unique_ptr<disk::DiskLog> log, const TieredOptions& options,
                std::function<void(const disk::FileError&)> trouble, DiskWriter::Now now);
    ~TieredStore() override; // stops
    TieredStore(const TieredStore&) = delete;
    TieredStore& operator=(const TieredStore&) = delete;

    void start();
    // Writes what waits, seals the log and ends the threads; no Load finishes after it. The memory store goes on.
    void stop();
    disk::DiskLog& log() noexcept { return *log_; }
    DiskWriter& writer() noexcept { return writer_; }
    DiskStats disk_stats() const;

    void lookup(const KeyHash& hash, std::string_view key, Candidates& found) override;
    const std::atomic<std::uint64_t>* changes(const KeyHash& hash) const noexcept override {
        return memory_->changes(hash);
    }
    Below bring(const KeyHash& hash, std::string_view key, const Candidates& at_hand, bool may_wait) override;
    void touch(const Entry& entry) noexcept override {
        memory_->touch(entry);
        if (entry.has_file()) {
            from_files_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    std::unique_ptr<Writer> open_writer(const PutFacts& facts, std::optional<std::uint64_t> expected_bytes) override;
    std::unique_ptr<Writer> open_large_writer(const PutFacts& facts, std::uint64_t bytes) override;
    std::shared_ptr<Body> open_relay(std::optional<std::uint64_t> expected_bytes) override {
        return memory_->open_relay(expected_bytes);
    }
    bool relays_are_short() const noexcept override { return memory_->relays_are_short(); }
    std::shared_ptr<Load> read_in(std::shared_ptr<const FileBody> body, std::uint64_t first,
                                  std::uint64_t bytes) override;
    EntryRef make_file_entry(const PutFacts& facts, std::string_view metadata, std::shared_ptr<const FileBody> body,
                             FileEntryFor use) override {
        return memory_->make_file_entry(facts, metadata, std::move(body), use);
    }
    EntryRef replace_metadata(const EntryRef& old, std::string_view secondary_key, std::string_view metadata,
                              std::uint64_t sequence) override;
    bool erase(const EntryRef& entry) override;
    std::uint64_t max_object_bytes() const noexcept override { return memory_->max_object_bytes(); }
    // Those in memory.
    void for_each(const std::function<void(const EntryRef&)>& visit) override { memory_->for_each(visit); }
    StoreStats stats() const override { return memory_->stats(); }

private:
    friend class TieredWriter;
    friend class LargeWriter;
    using Records = disk::IndexEntries;
    // A key whose records are being read: on a stack, at once, or by a job. Guarded by the stripe.
    struct Reading {
        std::uint64_t hash = 0;
        bool is_outdated = false;   // the key changed since
        std::shared_ptr<Load> load; // of a job; null: at once
    };
    // What is on its way between memory and disk, by hash. Held while memory changes and the change is queued, so that
    // both have one order.
    struct Changes {
        std::uint32_t count = 0;
        std::shared_ptr<Load> load;  // of content that memory does not have: whoever asks for it waits
        std::vector<EntryRef> files; // new heads of bodies in files: they are found here meanwhile
    };
    struct Stripe {
        std::mutex mutex;
        std::unordered_map<std::uint64_t, Changes> changes; // that wait to be written
        std::vector<Reading*> readings;                     // a few at most, and its room is kept
        bool is_read(std::uint64_t hash) const noexcept;
    };
    static constexpr std::size_t kStripes = 64;
    static constexpr std::size_t kChangeCounters = 1024;
    Stripe& stripe_of(const KeyHash& hash) noexcept { return stripes_[hash.high % kStripes]; }

    // Of the keys with such a hash: how often what is stored of one beside memory has changed, but for what the disk gave up.
    std::atomic<std::uint64_t>& change_counter(const KeyHash& hash) noexcept {
        return change_counters_[hash.high / kStripes % kChangeCounters];
    }
    const std::atomic<std::uint64_t>& change_counter(const KeyHash& hash) const noexcept {
        return change_counters_[hash.high / kStripes % kChangeCounters];
    }
    std::uint64_t changes_of(const KeyHash& hash) const noexcept;
    // Of what is sent at once.
    static bool is_at_hand(const FileBody& body);
    EntryRef commit(Writer& writer, const KeyHash& hash, std::uint64_t sequence, std::string_view metadata);
    EntryRef commit_large(const PutFacts& facts, std::string_view metadata, const std::shared_ptr<LargeBody>& large);
    void note(Stripe& stripe, Change change);
    static bool holds(const Changes& changes, const EntryRef& entry);
    static void keep_files(Changes& changes, const Change& change);
    // What is on its way to the disk, where nobody can read it yet, and is not in memory.
    static Below coming_from_writer(const Changes& changes, std::string_view key, bool may_wait);
    void written(const Change& change);
    bool has_in_memory(const KeyHash& hash, std::string_view key, std::string_view secondary_key);
    EntryRef same_in_memory(const KeyHash& hash, const EntryRef& entry);
    bool has_newer(const PutFacts& facts);
    Records records_not_at_hand(const KeyHash& on_disk, const Candidates& at_hand) const;
    // While a change of the key waits to be written, what is on the disk is not what is stored: nullopt, and it began;
    // or what is found in its place.
    std::optional<Below> begin_reading(const KeyHash& hash, std::string_view key, bool may_wait, Reading& reading);
    void end_reading(const KeyHash& hash, const Reading& reading);
    std::shared_ptr<Load> read_later(const KeyHash& hash, std::string_view key, const Records& records, bool was_read,
                                     std::vector<EntryRef> at_hand);
    // False: too many wait. `ahead`: what the job will read.
    bool post_read(ReadRing::Extent ahead, std::function<void()> job);
    // What lookup() does not find.
    std::vector<EntryRef> read(const KeyHash& hash, const std::string& key, const Records& records,
                               const Reading& reading, bool was_read);
    // The body of a metadata record and of a manifest stands elsewhere; short ones do not (DiskLog::refresh).
    static bool is_large(const disk::IndexEntry& record) noexcept {
        return record.kind != disk::RecordKind::Whole ||
               std::uint64_t{record.location.length_units} * disk::kUnitBytes > disk::kLongRecordBytes;
    }
    disk::ReadState bring_at_once(const KeyHash& hash, std::string_view key, const disk::IndexEntry& record,
                                  const Reading& reading, bool was_read, std::uint64_t changes, Below& below);
    disk::ReadState open_at_once(const KeyHash& hash, std::string_view key, const disk::IndexEntry& record,
                                 const Reading& reading, std::uint64_t changes, EntryRef& entry);
    // A small record, for memory or for those who wait for it now. False: it is not to be used.
    bool take_in(const KeyHash& hash, std::string_view key, const disk::ReadRecord& record, const Reading& reading,
                 bool was_read, std::vector<EntryRef>& unlisted);
    // Whether it is in memory now.
    bool enter(const KeyHash& hash, std::string_view key, const disk::ReadRecord& record, const Reading& reading);
    // Whether the key has changed since. The stripe is locked.
    bool is_outdated(const Reading& reading) noexcept;
    EntryRef freshen_passing(const EntryRef& old, const PutFacts& facts, std::string_view metadata);
    EntryRef enter_file(const KeyHash& hash, std::string_view key, const disk::ReadRecord& record,
                        std::shared_ptr<const FileBody> body, FileEntryFor use, const Reading& reading);

    std::unique_ptr<Store> memory_;
    std::unique_ptr<disk::DiskIndex> index_;
    std::unique_ptr<disk::DiskLog> log_;
    std::array<Stripe, kStripes> stripes_;
    std::array<std::atomic<std::uint64_t>, kChangeCounters> change_counters_{};
    RecentReads recent_reads_;
    KeptHeads kept_heads_;
    std::atomic<std::uint64_t> from_files_{0};
    std::atomic<std::uint64_t> read_at_once_{0};
    std::atomic<std::uint64_t> read_by_readers_{0};
    std::atomic<std::uint64_t> read_in_vain_{0};
    std::atomic<std::uint64_t> reads_refused_{0};
    std::atomic<std::uint64_t> read_errors_{0};
    const std::uint64_t max_disk_object_bytes_;
    const unsigned reader_threads_;
    const std::shared_ptr<ReadRing> ring_; // may be null
    std::unique_ptr<JobThreads> readers_;
    DiskWriter writer_;
};

} // namespace gatehouse::cache::store
