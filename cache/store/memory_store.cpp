#include "cache/store/memory_store.h"

#include "cache/store/file_body.h"

#include "cache/store/shard.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace gatehouse::cache::store {

namespace {

// The small queue's share of the stored bytes: a tenth (eviction.md, S3-FIFO).
constexpr std::uint64_t kSmallShare = 10;
// The ghosts' share of the budget, at most. An eighth part of an entry of 1 kB is what they take in fact.
constexpr std::uint64_t kGhostShare = 16;

// How long one allocation looks for room. It counts only entries in a row that could not be evicted; each eviction
// begins anew. At first those that were reused are kept, then everything goes that nobody holds. Beyond this the rest
// is taken to be pinned; the next allocation goes on behind what this one has seen.
constexpr std::uint64_t kPatience = 1024;
constexpr std::uint64_t kForcedPatience = 8192;
// After so many pinned entries in a row both queues take turns: one of them may be pinned as a whole.
constexpr unsigned kPinnedInOneQueue = 16;
// What one allocation frees at most for others who are faster to take it, beside sixteen times what it needs.
constexpr std::uint64_t kFreedForOthers = 4 * 1024 * 1024;

// Where no hole is as large as is wanted, smaller ones will do: the smaller, the more of the memory is free in them.
struct Concession {
    std::uint64_t share;        // of the memory is free,
    std::uint64_t times_wanted; // or so many times what is wanted was freed for it:
    std::size_t part;    // of what is wanted has to be in one piece,
    std::size_t least;   // but never less than this, nor does it have
    std::size_t most;    // to be more than this
};
constexpr std::array<Concession, 3> kConcessions = {
    {{8, 8, 512, 512, 512}, {16, 4, 32, 512, 4096}, {32, 2, 8, 1024, 16 * 1024}}};
constexpr std::size_t kLoanPiece = 16 * 1024; // four pages or three, as long as less will not do

constexpr unsigned kMostShards = 256;
// A walk over all entries takes this many at a time under a shard's lock.
constexpr std::size_t kWalkBatch = 128;

Queue other(Queue queue) { return queue == Queue::Small ? Queue::Main : Queue::Small; }

std::uint64_t charge_of_chain(const BlockRef& first) {
    std::uint64_t sum = 0;
    for (const Block* block = first.get(); block != nullptr; block = block->next().get()) {
        sum += block->charged();
    }
    return sum;
}

std::uint64_t fitting_charge(std::uint64_t size) {
    const std::uint64_t rest = size % Block::kMaxPayload;
    return size / Block::kMaxPayload * Block::taken_for(Block::kMaxPayload) +
           (rest > 0 ? Block::taken_for(static_cast<std::size_t>(rest)) : 0);
}

} // namespace

class MemoryStore final : public Store, public BlockSource {
public:
    explicit MemoryStore(const MemoryStoreOptions& options);
    ~MemoryStore() override;
    MemoryStore(const MemoryStore&) = delete;
    MemoryStore& operator=(const MemoryStore&) = delete;

    void lookup(const KeyHash& hash, std::string_view key, Candidates& found) override;
    const std::atomic<std::uint64_t>* changes(const KeyHash& hash) const noexcept override {
        return &shard_of(hash.low).changes(hash.low);
    }
    void touch(const Entry& entry) noexcept override;
    std::unique_ptr<Writer> open_writer(const PutFacts& facts, std::optional<std::uint64_t> expected_bytes) override;
    std::shared_ptr<Body> open_relay(std::optional<std::uint64_t> expected_bytes) override;
    bool relays_are_short() const noexcept override {
        return budgets_->relayed.used() > budgets_->relayed.limit() / 4 * 3;
    }
    EntryRef replace_metadata(const EntryRef& old, std::string_view secondary_key, std::string_view metadata,
                              std::uint64_t sequence) override;
    EntryRef make_file_entry(const PutFacts& facts, std::string_view metadata,
                             std::shared_ptr<const FileBody> body, FileEntryFor use) override;
    EntryRef make_passing_entry(const PutFacts& facts, std::string_view metadata, std::string_view body) override;
    bool has_room_for(std::uint64_t bytes) const noexcept override {
        return budgets_->stored.used() + bytes <= budgets_->stored.limit();
    }
    bool erase(const EntryRef& entry) override;
    std::uint64_t max_object_bytes() const noexcept override { return max_object_bytes_; }
    void for_each(const std::function<void(const EntryRef&)>& visit) override;
    StoreStats stats() const override;

