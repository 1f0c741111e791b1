// Wake-ups by core: one post for many waiters, and none lost between threads.
#include "cache/wait_lists.h"

#include "tests/support/sanitizers.h"
#include "tests/unit/cache/harness.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

using namespace gatehouse;
using namespace gatehouse::cache;
using cache::testing::CountingWaiter;
using cache::testing::QueuePoster;

namespace {

// Cores with threads of their own behind them: a core takes its jobs when it asks for them.
class ThreadPoster final : public CorePoster {
public:
    explicit ThreadPoster(unsigned cores) : cores_(cores) {}
    void post(unsigned core, std::function<void()> job) override {
        {
            const std::lock_guard lock(cores_[core].mutex);
            cores_[core].jobs.push_back(std::move(job));
        }
        cores_[core].ready.notify_one();
    }
    unsigned cores() const noexcept override { return static_cast<unsigned>(cores_.size()); }

    // Runs the next job of this core. False: none came, which here means that a wake-up was lost.
    bool run_next(unsigned core) {
        std::function<void()> job;
        {
            std::unique_lock lock(cores_[core].mutex);
            if (!cores_[core].ready.wait_for(lock, std::chrono::seconds(20),
                                             [&] { return !cores_[core].jobs.empty(); })) {
                return false;
            }
            job = std::move(cores_[core].jobs.front());
            cores_[core].jobs.pop_front();
        }
        job();
        return true;
    }

private:
    struct Queue {
        std::mutex mutex;
        std::condition_variable ready;
        std::deque<std::function<void()>> jobs;
    };
    std::vector<Queue> cores_;
};

std::shared_ptr<const void> nobody() { return nullptr; }

// Many where the threads are watched, few where they only have to run.
constexpr std::uint64_t kRaceRounds = gatehouse::testing::kHasThreadSanitizer ? 100'000 : 3'000;

} // namespace

TEST_CASE("a waiter is woken once, on its own core") {
    QueuePoster poster(3);
    WaitLists lists(poster);
    CountingWaiter one;
    lists.add(2, one.waiter);
    CHECK(one.waiter.linked());
    lists.wake_all(nobody);
    CHECK(one.woken == 0); // not before its core runs
    CHECK(poster.queued(0) == 0);
    CHECK(poster.queued(1) == 0);
    CHECK(poster.queued(2) == 1);
    poster.run(2);
    CHECK(one.woken == 1);
    CHECK_FALSE(one.waiter.linked());
    lists.wake_all(nobody);
    CHECK(poster.run_all() == 0);
    CHECK(one.woken == 1);
}

TEST_CASE("a thousand waiters of one core cost one post") {
    QueuePoster poster;
    WaitLists lists(poster);
    std::vector<std::unique_ptr<CountingWaiter>> waiters;
    for (int i = 0; i < 1000; ++i) {
        waiters.push_back(std::make_unique<CountingWaiter>());
        lists.add(0, waiters.back()->waiter);
    }
    for (int i = 0; i < 100; ++i) {
        lists.wake_all(nobody);
    }
    CHECK(poster.posted == 1);
    poster.run_all();
    for (const auto& each : waiters) {
        CHECK(each->woken == 1);
    }
}

TEST_CASE("nobody waits: nothing is posted") {
    QueuePoster poster;
    WaitLists lists(poster);
    lists.wake_all(nobody);
    CHECK(poster.posted == 0);
}

TEST_CASE("a waiter that is added twice is woken once") {
    QueuePoster poster;
    WaitLists lists(poster);
    CountingWaiter one;
    lists.add(0, one.waiter);
    lists.add(0, one.waiter);
    lists.wake_all(nobody);
    poster.run_all();
    CHECK(one.woken == 1);
}

TEST_CASE("a waiter that is added while its wake-up is on its way is woken by it, and may wait again") {
    QueuePoster poster;
    WaitLists lists(poster);
    CountingWaiter early;
    CountingWaiter late;
    lists.add(0, early.waiter);
    lists.wake_all(nobody);
    lists.add(0, late.waiter);
    poster.run_all();
    CHECK(early.woken == 1);
    CHECK(late.woken == 1);
    lists.add(0, late.waiter);
    lists.wake_all(nobody);
    poster.run_all();
    CHECK(late.woken == 2);
}

