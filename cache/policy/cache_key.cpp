#include "cache/policy/cache_key.h"

#include "config/glob.h"
#include "config/key_prefix.h"
#include "http/ascii.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace gatehouse::cache::policy {

namespace {

using Mode = config::NameSelection::Mode;

constexpr char kEnd = '\n'; // of each part

// Parameters and cookies are compared as raw bytes, with case and not percent-decoded: what is written differently is
// another name, and a name that is not selected is not forwarded either, so that the origin never sees what the key does
// not hold. Field names are compared without case (RFC 9110 section 5.1).
bool is_selected(const config::NameSelection& selection, std::string_view name, bool ignore_case) noexcept {
    return config::is_named_by(selection, name, ignore_case);
}

std::string_view name_of(std::string_view pair) noexcept { return pair.substr(0, pair.find('=')); }

const config::NameSelection kNothing{Mode::None, {}};

// Appends the parameters that one of the two selects, joined with '&'. Returns whether there was any, which an empty one
// is too.
bool append_query(std::string_view query, const config::NameSelection& selection, const config::NameSelection& beside,
                  std::string& out) {
    if (selection.mode == Mode::All || beside.mode == Mode::All) {
        out += query;
        return true;
    }
    bool any = false;
    for (bool more = true; more;) {
        const std::size_t end = query.find('&');
        const std::string_view parameter = query.substr(0, end);
        more = end != std::string_view::npos;
        query.remove_prefix(more ? end + 1 : query.size());
        const std::string_view name = name_of(parameter);
        if (is_selected(selection, name, false) || is_selected(beside, name, false)) {
            if (any) {
                out += '&';
            }
            out += parameter;
            any = true;
        }
    }
    return any;
}

// Sorts the parameters that begin at `begin` by name.
void sort_parameters(std::string& text, std::size_t begin) {
    const std::string query = text.substr(begin);
    std::vector<std::string_view> parameters;
    for (std::string_view rest = query; !rest.empty();) {
        parameters.push_back(rest.substr(0, rest.find('&')));
        rest.remove_prefix(std::min(parameters.back().size() + 1, rest.size()));
    }
    std::stable_sort(parameters.begin(), parameters.end(),
                     [](std::string_view a, std::string_view b) { return name_of(a) < name_of(b); });
    text.resize(begin);
    for (const std::string_view parameter : parameters) {
        text.append(text.size() == begin ? "" : "&").append(parameter);
    }
}

// The query as the key has it. Returns whether there is any, which an empty one is too.
bool append_keyed_query(std::string_view query, const config::KeyRules& rules, std::string& out) {
    const std::size_t begin = out.size();
    const bool any = append_query(query, rules.query_strings, kNothing, out);
    if (rules.sort_query) {
        sort_parameters(out, begin);
    }
    return any;
}

// Calls visit(name, pair) for each cookie of each Cookie line, in order.
template <class Visitor>
void for_each_cookie(const http::Fields& fields, Visitor&& visit) {
    fields.for_each("Cookie", [&](std::string_view rest) {
        while (!rest.empty()) {
            const std::string_view piece = rest.substr(0, rest.find(';'));
            rest.remove_prefix(std::min(piece.size() + 1, rest.size()));
            const std::string_view pair = http::trim_ows(piece);
            if (!pair.empty()) {
                visit(http::trim_ows(name_of(pair)), pair);
            }
        }
    });
}

// Appends the cookies that one of the two selects as a Cookie field holds them.
void append_cookies(const http::Fields& fields, const config::NameSelection& selection,
                    const config::NameSelection& beside, std::string& out) {
    bool is_first = true;
    for_each_cookie(fields, [&](std::string_view name, std::string_view pair) {
        if (is_selected(selection, name, false) || is_selected(beside, name, false)) {
            out += is_first ? "" : "; ";
            out += pair;
            is_first = false;
        }
    });
}

// ";a=1; b=2". With All the field is kept byte for byte, and an empty one differs from none.
void append_keyed_cookies(const http::Fields& fields, const config::NameSelection& selection, std::string& out) {
    if (selection.mode == Mode::None || !fields.contains("Cookie")) {
        return;
    }
    const std::size_t begin = out.size();
    out += ';';
    if (selection.mode == Mode::All) {
        fields.for_each("Cookie", [&](std::string_view value) { out.append(value).append("; "); });
    } else {
        append_cookies(fields, selection, kNothing, out);
        if (out.size() == begin + 1) {
            out.resize(begin);
            return;
        }
    }
    out += kEnd;
}

bool comes_before(std::string_view a, std::string_view b) noexcept {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char left, char right) {
        return http::to_lower(left) < http::to_lower(right);
    });
}

// "name:value": lower case, lines of one name combined (RFC 9110 section 5.3). A missing field leaves no line, an
// empty one leaves "name:".
void append_keyed_field(const http::Fields& fields, std::string_view name, std::string& out) {
    for (const char c : name) {
        out += http::to_lower(c);
    }
    out += ':';
    bool is_first = true;
    fields.for_each(name, [&](std::string_view value) {
        out += is_first ? "" : ", ";
        out += value;
        is_first = false;
    });
    out += kEnd;
}

