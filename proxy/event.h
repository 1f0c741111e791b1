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
        if (Wait* const wait = take_wait()) {
            wait->coroutine_->end_later();
        }
    }

    // Resumes the waiter (or the next wait). Any number of signals before the wait count as one.
    void signal() noexcept {
        if (Wait* const wait = take_wait()) {
            wait->coroutine_->resume_later();
        } else {
            signalled_ = true;
        }
    }
    void reset() noexcept { signalled_ = false; }

    // In the frame that waits. Whichever of the two ends first, the other one learns of it.
    class Wait {
    public:
        explicit Wait(Event& event) noexcept : event_(&event) {}
        ~Wait() {
            if (event_ != nullptr && event_->wait_ == this) {
                event_->wait_ = nullptr;
            }
        }
        Wait(const Wait&) = delete;
        Wait& operator=(const Wait&) = delete;
        bool await_ready() noexcept { return std::exchange(event_->signalled_, false); }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> frame) noexcept {
            assert(event_->wait_ == nullptr && "one waiter at a time");
            event_->wait_ = this;
            coroutine_ = frame.promise().coroutine;
            coroutine_->wait();
        }
        void await_resume() const noexcept {}

    private:
        friend class Event;
        Event* event_; // null once it has signalled, or ended
        Coroutine* coroutine_ = nullptr;
    };
    Wait wait() noexcept { return Wait(*this); }

private:
    Wait* take_wait() noexcept {
        if (wait_ != nullptr) {
            wait_->event_ = nullptr;
        }
        return std::exchange(wait_, nullptr);
    }

    Wait* wait_ = nullptr;
    bool signalled_ = false;
};

} // namespace gatehouse::proxy
