// The thread that writes to the disk what changes in memory, in the order in which it changed.
//
// What is new to the disk waits for more of it, for a moment: it is written together then (DiskLog::append_together), and
// the thread does not wake for each. Whatever takes the place of something is written at once, as is what is before it: what was
// replaced or removed must not come back.
//
// What waits is bounded by bytes and by number. What finds no room, is over the write budget or is not admitted is not
// written; where the disk has an older record for it, that is taken out instead, so that it never comes back.
#pragma once

#include "cache/store/disk_log.h"
#include "cache/store/disk_stats.h"
#include "cache/store/store.h"
#include "http/time.h"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace gatehouse::cache::store {

// Content that is written while it comes, because memory does not take it.
struct LargeBody {
    KeyHash hash;
    std::uint64_t sequence = 0;
    std::uint64_t total_bytes = 0;
    std::atomic<bool> has_failed{false}; // not all of it was written: it is not stored
    // The writing thread's.
    KeyHash hash_on_disk;
    std::vector<disk::Place> chunks;
};

// One change of the memory store that the disk has to follow.
struct Change {
    enum class Kind : std::uint8_t {
        Store,   // `entry`
        Freshen, // `entry` has the body of what was stored under `old_secondary_key`, with `old_sequence`; null: neither is stored
        Remove,  // what is stored for `key` and `secondary_key` up to `sequence`
        Chunk,   // `bytes` are the next of `large`; nothing is stored by it
        Manifest // `large` is whole: it is stored for `key` and `secondary_key`, with `metadata`
    };
    Kind kind = Kind::Store;
    KeyHash hash;
    EntryRef entry = {};
    std::string old_secondary_key = {};
    std::uint64_t old_sequence = 0;
    std::string key = {};
    std::string secondary_key = {};
    std::uint64_t sequence = 0;
    bool is_alone = false; // nothing else of its key waits
    std::shared_ptr<LargeBody> large = {};
    std::string bytes = {};
    std::string metadata = {};
};

struct DiskWriterOptions {
    std::uint64_t max_object_bytes = 8ull * 1024 * 1024; // a larger body is not written
    std::uint64_t queued_bytes = 32ull * 1024 * 1024;    // of entries that wait; one may always
    // So long something new waits for more that is written with it, unless so many bytes wait, which are held in memory, or as
    // many records as are written together.
    std::chrono::milliseconds gather{100};
    std::uint64_t gathered_bytes = disk::DiskLog::kMostBytesTogether;
    std::uint64_t bytes_per_second = 0; // on average over kBudgetSpan; 0: no bound
};

class DiskWriter {
public:
    static constexpr std::size_t kMostQueued = 100'000; // entries; of removals twice as many
    static constexpr std::uint64_t kMostTextBytes = 64ull * 1024 * 1024; // of keys and heads of what has no entry
    static constexpr std::size_t kMostOwed = 10'000;    // removals that are written when the disk can be written again
    static constexpr std::chrono::seconds kBudgetSpan{10};     // a burst may use what was left over for so long
    static constexpr std::chrono::seconds kPauseAfterError{5}; // before the disk is tried again
    using Now = std::function<http::SteadyTime()>;

    // `written` is called on the writing thread when a change is in the log, or will not be. `trouble` too, when
    // writing begins to fail (with the error) and when it works again (without).
    DiskWriter(disk::DiskLog& log, const DiskWriterOptions& options, std::function<void(const Change&)> written,
               std::function<void(const disk::FileError&)> trouble, Now now);
    // Called when the first removal is owed, or a change was lost, and when all is settled again: in between, what a
    // start would find is not what is stored. Any thread. Set before start().
    void set_owes(std::function<void(bool owes)> owes) { owes_ = std::move(owes); }
    // Called on the writing thread when segments got other files (DiskLog::take_gave_up_files). Set before start().
    void set_gave_up_files(std::function<void()> gave_up_files) { gave_up_files_ = std::move(gave_up_files); }
    ~DiskWriter(); // stops
    DiskWriter(const DiskWriter&) = delete;
    DiskWriter& operator=(const DiskWriter&) = delete;

