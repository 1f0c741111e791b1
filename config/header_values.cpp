// One reader for each kind of value.
#include "config/header_values.h"

#include "config/suggest.h"
#include "http/ascii.h"

#include <algorithm>
#include <array>

namespace gatehouse::config {
namespace {

using Value = ClientCacheControl::Value;

constexpr std::string_view kCacheControl = "a value of Cache-Control such as \"public, max-age=30\", or pass";
constexpr std::string_view kClientCacheControl =
    "a value of Cache-Control such as \"public, max-age=30\", pass, or {when_status: {404: value, 5xx: value}}";
constexpr std::string_view kFieldLines = "a mapping from field names to values such as {X-Frame-Options: DENY}";

// The response directives that are registered, and what each takes.
enum class Argument : std::uint8_t { None, Seconds, Names };
struct Directive {
    std::string_view name;
    Argument argument;
};
constexpr std::array<Directive, 13> kDirectives = {{{"public", Argument::None},
                                                    {"private", Argument::Names},
                                                    {"no-cache", Argument::Names},
                                                    {"no-store", Argument::None},
                                                    {"no-transform", Argument::None},
                                                    {"must-revalidate", Argument::None},
                                                    {"proxy-revalidate", Argument::None},
                                                    {"must-understand", Argument::None},
                                                    {"immutable", Argument::None},
                                                    {"max-age", Argument::Seconds},
                                                    {"s-maxage", Argument::Seconds},
                                                    {"stale-while-revalidate", Argument::Seconds},
                                                    {"stale-if-error", Argument::Seconds}}};

bool is_quoted(std::string_view text) noexcept {
    return text.size() >= 2 && text.front() == '"' && text.back() == '"' &&
           text.substr(1, text.size() - 2).find_first_of("\"\\") == std::string_view::npos;
}

// Takes the next member off the list; a comma within quotes belongs to it.
std::string_view next_directive(std::string_view& rest) noexcept {
    bool quoted = false;
    std::size_t end = 0;
    for (; end < rest.size() && (quoted || rest[end] != ','); ++end) {
        if (rest[end] == '"') quoted = !quoted;
    }
    const std::string_view directive = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return http::trim_ows(directive);
}

// What is wrong with one directive; empty: nothing.
std::string fault_of(std::string_view directive) {
    const std::size_t equals = directive.find('=');
    const std::string_view name = directive.substr(0, equals);
    const auto* known = std::find_if(kDirectives.begin(), kDirectives.end(),
                                     [name](const Directive& one) { return http::iequals(one.name, name); });
    if (known == kDirectives.end()) {
        std::vector<std::string> names;
        for (const Directive& one : kDirectives) names.emplace_back(one.name);
        return "; " + quote(name) + " is no directive" + did_you_mean(name, names, "; known are: ");
    }
    const bool has_argument = equals != std::string_view::npos;
    const std::string_view argument = has_argument ? directive.substr(equals + 1) : std::string_view();
    switch (known->argument) {
    case Argument::None: return has_argument ? "; " + std::string(known->name) + " takes no argument" : std::string();
    case Argument::Seconds:
        return http::parse_digits(argument) ? std::string()
                                            : "; " + std::string(known->name) + " takes a whole number of seconds";
    case Argument::Names: break;
    }
    return !has_argument || is_quoted(argument)
               ? std::string()
               : "; " + std::string(known->name) + " stands alone or takes names in quotes";
}

void take_directive(std::string_view directive, Value& out) {
    out.no_store = out.no_store || http::iequals(directive, "no-store");
    out.no_cache = out.no_cache || http::iequals(directive, "no-cache");
    out.is_private = out.is_private || http::iequals(directive, "private");
    out.immutable = out.immutable || http::iequals(directive, "immutable");
}

std::optional<Value> read_value(const Spot& spot, Findings& findings, std::string_view expected) {
    const auto text = read_scalar(spot, findings, expected);
    if (!text) return std::nullopt;
    Value out;
    if (*text == "pass") {
        findings.accept(spot);
        return out;
    }
    std::string fault = text->empty() || !http::is_field_value(*text) ? "; it is no field value" : "";
    for (std::string_view rest = *text; fault.empty() && !rest.empty();) {
        const std::string_view directive = next_directive(rest);
        fault = fault_of(directive);
        take_directive(directive, out);
    }
    if (!fault.empty()) {
        findings.expected(spot, expected, fault);
        return std::nullopt;
    }
    out.text = http::trim_ows(*text);
    findings.accept(spot);
    return out;
}

void read_when_status(const Spot& spot, Findings& findings, ClientCacheControl& out) {
    if (spot.node->kind != DocumentNode::Kind::Mapping && spot.node->kind != DocumentNode::Kind::Nothing) {
        findings.expected(spot, "a mapping from statuses to values such as {404: \"max-age=10\", 5xx: no-store}");
        return;
    }
    for (const MemberSpot& member : unique_members(spot, findings)) {
        if (!is_status_pattern(member.key)) {
            findings.problem(
                member.key_place, member.value.path,
                "expected a status from 200 to 599 or a class from 2xx to 5xx; found " + quote(member.key));
            continue;
        }
        const auto value = read_value(member.value, findings, kCacheControl);
        if (!value) continue;
        const int number = member.key[0] - '0';
        // What is wrong now is right again soon: nobody may be told never to ask again.
        if (number >= 4 && value->immutable) {
            findings.fail(member.value, "an answer with status " + member.key + " cannot be immutable");
            continue;
        }
        if (member.key.ends_with("xx")) {
            out.by_class[number] = *value;
        } else {
            out.by_status[static_cast<int>(*http::parse_digits(member.key))] = *value;
        }
    }
    findings.accept(spot);
}

struct Owner {
    std::string_view name; // lower case; a `*` at either end is a glob
    std::string_view why;
};

constexpr std::string_view kFrames = "it frames the message";
constexpr std::string_view kConnection = "it is about one connection";
constexpr std::string_view kOurs = "Gatehouse sends it itself";
constexpr std::string_view kLifetime = "client_cache_control says what clients are told";
constexpr std::array<Owner, 25> kOwners = {{{"content-length", kFrames},
                                            {"content-encoding", kFrames},
                                            {"content-range", kFrames},
                                            {"transfer-encoding", kFrames},
                                            {"trailer", kFrames},
                                            {"connection", kConnection},
                                            {"keep-alive", kConnection},
                                            {"proxy-*", kConnection},
                                            {"te", kConnection},
                                            {"upgrade", kConnection},
                                            {"expect", kConnection},
                                            {"host", kConnection},
                                            {"http2-settings", kConnection},
                                            {"via", kOurs},
                                            {"age", kOurs},
                                            {"date", kOurs},
                                            {"cache-status", kOurs},
                                            {"x-cache", kOurs},
                                            {"server-timing", kOurs},
                                            {"etag", "etag says what becomes of it"},
                                            {"last-modified", "conditional requests are answered by it"},
                                            {"expires", kLifetime},
                                            {"pragma", kLifetime},
                                            {"surrogate-control", kLifetime},
                                            {"*cache-control", kLifetime}}};

bool owns(const Owner& owner, std::string_view name) noexcept {
    if (owner.name.front() == '*') {
        const std::string_view end = owner.name.substr(1);
        return name.size() >= end.size() && http::iequals(name.substr(name.size() - end.size()), end);
    }
    if (owner.name.back() == '*') {
        const std::string_view begin = owner.name.substr(0, owner.name.size() - 1);
        return http::iequals(name.substr(0, begin.size()), begin);
    }
    return http::iequals(owner.name, name);
}

bool is_value(std::string_view text) noexcept { return !text.empty() && http::is_field_value(text); }

// Whether what stands between scheme and port is a name, with `*.` in front or not.
bool is_host_pattern(std::string_view host) noexcept {
    if (host.starts_with("*.")) host.remove_prefix(2);
    return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
        const char low = http::to_lower(c);
        return (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') || c == '-' || c == '.' || c == '_';
    });
}

} // namespace

