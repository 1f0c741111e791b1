// What the tables of this folder are written with: heads as lines of text, fixed instants, policies.
#pragma once

#include "cache/policy/cache_key.h"
#include "cache/policy/facts.h"
#include "cache/policy/stored_head.h"
#include "cache/policy/variant.h"
#include "http/date.h"

#include <chrono>
#include <ostream>
#include <string>
#include <string_view>

namespace gatehouse::cache::policy::testing {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Sunday, 1 March 2026, 12:00:00: when every response of these tables arrived.
inline constexpr WallTime kArrival = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1) + hours(12);

// "Sun, 01 Mar 2026 12:00:00 GMT" with this many seconds added.
inline std::string http_date(long offset_seconds) { return http::format_http_date(kArrival + seconds(offset_seconds)); }

// Takes the next line off the front of the text.
inline std::string_view next_line(std::string_view& text) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
}

// "Name: value" lines. "@60" in a value stands for the date sixty seconds after kArrival, "@-60" for one before it.
inline http::Fields fields_of(std::string_view text) {
    http::Fields fields;
    while (!text.empty()) {
        const std::string_view line = next_line(text);
        const std::size_t colon = line.find(':');
        const std::string_view name = line.substr(0, colon);
        std::string value(line.substr(std::min(colon + 2, line.size())));
        if (value.starts_with('@')) {
            value = http_date(std::stol(value.substr(1)));
        }
        fields.add(name, value);
    }
    return fields;
}

// A first line without a colon is the method: "HEAD\nRange: bytes=0-1".
inline http::RequestHead request_of(std::string_view text) {
    http::RequestHead head;
    head.method = "GET";
    head.target = "/";
    if (const auto first = text.substr(0, text.find('\n')); !first.empty() && first.find(':') == first.npos) {
        head.method = std::string(next_line(text));
    }
    head.fields = fields_of(text);
    return head;
}

// A first line without a colon is the status: "404\nAge: 3".
inline http::ResponseHead response_of(std::string_view text) {
    http::ResponseHead head;
    head.status = 200;
    if (const auto first = text.substr(0, text.find('\n')); !first.empty() && first.find(':') == first.npos) {
        head.status = std::stoi(std::string(next_line(text)));
    }
    head.fields = fields_of(text);
    return head;
}

// The built-in policy RFC9111.
inline config::CachePolicy rfc9111() {
    config::CachePolicy policy;
    policy.name = config::kRfc9111PolicyName;
    policy.forward_everything = true;
    policy.refuse_set_cookie = false;
    return policy;
}

// An operator's policy with nothing set.
inline config::CachePolicy own() {
    config::CachePolicy policy;
    policy.name = "own";
    return policy;
}

// One line of a table: changes the RFC9111 policy. nullptr: leaves it alone.
using Rules = void (*)(config::CachePolicy&);
inline config::CachePolicy policy_of(Rules rules) {
    config::CachePolicy policy = rfc9111();
    if (rules != nullptr) {
        rules(policy);
    }
    return policy;
}
inline void own_policy(config::CachePolicy& policy) { policy = own(); }

inline RequestFacts request_facts_of(std::string_view request) { return request_facts(request_of(request), false); }

// The response to the request, sent and arrived at kArrival, its cookies forwarded as the policy says.
inline ResponseFacts facts_of(std::string_view request_lines, std::string_view response_lines,
                              const config::CachePolicy& policy) {
    http::RequestHead request = request_of(request_lines);
    const RequestFacts facts = request_facts(request, false);
    const bool unkeyed = forward_cookies(request.fields, policy);
    return response_facts(request, facts, unkeyed, response_of(response_lines), kArrival, kArrival,
                          policy.targeted_cache_control);
}

// A stored response: the block, to be viewed for as long as this lives.
struct Stored {
    std::string block;
    StoredHead view() const { return view_stored_head(block); }
};
inline Stored stored_of(std::string_view request_lines, std::string_view response_lines,
                        const config::CachePolicy& policy = rfc9111()) {
    const http::ResponseHead response = response_of(response_lines);
    const std::string names = nominated_names(response.fields);
    return {encode_stored_head(facts_of(request_lines, response_lines, policy), fields_to_store(response, kArrival),
                               names, variant_key(names, request_of(request_lines).fields))};
}

} // namespace gatehouse::cache::policy::testing

namespace gatehouse::http {
inline std::ostream& operator<<(std::ostream& out, Duration duration) { return out << duration.count() << "ms"; }
} // namespace gatehouse::http
