// Patterns, matched by hand with one point to go back to.
#include "config/glob.h"

#include "http/ascii.h"

#include <algorithm>
#include <cstddef>
#include <string>

namespace gatehouse::config {
namespace {

// What the text is: characters of a path, or the signs of a pattern, where a star stands for more than one character
// and for none.
enum class Text { Path, Pattern };

template <Text kText>
bool matches_whole(std::string_view pattern, std::string_view text) noexcept {
    const auto matches_one = [](char sign, char c) {
        return sign == c || (sign == '?' && (kText == Text::Path || c != '*'));
    };
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
        } else if (p < pattern.size() && matches_one(pattern[p], text[t])) {
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

std::string anchored(std::string_view pattern) {
    const bool has_start = !pattern.empty() && (pattern.front() == '/' || pattern.front() == '*');
    return (has_start ? "" : "/") + std::string(pattern);
}

} // namespace

bool glob_matches(std::string_view pattern, std::string_view text) noexcept {
    if (pattern == "*") return true; // of the behavior for everything else, which most requests come to
    const bool has_start = !pattern.empty() && (pattern.front() == '/' || pattern.front() == '*');
    if (has_start) return matches_whole<Text::Path>(pattern, text);
    if (text.empty() || text.front() != '/') return false;
    return matches_whole<Text::Path>(pattern, text.substr(1));
}

bool text_matches(std::string_view pattern, std::string_view text) noexcept {
    return matches_whole<Text::Path>(pattern, text);
}

bool glob_covers(std::string_view general, std::string_view special) {
    return matches_whole<Text::Pattern>(anchored(general), anchored(special));
}

bool name_matches(std::string_view pattern, std::string_view name, bool ignore_case) noexcept {
    if (!pattern.empty() && pattern.back() == '*') {
        pattern.remove_suffix(1);
        if (name.size() < pattern.size()) return false;
        name = name.substr(0, pattern.size());
    }
    return ignore_case ? http::iequals(pattern, name) : pattern == name;
}

bool is_named_by(const NameSelection& selection, std::string_view name, bool ignore_case) noexcept {
    const auto matches = [&](const std::string& pattern) { return name_matches(pattern, name, ignore_case); };
    const auto& names = selection.names;
    switch (selection.mode) {
    case NameSelection::Mode::All: return true;
    case NameSelection::Mode::None: return false;
    case NameSelection::Mode::Allow: return std::any_of(names.begin(), names.end(), matches);
    case NameSelection::Mode::Except: return std::none_of(names.begin(), names.end(), matches);
    }
    return false;
}

} // namespace gatehouse::config
