#include "cache/store/tiered_store.h"

#include "cache/store/load.h"

#include <algorithm>
#include <utility>

namespace gatehouse::cache::store {

// Stores in memory, and has the disk follow.
class TieredWriter final : public Writer {
public:
    TieredWriter(TieredStore& store, std::unique_ptr<Writer> memory, const PutFacts& facts)
        : store_(store), memory_(std::move(memory)), hash_(facts.hash), sequence_(facts.sequence) {}
    const std::shared_ptr<Body>& body() const noexcept override { return memory_->body(); }
    EntryRef commit(std::string_view metadata) override { return store_.commit(*memory_, hash_, sequence_, metadata); }

private:
    TieredStore& store_;
    const std::unique_ptr<Writer> memory_;
    const KeyHash hash_;
    const std::uint64_t sequence_;
};

// Hands content on as it comes, in pieces.
class LargeWriter final : public Writer {
public:
    LargeWriter(TieredStore& store, const PutFacts& facts, std::uint64_t bytes)
        : store_(store),
          key_(facts.key),
          secondary_key_(facts.secondary_key),
          body_(store.open_relay(bytes)),
          large_(std::make_shared<LargeBody>()),
          chunk_bytes_(store.log().chunk_bytes()) {
        large_->hash = facts.hash;
        large_->sequence = facts.sequence;
        large_->total_bytes = bytes;
    }
    const std::shared_ptr<Body>& body() const noexcept override { return body_; }
    void took(std::span<const char> bytes) override {
        while (!bytes.empty() && !large_->has_failed) {
            const auto part = std::min<std::size_t>(bytes.size(), chunk_bytes_ - chunk_.size());
            chunk_.append(bytes.data(), part);
            bytes = bytes.subspan(part);
            if (chunk_.size() == chunk_bytes_) {
                push();
            }
        }
    }
    std::shared_ptr<Load> pause() override { return large_->has_failed ? nullptr : store_.writer().pause(); }
    EntryRef commit(std::string_view metadata) override {
        if (!chunk_.empty()) {
            push();
        }
        const PutFacts facts{key_, large_->hash, secondary_key_, large_->sequence};
        return large_->has_failed ? EntryRef() : store_.commit_large(facts, metadata, large_);
    }

private:
    void push() {
        Change change;
        change.kind = Change::Kind::Chunk;
        change.large = large_;
        change.key = key_;
        change.secondary_key = secondary_key_;
        change.bytes = std::exchange(chunk_, std::string());
        if (!store_.writer().push(std::move(change))) {
            large_->has_failed = true;
        }
    }

