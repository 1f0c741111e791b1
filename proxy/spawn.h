// Starting coroutines: never without an ear for what escapes from them.
#pragma once

#include "proxy/asio.h"
#include "proxy/awaitable.h"

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <string_view>
#include <utility>

namespace gatehouse::proxy {

// Logs and counts an exception that escaped a coroutine. It is a bug: the data plane throws nothing.
void report_escaped(std::string_view what, std::exception_ptr error) noexcept;
// How many have escaped since start; tests assert zero.
unsigned long escaped_exceptions() noexcept;

// Runs `task` among these coroutines: at once, on the caller's stack, until it first waits. On their core's thread.
// `what` names it in the log; a string literal.
void spawn_logged(Coroutines& coroutines, std::string_view what, awaitable<void> task);

// The same for what uses Asio's operations.
template <class Executor>
void spawn_logged(const Executor& executor, std::string_view what, asio::awaitable<void> task) {
    asio::co_spawn(executor, std::move(task), [what](std::exception_ptr error) { // Asio drops what nobody takes
        if (error) {
            report_escaped(what, error);
        }
    });
}

} // namespace gatehouse::proxy
