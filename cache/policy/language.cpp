#include "cache/policy/language.h"

#include "http/ascii.h"
#include "http/list_parser.h"
#include "http/weight.h"

#include <algorithm>
#include <vector>

namespace gatehouse::cache::policy {

namespace {

// Language tags and ranges: letters first, then digits and '-' too. RFC 5646 section 2.1
bool is_language(std::string_view text) noexcept {
    const auto is_letter = [](char c) { return http::to_lower(c) >= 'a' && http::to_lower(c) <= 'z'; };
    return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
    });
}

// "de", "de;q=0.5", "*"; no other parameter is defined. RFC 9110 section 12.5.4
std::optional<http::WeightedMember> parse_language(std::string_view member) noexcept {
    const auto language = http::parse_weighted_member(member);
    return language && (is_language(language->value) || language->value == "*") ? language : std::nullopt;
}

// "de ; q=0.5" as "de;q=0.5": white space around a semicolon means nothing. RFC 9110 section 5.6.6
std::string without_spaces(std::string_view member) {
    std::string text;
    for (const char c : member) {
        if (c != ' ' && c != '\t') {
            text += http::to_lower(c);
        }
    }
    return text;
}

} // namespace

std::string unordered_languages(const http::Fields& request) {
    std::vector<std::string> members;
    for (const std::string_view member : http::list_members(request, "Accept-Language")) {
        members.push_back(without_spaces(member));
    }
    std::sort(members.begin(), members.end());
    std::string joined;
    for (const std::string& member : members) {
        joined += joined.empty() ? "" : ",";
        joined += member;
    }
    return joined;
}

std::optional<std::string> preferred_language(const http::Fields& request) {
    http::WeightedMember best{{}, 0};
    bool is_shared = false;
    for (const std::string_view member : http::list_members(request, "Accept-Language")) {
        const auto language = parse_language(member);
        if (!language) {
            return std::nullopt;
        }
        if (language->weight > best.weight) {
            best = *language;
            is_shared = false;
        } else if (language->weight == best.weight) {
            is_shared = true; // which of the two is preferred is not said. RFC 9110 section 12.5.4
        }
    }
    if (best.weight == 0 || is_shared || best.value == "*") {
        return std::nullopt;
    }
    return http::lower(best.value);
}

std::string content_language(const http::Fields& response) {
    const auto members = http::list_members(response, "Content-Language");
    return members.size() == 1 && is_language(members.front()) ? http::lower(members.front()) : std::string();
}

} // namespace gatehouse::cache::policy
