#include "proxy/printable_text.h"

#include "proxy/json_text.h"

namespace gatehouse::proxy {

namespace {

void append_hex(std::string& out, std::string_view prefix, char c) {
    constexpr std::string_view kHex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    out.append(prefix).append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
}

} // namespace

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto byte = static_cast<unsigned char>(text.front());
        const Utf8Piece piece = byte < 0x80 ? Utf8Piece{1, true} : utf8_piece(text);
        const std::string_view bytes = text.substr(0, piece.size);
        if (!piece.valid) {
            for (const char c : bytes) {
                append_hex(out, "\\x", c);
            }
        } else if (is_c1_control(bytes)) {
            append_hex(out, "\\u00", bytes[1]);
        } else if (byte == '\n') {
            out += "\\n";
        } else if (byte < 0x20 || byte == 0x7F) {
            append_hex(out, "\\x", text.front());
        } else {
            out += bytes;
        }
        text.remove_prefix(piece.size);
    }
    return out;
}

} // namespace gatehouse::proxy
