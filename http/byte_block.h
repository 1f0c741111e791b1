// Sixteen bytes looked at at once. A mask has one bit for each byte, the lowest for the first.
// OPTIMIZATION: text of a request is searched in blocks with a few instructions each, where a table takes as many for
// each character (docs/PERFORMANCE.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gatehouse::http {

class ByteBlock {
public:
    static constexpr std::size_t kBytes = 16;

    // Precondition: kBytes can be read from `at`.
    explicit ByteBlock(const char* at) noexcept { std::memcpy(&bytes_, at, kBytes); }

    std::uint32_t equal_to(char c) const noexcept { return mask_of(bytes_ == all(c)); }
    std::uint32_t equal_to(char c, char d) const noexcept { return mask_of((bytes_ == all(c)) | (bytes_ == all(d))); }
    // Control characters but HTAB, and DEL: what no field value holds (RFC 9110 section 5.5).
    std::uint32_t no_field_value() const noexcept {
        return mask_of(((bytes_ < all(' ')) & (bytes_ != all('\t'))) | (bytes_ == all(0x7f)));
    }
    // Those, and white space.
    std::uint32_t not_visible() const noexcept { return mask_of((bytes_ <= all(' ')) | (bytes_ == all(0x7f))); }
    // Visible ASCII without '#', '%' and the backslash: of a request target, what means the same to everybody.
    std::uint32_t plain_target() const noexcept {
        return mask_of(in_range(bytes_, '!', '~') & (bytes_ != all('#')) & (bytes_ != all('%')) &
                       (bytes_ != all('\\')));
    }
    // Letters, digits and '-': what nearly all tokens are made of.
    std::uint32_t letters_digits_hyphens() const noexcept {
        return mask_of(in_range(bytes_ | all(0x20), 'a', 'z') | in_range(bytes_, '0', '9') | (bytes_ == all('-')));
    }

private:
    using Bytes = unsigned char __attribute__((vector_size(kBytes)));
    using Truth = decltype(Bytes() == Bytes()); // a byte of ones or of zeros for each

    static Bytes all(char c) noexcept {
        const auto b = static_cast<unsigned char>(c);
        return Bytes{b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b};
    }
    static Truth in_range(Bytes bytes, char first, char last) noexcept {
        return (bytes - all(first)) <= all(static_cast<char>(last - first));
    }
    static std::uint32_t mask_of(Truth truth) noexcept {
#if defined(__SSE2__)
        return static_cast<std::uint32_t>(_mm_movemask_epi8(reinterpret_cast<__m128i>(truth)));
#else
        std::uint32_t mask = 0;
        for (std::size_t i = 0; i < kBytes; ++i) {
            mask |= truth[i] != 0 ? std::uint32_t{1} << i : 0;
        }
        return mask;
#endif
    }

    Bytes bytes_;
};

inline constexpr std::uint32_t kWholeBlock = 0xffff; // the mask of all bytes

} // namespace gatehouse::http
