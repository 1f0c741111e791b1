#include "cache/store/disk_writer.h"

#include "cache/store/load.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gatehouse::cache::store {

namespace {

constexpr std::size_t kSeenSlots = std::size_t{1} << 18; // 1 MiB: of so many hashes the last refusal is remembered

// Where it is, if all of it lies in one block; else together in `room`.
std::string_view body_of(const Entry& entry, std::string& room) {
    const Block* block = entry.body().get();
    if (block == nullptr || block->capacity() >= entry.body_size()) {
        return block == nullptr ? std::string_view()
                                : std::string_view(block->data(), static_cast<std::size_t>(entry.body_size()));
    }
    for (; block != nullptr; block = block->next().get()) {
        const std::uint64_t left = entry.body_size() - room.size();
        room.append(block->data(), static_cast<std::size_t>(std::min<std::uint64_t>(left, block->capacity())));
    }
    return room;
}

disk::NewRecord record_of(const Entry& entry, std::string& room) {
    disk::NewRecord record;
    record.key = entry.key();
    record.secondary_key = entry.secondary_key();
    record.metadata = entry.metadata();
    record.body = body_of(entry, room);
    record.total_bytes = record.body.size();
    record.sequence = entry.sequence();
    return record;
}

} // namespace

DiskWriter::DiskWriter(disk::DiskLog& log, const DiskWriterOptions& options, std::function<void(const Change&)> written,
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

void DiskWriter::run() {
    for (;;) {
        const std::vector<Item> items = next(); // let go of before more is waited for
        if (items.empty()) {
            break;
        }
        do_next(items);
        if (log_.take_gave_up_files()) {
            gave_up_files_();
        }
    }
    if (const std::shared_ptr<Load> pause = [this] {
            const std::lock_guard lock(mutex_);
            return std::exchange(pause_, nullptr);
        }()) {
        pause->finish();
    }
    settle();
    if (log_.close()) {
        owes_(true); // what a power failure leaves of it nobody knows
    }
}

void DiskWriter::do_next(const std::vector<Item>& items) {
    const Item& first = items.front();
    const bool is_given_up = has_lost_count_ && begin_anew();
    if (first.job) {
        first.job(log_);
        return;
    }
    if (is_given_up) {
        give_up(first.change); // others that joined it have no pieces that would be missing
    } else if (first.joins_others) {
        store_together(items);
    } else {
        write(first.change);
    }
    for (const Item& item : items) {
        finish(item);
    }
}

// It was written, or will not be.
void DiskWriter::finish(const Item& item) {
    if (item.change.kind != Change::Kind::Chunk) {
        written_(item.change);
    }
    take_off(item.bytes);
}

// Whether the log is empty now. What waited is not written: it may be what something that was lost took the place of.
bool DiskWriter::begin_anew() {
    if (!may_try()) {
        return false;
    }
    const disk::FileError error = log_.clear();
    note_result(error);
    if (error) {
        return false;
    }
    owed_.clear();
    owes_(false);
    std::deque<Item> given_up;
    {
        const std::lock_guard lock(mutex_);
        const auto first_job =
            std::stable_partition(queue_.begin(), queue_.end(), [](const Item& item) { return !item.job; });
        given_up.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(first_job));
        queue_.erase(queue_.begin(), first_job);
        for (const Item& item : given_up) {
            queued_text_bytes_ -= item.text_bytes;
        }
        hurried_ = queue_.size(); // jobs
        has_lost_count_ = false;
    }
    for (const Item& item : given_up) {
        give_up(item.change);
        finish(item);
    }
    return true;
}

void DiskWriter::give_up(const Change& change) {
    if (change.large) {
        change.large->has_failed = true; // a piece of it is missing
    }
}

// Before the end: what is still owed would be found by the next start.
void DiskWriter::settle() {
    retry_at_ = {};
    if (has_lost_count_) {
        begin_anew();
    } else {
        pay();
    }
}

void DiskWriter::write(const Change& change) {
    switch (change.kind) {
    case Change::Kind::Remove: remove(change); return;
    case Change::Kind::Chunk: write_chunk(change); return;
    case Change::Kind::Manifest: write_manifest(change); return;
    case Change::Kind::Store:
    case Change::Kind::Freshen: break;
    }
    if (!change.entry || !may_write(change)) {
        remove(removal_of(change));
    } else {
        const bool had_another = log_.has(change.entry->key(), change.entry->secondary_key());
        note_stored(store(change), change, had_another);
        pay();
    }
    // It is under another secondary key now.
    Change removal = removal_of(change);
    if (change.kind == Change::Kind::Freshen && change.old_secondary_key != removal.secondary_key) {
        removal.secondary_key = change.old_secondary_key;
        remove(std::move(removal));
    }
}

// Requires: all join each other.
void DiskWriter::store_together(std::span<const Item> items) {
    std::vector<const Change*> changes;
    std::vector<const Change*> refused;
    std::vector<bool> had_another;
    std::vector<disk::NewRecord> records;
    std::vector<std::string> rooms(items.size()); // of bodies that do not lie in one block
    for (std::size_t i = 0; i < items.size(); ++i) {
        const Change& change = items[i].change;
        if (!may_write(change)) {
            refused.push_back(&change);
            continue;
        }
        changes.push_back(&change);
        had_another.push_back(log_.has(change.entry->key(), change.entry->secondary_key()));
        records.push_back(record_of(*change.entry, rooms[i]));
    }
    const std::vector<disk::FileError> errors = log_.append_together(records);
    const bool left_records = log_.take_left_records();
    for (std::size_t i = 0; i < errors.size(); ++i) {
        note_stored(errors[i], *changes[i], had_another[i] || left_records);
    }
    pay();
    for (const Change* const change : refused) {
        remove(removal_of(*change));
    }
}

