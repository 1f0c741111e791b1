#include "proxy/explain.h"

#include "cache/policy/cache_key.h"
#include "cache/policy/freshness.h"
#include "cache/policy/normalisation.h"
#include "cache/policy/reuse.h"
#include "cache/policy/storability.h"
#include "config/units.h"
#include "http/ascii.h"
#include "http/forwarding.h"
#include "http/target.h"
#include "proxy/authorized_requests.h"
#include "proxy/content_key.h"
#include "proxy/json_text.h"
#include "proxy/router.h"
#include "proxy/rule_tests.h"
#include "proxy/simulation.h"

#include <algorithm>
#include <utility>

namespace gatehouse::proxy {

namespace {

namespace policy = cache::policy;
using config::CachePolicy;
using policy::LifetimeSource;
using policy::Reason;
using Source = config::TestExpectation::Source;

constexpr std::size_t kTitleColumns = 11;

std::string quoted(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string seconds_text(http::Duration duration) { return config::format_duration(duration); }

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

// What to do about an answer that is not kept, or a request that the cache is not asked for.
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

class Explainer {
public:
    Explainer(std::shared_ptr<const config::Config> config, const ExplainQuestion& question)
        : config_(std::move(config)), question_(question), simulation_(config_) {}

    http::Result<Explanation> run();

private:
    std::optional<config::SourcePlace> place_of(const std::string& path) const {
        const auto found = config_->places.find(path);
        return found == config_->places.end() ? std::nullopt : std::optional(found->second);
    }
    std::string policy_path(std::string_view field) const {
        return "cache_policies." + rules_->name + "." + std::string(field);
    }
    ExplainedStep by_policy(std::string_view field, std::string text) const {
        return {std::move(text), place_of(policy_path(field))};
    }
    ExplainedDecision& decide(std::string title, std::string answer) {
        explanation_.decisions.push_back({std::move(title), std::move(answer), {}});
        return explanation_.decisions.back();
    }

    void tell_request();
    bool tell_behavior();
    void tell_policy();
    void tell_lookup(const policy::RequestFacts& facts);
    void tell_key(const policy::RequestFacts& facts);
    void tell_origin(const SimulatedOutcome& outcome);
    void tell_lifetime(const policy::ResponseFacts& facts);
    void tell_stored(const policy::ResponseFacts& facts, const SimulatedOutcome& outcome);
    void tell_client(const std::string& title, const SimulatedOutcome& outcome);
    void tell_named_lifetimes(const policy::ResponseFacts& facts, ExplainedDecision& lifetime) const;

    std::shared_ptr<const config::Config> config_;
    const ExplainQuestion& question_;
    Simulation simulation_;
    http::RequestHead request_;
    std::string_view scheme_;
    http::Target target_;
    const config::Behavior* behavior_ = nullptr;
    const CachePolicy* rules_ = nullptr;
    Explanation explanation_;
};

void Explainer::tell_request() {
    ExplainedDecision& request = decide(
        "request", request_.method + " " + std::string(scheme_) + "://" + target_.authority + target_.origin_form());
    const std::string normal = http::normalised_path(target_.path);
    if (normal != target_.path) {
        request.steps.push_back({"patterns see the path " + quoted(normal), std::nullopt});
    }
}

bool Explainer::tell_behavior() {
    const std::string path = http::normalised_path(target_.path);
    std::vector<ExplainedStep> passed_over;
    for (std::size_t i = 0; i < config_->behaviors.size(); ++i) {
        const config::Behavior& one = config_->behaviors[i];
        const std::string name = "behaviors[" + std::to_string(i) + "] " + quoted(one.path_pattern);
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

void Explainer::tell_policy() {
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
                    by_policy("normalize", std::string(name) + " becomes " + quoted(reduced.combined(name))));
            }
        }
        request_.fields = std::move(reduced);
    }
}

void Explainer::tell_lookup(const policy::RequestFacts& facts) {
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
}

void Explainer::tell_key(const policy::RequestFacts& facts) {
    std::string key;
    policy::make_cache_key(*behavior_, target_, request_, key);
    const std::size_t end_of_fields = key.size();
    if (facts.method_is_cached) {
        policy::append_method_to_key(request_, content_digest_text(question_.request.body), key);
    }
    const std::string_view of_method = std::string_view(key).substr(end_of_fields);
    const policy::KeyParts parts = policy::split_cache_key(key);
    ExplainedDecision& decision = decide("key", policy::readable_key(key));
    const std::string rule_set = quoted(parts.rule_set);
    decision.steps.push_back(
        {rule_set + (behavior_->share.empty() ? ": policy and behavior" : ": shared by name"), behavior_->place});
    decision.steps.push_back({quoted(parts.origin) + ": the origin", behavior_->origin_ref->place});
    decision.steps.push_back(
        by_policy("key.host", quoted(parts.authority) + (rules_->key.any_host ? ": every host" : ": the host")));
    decision.steps.push_back({quoted(parts.path) + ": the path as it came", std::nullopt});
    if (target_.has_query) {
        decision.steps.push_back(by_policy(
            "key.query_strings", quoted(parts.query) + ": what is keyed of the query " + quoted(target_.query)));
    }
    const std::string_view fields = parts.fields.substr(0, parts.fields.size() - of_method.size());
    if (!fields.empty()) {
        decision.steps.push_back(by_policy("key", quoted(policy::readable_key(fields)) + ": keyed fields and cookies"));
    }
    if (!of_method.empty()) {
        const std::string what = facts.method == http::Method::Post ? ": the method, the hash of the content, and what "
                                                                      "says how it is to be read"
                                                                    : ": the method, and what a preflight asks";
        const std::string path = "behaviors[" + std::to_string(behavior_ - config_->behaviors.data()) + "]";
        decision.steps.push_back({quoted(policy::readable_key(of_method)) + what, place_of(path + ".cached_methods")});
    }
}

void Explainer::tell_origin(const SimulatedOutcome& outcome) {
    if (!outcome.asked) {
        decide("origin", "is not asked");
        return;
    }
    ExplainedDecision& decision = decide("origin", outcome.asked->method + " " + outcome.asked->target +
                                                       " is sent to " + quoted(behavior_->origin_ref->name));
    for (const auto line : outcome.asked->fields) {
        decision.steps.push_back({std::string(line.name) + ": " + std::string(line.value), std::nullopt});
    }
}

// What the origin itself says of the lifetime, as far as it counts.
void Explainer::tell_named_lifetimes(const policy::ResponseFacts& facts, ExplainedDecision& lifetime) const {
    if (facts.targeted) {
        lifetime.steps.push_back(by_policy("targeted_cache_control", "a targeted field is there: Cache-Control and "
                                                                     "Expires are not read"));
    }
    const auto tell = [&lifetime](std::string_view name, const http::DeltaSeconds& value) {
        if (value.present()) {
            lifetime.steps.push_back(
                {"the origin says " + std::string(name) +
                     (value.valid() ? " " + seconds_text(value.value()) : ", but not how long: that counts as zero"),
                 std::nullopt});
        }
    };
    tell("s-maxage", facts.s_maxage);
    tell("max-age", facts.max_age);
    if (facts.expires_state != policy::LifetimeState::Absent) {
        const bool counts = !facts.s_maxage.present() && !facts.max_age.present();
        lifetime.steps.push_back(
            {std::string("the origin sends Expires") + (counts ? "" : ", which max-age overrides"), std::nullopt});
    }
}

void Explainer::tell_lifetime(const policy::ResponseFacts& facts) {
    const policy::Lifetime found = policy::freshness_lifetime(facts, *rules_);
    std::string answer = found.source == LifetimeSource::None
                             ? "none: nobody names one"
                             : seconds_text(found.duration) + ", from " + std::string(policy::to_string(found.source));
    ExplainedDecision& lifetime = decide("lifetime", std::move(answer));
    tell_named_lifetimes(facts, lifetime);
    const auto tell = [&](std::string_view field, const std::optional<config::Milliseconds>& value, bool counts,
                          std::string_view why) {
        if (value) {
            lifetime.steps.push_back(by_policy(field, std::string(field) + " " + seconds_text(*value) +
                                                          (counts ? ": " : ", which does not count here: ") +
                                                          std::string(why)));
        }
    };
    tell("ttl", rules_->ttl, found.source == LifetimeSource::PolicyTtl, "the lifetime of every storable response");
    const auto error_ttl = facts.status >= 400 ? rules_->error_ttl.find(facts.status) : std::nullopt;
    tell("error_ttl", error_ttl, found.source == LifetimeSource::ErrorTtl, "for errors that name no lifetime");
    tell("default_ttl", rules_->default_ttl, found.source == LifetimeSource::DefaultTtl,
         "for responses that name no lifetime and may have an assumed one");
    const auto without = [&](auto member, auto value) {
        CachePolicy changed = *rules_;
        changed.*member = value;
        return policy::freshness_lifetime(facts, changed).duration;
    };
    const bool is_capped = without(&CachePolicy::max_ttl, std::optional<config::Milliseconds>()) > found.duration;
    tell("max_ttl", rules_->max_ttl, is_capped, is_capped ? "no lifetime of an origin is longer" : "nothing is longer");
    const bool is_raised = without(&CachePolicy::min_ttl, config::Milliseconds(0)) < found.duration;
    if (rules_->min_ttl.count() > 0) {
        tell("min_ttl", rules_->min_ttl, is_raised, is_raised ? "no lifetime is shorter" : "nothing is shorter");
    }
    if (found.source == LifetimeSource::Heuristic) {
        lifetime.steps.push_back(by_policy("heuristic", "a tenth of the time since Last-Modified"));
    }
}

void Explainer::tell_stored(const policy::ResponseFacts& facts, const SimulatedOutcome& outcome) {
    const policy::StoreDecision decision = policy::decide_storability(facts, *rules_);
    const Reason reason = outcome.record.store_reason != Reason::None ? outcome.record.store_reason : decision.reason;
    if (outcome.record.cache.stored) {
        decide("stored", "yes");
        return;
    }
    ExplainedDecision& stored =
        decide("stored", reason == Reason::None ? "no" : "no: " + std::string(policy::sentence(reason)));
    if (const auto advice = advice_for(reason); !advice.empty()) {
        stored.steps.push_back({std::string(advice), std::nullopt});
    }
}

void Explainer::tell_client(const std::string& title, const SimulatedOutcome& outcome) {
    constexpr std::string_view kWords[] = {
        "",           "the cache, fresh", "the cache, stale", "the cache, which the origin has just validated",
        "the origin", "Gatehouse itself"};
    ExplainedDecision& client = decide(title, std::to_string(outcome.response.status) + " from " +
                                                  std::string(kWords[static_cast<std::size_t>(source_of(outcome))]));
    const Reason reason = outcome.record.cache.reason;
    if (reason != Reason::None) {
        client.steps.push_back({std::string(policy::sentence(reason)), std::nullopt});
    }
    for (const auto line : outcome.response.fields) {
        client.steps.push_back({std::string(line.name) + ": " + std::string(line.value), std::nullopt});
    }
}

http::Result<Explanation> Explainer::run() {
    const SimulatedRequest as_sent = simulated_request(question_.request);
    request_ = as_sent.head;
    scheme_ = as_sent.over_https ? "https" : "http";
    auto target = http::parse_target(request_, scheme_, "test.invalid");
    if (!target) {
        return target.take_error();
    }
    target_ = std::move(*target);
    http::remove_connection_named(request_.fields);
    tell_request();
    if (!tell_behavior()) {
        return std::move(explanation_);
    }
    tell_policy();
    policy::RequestFacts facts = policy::request_facts(request_, !question_.request.body.empty());
    policy::apply_cached_methods(facts, request_.fields, *behavior_, question_.request.body.size());
    if (policy::decide_request(facts, *rules_).lookup) {
        const TrustedProxies trusted(config_->trusted_proxies);
        const bool authorized = is_authorized(rules_->authorized_requests, request_, kSimulatedClient, trusted);
        if (policy::decide_wishes(facts, *rules_, authorized) != policy::Wishes::Obeyed) {
            policy::drop_wishes(facts);
        }
    }
    tell_lookup(facts);
    if (policy::decide_request(facts, *rules_).lookup) {
        tell_key(facts);
    }
    const SimulatedOrigin origin = simulated_origin(question_.response);
    const http::WallTime now = simulation_.now();
    const auto first = simulation_.ask(as_sent, origin);
    if (!first) {
        return first.error();
    }
    tell_origin(*first);
    if (first->asked && !origin.error) {
        const policy::ResponseFacts response = policy::response_facts(
            request_, facts, first->cookie_unkeyed, origin.head, now, now, rules_->targeted_cache_control);
        tell_lifetime(response);
        tell_stored(response, *first);
    }
    tell_client("client", *first);
    if (question_.after) {
        simulation_.advance(*question_.after);
        const auto second = simulation_.ask(as_sent, origin);
        if (!second) {
            return second.error();
        }
        tell_client("after " + config::format_duration(*question_.after), *second);
    }
    return std::move(explanation_);
}

} // namespace

