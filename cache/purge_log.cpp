// Exact matchers as hashes, prefixes in the order of their numbers; merging keeps the list bounded.
#include "cache/purge_log.h"

#include "cache/policy/cache_groups.h"
#include "cache/policy/no_vary_search.h"

#include <algorithm>

namespace gatehouse::cache {

namespace {

using policy::KeyParts;

constexpr std::string_view kAnyHost = "*"; // the authority in a key made with host: any

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

bool matches_parts(const PurgeMatcher& matcher, const KeyParts& parts) noexcept {
    if (matcher.authority && parts.authority != "*" && parts.authority != *matcher.authority) {
        return false;
    }
    if (matcher.prefix) {
        return parts.path.starts_with(matcher.path);
    }
    return parts.path == matcher.path && (matcher.any_query || parts.query == matcher.query);
}

// The hash of a group of a host, without putting both into one text. The halves change places, so that host and name
// cannot. What is purged by path has another hash, but by accident.
store::KeyHash hash_of_group(std::string_view authority, std::string_view group) noexcept {
    const store::KeyHash host = store::hash_key(authority);
    const store::KeyHash name = store::hash_key(group);
    return {name.low + host.high, name.high + host.low};
}

} // namespace

bool PurgeMatcher::matches(std::string_view key) const noexcept {
    return matches_parts(*this, policy::split_cache_key(key));
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
    const Shape every_host = matcher.any_query ? EveryHostPath : EveryHostUri;
    const Shape shape = !matcher.authority ? every_host : matcher.any_query ? HostPath : HostUri;
    exact_.record(hash_of(parts, shape), shape, number);
    any_host_.record(hash_of(parts, every_host), every_host, number);
    paths_.record(store::hash_key(matcher.path), number);
}

std::uint64_t PurgeLog::record_group(std::optional<std::string_view> authority, std::string_view group) {
    const std::lock_guard lock(recording_);
    const std::uint64_t number = next();
    const Shape shape = authority ? HostGroup : EveryHostGroup;
    exact_.record(hash_of_group(authority.value_or(kAnyHost), group), shape, number);
    any_host_.record(hash_of_group(kAnyHost, group), EveryHostGroup, number);
    newest_.store(number, std::memory_order_release);
    return number;
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
    if (current() <= after) {
        return false;
    }
    const KeyParts parts = policy::split_cache_key(key);
    return killed_exactly(parts, after) || killed_by_prefix(parts, after) || killed_before_rule(parts, after);
}

bool PurgeLog::kills_group(std::string_view key, std::string_view groups, std::uint64_t sequence,
                           std::uint64_t checked) const {
    const std::uint64_t after = std::max(sequence, checked);
    if (groups.empty() || current() <= after) {
        return false;
    }
    const std::string_view authority = policy::split_cache_key(key).authority;
    const Exact& exact = authority == kAnyHost ? any_host_ : exact_;
    const auto newest = std::max(exact.newest[HostGroup].load(std::memory_order_relaxed),
                                 exact.newest[EveryHostGroup].load(std::memory_order_relaxed));
    if (newest <= after) {
        return false;
    }
    bool is_dead = false;
    policy::for_each_group(groups, [&](std::string_view group) {
        is_dead = is_dead || group == policy::kEveryGroup || exact.kills_group(authority, group, HostGroup, after) ||
                  exact.kills_group(kAnyHost, group, EveryHostGroup, after);
    });
    return is_dead;
}

bool PurgeLog::killed_exactly(const KeyParts& parts, std::uint64_t after) const {
    if (parts.authority == "*") {
        return any_host_.kills(parts, EveryHostUri, after) || any_host_.kills(parts, EveryHostPath, after);
    }
    return exact_.kills(parts, HostUri, after) || exact_.kills(parts, HostPath, after) ||
           exact_.kills(parts, EveryHostUri, after) || exact_.kills(parts, EveryHostPath, after);
}

bool PurgeLog::killed_by_prefix(const KeyParts& parts, std::uint64_t after) const {
    if (newest_prefix_.load(std::memory_order_relaxed) <= after) {
        return false;
    }
    const std::shared_lock lock(prefixes_mutex_);
    // Newest first: a purge is usually asked about soon after it was made. Numbers fall towards the front, merged
    // ones keep the newer number, so the order holds.
    for (auto it = prefixes_.rbegin(); it != prefixes_.rend() && it->sequence > after; ++it) {
        if (matches_parts(*it, parts)) {
            return true;
        }
    }
    return false;
}

// What was asked for before the rule of its key was known: a purge of another query may have meant it. That is told by
// its path alone, of whatever host: it kills too much rather than too little, and only what was on its way at that
// time.
bool PurgeLog::killed_before_rule(const KeyParts& parts, std::uint64_t after) const {
    const auto rule = policy::rule_number(parts);
    return rule && after < *rule && paths_.kills(store::hash_key(parts.path), after);
}

void PurgeLog::Exact::record(const store::KeyHash& hash, Shape shape, std::uint64_t number) {
    table.record(hash, number);
    newest[shape].store(number, std::memory_order_relaxed);
}

bool PurgeLog::Exact::kills(const KeyParts& parts, Shape shape, std::uint64_t after) const {
    return newest[shape].load(std::memory_order_relaxed) > after && table.kills(hash_of(parts, shape), after);
}

bool PurgeLog::Exact::kills_group(std::string_view authority, std::string_view group, Shape shape,
                                  std::uint64_t after) const {
    return newest[shape].load(std::memory_order_relaxed) > after && table.kills(hash_of_group(authority, group), after);
}

// The parts follow each other in a key, so that what a purge of this shape says of it is a piece of it. An authority
// does not begin with a slash as a path does: pieces of two shapes are the same by accident only.
store::KeyHash PurgeLog::hash_of(const KeyParts& parts, Shape shape) noexcept {
    const bool with_authority = shape == HostUri || shape == HostPath;
    const std::string_view last = shape == HostUri || shape == EveryHostUri ? parts.query : parts.path;
    const char* const begin = with_authority ? parts.authority.data() : parts.path.data();
    return store::hash_key({begin, static_cast<std::size_t>(last.data() + last.size() - begin)});
}

std::size_t PurgeLog::prefix_count() const {
    const std::shared_lock lock(prefixes_mutex_);
    return prefixes_.size();
}

} // namespace gatehouse::cache