std::optional<ClientCacheControl> read_client_cache_control(const Spot& spot, Findings& findings) {
    ClientCacheControl out;
    out.configured = true;
    if (spot.node->kind != DocumentNode::Kind::Mapping) {
        const auto value = read_value(spot, findings, kClientCacheControl);
        if (!value) return std::nullopt;
        out.value = *value;
        return out;
    }
    static const std::vector<std::string> kMembers{"value", "when_status"};
    const std::vector<MemberSpot> members = unique_members(spot, findings);
    const auto is_meant = [](const MemberSpot& member) { return closest(member.key, kMembers).has_value(); };
    if (std::none_of(members.begin(), members.end(), is_meant)) {
        findings.expected(spot, kClientCacheControl);
        return std::nullopt;
    }
    for (const MemberSpot& member : members) {
        if (member.key == "value") {
            if (const auto value = read_value(member.value, findings, kCacheControl)) out.value = *value;
        } else if (member.key == "when_status") {
            read_when_status(member.value, findings, out);
        } else {
            findings.problem(member.key_place, member.value.path,
                             "unknown field" + did_you_mean(member.key, kMembers, "; accepted here: "));
        }
    }
    findings.accept(spot);
    return out;
}

std::optional<std::vector<FieldLine>> read_field_lines(const Spot& spot, Findings& findings) {
    if (spot.node->kind != DocumentNode::Kind::Mapping && spot.node->kind != DocumentNode::Kind::Nothing) {
        findings.expected(spot, kFieldLines);
        return std::nullopt;
    }
    static constexpr TextRule kValue{"a field value", is_value};
    std::vector<FieldLine> out;
    for (const MemberSpot& member : unique_members(spot, findings)) {
        if (!http::is_token(member.key)) {
            findings.problem(member.key_place, member.value.path, "expected a field name; found " + quote(member.key));
            continue;
        }
        if (const std::string_view why = field_owner(member.key); !why.empty()) {
            findings.problem(member.key_place, member.value.path,
                             "a headers policy cannot set " + member.key + ": " + std::string(why));
            continue;
        }
        if (member.value.node->kind == DocumentNode::Kind::List) {
            const auto values = read_texts(member.value, findings, kValue);
            for (const std::string& value : values.value_or(std::vector<std::string>())) {
                out.push_back({member.key, value});
            }
        } else if (auto value = read_text(member.value, findings, kValue)) {
            out.push_back({member.key, std::move(*value)});
        }
    }
    if (out.size() > kMostFieldLines) {
        findings.fail(spot, "more than " + std::to_string(kMostFieldLines) + " field lines");
        return std::nullopt;
    }
    findings.accept(spot);
    return out;
}

std::string_view field_owner(std::string_view name) noexcept {
    const auto* found =
        std::find_if(kOwners.begin(), kOwners.end(), [name](const Owner& owner) { return owns(owner, name); });
    return found == kOwners.end() ? std::string_view() : found->why;
}

bool is_status_pattern(std::string_view text) noexcept {
    if (text.size() != 3 || text[0] < '2' || text[0] > '5') return false;
    return text.substr(1) == "xx" || http::parse_digits(text.substr(1)).has_value();
}

bool is_content_type_pattern(std::string_view text) noexcept {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return false;
    const std::string_view subtype = text.substr(slash + 1);
    return http::is_token(text.substr(0, slash)) && text[0] != '*' && (subtype == "*" || http::is_token(subtype));
}

bool is_origin_pattern(std::string_view text) noexcept {
    if (text == "*") return true;
    if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos) {
        if (!http::is_token(text.substr(0, scheme))) return false;
        text.remove_prefix(scheme + 3);
    }
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
        const auto port = http::parse_digits(text.substr(colon + 1));
        if (!port || *port == 0 || *port > 65535) return false;
        text = text.substr(0, colon);
    }
    return is_host_pattern(text);
}

} // namespace gatehouse::config
