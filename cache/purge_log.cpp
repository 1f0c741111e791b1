// Exact matchers as hashes, prefixes in the order of their numbers; merging keeps the list bounded.
#include "cache/purge_log.h"

#include "cache/policy/cache_groups.h"
#include "cache/policy/no_vary_search.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

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

bool is_everything(const PurgeMatcher& prefix) { return prefix.path.empty() && !prefix.authority; }

bool matches_parts(const PurgeMatcher& matcher, const KeyParts& parts) noexcept {
    if (matcher.authority && parts.authority != "*" && parts.authority != *matcher.authority) {
        return false;
    }
    if (matcher.prefix) {
        return parts.path.starts_with(matcher.path);
    }
    return parts.path == matcher.path && (matcher.any_query || parts.query == matcher.query);
}

} // namespace

bool PurgeMatcher::matches(std::string_view key) const noexcept {
    return matches_parts(*this, policy::split_cache_key(key));
}

PurgeLog::PurgeLog(std::unique_ptr<PurgeFile> file, std::uint64_t begin_behind)
    : file_(file ? std::move(file) : PurgeFile::in_memory()),
      exact_{PurgeTable(file_->exact()), file_->exact_newest()},
      any_host_{PurgeTable(file_->any_host()), file_->any_host_newest()},
      paths_(file_->paths()) {
    restore_prefixes();
    newest_ = std::max({exact_.table.largest(), any_host_.table.largest(), paths_.largest(), newest_prefix_.load()});
    counter_ = std::max(newest_.load(), begin_behind);
    if (file_->found() != PurgeFile::Found::Restored) {
        PurgeMatcher everything;
        everything.prefix = true;
        record(std::move(everything));
        file_->settle();
    }
}

