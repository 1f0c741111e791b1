// Why a request is, or is not, answered from the cache: every decision in the order in which it is made, with the line
// of the configuration that made it.
#pragma once

#include "config/config.h"
#include "http/result.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::proxy {

struct ExplainQuestion {
    config::TestRequest request;
    config::TestResponse response;             // what the origin would answer
    std::optional<config::Milliseconds> after; // the same request again, so much later
};

struct ExplainedStep {
    std::string text;
    std::optional<config::SourcePlace> place; // what in the configuration it comes from
};

// One question that the proxy asks itself on the way, and how it answered it.
struct ExplainedDecision {
    std::string title;  // "behavior", "key", "lifetime", ...
    std::string answer; // one line
    std::vector<ExplainedStep> steps;
};

struct Explanation {
    std::vector<ExplainedDecision> decisions;
};

http::Result<Explanation> explain(const std::shared_ptr<const config::Config>& config, const ExplainQuestion& question);

std::string explanation_text(const Explanation& explanation);
std::string explanation_json(const Explanation& explanation);
// What explanation_json wrote; nullopt: something else.
std::optional<Explanation> parse_explanation(std::string_view text);

} // namespace gatehouse::proxy
