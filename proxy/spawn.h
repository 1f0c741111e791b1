// Starting coroutines: never detached without an ear, because co_spawn(detached) swallows what escapes.
#pragma once

#include "proxy/asio.h"

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <string_view>
#include <utility>

namespace gatehouse::proxy {

// Logs and counts an exception that escaped a coroutine. It is a bug: the data plane throws nothing.
void report_escaped(std::string_view what, std::exception_ptr error) noexcept;
// How many have escaped since start; tests assert zero.
unsigned long escaped_exceptions() noexcept;

// Runs `task` on `executor`. `what` names it in the log; a string literal.
template <class Executor>
void spawn_logged(const Executor& executor, std::string_view what, awaitable<void> task) {
    asio::co_spawn(executor, std::move(task), [what](std::exception_ptr error) {
        if (error) {
            report_escaped(what, error);
        }
    });
}

} // namespace gatehouse::proxy
