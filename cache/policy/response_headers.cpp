#include "cache/policy/response_headers.h"

#include "cache/policy/head_lines.h"
#include "config/glob.h"
#include "config/header_values.h"
#include "http/ascii.h"
#include "http/list_parser.h"

#include <algorithm>
#include <chrono>

namespace gatehouse::cache::policy {

namespace {

using config::FieldLine;
using config::ResponseHeadersPolicy;

constexpr std::string_view kCorsPrefix = "Access-Control-";

bool is_cors_field(std::string_view name) noexcept {
    return http::iequals(name.substr(0, kCorsPrefix.size()), kCorsPrefix);
}

// A pattern or an origin, taken apart. Without "://" the scheme is empty.
struct OriginParts {
    std::string_view scheme;
    std::string_view host;
    std::string_view port;
};

OriginParts parts_of(std::string_view text) noexcept {
    OriginParts parts;
    if (const std::size_t at = text.find("://"); at != std::string_view::npos) {
        parts.scheme = text.substr(0, at);
        text.remove_prefix(at + 3);
    }
    const std::size_t colon = text.rfind(':');
    const bool has_port = colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos;
    parts.host = text.substr(0, has_port ? colon : text.size());
    parts.port = has_port ? text.substr(colon + 1) : std::string_view();
    return parts;
}

bool host_matches(std::string_view pattern, std::string_view host) noexcept {
    if (!pattern.starts_with("*.")) {
        return http::iequals(pattern, host);
    }
    const std::size_t dot = host.find('.');
    return dot != std::string_view::npos && dot > 0 && http::iequals(pattern.substr(1), host.substr(dot));
}

// "text/html" of "text/html; charset=utf-8"
std::string_view media_type(std::string_view content_type) noexcept {
    return http::trim_ows(content_type.substr(0, content_type.find(';')));
}

bool type_matches(std::string_view pattern, std::string_view type) noexcept {
    if (pattern.ends_with("/*")) {
        const std::string_view whole = pattern.substr(0, pattern.size() - 1);
        return http::iequals(type.substr(0, whole.size()), whole);
    }
    return http::iequals(pattern, type);
}

bool status_matches(std::string_view pattern, int status) noexcept {
    return pattern[0] - '0' == status / 100 &&
           (pattern[1] == 'x' || (pattern[1] - '0' == status / 10 % 10 && pattern[2] - '0' == status % 10));
}

bool has_name(const std::vector<FieldLine>& lines, std::string_view name) noexcept {
    return std::any_of(lines.begin(), lines.end(),
                       [name](const FieldLine& line) { return http::iequals(line.name, name); });
}

} // namespace

bool origin_matches(std::string_view pattern, std::string_view origin) noexcept {
    const OriginParts wanted = parts_of(pattern);
    const OriginParts given = parts_of(origin);
    // "null" is whoever hides where it comes from.
    if (given.scheme.empty() || !host_matches(wanted.host, given.host)) {
        return false;
    }
    if (wanted.scheme.empty()) {
        return wanted.port.empty() || wanted.port == given.port;
    }
    return http::iequals(wanted.scheme, given.scheme) && wanted.port == given.port;
}

bool headers_policy_applies(const ResponseHeadersPolicy& policy, int status, std::string_view content_type) noexcept {
    const bool status_holds = policy.statuses.empty() ||
                              std::any_of(policy.statuses.begin(), policy.statuses.end(),
                                          [status](const std::string& one) { return status_matches(one, status); });
    const std::string_view type = media_type(content_type);
    const auto is_of = [type](const std::string& one) { return type_matches(one, type); };
    return status_holds && (policy.content_types.empty() ||
                            std::any_of(policy.content_types.begin(), policy.content_types.end(), is_of));
}

HeadersInForce::HeadersInForce(const config::Behavior& behavior, const http::RequestHead& request, int status,
                               std::string_view lines)
    : lines_(lines) {
    if (behavior.headers_refs.empty()) {
        return;
    }
    const std::string_view content_type = first_value(lines, "Content-Type");
    for (const ResponseHeadersPolicy* policy : behavior.headers_refs) {
        if (headers_policy_applies(*policy, status, content_type)) {
            policies_[count_++] = policy;
        }
    }
    choose_cors(request);
}

// The last policy with a CORS block has the say.
void HeadersInForce::choose_cors(const http::RequestHead& request) {
    for (std::size_t i = 0; i < count_; ++i) {
        cors_ = policies_[i]->cors.configured ? &policies_[i]->cors : cors_;
    }
    if (cors_ == nullptr) {
        return;
    }
    if (!cors_->overrides) {
        bool has_own = false;
        for_each_line(lines_, [&](std::string_view name, std::string_view) {
            has_own = has_own || (is_cors_field(name) && !removes(name));
        });
        if (has_own) {
            cors_ = nullptr;
            return;
        }
    }
    const auto origin = request.fields.first("Origin");
    is_preflight_ = request.method_kind() == http::Method::Options && origin &&
                    request.fields.contains("Access-Control-Request-Method");
    if (cors_->any_origin) {
        allowed_origin_ = "*";
    } else if (origin && std::any_of(cors_->allow_origins.begin(), cors_->allow_origins.end(),
                                     [&](const std::string& pattern) { return origin_matches(pattern, *origin); })) {
        allowed_origin_ = *origin;
    }
}

bool HeadersInForce::removes(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        for (const std::string& pattern : policies_[i]->remove) {
            // A glob takes what it finds, but not what is not the operator's to take.
            if (config::name_matches(pattern, name, true) && config::field_owner(name).empty()) {
                return true;
            }
        }
    }
    return false;
}

