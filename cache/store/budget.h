// A hard byte budget shared by all cores. Everything that is charged is released when its memory is freed, not when
// its owner forgets it: an evicted body that a slow reader still pins stays charged.
#pragma once

#include <atomic>
#include <cstdint>

namespace gatehouse::cache::store {

class MemoryBudget {
public:
    explicit MemoryBudget(std::uint64_t limit) noexcept : limit_(limit) {}
    MemoryBudget(const MemoryBudget&) = delete;
    MemoryBudget& operator=(const MemoryBudget&) = delete;

    // Charges if the total stays within the limit. Any thread.
    bool try_charge(std::uint64_t bytes) noexcept;
    // Charges even beyond the limit: for the few bytes that cannot be refused (a relay's one guaranteed block).
    void charge(std::uint64_t bytes) noexcept { used_.fetch_add(bytes, std::memory_order_relaxed); }
    void release(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

    std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
    std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    void set_limit(std::uint64_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> limit_;
    std::atomic<std::uint64_t> used_{0};
};

} // namespace gatehouse::cache::store
