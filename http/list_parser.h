// The single tokenizer for list-based fields (RFC 9110 section 5.6): members, tokens, quoted strings, parameters.
#pragma once

#include "http/fields.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::http {

// One directive of a comma-separated list: name, and argument if there is "=".
struct Directive {
    std::string_view name;
    std::optional<std::string> argument; // unquoted
    bool quoted = false;                 // the argument came as a quoted-string
};

// A directive as views, for callers that must not allocate: `raw` is what follows "=", quotes and all.
struct RawDirective {
    std::string_view name;
    std::optional<std::string_view> raw;
};

// Takes the next member off the front of `rest`: trimmed, never empty. False when there is none left.
bool next_member(std::string_view& rest, std::string_view& member) noexcept;
// Splits at commas outside quoted strings, trims white space, drops empty members (RFC 9110 section 5.6.1.2).
// Total: an unterminated quoted string extends to the end of the text.
std::vector<std::string_view> split_list(std::string_view text);
// The members of every line of that name, in order.
std::vector<std::string_view> list_members(const Fields& fields, std::string_view name);
// Whether a member equals the token, without case (Connection: close, Vary: *).
bool list_contains(const Fields& fields, std::string_view name, std::string_view token) noexcept;
// "name", "name=token", "name=\"quoted\"". nullopt when the name is no token. An argument that is neither token nor
// well-formed quoted-string is given as it stands, with quoted false.
std::optional<Directive> parse_directive(std::string_view member);
std::optional<RawDirective> split_directive(std::string_view member) noexcept;
// Removes quotes and backslash escapes; nullopt when not a well-formed quoted-string.
std::optional<std::string> unquote(std::string_view quoted);
// A structured-field string (RFC 9651 section 4.1.6): quoted and escaped; characters outside printable ASCII are
// replaced by '?', so that any input gives a valid field value.
std::string sf_string(std::string_view text);

} // namespace gatehouse::http
