// The tests that stand beside the rules in a configuration, run by the code that serves clients (proxy/simulation.h).
#pragma once

#include "config/config.h"
#include "proxy/simulation.h"

#include <memory>
#include <string>
#include <vector>

namespace gatehouse::proxy {

struct RuleTestResult {
    std::string name;
    config::SourcePlace place;
    std::vector<std::string> differences; // "step 2: cache: expected hit; got miss"; empty: passed
    bool passed() const noexcept { return differences.empty(); }
};

// Each test with a cache of its own.
std::vector<RuleTestResult> run_rule_tests(const std::shared_ptr<const config::Config>& config);

enum class TestReport : unsigned char { Text, Tap, JUnit };
// The results of one or more files: a line for each test and each difference, and the sum; TAP version 13; or JUnit's
// XML.
std::string report_of(const std::vector<RuleTestResult>& results, TestReport form);

// A client's request as the simulation takes it. "/path", or a URL whose host becomes Host.
SimulatedRequest simulated_request(const config::TestRequest& request);
SimulatedOrigin simulated_origin(const config::TestResponse& response);
Simulation::Pages simulated_pages(const std::vector<config::TestPage>& pages);
// Where the client's answer came from.
config::TestExpectation::Source source_of(const SimulatedOutcome& outcome);

} // namespace gatehouse::proxy
