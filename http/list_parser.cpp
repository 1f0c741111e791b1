#include "http/list_parser.h"

#include "http/ascii.h"

namespace gatehouse::http {

namespace {

// The offset of the first comma outside a quoted-string, or the end.
std::size_t end_of_member(std::string_view text) noexcept {
    bool in_quotes = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '"') {
            in_quotes = !in_quotes;
        } else if (c == '\\' && in_quotes) {
            ++at; // a backslash in a quoted-string takes the next character with it. RFC 9110 section 5.6.4
        } else if (c == ',' && !in_quotes) {
            return at;
        }
    }
    return text.size();
}

} // namespace

bool next_member(std::string_view& rest, std::string_view& member) noexcept {
    while (!rest.empty()) {
        const std::size_t end = end_of_member(rest);
        member = trim_ows(rest.substr(0, end));
        rest.remove_prefix(end < rest.size() ? end + 1 : end);
        // A recipient passes over empty members. RFC 9110 section 5.6.1.2
        if (!member.empty()) {
            return true;
        }
    }
    return false;
}

std::vector<std::string_view> split_list(std::string_view text) {
    std::vector<std::string_view> members;
    for (std::string_view member; next_member(text, member);) {
        members.push_back(member);
    }
    return members;
}

std::vector<std::string_view> list_members(const Fields& fields, std::string_view name) {
    std::vector<std::string_view> members;
    fields.for_each(name, [&](std::string_view text) {
        for (std::string_view member; next_member(text, member);) {
            members.push_back(member);
        }
    });
    return members;
}

bool list_contains(const Fields& fields, std::string_view name, std::string_view token) noexcept {
    bool found = false;
    fields.for_each(name, [&](std::string_view text) {
        for (std::string_view member; !found && next_member(text, member);) {
            found = iequals(member, token);
        }
    });
    return found;
}

std::optional<RawDirective> split_directive(std::string_view member) noexcept {
    const std::size_t equals = member.find('=');
    const std::string_view name = member.substr(0, equals);
    if (!is_token(name)) {
        return std::nullopt;
    }
    if (equals == std::string_view::npos) {
        return RawDirective{name, std::nullopt};
    }
    return RawDirective{name, member.substr(equals + 1)};
}

std::optional<Directive> parse_directive(std::string_view member) {
    const auto raw = split_directive(member);
    if (!raw) {
        return std::nullopt;
    }
    Directive directive;
    directive.name = raw->name;
    if (raw->raw) {
        if (auto unquoted = unquote(*raw->raw)) {
            directive.argument = std::move(unquoted);
            directive.quoted = true;
        } else {
            directive.argument.emplace(*raw->raw);
        }
    }
    return directive;
}

// A quoted-string stands between double quotes; a backslash makes the next character stand for itself; other
// characters are those of a field value. RFC 9110 section 5.6.4
std::optional<std::string> unquote(std::string_view quoted) {
    if (quoted.size() < 2 || quoted.front() != '"' || quoted.back() != '"') {
        return std::nullopt;
    }
    const std::string_view inner = quoted.substr(1, quoted.size() - 2);
    if (!is_field_value(inner)) {
        return std::nullopt;
    }
    std::string text;
    text.reserve(inner.size());
    for (std::size_t at = 0; at < inner.size(); ++at) {
        if (inner[at] == '"') {
            return std::nullopt;
        }
        if (inner[at] == '\\' && ++at == inner.size()) {
            return std::nullopt; // the backslash escapes the closing quote
        }
        text += inner[at];
    }
    return text;
}

// Only printable ASCII, with quote and backslash escaped. RFC 9651 section 4.1.6
std::string sf_string(std::string_view text) {
    std::string quoted;
    quoted.reserve(text.size() + 2);
    quoted += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            quoted += '\\';
        }
        quoted += (c >= ' ' && c <= '~') ? c : '?';
    }
    quoted += '"';
    return quoted;
}

} // namespace gatehouse::http
