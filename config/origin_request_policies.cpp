#include "config/origin_request_policies.h"

#include "config/glob.h"
#include "config/suggest.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gatehouse::config {
namespace {

using Mode = NameSelection::Mode;

// As AWS publishes them, under "Use managed origin request policies". Fields that CloudFront makes itself are not made
// here: AllViewerAndCloudFrontHeaders forwards what the client sends.
struct Managed {
    std::string_view name;
    std::string_view id;
    bool viewer_host;
    bool everything; // fields, cookies and parameters
    bool query_strings;
    std::vector<std::string> headers;
};

const std::vector<Managed>& managed_policies() {
    static const std::vector<Managed> kManaged{
        {"AllViewer", "216adef6-5c7f-47e4-b989-5492eafa07d3", true, true, true, {}},
        {"AllViewerAndCloudFrontHeaders-2022-06", "33f36d7e-f396-46d9-90e0-52428a34d9dc", true, true, true, {}},
        {"AllViewerExceptHostHeader", "b689b0a8-53d0-40ab-baf2-68738e2966ac", false, true, true, {}},
        {"CORS-CustomOrigin", "59781a5b-3903-41f3-afcb-af62929ccde1", false, false, false, {"Origin"}},
        {"CORS-S3Origin",
         "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
         false,
         false,
         false,
         {"Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method"}},
        {"Elemental-MediaTailor-PersonalizedManifests",
         "775133bc-15f2-49f9-abea-afb2e0bf67d2",
         false,
         false,
         true,
         {"Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method", "User-Agent",
          "X-Forwarded-For"}},
        {"HostHeaderOnly", "bf0718e1-ba1e-49d1-88b1-f726733018ae", true, false, false, {}},
        {"UserAgentRefererHeaders",
         "acba4595-bd28-49b8-b9fe-13317c0390fa",
         false,
         false,
         false,
         {"User-Agent", "Referer"}},
    };
    return kManaged;
}

std::string path_of(std::size_t behavior, std::string_view field) {
    return "behaviors[" + std::to_string(behavior) + "]." + std::string(field);
}

void problem_at(Findings& findings, const std::string& path, std::string message) {
    if (const auto place = findings.place_of(path)) findings.problem(*place, path, std::move(message));
}

void check_names(const Config& config, Findings& findings) {
    for (const auto& [name, policy] : config.origin_request_policies) {
        if (policy.place.line == 0) continue;
        const std::string path = "origin_request_policies." + printable_key(name);
        if (printable_key(name) != name) {
            findings.problem(
                findings.mark(policy.place), path,
                "expected a name of letters, digits and _-. of at most 60 characters; found " + quote(name));
        } else if (const auto& managed = managed_policies();
                   std::any_of(managed.begin(), managed.end(),
                               [&name = name](const Managed& one) { return one.name == name; })) {
            findings.problem(findings.mark(policy.place), path, "a built-in policy has this name; choose another");
        }
    }
}

// Those that either of two selections has.
NameSelection either(const NameSelection& one, const NameSelection& other) {
    if (one.mode == Mode::None || other.mode == Mode::All) return other;
    if (other.mode == Mode::None || one.mode == Mode::All) return one;
    if (one.mode == Mode::Except || other.mode == Mode::Except) {
        const NameSelection& excepting = one.mode == Mode::Except ? one : other;
        const NameSelection& rest = &excepting == &one ? other : one;
        NameSelection out{Mode::Except, {}};
        // What is excepted here and not had there. A glob is compared as it is written.
        std::copy_if(excepting.names.begin(), excepting.names.end(), std::back_inserter(out.names),
                     [&rest](const std::string& name) { return !is_named_by(rest, name, false); });
        return out;
    }
    NameSelection out = one;
    out.names.insert(out.names.end(), other.names.begin(), other.names.end());
    return out;
}

bool forwards_everything(const OriginRequestPolicy& policy) {
    return policy.rules.headers.mode == Mode::All && policy.beside.cookies.mode == Mode::All &&
           policy.beside.query_strings.mode == Mode::All;
}

// The cache policy of a behavior whose origin gets what an origin request policy names, beside what is keyed.
std::shared_ptr<const CachePolicy> widened(const CachePolicy& policy, const OriginRequestPolicy& by) {
    auto out = std::make_shared<CachePolicy>(policy);
    out->forward_everything = policy.forward_everything && forwards_everything(by);
    out->forward_only.cookies = either(policy.forward_only.cookies, by.beside.cookies);
    out->forward_only.query_strings = either(policy.forward_only.query_strings, by.beside.query_strings);
    if (policy.disabled) out->key.query_strings = {Mode::None, {}}; // it has no key
    return out;
}

void resolve_behavior(const Config& config, Behavior& behavior) {
    const OriginRequestPolicy& policy = config.origin_request_policies.at(behavior.origin_request_policy);
    OriginRequestRules& own = behavior.origin_request;
    own.headers = policy.rules.headers;
    own.set.insert(own.set.begin(), policy.rules.set.begin(), policy.rules.set.end()); // the behavior's come last
    own.remove.insert(own.remove.end(), policy.rules.remove.begin(), policy.rules.remove.end());
    behavior.widened_policy = widened(*behavior.policy_ref, policy);
    behavior.policy_ref = behavior.widened_policy.get();
}

} // namespace

