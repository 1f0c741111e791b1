#include "cache/policy/no_vary_search.h"

#include "http/structured_fields.h"
#include "http/urlencoded.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace gatehouse::cache::policy {

namespace {

namespace structured = http::structured;

constexpr char kEnd = '\n';
constexpr char kMark = '('; // no field name begins with it, no cookie, and not the sign of an empty query
constexpr char kMarkEnd = ')';
constexpr std::string_view kEmptyQuery = "?\n";

const bool* boolean(const structured::Member& member) noexcept {
    const auto* const item = std::get_if<structured::Item>(&member);
    return item == nullptr ? nullptr : std::get_if<bool>(&item->value);
}

// The names of an inner list of strings.
std::optional<std::vector<std::string>> names_of(const structured::Member& member) {
    const auto* const list = std::get_if<structured::InnerList>(&member);
    if (list == nullptr) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (const structured::Item& item : list->items) {
        const auto* const text = std::get_if<std::string>(&item.value);
        if (text == nullptr) {
            return std::nullopt;
        }
        // A name is written as it would be in a query, so that it may be any. Draft section 5.3
        names.push_back(http::decode_urlencoded(*text));
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

// DEVIATION: the draft had `params` as a boolean, with `except` beside it, until its fifth version, and has `except`
// alone since. Both mean the same where both are valid, and origins write what the browsers of their time read: both
// are obeyed. What neither allows is malformed, as `params` with names beside `except`.
bool take_names(const structured::Dictionary& dictionary, SearchRule& rule) {
    const structured::Member* const params = structured::find(dictionary, "params");
    const structured::Member* const except = structured::find(dictionary, "except");
    const bool* const all = params == nullptr ? nullptr : boolean(*params);
    if (except != nullptr) {
        auto names = names_of(*except);
        if (!names || (params != nullptr && (all == nullptr || !*all))) {
            return false;
        }
        rule.only_named = true;
        rule.names = std::move(*names);
        return true;
    }
    if (params == nullptr) {
        return true;
    }
    if (all != nullptr) {
        rule.only_named = *all;
        return true;
    }
    auto names = names_of(*params);
    if (!names) {
        return false;
    }
    rule.names = std::move(*names);
    return true;
}

} // namespace

std::optional<SearchRule> search_rule(const http::Fields& response) {
    if (!response.contains("No-Vary-Search")) {
        return std::nullopt;
    }
    const std::string text = response.combined("No-Vary-Search");
    if (text.size() > kMaxNoVarySearchBytes) {
        return std::nullopt;
    }
    const auto dictionary = structured::parse_dictionary(text);
    SearchRule rule;
    if (!dictionary || !take_names(*dictionary, rule)) {
        return std::nullopt;
    }
    if (const structured::Member* const order = structured::find(*dictionary, "key-order")) {
        const bool* const any = boolean(*order);
        if (any == nullptr) {
            return std::nullopt;
        }
        rule.any_order = *any;
    }
    // What says nothing leaves queries to be compared byte for byte. Draft section 6
    return rule == SearchRule() ? std::nullopt : std::optional(std::move(rule));
}

std::string normal_query(std::string_view query, const SearchRule& rule) {
    auto parameters = http::parse_query(query);
    std::erase_if(parameters, [&rule](const http::QueryParameter& parameter) {
        return std::binary_search(rule.names.begin(), rule.names.end(), parameter.name) != rule.only_named;
    });
    if (rule.any_order) {
        // The draft sorts by UTF-16 code units; any order will do, as long as it is one and the same.
        std::stable_sort(parameters.begin(), parameters.end(),
                         [](const auto& left, const auto& right) { return left.name < right.name; });
    }
    return http::write_query(parameters);
}

std::string key_by_rule(std::string_view key, const SearchRule& rule, std::uint64_t number) {
    const KeyParts parts = split_cache_key(key);
    std::string_view fields = parts.fields;
    // No query and an empty one are equal by every rule. Draft section 6
    if (fields.starts_with(kEmptyQuery)) {
        fields.remove_prefix(kEmptyQuery.size());
    }
    std::string out(key.substr(0, static_cast<std::size_t>(parts.query.data() - key.data())));
    out.append(normal_query(parts.query, rule)).append(1, kEnd);
    out.append(1, kMark).append(std::to_string(number)).append(1, kMarkEnd).append(1, kEnd).append(fields);
    return out;
}

std::optional<std::uint64_t> rule_number(const KeyParts& key) noexcept {
    if (!key.fields.starts_with(kMark)) {
        return std::nullopt;
    }
    std::uint64_t number = 0;
    const char* const begin = key.fields.data() + 1;
    const auto read = std::from_chars(begin, key.fields.data() + key.fields.size(), number);
    return read.ec == std::errc() ? std::optional(number) : std::nullopt;
}

} // namespace gatehouse::cache::policy
