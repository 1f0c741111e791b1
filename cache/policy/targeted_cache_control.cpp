#include "cache/policy/targeted_cache_control.h"

#include "http/structured_fields.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace gatehouse::cache::policy {

namespace {

namespace structured = http::structured;
using http::DeltaSeconds;
using http::ResponseCacheControl;

constexpr std::int64_t kDeltaSecondsMax = std::int64_t{1} << 31; // RFC 9111 section 1.2.2

template <class T>
using Directive = std::pair<std::string_view, T ResponseCacheControl::*>;

// These forbid something, and count whatever their value is: to ignore `no-store=5` would store what was not to be.
// The qualified forms of no-cache and private count as unqualified.
constexpr std::array<Directive<bool>, 7> kRestrictions = {{
    {"no-store", &ResponseCacheControl::no_store},
    {"no-cache", &ResponseCacheControl::no_cache},
    {"private", &ResponseCacheControl::is_private},
    {"must-revalidate", &ResponseCacheControl::must_revalidate},
    {"proxy-revalidate", &ResponseCacheControl::proxy_revalidate},
    {"immutable", &ResponseCacheControl::immutable},
    {"no-transform", &ResponseCacheControl::no_transform},
}};

// These permit something, and count only where they are what they are defined to be: without a value.
constexpr std::array<Directive<bool>, 2> kPermissions = {{
    {"public", &ResponseCacheControl::is_public},
    {"must-understand", &ResponseCacheControl::must_understand},
}};

constexpr std::array<Directive<DeltaSeconds>, 4> kLifetimes = {{
    {"max-age", &ResponseCacheControl::max_age},
    {"s-maxage", &ResponseCacheControl::s_maxage},
    {"stale-while-revalidate", &ResponseCacheControl::stale_while_revalidate},
    {"stale-if-error", &ResponseCacheControl::stale_if_error},
}};

// A directive without a value is true, and `?0` says that it is not there. RFC 9213 section 2.1
bool is_boolean(const structured::BareItem* value, bool wanted) noexcept {
    const bool* boolean = value == nullptr ? nullptr : std::get_if<bool>(value);
    return boolean != nullptr && *boolean == wanted;
}

// Seconds are an integer; anything else, a string of digits too, is no lifetime. RFC 9213 section 2.1
DeltaSeconds lifetime_of(const structured::BareItem* value) noexcept {
    const auto* seconds = value == nullptr ? nullptr : std::get_if<std::int64_t>(value);
    if (seconds == nullptr || *seconds < 0) {
        return {DeltaSeconds::State::Invalid, 0};
    }
    return {DeltaSeconds::State::Valid, static_cast<std::uint32_t>(std::min(*seconds, kDeltaSecondsMax))};
}

void take_directive(const structured::DictionaryMember& member, ResponseCacheControl& control) {
    // Parameters are passed over: no directive gives them a meaning. RFC 9213 section 2.1
    const auto* item = std::get_if<structured::Item>(&member.value);
    const structured::BareItem* value = item == nullptr ? nullptr : &item->value; // null: an inner list
    if (is_boolean(value, false)) {
        return;
    }
    for (const auto& [name, flag] : kRestrictions) {
        control.*flag = control.*flag || name == member.key;
    }
    for (const auto& [name, flag] : kPermissions) {
        control.*flag = control.*flag || (name == member.key && is_boolean(value, true));
    }
    for (const auto& [name, lifetime] : kLifetimes) {
        if (name == member.key) {
            control.*lifetime = lifetime_of(value);
        }
    }
}

} // namespace

std::optional<ResponseCacheControl> parse_targeted_cache_control(const http::Fields& fields,
                                                                 std::string_view field_name) {
    if (!fields.contains(field_name)) {
        return std::nullopt;
    }
    const auto dictionary = structured::parse_dictionary(fields.combined(field_name));
    // A field that is empty or cannot be parsed is ignored as if it were absent. RFC 9213 section 2.1
    if (!dictionary || dictionary->empty()) {
        return std::nullopt;
    }
    ResponseCacheControl control;
    control.present = true;
    for (const structured::DictionaryMember& member : *dictionary) {
        take_directive(member, control); // what is not known is ignored
    }
    return control;
}

} // namespace gatehouse::cache::policy
