// Text as a JSON string, written by hand because log lines are built from it by the thousand.
#pragma once

#include <string>
#include <string_view>

namespace gatehouse::proxy {

// Appends `text` between quotes. Quote, backslash and control characters are escaped, DEL and the C1 controls too
// (a terminal obeys them); each maximal part that is no UTF-8 becomes one U+FFFD, so the result is valid whatever
// came from outside.
void append_json_string(std::string& out, std::string_view text);

} // namespace gatehouse::proxy