    BlockRef allocate_block(std::size_t wanted, std::size_t conceded) override;
    std::shared_ptr<Body> open_body(std::optional<std::uint64_t> expected_bytes) {
        return std::make_shared<Body>(Body::Mode::Retain, *this, relay_, expected_bytes);
    }
    EntryRef commit(const PutFacts& facts, const Body& body, std::string_view metadata);

private:
    // What blocks refer to until they are freed.
    struct Budgets {
        Arena stored;
        MemoryBudget relayed;
    };

    Shard& shard_of(std::uint64_t hash) const noexcept {
        // Bits that neither the buckets (from bit 0 up) nor the ghosts' tags (from bit 32 on) use.
        return *shards_[(hash >> 24) & (shards_.size() - 1)];
    }
    EntryRef make_entry(const PutFacts& facts, std::string_view metadata, BlockRef body, std::uint64_t body_size);
    // Something that is not stored, where what passes through has its memory. Null: that is short.
    BlockRef passing_block(std::size_t bytes);
    static std::size_t head_size(const PutFacts& facts, std::string_view metadata) noexcept;
    static EntryRef fill_entry(BlockRef head, const PutFacts& facts, std::string_view metadata, BlockRef body,
                               std::uint64_t body_size);
    BlockRef fitting_body(const Body& body);
    BlockRef allocate_whole(std::size_t size);
    std::size_t least_piece(std::size_t wanted, std::uint64_t freed) const noexcept;
    bool lend(std::uint64_t bytes);
    template <class Attempt>
    std::invoke_result_t<Attempt&, std::uint64_t> with_room_for(std::uint64_t bytes, Attempt attempt);
    Queue queue_to_evict_from() const noexcept;
    Shard* shard_to_evict_from(Queue queue) noexcept;
    void grow(Shard& shard);

    std::unique_ptr<Budgets> budgets_;
    Body::Relay relay_;
    std::uint64_t max_object_bytes_;
    unsigned max_variants_;
    EvictionState state_;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::atomic<unsigned> rotation_{0};
};

// ---- writer

namespace {

class MemoryWriter final : public Writer {
public:
    MemoryWriter(MemoryStore& store, const PutFacts& facts, std::optional<std::uint64_t> expected_bytes)
        : store_(store), key_(facts.key), secondary_key_(facts.secondary_key), hash_(facts.hash),
          sequence_(facts.sequence), body_(store.open_body(expected_bytes)) {}

    const std::shared_ptr<Body>& body() const noexcept override { return body_; }

    EntryRef commit(std::string_view metadata) override {
        assert(!committed_);
        committed_ = true;
        return store_.commit(PutFacts{key_, hash_, secondary_key_, sequence_}, *body_, metadata);
    }

private:
    MemoryStore& store_;
    const std::string key_;
    const std::string secondary_key_;
    const KeyHash hash_;
    const std::uint64_t sequence_;
    const std::shared_ptr<Body> body_;
    bool committed_ = false;
};

} // namespace

// ---- store

