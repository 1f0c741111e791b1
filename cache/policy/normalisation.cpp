#include "cache/policy/normalisation.h"

#include "http/ascii.h"
#include "http/list_parser.h"
#include "http/weight.h"

#include <algorithm>

namespace gatehouse::cache::policy {

namespace {

// The weight of a coding: its own, else that of "*", else none. RFC 9110 section 12.5.3
int weight_of_coding(const std::vector<std::string_view>& members, std::string_view coding) {
    int weight = 0;
    for (const std::string_view member : members) {
        const auto one = http::parse_weighted_member(member);
        if (!one) {
            continue;
        }
        // "x-gzip" is the same as "gzip". RFC 9110 section 8.4.1.3
        const bool is_named =
            http::iequals(one->value, coding) || (coding == "gzip" && http::iequals(one->value, "x-gzip"));
        if (is_named) {
            return one->weight;
        }
        if (one->value == "*") {
            weight = one->weight;
        }
    }
    return weight;
}

// Whether a range that is shortened subtag by subtag comes to the tag: "zh-Hant-CN", "zh-Hant", "zh". RFC 4647
// section 3.4
bool looks_up(std::string_view range, std::string_view tag) noexcept {
    return range.size() >= tag.size() && http::iequals(range.substr(0, tag.size()), tag) &&
           (range.size() == tag.size() || range[tag.size()] == '-');
}

// Null when the range comes to none of them.
const std::string* longest_match(std::string_view range, const std::vector<std::string>& offered) noexcept {
    const std::string* longest = nullptr;
    for (const std::string& tag : offered) {
        if (looks_up(range, tag) && (longest == nullptr || tag.size() > longest->size())) {
            longest = &tag;
        }
    }
    return longest;
}

bool contains_word(std::string_view text, std::string_view word) noexcept {
    return text.find(word) != std::string_view::npos;
}

} // namespace

std::string normalised_encodings(const http::Fields& request, const std::vector<std::string>& offered) {
    const auto members = http::list_members(request, "Accept-Encoding");
    std::string accepted;
    for (const std::string& coding : offered) {
        if (weight_of_coding(members, coding) > 0) {
            accepted.append(accepted.empty() ? "" : ",").append(coding);
        }
    }
    return accepted.empty() ? "identity" : accepted;
}

std::string normalised_language(const http::Fields& request, const std::vector<std::string>& offered) {
    const std::string* best = &offered.front();
    int best_weight = 0;
    for (const std::string_view member : http::list_members(request, "Accept-Language")) {
        const auto wish = http::parse_weighted_member(member);
        if (!wish || wish->weight <= best_weight) {
            continue;
        }
        if (const std::string* tag = longest_match(wish->value, offered)) {
            best = tag;
            best_weight = wish->weight;
        }
    }
    return *best;
}

std::string_view device_class(std::string_view user_agent) noexcept {
    // Tablets first: that of Android lacks the word that its telephones have.
    const bool is_android = contains_word(user_agent, "Android");
    const bool is_mobile = contains_word(user_agent, "Mobi");
    const bool is_tablet = contains_word(user_agent, "iPad") || contains_word(user_agent, "Tablet") ||
                           contains_word(user_agent, "Kindle") || contains_word(user_agent, "Silk/");
    if (is_tablet || (is_android && !is_mobile)) {
        return "tablet";
    }
    return is_mobile || is_android || contains_word(user_agent, "iPhone") ? "mobile" : "desktop";
}

void normalise_request(http::Fields& request, const config::Normalization& rules) {
    if (!rules.accept_encoding.empty() && request.contains("Accept-Encoding")) {
        request.set("Accept-Encoding", normalised_encodings(request, rules.accept_encoding));
    }
    if (!rules.accept_language.empty() && request.contains("Accept-Language")) {
        request.set("Accept-Language", normalised_language(request, rules.accept_language));
    }
    if (rules.device_class && request.contains("User-Agent")) {
        request.set("User-Agent", device_class(request.first("User-Agent").value_or("")));
    }
}

} // namespace gatehouse::cache::policy
