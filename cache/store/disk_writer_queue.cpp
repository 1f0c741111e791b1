// What waits to be written: how much may, for how long, and what is written next.
#include "cache/store/disk_writer.h"
#include "cache/store/load.h"

#include <algorithm>
#include <future>
#include <utility>

namespace gatehouse::cache::store {

std::uint64_t DiskWriter::text_bytes_of(const Entry& entry) noexcept {
    return entry.key().size() + entry.secondary_key().size() + entry.metadata().size();
}

Change DiskWriter::removal_of(const Change& change) {
    Change removal;
    removal.kind = Change::Kind::Remove;
    removal.hash = change.hash;
    removal.key = change.entry ? change.entry->key() : change.key;
    removal.secondary_key = change.entry ? change.entry->secondary_key() : change.secondary_key;
    removal.sequence = change.entry ? change.entry->sequence() : change.sequence;
    return removal;
}

// Of a change that finds no room: what is on the disk for it, under the old secondary key, too, is not what is stored.
Change DiskWriter::without_content(const Change& change) {
    Change out = removal_of(change);
    if (change.kind == Change::Kind::Freshen) {
        out.kind = Change::Kind::Freshen;
        out.old_secondary_key = change.old_secondary_key;
    }
    return out;
}

bool DiskWriter::joins_others(const Change& change) const {
    if (change.kind != Change::Kind::Store || change.entry->file() != nullptr) {
        return false;
    }
    const disk::RecordLength length = disk::record_length(text_bytes_of(*change.entry), change.entry->body_size());
    return length.most_bytes() <= std::min(disk::DiskLog::kMostBytesTogether, log_.most_record_bytes());
}

bool DiskWriter::push(Change change) {
    Item item;
    if (change.entry) {
        const std::uint64_t body_bytes = change.entry->file() ? 0 : change.entry->body_size(); // one in a file stays there
        item.bytes = text_bytes_of(*change.entry) + body_bytes;
        item.joins_others = joins_others(change);
    }
    if (change.kind == Change::Kind::Chunk) {
        item.bytes = change.bytes.size();
    }
    const bool replaces = !change.is_alone || change.kind == Change::Kind::Freshen ||
                          (change.entry && log_.has(change.entry->key(), change.entry->secondary_key()));
    item.may_wait = item.joins_others && !replaces;
    const std::lock_guard lock(mutex_);
    if (stopping_) {
        return false;
    }
    if (queue_.size() >= 2 * kMostQueued || queued_text_bytes_ >= kMostTextBytes) {
        lose_count();
        return false;
    }
    const bool has_room = queued_bytes_ == 0 || queued_bytes_ + item.bytes <= options_.queued_bytes;
    if (item.bytes > 0 && (!has_room || queue_.size() >= kMostQueued)) {
        if (change.kind == Change::Kind::Chunk) {
            if (!change.large->has_failed.exchange(true)) {
                over_queue_.fetch_add(1, std::memory_order_relaxed);
            }
            return false;
        }
        over_queue_.fetch_add(1, std::memory_order_relaxed);
        if (!replaces) {
            return false; // there is nothing that it would take the place of
        }
        item = Item();
        change = without_content(change);
    }
    item.text_bytes = change.key.size() + change.secondary_key.size() + change.old_secondary_key.size() + change.metadata.size();
    item.change = std::move(change);
    enqueue(std::move(item));
    return true;
}

// The mutex is locked.
void DiskWriter::enqueue(Item item) {
    queued_bytes_ += item.bytes;
    queued_text_bytes_ += item.text_bytes;
    hurried_ += item.may_wait ? 0 : 1;
    gathers_ = gathers_ || queue_.empty();
    queue_.push_back(std::move(item));
    if (queue_.size() == 1 || !may_gather()) {
        changed_.notify_one();
    }
}

std::shared_ptr<Load> DiskWriter::pause() {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queued_bytes_ <= options_.queued_bytes / 2) {
        return nullptr;
    }
    if (!pause_) {
        pause_ = std::make_shared<Load>();
        changed_.notify_one();
    }
    return pause_;
}

void DiskWriter::run_later(std::function<void(disk::DiskLog&)> job) {
    Item item;
    item.job = std::move(job);
    const std::lock_guard lock(mutex_);
    enqueue(std::move(item));
}

void DiskWriter::flush() {
    std::promise<void> done;
    run_later([&done](disk::DiskLog&) { done.set_value(); });
    done.get_future().wait();
}

bool DiskWriter::may_gather() const noexcept {
    return !stopping_ && !pause_ && hurried_ == 0 && queued_bytes_ < options_.gathered_bytes &&
           queue_.size() < disk::DiskLog::kMostTogether;
}

// What is to be written next: one change, or some that join each other. None: it is to stop.
std::vector<DiskWriter::Item> DiskWriter::next() {
    std::vector<Item> items;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (std::exchange(gathers_, false)) { // what was left behind has waited already
        changed_.wait_for(lock, options_.gather, [this] { return !may_gather(); });
    }
    if (queue_.empty()) {
        return items;
    }
    items.reserve(queue_.front().joins_others ? std::min(queue_.size(), disk::DiskLog::kMostTogether) : 1);
    std::uint64_t bytes = queue_.front().bytes;
    items.push_back(pop());
    while (!queue_.empty() && joins(items, queue_.front()) &&
           (bytes += queue_.front().bytes) <= disk::DiskLog::kMostBytesTogether) {
        items.push_back(pop());
    }
    return items;
}

// Two changes of one key are never written together.
bool DiskWriter::joins(const std::vector<Item>& items, const Item& other) noexcept {
    return items.front().joins_others && other.joins_others && items.size() < disk::DiskLog::kMostTogether &&
           std::none_of(items.begin(), items.end(),
                        [&other](const Item& item) { return item.change.hash == other.change.hash; });
}

// The mutex is locked.
DiskWriter::Item DiskWriter::pop() {
    Item item = std::move(queue_.front());
    queue_.pop_front();
    queued_text_bytes_ -= item.text_bytes;
    hurried_ -= item.may_wait ? 0 : 1;
    return item;
}

void DiskWriter::take_off(std::uint64_t bytes) {
    std::shared_ptr<Load> pause;
    {
        const std::lock_guard lock(mutex_);
        queued_bytes_ -= bytes;
        if (queued_bytes_ <= options_.queued_bytes / 2) {
            pause = std::move(pause_);
        }
    }
    if (pause) {
        pause->finish();
    }
}

} // namespace gatehouse::cache::store
