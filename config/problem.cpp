// How a problem is printed.
#include "config/loader.h"

namespace gatehouse::config {
namespace {

// White space as wide as the characters before the column: tabs stay tabs, and the bytes after the first of a UTF-8
// character take no room.
std::string caret_line(const std::string& source, int column) {
    std::string out;
    int seen = 1;
    for (const char c : source) {
        if (seen >= column) break;
        if ((static_cast<unsigned char>(c) & 0xC0U) == 0x80U) continue;
        out += c == '\t' ? '\t' : ' ';
        ++seen;
    }
    // The place may lie behind the end of the line, such as where a bracket is missing.
    return out + "^";
}

} // namespace

std::string Problem::summary() const {
    std::string out = place.file;
    if (place.line > 0) out += ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
    out += severity == Severity::Error ? ": error: " : ": warning: ";
    if (!path.empty()) out += path + ": ";
    return out + message;
}

std::string Problem::to_string() const {
    std::string out = summary();
    if (!source.empty()) out += "\n  " + source + "\n  " + caret_line(source, place.column - shift);
    return out;
}

} // namespace gatehouse::config
