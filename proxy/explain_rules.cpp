#include "proxy/explain_rules.h"

#include "cache/policy/cache_key.h"
#include "cache/policy/cache_status.h"
#include "cache/policy/normalisation.h"
#include "cache/policy/reuse.h"
#include "http/forwarding.h"
#include "proxy/authorized_requests.h"
#include "proxy/content_key.h"
#include "proxy/router.h"

#include <utility>

namespace gatehouse::proxy {

namespace policy = cache::policy;
using policy::Reason;

namespace {

std::string_view words_of(Mismatch mismatch) noexcept {
    switch (mismatch) {
    case Mismatch::None: return "it matches";
    case Mismatch::Path: return "the path does not match";
    case Mismatch::Host: return "the host is none of when.hosts";
    case Mismatch::Method: return "the method is none of when.methods";
    case Mismatch::Header: return "a field of when.headers is missing, or has another value";
    case Mismatch::UnwantedHeader: return "the request has a field of when.without_headers";
    case Mismatch::QueryString: return "a parameter of when.query_strings is missing, or has another value";
    }
    return "";
}

} // namespace

std::string in_quotes(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string_view advice_for(Reason reason) noexcept {
    switch (reason) {
    case Reason::Method:
        return "only GET and HEAD are answered from the cache, and POST and OPTIONS where the behavior's "
               "`cached_methods` has them";
    case Reason::RequestTooLarge: return "`key: {max_body_size: ...}` in the policy says how large it may be";
    case Reason::CachingDisabled: return "give the behavior another cache_policy";
    case Reason::RequestNoStore:
    case Reason::RequestNoCache:
        return "`request_cache_control: ignore` in the policy makes it deaf to clients' wishes";
    case Reason::ResponseNoStore: return "let the origin leave out no-store, or name it in the policy's `override`";
    case Reason::ResponsePrivate: return "let the origin leave out private, or name it in the policy's `override`";
    case Reason::ResponseNoCache: return "let the origin leave out no-cache, or name it in the policy's `override`";
    case Reason::Authorization:
        return "let the origin say public, s-maxage or must-revalidate where the answer is the same for everybody";
    case Reason::SetCookie:
        return "let the origin set no cookie here, or name a lifetime for it, with `set_cookie: honor` in the policy";
    case Reason::CookieForwarded:
        return "key the cookies that matter (`key: {cookies: {allow: [...]}}`), or let the origin name a lifetime";
    case Reason::VaryStar: return "let the origin name in Vary what its answer depends on";
    case Reason::NoLifetime: return "let the origin send Cache-Control: max-age, or give the policy a `default_ttl`";
    case Reason::StatusNotStorable:
        return "let the origin name a lifetime, or give the policy an `error_ttl` for the status";
    default: return "";
    }
}

http::Status RulesExplainer::take(const SimulatedRequest& request) {
    request_ = request.head;
    scheme_ = request.over_https ? "https" : "http";
    auto target = http::parse_target(request_, scheme_, "test.invalid");
    if (!target) {
        return target.take_error();
    }
    target_ = std::move(*target);
    http::remove_connection_named(request_.fields, request_.fields);
    return http::success();
}

std::optional<config::SourcePlace> RulesExplainer::place_of(const std::string& path) const {
    const auto found = config_->places.find(path);
    return found == config_->places.end() ? std::nullopt : std::optional(found->second);
}

ExplainedStep RulesExplainer::by_policy(std::string_view field, std::string text) const {
    return {std::move(text), place_of("cache_policies." + rules_->name + "." + std::string(field))};
}

ExplainedDecision& RulesExplainer::decide(std::string title, std::string answer) {
    explanation_.decisions.push_back({std::move(title), std::move(answer), {}});
    return explanation_.decisions.back();
}

void RulesExplainer::tell_request() {
    ExplainedDecision& request = decide(
        "request", request_.method + " " + std::string(scheme_) + "://" + target_.authority + target_.origin_form());
    const std::string normal = http::normalised_path(target_.path);
    if (normal != target_.path) {
        request.steps.push_back({"patterns see the path " + in_quotes(normal), std::nullopt});
    }
}

bool RulesExplainer::tell_behavior() {
    const std::string path = http::normalised_path(target_.path);
    std::vector<ExplainedStep> passed_over;
    for (std::size_t i = 0; i < config_->behaviors.size(); ++i) {
        const config::Behavior& one = config_->behaviors[i];
        const std::string name = "behaviors[" + std::to_string(i) + "] " + in_quotes(one.path_pattern);
        const Mismatch mismatch = mismatch_of(one, path, target_, request_);
        if (mismatch == Mismatch::None) {
            behavior_ = &one;
            rules_ = one.policy_ref;
            ExplainedDecision& behavior = decide("behavior", name);
            behavior.steps.push_back({"the first that matches", one.place});
            behavior.steps.insert(behavior.steps.end(), passed_over.begin(), passed_over.end());
            return true;
        }
        passed_over.push_back({name + ": " + std::string(words_of(mismatch)), one.place});
    }
    ExplainedDecision& behavior = decide("behavior", "none: the client gets 404");
    behavior.steps = std::move(passed_over);
    return false;
}

void RulesExplainer::tell_policy() {
    const bool is_built_in = rules_->place.line == 0;
    ExplainedDecision& decision = decide("policy", rules_->name + (is_built_in ? ", built in" : ""));
    if (!is_built_in) {
        decision.steps.push_back({"its rules", rules_->place});
    }
    if (rules_->normalize.any()) {
        http::Fields reduced = request_.fields;
        policy::normalise_request(reduced, rules_->normalize);
        for (const char* name : {"Accept-Encoding", "Accept-Language", "User-Agent"}) {
            if (reduced.combined(name) != request_.fields.combined(name)) {
                decision.steps.push_back(
                    by_policy("normalize", std::string(name) + " becomes " + in_quotes(reduced.combined(name))));
            }
        }
        request_.fields = std::move(reduced);
    }
}

void RulesExplainer::tell_lookup(const policy::RequestFacts& facts) {
    const policy::RequestDecision decision = policy::decide_request(facts, *rules_);
    ExplainedDecision& lookup =
        decide("lookup", decision.lookup ? "the cache is asked"
                                         : "the cache is not asked: " + std::string(policy::sentence(decision.reason)));
    if (!decision.may_store) {
        lookup.steps.push_back({"the origin's answer will not be stored", std::nullopt});
    }
    if (const auto advice = advice_for(decision.reason); !advice.empty()) {
        lookup.steps.push_back({std::string(advice), std::nullopt});
    }
    if (wishes_ == policy::Wishes::Refused) {
        lookup.answer = "the client gets 403";
        lookup.steps.push_back(by_policy("authorized_requests", "it asks for more than a stored answer, and is not "
                                                                "authorized to"));
    } else if (wishes_ != policy::Wishes::Obeyed) {
        lookup.steps.push_back(by_policy("request_cache_control", "what the client says of caching is ignored"));
    }
}

policy::RequestFacts RulesExplainer::take_facts(std::string_view content) {
    policy::RequestFacts facts = policy::request_facts(request_, !content.empty());
    policy::apply_cached_methods(facts, request_.fields, *behavior_, content.size());
    const TrustedProxies trusted(config_->trusted_proxies);
    const bool authorized = is_authorized(rules_->authorized_requests, request_, kSimulatedClient, trusted);
    for (const std::string& field : config_->secret_fields) {
        request_.fields.remove(field);
    }
    if (policy::decide_request(facts, *rules_).lookup && policy::has_wishes(facts)) {
        wishes_ = policy::decide_wishes(facts, *rules_, authorized);
    }
    if (wishes_ != policy::Wishes::Obeyed) {
        policy::drop_wishes(facts);
    }
    return facts;
}

ExplainedDecision* RulesExplainer::tell_error_page(int status, const config::ErrorPage* page) {
    if (page == nullptr) {
        return nullptr;
    }
    const std::string path = "behaviors[" + std::to_string(behavior_ - config_->behaviors.data()) + "].error_pages.";
    const bool is_exact = behavior_->error_pages.by_status.count(status) != 0;
    const std::string name = is_exact ? std::to_string(status) : std::to_string(status / 100) + "xx";
    ExplainedDecision& decision = decide(
        "error page", in_quotes(page->page) + " takes the place of the " + std::to_string(status) + ", if it is there");
    decision.steps.push_back({"the rule for " + name, place_of(path + name)});
    decision.steps.push_back({page->status == 0 ? "it keeps the status of the error"
                                                : "it is sent with status " + std::to_string(page->status),
                              place_of(path + name + ".status")});
    return &decision;
}

std::string RulesExplainer::tell_key(const policy::RequestFacts& facts, std::string_view content) {
    std::string key;
    policy::make_cache_key(*behavior_, target_, request_, key);
    const std::size_t end_of_fields = key.size();
    if (facts.method_is_cached) {
        policy::append_method_to_key(request_, content_digest_text(content), key);
    }
    const std::string_view of_method = std::string_view(key).substr(end_of_fields);
    const policy::KeyParts parts = policy::split_cache_key(key);
    ExplainedDecision& decision = decide("key", policy::readable_key(key));
    const std::string rule_set = in_quotes(parts.rule_set);
    decision.steps.push_back(
        {rule_set + (behavior_->share.empty() ? ": policy and behavior" : ": shared by name"), behavior_->place});
    decision.steps.push_back({in_quotes(parts.origin) + ": the origin", behavior_->origin_ref->place});
    decision.steps.push_back(
        by_policy("key.host", in_quotes(parts.authority) + (rules_->key.any_host ? ": every host" : ": the host")));
    decision.steps.push_back({in_quotes(parts.path) + ": the path as it came", std::nullopt});
    if (target_.has_query) {
        decision.steps.push_back(by_policy(
            "key.query_strings", in_quotes(parts.query) + ": what is keyed of the query " + in_quotes(target_.query)));
    }
    const std::string_view fields = parts.fields.substr(0, parts.fields.size() - of_method.size());
    if (!fields.empty()) {
        decision.steps.push_back(
            by_policy("key", in_quotes(policy::readable_key(fields)) + ": keyed fields and cookies"));
    }
    if (!of_method.empty()) {
        const std::string what = facts.method == http::Method::Post ? ": the method, the hash of the content, and what "
                                                                      "says how it is to be read"
                                                                    : ": the method, and what a preflight asks";
        const std::string path = "behaviors[" + std::to_string(behavior_ - config_->behaviors.data()) + "]";
        decision.steps.push_back(
            {in_quotes(policy::readable_key(of_method)) + what, place_of(path + ".cached_methods")});
    }
    return key;
}

} // namespace gatehouse::proxy
