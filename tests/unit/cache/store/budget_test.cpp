// The byte budget: a limit that charges cannot pass, from any number of threads.
#include "cache/store/budget.h"

#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using gatehouse::cache::store::MemoryBudget;

TEST_CASE("budget: charges up to the limit and not a byte more") {
    MemoryBudget budget(100);
    CHECK(budget.try_charge(60));
    CHECK(budget.try_charge(40));
    CHECK_FALSE(budget.try_charge(1));
    CHECK(budget.try_charge(0));
    CHECK(budget.used() == 100);
    budget.release(30);
    CHECK_FALSE(budget.try_charge(31));
    CHECK(budget.try_charge(30));
}

TEST_CASE("budget: a charge that would wrap around is refused") {
    MemoryBudget budget(100);
    CHECK(budget.try_charge(50));
    CHECK_FALSE(budget.try_charge(std::numeric_limits<std::uint64_t>::max()));
    CHECK_FALSE(budget.try_charge(std::numeric_limits<std::uint64_t>::max() - 49));
    CHECK(budget.used() == 50);
}

TEST_CASE("budget: what cannot be refused goes beyond the limit, and blocks the rest until it is gone") {
    MemoryBudget budget(10);
    budget.charge(25);
    CHECK(budget.used() == 25);
    CHECK_FALSE(budget.try_charge(1));
    budget.release(20);
    CHECK(budget.try_charge(5));
}

TEST_CASE("budget: a lowered limit holds for what comes next") {
    MemoryBudget budget(100);
    CHECK(budget.try_charge(80));
    budget.set_limit(50);
    CHECK(budget.limit() == 50);
    CHECK_FALSE(budget.try_charge(1));
    budget.release(40);
    CHECK(budget.try_charge(10));
    CHECK_FALSE(budget.try_charge(1));
}

TEST_CASE("budget: threads that charge at the same time stay within the limit") {
    constexpr std::uint64_t kLimit = 1000;
    MemoryBudget budget(kLimit);
    std::atomic<bool> passed_limit{false};
    std::vector<std::thread> threads;
    for (std::uint64_t bytes : {1u, 7u, 130u, 400u}) {
        threads.emplace_back([&budget, &passed_limit, bytes] {
            for (int i = 0; i < 20'000; ++i) {
                if (budget.try_charge(bytes)) {
                    if (budget.used() > kLimit) {
                        passed_limit = true;
                    }
                    budget.release(bytes);
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK_FALSE(passed_limit);
    CHECK(budget.used() == 0);
}
