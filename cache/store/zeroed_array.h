// A fixed array of zeros whose pages cost nothing until they are written: tables that are mostly empty.
//
// Elements are not constructed; a type will do whose zero is all bits zero and that needs no destruction, or whose owner sees
// to its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include <sys/mman.h>

namespace gatehouse::cache::store {

enum class Ends : std::uint8_t { Nothing, ByOwner };

template <class Element, Ends kEnds = Ends::Nothing>
class ZeroedArray {
    static_assert(std::is_trivially_destructible_v<Element> || kEnds == Ends::ByOwner);

public:
    // Throws std::bad_alloc. `count` is at least 1.
    explicit ZeroedArray(std::size_t count) : count_(count) {
        void* const pages = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED) {
            throw std::bad_alloc();
        }
        elements_ = static_cast<Element*>(pages);
    }
    ~ZeroedArray() { ::munmap(elements_, bytes()); }
    ZeroedArray(const ZeroedArray&) = delete;
    ZeroedArray& operator=(const ZeroedArray&) = delete;

    Element& operator[](std::size_t index) noexcept { return elements_[index]; }
    const Element& operator[](std::size_t index) const noexcept { return elements_[index]; }
    std::size_t size() const noexcept { return count_; }

private:
    std::size_t bytes() const noexcept { return count_ * sizeof(Element); }

    std::size_t count_;
    Element* elements_ = nullptr;
};

} // namespace gatehouse::cache::store
