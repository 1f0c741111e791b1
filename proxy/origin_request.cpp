// Forwarding rules applied to one request (DESIGN 4.16, RFC 9110 section 7.6).
#include "proxy/origin_request.h"

#include "cache/policy/cache_key.h"
#include "cache/policy/validation.h"
#include "http/ascii.h"
#include "http/forwarding.h"
#include "http/list_parser.h"

#include <charconv>

namespace gatehouse::proxy {

namespace policy = cache::policy;

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
    // What cannot be answered from the cache is forwarded whole; what can is narrowed to what the key has.
    const bool narrowed = facts.for_store && !rules.forward_everything;
    const std::string target =
        narrowed ? policy::forwarded_target(facts.target, rules) : facts.target.origin_form();
    out.head.target = target == "*" && origin.path.empty() ? target : origin.path + target;

    const bool wants_trailers = http::list_contains(facts.client.fields, "TE", "trailers");
    const auto upgrade_to = facts.client.fields.first("Upgrade");
    http::Fields fields = facts.client.fields;
    const auto expect = fields.first("Expect");
    out.expects_continue = facts.has_content && expect && http::iequals(*expect, "100-continue");
    fields.remove("Expect");
    http::remove_hop_by_hop(fields);
    fields.remove("Host");
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
    if (facts.for_store) {
        policy::remove_client_conditions(fields);
        if (facts.validate != nullptr) {
            policy::add_validators(fields, *facts.validate);
        }
    }
    http::append_via(fields, facts.client.version, "gatehouse");

    out.head.fields.reserve(fields.serialised().size() + 128, fields.size() + 4);
    out.head.fields.add("Host", facts.behavior.host == config::Behavior::HostMode::Viewer ? facts.target.authority
                                                                                          : origin.authority);
    for (const auto line : fields) {
        out.head.fields.add(line.name, line.value);
    }
    // A switch to HTTP/2 in clear text would carry requests past every rule here: never tunnelled.
    out.upgrade = facts.facts.upgrade && upgrade_to && !http::iequals(*upgrade_to, "h2c");
    if (out.upgrade) {
        out.head.fields.add("Connection", "Upgrade");
        out.head.fields.add("Upgrade", *upgrade_to);
    } else if (wants_trailers) {
        out.head.fields.add("Connection", "TE");
        out.head.fields.add("TE", "trailers");
    }
    if (out.expects_continue) {
        out.head.fields.add("Expect", "100-continue");
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

void remove_validators(OriginRequest& request) {
    request.head.fields.remove("If-None-Match");
    request.head.fields.remove("If-Modified-Since");
}

} // namespace gatehouse::proxy