bool HeadersInForce::sets(std::string_view name, std::size_t from) const noexcept {
    for (std::size_t i = from; i < count_; ++i) {
        if (has_name(policies_[i]->set, name)) {
            return true;
        }
    }
    return false;
}

bool HeadersInForce::is_there(std::string_view name) const noexcept {
    bool found = false;
    for_each_line(lines_,
                  [&](std::string_view known, std::string_view) { found = found || http::iequals(known, name); });
    return found && !removes(name);
}

bool HeadersInForce::drops(std::string_view name) const noexcept {
    const bool replaces_cors = cors_ != nullptr && cors_->overrides && is_cors_field(name);
    return replaces_cors || sets(name, 0) || removes(name);
}

void HeadersInForce::append(std::string& out, SkipName skips) const {
    const auto put = [&](const FieldLine& line) {
        if (skips == nullptr || !skips(line.name)) {
            append_line(out, line.name, line.value);
        }
    };
    for (std::size_t i = 0; i < count_; ++i) {
        const ResponseHeadersPolicy& policy = *policies_[i];
        for (const FieldLine& line : policy.set) {
            if (!sets(line.name, i + 1)) { // the last policy that sets it has the say
                put(line);
            }
        }
        for (const FieldLine& line : policy.add) {
            put(line);
        }
        for (const FieldLine& line : policy.when_absent) {
            bool is_given = is_there(line.name) || sets(line.name, 0);
            for (std::size_t j = 0; j < i; ++j) {
                is_given = is_given || has_name(policies_[j]->when_absent, line.name);
            }
            if (!is_given) {
                put(line);
            }
        }
    }
    if (cors_ != nullptr) {
        append_cors(out);
    }
}

void HeadersInForce::append_cors(std::string& out) const {
    const auto put = [&out](std::string_view name, std::string_view value) {
        if (!value.empty()) {
            append_line(out, name, value);
        }
    };
    if (!cors_->any_origin) {
        // Whoever stores the answer behind us has to know that it is another one for another origin.
        bool said = false;
        for_each_line(lines_, [&](std::string_view name, std::string_view line) {
            if (!http::iequals(name, "Vary") || drops(name)) {
                return;
            }
            std::string_view rest = line_value(name, line);
            for (std::string_view member; !said && http::next_member(rest, member);) {
                said = member == "*" || http::iequals(member, "Origin");
            }
        });
        put("Vary", said ? std::string_view() : "Origin");
    }
    if (allowed_origin_.empty()) {
        return;
    }
    put("Access-Control-Allow-Origin", allowed_origin_);
    put("Access-Control-Allow-Credentials", cors_->allow_credentials ? "true" : "");
    if (!is_preflight_) {
        put("Access-Control-Expose-Headers", cors_->expose_text);
        return;
    }
    put("Access-Control-Allow-Methods", cors_->methods_text);
    put("Access-Control-Allow-Headers", cors_->headers_text);
    put("Access-Control-Max-Age", cors_->max_age_text);
}

bool answers_preflight(const config::Behavior& behavior, const http::RequestHead& request) {
    return behavior.shapes_responses && request.method_kind() == http::Method::Options &&
           HeadersInForce(behavior, request, 204, {}).answers_preflight();
}

void shape_own_response(const config::Behavior& behavior, const http::RequestHead& request,
                        http::ResponseHead& response) {
    const std::string_view lines = response.fields.serialised();
    const HeadersInForce headers(behavior, request, response.status, lines);
    if (headers.empty()) {
        return;
    }
    std::string shaped;
    for_each_line(lines, [&](std::string_view name, std::string_view line) {
        if (!headers.drops(name)) {
            shaped += line;
        }
    });
    headers.append(shaped, nullptr);
    response.fields = http::Fields::from_serialised(shaped);
}

} // namespace gatehouse::cache::policy