    TieredStore& store_;
    const std::string key_;
    const std::string secondary_key_;
    const std::shared_ptr<Body> body_;
    const std::shared_ptr<LargeBody> large_;
    const std::size_t chunk_bytes_;
    std::string chunk_;
};

TieredStore::TieredStore(std::unique_ptr<Store> memory, std::unique_ptr<disk::DiskIndex> index,
                         std::unique_ptr<disk::DiskLog> log, const TieredOptions& options,
                         std::function<void(const disk::FileError&)> trouble, DiskWriter::Now now)
    : memory_(std::move(memory)),
      index_(std::move(index)),
      log_(std::move(log)),
      recent_reads_(memory_->stats().bytes_limit),
      kept_heads_(memory_->stats().bytes_limit),
      max_disk_object_bytes_(options.writer.max_object_bytes),
      reader_threads_(options.readers),
      ring_(options.ring),
      writer_(
          *log_, options.writer, [this](const Change& change) { written(change); }, std::move(trouble),
          std::move(now)) {
    // What memory has is in use.
    log_->set_is_wanted([this](std::string_view key, std::string_view secondary_key) {
        return has_in_memory(hash_key(key), key, secondary_key);
    });
    writer_.set_gave_up_files([this] { kept_heads_.drop_given_up(); });
}

TieredStore::~TieredStore() { stop(); }

void TieredStore::start() {
    // What the ring has taken has its room here.
    readers_ = std::make_unique<JobThreads>(reader_threads_, kMostReadsQueued + (ring_ ? ReadRing::kMostAsked : 0));
    writer_.start();
}

void TieredStore::stop() {
    if (ring_) {
        ring_->stop(); // it posts to the readers
    }
    if (readers_) {
        readers_->stop();
    }
    writer_.stop();
}

// ---- what changes

std::unique_ptr<Writer> TieredStore::open_writer(const PutFacts& facts, std::optional<std::uint64_t> expected_bytes) {
    auto memory = memory_->open_writer(facts, expected_bytes);
    return memory ? std::make_unique<TieredWriter>(*this, std::move(memory), facts) : nullptr;
}

std::unique_ptr<Writer> TieredStore::open_large_writer(const PutFacts& facts, std::uint64_t bytes) {
    const bool is_for_disk = bytes > memory_->max_object_bytes() && bytes <= max_disk_object_bytes_;
    return is_for_disk && !writer_.is_failing() ? std::make_unique<LargeWriter>(*this, facts, bytes) : nullptr;
}

// What is returned is not found by anybody: the content is on its way to the disk.
EntryRef TieredStore::commit_large(const PutFacts& facts, std::string_view metadata,
                                   const std::shared_ptr<LargeBody>& large) {
    Stripe& stripe = stripe_of(facts.hash);
    const std::lock_guard lock(stripe.mutex);
    Candidates found;
    memory_->lookup(facts.hash, facts.key, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (found[i]->secondary_key() != facts.secondary_key) {
            continue;
        }
        if (found[i]->sequence() > facts.sequence) {
            return found[i];
        }
        memory_->erase(found[i]);
    }
    Change change;
    change.kind = Change::Kind::Manifest;
    change.hash = facts.hash;
    change.key = facts.key;
    change.secondary_key = facts.secondary_key;
    change.sequence = facts.sequence;
    change.metadata = metadata;
    change.large = large;
    note(stripe, std::move(change));
    const auto nothing = std::make_shared<const FileBody>(std::span<const FileBody::Piece>());
    return memory_->make_file_entry(facts, metadata, nothing, FileEntryFor::Request);
}

EntryRef TieredStore::commit(Writer& writer, const KeyHash& hash, std::uint64_t sequence, std::string_view metadata) {
    Stripe& stripe = stripe_of(hash);
    const std::lock_guard lock(stripe.mutex);
    EntryRef entry = writer.commit(metadata);
    if (entry && entry->sequence() == sequence) {
        Change change;
        change.hash = hash;
        change.entry = entry;
        note(stripe, std::move(change));
    }
    return entry;
}

EntryRef TieredStore::replace_metadata(const EntryRef& old, std::string_view secondary_key, std::string_view metadata,
                                       std::uint64_t sequence) {
    const KeyHash hash = hash_key(old->key());
    Stripe& stripe = stripe_of(hash);
    const std::lock_guard lock(stripe.mutex);
    const PutFacts facts{old->key(), hash, secondary_key, sequence};
    const auto file = old->file();
    const EntryRef in_memory = file ? EntryRef() : same_in_memory(hash, old);
    EntryRef entry =
        in_memory ? memory_->replace_metadata(in_memory, secondary_key, metadata, sequence) : EntryRef();
    if ((file || old->is_passing()) && !in_memory && !writer_.has_lost_count() && !has_newer(facts)) {
        // While a change waits, what the disk has is not what is stored.
        const auto waiting = stripe.changes.find(hash.low);
        const bool is_stored =
            waiting != stripe.changes.end()
                ? holds(waiting->second, old)
                : !has_in_memory(hash, old->key(), old->secondary_key()) && log_->has(old->key(), old->secondary_key());
        if (is_stored) {
            entry = file ? memory_->make_file_entry(facts, metadata, file, FileEntryFor::Request)
                         : freshen_passing(old, facts, metadata);
        }
    }
    if (entry) {
        Change change;
        change.kind = Change::Kind::Freshen;
        change.hash = hash;
        change.entry = entry;
        change.old_secondary_key = old->secondary_key();
        change.old_sequence = old->sequence();
        note(stripe, std::move(change));
    }
    return entry;
}

// What was read for one request may have been read again, into memory.
EntryRef TieredStore::same_in_memory(const KeyHash& hash, const EntryRef& entry) {
    if (!entry->is_passing()) {
        return entry;
    }
    Candidates found;
    memory_->lookup(hash, entry->key(), found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (found[i]->secondary_key() == entry->secondary_key() && found[i]->sequence() == entry->sequence()) {
            return found[i];
        }
    }
    return {};
}

// Whether memory has a later response under the same keys.
bool TieredStore::has_newer(const PutFacts& facts) {
    Candidates found;
    memory_->lookup(facts.hash, facts.key, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (found[i]->secondary_key() == facts.secondary_key && found[i]->sequence() > facts.sequence) {
            return true;
        }
    }
    return false;
}

bool TieredStore::has_in_memory(const KeyHash& hash, std::string_view key, std::string_view secondary_key) {
    Candidates found;
    memory_->lookup(hash, key, found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (found[i]->secondary_key() == secondary_key) {
            return true;
        }
    }
    return false;
}

// Also where memory has evicted it meanwhile: then the disk may still have it.
bool TieredStore::erase(const EntryRef& entry) {
    const KeyHash hash = hash_key(entry->key());
    Stripe& stripe = stripe_of(hash);
    const std::lock_guard lock(stripe.mutex);
    change_counter(hash).fetch_add(1, std::memory_order_release); // also where nothing is noted
    const EntryRef in_memory = same_in_memory(hash, entry);
    const bool erased = in_memory && memory_->erase(in_memory);
    const bool is_replaced = !erased && has_in_memory(hash, entry->key(), entry->secondary_key());
    const bool is_on_disk = stripe.changes.contains(hash.low) || log_->has(entry->key(), entry->secondary_key());
    if (!is_replaced && (is_on_disk || stripe.is_read(hash.low))) {
        Change change;
        change.kind = Change::Kind::Remove;
        change.hash = hash;
        change.key = entry->key();
        change.secondary_key = entry->secondary_key();
        change.sequence = entry->sequence();
        note(stripe, std::move(change));
    }
    return erased;
}

// The stripe is locked.
void TieredStore::note(Stripe& stripe, Change change) {
    const std::uint64_t hash = change.hash.low;
    change_counter(change.hash).fetch_add(1, std::memory_order_release);
    for (Reading* const one : stripe.readings) {
        one->is_outdated = one->is_outdated || one->hash == hash;
    }
    Changes& changes = stripe.changes[hash];
    ++changes.count; // before the writing thread can have done it
    change.is_alone = changes.count == 1;
    if (change.kind == Change::Kind::Manifest && !changes.load) {
        changes.load = std::make_shared<Load>();
    }
    keep_files(changes, change);
    const EntryRef entry = change.entry;
    if (writer_.push(std::move(change))) {
        return;
    }
    std::erase(changes.files, entry); // it will never be on the disk
    if (--changes.count == 0) {
        stripe.changes.erase(hash);
    }
}

bool TieredStore::holds(const Changes& changes, const EntryRef& entry) {
    return std::find(changes.files.begin(), changes.files.end(), entry) != changes.files.end();
}

// What a change replaces or removes is not found any more.
void TieredStore::keep_files(Changes& changes, const Change& change) {
    const std::string_view key = change.entry ? change.entry->key() : std::string_view(change.key);
    const std::string_view secondary =
        change.entry ? change.entry->secondary_key() : std::string_view(change.secondary_key);
    std::erase_if(changes.files, [&](const EntryRef& one) {
        const bool is_renewed =
            change.kind == Change::Kind::Freshen && one->secondary_key() == change.old_secondary_key;
        return one->key() == key && (is_renewed || one->secondary_key() == secondary);
    });
    if (change.entry && change.entry->file()) {
        changes.files.push_back(change.entry);
    }
}

void TieredStore::written(const Change& change) {
    std::shared_ptr<Load> load;
    {
        Stripe& stripe = stripe_of(change.hash);
        const std::lock_guard lock(stripe.mutex);
        const auto found = stripe.changes.find(change.hash.low);
        if (--found->second.count == 0) {
            load = std::move(found->second.load);
            stripe.changes.erase(found);
        }
    }
    if (!load) {
        return;
    }
    // Those who waited for it get it from here.
    const std::string key(change.entry ? change.entry->key() : std::string_view(change.key));
    std::vector<EntryRef> unlisted;
    Reading reading;
    if (!begin_reading(change.hash, key, false, reading)) {
        const bool was_read = recent_reads_.note(change.hash);
        unlisted = read(change.hash, key, records_not_at_hand(log_->hash(key), {}), reading, was_read);
        end_reading(change.hash, reading);
    }
    load->finish(std::move(unlisted));
}

Below TieredStore::coming_from_writer(const Changes& changes, std::string_view key, bool may_wait) {
    if (changes.load && may_wait) {
        return {Below::Kind::Coming, changes.load};
    }
    Below below;
    for (const EntryRef& entry : changes.files) {
        if (entry->key() == key && is_at_hand(*entry->file_body())) {
            below.kind = Below::Kind::Brought;
            below.unlisted.push_back(entry);
        }
    }
    return below;
}

DiskStats TieredStore::disk_stats() const {
    DiskStats stats;
    stats.objects = index_->size();
    stats.bytes_index = index_->memory_bytes();
    const disk::LogStats log = log_->stats();
    stats.bytes_written = log.bytes_written;
    stats.bytes_admitted = log.bytes_admitted;
    stats.records_rewritten = log.records_rewritten;
    stats.segments_reused = log.segments_reused;
    stats.bad_segments = log.bad_segments;
    writer_.add_stats(stats);
    stats.from_files = from_files_;
    stats.read_at_once = read_at_once_;
    stats.read_by_readers = read_by_readers_;
    stats.read_in_vain = read_in_vain_;
    stats.reads_refused = reads_refused_;
    stats.read_errors = read_errors_;
    return stats;
}

} // namespace gatehouse::cache::store
