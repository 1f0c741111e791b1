// What is brought from the disk: at once where the kernel has it in memory, by threads otherwise; into memory, for one
// request, or to be sent from its file.
#include "cache/store/load.h"
#include "cache/store/tiered_store.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include <sys/uio.h>

namespace gatehouse::cache::store {

using disk::Blocking;
using disk::ReadState;

namespace {

bool fill(Body& body, std::string_view bytes) {
    while (!bytes.empty()) {
        const Body::Room room = body.prepare();
        if (room.state != Body::RoomState::Room) {
            return false;
        }
        const std::size_t step = std::min(room.room.size(), bytes.size());
        std::memcpy(room.room.data(), bytes.data(), step);
        body.publish(step);
        bytes.remove_prefix(step);
    }
    return true;
}

} // namespace

TieredStore::Records TieredStore::records_not_at_hand(const KeyHash& on_disk, const Candidates& at_hand) const {
    Records records = log_->find(on_disk);
    const auto is_at_hand = [&at_hand](const disk::IndexEntry& record) {
        for (std::size_t i = 0; i < at_hand.size(); ++i) {
            if (disk::DiskLog::marker_of(at_hand[i]->secondary_key()) == record.secondary_marker) {
                return true;
            }
        }
        return false;
    };
    records.erase(std::remove_if(records.begin(), records.end(), is_at_hand), records.end());
    return records;
}

bool TieredStore::is_at_hand(const FileBody& body) { return body.is_at_hand(0, std::min(body.size(), kFirstBytes)); }

// Before what is stored is looked for. It only grows: two that are the same are of a time in which nothing has changed.
std::uint64_t TieredStore::changes_of(const KeyHash& hash) const noexcept {
    const std::atomic<std::uint64_t>* const in_memory = memory_->changes(hash);
    return in_memory == nullptr ? KeptHeads::kOneOfSeveral
                                : in_memory->load(std::memory_order_acquire) +
                                      change_counter(hash).load(std::memory_order_acquire);
}

void TieredStore::lookup(const KeyHash& hash, std::string_view key, Candidates& found) {
    kept_heads_.expect(hash);
    const std::uint64_t changes = changes_of(hash);
    memory_->lookup(hash, key, found);
    if (!found.empty() || changes == KeptHeads::kOneOfSeveral) {
        return;
    }
    KeptHeads::Found kept = kept_heads_.find(hash, key, changes);
    if (kept && is_at_hand(*kept.body)) {
        found.push(std::move(kept.entry));
    }
}

Below TieredStore::bring(const KeyHash& hash, std::string_view key, const Candidates& at_hand, bool may_wait) {
    std::uint64_t changes = changes_of(hash);
    Reading reading;
    if (auto coming = begin_reading(hash, key, may_wait, reading)) {
        return *std::move(coming);
    }
    Below below;
    Records later;
    const bool was_read = recent_reads_.note(hash);
    if (!writer_.has_lost_count()) {
        const Records records = records_not_at_hand(log_->hash(key), at_hand);
        changes = at_hand.empty() && records.size() == 1 ? changes : KeptHeads::kOneOfSeveral;
        for (const disk::IndexEntry& one : records) {
            const ReadState state = bring_at_once(hash, key, one, reading, was_read, changes, below);
            if (state == ReadState::WouldBlock) {
                later.push_back(one);
            } else if (state == ReadState::Failed) {
                read_errors_.fetch_add(1, std::memory_order_relaxed);
            }
        }
    }
    end_reading(hash, reading);
    if (!later.empty() && may_wait) {
        if (auto load = read_later(hash, key, later, was_read, below.unlisted)) {
            below = {Below::Kind::Coming, std::move(load)};
        }
    }
    return below;
}

bool TieredStore::Stripe::is_read(std::uint64_t hash) const noexcept {
    return std::any_of(readings.begin(), readings.end(), [hash](const Reading* one) { return one->hash == hash; });
}

std::optional<Below> TieredStore::begin_reading(const KeyHash& hash, std::string_view key, bool may_wait,
                                                Reading& reading) {
    Stripe& stripe = stripe_of(hash);
    const std::lock_guard lock(stripe.mutex);
    if (const auto found = stripe.changes.find(hash.low); found != stripe.changes.end()) {
        return coming_from_writer(found->second, key, may_wait);
    }
    reading.hash = hash.low;
    stripe.readings.push_back(&reading);
    return std::nullopt;
}

void TieredStore::end_reading(const KeyHash& hash, const Reading& reading) {
    Stripe& stripe = stripe_of(hash);
    const std::lock_guard lock(stripe.mutex);
    std::erase(stripe.readings, &reading);
}

// One job for all who ask meanwhile. Null: too many wait, or the key has changed.
std::shared_ptr<Load> TieredStore::read_later(const KeyHash& hash, std::string_view key, const Records& records,
                                              bool was_read, std::vector<EntryRef> at_hand) {
    const auto reading = std::make_shared<Reading>();
    reading->load = std::make_shared<Load>();
    {
        Stripe& stripe = stripe_of(hash);
        const std::lock_guard lock(stripe.mutex);
        for (const Reading* const one : stripe.readings) {
            if (one->hash == hash.low && one->load && !one->is_outdated) {
                return one->load;
            }
        }
        if (stripe.changes.contains(hash.low)) {
            return nullptr;
        }
        reading->hash = hash.low;
        stripe.readings.push_back(reading.get());
    }
    const auto end = [this, hash, reading](std::vector<EntryRef> unlisted) {
        end_reading(hash, *reading);
        reading->load->finish(std::move(unlisted));
    };
    const auto job = [this, hash, reading, end, key = std::string(key), records, was_read,
                      at_hand = std::move(at_hand)] {
        std::vector<EntryRef> unlisted = read(hash, key, records, *reading, was_read);
        unlisted.insert(unlisted.end(), at_hand.begin(), at_hand.end());
        end(std::move(unlisted));
    };
    if (post_read(log_->extent_of(records.front().location), job)) {
        return reading->load;
    }
    reads_refused_.fetch_add(1, std::memory_order_relaxed);
    end({});
    return nullptr;
}

bool TieredStore::post_read(ReadRing::Extent ahead, std::function<void()> job) {
    if (!readers_) {
        return false;
    }
    if (ring_ == nullptr || ahead.file == nullptr) {
        return readers_->post(std::move(job));
    }
    return ring_->bring(std::move(ahead), [this, job = std::move(job)] { readers_->post(job); });
}

ReadState TieredStore::bring_at_once(const KeyHash& hash, std::string_view key, const disk::IndexEntry& one,
                                     const Reading& reading, bool was_read, std::uint64_t changes, Below& below) {
    bool is_brought = false;
    ReadState state = ReadState::WouldBlock;
    if (!is_large(one)) {
        thread_local disk::ReadRecord record; // keeps its room
        state = log_->read(log_->hash(key), one.location, record, Blocking::Refused);
        is_brought = state == ReadState::Whole && take_in(hash, key, record, reading, was_read, below.unlisted);
    } else {
        EntryRef entry;
        state = open_at_once(hash, key, one, reading, changes, entry);
        is_brought = static_cast<bool>(entry);
        if (is_brought) {
            below.unlisted.push_back(std::move(entry));
        }
    }
    if (is_brought) {
        below.kind = Below::Kind::Brought;
        read_at_once_.fetch_add(1, std::memory_order_relaxed);
    }
    return state;
}

// Only what is sent as it lies there is kept: pieces of large bodies are looked for each time, and what is always checked
// (verify) is never found at once.
ReadState TieredStore::open_at_once(const KeyHash& hash, std::string_view key, const disk::IndexEntry& one,
                                    const Reading& reading, std::uint64_t changes, EntryRef& entry) {
    // The index has the record, so a kept head of it is what is stored.
    if (auto kept = kept_heads_.find_at(hash, one.location, log_->generation_of(one.location), changes)) {
        if (!is_at_hand(*kept.body)) {
            return ReadState::WouldBlock;
        }
        const std::lock_guard lock(stripe_of(hash).mutex);
        entry = is_outdated(reading) ? EntryRef() : std::move(kept.entry);
        return ReadState::Whole;
    }
    thread_local disk::ReadRecord record; // keeps its room
    std::shared_ptr<const FileBody> body;
    const ReadState state = log_->open(log_->hash(key), one.location, record, body, Blocking::Refused);
    if (state != ReadState::Whole || !is_at_hand(*body)) {
        return state == ReadState::Whole ? ReadState::WouldBlock : state;
    }
    const std::uint64_t text_bytes = key.size() + record.head.secondary_key.size() + record.head.metadata.size();
    const bool is_kept = body->is_in_one_piece() && kept_heads_.makes_room(hash, text_bytes);
    entry = enter_file(hash, key, record, std::move(body), is_kept ? FileEntryFor::Keeping : FileEntryFor::Request,
                       reading);
    if (entry && is_kept) {
        kept_heads_.keep(hash, one.location, record.head.facts.generation, changes, entry);
    }
    return state;
}

std::vector<EntryRef> TieredStore::read(const KeyHash& hash, const std::string& key, const Records& records,
                                        const Reading& reading, bool was_read) {
    const KeyHash on_disk = log_->hash(key);
    std::vector<EntryRef> unlisted;
    for (const disk::IndexEntry& one : records) {
        disk::ReadRecord record;
        std::shared_ptr<const FileBody> body;
        const ReadState state = is_large(one) ? log_->open(on_disk, one.location, record, body, Blocking::Allowed)
                                              : log_->read(on_disk, one.location, record, Blocking::Allowed);
        bool is_brought = false;
        if (state == ReadState::Whole && is_large(one)) {
            EntryRef entry = enter_file(hash, key, record, std::move(body), FileEntryFor::Request, reading);
            is_brought = static_cast<bool>(entry);
            if (is_brought) {
                unlisted.push_back(std::move(entry));
            }
        } else if (state == ReadState::Whole) {
            is_brought = take_in(hash, key, record, reading, was_read, unlisted);
        } else if (state == ReadState::Failed) {
            read_errors_.fetch_add(1, std::memory_order_relaxed);
        }
        read_by_readers_.fetch_add(is_brought ? 1 : 0, std::memory_order_relaxed);
    }
    return unlisted;
}

bool TieredStore::is_outdated(const Reading& reading) noexcept {
    if (reading.is_outdated) {
        read_in_vain_.fetch_add(1, std::memory_order_relaxed);
    }
    return reading.is_outdated;
}

bool TieredStore::take_in(const KeyHash& hash, std::string_view key, const disk::ReadRecord& record,
                          const Reading& reading, bool was_read, std::vector<EntryRef>& unlisted) {
    if (record.head.key != key) {
        return false; // another key with the same hash
    }
    const std::uint64_t needed = Block::taken_for(record.body.size() + 1) + Block::taken_for(record.head.head_bytes);
    EntryRef passing;
    if (!was_read && !memory_->has_room_for(needed)) {
        passing = memory_->make_passing_entry({key, hash, record.head.secondary_key, record.head.facts.sequence},
                                              record.head.metadata, record.body);
    }
    if (!passing) {
        return enter(hash, key, record, reading);
    }
    const std::lock_guard lock(stripe_of(hash).mutex);
    if (is_outdated(reading)) {
        return false;
    }
    unlisted.push_back(std::move(passing));
    return true;
}

bool TieredStore::enter(const KeyHash& hash, std::string_view key, const disk::ReadRecord& record,
                        const Reading& reading) {
    const PutFacts facts{key, hash, record.head.secondary_key, record.head.facts.sequence};
    const auto writer = memory_->open_writer(facts, record.body.size());
    if (!writer || !fill(*writer->body(), record.body)) {
        return false; // larger than memory takes, or there is no room now
    }
    writer->body()->complete();
    const std::lock_guard lock(stripe_of(hash).mutex);
    return !is_outdated(reading) && writer->commit(record.head.metadata);
}

EntryRef TieredStore::enter_file(const KeyHash& hash, std::string_view key, const disk::ReadRecord& record,
                                 std::shared_ptr<const FileBody> body, FileEntryFor use, const Reading& reading) {
    if (record.head.key != key) {
        return {};
    }
    EntryRef entry = memory_->make_file_entry({key, hash, record.head.secondary_key, record.head.facts.sequence},
                                              record.head.metadata, std::move(body), use);
    const std::lock_guard lock(stripe_of(hash).mutex);
    return is_outdated(reading) ? EntryRef() : entry;
}

std::shared_ptr<Load> TieredStore::read_in(std::shared_ptr<const FileBody> body, std::uint64_t first,
                                           std::uint64_t bytes) {
    auto load = std::make_shared<Load>();
    const FileBody::Run ahead = body->run_to_read(first, bytes);
    ReadRing::Extent extent{{body, ahead.file}, ahead.offset, ahead.bytes};
    const auto job = [this, body = std::move(body), first, bytes, load] {
        if (body->read_in(first, bytes)) {
            load->finish();
        } else {
            read_errors_.fetch_add(1, std::memory_order_relaxed);
            load->fail();
        }
    };
    if (!post_read(std::move(extent), job)) {
        reads_refused_.fetch_add(1, std::memory_order_relaxed);
        return nullptr;
    }
    return load;
}

// What was read for one request is asked for again soon, so it becomes an entry of memory.
EntryRef TieredStore::freshen_passing(const EntryRef& old, const PutFacts& facts, std::string_view metadata) {
    const auto writer = memory_->open_writer(facts, old->body_size());
    // What the disk has may be another one by now.
    const auto sequence = log_->sequence_of(old->key(), old->secondary_key(), Blocking::Refused);
    if (!writer || sequence != old->sequence()) {
        return {};
    }
    Body::Cursor from(old->body(), old->body_size());
    while (from.readable() > 0) {
        iovec piece{};
        from.peek(std::span(&piece, 1), from.readable());
        if (!fill(*writer->body(), std::string_view(static_cast<const char*>(piece.iov_base), piece.iov_len))) {
            return {};
        }
        from.advance(piece.iov_len);
    }
    writer->body()->complete();
    EntryRef entry = writer->commit(metadata);
    return entry && entry->sequence() == facts.sequence ? entry : EntryRef();
}

} // namespace gatehouse::cache::store
