// Entries of a key on their way from a slower tier. Whoever needs them waits for one and the same.
#pragma once

#include "cache/store/store.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace gatehouse::cache::store {

class Load {
public:
    // `done` is called once, on any thread, when lookup() finds what there is, and unlisted() has the rest. False: that is
    // so already, and `done` is not called.
    bool when_done(std::function<void()> done) {
        const std::lock_guard lock(mutex_);
        if (is_done_) {
            return false;
        }
        waiting_.push_back(std::move(done));
        return true;
    }

    // As Below::unlisted. After it has finished.
    const std::vector<EntryRef>& unlisted() const noexcept { return unlisted_; }
    // The same: whether something could not be read.
    bool has_failed() const noexcept { return has_failed_; }

    void fail() { finish({}, true); }
    // Once. `unlisted`: as unlisted().
    void finish(std::vector<EntryRef> unlisted = {}, bool has_failed = false) {
        std::vector<std::function<void()>> waiting;
        {
            const std::lock_guard lock(mutex_);
            is_done_ = true;
            unlisted_ = std::move(unlisted);
            has_failed_ = has_failed;
            waiting.swap(waiting_);
        }
        for (const auto& done : waiting) {
            done();
        }
    }

private:
    std::mutex mutex_;
    bool is_done_ = false;
    std::vector<EntryRef> unlisted_;
    std::atomic<bool> has_failed_{false};
    std::vector<std::function<void()>> waiting_;
};

} // namespace gatehouse::cache::store
