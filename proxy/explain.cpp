#include "proxy/explain.h"

#include "cache/policy/cache_key.h"
#include "cache/policy/freshness.h"
#include "cache/policy/no_vary_search.h"
#include "cache/policy/reuse.h"
#include "cache/policy/storability.h"
#include "config/units.h"
#include "proxy/explain_rules.h"
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

std::string seconds_text(http::Duration duration) { return config::format_duration(duration); }

class Explainer : private RulesExplainer {
public:
    Explainer(std::shared_ptr<const config::Config> config, const ExplainQuestion& question)
        : RulesExplainer(std::move(config)), question_(question), simulation_(config_) {}

    http::Result<Explanation> run();

private:
    void tell_origin(const SimulatedOutcome& outcome);
    void tell_lifetime(const policy::ResponseFacts& facts);
    void tell_stored(const policy::ResponseFacts& facts, const SimulatedOutcome& outcome);
    void tell_client(const std::string& title, const SimulatedOutcome& outcome);
    Simulation::Pages assumed_pages() const;
    void tell_page(const SimulatedOutcome& outcome);
    void tell_named_lifetimes(const policy::ResponseFacts& facts, ExplainedDecision& lifetime) const;

    const ExplainQuestion& question_;
    Simulation simulation_;
};

void Explainer::tell_origin(const SimulatedOutcome& outcome) {
    if (!outcome.asked) {
        decide("origin", "is not asked");
        return;
    }
    ExplainedDecision& decision = decide("origin", outcome.asked->method + " " + outcome.asked->target +
                                                       " is sent to " + in_quotes(behavior_->origin_ref->name));
    if (!behavior_->origin_request_policy.empty()) {
        decision.steps.push_back(
            {"beside what is keyed: " + behavior_->origin_request_policy,
             place_of("behaviors[" + std::to_string(outcome.behavior) + "].origin_request_policy")});
    }
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
        ExplainedDecision& stored = decide("stored", "yes");
        const auto rule = rules_->no_vary_search ? policy::search_rule(simulated_origin(question_.response).head.fields)
                                                 : std::nullopt;
        if (rule) {
            stored.steps.push_back(
                by_policy("no_vary_search",
                          "No-Vary-Search: it answers every query that comes to " +
                              in_quotes(policy::normal_query(policy::keyed_query(target_.query, rules_->key), *rule))));
        }
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

// Nobody said what the pages are: they are there.
Simulation::Pages Explainer::assumed_pages() const {
    Simulation::Pages pages;
    const auto add = [&pages](const auto& by_number) {
        for (const auto& [number, page] : by_number) {
            pages[page.page].head.status = 200;
        }
    };
    add(behavior_->error_pages.by_status);
    add(behavior_->error_pages.by_class);
    return pages;
}

void Explainer::tell_page(const SimulatedOutcome& outcome) {
    const int status = outcome.record.cache.page_for; // 0: it was none
    ExplainedDecision* page = tell_error_page(status, behavior_->error_pages.find(status));
    if (page != nullptr && outcome.page_asked) {
        page->steps.push_back({outcome.page_asked->method + " " + outcome.page_asked->target +
                                   " is sent to its origin; the answer is taken to be 200",
                               std::nullopt});
    }
}

http::Result<Explanation> Explainer::run() {
    const SimulatedRequest as_sent = simulated_request(question_.request);
    if (const http::Status taken = take(as_sent); !taken) {
        return taken.error();
    }
    tell_request();
    if (!tell_behavior()) {
        return std::move(explanation_);
    }
    tell_policy();
    const std::string& content = question_.request.body;
    const policy::RequestFacts facts = take_facts(content);
    tell_lookup(facts);
    if (policy::decide_request(facts, *rules_).lookup) {
        static_cast<void>(tell_key(facts, content));
    }
    const SimulatedOrigin origin = simulated_origin(question_.response);
    const http::WallTime now = simulation_.now();
    const Simulation::Pages pages = assumed_pages();
    const auto first = simulation_.ask(as_sent, origin, pages);
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
    tell_page(*first);
    tell_client("client", *first);
    if (question_.after) {
        simulation_.advance(*question_.after);
        const auto second = simulation_.ask(as_sent, origin, pages);
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

} // namespace gatehouse::proxy