// The selected fields sorted by name, so that their order in the request does not matter.
// OPTIMIZATION: looks for the next name again and again instead of sorting a list, which would have to be allocated.
void append_keyed_fields(const http::Fields& fields, const config::NameSelection& selection, std::string& out) {
    if (selection.mode == Mode::None) {
        return;
    }
    std::optional<std::string_view> last;
    for (;;) {
        std::optional<std::string_view> next;
        for (const auto line : fields) {
            const bool is_next = (!last || comes_before(*last, line.name)) && (!next || comes_before(line.name, *next));
            if (is_next && is_selected(selection, line.name, true)) {
                next = line.name;
            }
        }
        if (!next) {
            return;
        }
        append_keyed_field(fields, *next, out);
        last = next;
    }
}

// Writes the parts, each with its end.
// OPTIMIZATION: into room that is made at once, and that the key before mostly had; each append would look for its own.
template <std::size_t Count>
void assign_parts(const std::string_view (&parts)[Count], std::string& out) {
    std::size_t size = Count;
    for (const std::string_view part : parts) {
        size += part.size();
    }
    out.resize(size);
    char* at = out.data();
    for (const std::string_view part : parts) {
        std::memcpy(at, part.data(), part.size());
        at += part.size();
        *at++ = kEnd;
    }
}

} // namespace

void make_cache_key(const config::Behavior& behavior, const http::Target& target, const http::RequestHead& request,
                    std::string& out) {
    const config::CachePolicy& policy = *behavior.policy_ref;
    const std::string_view authority = policy.key.any_host ? std::string_view("*") : target.authority;
    const std::string made = behavior.key_prefix.empty() ? config::key_prefix_of(behavior) : std::string();
    const std::string_view prefix = behavior.key_prefix.empty() ? made : behavior.key_prefix;
    const bool is_query_whole = policy.key.query_strings.mode == Mode::All && !policy.key.sort_query;
    bool is_empty_query = false;
    if (is_query_whole || !target.has_query) {
        assign_parts({prefix, authority, target.path, target.query}, out);
        is_empty_query = target.has_query && target.query.empty();
    } else {
        assign_parts({prefix, authority, target.path}, out);
        const std::size_t query_at = out.size();
        const bool has_query = append_keyed_query(target.query, policy.key, out);
        is_empty_query = has_query && out.size() == query_at;
        out += kEnd;
    }
    // "/a?" is another URI than "/a" (RFC 3986 section 6.2.3), and the query part alone cannot tell.
    if (is_empty_query) {
        out.append(1, '?').append(1, kEnd);
    }
    append_keyed_fields(request.fields, policy.key.headers, out);
    append_keyed_cookies(request.fields, policy.key.cookies, out);
}

// A field's line begins with a token and a cookie's with a semicolon: none of them with an '@'.
void append_method_to_key(const http::RequestHead& request, std::string_view content_digest, std::string& key) {
    constexpr std::string_view kOfContent[] = {"Content-Encoding", "Content-Language", "Content-Range", "Content-Type"};
    // Fetch, section 4.8, "CORS-preflight fetch"
    constexpr std::string_view kOfPreflight[] = {"Access-Control-Request-Headers", "Access-Control-Request-Method",
                                                 "Access-Control-Request-Private-Network", "Origin"};
    key.append(1, '@').append(request.method);
    if (!content_digest.empty()) {
        key.append(1, ' ').append(content_digest);
    }
    key += kEnd;
    const bool is_options = request.method_kind() == http::Method::Options;
    for (const std::string_view name : is_options ? std::span<const std::string_view>(kOfPreflight) : kOfContent) {
        if (request.fields.contains(name)) {
            append_keyed_field(request.fields, name, key);
        }
    }
}

KeyParts split_cache_key(std::string_view key) noexcept {
    std::array<std::string_view, 5> parts;
    for (std::string_view& part : parts) {
        part = key.substr(0, key.find(kEnd));
        key.remove_prefix(std::min(part.size() + 1, key.size()));
    }
    return {parts[0], parts[1], parts[2], parts[3], parts[4], key};
}

std::string keyed_query(std::string_view query, const config::KeyRules& rules) {
    std::string keyed;
    append_keyed_query(query, rules, keyed);
    return keyed;
}

std::string forwarded_target(const http::Target& target, const config::CachePolicy& policy) {
    if (policy.forward_everything || policy.key.query_strings.mode == Mode::All || !target.has_query) {
        return target.origin_form();
    }
    std::string forwarded = target.path;
    forwarded += '?';
    if (!append_query(target.query, policy.key.query_strings, policy.forward_only.query_strings, forwarded)) {
        forwarded.pop_back();
    }
    return forwarded;
}

bool is_keyed_field(std::string_view name, const config::CachePolicy& policy) noexcept {
    return is_selected(policy.key.headers, name, true);
}

bool forward_cookies(http::Fields& fields, const config::CachePolicy& policy) {
    // A Cookie field that is keyed as a field is keyed as a whole.
    if (!fields.contains("Cookie") || policy.key.cookies.mode == Mode::All ||
        is_selected(policy.key.headers, "Cookie", true)) {
        return false;
    }
    const config::NameSelection& beside = policy.forward_only.cookies;
    bool any_unkeyed = false;
    for_each_cookie(fields, [&](std::string_view name, std::string_view) {
        const bool is_forwarded = policy.forward_everything || is_selected(beside, name, false);
        any_unkeyed = any_unkeyed || (is_forwarded && !is_selected(policy.key.cookies, name, false));
    });
    if (policy.forward_everything) {
        return any_unkeyed;
    }
    std::string kept;
    append_cookies(fields, policy.key.cookies, beside, kept);
    if (kept.empty()) {
        fields.remove("Cookie");
    } else {
        fields.set("Cookie", kept);
    }
    return any_unkeyed;
}

} // namespace gatehouse::cache::policy