MemoryStore::MemoryStore(const MemoryStoreOptions& options)
    : budgets_(new Budgets{Arena(options.size_bytes), MemoryBudget(options.relay_bytes)}),
      relay_{budgets_->relayed},
      // An object of the size of the whole store would empty it and then fail all the same.
      max_object_bytes_(std::min(options.max_object_bytes, options.size_bytes / 2)),
      max_variants_(std::clamp(options.max_variants, 1u, unsigned{Candidates::kMax})) {
    // 2^24 units for the whole budget: fine enough for small objects, and far from wrapping around within a window.
    state_.ghost_shift = static_cast<unsigned>(std::bit_width(options.size_bytes >> 24));
    const unsigned shards = std::bit_floor(std::clamp(options.shards, 1u, kMostShards));
    for (unsigned i = 0; i < shards; ++i) {
        shards_.push_back(std::make_unique<Shard>(state_));
    }
    if (!budgets_->stored.lend(stats().bytes_index, kLoanPiece)) {
        throw std::invalid_argument("a memory store of " + std::to_string(options.size_bytes) +
                                    " bytes has no room for " + std::to_string(shards) + " shards");
    }
}

MemoryStore::~MemoryStore() {
    const std::uint64_t index = stats().bytes_index;
    shards_.clear();
    budgets_->stored.end_loan(index);
    if (budgets_->stored.used() != 0 || budgets_->relayed.used() != 0) {
        assert(false && "an entry, a writer or a body outlives its store");
        // Left behind on purpose: whoever holds a block still releases its charge here.
        static_cast<void>(budgets_.release());
    }
}

void MemoryStore::lookup(const KeyHash& hash, std::string_view key, Candidates& found) {
    shard_of(hash.low).lookup(hash.low, key, found);
}

void MemoryStore::touch(const Entry& entry) noexcept {
    // Two hits at the same moment may count as one. That is cheaper than a locked addition, and changes no decision
    // that matters.
    const std::uint8_t uses = entry.uses_.load(std::memory_order_relaxed);
    if (uses < Shard::kMostUses) {
        entry.uses_.store(static_cast<std::uint8_t>(uses + 1), std::memory_order_relaxed);
    }
}

std::unique_ptr<Writer> MemoryStore::open_writer(const PutFacts& facts, std::optional<std::uint64_t> expected_bytes) {
    if (expected_bytes && *expected_bytes > max_object_bytes_) {
        return nullptr;
    }
    return std::make_unique<MemoryWriter>(*this, facts, expected_bytes);
}

std::shared_ptr<Body> MemoryStore::open_relay(std::optional<std::uint64_t> expected_bytes) {
    return std::make_shared<Body>(Body::Mode::Window, *this, relay_, expected_bytes);
}

std::size_t MemoryStore::head_size(const PutFacts& facts, std::string_view metadata) noexcept {
    return sizeof(Entry) + facts.key.size() + facts.secondary_key.size() + metadata.size();
}

EntryRef MemoryStore::make_entry(const PutFacts& facts, std::string_view metadata, BlockRef body,
                                 std::uint64_t body_size) {
    const std::size_t size = head_size(facts, metadata);
    return fill_entry(size > Block::kMaxPayload ? BlockRef() : allocate_whole(size), facts, metadata, std::move(body),
                      body_size);
}

BlockRef MemoryStore::passing_block(std::size_t bytes) {
    const std::uint64_t charge = bytes > Block::kMaxPayload ? 0 : Block::charge_for(bytes);
    // The last quarter is for what is not stored at all.
    if (charge == 0 || relays_are_short() || !budgets_->relayed.try_charge(charge)) {
        return BlockRef();
    }
    BlockRef block = Block::allocate(bytes, budgets_->relayed);
    if (!block) {
        budgets_->relayed.release(charge);
    }
    return block;
}

EntryRef MemoryStore::make_passing_entry(const PutFacts& facts, std::string_view metadata, std::string_view body) {
    BlockRef head = passing_block(head_size(facts, metadata)); // first: nothing is copied where the memory is short
    BlockRef content;
    if (head && !body.empty()) {
        content = passing_block(body.size());
        if (!content) {
            return EntryRef();
        }
        std::copy(body.begin(), body.end(), content->data());
    }
    EntryRef made = fill_entry(std::move(head), facts, metadata, std::move(content), body.size());
    if (made) {
        made.entry_->is_passing_ = true;
    }
    return made;
}

