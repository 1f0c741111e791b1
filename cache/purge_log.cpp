// Exact matchers as hashes, prefixes in the order of their numbers; merging keeps the list bounded.
#include "cache/purge_log.h"

#include "cache/policy/cache_key.h"

#include <algorithm>
#include <span>

namespace gatehouse::cache {

namespace {

using policy::KeyParts;

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

// Whether one prefix matches whatever another does.
bool covers(const PurgeMatcher& wide, const PurgeMatcher& narrow) {
    return narrow.path.starts_with(wide.path) && (!wide.authority || wide.authority == narrow.authority);
}

// The parts follow each other in the key, so that each combination is a piece of it.
std::string_view piece(const KeyParts& parts, bool with_authority, bool with_query) noexcept {
    const char* const begin = with_authority ? parts.authority.data() : parts.path.data();
    const std::string_view last = with_query ? parts.query : parts.path;
    return {begin, static_cast<std::size_t>(last.data() + last.size() - begin)};
}

// The hash of what a purge of this shape says of a key. Shapes that speak of the same piece get hashes of their own.
store::KeyHash hash_of(const KeyParts& parts, unsigned shape, bool with_authority, bool with_query) noexcept {
    constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15ULL; // odd: no two shapes come together again
    store::KeyHash hash = store::hash_key(piece(parts, with_authority, with_query));
    hash.low += shape * kSpread;
    hash.high += shape * kSpread;
    return hash;
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
    const std::lock_guard lock(recording_);
    const std::uint64_t number = next();
    if (matcher.prefix) {
        matcher.sequence = number;
        record_prefix(std::move(matcher));
        newest_prefix_.store(number, std::memory_order_relaxed);
    } else {
        record_exact(matcher, number);
    }
    // Published last: whoever sees the number finds the matcher.
    newest_.store(number, std::memory_order_release);
    return number;
}

void PurgeLog::record_exact(const PurgeMatcher& matcher, std::uint64_t number) {
    // A key that says the same and nothing else.
    std::string key("\n\n");
    key.append(matcher.authority.value_or("*")).append(1, '\n').append(matcher.path).append(1, '\n');
    key.append(matcher.query).append(1, '\n');
    const KeyParts parts = policy::split_cache_key(key);
    const auto put = [&](Shape uri, Shape path, bool with_authority) {
        const Shape shape = matcher.any_query ? path : uri;
        exact_.record(hash_of(parts, shape, with_authority, !matcher.any_query), number);
        newest_of_shape_[shape].store(number, std::memory_order_relaxed);
    };
    if (matcher.authority) {
        put(HostUri, HostPath, true);
        put(AnyHostUri, AnyHostPath, false);
    } else {
        put(EveryHostUri, EveryHostPath, false);
    }
}

void PurgeLog::record_prefix(PurgeMatcher matcher) {
    const std::unique_lock lock(prefixes_mutex_);
    std::erase_if(prefixes_, [&matcher](const PurgeMatcher& older) { return covers(matcher, older); });
    if (prefixes_.size() >= kMaxPrefixes) {
        PurgeMatcher merged = widened(prefixes_[0], prefixes_[1]);
        prefixes_.pop_front();
        prefixes_.front() = std::move(merged);
    }
    prefixes_.push_back(std::move(matcher));
}

bool PurgeLog::kills(std::string_view key, std::uint64_t sequence, std::uint64_t checked) const {
    const std::uint64_t after = std::max(sequence, checked);
    return current() > after && (killed_exactly(key, after) || killed_by_prefix(key, after));
}

bool PurgeLog::killed_exactly(std::string_view key, std::uint64_t after) const {
    struct Probe {
        Shape shape;
        bool with_authority;
        bool with_query;
    };
    static constexpr std::array<Probe, 6> kProbes = {{{HostUri, true, true},
                                                      {HostPath, true, false},
                                                      {EveryHostUri, false, true},
                                                      {EveryHostPath, false, false},
                                                      {AnyHostUri, false, true},
                                                      {AnyHostPath, false, false}}};
    const KeyParts parts = policy::split_cache_key(key);
    const std::span<const Probe> all(kProbes);
    const std::span<const Probe> those = parts.authority == "*" ? all.subspan(2) : all.first(4);
    return std::any_of(those.begin(), those.end(), [&](const Probe& probe) {
        return newest_of_shape_[probe.shape].load(std::memory_order_relaxed) > after &&
               exact_.kills(hash_of(parts, probe.shape, probe.with_authority, probe.with_query), after);
    });
}

bool PurgeLog::killed_by_prefix(std::string_view key, std::uint64_t after) const {
    if (newest_prefix_.load(std::memory_order_relaxed) <= after) {
        return false;
    }
    const std::shared_lock lock(prefixes_mutex_);
    // Newest first: a purge is usually asked about soon after it was made. Numbers fall towards the front, merged
    // ones keep the newer number, so the order holds.
    for (auto it = prefixes_.rbegin(); it != prefixes_.rend() && it->sequence > after; ++it) {
        if (it->matches(key)) {
            return true;
        }
    }
    return false;
}

std::size_t PurgeLog::prefix_count() const {
    const std::shared_lock lock(prefixes_mutex_);
    return prefixes_.size();
}

} // namespace gatehouse::cache
