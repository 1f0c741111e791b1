// Per-core intrusive lists and the flag protocol.
#include "cache/wait_lists.h"

#include <utility>

namespace gatehouse::cache {

void Waiter::unlink() noexcept {
    if (!linked_) {
        return;
    }
    if (previous_ != nullptr) {
        previous_->next_ = next_;
    } else {
        *head_ = next_;
    }
    if (next_ != nullptr) {
        next_->previous_ = previous_;
    }
    previous_ = nullptr;
    next_ = nullptr;
    linked_ = false;
}

WaitLists::WaitLists(CorePoster& poster) : poster_(poster), cores_(poster.cores()) {}

void WaitLists::add(unsigned core, Waiter& waiter) {
    PerCore& mine = cores_[core];
    if (!waiter.linked_) {
        waiter.head_ = &mine.head;
        waiter.previous_ = nullptr;
        waiter.next_ = mine.head;
        if (mine.head != nullptr) {
            mine.head->previous_ = &waiter;
        }
        mine.head = &waiter;
        waiter.linked_ = true;
    }
    mine.interested.exchange(true, std::memory_order_acq_rel);
}

void WaitLists::wake(unsigned core, std::shared_ptr<const void> owner) {
    if (poster_.is_here(core)) {
        run(core);
    } else {
        poster_.post(core, [this, core, keep_alive = std::move(owner)] { run(core); });
    }
}

void WaitLists::run(unsigned core) {
    PerCore& mine = cores_[core];
    // Callbacks only signal an event; they do not add to this list before they return.
    while (mine.head != nullptr) {
        Waiter& waiter = *mine.head;
        waiter.unlink();
        waiter.callback_(waiter.context_);
    }
}

} // namespace gatehouse::cache
