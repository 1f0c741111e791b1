#include "http/weight.h"

#include "http/ascii.h"

namespace gatehouse::http {

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

std::optional<WeightedMember> parse_weighted_member(std::string_view member) noexcept {
    const std::size_t semicolon = member.find(';');
    WeightedMember out{trim_ows(member.substr(0, semicolon))};
    if (out.value.empty()) {
        return std::nullopt;
    }
    if (semicolon == member.npos) {
        return out;
    }
    const std::string_view parameter = trim_ows(member.substr(semicolon + 1));
    if (parameter.size() < 2 || to_lower(parameter[0]) != 'q' || parameter[1] != '=') {
        return std::nullopt;
    }
    const auto weight = parse_weight(parameter.substr(2));
    if (!weight) {
        return std::nullopt;
    }
    out.weight = *weight;
    return out;
}

} // namespace gatehouse::http
