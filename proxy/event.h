// A one-shot wake-up between coroutines of the same core. The waiting side suspends in wait(); signal() has it resumed
// by the core's loop. signal() before wait() is remembered. One waiter at a time; same thread only.
#pragma once

#include "proxy/coroutines.h"

#include <cassert>
#include <coroutine>
#include <utility>

namespace gatehouse::proxy {

class Event {
public:
    Event() = default;
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    // Takes its waiter along, which ends where it waits.
    ~Event() {
        if (waiter_ != nullptr) {
            waiter_->end_later();
        }
    }

    // Resumes the waiter (or the next wait). Any number of signals before the wait count as one.
    void signal() noexcept {
        if (waiter_ != nullptr) {
            std::exchange(waiter_, nullptr)->resume_later();
        } else {
            signalled_ = true;
        }
    }
    void reset() noexcept { signalled_ = false; }

    class Wait {
    public:
        explicit Wait(Event& event) noexcept : event_(event) {}
        bool await_ready() noexcept { return std::exchange(event_.signalled_, false); }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> frame) noexcept {
            assert(event_.waiter_ == nullptr && "one waiter at a time");
            event_.waiter_ = frame.promise().coroutine;
            event_.waiter_->wait();
        }
        void await_resume() const noexcept {}

    private:
        Event& event_;
    };
    Wait wait() noexcept { return Wait(*this); }

private:
    Coroutine* waiter_ = nullptr;
    bool signalled_ = false;
};

} // namespace gatehouse::proxy
