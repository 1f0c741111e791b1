// Forwarding rules applied to one request (DESIGN 4.16, RFC 9110 section 7.6).
#include "proxy/origin_request.h"

#include "cache/policy/cache_key.h"
#include "cache/policy/validation.h"
#include "config/field_template.h"
#include "config/glob.h"
#include "http/ascii.h"
#include "http/forwarding.h"
#include "http/list_parser.h"
#include "http/name_set.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string>
#include <vector>

namespace gatehouse::proxy {

namespace policy = cache::policy;

namespace {

// What Upgrade offers, without HTTP/2 in clear text wherever it stands in the list: a tunnel of it would carry
// requests past every rule here.
std::string offered_protocols(const http::Fields& client) {
    std::string offered;
    for (const std::string_view protocol : http::list_members(client, "Upgrade")) {
        if (!http::iequals(protocol, "h2c")) {
            offered.append(offered.empty() ? "" : ", ").append(protocol);
        }
    }
    return offered;
}

// What the proxy writes itself, or what belongs to the content.
bool is_always_forwarded(std::string_view name) noexcept {
    static constexpr http::NameSet kNames{"Host",
                                          "Cookie",
                                          "Forwarded",
                                          "X-Forwarded-For",
                                          "X-Forwarded-Host",
                                          "Range",
                                          "Via",
                                          "Cache-Control",
                                          "Content-Type",
                                          "Content-Encoding",
                                          "X-Forwarded-Proto",
                                          "Content-Range",
                                          "Content-Language",
                                          "Content-Location"};
    const bool is_condition = name.size() > 3 && http::iequals(name.substr(0, 3), "If-");
    return is_condition || kNames.contains(name);
}

// What the behavior's origin_request says. Fields are narrowed where the answer may be stored.
void apply_rules(const OriginRequestFacts& facts, bool narrowed, http::Fields& fields) {
    const config::OriginRequestRules& rules = facts.behavior.origin_request;
    if (!rules.any()) {
        return;
    }
    if (narrowed || (facts.for_store && rules.headers.mode != config::NameSelection::Mode::All)) {
        std::vector<std::string> dropped;
        for (const auto line : fields) {
            const bool is_kept = config::is_named_by(rules.headers, line.name, true) ||
                                 is_always_forwarded(line.name) ||
                                 policy::is_keyed_field(line.name, *facts.behavior.policy_ref);
            if (!is_kept) {
                dropped.emplace_back(line.name);
            }
        }
        for (const std::string& name : dropped) {
            fields.remove(name);
        }
    }
    for (const std::string& name : rules.remove) {
        fields.remove(name);
    }
    const config::TemplateValues values{facts.client_address, facts.scheme,      facts.target.authority,
                                        facts.client.method,  facts.target.path, facts.target.query};
    for (const config::HeaderLine& line : rules.set) {
        fields.set(line.name, config::fill_template(line.value, values));
    }
}

} // namespace

OriginRequest make_origin_request(const OriginRequestFacts& facts) {
    const config::Origin& origin = *facts.behavior.origin_ref;
    const config::CachePolicy& rules = *facts.behavior.policy_ref;
    OriginRequest out;
    out.method = facts.facts.method;
    out.head.method = facts.client.method;
    if (facts.for_store && out.method == http::Method::Head) {
        out.method = http::Method::Get;
        out.head.method = "GET";
    }
    // What cannot be answered from the cache is forwarded whole; what can is narrowed to what the key has. So is what
    // would be but for CachingDisabled, where an origin request policy says what the origin gets.
    const bool is_read = out.method == http::Method::Get || out.method == http::Method::Head;
    const bool is_plain = rules.disabled && is_read && !facts.facts.upgrade;
    const bool narrowed = (facts.for_store || is_plain) && !rules.forward_everything;
    std::string target = narrowed ? policy::forwarded_target(facts.target, rules) : facts.target.origin_form();
    // OPTIONS * asks about the server; behind a path of the origin that is what lies below the path.
    const bool is_server = target == "*";
    if (origin.path.empty()) {
        out.head.target = std::move(target);
    } else {
        out.head.target = is_server ? origin.path : origin.path + target;
    }

    const bool wants_trailers = http::list_contains(facts.client.fields, "TE", "trailers");
    http::Fields& fields = out.head.fields;
    // RFC 9110 section 10.1.1: an expectation of an HTTP/1.0 client is ignored.
    const auto expect =
        facts.client.version == http::Version::Http11 ? facts.client.fields.first("Expect") : std::nullopt;
    out.expects_continue = facts.has_content && expect && http::iequals(*expect, "100-continue");
    // With room for what is added.
    constexpr std::size_t kBytesOfOurs = 512;
    constexpr std::size_t kLinesOfOurs = 10;
    fields.reserve(facts.client.fields.serialised().size() + kBytesOfOurs, facts.client.fields.size() + kLinesOfOurs);
    fields.add("Host",
               facts.behavior.host == config::Behavior::HostMode::Viewer ? facts.target.authority : origin.authority);
    static constexpr http::NameSet kOurs{"Host", "Expect", "Content-Length"};
    fields.append_if(facts.client.fields, [](const http::Fields::Line& line) {
        return !kOurs.contains(line.name) && !http::is_hop_by_hop(line.name);
    });
    http::remove_connection_named(fields, facts.client.fields);
    // RFC 9110 section 7.6.2: of OPTIONS, the number of hops that are left is counted down.
    if (const auto hops = http::max_forwards(fields); hops && out.method == http::Method::Options) {
        fields.set("Max-Forwards", std::to_string(*hops - 1));
    }
    http::ForwardedFor forwarded;
    forwarded.client_address = facts.client_address;
    forwarded.proto = facts.scheme;
    forwarded.host = facts.target.authority;
    forwarded.trusted = facts.trusted_client;
    http::set_forwarded(fields, forwarded);
    if (narrowed) {
        out.cookie_unkeyed = policy::forward_cookies(fields, rules);
    } else {
        out.cookie_unkeyed = fields.contains("Cookie") && rules.key.cookies.mode != config::NameSelection::Mode::All;
    }
    apply_rules(facts, narrowed, fields);
    if (facts.for_store) {
        policy::remove_client_conditions(fields, facts.as_part);
        if (facts.validate != nullptr) {
            policy::add_validators(fields, *facts.validate);
        }
        // The rest is wanted only of the same representation, else all of the new one. RFC 9110 section 13.1.5
        if (facts.completion != nullptr) {
            fields.set("Range", facts.completion->range);
            if (!facts.completion->if_range.empty()) {
                fields.set("If-Range", facts.completion->if_range);
            }
        }
    }
    http::append_via(fields, facts.client.version, "gatehouse");

    const std::string upgrade_to = facts.facts.upgrade ? offered_protocols(facts.client.fields) : std::string();
    out.upgrade = !upgrade_to.empty();
    if (out.upgrade) {
        fields.add("Connection", "Upgrade");
        fields.add("Upgrade", upgrade_to);
    } else if (wants_trailers) {
        fields.add("Connection", "TE");
        fields.add("TE", "trailers");
    }
    if (out.expects_continue) {
        fields.add("Expect", "100-continue");
    }
    return out;
}

std::string serialise(const OriginRequest& request, const http::Framing& framing) {
    std::string out;
    const std::string_view lines = request.head.fields.serialised();
    out.reserve(request.head.method.size() + request.head.target.size() + lines.size() + 64);
    out.append(request.head.method).append(" ").append(request.head.target).append(" HTTP/1.1\r\n").append(lines);
    if (framing.kind == http::Framing::Kind::Chunked) {
        out.append("Transfer-Encoding: chunked\r\n");
    } else if (framing.kind == http::Framing::Kind::Length) {
        char digits[24];
        const auto end = std::to_chars(digits, digits + sizeof digits, framing.length).ptr;
        out.append("Content-Length: ").append(digits, end).append("\r\n");
    }
    out.append("\r\n");
    return out;
}

void ask_anew(OriginRequest& request, bool as_part) { policy::remove_client_conditions(request.head.fields, as_part); }

} // namespace gatehouse::proxy
