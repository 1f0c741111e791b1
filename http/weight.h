// Weights in lists of preferences (RFC 9110 section 12.4.2): "de;q=0.5".
#pragma once

#include <optional>
#include <string_view>

namespace gatehouse::http {

inline constexpr int kFullWeight = 1000; // weights are in thousandths

// "1", "0.5", "0.125": at most three digits behind the point, and at most 1. nullopt: malformed.
std::optional<int> parse_weight(std::string_view text) noexcept;

struct WeightedMember {
    std::string_view value; // what stands in front of the weight; never empty
    int weight = kFullWeight;
};
// A member that has no other parameter than its weight. nullopt: malformed.
std::optional<WeightedMember> parse_weighted_member(std::string_view member) noexcept;

} // namespace gatehouse::http
