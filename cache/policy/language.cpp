#include "cache/policy/language.h"

#include "http/ascii.h"
#include "http/list_parser.h"

#include <algorithm>
#include <vector>

namespace gatehouse::cache::policy {

namespace {

constexpr int kFullWeight = 1000; // weights in thousandths

struct WeightedLanguage {
    std::string_view range;
    int weight = kFullWeight;
};

// Language tags and ranges: letters first, then digits and '-' too. RFC 5646 section 2.1
bool is_language(std::string_view text) noexcept {
    const auto is_letter = [](char c) { return http::to_lower(c) >= 'a' && http::to_lower(c) <= 'z'; };
    return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
    });
}

// "1", "0.5", "0.125": at most three digits behind the point, and at most 1. RFC 9110 section 12.4.2
std::optional<int> parse_weight(std::string_view text) noexcept {
    constexpr std::size_t kMostDigits = 3;
    if (text.empty() || (text.front() != '0' && text.front() != '1')) {
        return std::nullopt;
    }
    int weight = text.front() == '1' ? kFullWeight : 0;
    text.remove_prefix(1);
    if (text.empty()) {
        return weight;
    }
    if (text.front() != '.' || text.size() > kMostDigits + 1) {
        return std::nullopt;
    }
    int unit = kFullWeight / 10;
    for (const char c : text.substr(1)) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        weight += (c - '0') * unit;
        unit /= 10;
    }
    return weight <= kFullWeight ? std::optional(weight) : std::nullopt;
}

// "de", "de;q=0.5", "*"; no other parameter is defined. RFC 9110 section 12.5.4
std::optional<WeightedLanguage> parse_language(std::string_view member) noexcept {
    WeightedLanguage language;
    const std::size_t semicolon = member.find(';');
    language.range = http::trim_ows(member.substr(0, semicolon));
    if (!is_language(language.range) && language.range != "*") {
        return std::nullopt;
    }
    if (semicolon == member.npos) {
        return language;
    }
    const std::string_view parameter = http::trim_ows(member.substr(semicolon + 1));
    if (parameter.size() < 2 || http::to_lower(parameter[0]) != 'q' || parameter[1] != '=') {
        return std::nullopt;
    }
    const auto weight = parse_weight(parameter.substr(2));
    if (!weight) {
        return std::nullopt;
    }
    language.weight = *weight;
    return language;
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
    WeightedLanguage best{{}, 0};
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
    if (best.weight == 0 || is_shared || best.range == "*") {
        return std::nullopt;
    }
    return http::lower(best.range);
}

std::string content_language(const http::Fields& response) {
    const auto members = http::list_members(response, "Content-Language");
    return members.size() == 1 && is_language(members.front()) ? http::lower(members.front()) : std::string();
}

} // namespace gatehouse::cache::policy
