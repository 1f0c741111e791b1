#include "http/ascii.h"

#include "http/byte_block.h"

#include <array>
#include <bit>
#include <cstring>
#include <limits>

namespace gatehouse::http {

namespace {

constexpr std::uint8_t kTokenChar = 1;
constexpr std::uint8_t kFieldValueChar = 2;
constexpr std::uint8_t kVisibleChar = 4;

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
        if (c > ' ' && c != 0x7f) {
            classes[c] |= kVisibleChar;
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

// How many characters at the beginning are of the class. `others`: the mask of those in a block that are not.
template <class Others>
std::size_t prefix_of_blocks(std::string_view text, std::uint8_t mask, Others others) noexcept {
    std::size_t at = 0;
    for (; text.size() - at >= ByteBlock::kBytes; at += ByteBlock::kBytes) {
        if (const std::uint32_t found = others(ByteBlock(text.data() + at)); found != 0) {
            return at + static_cast<std::size_t>(std::countr_zero(found));
        }
    }
    while (at < text.size() && has_class(text[at], mask)) {
        ++at;
    }
    return at;
}

constexpr bool is_ows(char c) noexcept { return c == ' ' || c == '\t'; }

template <class Word>
Word load(const char* at) noexcept {
    Word word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
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

// Whether the words at this offset are the same but for the case of letters, which is mostly the same, too.
template <class Word>
inline bool same_word(const char* a, const char* b, std::size_t at) noexcept {
    const Word one = load<Word>(a + at);
    const Word other = load<Word>(b + at);
    return one == other || lower_word(one) == lower_word(other);
}

} // namespace

bool has_same_letters(const char* x, const char* y, std::size_t size) noexcept {
    // What is left behind the last whole word is compared together with the end of that word.
    if (constexpr std::size_t kWord = sizeof(std::uint64_t); size >= kWord) {
        for (std::size_t at = 0; at + kWord < size; at += kWord) {
            if (!same_word<std::uint64_t>(x, y, at)) {
                return false;
            }
        }
        return same_word<std::uint64_t>(x, y, size - kWord);
    }
    if (constexpr std::size_t kWord = sizeof(std::uint32_t); size >= kWord) {
        return same_word<std::uint32_t>(x, y, 0) && same_word<std::uint32_t>(x, y, size - kWord);
    }
    for (std::size_t at = 0; at < size; ++at) {
        if (to_lower(x[at]) != to_lower(y[at])) {
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
        const std::uint64_t lowered = lower_word(load<std::uint64_t>(data + at));
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
    for (; text.size() - at >= ByteBlock::kBytes; at += ByteBlock::kBytes) {
        const std::uint32_t usual = ByteBlock(text.data() + at).letters_digits_hyphens();
        if (usual != kWholeBlock) {
            at += static_cast<std::size_t>(std::countr_one(usual));
            break;
        }
    }
    while (at < text.size() && has_class(text[at], kTokenChar)) {
        ++at;
    }
    return at;
}

std::size_t field_value_prefix(std::string_view text) noexcept {
    return prefix_of_blocks(text, kFieldValueChar, [](const ByteBlock& block) { return block.no_field_value(); });
}

std::size_t visible_prefix(std::string_view text) noexcept {
    return prefix_of_blocks(text, kVisibleChar, [](const ByteBlock& block) { return block.not_visible(); });
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
