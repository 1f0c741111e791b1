// What reading and writing Structured Fields have in common: character classes, digits, UTF-8 (RFC 9651).
#pragma once

#include "http/ascii.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gatehouse::http::structured::detail {

inline constexpr std::size_t kMaxIntegerDigits = 15;
inline constexpr std::size_t kMaxDecimalDigits = 12; // before the point
inline constexpr std::size_t kMaxFractionDigits = 3;
inline constexpr std::int64_t kThousand = 1000;

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
constexpr bool is_alpha(char c) noexcept { return is_lower(to_lower(c)); }
constexpr bool is_printable(char c) noexcept { return c >= ' ' && c <= '~'; }

// A key begins with a lower-case letter or "*". RFC 9651 section 3.1.2
constexpr bool is_key_start(char c) noexcept { return is_lower(c) || c == '*'; }
constexpr bool is_key_char(char c) noexcept {
    return is_key_start(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}

// RFC 9651 section 3.3.4
constexpr bool is_token_start(char c) noexcept { return is_alpha(c) || c == '*'; }
inline bool is_token_rest(char c) noexcept { return is_token_char(c) || c == ':' || c == '/'; }

// Well-formed UTF-8 (RFC 3629): no surrogates, no longer forms than needed, nothing above U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

} // namespace gatehouse::http::structured::detail
