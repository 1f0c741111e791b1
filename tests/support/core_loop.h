// Cores driven by the test itself: their loops run only while it waits for something, and time moves only when it
// says so.
#pragma once

#include "proxy/asio.h"
#include "proxy/core.h"
#include "proxy/event.h"
#include "proxy/spawn.h"
#include "proxy/stream.h"
#include "tests/support/gates.h"
#include "tests/support/manual_clock.h"

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::testing {

class CoreLoop {
public:
    CoreLoop() { add(); } // one core; add() makes more

    ManualClock clock;

    proxy::Core& core(std::size_t index = 0) { return *cores_.at(index); }
    proxy::Core& add() {
        cores_.push_back(std::make_unique<proxy::Core>(static_cast<unsigned>(cores_.size()), clock, 1));
        return *cores_.back();
    }

    // Runs the loops until the condition holds. HarnessError when that takes longer than the safety time.
    template <class Condition>
    void await(Condition condition, std::string_view what) {
        constexpr std::chrono::milliseconds kTurn(1);
        const auto until = std::chrono::steady_clock::now() + kSafetyTime;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > until) {
                throw HarnessError("waited in vain for " + std::string(what));
            }
            std::size_t ran = 0;
            for (const auto& each : cores_) {
                ran += each->poll();
            }
            if (ran == 0 && !condition()) {
                cores_.front()->io().restart();
                cores_.front()->io().run_one_for(kTurn); // Asio's sockets (names) are waited for; ours looked at again
            }
        }
    }
    // Runs what is ready, and what that makes ready.
    void settle() {
        std::size_t ran = 0;
        do {
            ran = 0;
            for (const auto& each : cores_) {
                ran += each->poll();
            }
        } while (ran > 0);
    }
    // Moves the clock and fires what became due. What was begun before is done first, so that its deadlines are armed.
    void advance(http::Duration by) {
        settle();
        clock.move(by);
        for (const auto& each : cores_) {
            each->wheel().advance();
        }
        settle();
    }

    // A coroutine that was started, and its result once it has one.
    template <class T>
    class Task {
    public:
        bool done() const noexcept { return state_->value.has_value() || state_->error; }
        T take() {
            if (state_->error) {
                std::rethrow_exception(state_->error);
            }
            return std::move(*state_->value);
        }

    private:
        friend class CoreLoop;
        struct State {
            std::optional<T> value;
            std::exception_ptr error;
        };
        std::shared_ptr<State> state_ = std::make_shared<State>();
    };

    template <class T>
    Task<T> start(proxy::awaitable<T> task, std::size_t index = 0) {
        Task<T> started;
        proxy::spawn_logged(core(index).coroutines(), "test", keep(std::move(task), started.state_));
        return started;
    }
    Task<bool> start(proxy::awaitable<void> task, std::size_t index = 0) {
        return start(finish(std::move(task)), index);
    }
    template <class T>
    T finish(Task<T> task, std::string_view what) {
        await([&task] { return task.done(); }, what);
        return task.take();
    }
    template <class T>
    T run(proxy::awaitable<T> task) {
        return finish(start(std::move(task)), "a coroutine");
    }
    void run(proxy::awaitable<void> task) { finish(start(std::move(task)), "a coroutine"); }

private:
    template <class T>
    static proxy::awaitable<void> keep(proxy::awaitable<T> task, std::shared_ptr<typename Task<T>::State> state) {
        try {
            T value = co_await std::move(task);
            state->value.emplace(std::move(value));
        } catch (...) {
            state->error = std::current_exception();
        }
    }
    static proxy::awaitable<bool> finish(proxy::awaitable<void> task) {
        co_await std::move(task);
        co_return true;
    }

    std::vector<std::unique_ptr<proxy::Core>> cores_;
};

// Waits until a stream that nobody reads has something to read.
inline proxy::awaitable<void> readable(proxy::Stream& stream) {
    struct Told final : proxy::StreamReader {
        void on_readable() noexcept override { event.signal(); }
        proxy::Event event;
    } told;
    stream.set_reader(&told);
    co_await told.event.wait();
    stream.set_reader(nullptr);
}

} // namespace gatehouse::testing
