#include "http/ascii.h"

#include <array>
#include <bit>
#include <cstring>
#include <limits>

namespace gatehouse::http {

namespace {

constexpr std::uint8_t kTokenChar = 1;
constexpr std::uint8_t kFieldValueChar = 2;

constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    for (unsigned c = 0; c < 256; ++c) {
        const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        // A token is made of letters, digits and fifteen marks. RFC 9110 section 5.6.2
        if (alphanumeric ||
            (c != 0 && c < 128 &&
             std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos)) {
            classes[c] |= kTokenChar;
        }
        // A field value has no control characters but HTAB; CR, LF and NUL make it invalid. RFC 9110 section 5.5
        if (c == '\t' || (c >= ' ' && c != 0x7f)) {
            classes[c] |= kFieldValueChar;
        }
    }
    return classes;
}

constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

constexpr bool has_class(char c, std::uint8_t mask) noexcept {
    return (kClasses[static_cast<unsigned char>(c)] & mask) != 0;
}

bool all_of_class(std::string_view text, std::uint8_t mask) noexcept {
    std::uint8_t seen = mask;
    for (const char c : text) {
        seen &= kClasses[static_cast<unsigned char>(c)];
    }
    return seen != 0;
}

constexpr bool is_ows(char c) noexcept { return c == ' ' || c == '\t'; }

std::uint64_t load(const char* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

// The first byte is the lowest one, on every machine.
std::uint64_t load_in_order(const char* at) noexcept {
    const std::uint64_t word = load(at);
    return std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
}

// OPTIMIZATION: lower-cases the ASCII letters of eight bytes at once. The sums set a byte's high bit from 'A' on and
// from behind 'Z' on; no sum carries into the next byte because both operands keep below 0x80.
constexpr std::uint64_t lower_word(std::uint64_t word) noexcept {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    const std::uint64_t low_bits = word & (kOnes * 0x7f);
    const std::uint64_t from_a = low_bits + kOnes * (0x80 - 'A');
    const std::uint64_t behind_z = low_bits + kOnes * (0x7f - 'Z');
    const std::uint64_t upper = (from_a ^ behind_z) & ~word & (kOnes * 0x80);
    return word | (upper >> 2);
}

// OPTIMIZATION: of eight bytes at once: the high bit of the first one that is a control character or DEL. A byte below 0x20
// borrows where its high bit is clear; what a borrow says of the bytes behind it is wrong, so that only the first counts.
constexpr std::uint64_t control_bit(std::uint64_t word) noexcept {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    constexpr std::uint64_t kHighBits = kOnes * 0x80;
    const std::uint64_t control = (word - kOnes * 0x20) & ~word;
    const std::uint64_t delta = word ^ (kOnes * 0x7f); // zero where it is DEL
    return (control | ((delta - kOnes) & ~delta)) & kHighBits;
}

} // namespace

bool has_same_letters(const char* a, const char* b, std::size_t size) noexcept {
    std::size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        if (lower_word(load(a + at)) != lower_word(load(b + at))) {
            return false;
        }
    }
    for (; at < size; ++at) {
        if (to_lower(a[at]) != to_lower(b[at])) {
            return false;
        }
    }
    return true;
}

std::string lower(std::string_view text) {
    std::string lowered(text);
    lower_in_place(lowered);
    return lowered;
}

void lower_in_place(std::string& text) noexcept {
    char* const data = text.data();
    const std::size_t size = text.size();
    std::size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        const std::uint64_t lowered = lower_word(load(data + at));
        std::memcpy(data + at, &lowered, sizeof lowered);
    }
    for (; at < size; ++at) {
        data[at] = to_lower(data[at]);
    }
}

bool is_token_char(char c) noexcept { return has_class(c, kTokenChar); }

bool is_token(std::string_view text) noexcept { return !text.empty() && all_of_class(text, kTokenChar); }

bool is_field_value(std::string_view text) noexcept { return field_value_prefix(text) == text.size(); }

std::size_t token_prefix(std::string_view text) noexcept {
    std::size_t at = 0;
    while (at < text.size() && has_class(text[at], kTokenChar)) {
        ++at;
    }
    return at;
}

std::size_t field_value_prefix(std::string_view text) noexcept {
    std::size_t at = 0;
    while (text.size() - at >= 8) {
        const std::uint64_t control = control_bit(load_in_order(text.data() + at));
        if (control == 0) {
            at += 8;
            continue;
        }
        at += static_cast<std::size_t>(std::countr_zero(control)) / 8;
        if (text[at] != '\t') {
            return at;
        }
        ++at;
    }
    while (at < text.size() && has_class(text[at], kFieldValueChar)) {
        ++at;
    }
    return at;
}

std::string_view trim_ows(std::string_view text) noexcept {
    while (!text.empty() && is_ows(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_ows(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

std::optional<std::uint64_t> parse_digits(std::string_view text) noexcept {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    if (text.empty()) {
        return std::nullopt;
    }
    std::uint64_t number = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        const auto digit = static_cast<std::uint64_t>(c - '0');
        const bool fits = number < kMax / 10 || (number == kMax / 10 && digit <= kMax % 10);
        number = fits ? number * 10 + digit : kMax;
    }
    return number;
}

} // namespace gatehouse::http