TEST_CASE("a waiter may go away at any place of the list") {
    for (const std::size_t gone : {0U, 1U, 2U}) {
        CAPTURE(gone);
        QueuePoster poster;
        WaitLists lists(poster);
        std::vector<std::unique_ptr<CountingWaiter>> waiters;
        for (int i = 0; i < 3; ++i) {
            waiters.push_back(std::make_unique<CountingWaiter>());
            lists.add(0, waiters.back()->waiter);
        }
        SUBCASE("before the wake-up") {
            waiters[gone].reset();
            lists.wake_all(nobody);
        }
        SUBCASE("while the wake-up is on its way") {
            lists.wake_all(nobody);
            waiters[gone].reset();
        }
        poster.run_all();
        for (std::size_t i = 0; i < 3; ++i) {
            if (i != gone) {
                CHECK(waiters[i]->woken == 1);
            }
        }
    }
}

TEST_CASE("a callback may destroy its own waiter and the others") {
    QueuePoster poster;
    WaitLists lists(poster);
    struct Group {
        std::vector<std::unique_ptr<Waiter>> waiters;
        int woken = 0;
    } group;
    for (int i = 0; i < 3; ++i) {
        group.waiters.push_back(std::make_unique<Waiter>(
            [](void* context) {
                auto* all = static_cast<Group*>(context);
                ++all->woken;
                all->waiters.clear();
            },
            &group));
        lists.add(0, *group.waiters.back());
    }
    lists.wake_all(nobody);
    poster.run_all();
    CHECK(group.woken == 1);
}

TEST_CASE("what the waiters belong to lives until the wake-up has run") {
    QueuePoster poster;
    struct Owner {
        explicit Owner(QueuePoster& cores) : lists(cores) {}
        WaitLists lists;
    };
    auto owner = std::make_shared<Owner>(poster);
    const std::weak_ptr<Owner> watch = owner;
    struct Last {
        std::shared_ptr<Owner> owner;
        Waiter waiter{[](void* self) { static_cast<Last*>(self)->owner.reset(); }, this};
    } last;
    owner->lists.add(0, last.waiter);
    owner->lists.wake_all([&] { return owner; });
    last.owner = std::move(owner);
    poster.run_all();
    CHECK(watch.expired());
}

TEST_CASE("no wake-up is lost between threads") {
    constexpr std::uint64_t kRounds = kRaceRounds;
    ThreadPoster poster(2);
    WaitLists lists(poster);
    std::atomic<std::uint64_t> published{0};
    std::array<std::atomic<std::uint64_t>, 2> seen{};
    std::array<std::atomic<bool>, 2> lost{};
    const auto follow = [&](unsigned core) {
        bool woken = false;
        Waiter waiter([](void* flag) { *static_cast<bool*>(flag) = true; }, &woken);
        std::uint64_t at = 0;
        while (at < kRounds) {
            const std::uint64_t now = published.load(std::memory_order_acquire);
            if (now > at) {
                at = now;
                seen[core].store(at, std::memory_order_release);
                continue;
            }
            woken = false;
            lists.add(core, waiter);
            if (published.load(std::memory_order_acquire) > at) {
                continue;
            }
            while (!woken) {
                if (!poster.run_next(core)) {
                    lost[core] = true;
                    return;
                }
            }
        }
    };
    std::thread first(follow, 0U);
    std::thread second(follow, 1U);
    // In step with the slower one of them, so that each round is one race and not a burst.
    const auto keeps_up = [&](std::uint64_t round) {
        return (seen[0].load(std::memory_order_acquire) >= round || lost[0]) &&
               (seen[1].load(std::memory_order_acquire) >= round || lost[1]);
    };
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
        published.store(round, std::memory_order_release);
        lists.wake_all(nobody);
        while (!keeps_up(round)) {
            std::this_thread::yield();
        }
    }
    first.join();
    second.join();
    CHECK_FALSE(lost[0].load());
    CHECK_FALSE(lost[1].load());
}
