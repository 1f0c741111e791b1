#include "http/urlencoded.h"

#include "http/ascii.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace gatehouse::http {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD"; // U+FFFD
constexpr unsigned kHexBits = 4;

std::optional<unsigned> hex_digit(char c) noexcept {
    const char low = to_lower(c);
    if (c >= '0' && c <= '9') {
        return static_cast<unsigned>(c - '0');
    }
    return low >= 'a' && low <= 'f' ? std::optional(static_cast<unsigned>(low - 'a') + 10) : std::nullopt;
}

std::string percent_decoded(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
        const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
        if (low) {
            bytes += static_cast<char>(*high << kHexBits | *low);
            i += 2;
        } else {
            bytes += text[i] == '+' ? ' ' : text[i];
        }
    }
    return bytes;
}

// What may follow a first byte of UTF-8: how many bytes, and between which values the first of them is.
struct Following {
    std::size_t count = 0;
    std::uint8_t least = 0x80;
    std::uint8_t most = 0xBF;
};

std::optional<Following> following(std::uint8_t first) noexcept {
    if (first >= 0xC2 && first <= 0xDF) {
        return Following{1};
    }
    if (first >= 0xE0 && first <= 0xEF) {
        // No longer forms than needed, and no surrogates.
        return Following{2, static_cast<std::uint8_t>(first == 0xE0 ? 0xA0 : 0x80),
                         static_cast<std::uint8_t>(first == 0xED ? 0x9F : 0xBF)};
    }
    if (first >= 0xF0 && first <= 0xF4) {
        return Following{3, static_cast<std::uint8_t>(first == 0xF0 ? 0x90 : 0x80),
                         static_cast<std::uint8_t>(first == 0xF4 ? 0x8F : 0xBF)};
    }
    return std::nullopt;
}

// How many bytes from `at` on are one character; 0: none. `looked_at` gets how many could have begun one.
std::size_t character_at(std::string_view bytes, std::size_t at, std::size_t& looked_at) noexcept {
    const auto byte = [bytes](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
    looked_at = 1;
    if (byte(at) < 0x80) {
        return 1;
    }
    auto rest = following(byte(at));
    if (!rest) {
        return 0;
    }
    const std::size_t size = 1 + rest->count;
    for (; looked_at < size; ++looked_at) {
        const std::size_t i = at + looked_at;
        if (i >= bytes.size() || byte(i) < rest->least || byte(i) > rest->most) {
            return 0;
        }
        rest->least = 0x80;
        rest->most = 0xBF;
    }
    return size;
}

std::string as_utf8(std::string bytes) {
    std::string text;
    for (std::size_t at = 0; at < bytes.size();) {
        std::size_t looked_at = 0;
        const std::size_t size = character_at(bytes, at, looked_at);
        if (size == 0) {
            text += kReplacement;
            at += looked_at;
        } else {
            text.append(bytes, at, size);
            at += size;
        }
    }
    return text;
}

bool is_plain(char c) noexcept {
    const char low = to_lower(c);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void append_encoded(std::string_view text, std::string& out) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    for (const char c : text) {
        if (is_plain(c)) {
            out += c;
        } else {
            const auto byte = static_cast<std::uint8_t>(c);
            out += '%';
            out += kDigits[byte >> kHexBits];
            out += kDigits[byte & 0xFU];
        }
    }
}

} // namespace

std::string decode_urlencoded(std::string_view text) { return as_utf8(percent_decoded(text)); }

std::vector<QueryParameter> parse_query(std::string_view query) {
    std::vector<QueryParameter> parameters;
    while (!query.empty()) {
        const std::string_view piece = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(piece.size() + 1, query.size()));
        if (piece.empty()) {
            continue;
        }
        const std::size_t equals = piece.find('=');
        const std::string_view value = equals == piece.npos ? std::string_view() : piece.substr(equals + 1);
        parameters.push_back({percent_decoded(piece.substr(0, equals)), percent_decoded(value)});
    }
    return parameters;
}

std::string write_query(const std::vector<QueryParameter>& parameters) {
    std::string query;
    const char* separator = "";
    for (const QueryParameter& parameter : parameters) {
        query += separator;
        append_encoded(parameter.name, query);
        query += '=';
        append_encoded(parameter.value, query);
        separator = "&";
    }
    return query;
}

} // namespace gatehouse::http
