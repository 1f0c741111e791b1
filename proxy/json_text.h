// Text as a JSON string, written by hand because log lines are built from it by the thousand.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

// Appends `text` between quotes. Quote, backslash and control characters are escaped, DEL and the C1 controls too
// (a terminal obeys them); each maximal part that is no UTF-8 becomes one U+FFFD, so the result is valid whatever
// came from outside.
void append_json_string(std::string& out, std::string_view text);
// Whether nothing in it is escaped: printable ASCII without quote and backslash.
bool is_plain_json(std::string_view text) noexcept;

// What the bytes at the front are: `size` of them belong together, and they are a character when `valid`.
struct Utf8Piece {
    std::size_t size = 1;
    bool valid = false;
};
// Requires: the first byte is 0x80 or above.
Utf8Piece utf8_piece(std::string_view text) noexcept;
// U+0080 to U+009F.
bool is_c1_control(std::string_view character) noexcept;

} // namespace gatehouse::proxy
