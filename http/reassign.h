// A string used again for another text.
#pragma once

#include <string>
#include <string_view>

namespace gatehouse::http {

// OPTIMIZATION: std::string::assign() of libstdc++ replaces a range by another that may lie within it, for twice the
// instructions of clearing and appending. `text` lies outside `out`.
inline void reassign(std::string& out, std::string_view text) {
    out.clear();
    out.append(text);
}

} // namespace gatehouse::http
