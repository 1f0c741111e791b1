// Who waits for a fetch to move on, by core (DESIGN 4.6).
//
// A waiter registers with its own core and is woken there. The publishing side only looks at one flag per core, and
// posts at most one wake-up per core until that core has taken it: a cross-core post costs about a microsecond, and a
// thousand readers of one fetch must not cost a thousand of them.
//
// Lost wake-ups: a waiter sets its core's flag, then looks again whether what it waits for has happened; the publisher
// makes it happen, then takes the flag. Both are read-modify-writes of the same flag, so one of them comes second and
// sees what the first had made visible.
#pragma once

#include "cache/core_poster.h"

#include <atomic>
#include <memory>
#include <vector>

namespace gatehouse::cache {

// Embedded in whoever waits; lives on one core and is touched by that core only.
class Waiter {
public:
    using Callback = void (*)(void* context);
    Waiter(Callback callback, void* context) noexcept : callback_(callback), context_(context) {}
    ~Waiter() { unlink(); }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    bool linked() const noexcept { return linked_; }
    void unlink() noexcept;

private:
    friend class WaitLists;
    Waiter** head_ = nullptr;
    Waiter* previous_ = nullptr;
    Waiter* next_ = nullptr;
    Callback callback_;
    void* context_;
    bool linked_ = false;
};

class WaitLists {
public:
    explicit WaitLists(CorePoster& poster);

    // On the waiter's core. After this the caller must look again before it suspends.
    void add(unsigned core, Waiter& waiter);
    // Any thread, after what is waited for has been made visible. `owner()` gives what owns this object, for as long as
    // it takes to wake another core. Callbacks of the caller's own core are called at once.
    template <class Owner>
    void wake_all(const Owner& owner) {
        for (unsigned core = 0; core < cores_.size(); ++core) {
            if (cores_[core].interested.exchange(false, std::memory_order_acq_rel)) {
                wake(core, owner());
            }
        }
    }

private:
    // Side by side: who publishes looks at all of them.
    struct PerCore {
        std::atomic<bool> interested{false};
        Waiter* head = nullptr; // that core's thread only
    };
    void wake(unsigned core, std::shared_ptr<const void> owner);
    void run(unsigned core);

    CorePoster& poster_;
    std::vector<PerCore> cores_;
};

} // namespace gatehouse::cache
