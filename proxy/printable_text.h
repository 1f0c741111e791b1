// Text for a terminal or a report: on one line, whatever came from outside.
#pragma once

#include <string>
#include <string_view>

namespace gatehouse::proxy {

// Control characters, those of C1 (U+0080 to U+009F) too because terminals obey them, and bytes that are no UTF-8 are
// escaped: "\n", "\x1b", "\u009b". Doing it again changes nothing.
std::string printable(std::string_view text);

} // namespace gatehouse::proxy
