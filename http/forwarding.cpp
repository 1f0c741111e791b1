#include "http/forwarding.h"

#include "http/ascii.h"
#include "http/list_parser.h"
#include "http/name_set.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <system_error>
#include <vector>

namespace gatehouse::http {

namespace {

bool has_prefix(std::string_view name, std::string_view prefix) noexcept {
    return iequals(name.substr(0, prefix.size()), prefix);
}

// What a recipient must see whatever a client writes into Connection.
bool is_protected(std::string_view name) noexcept {
    static constexpr NameSet kProtected{
        "Host",         "Authorization",    "Cookie",        "Set-Cookie", "Cache-Control", "Vary",
        "ETag",         "Content-Type",     "Content-Range", "Range",      "Forwarded",     "Via",
        "Age",          "Content-Encoding", "Expires",       "Date",       "Last-Modified", "Location"};
    return kProtected.contains(name) || has_prefix(name, "X-Forwarded-") || has_prefix(name, "If-");
}

// Compares without case, and takes '_' for '-': gateways that turn names into environment variables do the same, so
// X_Forwarded_For would reach an application as X-Forwarded-For.
bool same_variable(std::string_view name, std::string_view known) noexcept {
    return name.size() == known.size() && std::equal(name.begin(), name.end(), known.begin(), [](char a, char b) {
               return to_lower(a == '_' ? '-' : a) == to_lower(b);
           });
}

// What makes an application take the request for another one; no client needs it through a proxy.
bool is_override(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 5> kOverrides = {
        "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"};
    return std::any_of(kOverrides.begin(), kOverrides.end(),
                       [&](std::string_view known) { return same_variable(name, known); });
}

// What says something about the client that only a trusted peer may say.
bool is_client_claim(std::string_view name) noexcept {
    constexpr std::string_view kPrefix = "X-Forwarded-";
    return same_variable(name.substr(0, kPrefix.size()), kPrefix) || same_variable(name, "Forwarded") ||
           same_variable(name, "X-Real-IP");
}

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    if (text.find_first_of("\"\\") == std::string_view::npos) {
        out += text;
    } else {
        for (const char c : text) {
            if (c == '"' || c == '\\') {
                out += '\\';
            }
            out += c;
        }
    }
    out += '"';
}

// What a list of these fields is long at most in most cases: one allocation.
constexpr std::size_t kUsualElementBytes = 128;

// An IPv6 address stands in brackets and quotes; an unknown one is the token `unknown`. RFC 7239 section 6
std::string forwarded_element(const ForwardedFor& facts) {
    std::string element;
    element.reserve(kUsualElementBytes);
    element += "for=";
    if (facts.client_address == "unix:" || facts.client_address.empty()) {
        element += "unknown";
    } else if (facts.client_address.find(':') != std::string_view::npos) {
        element += "\"[";
        element += facts.client_address;
        element += "]\"";
    } else {
        element += facts.client_address;
    }
    // A host may hold a colon, so it is a quoted-string. RFC 7239 section 4
    element += ";host=";
    append_quoted(element, facts.host);
    element += ";proto=";
    element += facts.proto;
    return element;
}

// Adds a member at the end of a list-based field and leaves one line of it. RFC 9110 section 5.3
void append_member(Fields& fields, std::string_view name, std::string_view member) {
    if (!fields.contains(name)) {
        fields.add(name, member);
        return;
    }
    std::string list = fields.combined(name);
    list += list.empty() ? "" : ", ";
    list += member;
    fields.set(name, list);
}

} // namespace

// These belong to one connection and are not forwarded. RFC 9110 section 7.6.1
bool is_hop_by_hop(std::string_view name) noexcept {
    static constexpr NameSet kHopByHop{
        "Connection",         "Proxy-Connection",    "Keep-Alive",
        "TE",                 "Transfer-Encoding",   "Upgrade",
        "Trailer",            "Proxy-Authenticate",  "Proxy-Authorization",
        "HTTP2-Settings",     "Proxy-Authentication-Info"};
    return kHopByHop.contains(name);
}

// An intermediary removes what Connection names, and Connection itself. RFC 9110 section 7.6.1
// DEVIATION: protected names stay: Connection is for fields of one connection, and these never are.
void remove_connection_named(Fields& fields, const Fields& message) {
    std::vector<std::string> named; // copies: removing moves the lines that views would point into
    message.for_each("Connection", [&](std::string_view text) {
        for (std::string_view option; next_member(text, option);) {
            if (!is_hop_by_hop(option) && !is_protected(option) && fields.contains(option)) {
                named.emplace_back(option);
            }
        }
    });
    for (const std::string& name : named) {
        fields.remove(name);
    }
}

void remove_hop_by_hop(Fields& fields) {
    remove_connection_named(fields, fields);
    fields.remove_if([](const Fields::Line& line) {
        return is_hop_by_hop(line.name) || iequals(line.name, "Content-Length");
    });
}

// `close` ends the connection; otherwise HTTP/1.1 keeps it, and HTTP/1.0 only with `keep-alive`. RFC 9112 section 9.3
bool wants_keep_alive(Version version, const Fields& fields) {
    if (list_contains(fields, "Connection", "close")) {
        return false;
    }
    return version == Version::Http11 || list_contains(fields, "Connection", "keep-alive");
}

// Each intermediary appends the version it received and its name. RFC 9110 section 7.6.3
void append_via(Fields& fields, Version received, std::string_view pseudonym) {
    std::string member = received == Version::Http10 ? "1.0 " : "1.1 ";
    member += pseudonym;
    append_member(fields, "Via", member);
}

void set_forwarded(Fields& fields, const ForwardedFor& facts) {
    fields.remove_if([&](const Fields::Line& line) {
        const char first = line.name.empty() ? ' ' : to_lower(line.name.front());
        if (first != 'x' && first != 'f') {
            return false; // as none of them begins
        }
        // A name with '_' comes from a client that hopes to be taken for the peer: no proxy writes it so.
        const bool may_stay = facts.trusted && line.name.find('_') == std::string_view::npos;
        return is_override(line.name) || (is_client_claim(line.name) && !may_stay);
    });
    append_member(fields, "X-Forwarded-For", facts.client_address);
    // A trusted peer knows what the client asked for; we see only what the peer asked for.
    if (!fields.contains("X-Forwarded-Proto")) {
        fields.set("X-Forwarded-Proto", facts.proto);
    }
    if (!fields.contains("X-Forwarded-Host")) {
        fields.set("X-Forwarded-Host", facts.host);
    }
    append_member(fields, "Forwarded", forwarded_element(facts));
}

std::optional<std::uint32_t> max_forwards(const Fields& request) {
    const auto value = request.first("Max-Forwards");
    if (!value || value->empty() || value->find_first_not_of("0123456789") != std::string_view::npos) {
        return std::nullopt;
    }
    std::uint32_t hops = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), hops);
    return error == std::errc() ? hops : std::numeric_limits<std::uint32_t>::max();
}

} // namespace gatehouse::http
