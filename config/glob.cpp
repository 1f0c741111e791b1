// Patterns, matched by hand with one point to go back to.
#include "config/glob.h"

#include "http/ascii.h"

#include <cstddef>

namespace gatehouse::config {

bool text_matches(std::string_view pattern, std::string_view text) noexcept {
    std::size_t p = 0;
    std::size_t t = 0;
    // Where to resume after a mismatch: the last star, and how much of the text it has taken so far. Only the last
    // one matters, because an earlier star can never need more than it took.
    std::size_t star = std::string_view::npos;
    std::size_t taken = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            taken = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

bool glob_matches(std::string_view pattern, std::string_view text) noexcept {
    const bool anchored = !pattern.empty() && (pattern.front() == '/' || pattern.front() == '*');
    if (anchored) return text_matches(pattern, text);
    if (text.empty() || text.front() != '/') return false;
    return text_matches(pattern, text.substr(1));
}

bool name_matches(std::string_view pattern, std::string_view name, bool ignore_case) noexcept {
    if (!pattern.empty() && pattern.back() == '*') {
        pattern.remove_suffix(1);
        if (name.size() < pattern.size()) return false;
        name = name.substr(0, pattern.size());
    }
    return ignore_case ? http::iequals(pattern, name) : pattern == name;
}

} // namespace gatehouse::config
