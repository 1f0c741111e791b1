// What a function that waits returns: `awaitable<T>`, which starts when it is awaited and gives a T.
//
// In place of Asio's type of this name, because a wait of that goes through a type-erased executor, a handler that is
// moved several times and a queue with a lock: a fifth of the instructions of a passed answer (docs/PERFORMANCE.md).
// What uses Asio's own operations returns asio::awaitable (proxy/asio.h).
//
// An awaitable is awaited at most once, as an rvalue. Exceptions pass through it. Frames come from
// proxy/frame_memory.h. GCC 12 destroys some temporaries twice that stand in one expression with co_await: inside it
// only named objects, moves of them and plain values are passed.
#pragma once

#include "proxy/coroutines.h"
#include "proxy/frame_memory.h"

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace gatehouse::proxy {

template <class T>
class [[nodiscard]] awaitable;

namespace detail {

class FramePromise {
public:
    static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept { free_frame(frame, bytes); }

    Coroutine* coroutine = nullptr; // whose line this frame is in, once it has begun

    std::suspend_always initial_suspend() noexcept { return {}; }
};

// Of a frame that somebody awaits: whoever does goes on when it has ended.
class AwaitedPromise : public FramePromise {
public:
    struct Ended {
        bool await_ready() noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> frame) noexcept {
            frame.promise().coroutine->enter(frame.promise().awaiting);
        }
        void await_resume() noexcept {}
    };

    std::coroutine_handle<> awaiting;

    Ended final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

protected:
    void rethrow() {
        if (error_) {
            std::rethrow_exception(std::exchange(error_, nullptr));
        }
    }

private:
    std::exception_ptr error_;
};

template <class T>
class Promise final : public AwaitedPromise {
public:
    awaitable<T> get_return_object() noexcept;
    template <class Value>
    void return_value(Value&& value) {
        value_.emplace(std::forward<Value>(value));
    }
    T take() {
        rethrow();
        return *std::move(value_);
    }

private:
    std::optional<T> value_;
};

template <>
class Promise<void> final : public AwaitedPromise {
public:
    awaitable<void> get_return_object() noexcept;
    void return_void() noexcept {}
    void take() { rethrow(); }
};

// Of an awaitable that needed no coroutine: its value.
template <class T>
struct ReadyValue {
    std::optional<T> value;
    bool is_there() const noexcept { return value.has_value(); }
    T take() { return *std::move(value); }
};

template <>
struct ReadyValue<void> {
    bool is_there() const noexcept { return false; }
    void take() const noexcept {}
};

} // namespace detail

template <class T = void>
class [[nodiscard]] awaitable {
public:
    using promise_type = detail::Promise<T>;

    // What is there already: no frame is made. For functions that look first whether they have to wait, and are only
    // then a coroutine.
    template <class Value>
    static awaitable ready(Value&& value) {
        awaitable made{std::coroutine_handle<promise_type>()};
        made.ready_.value.emplace(std::forward<Value>(value));
        return made;
    }

    awaitable(awaitable&& other) noexcept
        : frame_(std::exchange(other.frame_, nullptr)), ready_(std::move(other.ready_)) {}
    awaitable& operator=(awaitable&& other) noexcept {
        std::swap(frame_, other.frame_);
        std::swap(ready_, other.ready_);
        return *this;
    }
    ~awaitable() {
        if (frame_) {
            frame_.destroy();
        }
    }

    bool await_ready() const noexcept { return ready_.is_there(); }
    // Runs it at once, on the stack of who awaits it. When it has to wait, all those frames return to Coroutine::run(),
    // which resumes them one by one later: the stack does not grow however often something is ready at once.
    template <class Awaiting>
    bool await_suspend(std::coroutine_handle<Awaiting> awaiting) {
        Coroutine& coroutine = *awaiting.promise().coroutine;
        frame_.promise().coroutine = &coroutine;
        frame_.promise().awaiting = awaiting;
        coroutine.enter(frame_);
        frame_.resume();
        return !frame_.done();
    }
    T await_resume() { return frame_ ? frame_.promise().take() : ready_.take(); }

private:
    friend promise_type;
    explicit awaitable(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
    std::coroutine_handle<promise_type> frame_;
    [[no_unique_address]] detail::ReadyValue<T> ready_;
};

template <class T>
awaitable<T> detail::Promise<T>::get_return_object() noexcept {
    return awaitable<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}

inline awaitable<void> detail::Promise<void>::get_return_object() noexcept {
    return awaitable<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

} // namespace gatehouse::proxy
