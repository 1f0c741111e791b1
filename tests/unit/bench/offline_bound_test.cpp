// The offline bounds of bench/replay, against what a search through all that a cache could do finds.
#include "bench/offline_bound.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace gatehouse::bench;

namespace {

std::uint64_t size_of_set(const SizedRequests& trace, std::uint32_t kept) {
    std::uint64_t size = 0;
    for (std::size_t object = 0; object < trace.sizes.size(); ++object) {
        size += (kept >> object & 1U) != 0 ? trace.sizes[object] : 0;
    }
    return size;
}

// The least cost of misses over all that can be kept after each request; kept sets are bits of objects.
std::uint64_t best_by_search(const SizedRequests& trace, std::uint64_t capacity, bool counts_bytes) {
    std::map<std::uint32_t, std::uint64_t> costs{{0, 0}};
    for (const std::uint32_t object : trace.requests) {
        std::map<std::uint32_t, std::uint64_t> after;
        for (const auto& [kept, cost] : costs) {
            const bool is_hit = (kept >> object & 1U) != 0;
            const std::uint64_t next = cost + (is_hit ? 0 : counts_bytes ? trace.sizes[object] : 1);
            const std::uint32_t may_keep = kept | 1U << object;
            for (std::uint32_t subset = may_keep;; subset = (subset - 1) & may_keep) {
                if (size_of_set(trace, subset) <= capacity) {
                    const auto [place, is_new] = after.try_emplace(subset, next);
                    place->second = std::min(place->second, next);
                }
                if (subset == 0) {
                    break;
                }
            }
        }
        costs = std::move(after);
    }
    std::uint64_t best = std::numeric_limits<std::uint64_t>::max();
    for (const auto& [kept, cost] : costs) {
        best = std::min(best, cost);
    }
    return best;
}

SizedRequests random_trace(std::mt19937_64& chance, std::uint64_t largest) {
    SizedRequests trace;
    for (int object = 0; object < 5; ++object) {
        trace.sizes.push_back(1 + chance() % largest);
    }
    for (int request = 0; request < 14; ++request) {
        trace.requests.push_back(static_cast<std::uint32_t>(chance() % trace.sizes.size()));
    }
    return trace;
}

} // namespace

TEST_CASE("belady's misses are the fewest that any cache of objects of one size can have") {
    std::mt19937_64 chance(1);
    for (int run = 0; run < 50; ++run) {
        const SizedRequests trace = random_trace(chance, 1);
        for (const std::size_t capacity : {0U, 1U, 2U, 3U, 5U}) {
            CAPTURE(run);
            CAPTURE(capacity);
            CHECK(fewest_misses_of_equal_objects(trace, capacity) == best_by_search(trace, capacity, false));
        }
    }
}

TEST_CASE("no cache has fewer misses than the bound, of objects and of bytes") {
    std::mt19937_64 chance(2);
    for (int run = 0; run < 50; ++run) {
        const SizedRequests trace = random_trace(chance, 6);
        for (const std::uint64_t capacity : {0U, 1U, 4U, 8U, 30U}) {
            CAPTURE(run);
            CAPTURE(capacity);
            const MissBounds bounds = misses_at_least(trace, capacity);
            CHECK(bounds.objects <= best_by_search(trace, capacity, false));
            CHECK(bounds.bytes <= best_by_search(trace, capacity, true));
        }
    }
}

TEST_CASE("the bound is reached where there is room for nothing and where there is room for all") {
    const SizedRequests trace{{0, 1, 0, 1, 2}, {3, 4, 5}};
    CHECK(misses_at_least(trace, 0).objects == 5);
    CHECK(misses_at_least(trace, 0).bytes == 19);
    CHECK(misses_at_least(trace, 12).objects == 3);
    CHECK(misses_at_least(trace, 12).bytes == 12);
}
