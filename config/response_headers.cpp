#include "config/response_headers.h"

#include "config/suggest.h"
#include "http/ascii.h"

#include <algorithm>

namespace gatehouse::config {
namespace {

constexpr std::string_view kAllMethods = "GET, DELETE, HEAD, OPTIONS, PATCH, POST, PUT"; // as CloudFront writes them

std::string path_of(const ResponseHeadersPolicy& policy, std::string_view field) {
    return "response_headers_policies." + printable_key(policy.name) + "." + std::string(field);
}

void problem_at(Findings& findings, const std::string& path, std::string message) {
    if (const auto place = findings.place_of(path)) findings.problem(*place, path, std::move(message));
}

// --- CloudFront's managed policies

void add_simple_cors(ResponseHeadersPolicy& policy) {
    policy.cors.configured = true;
    policy.cors.allow_origins = {"*"};
    policy.cors.overrides = false;
}

void add_preflight(ResponseHeadersPolicy& policy) {
    add_simple_cors(policy);
    policy.cors.allow_methods = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"};
    policy.cors.expose_headers = {"*"};
}

void add_security(ResponseHeadersPolicy& policy) {
    SecurityHeaders& security = policy.security;
    security.referrer_policy.value = "strict-origin-when-cross-origin";
    security.strict_transport_security.configured = true; // 31536000 seconds
    security.content_type_options.configured = true;      // the only one that overrides
    security.frame_options.value = "SAMEORIGIN";
    security.xss_protection.configured = true;
    security.xss_protection.mode_block = true;
}

using Add = void (*)(ResponseHeadersPolicy&);
struct Managed {
    std::string_view name;
    Add cors;
    bool secure;
};
constexpr Managed kManaged[] = {{"CORS-With-Preflight", add_preflight, false},
                                {"SimpleCORS", add_simple_cors, false},
                                {"SecurityHeadersPolicy", nullptr, true},
                                {"CORS-and-SecurityHeadersPolicy", add_simple_cors, true},
                                {"CORS-with-preflight-and-SecurityHeadersPolicy", add_preflight, true}};

// --- the security block as lines

void add_line(ResponseHeadersPolicy& policy, bool overrides, std::string name, std::string value) {
    (overrides ? policy.set : policy.when_absent).push_back({std::move(name), std::move(value)});
}

std::string hsts_value(const SecurityHeaders::Hsts& hsts) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(hsts.max_age).count();
    std::string value = "max-age=" + std::to_string(seconds);
    if (hsts.include_subdomains) value += "; includeSubDomains";
    if (hsts.preload) value += "; preload";
    return value;
}

std::string xss_value(const SecurityHeaders::XssProtection& xss) {
    if (!xss.protection) return "0";
    if (xss.mode_block) return "1; mode=block";
    return xss.report_uri.empty() ? "1" : "1; report=" + xss.report_uri;
}

void make_security_lines(ResponseHeadersPolicy& policy) {
    const SecurityHeaders& security = policy.security;
    const auto add_text = [&policy](const char* name, const SecurityHeaders::Text& text) {
        if (!text.value.empty()) add_line(policy, text.overrides, name, text.value);
    };
    if (security.strict_transport_security.configured) {
        add_line(policy, security.strict_transport_security.overrides, "Strict-Transport-Security",
                 hsts_value(security.strict_transport_security));
    }
    add_text("Content-Security-Policy", security.content_security_policy);
    if (security.content_type_options.configured) {
        add_line(policy, security.content_type_options.overrides, "X-Content-Type-Options", "nosniff");
    }
    add_text("X-Frame-Options", security.frame_options);
    add_text("Referrer-Policy", security.referrer_policy);
    if (security.xss_protection.configured) {
        add_line(policy, security.xss_protection.overrides, "X-XSS-Protection", xss_value(security.xss_protection));
    }
}

bool contains(const std::vector<std::string>& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

void make_cors_texts(Cors& cors) {
    cors.any_origin = contains(cors.allow_origins, "*");
    cors.methods_text = contains(cors.allow_methods, "ALL") ? std::string(kAllMethods) : join(cors.allow_methods);
    cors.headers_text = join(cors.allow_headers);
    cors.expose_text = join(cors.expose_headers);
    if (cors.max_age) {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*cors.max_age).count();
        cors.max_age_text = std::to_string(seconds);
    }
}

// --- checks

void check_cors(const ResponseHeadersPolicy& policy, Findings& findings) {
    const Cors& cors = policy.cors;
    const std::string origins = path_of(policy, "cors.allow_origins");
    if (cors.configured && cors.allow_origins.empty()) {
        problem_at(findings, origins, "at least one origin is needed");
    }
    if (!cors.allow_credentials) return;
    const std::pair<const char*, const std::vector<std::string>*> lists[] = {
        {"cors.allow_origins", &cors.allow_origins},
        {"cors.allow_headers", &cors.allow_headers},
        {"cors.expose_headers", &cors.expose_headers},
    };
    for (const auto& [field, list] : lists) {
        if (!contains(*list, "*")) continue;
        problem_at(findings, path_of(policy, field),
                   "browsers do not take `*` together with allow_credentials; name what is allowed");
        return;
    }
}

// An answer that no browser takes, or none at all, would look like a fault of the origin.
void check_preflights(const ResponseHeadersPolicy& policy, Findings& findings) {
    const std::string path = path_of(policy, "cors.preflights");
    if (!policy.cors.answers_preflights || findings.failed_within(path_of(policy, "cors.allow_methods"))) return;
    if (policy.cors.allow_methods.empty()) {
        problem_at(findings, path, "preflights are answered with allow_methods, which names none");
    } else if (!policy.statuses.empty() || !policy.content_types.empty()) {
        problem_at(findings, path,
                   "the answer to a preflight has no content and a status of its own, so `when` has no meaning for it; "
                   "give preflights a policy without it");
    }
}

void check_security(const ResponseHeadersPolicy& policy, Findings& findings) {
    const SecurityHeaders::XssProtection& xss = policy.security.xss_protection;
    if (!xss.mode_block || xss.report_uri.empty()) return;
    problem_at(findings, path_of(policy, "security.xss_protection.report_uri"),
               "mode_block and report_uri exclude each other; give one");
}

void check_names(const Config& config, Findings& findings) {
    for (const auto& [name, policy] : config.response_headers_policies) {
        if (policy.place.line == 0 || printable_key(name) == name) continue;
        findings.problem(findings.mark(policy.place), "response_headers_policies." + printable_key(name),
                         "expected a name of letters, digits and _-. of at most 60 characters; found " + quote(name));
    }
    for (const Managed& managed : kManaged) {
        const auto own = config.response_headers_policies.find(std::string(managed.name));
        if (own == config.response_headers_policies.end() || own->second.place.line == 0) continue;
        findings.problem(findings.mark(own->second.place), "response_headers_policies." + own->first,
                         "a built-in policy has this name; choose another");
    }
}

// Where one name of several stands: its own place in a list, else that of the field.
std::string reference_path(const Findings& findings, std::size_t behavior, std::size_t index) {
    const std::string field = "behaviors[" + std::to_string(behavior) + "].response_headers_policy";
    std::string item = field + "[" + std::to_string(index) + "]";
    return findings.place_of(item) ? item : field;
}

void check_references(const Config& config, Findings& findings) {
    if (findings.failed("response_headers_policies")) return;
    std::vector<std::string> names;
    for (const auto& [name, policy] : config.response_headers_policies) names.push_back(printable_key(name));
    for (std::size_t i = 0; i < config.behaviors.size(); ++i) {
        const auto& used = config.behaviors[i].response_headers_policies;
        for (std::size_t j = 0; j < used.size() && !findings.full(); ++j) {
            if (config.response_headers_policies.count(used[j]) != 0) continue;
            problem_at(findings, reference_path(findings, i, j),
                       "no response headers policy has the name " + quote(used[j]) +
                           did_you_mean(used[j], names, "; there are: "));
        }
    }
}

void resolve_behavior(const Config& config, Behavior& behavior) {
    for (const std::string& name : behavior.response_headers_policies) {
        behavior.headers_refs.push_back(&config.response_headers_policies.at(name));
    }
    if (behavior.client_cache_control.configured) {
        behavior.client_cache_control_ref = &behavior.client_cache_control;
    }
    for (const ResponseHeadersPolicy* policy : behavior.headers_refs) {
        if (behavior.client_cache_control_ref != nullptr) break;
        if (policy->client_cache_control.configured) {
            behavior.client_cache_control_ref = &policy->client_cache_control;
        }
    }
    behavior.shapes_responses = behavior.client_cache_control_ref != nullptr || !behavior.headers_refs.empty() ||
                                behavior.etag == EtagRule::Weaken || behavior.etag == EtagRule::Remove;
}

} // namespace

std::vector<ResponseHeadersPolicy> builtin_headers_policies() {
    std::vector<ResponseHeadersPolicy> out;
    for (const Managed& managed : kManaged) {
        ResponseHeadersPolicy& policy = out.emplace_back();
        policy.name = managed.name;
        if (managed.cors != nullptr) managed.cors(policy);
        if (managed.secure) add_security(policy);
    }
    return out;
}

void validate_response_headers(const Config& config, Findings& findings) {
    check_names(config, findings);
    for (const auto& [name, policy] : config.response_headers_policies) {
        check_cors(policy, findings);
        check_preflights(policy, findings);
        check_security(policy, findings);
    }
    check_references(config, findings);
}

void resolve_response_rules(Config& config) {
    for (auto& [name, policy] : config.response_headers_policies) {
        make_security_lines(policy);
        make_cors_texts(policy.cors);
    }
    for (Behavior& behavior : config.behaviors) resolve_behavior(config, behavior);
}

} // namespace gatehouse::config
