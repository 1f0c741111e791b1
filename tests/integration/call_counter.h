// Counts what other threads than the test's ask of the allocator and of the kernel's sockets, in this process.
#pragma once

#include <cstdint>

namespace gatehouse::testing {

struct CallCounts {
    std::uint64_t allocations = 0;   // malloc, calloc, realloc and what is built on them
    std::uint64_t reads = 0;         // recv
    std::uint64_t sends = 0;         // send, sendmsg
    std::uint64_t waits = 0;         // epoll_wait
    std::uint64_t registrations = 0; // epoll_ctl
};

// One at a time. Calls of the thread that made it are not counted: they are the client's.
class CallCounter {
public:
    CallCounter() noexcept;
    ~CallCounter();
    CallCounter(const CallCounter&) = delete;
    CallCounter& operator=(const CallCounter&) = delete;

    CallCounts counts() const noexcept;
};

} // namespace gatehouse::testing
