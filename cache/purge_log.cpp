// Matchers in the order of their numbers; merging keeps the list bounded.
#include "cache/purge_log.h"

#include "cache/policy/cache_key.h"

#include <algorithm>
#include <mutex>

namespace gatehouse::cache {

namespace {

// One matcher that matches at least what both do.
PurgeMatcher widened(const PurgeMatcher& a, const PurgeMatcher& b) {
    PurgeMatcher merged;
    if (a.authority == b.authority) {
        merged.authority = a.authority;
    }
    const auto [end, unused] = std::mismatch(a.path.begin(), a.path.end(), b.path.begin(), b.path.end());
    static_cast<void>(unused);
    merged.path.assign(a.path.begin(), end);
    merged.prefix = true;
    merged.any_query = true;
    merged.sequence = std::max(a.sequence, b.sequence);
    return merged;
}

} // namespace

bool PurgeMatcher::matches(std::string_view key) const noexcept {
    const auto parts = policy::split_cache_key(key);
    if (authority && parts.authority != "*" && parts.authority != *authority) {
        return false;
    }
    if (prefix) {
        return parts.path.starts_with(path);
    }
    return parts.path == path && (any_query || parts.query == query);
}

std::uint64_t PurgeLog::record(PurgeMatcher matcher) {
    const std::unique_lock lock(mutex_);
    if (matchers_.size() >= kMaxMatchers) {
        PurgeMatcher merged = widened(matchers_[0], matchers_[1]);
        matchers_.pop_front();
        matchers_.front() = std::move(merged);
    }
    matcher.sequence = sequence_.load(std::memory_order_relaxed) + 1;
    const std::uint64_t number = matcher.sequence;
    matchers_.push_back(std::move(matcher));
    // Published last: whoever sees the number finds the matcher.
    sequence_.store(number, std::memory_order_release);
    return number;
}

bool PurgeLog::kills(std::string_view key, std::uint64_t sequence, std::uint64_t checked) const {
    const std::uint64_t after = std::max(sequence, checked);
    const std::shared_lock lock(mutex_);
    // Newest first: a purge is usually asked about soon after it was made. Numbers fall towards the front, merged
    // ones keep the newer number, so the order holds.
    for (auto it = matchers_.rbegin(); it != matchers_.rend() && it->sequence > after; ++it) {
        if (it->matches(key)) {
            return true;
        }
    }
    return false;
}

std::size_t PurgeLog::size() const {
    const std::shared_lock lock(mutex_);
    return matchers_.size();
}

} // namespace gatehouse::cache
