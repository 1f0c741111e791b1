// What happens to an exception that no coroutine caught.
#include "proxy/spawn.h"

#include <spdlog/spdlog.h>

#include <atomic>

namespace gatehouse::proxy {

namespace {

std::atomic<unsigned long> escaped_count{0};

// The outermost frame of a coroutine. Nobody holds it: it ends when its function does, or by the list of its core.
struct Outermost {
    class promise_type final : public detail::FramePromise {
    public:
        promise_type(Coroutines& home, const std::string_view&, const awaitable<void>&) noexcept
            : coroutine_here_(home, std::coroutine_handle<promise_type>::from_promise(*this)) {
            coroutine = &coroutine_here_;
        }
        Outermost get_return_object() noexcept { return {coroutine_here_}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); } // it catches all itself

    private:
        Coroutine coroutine_here_;
    };
    Coroutine& coroutine;
};

Outermost run_logged(Coroutines&, std::string_view what, awaitable<void> task) {
    try {
        co_await std::move(task);
    } catch (...) {
        report_escaped(what, std::current_exception());
    }
}

} // namespace

void report_escaped(std::string_view what, std::exception_ptr error) noexcept {
    escaped_count.fetch_add(1, std::memory_order_relaxed);
    try {
        std::rethrow_exception(std::move(error));
    } catch (const std::exception& exception) {
        spdlog::error("a coroutine ended by an exception, which is a bug; please report it coroutine=\"{}\" "
                      "exception=\"{}\"",
                      what, exception.what());
    } catch (...) {
        spdlog::error("a coroutine ended by an unknown exception, which is a bug; please report it coroutine=\"{}\"",
                      what);
    }
}

void spawn_logged(Coroutines& coroutines, std::string_view what, awaitable<void> task) {
    const Outermost started = run_logged(coroutines, what, std::move(task));
    Coroutines::begin(started.coroutine);
}

unsigned long escaped_exceptions() noexcept { return escaped_count.load(std::memory_order_relaxed); }

} // namespace gatehouse::proxy
