#include "http/cache_control.h"

#include "http/ascii.h"
#include "http/list_parser.h"

#include <algorithm>
#include <array>

namespace gatehouse::http {

namespace {

constexpr std::uint32_t kDeltaSecondsMax = std::uint32_t{1} << 31;

using Argument = std::optional<std::string_view>;

// A recipient accepts token and quoted-string for every argument. RFC 9111 section 5.2
DeltaSeconds delta_argument(Argument raw) {
    if (!raw) {
        return {DeltaSeconds::State::Invalid, 0};
    }
    if (raw->starts_with('"')) {
        const auto unquoted = unquote(*raw);
        return unquoted ? parse_delta_seconds(*unquoted) : DeltaSeconds{DeltaSeconds::State::Invalid, 0};
    }
    return parse_delta_seconds(*raw);
}

enum class Prefer : std::uint8_t { Smaller, Larger };

// When a directive comes twice, the more restrictive value counts. RFC 9111 section 4.2.1
void combine(DeltaSeconds& known, DeltaSeconds next, Prefer prefer) noexcept {
    if (!known.present() || (known.valid() && !next.valid())) {
        known = next;
    } else if (known.valid()) {
        known.seconds = prefer == Prefer::Smaller ? std::min(known.seconds, next.seconds)
                                                  : std::max(known.seconds, next.seconds);
    }
}

// The field names of no-cache="a, b". False when the directive has no argument, or one that is no list of names:
// then it counts as unqualified, which restricts more. RFC 9111 section 5.2.2.4
bool add_field_names(Argument raw, std::vector<std::string>& names) {
    if (!raw) {
        return false;
    }
    std::string unquoted;
    std::string_view rest = *raw;
    if (rest.starts_with('"')) {
        auto text = unquote(rest);
        if (!text) {
            return false;
        }
        unquoted = std::move(*text);
        rest = unquoted;
    }
    std::vector<std::string> found;
    for (std::string_view member; next_member(rest, member);) {
        if (!is_token(member)) {
            return false;
        }
        found.emplace_back(member);
    }
    if (found.empty()) {
        return false;
    }
    for (std::string& name : found) {
        const auto same = [&](const std::string& known) { return iequals(known, name); };
        if (std::none_of(names.begin(), names.end(), same)) {
            names.push_back(std::move(name));
        }
    }
    return true;
}

template <class Directives>
struct Flag {
    std::string_view name;
    bool Directives::*member;
};

template <class Directives>
struct Lifetime {
    std::string_view name;
    DeltaSeconds Directives::*member;
    Prefer prefer;
};

constexpr std::array<Flag<ResponseCacheControl>, 7> kResponseFlags = {{
    {"no-store", &ResponseCacheControl::no_store},
    {"public", &ResponseCacheControl::is_public},
    {"must-revalidate", &ResponseCacheControl::must_revalidate},
    {"proxy-revalidate", &ResponseCacheControl::proxy_revalidate},
    {"must-understand", &ResponseCacheControl::must_understand},
    {"immutable", &ResponseCacheControl::immutable},
    {"no-transform", &ResponseCacheControl::no_transform},
}};

constexpr std::array<Lifetime<ResponseCacheControl>, 4> kResponseLifetimes = {{
    {"max-age", &ResponseCacheControl::max_age, Prefer::Smaller},
    {"s-maxage", &ResponseCacheControl::s_maxage, Prefer::Smaller},
    {"stale-while-revalidate", &ResponseCacheControl::stale_while_revalidate, Prefer::Smaller},
    {"stale-if-error", &ResponseCacheControl::stale_if_error, Prefer::Smaller},
}};

constexpr std::array<Flag<RequestCacheControl>, 4> kRequestFlags = {{
    {"no-cache", &RequestCacheControl::no_cache},
    {"no-store", &RequestCacheControl::no_store},
    {"no-transform", &RequestCacheControl::no_transform},
    {"only-if-cached", &RequestCacheControl::only_if_cached},
}};

// A larger min-fresh asks for more than a smaller one.
constexpr std::array<Lifetime<RequestCacheControl>, 3> kRequestLifetimes = {{
    {"max-age", &RequestCacheControl::max_age, Prefer::Smaller},
    {"min-fresh", &RequestCacheControl::min_fresh, Prefer::Larger},
    {"stale-if-error", &RequestCacheControl::stale_if_error, Prefer::Smaller},
}};

// True when one of the tables knows the directive. A flag counts whatever its argument is: to ignore
// `no-store="x"` would store what was not to be stored.
template <class Directives, class Flags, class Lifetimes>
bool take_from_tables(const RawDirective& directive, Directives& into, const Flags& flags,
                      const Lifetimes& lifetimes) {
    for (const auto& row : flags) {
        if (iequals(row.name, directive.name)) {
            into.*row.member = true;
            return true;
        }
    }
    for (const auto& row : lifetimes) {
        if (iequals(row.name, directive.name)) {
            combine(into.*row.member, delta_argument(directive.raw), row.prefer);
            return true;
        }
    }
    return false;
}

void take_response_directive(const RawDirective& directive, ResponseCacheControl& into) {
    if (take_from_tables(directive, into, kResponseFlags, kResponseLifetimes)) {
        return;
    }
    if (iequals(directive.name, "no-cache")) {
        into.no_cache = !add_field_names(directive.raw, into.no_cache_fields) || into.no_cache;
    } else if (iequals(directive.name, "private")) {
        into.is_private = !add_field_names(directive.raw, into.private_fields) || into.is_private;
    }
    // What is not known is ignored. RFC 9111 section 5.2.3
}

void take_request_directive(const RawDirective& directive, RequestCacheControl& into) {
    if (take_from_tables(directive, into, kRequestFlags, kRequestLifetimes)) {
        return;
    }
    if (iequals(directive.name, "max-stale")) {
        // Without an argument the client takes a response however stale it is. RFC 9111 section 5.2.1.2
        if (directive.raw) {
            combine(into.max_stale, delta_argument(directive.raw), Prefer::Smaller);
        } else {
            into.max_stale_any = true;
        }
    }
}

template <class Visitor>
void for_each_directive(const Fields& fields, std::string_view field_name, Visitor&& visit) {
    fields.for_each(field_name, [&](std::string_view text) {
        for (std::string_view member; next_member(text, member);) {
            if (const auto directive = split_directive(member)) {
                visit(*directive);
            }
        }
    });
}

} // namespace

// A number of seconds too large to be held counts as 2^31. RFC 9111 section 1.2.2
DeltaSeconds parse_delta_seconds(std::string_view text) noexcept {
    const auto number = parse_digits(text);
    if (!number) {
        return {DeltaSeconds::State::Invalid, 0};
    }
    return {DeltaSeconds::State::Valid,
            static_cast<std::uint32_t>(std::min<std::uint64_t>(*number, kDeltaSecondsMax))};
}

ResponseCacheControl parse_response_cache_control(const Fields& fields, std::string_view field_name) {
    ResponseCacheControl parsed;
    parsed.present = fields.contains(field_name);
    if (parsed.present) {
        for_each_directive(fields, field_name,
                           [&](const RawDirective& directive) { take_response_directive(directive, parsed); });
    }
    if (parsed.no_cache) {
        parsed.no_cache_fields.clear();
    }
    if (parsed.is_private) {
        parsed.private_fields.clear();
    }
    return parsed;
}

RequestCacheControl parse_request_cache_control(const Fields& fields) {
    RequestCacheControl parsed;
    if (!fields.contains("Cache-Control")) {
        // Pragma: no-cache counts only for a client that sent no Cache-Control. RFC 9111 section 5.4
        parsed.no_cache = list_contains(fields, "Pragma", "no-cache");
        return parsed;
    }
    for_each_directive(fields, "Cache-Control",
                       [&](const RawDirective& directive) { take_request_directive(directive, parsed); });
    if (parsed.max_stale.present()) {
        parsed.max_stale_any = false; // the limit restricts more than the absence of one
    }
    return parsed;
}

} // namespace gatehouse::http