    void start();
    // Writes what waits, and seals the log. What comes later is not written.
    void stop();

    // Any thread. False: it was not taken, and `written` is not called for it.
    bool push(Change change);
    // What is on the disk may not be read: a change found no room in the queue. Ends when the log was emptied for it.
    bool has_lost_count() const noexcept { return has_lost_count_; }
    // Not null: half of queued_bytes wait; it finishes when less do.
    std::shared_ptr<Load> pause();
    // Returns when what was pushed before is written.
    void flush();
    // Runs a job on the writing thread, after what waits. Any thread.
    void run_later(std::function<void(disk::DiskLog&)> job);
    void set_bytes_per_second(std::uint64_t bytes) noexcept { bytes_per_second_ = bytes; }
    void add_stats(DiskStats& stats) const;
    bool is_failing() const noexcept { return is_failing_; }

private:
    struct Item {
        Change change;
        std::uint64_t bytes = 0;
        std::uint64_t text_bytes = 0;
        bool joins_others = false; // it may be written together with others
        bool may_wait = false;     // for them
        std::function<void(disk::DiskLog&)> job; // instead of a change
    };
    // ---- disk_writer_queue.cpp
    static std::uint64_t text_bytes_of(const Entry& entry) noexcept; // of its key, secondary key and metadata
    static Change removal_of(const Change& change);
    static Change without_content(const Change& change);
    bool joins_others(const Change& change) const;
    void enqueue(Item item);
    bool may_gather() const noexcept;
    std::vector<Item> next();
    static bool joins(const std::vector<Item>& items, const Item& other) noexcept;
    Item pop();
    void take_off(std::uint64_t bytes);

    // ---- disk_writer.cpp
    void run();
    void do_next(const std::vector<Item>& items);
    void finish(const Item& item);
    bool begin_anew();
    static void give_up(const Change& change);
    void lose_count();
    void settle();
    void write(const Change& change);
    void write_chunk(const Change& change);
    void write_manifest(const Change& change);
    void store_together(std::span<const Item> items);
    disk::FileError store(const Change& change);
    disk::FileError store_in_chunks(const disk::NewRecord& record);
    void note_stored(const disk::FileError& error, const Change& change, bool may_return);
    bool may_write(const KeyHash& hash, bool is_known, std::uint64_t body_bytes, std::uint64_t record_bytes);
    void remove(Change removal);
    void owe(Change removal);
    void pay();
    bool may_try() const { return !is_failing_ || now_() >= retry_at_; }
    bool may_write(const Change& change);
    bool has_seen(const KeyHash& hash) noexcept;
    bool is_within_budget(std::uint64_t bytes);
    void note_result(const disk::FileError& error);

    disk::DiskLog& log_;
    const DiskWriterOptions options_;
    const std::function<void(const Change&)> written_;
    const std::function<void(const disk::FileError&)> trouble_;
    std::function<void(bool)> owes_ = [](bool) {};
    std::function<void()> gave_up_files_ = [] {};
    const Now now_;
    std::atomic<std::uint64_t> bytes_per_second_;
    std::thread thread_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Item> queue_;
    std::uint64_t queued_bytes_ = 0;
    std::uint64_t queued_text_bytes_ = 0;
    std::size_t hurried_ = 0; // of the queue: those that may not wait
    bool gathers_ = false;    // something has come into the empty queue
    std::shared_ptr<Load> pause_; // while somebody waits for room
    bool stopping_ = false;

    // The writing thread's.
    std::vector<std::uint32_t> seen_; // of hashes that were refused once
    http::SteadyTime budget_at_;
    double budget_bytes_ = 0;
    http::SteadyTime retry_at_{};
    std::deque<Change> owed_; // removals that could not be written

    std::atomic<bool> is_failing_{false};
    std::atomic<bool> has_lost_count_{false};
    std::atomic<std::uint64_t> not_admitted_{0};
    std::atomic<std::uint64_t> over_write_budget_{0};
    std::atomic<std::uint64_t> over_queue_{0};
    std::atomic<std::uint64_t> too_large_{0};
    std::atomic<std::uint64_t> errors_{0};
};

} // namespace gatehouse::cache::store
