// A one-shot wake-up between coroutines of the same core. The waiting side suspends in wait(); signal() resumes it
// through the core's loop. signal() before wait() is remembered. One waiter at a time; same thread only.
#pragma once

#include "proxy/asio.h"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>

#include <cassert>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace gatehouse::proxy {

class Event {
public:
    explicit Event(asio::io_context& io) noexcept : io_(io) {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() { drop(); }

    // Resumes the waiter (or the next wait). Any number of signals before the wait count as one.
    void signal() {
        if (invoke_ != nullptr) {
            const auto invoke = std::exchange(invoke_, nullptr);
            invoke(*this, true);
        } else {
            signalled_ = true;
        }
    }
    void reset() noexcept { signalled_ = false; }

    awaitable<void> wait() {
        if (signalled_) {
            signalled_ = false;
            co_return;
        }
        co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
            [this](auto handler) { store(std::move(handler)); }, asio::use_awaitable);
    }

private:
    template <class Handler>
    void store(Handler handler) {
        static_assert(sizeof(Handler) <= sizeof(storage_) && alignof(Handler) <= alignof(std::max_align_t));
        static_assert(std::is_nothrow_move_constructible_v<Handler>);
        assert(invoke_ == nullptr && "one waiter at a time");
        ::new (static_cast<void*>(storage_)) Handler(std::move(handler));
        invoke_ = [](Event& event, bool run) {
            auto* stored = std::launder(reinterpret_cast<Handler*>(event.storage_)); // NOLINT: own storage
            Handler taken(std::move(*stored));
            stored->~Handler();
            if (run) {
                asio::post(event.io_, std::move(taken));
            }
        };
    }
    void drop() noexcept {
        if (invoke_ != nullptr) {
            const auto invoke = std::exchange(invoke_, nullptr);
            invoke(*this, false);
        }
    }

    asio::io_context& io_;
    void (*invoke_)(Event&, bool) = nullptr;
    bool signalled_ = false;
    alignas(std::max_align_t) std::byte storage_[64];
};

} // namespace gatehouse::proxy