std::vector<OriginRequestPolicy> cloudfront_origin_request_policies() {
    std::vector<OriginRequestPolicy> out;
    for (const Managed& managed : managed_policies()) {
        OriginRequestPolicy& policy = out.emplace_back();
        policy.name = managed.name;
        policy.viewer_host = managed.viewer_host;
        if (managed.everything) {
            policy.beside.cookies = {Mode::All, {}};
        } else if (managed.headers.empty()) {
            policy.rules.headers = {Mode::None, {}};
        } else {
            policy.rules.headers = {Mode::Allow, managed.headers};
        }
        if (managed.query_strings) policy.beside.query_strings = {Mode::All, {}};
    }
    return out;
}

std::string origin_request_policy_name_of(std::string_view written) {
    constexpr std::string_view kPrefix = "Managed-";
    std::string_view name = written;
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    for (const Managed& managed : managed_policies()) {
        if (name == managed.name || written == managed.id) return std::string(managed.name);
    }
    return std::string(written);
}

void complete_origin_requests(Config& config, const Findings& findings) {
    auto& policies = config.origin_request_policies;
    for (OriginRequestPolicy& policy : cloudfront_origin_request_policies()) {
        policies.try_emplace(policy.name, std::move(policy));
    }
    for (std::size_t i = 0; i < config.behaviors.size(); ++i) {
        Behavior& behavior = config.behaviors[i];
        if (behavior.origin_request_policy.empty()) continue;
        if (policies.count(behavior.origin_request_policy) == 0) {
            behavior.origin_request_policy = origin_request_policy_name_of(behavior.origin_request_policy);
        }
        const auto found = policies.find(behavior.origin_request_policy);
        const bool is_said = findings.place_of(path_of(i, "host")).has_value();
        if (found != policies.end() && found->second.viewer_host && !is_said) {
            behavior.host = Behavior::HostMode::Viewer;
        }
    }
}

void validate_origin_requests(const Config& config, Findings& findings) {
    check_names(config, findings);
    std::vector<std::string> names;
    for (const auto& [name, policy] : config.origin_request_policies) names.push_back(printable_key(name));
    for (std::size_t i = 0; i < config.behaviors.size() && !findings.full(); ++i) {
        const std::string& name = config.behaviors[i].origin_request_policy;
        if (name.empty()) continue;
        if (config.origin_request_policies.count(name) == 0 && !findings.failed("origin_request_policies")) {
            problem_at(
                findings, path_of(i, "origin_request_policy"),
                "no origin request policy has the name " + quote(name) + did_you_mean(name, names, "; there are: "));
        }
        problem_at(findings, path_of(i, "origin_request.headers"),
                   "origin_request_policy says which fields the origin gets; keep one of the two");
    }
}

void resolve_origin_requests(Config& config) {
    for (Behavior& behavior : config.behaviors) {
        if (!behavior.origin_request_policy.empty()) resolve_behavior(config, behavior);
    }
}

} // namespace gatehouse::config
