// The memory store with a disk below it (docs/DISK.md).
//
// What is stored is stored in memory, and written to the disk by a thread of its own; what memory evicts is still on the
// disk. What lookup() does not find bring() looks for there: records that are not large and whose pages are resident are
// read at once, others by threads that may block. What was brought is an entry of the memory store like any other.
//
// What is on the disk is never believed against what happened since: while a change of a key waits to be written, the
// disk is not asked for that key, and what was being read when a key changed is dropped.
#pragma once

#include "cache/store/disk_log.h"
#include "cache/store/disk_stats.h"
#include "cache/store/disk_writer.h"
#include "cache/store/job_threads.h"

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
};

class TieredStore final : public Store {
public:
    static constexpr std::size_t kMostReadsQueued = 4096;
    // Larger records are read by the readers even where their pages are resident: the loop has others to serve.
    static constexpr std::uint64_t kMostBytesAtOnce = 256 * 1024;

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

    void lookup(const KeyHash& hash, std::string_view key, Candidates& found) override {
        memory_->lookup(hash, key, found);
    }
    Below bring(const KeyHash& hash, std::string_view key, const Candidates& at_hand, bool may_wait) override;
    void touch(const Entry& entry) noexcept override { memory_->touch(entry); }
    std::unique_ptr<Writer> open_writer(const PutFacts& facts, std::optional<std::uint64_t> expected_bytes) override;
    std::shared_ptr<Body> open_relay(std::optional<std::uint64_t> expected_bytes) override {
        return memory_->open_relay(expected_bytes);
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
    using Records = std::vector<disk::IndexEntry>;
    // A key whose records are being read.
    struct Reading {
        bool is_outdated = false; // it changed since; guarded by the stripe
        std::shared_ptr<Load> load = std::make_shared<Load>();
    };
    // What is on its way between memory and disk, by hash. Held while memory changes and the change is queued, so that
    // both have one order.
    struct Stripe {
        std::mutex mutex;
        std::unordered_map<std::uint64_t, std::uint32_t> changes; // how many wait to be written
        std::unordered_map<std::uint64_t, std::shared_ptr<Reading>> reading;
    };
    static constexpr std::size_t kStripes = 64;
    Stripe& stripe_of(const KeyHash& hash) noexcept { return stripes_[hash.high % kStripes]; }

    EntryRef commit(Writer& writer, const KeyHash& hash, std::uint64_t sequence, std::string_view metadata);
    void note(Stripe& stripe, Change change);
    void written(const Change& change);
    Records records_not_at_hand(const KeyHash& on_disk, const Candidates& at_hand) const;
    void read(const KeyHash& hash, const std::string& key, const Records& records, Reading& reading);
    // Whether it is in memory now.
    bool enter(const KeyHash& hash, std::string_view key, const disk::ReadRecord& record, const Reading& reading);
    void finish(const KeyHash& hash, const std::shared_ptr<Reading>& reading);

    std::unique_ptr<Store> memory_;
    std::unique_ptr<disk::DiskIndex> index_;
    std::unique_ptr<disk::DiskLog> log_;
    std::array<Stripe, kStripes> stripes_;
    std::atomic<std::uint64_t> read_at_once_{0};
    std::atomic<std::uint64_t> read_by_readers_{0};
    std::atomic<std::uint64_t> read_in_vain_{0};
    std::atomic<std::uint64_t> reads_refused_{0};
    std::atomic<std::uint64_t> read_errors_{0};
    const unsigned reader_threads_;
    std::unique_ptr<JobThreads> readers_;
    DiskWriter writer_;
};

} // namespace gatehouse::cache::store
