// The functions stand before the C library's of the same names. Under a sanitizer the allocator is the sanitizer's, and
// has a hook of its own.
#include "tests/integration/call_counter.h"

#include <atomic>
#include <cstddef>

#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GATEHOUSE_SANITIZED_ALLOCATOR
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GATEHOUSE_SANITIZED_ALLOCATOR
#endif

#ifdef GATEHOUSE_SANITIZED_ALLOCATOR
// Declared here, because GCC 12 does not install sanitizer/allocator_interface.h.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, std::size_t),
                                                         void (*on_free)(const volatile void*));
#endif

namespace {

std::atomic<bool> counting{false};
thread_local bool is_client = false;
std::atomic<std::uint64_t> allocations{0};
std::atomic<std::uint64_t> reads{0};
std::atomic<std::uint64_t> sends{0};
std::atomic<std::uint64_t> waits{0};
std::atomic<std::uint64_t> registrations{0};

void count(std::atomic<std::uint64_t>& calls) noexcept {
    if (counting.load(std::memory_order_acquire) && !is_client) {
        calls.fetch_add(1, std::memory_order_relaxed);
    }
}

template <class Function>
Function next(const char* name) noexcept {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

#ifdef GATEHOUSE_SANITIZED_ALLOCATOR
void on_malloc(const volatile void*, std::size_t) { count(allocations); }
void on_free(const volatile void*) {}
const int installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
#endif

} // namespace

#ifndef GATEHOUSE_SANITIZED_ALLOCATOR
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);

void* malloc(std::size_t size) {
    count(allocations);
    return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
    count(allocations);
    return __libc_calloc(number, size);
}
void* realloc(void* old, std::size_t size) {
    count(allocations);
    return __libc_realloc(old, size);
}
}
#endif

extern "C" {
ssize_t recv(int descriptor, void* buffer, std::size_t size, int flags) {
    static const auto real = next<decltype(&::recv)>("recv");
    count(reads);
    return real(descriptor, buffer, size, flags);
}
ssize_t send(int descriptor, const void* bytes, std::size_t size, int flags) {
    static const auto real = next<decltype(&::send)>("send");
    count(sends);
    return real(descriptor, bytes, size, flags);
}
ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
    static const auto real = next<decltype(&::sendmsg)>("sendmsg");
    count(sends);
    return real(descriptor, message, flags);
}
int epoll_wait(int descriptor, epoll_event* events, int most, int timeout) {
    static const auto real = next<decltype(&::epoll_wait)>("epoll_wait");
    count(waits);
    return real(descriptor, events, most, timeout);
}
int epoll_ctl(int descriptor, int operation, int watched, epoll_event* event) noexcept {
    static const auto real = next<decltype(&::epoll_ctl)>("epoll_ctl");
    count(registrations);
    return real(descriptor, operation, watched, event);
}
}

namespace gatehouse::testing {

CallCounter::CallCounter() noexcept {
    is_client = true;
    for (std::atomic<std::uint64_t>* calls : {&allocations, &reads, &sends, &waits, &registrations}) {
        calls->store(0);
    }
    counting.store(true, std::memory_order_release);
}

CallCounter::~CallCounter() {
    counting.store(false, std::memory_order_release);
    is_client = false;
}

CallCounts CallCounter::counts() const noexcept {
    return {allocations.load(), reads.load(), sends.load(), waits.load(), registrations.load()};
}

} // namespace gatehouse::testing
