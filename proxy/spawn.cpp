// What happens to an exception that no coroutine caught.
#include "proxy/spawn.h"

#include <spdlog/spdlog.h>

#include <atomic>

namespace gatehouse::proxy {

namespace {
std::atomic<unsigned long> escaped_count{0};
}

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

unsigned long escaped_exceptions() noexcept { return escaped_count.load(std::memory_order_relaxed); }

} // namespace gatehouse::proxy
