// Case-insensitive ASCII helpers and the character classes of RFC 9110 section 5.6. Locale-free, allocation-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::http {

constexpr char to_lower(char c) noexcept { return (c >= 'A' && c <= 'Z') ? static_cast<char>(c + 32) : c; }
// The same size assumed: iequals() of that.
bool has_same_letters(const char* a, const char* b, std::size_t size) noexcept;
inline bool iequals(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && has_same_letters(a.data(), b.data(), a.size());
}
std::string lower(std::string_view text);
void lower_in_place(std::string& text) noexcept;
// RFC 9110 section 5.6.2: token characters.
bool is_token_char(char c) noexcept;
bool is_token(std::string_view text) noexcept; // non-empty
// RFC 9110 section 5.5: a field value holds VCHAR, obs-text, SP and HTAB only.
bool is_field_value(std::string_view text) noexcept;
// How many characters at the beginning are of these classes.
std::size_t token_prefix(std::string_view text) noexcept;
std::size_t field_value_prefix(std::string_view text) noexcept;
std::size_t visible_prefix(std::string_view text) noexcept; // VCHAR and obs-text: a field value's, but for white space
// Removes optional white space (SP, HTAB) at both ends (RFC 9110 section 5.6.3).
std::string_view trim_ows(std::string_view text) noexcept;
// 1*DIGIT to a number; one that does not fit becomes 2^64-1. nullopt for everything else (empty, sign, white space).
std::optional<std::uint64_t> parse_digits(std::string_view text) noexcept;

} // namespace gatehouse::http
