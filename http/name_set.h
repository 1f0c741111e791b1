// Field names that are known when the program is compiled, to be asked whether a name is one of them.
#pragma once

#include "http/ascii.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gatehouse::http {

// OPTIMIZATION: one bit for the size and the first letter of a name, whatever its case. Names that differ in it differ;
// most questions about a name end here.
constexpr std::uint64_t name_bit(std::string_view name) noexcept {
    const std::size_t first = name.empty() ? 0 : static_cast<unsigned char>(name.front()) | 0x20U;
    return std::uint64_t{1} << ((first * 5 + name.size()) % 64);
}

template <std::size_t Size>
class NameSet {
public:
    template <class... Name>
    explicit constexpr NameSet(const Name&... names) noexcept : names_{std::string_view(names)...} {
        for (const std::string_view name : names_) {
            bits_ |= name_bit(name);
        }
    }
    bool contains(std::string_view name) const noexcept {
        return (bits_ & name_bit(name)) != 0 && find(name);
    }

private:
    bool find(std::string_view name) const noexcept {
        for (const std::string_view known : names_) {
            if (known.size() == name.size() && iequals(known, name)) {
                return true;
            }
        }
        return false;
    }

    std::array<std::string_view, Size> names_;
    std::uint64_t bits_ = 0;
};

template <class... Name>
NameSet(const Name&...) -> NameSet<sizeof...(Name)>;

} // namespace gatehouse::http
