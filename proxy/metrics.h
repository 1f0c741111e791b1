// Counters of one core, and their sum as Prometheus text. Each counter is written by one thread and read by others:
// relaxed loads and stores, no locked instruction on the hot path.
#pragma once

#include "cache/policy/reason.h"
#include "cache/store/disk_stats.h"
#include "cache/store/store.h"
#include "http/result.h"
#include "proxy/exchange_record.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gatehouse::proxy {

class Counter {
public:
    void add(std::uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void sub(std::uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
    }
    void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

class CoreMetrics {
public:
    static constexpr std::size_t kErrorKinds = 32;
    static constexpr std::uint64_t kLagWindowTicks = 600; // a minute of ticks of 100 ms

    explicit CoreMetrics(std::size_t behaviors);

    // The names of the behaviors from now on. What was counted under a name goes on under it; what is counted of a
    // request that began with other behaviors finds its own by name. While nobody reads or counts.
    void set_behaviors(std::span<const std::string> names);

    // What is counted from a finished exchange: its behavior's results and status classes, and reasons. All other
    // counters are counted where the thing happens: a fetch may serve many exchanges, or none. Core thread only.
    void count(const ExchangeRecord& record) noexcept;
    // One tick of the core's loop came this late: loop_ticks, loop_lag_sum_us and loop_lag_max_us. Core thread only.
    void count_tick(std::chrono::microseconds lag) noexcept;
    // count_tick as DeadlineWheel::drive wants it; `self` is the CoreMetrics.
    static void on_lag(void* self, std::chrono::microseconds lag) noexcept;

    Counter connections_accepted;
    Counter connections_refused; // over limits.connections
    Counter connections_open;    // gauge
    Counter accept_failures;     // out of descriptors and the like
    Counter bad_requests;        // refused before they were routed
    Counter origin_requests;     // requests sent to origins
    Counter origin_connects;
    Counter origin_reuses;
    Counter origin_retries;
    std::array<Counter, kErrorKinds> origin_errors; // by ErrorKind
    Counter collapsed;                              // exchanges answered by another's fetch
    Counter stored;
    std::array<Counter, cache::policy::kReasonCount> reasons;       // why not from the cache
    std::array<Counter, cache::policy::kReasonCount> store_reasons; // why not stored
    Counter slow_readers_cut;
    Counter disk_bodies_continued; // by the origin, because the disk could not be read
    Counter bytes_sent;
    Counter bytes_received;
    Counter access_log_dropped;
    Counter tunnels;
    Counter purges;
    Counter loop_lag_max_us; // gauge: the largest of the last one to two windows of kLagWindowTicks
    Counter loop_lag_sum_us;
    Counter loop_ticks;

    struct BehaviorCounters {
        std::array<Counter, static_cast<std::size_t>(RequestResult::kCount)> results;
        std::array<Counter, 6> status_classes; // index status / 100; 0 for none sent
    };
    // One per behavior, and one at the end for requests that were not routed.
    std::vector<BehaviorCounters> behaviors;

private:
    static void count_in(BehaviorCounters& behavior, RequestResult result, int status) noexcept;
    void count_other(const ExchangeRecord& record) noexcept;

    std::vector<std::string> names_;
    // OPTIMIZATION: where a record's name was that is the one of that index, so that it need not be compared again. A
    // record keeps the configuration that its name is in, and another configuration comes with set_behaviors().
    std::vector<const char*> known_names_;
    std::uint64_t lag_window_ticks_ = 0; // these three: core thread only
    std::uint64_t lag_window_max_us_ = 0;
    std::uint64_t lag_previous_max_us_ = 0;
};

// What is counted for the process as a whole.
struct ProcessMetrics {
    std::uint64_t access_log_lost = 0;    // AccessLog::lost()
    std::uint64_t escaped_exceptions = 0; // spawn.h
};

// Prometheus text exposition 0.0.4 of the sum over cores. `behavior_names` has one name per behavior; behaviors of
// the same name are one series, because a scraper refuses everything when one series comes twice. Without a disk there
// are no metrics of one.
std::string render_metrics(std::span<const CoreMetrics* const> cores, std::span<const std::string> behavior_names,
                           const cache::store::StoreStats& store,
                           const std::optional<cache::store::DiskStats>& disk, std::uint64_t config_generation,
                           const ProcessMetrics& process = {});

// docs/METRICS.md, from the very table that render_metrics walks.
std::string describe_metrics();

} // namespace gatehouse::proxy