// A process that was killed while it replaced prefixes leaves what it had written beside what was to be dropped: at
// most one more than the list takes, and the new one covers the others.
void PurgeLog::restore_prefixes() {
    auto found = file_->found_prefixes();
    const auto key = [](const PurgeFile::StoredPrefix& each) {
        return std::tuple(~each.prefix.number, each.prefix.path.size(), each.prefix.authority.has_value());
    };
    std::sort(found.begin(), found.end(), [&key](const auto& a, const auto& b) { return key(a) < key(b); });
    for (auto& [slot, prefix] : found) { // the newest first, of one number the widest first
        PurgeMatcher matcher;
        matcher.authority = std::move(prefix.authority);
        matcher.path = std::move(prefix.path);
        matcher.prefix = true;
        matcher.sequence = prefix.number;
        const bool is_covered = prefix.number <= everything() ||
                                std::any_of(prefixes_.begin(), prefixes_.end(), [&matcher](const KeptPrefix& newer) {
                                    return covers(newer.matcher, matcher);
                                });
        if (is_covered) {
            file_->drop_prefix(slot);
        } else {
            prefixes_.push_front({std::move(matcher), slot});
        }
    }
    newest_prefix_ = std::max(everything(), prefixes_.empty() ? 0 : prefixes_.back().matcher.sequence);
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
    paths_.record(hash(matcher.path), number);
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

// What takes the place of others is in the file before they are dropped from it.
void PurgeLog::record_prefix(PurgeMatcher matcher) {
    const std::unique_lock lock(prefixes_mutex_);
    std::vector<std::size_t> replaced;
    std::erase_if(prefixes_, [&](const KeptPrefix& older) {
        const bool is_covered = covers(matcher, older.matcher);
        if (is_covered) {
            replaced.push_back(older.slot);
        }
        return is_covered;
    });
    while (prefixes_.size() >= kMaxPrefixes) {
        const KeptPrefix oldest = std::move(prefixes_[0]);
        const KeptPrefix second = std::move(prefixes_[1]);
        prefixes_.erase(prefixes_.begin(), prefixes_.begin() + 2);
        keep_prefix(widened(oldest.matcher, second.matcher), true);
        file_->drop_prefix(oldest.slot);
        file_->drop_prefix(second.slot);
    }
    keep_prefix(std::move(matcher), false);
    for (const std::size_t slot : replaced) {
        file_->drop_prefix(slot);
    }
}

void PurgeLog::keep_prefix(PurgeMatcher matcher, bool as_oldest) {
    if (is_everything(matcher)) {
        file_->everything().store(std::max(matcher.sequence, everything()), std::memory_order_release);
        return;
    }
    // One more is written before what it replaces is dropped.
    static_assert(kMaxPrefixes + 1 <= PurgeFile::kPrefixSlots);
    const std::size_t slot = file_->add_prefix(matcher.authority, matcher.path, matcher.sequence);
    prefixes_.insert(as_oldest ? prefixes_.begin() : prefixes_.end(), {std::move(matcher), slot});
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
    const bool of_host = exact.may_kill(HostGroup, after);
    const bool of_every_host = exact.may_kill(EveryHostGroup, after);
    if (!of_host && !of_every_host) {
        return false;
    }
    bool is_dead = false;
    policy::for_each_group(groups, [&](std::string_view group) {
        is_dead = is_dead || group == policy::kEveryGroup ||
                  (of_host && exact.table.kills(hash_of_group(authority, group), after)) ||
                  (of_every_host && exact.table.kills(hash_of_group(kAnyHost, group), after));
    });
    return is_dead;
}

bool PurgeLog::killed_exactly(const KeyParts& parts, std::uint64_t after) const {
    if (parts.authority == kAnyHost) {
        return kills_shape(any_host_, parts, EveryHostUri, after) ||
               kills_shape(any_host_, parts, EveryHostPath, after);
    }
    return kills_shape(exact_, parts, HostUri, after) || kills_shape(exact_, parts, HostPath, after) ||
           kills_shape(exact_, parts, EveryHostUri, after) || kills_shape(exact_, parts, EveryHostPath, after);
}

bool PurgeLog::kills_shape(const Exact& exact, const KeyParts& parts, Shape shape, std::uint64_t after) const {
    return exact.may_kill(shape, after) && exact.table.kills(hash_of(parts, shape), after);
}

bool PurgeLog::killed_by_prefix(const KeyParts& parts, std::uint64_t after) const {
    if (newest_prefix_.load(std::memory_order_relaxed) <= after) {
        return false;
    }
    if (everything() > after) {
        return true;
    }
    const std::shared_lock lock(prefixes_mutex_);
    // Newest first: a purge is usually asked about soon after it was made. Numbers fall towards the front, merged
    // ones keep the newer number, so the order holds.
    for (auto it = prefixes_.rbegin(); it != prefixes_.rend() && it->matcher.sequence > after; ++it) {
        if (matches_parts(it->matcher, parts)) {
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
    return rule && after < *rule && paths_.kills(hash(parts.path), after);
}

void PurgeLog::Exact::record(const store::KeyHash& hash, Shape shape, std::uint64_t number) {
    table.record(hash, number);
    // Behind the table, for the next process too: then it has to look only where something was recorded as a whole.
    newest[shape].store(number, std::memory_order_release);
}

// The parts follow each other in a key, so that what a purge of this shape says of it is a piece of it. An authority
// does not begin with a slash as a path does: pieces of two shapes are the same by accident only.
store::KeyHash PurgeLog::hash_of(const KeyParts& parts, Shape shape) const noexcept {
    const bool with_authority = shape == HostUri || shape == HostPath;
    const std::string_view last = shape == HostUri || shape == EveryHostUri ? parts.query : parts.path;
    const char* const begin = with_authority ? parts.authority.data() : parts.path.data();
    return hash({begin, static_cast<std::size_t>(last.data() + last.size() - begin)});
}

// The hash of a group of a host, without putting both into one text. The halves change places, so that host and name
// cannot. What is purged by path has another hash, but by accident.
store::KeyHash PurgeLog::hash_of_group(std::string_view authority, std::string_view group) const noexcept {
    const store::KeyHash host = hash(authority);
    const store::KeyHash name = hash(group);
    return {name.low + host.high, name.high + host.low};
}

std::size_t PurgeLog::prefix_count() const {
    const std::shared_lock lock(prefixes_mutex_);
    return prefixes_.size();
}

} // namespace gatehouse::cache
