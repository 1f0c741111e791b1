// What the rules make of a request before anything is looked up, in the words of `gatehouse explain`: shared by what
// explains a file and what asks a running proxy.
#pragma once

#include "cache/policy/facts.h"
#include "cache/policy/reason.h"
#include "config/config.h"
#include "http/message.h"
#include "http/result.h"
#include "http/target.h"
#include "proxy/explain.h"
#include "proxy/simulation.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

// What to do about an answer that is not kept, or a request that the cache is not asked for; often nothing.
std::string_view advice_for(cache::policy::Reason reason) noexcept;
// `text` in backquotes.
std::string in_quotes(std::string_view text);

class RulesExplainer {
protected:
    explicit RulesExplainer(std::shared_ptr<const config::Config> config) : config_(std::move(config)) {}

    // Error: the request is refused before there are rules for it.
    http::Status take(const SimulatedRequest& request);
    std::optional<config::SourcePlace> place_of(const std::string& path) const;
    ExplainedStep by_policy(std::string_view field, std::string text) const;
    ExplainedDecision& decide(std::string title, std::string answer);

    void tell_request();
    // False: there is none, and nothing more to say.
    bool tell_behavior();
    void tell_policy();
    // The facts of the request as the rules let it have a say. After tell_policy().
    cache::policy::RequestFacts take_facts(std::string_view content);
    void tell_lookup(const cache::policy::RequestFacts& facts);
    // `page`: what takes the place of an error with this status. Null: nothing does, and nothing is told.
    ExplainedDecision* tell_error_page(int status, const config::ErrorPage* page);
    // Returns the key.
    std::string tell_key(const cache::policy::RequestFacts& facts, std::string_view content);

    std::shared_ptr<const config::Config> config_;
    http::RequestHead request_;
    std::string_view scheme_;
    http::Target target_;
    const config::Behavior* behavior_ = nullptr;
    const config::CachePolicy* rules_ = nullptr;
    cache::policy::Wishes wishes_ = cache::policy::Wishes::Obeyed; // the client's, where it has any
    Explanation explanation_;
};

} // namespace gatehouse::proxy
