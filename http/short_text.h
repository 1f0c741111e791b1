// Text of a known greatest length, put together on the stack and appended to a string at once.
// OPTIMIZATION: each append to a std::string is a call that looks for room; a line of five pieces takes a fifth of the
// instructions this way.
#pragma once

#include <cassert>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace gatehouse::http {

template <std::size_t Capacity>
class ShortText {
public:
    // The caller knows that everything fits: literals, numbers, and texts of a known greatest length.
    template <std::size_t Size>
    ShortText& operator<<(const char (&literal)[Size]) noexcept {
        assert(Capacity - size_ >= Size - 1);
        std::memcpy(text_ + size_, literal, Size - 1);
        size_ += Size - 1;
        return *this;
    }
    ShortText& operator<<(std::string_view text) noexcept {
        assert(Capacity - size_ >= text.size());
        std::memcpy(text_ + size_, text.data(), text.size());
        size_ += text.size();
        return *this;
    }
    template <class Integer>
    ShortText& number(Integer value) noexcept {
        const auto written = std::to_chars(text_ + size_, text_ + Capacity, value);
        assert(written.ec == std::errc());
        size_ = static_cast<std::size_t>(written.ptr - text_);
        return *this;
    }
    void clear() noexcept { size_ = 0; }
    std::string_view view() const noexcept { return {text_, size_}; }

private:
    char text_[Capacity]; // NOLINT: read as far as it was written
    std::size_t size_ = 0;
};

// For lines of ours in a head: the longest that may stand in one together.
using ShortLines = ShortText<512>;

} // namespace gatehouse::http
