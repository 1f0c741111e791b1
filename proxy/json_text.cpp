// JSON strings from arbitrary bytes.
#include "proxy/json_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gatehouse::proxy {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD"; // U+FFFD
constexpr char kHexDigits[] = "0123456789abcdef";

constexpr unsigned byte_at(std::string_view text, std::size_t index) noexcept {
    return static_cast<unsigned char>(text[index]);
}

void append_unicode_escape(std::string& out, unsigned code) {
    out += "\\u00";
    out += kHexDigits[(code >> 4) & 0xF];
    out += kHexDigits[code & 0xF];
}

void append_ascii_escape(std::string& out, char c) {
    switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default: append_unicode_escape(out, static_cast<unsigned char>(c));
    }
}

constexpr bool is_plain(unsigned byte) noexcept { return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\'; }

// OPTIMIZATION: of eight bytes at once. Below 0x80, taking one (or 0x20) from a byte sets its high bit only where it is
// zero (or smaller); a byte from 0x80 on has it set. A borrow comes only from such a byte, and the answer is no then.
constexpr bool are_plain(std::uint64_t word) noexcept {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    const auto is_zero = [](std::uint64_t bytes) { return bytes - kOnes; };
    const std::uint64_t odd = word | (word - kOnes * 0x20) | is_zero(word ^ (kOnes * 0x7f)) |
                              is_zero(word ^ (kOnes * '"')) | is_zero(word ^ (kOnes * '\\'));
    return (odd & (kOnes * 0x80)) == 0;
}

} // namespace

bool is_plain_json(std::string_view text) noexcept {
    const std::size_t size = text.size();
    std::uint64_t word = 0;
    if (size < sizeof word) {
        return std::all_of(text.begin(), text.end(), [](char c) { return is_plain(static_cast<unsigned char>(c)); });
    }
    for (std::size_t at = 0; at + sizeof word < size; at += sizeof word) {
        std::memcpy(&word, text.data() + at, sizeof word);
        if (!are_plain(word)) {
            return false;
        }
    }
    std::memcpy(&word, text.data() + size - sizeof word, sizeof word); // what is left, and some of it again
    return are_plain(word);
}

// Unicode 15, table 3-7 (well-formed byte sequences). A broken sequence is cut where the first byte does not fit:
// the "maximal subpart" that one U+FFFD stands for.
Utf8Piece utf8_piece(std::string_view text) noexcept {
    const unsigned lead = byte_at(text, 0);
    std::size_t size = 0;
    unsigned low = 0x80; // bounds of the second byte; they rule out overlong forms, surrogates and > U+10FFFF
    unsigned high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        size = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        size = 3;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        size = 4;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        return {};
    }
    for (std::size_t index = 1; index < size; ++index) {
        if (index >= text.size() || byte_at(text, index) < low || byte_at(text, index) > high) {
            return {index, false};
        }
        low = 0x80;
        high = 0xBF;
    }
    return {size, true};
}

bool is_c1_control(std::string_view character) noexcept {
    return character.size() == 2 && byte_at(character, 0) == 0xC2 && byte_at(character, 1) < 0xA0;
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        std::size_t plain = 0;
        while (plain < text.size() && is_plain(byte_at(text, plain))) {
            ++plain;
        }
        out += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) {
            break;
        }
        if (byte_at(text, 0) < 0x80) {
            append_ascii_escape(out, text.front());
            text.remove_prefix(1);
            continue;
        }
        const Utf8Piece piece = utf8_piece(text);
        if (!piece.valid) {
            out += kReplacement;
        } else if (is_c1_control(text.substr(0, piece.size))) {
            append_unicode_escape(out, byte_at(text, 1));
        } else {
            out += text.substr(0, piece.size);
        }
        text.remove_prefix(piece.size);
    }
    out += '"';
}

} // namespace gatehouse::proxy
