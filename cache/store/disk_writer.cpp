#include "cache/store/disk_writer.h"

#include <algorithm>
#include <future>
#include <utility>

namespace gatehouse::cache::store {

namespace {

constexpr std::size_t kKeptBytes = 1024 * 1024; // of room for a body, from one to the next
constexpr std::size_t kSeenSlots = std::size_t{1} << 18; // 1 MiB: of so many hashes the last refusal is remembered

} // namespace

DiskWriter::DiskWriter(disk::DiskLog& log, const DiskWriterOptions& options,
                       std::function<void(const Change&)> written,
                       std::function<void(const disk::FileError&)> trouble, Now now)
    : log_(log),
      options_(options),
      written_(std::move(written)),
      trouble_(std::move(trouble)),
      now_(std::move(now)),
      bytes_per_second_(options.bytes_per_second),
      seen_(kSeenSlots),
      budget_at_(now_()),
      budget_bytes_(static_cast<double>(options.bytes_per_second) * kBudgetSpan.count()) {}

DiskWriter::~DiskWriter() { stop(); }

void DiskWriter::start() {
    thread_ = std::thread([this] { run(); });
}

void DiskWriter::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

// Of an entry that finds no room only this is kept: what is on the disk for it is not what is stored any more.
Change DiskWriter::removal_of(const Change& change) {
    Change removal;
    removal.kind = Change::Kind::Remove;
    removal.hash = change.hash;
    removal.key = change.entry->key();
    removal.secondary_key = change.entry->secondary_key();
    removal.sequence = change.entry->sequence();
    return removal;
}

bool DiskWriter::push(Change change) {
    Item item;
    if (change.entry) {
        const Entry& entry = *change.entry;
        item.bytes = entry.key().size() + entry.secondary_key().size() + entry.metadata().size() + entry.body_size();
    }
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) {
            return false;
        }
        if (queue_.size() >= 2 * kMostQueued) {
            has_lost_count_ = true;
            return false;
        }
        const bool has_room = queued_bytes_ == 0 || queued_bytes_ + item.bytes <= options_.queued_bytes;
        if (change.entry && (!has_room || queue_.size() >= kMostQueued)) {
            over_queue_.fetch_add(1, std::memory_order_relaxed);
            item.bytes = 0;
            change = removal_of(change);
        }
        queued_bytes_ += item.bytes;
        item.change = std::move(change);
        queue_.push_back(std::move(item));
    }
    changed_.notify_one();
    return true;
}

void DiskWriter::run_later(std::function<void(disk::DiskLog&)> job) {
    Item item;
    item.job = std::move(job);
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(item));
    }
    changed_.notify_one();
}

void DiskWriter::flush() {
    std::promise<void> done;
    run_later([&done](disk::DiskLog&) { done.set_value(); });
    done.get_future().wait();
}

void DiskWriter::run() {
    for (;;) {
        Item item;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (queue_.empty()) {
                break;
            }
            item = std::move(queue_.front());
            queue_.pop_front();
            queued_bytes_ -= item.bytes;
        }
        if (has_lost_count_) {
            begin_anew();
        }
        if (item.job) {
            item.job(log_);
            continue;
        }
        write(item.change);
        written_(item.change);
    }
    static_cast<void>(log_.close()); // what is not sealed is scanned at the next start
}

void DiskWriter::begin_anew() {
    if (!may_try()) {
        return;
    }
    const disk::FileError error = log_.clear();
    note_result(error);
    if (!error) {
        owed_.clear();
        has_lost_count_ = false;
    }
}

void DiskWriter::write(const Change& change) {
    if (change.kind == Change::Kind::Remove) {
        remove(change);
    } else if (!may_write(change)) {
        remove(removal_of(change));
    } else {
        const disk::FileError error = store(change);
        note_result(error);
        if (error) {
            owe(removal_of(change)); // what was there before is not what is stored
        } else {
            pay();
        }
    }
    // It is under another secondary key now.
    if (change.kind == Change::Kind::Freshen && change.old_secondary_key != change.entry->secondary_key()) {
        Change removal = removal_of(change);
        removal.secondary_key = change.old_secondary_key;
        remove(std::move(removal));
    }
}

void DiskWriter::remove(Change removal) {
    if (!log_.has(removal.key, removal.secondary_key)) {
        return;
    }
    if (!may_try()) {
        owe(std::move(removal));
        return;
    }
    const disk::FileError error = log_.remove(removal.key, removal.secondary_key, removal.sequence);
    note_result(error);
    if (error) {
        owe(std::move(removal));
    } else {
        pay();
    }
}

