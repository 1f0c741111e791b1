// How few misses a cache could have had that knew the future.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>
#include <vector>

namespace gatehouse::bench {

// A request is the index of an object in `sizes`.
struct SizedRequests {
    std::vector<std::uint32_t> requests;
    std::vector<std::uint64_t> sizes;
};

// For each request where the same object is asked for next; `none` where it is not.
inline std::vector<std::size_t> next_uses(const SizedRequests& trace, std::size_t none) {
    std::vector<std::size_t> next(trace.requests.size(), none);
    std::vector<std::size_t> seen(trace.sizes.size(), none);
    for (std::size_t i = trace.requests.size(); i-- > 0;) {
        next[i] = std::exchange(seen[trace.requests[i]], i);
    }
    return next;
}

// The fewest misses of any cache for so many objects, all of one size: what is used last is given up, which may be what
// has just come (Belady's MIN, with the right not to keep a response). Exact.
inline std::uint64_t fewest_misses_of_equal_objects(const SizedRequests& trace, std::size_t capacity) {
    const std::size_t none = std::numeric_limits<std::size_t>::max();
    const std::vector<std::size_t> next = next_uses(trace, none);
    std::vector<std::size_t> kept_until(trace.sizes.size(), none); // the next use of what is kept
    std::set<std::pair<std::size_t, std::uint32_t>> kept;
    std::uint64_t misses = 0;
    for (std::size_t i = 0; i < trace.requests.size(); ++i) {
        const std::uint32_t object = trace.requests[i];
        if (kept.erase({kept_until[object], object}) == 0) {
            ++misses;
        }
        kept_until[object] = next[i];
        if (next[i] == none) {
            continue; // never used again
        }
        kept.emplace(next[i], object);
        if (kept.size() > capacity) {
            kept_until[kept.rbegin()->second] = none;
            kept.erase(std::prev(kept.end()));
        }
    }
    return misses;
}

// Keeping an object from one use to the next takes so many bytes for so many requests, and saves one miss.
struct Interval {
    double cost = 0; // bytes times requests
    std::uint64_t size = 0;
};

inline std::vector<Interval> intervals_of(const SizedRequests& trace) {
    const std::size_t none = std::numeric_limits<std::size_t>::max();
    const std::vector<std::size_t> next = next_uses(trace, none);
    std::vector<Interval> intervals;
    for (std::size_t i = 0; i < next.size(); ++i) {
        if (next[i] != none) {
            const std::uint64_t size = trace.sizes[trace.requests[i]];
            intervals.push_back({static_cast<double>(size) * static_cast<double>(next[i] - i), size});
        }
    }
    return intervals;
}

struct MissBounds {
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;
};

// What no cache of so many bytes can be below, of objects of any sizes: the cache need not have room for what it keeps
// at any one moment, only on average over the trace, so the cheapest intervals are taken until its bytes times the
// length of the trace are used up (PFOO-L of Berger, Beckmann and Harchol-Balter, 2018). Two separate bounds: what
// saves most misses is not what saves most bytes. The interval that no longer fits counts as a hit, so that this stays
// a bound.
inline MissBounds misses_at_least(const SizedRequests& trace, std::uint64_t capacity) {
    std::vector<Interval> intervals = intervals_of(trace);
    std::erase_if(intervals, [&](const Interval& interval) { return interval.size > capacity; });
    const double room = static_cast<double>(capacity) * static_cast<double>(trace.requests.size());
    MissBounds bounds;
    bounds.objects = trace.requests.size();
    for (const std::uint32_t object : trace.requests) {
        bounds.bytes += trace.sizes[object];
    }
    const auto save = [&](std::uint64_t& misses, auto value_of) {
        double used = 0;
        for (const Interval& interval : intervals) {
            misses -= value_of(interval);
            used += interval.cost;
            if (used >= room) {
                return;
            }
        }
    };
    std::sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) { return a.cost < b.cost; });
    save(bounds.objects, [](const Interval&) { return std::uint64_t{1}; });
    // Of what costs least for each byte that it saves.
    std::sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) {
        return a.cost * static_cast<double>(b.size) < b.cost * static_cast<double>(a.size);
    });
    save(bounds.bytes, [](const Interval& interval) { return interval.size; });
    return bounds;
}

} // namespace gatehouse::bench
