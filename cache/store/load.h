// Entries of a key on their way from a slower tier into lookup()'s reach. Whoever needs them waits for one and the same.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

namespace gatehouse::cache::store {

class Load {
public:
    // `done` is called once, on any thread, when lookup() finds what there is. False: that is so already, and `done` is
    // not called.
    bool when_done(std::function<void()> done) {
        const std::lock_guard lock(mutex_);
        if (is_done_) {
            return false;
        }
        waiting_.push_back(std::move(done));
        return true;
    }

    // Once.
    void finish() {
        std::vector<std::function<void()>> waiting;
        {
            const std::lock_guard lock(mutex_);
            is_done_ = true;
            waiting.swap(waiting_);
        }
        for (const auto& done : waiting) {
            done();
        }
    }

private:
    std::mutex mutex_;
    bool is_done_ = false;
    std::vector<std::function<void()>> waiting_;
};

} // namespace gatehouse::cache::store