void DiskWriter::owe(Change removal) {
    log_.hide(removal.key, removal.secondary_key);
    if (owed_.size() < kMostOwed) {
        owed_.push_back(std::move(removal));
    } else {
        has_lost_count_ = true;
    }
}

// The disk was written just now. What was stored since for the same key is newer than what is owed.
void DiskWriter::pay() {
    while (!owed_.empty()) {
        const Change& removal = owed_.front();
        if (!log_.has(removal.key, removal.secondary_key)) {
            const disk::FileError error = log_.remove(removal.key, removal.secondary_key, removal.sequence);
            note_result(error);
            if (error) {
                return;
            }
        }
        owed_.pop_front();
    }
}

disk::FileError DiskWriter::store(const Change& change) {
    const Entry& entry = *change.entry;
    if (change.kind == Change::Kind::Freshen) {
        const auto refreshed = log_.refresh(entry.key(), change.old_secondary_key, entry.secondary_key(),
                                            entry.metadata(), entry.sequence(), 0);
        if (refreshed || refreshed.error() != boost::system::errc::no_such_file_or_directory) {
            return refreshed ? disk::FileError() : refreshed.error();
        }
    }
    if (entry.file() != nullptr) {
        return {}; // its body was given up meanwhile, and with it what there is to store
    }
    if (body_.capacity() > kKeptBytes) {
        body_ = std::string();
    }
    body_.clear();
    for (const Block* block = entry.body().get(); block != nullptr; block = block->next().get()) {
        const std::uint64_t left = entry.body_size() - body_.size();
        body_.append(block->data(), static_cast<std::size_t>(std::min<std::uint64_t>(left, block->capacity())));
    }
    disk::NewRecord record;
    record.key = entry.key();
    record.secondary_key = entry.secondary_key();
    record.metadata = entry.metadata();
    record.body = body_;
    record.total_bytes = body_.size();
    record.sequence = entry.sequence();
    const auto stored = log_.append(record);
    return stored ? disk::FileError() : stored.error();
}

bool DiskWriter::may_write(const Change& change) {
    const Entry& entry = *change.entry;
    if (!may_try()) {
        errors_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    const std::uint64_t text_bytes = entry.key().size() + entry.secondary_key().size() + entry.metadata().size();
    const std::uint64_t record_bytes = disk::record_length(text_bytes, entry.body_size()).record_bytes;
    if (entry.body_size() > options_.max_object_bytes || record_bytes > log_.most_record_bytes()) {
        too_large_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    const bool is_known = log_.has(entry.key(), entry.secondary_key());
    if (!is_known && log_.has_been_full() && !has_seen(change.hash)) {
        not_admitted_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    if (!is_within_budget(record_bytes)) {
        over_write_budget_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    return true;
}

// Whether this hash was refused before; two that share a slot forget each other.
bool DiskWriter::has_seen(const KeyHash& hash) noexcept {
    std::uint32_t& slot = seen_[hash.low & (kSeenSlots - 1)];
    const auto tag = static_cast<std::uint32_t>(hash.high >> 32) | 1U;
    return std::exchange(slot, tag) == tag;
}

bool DiskWriter::is_within_budget(std::uint64_t bytes) {
    const std::uint64_t rate = bytes_per_second_;
    if (rate == 0) {
        return true;
    }
    const auto now = now_();
    const double seconds = std::chrono::duration<double>(now - std::exchange(budget_at_, now)).count();
    const double most = static_cast<double>(rate) * static_cast<double>(kBudgetSpan.count());
    budget_bytes_ = std::min(most, budget_bytes_ + seconds * static_cast<double>(rate));
    if (budget_bytes_ < static_cast<double>(bytes)) {
        return false;
    }
    budget_bytes_ -= static_cast<double>(bytes);
    return true;
}

void DiskWriter::note_result(const disk::FileError& error) {
    if (error) {
        errors_.fetch_add(1, std::memory_order_relaxed);
        retry_at_ = now_() + kPauseAfterError;
    }
    const bool is_failing = static_cast<bool>(error);
    if (is_failing_.exchange(is_failing) != is_failing) {
        trouble_(error);
    }
}

void DiskWriter::add_stats(DiskStats& stats) const {
    {
        const std::lock_guard lock(mutex_);
        stats.bytes_queued = queued_bytes_;
    }
    stats.not_admitted = not_admitted_;
    stats.over_write_budget = over_write_budget_;
    stats.over_queue = over_queue_;
    stats.too_large = too_large_;
    stats.write_errors = errors_;
    stats.is_failing = is_failing_;
}

} // namespace gatehouse::cache::store