// In a block with room for all of its head; null: null.
EntryRef MemoryStore::fill_entry(BlockRef head, const PutFacts& facts, std::string_view metadata, BlockRef body,
                                 std::uint64_t body_size) {
    if (!head) {
        return EntryRef();
    }
    const std::uint64_t charge = head->charged() + charge_of_chain(body);
    Entry* const entry = new (Block::disown(std::move(head))) Entry();
    char* text = reinterpret_cast<char*>(entry + 1);
    for (const std::string_view part : {facts.key, facts.secondary_key, metadata}) {
        text = std::copy(part.begin(), part.end(), text);
    }
    entry->sequence_ = facts.sequence;
    entry->body_size_ = body_size;
    entry->body_ = std::move(body);
    entry->hash_ = facts.hash.low;
    entry->charge_units_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(charge / 16, UINT32_MAX));
    entry->key_size_ = static_cast<std::uint32_t>(facts.key.size());
    entry->secondary_size_ = static_cast<std::uint32_t>(facts.secondary_key.size());
    entry->metadata_size_ = static_cast<std::uint32_t>(metadata.size());
    return EntryRef(entry);
}

EntryRef MemoryStore::make_file_entry(const PutFacts& facts, std::string_view metadata,
                                      std::shared_ptr<const FileBody> body, FileEntryFor use) {
    constexpr std::size_t kRoom = sizeof(Entry::FilePointer) + alignof(Entry::FilePointer);
    const std::size_t size = head_size(facts, metadata) + kRoom;
    BlockRef head = use == FileEntryFor::Request ? passing_block(size) : BlockRef();
    if (!head && size <= Block::kMaxPayload) {
        head = allocate_whole(size);
    }
    if (!head && use == FileEntryFor::Keeping) {
        head = passing_block(size); // all that is stored is in use
    }
    EntryRef made = fill_entry(std::move(head), facts, metadata, BlockRef(), body->size());
    if (made) {
        Entry* const entry = made.entry_;
        const std::size_t text_size = facts.key.size() + facts.secondary_key.size() + metadata.size();
        new (reinterpret_cast<char*>(entry) + Entry::file_offset(text_size)) Entry::FilePointer(std::move(body));
        entry->has_file_ = true;
    }
    return made;
}

EntryRef MemoryStore::commit(const PutFacts& facts, const Body& body, std::string_view metadata) {
    if (body.state() != Body::State::Complete || body.mode() != Body::Mode::Retain) {
        assert(false && "committed a body that is not complete or not retained");
        return EntryRef();
    }
    EntryRef entry = make_entry(facts, metadata, fitting_body(body), body.published());
    if (entry) {
        Shard& shard = shard_of(facts.hash.low);
        {
            Dropped dropped;
            entry = shard.insert(std::move(entry), max_variants_, dropped);
        }
        grow(shard);
    }
    return entry;
}

// The body as it is to be stored. What was fetched without a known length may fill its last block only in part; where
// that wastes more than a quarter, at most 1 MiB is copied into blocks that fit.
BlockRef MemoryStore::fitting_body(const Body& body) {
    BlockRef first = body.first_block();
    const std::uint64_t size = body.published();
    const std::uint64_t taken = charge_of_chain(first);
    const std::uint64_t needed = fitting_charge(size);
    if (taken <= needed || (taken - needed) * 4 <= taken) {
        return first;
    }
    Body::Cursor from(first, size);
    BlockRef copy;
    BlockRef last;
    std::size_t conceded = 0;
    while (from.readable() > 0) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(from.readable(), Block::kMaxPayload));
        BlockRef block = allocate_block(wanted, conceded);
        if (!block) {
            return first; // no room for both at once; then it stays as it is
        }
        conceded = block->capacity() < wanted ? block->capacity() : conceded;
        for (std::size_t filled = 0; filled < block->capacity() && from.readable() > 0;) {
            iovec piece{};
            from.peek({&piece, 1}, block->capacity() - filled);
            std::memcpy(block->data() + filled, piece.iov_base, piece.iov_len);
            filled += piece.iov_len;
            from.advance(piece.iov_len);
        }
        if (last) {
            last->set_next(block);
        } else {
            copy = block;
        }
        last = std::move(block);
    }
    return copy;
}

