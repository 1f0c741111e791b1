#include "cache/store/shard.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <functional>

namespace gatehouse::cache::store {

namespace {

// Reuses that bring an entry of the mean size from the small to the main queue, and that let it go round the main one.
constexpr unsigned kUsesToPromote = 2;
constexpr unsigned kUsesToStay = 1;
// Each doubling of the mean size asks for one reuse more, but no more than this: otherwise large entries could not be
// kept at all (eviction.md, S3-FIFO-sz: fewer misses by count against few by bytes).
constexpr unsigned kMostExtraUses = 3;
// Uses that count on the way round the main queue, and one is spent on it: what was popular once grows old.
constexpr unsigned kMostUsesKept = 4;
static_assert(kUsesToStay + kMostExtraUses <= kMostUsesKept && kUsesToPromote + kMostExtraUses <= Shard::kMostUses);

} // namespace

// ---- queue

void EntryQueue::push(Entry* entry, std::uint32_t now) noexcept {
    entry->queued_at_ = now;
    entry->newer_ = nullptr;
    entry->older_ = newest_;
    if (newest_ != nullptr) {
        newest_->newer_ = entry;
    } else {
        oldest_ = entry;
        publish_oldest();
    }
    newest_ = entry;
}

void EntryQueue::remove(Entry* entry) noexcept {
    (entry->newer_ != nullptr ? entry->newer_->older_ : newest_) = entry->older_;
    (entry->older_ != nullptr ? entry->older_->newer_ : oldest_) = entry->newer_;
    entry->newer_ = nullptr;
    entry->older_ = nullptr;
    publish_oldest();
}

void EntryQueue::replace(Entry* old, Entry* entry) noexcept {
    entry->queued_at_ = old->queued_at_;
    entry->newer_ = std::exchange(old->newer_, nullptr);
    entry->older_ = std::exchange(old->older_, nullptr);
    (entry->newer_ != nullptr ? entry->newer_->older_ : newest_) = entry;
    (entry->older_ != nullptr ? entry->older_->newer_ : oldest_) = entry;
}

void EntryQueue::publish_oldest() noexcept {
    const std::uint64_t hint = oldest_ != nullptr ? (std::uint64_t{1} << 32) | oldest_->queued_at_ : 0;
    oldest_hint_.store(hint, std::memory_order_relaxed);
}

// ---- shard

Shard::~Shard() {
    for (EntryQueue* queue : {&small_, &main_}) {
        while (Entry* const entry = queue->oldest()) {
            dequeue(entry);
            const EntryRef last(entry);
        }
    }
}

void Shard::lookup(std::uint64_t hash, std::string_view key, Candidates& found) {
    const std::lock_guard lock(mutex_);
    for (Entry* entry = table_.bucket(hash); entry != nullptr; entry = entry->chain_) {
        if (entry->hash_ == hash && entry->key() == key && found.size() < Candidates::kMax) {
            found.push(share(entry));
        }
    }
}

EntryRef Shard::insert(EntryRef inserted, unsigned max_variants, Dropped& dropped) {
    Entry* const entry = inserted.entry_;
    const std::lock_guard lock(mutex_);
    unsigned variants = 0;
    Entry* oldest = nullptr;
    for (Entry* other = table_.bucket(entry->hash_); other != nullptr; other = other->chain_) {
        if (other->hash_ != entry->hash_ || other->key() != entry->key()) {
            continue;
        }
        if (other->secondary_key() == entry->secondary_key()) {
            if (other->sequence() > entry->sequence()) {
                return share(other);
            }
            ++insertions_;
            EntryRef stored = inserted;
            take_place(other, std::exchange(inserted.entry_, nullptr), dropped); // its reference is the index's now
            return stored;
        }
        oldest = other;
        ++variants;
    }
    if (variants >= max_variants && oldest != nullptr) {
        drop(oldest, dropped);
    }
    const bool returns = ghosts_.take(fingerprint(*entry), state_.ghost_now(), state_.ghost_window());
    ghost_hits_ += returns ? 1 : 0;
    ++insertions_;
    EntryRef stored = inserted;
    add_to_index(std::exchange(inserted.entry_, nullptr));
    state_.objects.fetch_add(1, std::memory_order_relaxed);
    enqueue(entry, returns ? Queue::Main : Queue::Small);
    return stored;
}

// Every change of the index is one of these two. The number grows under the lock, before the caller returns: whoever
// knows that an entry was removed or replaced reads the new one.
void Shard::add_to_index(Entry* entry) noexcept {
    table_.insert(entry);
    note_change(entry->hash_);
}

void Shard::remove_from_index(Entry* entry) noexcept {
    table_.remove(entry);
    note_change(entry->hash_);
}

void Shard::note_change(std::uint64_t hash) noexcept {
    std::atomic<std::uint64_t>& changes = changes_[change_counter(hash)];
    changes.store(changes.load(std::memory_order_relaxed) + 1, std::memory_order_release); // one writer: the lock
}

bool Shard::replace(const EntryRef& old, EntryRef inserted, Dropped& dropped) {
    const std::lock_guard lock(mutex_);
    if (static_cast<Queue>(old->queue_) == Queue::None) {
        return false;
    }
    const Entry* const entry = inserted.entry_;
    for (Entry* other = table_.bucket(entry->hash_); other != nullptr; other = other->chain_) {
        if (other != old.entry_ && other->hash_ == entry->hash_ && other->key() == entry->key() &&
            other->secondary_key() == entry->secondary_key()) {
            if (other->sequence() > entry->sequence()) {
                return false;
            }
            drop(other, dropped);
            break;
        }
    }
    take_place(old.entry_, std::exchange(inserted.entry_, nullptr), dropped);
    return true;
}

bool Shard::erase(const EntryRef& entry, Dropped& dropped) {
    const std::lock_guard lock(mutex_);
    if (static_cast<Queue>(entry->queue_) == Queue::None) {
        return false;
    }
    drop(entry.entry_, dropped);
    return true;
}

// A new response for the same thing takes over the place in the queue and the uses: what is fetched again because it
// had expired is no newcomer. To be fetched again is a use, too.
void Shard::take_place(Entry* old, Entry* entry, Dropped& dropped) noexcept {
    const Queue queue = static_cast<Queue>(old->queue_);
    const std::uint8_t uses = old->uses_.load(std::memory_order_relaxed);
    entry->uses_.store(std::min<std::uint8_t>(static_cast<std::uint8_t>(uses + 1), kMostUses),
                       std::memory_order_relaxed);
    queue_of(*old).replace(old, entry);
    entry->queue_ = old->queue_;
    old->queue_ = static_cast<std::uint8_t>(Queue::None);
    count_bytes(queue, charge_of(*entry), charge_of(*old));
    remove_from_index(old);
    add_to_index(entry);
    dropped.add(EntryRef(old));
}

void Shard::drop(Entry* entry, Dropped& dropped) noexcept {
    dequeue(entry);
    remove_from_index(entry);
    state_.objects.fetch_sub(1, std::memory_order_relaxed);
    dropped.add(EntryRef(entry));
}

void Shard::enqueue(Entry* entry, Queue queue) noexcept {
    entry->queue_ = static_cast<std::uint8_t>(queue);
    queue_of(*entry).push(entry, state_.queue_clock.fetch_add(1, std::memory_order_relaxed));
    count_bytes(queue, charge_of(*entry), 0);
}

void Shard::dequeue(Entry* entry) noexcept {
    queue_of(*entry).remove(entry);
    count_bytes(static_cast<Queue>(entry->queue_), 0, charge_of(*entry));
    entry->queue_ = static_cast<std::uint8_t>(Queue::None);
}

void Shard::count_bytes(Queue queue, std::uint64_t added, std::uint64_t removed) noexcept {
    // Unsigned wrap-around makes one addition of both.
    (queue == Queue::Small ? state_.small_bytes : state_.main_bytes)
        .fetch_add(added - removed, std::memory_order_relaxed);
}

std::uint64_t Shard::fingerprint(const Entry& entry) noexcept {
    // Variants are reused each for itself.
    const std::string_view secondary = entry.secondary_key();
    return secondary.empty() ? entry.hash_ : entry.hash_ ^ std::hash<std::string_view>()(secondary);
}

bool Shard::is_pinned(const Entry& entry) noexcept {
    // Under the lock, a count of one cannot grow: further references are taken here or copied from others. A body is
    // also pinned by a cursor that has no entry, by its writer, or by an entry that this one replaced.
    return entry.references_.load(std::memory_order_acquire) > 1 || (entry.body_ && !entry.body_->is_unique());
}

// 0 below the mean size, 1 from there on, 2 from twice the mean on, and so forth.
unsigned Shard::size_class(const Entry& entry) const noexcept {
    const std::uint64_t objects = std::max<std::uint64_t>(state_.objects.load(std::memory_order_relaxed), 1);
    const std::uint64_t mean = std::max<std::uint64_t>(state_.bytes() / objects, 1);
    return std::min<unsigned>(static_cast<unsigned>(std::bit_width(charge_of(entry) / mean)), kMostExtraUses + 1);
}

Shard::Step Shard::evict(Queue queue, bool forced, EntryRef& victim) {
    const std::lock_guard lock(mutex_);
    EntryQueue& from = queue == Queue::Small ? small_ : main_;
    Entry* const entry = from.oldest();
    if (entry == nullptr) {
        return Step::Empty;
    }
    const unsigned uses = entry->uses_.load(std::memory_order_relaxed);
    const unsigned size_class_of = size_class(*entry);
    dequeue(entry);
    if (is_pinned(*entry)) {
        enqueue(entry, queue);
        return Step::Pinned;
    }
    if (queue == Queue::Small) {
        if (!forced && uses + 1 >= kUsesToPromote + size_class_of) {
            entry->uses_.store(0, std::memory_order_relaxed);
            enqueue(entry, Queue::Main);
            return Step::Kept;
        }
        state_.ghost_bytes.fetch_add(charge_of(*entry), std::memory_order_relaxed);
        ghosts_.put(fingerprint(*entry), state_.ghost_now(), state_.ghost_window());
    } else if (!forced && uses >= std::max(kUsesToStay, kUsesToStay + size_class_of - 1)) {
        entry->uses_.store(static_cast<std::uint8_t>(std::min(uses, kMostUsesKept) - 1), std::memory_order_relaxed);
        enqueue(entry, Queue::Main);
        return Step::Kept;
    }
    remove_from_index(entry);
    state_.objects.fetch_sub(1, std::memory_order_relaxed);
    ++evictions_;
    victim = EntryRef(entry);
    return Step::Evicted;
}

Shard::Growth Shard::wanted_growth(std::size_t ghosts_max) {
    const std::lock_guard lock(mutex_);
    Growth growth;
    if (table_.size() < no_growth_below_) {
        return growth;
    }
    growth.buckets = table_.wanted_segment();
    // As many ghosts as entries, in steps of an eighth, so that copying stays a small part of the work. Copying 64 Ki
    // ghosts, which a shard with as many entries has, holds the lock for less than a millisecond.
    const std::size_t present = ghosts_.capacity();
    if (present < table_.size()) {
        const std::size_t wanted = std::max(table_.size(), present + present / 8) + GhostTable::kWays;
        const std::size_t possible = std::min(wanted, ghosts_max) / GhostTable::kWays * GhostTable::kWays;
        growth.ghosts = possible > present ? possible : 0;
    }
    return growth;
}

void Shard::growth_was_refused() {
    const std::lock_guard lock(mutex_);
    no_growth_below_ = table_.size() + table_.size() / 8 + 1;
}

std::uint64_t Shard::add_buckets(std::size_t buckets) {
    auto segment = std::make_unique<Entry*[]>(buckets);
    const std::lock_guard lock(mutex_);
    return table_.add_segment(segment, buckets) ? 0 : EntryTable::charge_for(buckets);
}

std::uint64_t Shard::add_ghosts(std::size_t ghosts) {
    auto table = std::make_unique<GhostTable::Ghost[]>(ghosts);
    const std::lock_guard lock(mutex_);
    const std::size_t before = ghosts_.capacity();
    if (ghosts <= before) {
        return GhostTable::charge_for(ghosts);
    }
    ghosts_.grow(table, ghosts, state_.ghost_now(), state_.ghost_window());
    return before > 0 ? GhostTable::charge_for(before) : 0;
}

std::size_t Shard::collect(std::size_t from, std::size_t most, std::vector<EntryRef>& into) {
    const std::lock_guard lock(mutex_);
    return table_.collect(from, most, into);
}

void Shard::add_stats(StoreStats& stats) {
    const std::lock_guard lock(mutex_);
    stats.objects += table_.size();
    stats.evictions += evictions_;
    stats.insertions += insertions_;
    stats.ghost_hits += ghost_hits_;
    stats.bytes_index += sizeof(Shard) + table_.charged();
    if (ghosts_.capacity() > 0) {
        stats.bytes_index += GhostTable::charge_for(ghosts_.capacity());
    }
}

} // namespace gatehouse::cache::store
