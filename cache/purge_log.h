// Purges and invalidations as numbered matchers (DESIGN 4.11): a purge is effective at once, for what is stored and
// for what is being fetched, at the price of one compare on a hit.
//
// Purges and the requests that are sent to origins get their numbers from one counter. A response carries the number of
// its request; a matcher with a larger number that matches its key kills it. Entries remember the last purge they were
// checked against.
//
// Memory is bounded, and nothing is forgotten: where room ends, a purge is widened.
// - An exact purge (a path with one query, or with any) is a hash in a fixed table (cache/purge_table.h), under what it
//   says of authority, path and query. These are the many: each successful POST, PUT or DELETE makes one. A key is
//   looked for under each combination that may have matched it, and only under those that were purged since it was
//   checked: mostly one probe of one cache line, without a lock. The last 60,000 are told apart; then those entries
//   begin to die by mistake that nobody has asked for since.
// - A prefix is in a list of kMaxPrefixes. One that covers older ones takes their place. When the list is full, the two
//   oldest are merged into one that matches at least what both did. One that matches everything is a number beside the
//   list, or all that is merged later would become as wide.
//
// Without an authority a matcher means every host. A key made with host: any has the authority "*" and is matched by
// every authority: an exact purge with one is recorded a second time without it, in a table where only such keys look.
//
// A group of responses (RFC 9875) is purged as an exact one is: a hash of its host and its name, or, for the groups of
// that name of every host, of its name alone. A stored response is looked for under each of its groups, and only while
// a group was purged since it was checked.
//
// What is stored by a rule of No-Vary-Search (cache/policy/no_vary_search.h) answers several queries. Whoever purges
// one of them records the normal query of each rule that is known (HttpCache::purge). For what was asked for before its
// rule was known, the path of each exact purge is recorded too, in a small table where only such keys look.
//
// All of it lies in the memory of a PurgeFile (cache/purge_file.h): with a file, purges outlive the process. The
// prefixes are held a second time, as text that is compared.
//
// Any thread may call everything.
#pragma once

#include "cache/policy/cache_key.h"
#include "cache/purge_file.h"
#include "cache/purge_table.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

namespace gatehouse::cache {

// What is meant to die. Without authority: every host. `query` absent: any query with `prefix`, and none without.
struct PurgeMatcher {
    std::optional<std::string> authority;
    std::string path; // as forwarded, or the beginning of it with `prefix`
    std::string query;
    bool any_query = false;
    bool prefix = false;
    std::uint64_t sequence = 0; // set by PurgeLog

    // `key` is a cache key (cache/policy/cache_key.h). A key made with host: any is matched by every authority.
    bool matches(std::string_view key) const noexcept;
};

class PurgeLog {
public:
    static constexpr std::size_t kMaxPrefixes = 1024;

    // What `file` has is in force, and numbers continue behind it and behind `begin_behind`: the largest number of what
    // is stored already. If the file was not restored, all of that is purged here. Without a file nothing outlives the
    // process; `begin_behind` counts all the same, and nothing is purged. Throws std::bad_alloc, std::system_error.
    explicit PurgeLog(std::unique_ptr<PurgeFile> file = nullptr, std::uint64_t begin_behind = 0);

    // The number of the newest purge, 0 before the first.
    std::uint64_t current() const noexcept { return newest_.load(std::memory_order_acquire); }
    // The number for a request that is about to be sent: larger than that of all purges that have been answered,
    // smaller than that of all to come.
    std::uint64_t next() noexcept { return counter_.fetch_add(1, std::memory_order_seq_cst) + 1; }
    // The same, and every purge with a smaller number is seen by whoever asks from now on.
    std::uint64_t mark() {
        const std::lock_guard lock(recording_);
        return next();
    }
    // The number that was given out last. A request that is sent from now on has a larger one.
    std::uint64_t latest() const noexcept { return counter_.load(std::memory_order_seq_cst); }
    // Records a matcher; from its return on nothing older that matches may be served or stored. Returns its number.
    std::uint64_t record(PurgeMatcher matcher);
    // The same for what belongs to a group (RFC 9875): of this host, or, without one, to the group of this name of
    // every host.
    std::uint64_t record_group(std::optional<std::string_view> authority, std::string_view group);
    // Whether something with this key, requested at `sequence` and checked up to `checked`, is dead.
    bool kills(std::string_view key, std::uint64_t sequence, std::uint64_t checked) const;
    // Whether something with this key is dead for the groups it belongs to (policy::stored_groups).
    bool kills_group(std::string_view key, std::string_view groups, std::uint64_t sequence,
                     std::uint64_t checked) const;
    std::size_t prefix_count() const;
    // False: the next start is to purge everything, because what was stored is not what is found then. Any thread.
    void set_believed_at_next_start(bool believed) noexcept { believed ? file_->settle() : file_->unsettle(); }

private:
    // What an exact purge said. Uri: path and query; Path: the path with any query; Group: by its name.
    enum Shape : std::uint8_t { HostUri, HostPath, EveryHostUri, EveryHostPath, HostGroup, EveryHostGroup, kShapes };
    static_assert(std::size_t{kShapes} <= PurgeFile::kKinds);
    // Exact purges by hash, and the newest of each shape, so that nothing is looked for in vain.
    struct Exact {
        PurgeTable table;
        PurgeFile::Newest newest;
        bool may_kill(Shape shape, std::uint64_t after) const noexcept {
            return newest[shape].load(std::memory_order_relaxed) > after;
        }
        void record(const store::KeyHash& hash, Shape shape, std::uint64_t number);
    };
    struct KeptPrefix {
        PurgeMatcher matcher;
        std::size_t slot = 0; // in the file
    };
    store::KeyHash hash(std::string_view text) const noexcept { return store::hash_with(file_->secret(), text); }
    store::KeyHash hash_of(const policy::KeyParts& parts, Shape shape) const noexcept;
    store::KeyHash hash_of_group(std::string_view authority, std::string_view group) const noexcept;
    void restore_prefixes();
    void keep_prefix(PurgeMatcher matcher, bool as_oldest);
    void record_exact(const PurgeMatcher& matcher, std::uint64_t number);
    void record_prefix(PurgeMatcher matcher);
    bool kills_shape(const Exact& exact, const policy::KeyParts& parts, Shape shape, std::uint64_t after) const;
    bool killed_exactly(const policy::KeyParts& parts, std::uint64_t after) const;
    bool killed_by_prefix(const policy::KeyParts& parts, std::uint64_t after) const;
    std::uint64_t everything() const noexcept { return file_->everything().load(std::memory_order_relaxed); }
    bool killed_before_rule(const policy::KeyParts& parts, std::uint64_t after) const;

    std::unique_ptr<PurgeFile> file_; // never null
    std::mutex recording_;
    std::atomic<std::uint64_t> counter_{0};
    std::atomic<std::uint64_t> newest_{0};
    Exact exact_;
    Exact any_host_;   // what exact purges mean to keys made with host: any
    PurgeTable paths_; // of exact purges
    mutable std::shared_mutex prefixes_mutex_;
    std::atomic<std::uint64_t> newest_prefix_{0};
    std::deque<KeptPrefix> prefixes_; // oldest first
};

} // namespace gatehouse::cache