EntryRef MemoryStore::replace_metadata(const EntryRef& old, std::string_view secondary_key, std::string_view metadata,
                                       std::uint64_t sequence) {
    const PutFacts facts{old->key(), KeyHash{old->hash_, 0}, secondary_key, sequence};
    EntryRef entry = make_entry(facts, metadata, old->body(), old->body_size());
    Dropped dropped;
    if (!entry || !shard_of(old->hash_).replace(old, entry, dropped)) {
        return EntryRef();
    }
    return entry;
}

bool MemoryStore::erase(const EntryRef& entry) {
    Dropped dropped;
    return shard_of(entry->hash_).erase(entry, dropped);
}

void MemoryStore::for_each(const std::function<void(const EntryRef&)>& visit) {
    std::vector<EntryRef> batch;
    batch.reserve(2 * kWalkBatch);
    for (const auto& shard : shards_) {
        std::size_t next = 0;
        do {
            next = shard->collect(next, kWalkBatch, batch);
            for (const EntryRef& entry : batch) {
                visit(entry);
            }
            batch.clear();
        } while (next != 0);
    }
}

StoreStats MemoryStore::stats() const {
    StoreStats stats;
    stats.bytes_used = budgets_->stored.used();
    stats.bytes_limit = budgets_->stored.limit();
    stats.bytes_index = sizeof(MemoryStore);
    for (const auto& shard : shards_) {
        shard->add_stats(stats);
    }
    return stats;
}

// ---- room

// Of a body. It gets the room that it wants in one piece as long as that is to be had; where free space lies in pieces,
// more of them, so that no free space is of no use.
BlockRef MemoryStore::allocate_block(std::size_t wanted, std::size_t conceded) {
    return with_room_for(Block::taken_for(wanted), [&](std::uint64_t freed) {
        std::size_t least = least_piece(wanted, freed);
        if (conceded > 0) {
            least = std::min(least, std::max(conceded, kConcessions.front().least));
        }
        return Block::allocate(least, wanted, budgets_->stored);
    });
}

BlockRef MemoryStore::allocate_whole(std::size_t size) {
    return with_room_for(Block::taken_for(size), [&](std::uint64_t freed) {
        BlockRef block = Block::allocate(size, size, budgets_->stored);
        if (const std::size_t least = least_piece(size, freed); !block && least < size) {
            block = Block::allocate_beside(size, budgets_->stored, least);
        }
        return block;
    });
}

// Asked for each time that as much was freed as is wanted, twice as much and so on: an attempt in vain looks at all holes.
bool MemoryStore::lend(std::uint64_t bytes) {
    std::uint64_t next_attempt = 0;
    return with_room_for(bytes, [&](std::uint64_t freed) {
        if (freed < next_attempt) {
            return false;
        }
        next_attempt = std::max(bytes, 2 * freed);
        return budgets_->stored.lend(bytes, least_piece(kLoanPiece, freed));
    });
}

// How small a piece will do now where `wanted` is not to be had, and so much was freed for it: all of that may lie in holes
// which are too small.
std::size_t MemoryStore::least_piece(std::size_t wanted, std::uint64_t freed) const noexcept {
    const std::uint64_t free = budgets_->stored.free_bytes();
    for (const Concession& concession : kConcessions) {
        if (free > budgets_->stored.limit() / concession.share || freed > concession.times_wanted * wanted) {
            return std::min(wanted, std::clamp(wanted / concession.part, concession.least, concession.most));
        }
    }
    return wanted;
}

