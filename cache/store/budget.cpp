#include "cache/store/budget.h"

namespace gatehouse::cache::store {

bool MemoryBudget::try_charge(std::uint64_t bytes) noexcept {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
        const std::uint64_t allowed = limit();
        // Written as a subtraction, because `used + bytes` may wrap. `used` may lie above the limit: after charge(), or
        // after the limit was lowered.
        if (used > allowed || bytes > allowed - used) {
            return false;
        }
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
}

} // namespace gatehouse::cache::store
