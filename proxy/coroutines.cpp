// Lists of coroutines, and the loop that runs one.
#include "proxy/coroutines.h"

#include <cassert>
#include <utility>

namespace gatehouse::proxy {

Coroutine::Coroutine(Coroutines& home, std::coroutine_handle<> frame) noexcept
    : home_(home), outermost_(frame), innermost_(frame), next_(home.alive_) {
    if (next_ != nullptr) {
        next_->previous_ = this;
    }
    home_.alive_ = this;
}

Coroutine::~Coroutine() {
    if (has_ended_ != nullptr) {
        *has_ended_ = true;
    }
    (previous_ != nullptr ? previous_->next_ : home_.alive_) = next_;
    if (next_ != nullptr) {
        next_->previous_ = previous_;
    }
    if (home_.alive_ == nullptr && home_.ended_told_ != nullptr) {
        home_.ended_told_(home_.ended_context_);
    }
}

void Coroutine::resume_later() noexcept { home_.add_ready(*this); }

void Coroutine::end_later() noexcept {
    if (!is_ending_) {
        is_to_end_ = true;
        home_.add_ready(*this);
    }
}

void Coroutine::run() {
    bool has_ended = false;
    has_ended_ = &has_ended;
    waits_ = false;
    do {
        innermost_.resume();
    } while (!has_ended && !waits_);
    if (!has_ended) {
        has_ended_ = nullptr;
    }
}

void Coroutines::add_ready(Coroutine& coroutine) noexcept {
    assert(coroutine.waits_ && coroutine.next_ready_ == nullptr && last_ready_ != &coroutine);
    if (last_ready_ != nullptr) {
        last_ready_->next_ready_ = &coroutine;
        last_ready_ = &coroutine;
        return;
    }
    first_ready_ = &coroutine;
    last_ready_ = &coroutine;
    if (ready_told_ != nullptr) {
        ready_told_(ready_context_);
    }
}

Coroutine* Coroutines::take_ready() noexcept {
    Coroutine* const taken = first_ready_;
    if (taken != nullptr) {
        first_ready_ = std::exchange(taken->next_ready_, nullptr);
        last_ready_ = first_ready_ != nullptr ? last_ready_ : nullptr;
    }
    return taken;
}

std::size_t Coroutines::run_ready() {
    std::size_t ran = 0;
    while (ran < kPerTurn) {
        Coroutine* const coroutine = take_ready();
        if (coroutine == nullptr) {
            break;
        }
        ++ran;
        if (coroutine->is_to_end_) {
            coroutine->is_ending_ = true;
            coroutine->outermost_.destroy();
        } else {
            coroutine->run();
        }
    }
    return ran;
}

void Coroutines::end_all() noexcept {
    first_ready_ = nullptr;
    last_ready_ = nullptr;
    while (alive_ != nullptr) {
        // Its frames may make others ready: those are ended from the list of all, too.
        alive_->is_ending_ = true;
        alive_->outermost_.destroy();
        while (take_ready() != nullptr) {}
    }
}

} // namespace gatehouse::proxy