http::Result<Explanation> explain(const std::shared_ptr<const config::Config>& config,
                                  const ExplainQuestion& question) {
    return Explainer(config, question).run();
}

std::string explanation_text(const Explanation& explanation) {
    std::string out;
    for (const ExplainedDecision& decision : explanation.decisions) {
        std::string title = decision.title;
        title.resize(std::max(kTitleColumns, title.size() + 1), ' ');
        out += title + decision.answer + "\n";
        for (const ExplainedStep& step : decision.steps) {
            out.append(kTitleColumns + 2, ' ').append(step.text);
            if (step.place) {
                out += "  (" + step.place->file + ":" + std::to_string(step.place->line) + ")";
            }
            out += '\n';
        }
    }
    return out;
}

std::string explanation_json(const Explanation& explanation) {
    std::string out = "[";
    for (const ExplainedDecision& decision : explanation.decisions) {
        out += out.size() > 1 ? ",\n {\"decision\":" : "\n {\"decision\":";
        append_json_string(out, decision.title);
        out += ",\"answer\":";
        append_json_string(out, decision.answer);
        out += ",\"steps\":[";
        for (std::size_t i = 0; i < decision.steps.size(); ++i) {
            const ExplainedStep& step = decision.steps[i];
            out += i > 0 ? ",{\"text\":" : "{\"text\":";
            append_json_string(out, step.text);
            if (step.place) {
                out += ",\"file\":";
                append_json_string(out, step.place->file);
                out += ",\"line\":" + std::to_string(step.place->line);
            }
            out += '}';
        }
        out += "]}";
    }
    return out + "\n]\n";
}

} // namespace gatehouse::proxy