// What `attempt` gives, which is false as long as there is no room, after as many evictions as that takes.
template <class Attempt>
std::invoke_result_t<Attempt&, std::uint64_t> MemoryStore::with_room_for(std::uint64_t bytes, Attempt attempt) {
    std::invoke_result_t<Attempt&, std::uint64_t> result = attempt(0);
    if (result) {
        return result;
    }
    const std::uint64_t most_freed = 16 * bytes + kFreedForOthers;
    std::uint64_t freed = 0;
    std::uint64_t in_vain = 0;
    unsigned pinned_in_a_row = 0;
    while (freed < most_freed) {
        const std::uint64_t objects = state_.objects.load(std::memory_order_relaxed);
        const std::uint64_t patience = std::min(kPatience, 8 * objects);
        // Twice as many as there are: taking turns, all of one queue may be looked at before half of the other is.
        if (in_vain > patience + std::min(kForcedPatience, 2 * objects)) {
            return result;
        }
        Queue queue = queue_to_evict_from();
        if (pinned_in_a_row >= kPinnedInOneQueue && pinned_in_a_row % 2 == 1) {
            queue = other(queue);
        }
        Shard* shard = shard_to_evict_from(queue);
        if (shard == nullptr) {
            queue = other(queue);
            shard = shard_to_evict_from(queue);
        }
        if (shard == nullptr) {
            return attempt(freed);
        }
        EntryRef victim;
        const Shard::Step step = shard->evict(queue, in_vain > patience, victim);
        pinned_in_a_row = step == Shard::Step::Pinned ? pinned_in_a_row + 1 : 0;
        if (step != Shard::Step::Evicted) {
            ++in_vain;
            continue;
        }
        in_vain = 0;
        freed += std::uint64_t{victim->charge_units_} * 16;
        victim = EntryRef(); // frees it, outside the lock
        result = attempt(freed);
        if (result) {
            return result;
        }
    }
    return result;
}

Queue MemoryStore::queue_to_evict_from() const noexcept {
    const std::uint64_t small = state_.small_bytes.load(std::memory_order_relaxed);
    return small > state_.bytes() / kSmallShare ? Queue::Small : Queue::Main;
}

// The shard whose oldest entry has been in its queue longest: the queues of all shards then work as one. The first to
// be asked goes round, so that threads at work at the same time see ties differently.
Shard* MemoryStore::shard_to_evict_from(Queue queue) noexcept {
    const std::uint32_t now = state_.queue_clock.load(std::memory_order_relaxed);
    const unsigned first = rotation_.fetch_add(1, std::memory_order_relaxed);
    Shard* best = nullptr;
    std::uint32_t best_age = 0;
    for (unsigned i = 0; i < shards_.size(); ++i) {
        Shard& shard = *shards_[(first + i) & (shards_.size() - 1)];
        const EntryQueue& hint = shard.queue_hint(queue);
        if (hint.is_empty_hint()) {
            continue;
        }
        const std::uint32_t age = now - hint.oldest_hint();
        if (best == nullptr || age > best_age) {
            best = &shard;
            best_age = age;
        }
    }
    return best;
}

// Lets the index and the ghosts of a shard grow with what it holds. Where there is no room they stay as they are:
// chains become longer, ghosts are forgotten sooner.
void MemoryStore::grow(Shard& shard) {
    const std::uint64_t limit = budgets_->stored.limit();
    // Evictions are still far away in an emptier store, and so are ghosts.
    const std::size_t ghosts_max = budgets_->stored.used() < limit / 2
                                       ? 0
                                       : limit / kGhostShare / shards_.size() / sizeof(GhostTable::Ghost);
    const Shard::Growth growth = shard.wanted_growth(ghosts_max);
    if (growth.buckets > 0) {
        if (lend(EntryTable::charge_for(growth.buckets))) {
            budgets_->stored.end_loan(shard.add_buckets(growth.buckets));
        } else {
            shard.growth_was_refused();
        }
    }
    if (growth.ghosts > 0) {
        if (lend(GhostTable::charge_for(growth.ghosts))) {
            budgets_->stored.end_loan(shard.add_ghosts(growth.ghosts));
        } else {
            shard.growth_was_refused();
        }
    }
}

std::unique_ptr<Store> make_memory_store(const MemoryStoreOptions& options) {
    return std::make_unique<MemoryStore>(options);
}

} // namespace gatehouse::cache::store
