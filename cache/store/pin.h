// One of the holders of what a core keeps for itself (cache/store/core_table.h): a plain count, so that holding it and
// letting go of it write to nothing that another core reads. Stays on the thread that it was made on.
#pragma once

#include <cstdint>
#include <utility>

namespace gatehouse::cache::store {

class Pin {
public:
    Pin() noexcept = default;
    // `count` outlives it.
    explicit Pin(std::uint32_t& count) noexcept : count_(&count) { ++count; }
    Pin(const Pin& other) noexcept : count_(other.count_) {
        if (count_ != nullptr) {
            ++*count_;
        }
    }
    Pin(Pin&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    Pin& operator=(Pin other) noexcept {
        std::swap(count_, other.count_);
        return *this;
    }
    ~Pin() {
        if (count_ != nullptr) {
            --*count_;
        }
    }
    explicit operator bool() const noexcept { return count_ != nullptr; }

private:
    std::uint32_t* count_ = nullptr;
};

} // namespace gatehouse::cache::store