// `may_return`: where it was not stored the next start may find something for it that is not stored either.
void DiskWriter::note_stored(const disk::FileError& error, const Change& change, bool may_return) {
    if (error == boost::system::errc::value_too_large) { // no trouble of the disk's
        too_large_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    note_result(error);
    if (error && (log_.take_left_records() || may_return)) {
        owe(removal_of(change));
    }
}

// Whether it may be kept is asked with its beginning.
void DiskWriter::write_chunk(const Change& change) {
    LargeBody& large = *change.large;
    if (large.has_failed) {
        return;
    }
    if (large.chunks.empty()) {
        large.hash_on_disk = log_.hash(change.key);
    }
    const bool is_known = !large.chunks.empty() || log_.has(change.key, change.secondary_key);
    if (!may_write(large.hash, is_known, large.total_bytes, change.bytes.size())) {
        large.has_failed = true;
        return;
    }
    const std::uint64_t offset = large.chunks.size() * log_.chunk_bytes();
    const auto place = log_.append_chunk({large.hash_on_disk, large.sequence, large.total_bytes, offset, change.bytes});
    note_result(place ? disk::FileError() : place.error());
    if (place) {
        large.chunks.push_back(*place);
    } else {
        large.has_failed = true;
    }
}

void DiskWriter::write_manifest(const Change& change) {
    const LargeBody& large = *change.large;
    if (large.has_failed) {
        remove(removal_of(change));
        return;
    }
    const auto stored = log_.sequence_of(change.key, change.secondary_key);
    if (stored && *stored > change.sequence) {
        return; // it was sent later
    }
    disk::NewRecord record;
    record.key = change.key;
    record.secondary_key = change.secondary_key;
    record.metadata = change.metadata;
    record.total_bytes = large.total_bytes;
    record.sequence = change.sequence;
    const auto written = log_.append_manifest(record, large.chunks);
    note_stored(written ? disk::FileError() : written.error(), change, stored.has_value());
    pay();
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
    if (owed_.empty()) {
        owes_(true);
    }
    if (owed_.size() < kMostOwed) {
        owed_.push_back(std::move(removal));
    } else {
        lose_count();
    }
}

void DiskWriter::lose_count() {
    has_lost_count_ = true;
    owes_(true);
}

// As far as the disk can be written. What was stored since for the same key is newer than what is owed.
void DiskWriter::pay() {
    while (!owed_.empty() && may_try()) {
        const Change& removal = owed_.front();
        if (!log_.has(removal.key, removal.secondary_key)) {
            const disk::FileError error = log_.remove(removal.key, removal.secondary_key, removal.sequence);
            note_result(error);
            if (error) {
                return;
            }
        }
        owed_.pop_front();
        if (owed_.empty()) {
            owes_(false);
        }
    }
}

disk::FileError DiskWriter::store(const Change& change) {
    const Entry& entry = *change.entry;
    if (change.kind == Change::Kind::Freshen) {
        const auto refreshed = log_.refresh(entry.key(), change.old_secondary_key, entry.secondary_key(),
                                            entry.metadata(), entry.sequence(), 0, change.old_sequence);
        if (refreshed || refreshed.error() != boost::system::errc::no_such_file_or_directory) {
            return refreshed ? disk::FileError() : refreshed.error();
        }
    }
    if (entry.file() != nullptr) {
        return {}; // its body was given up meanwhile, and with it what there is to store
    }
    std::string room;
    const disk::NewRecord record = record_of(entry, room);
    if (disk::record_length(text_bytes_of(entry), record.body.size()).most_bytes() > log_.most_record_bytes()) {
        return store_in_chunks(record);
    }
    const auto stored = log_.append(record);
    return stored ? disk::FileError() : stored.error();
}

disk::FileError DiskWriter::store_in_chunks(const disk::NewRecord& record) {
    std::vector<disk::Place> chunks;
    const KeyHash hash = log_.hash(record.key);
    for (std::uint64_t at = 0; at < record.total_bytes; at += log_.chunk_bytes()) {
        const auto place = log_.append_chunk(
            {hash, record.sequence, record.total_bytes, at, record.body.substr(at, log_.chunk_bytes())});
        if (!place) {
            return place.error();
        }
        chunks.push_back(*place);
    }
    const auto stored = log_.append_manifest(record, chunks);
    return stored ? disk::FileError() : stored.error();
}

bool DiskWriter::may_write(const Change& change) {
    const Entry& entry = *change.entry;
    const bool is_known = log_.has(entry.key(), entry.secondary_key());
    const std::uint64_t body_bytes = entry.file() ? 0 : entry.body_size(); // one in a file stays there
    const std::uint64_t bytes = entry.key().size() + entry.metadata().size() + body_bytes;
    return may_write(change.hash, is_known, entry.body_size(), bytes);
}

bool DiskWriter::may_write(const KeyHash& hash, bool is_known, std::uint64_t body_bytes, std::uint64_t record_bytes) {
    if (!may_try()) {
        errors_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    if (body_bytes > options_.max_object_bytes) {
        too_large_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    if (!is_known && log_.has_been_full() && !has_seen(hash)) {
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
