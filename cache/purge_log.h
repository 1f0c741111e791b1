// Purges and invalidations as numbered matchers (DESIGN 4.11): a purge is effective at once, for what is stored and
// for what is being fetched, at the price of one compare on a hit.
//
// Every purge gets the next number. A response carries the number that was current when its request was sent; a
// matcher with a larger number that matches its key kills it. Entries remember the last number they were checked
// against. The list is bounded: when it is full the two oldest matchers are merged into one that matches at least
// what both did (it widens, it never forgets).
//
// Any thread may call everything.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
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
    static constexpr std::size_t kMaxMatchers = 1024;

    // The number of the newest purge; what a request that is sent now carries.
    std::uint64_t current() const noexcept { return sequence_.load(std::memory_order_acquire); }
    // Records a matcher; from its return on nothing older that matches may be served or stored.
    std::uint64_t record(PurgeMatcher matcher);
    // Whether something with this key, requested at `sequence` and checked up to `checked`, is dead.
    bool kills(std::string_view key, std::uint64_t sequence, std::uint64_t checked) const;
    std::size_t size() const;

private:
    mutable std::shared_mutex mutex_;
    std::atomic<std::uint64_t> sequence_{0};
    std::deque<PurgeMatcher> matchers_; // oldest first
};

} // namespace gatehouse::cache
