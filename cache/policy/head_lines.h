// Walking the field lines of a head as they are stored and sent: "Name: value\r\n", one after the other.
#pragma once

#include "http/ascii.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// Calls visit(name, line) for each line; the line includes its end.
template <class Visitor>
void for_each_line(std::string_view lines, Visitor&& visit) {
    constexpr std::string_view kCrLf = "\r\n";
    while (!lines.empty()) {
        const std::size_t size = std::min(lines.find(kCrLf), lines.size() - kCrLf.size()) + kCrLf.size();
        visit(lines.substr(0, lines.find(':')), lines.substr(0, size));
        lines.remove_prefix(size);
    }
}

// Tells the names that do not belong into some kind of answer.
using SkipName = bool (*)(std::string_view name);

inline std::string_view line_value(std::string_view name, std::string_view line) noexcept {
    return line.substr(name.size() + 2, line.size() - name.size() - 4);
}

// The value of the first line of that name; empty where there is none.
inline std::string_view first_value(std::string_view lines, std::string_view wanted) noexcept {
    std::string_view value;
    bool found = false;
    for_each_line(lines, [&](std::string_view name, std::string_view line) {
        if (!found && http::iequals(name, wanted)) {
            value = line_value(name, line);
            found = true;
        }
    });
    return value;
}

inline void append_line(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

} // namespace gatehouse::cache::policy
