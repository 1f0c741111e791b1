#include "proxy/rule_tests.h"

#include "cache/policy/reason.h"
#include "config/glob.h"
#include "config/units.h"
#include "http/ascii.h"
#include "http/list_parser.h"
#include "http/target.h"
#include "proxy/printable_text.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace gatehouse::proxy {

namespace {

using cache::policy::Reason;
using config::TestExpectation;
using Source = TestExpectation::Source;

constexpr std::string_view kSourceWords[] = {"any", "hit", "stale", "revalidated", "miss", "own"};

std::string_view word_of(Source source) noexcept { return kSourceWords[static_cast<std::size_t>(source)]; }

// What the last member of Cache-Status, which is ours, says in `detail`.
std::string detail_of(const http::ResponseHead& response) {
    const auto members = http::list_members(response.fields, "Cache-Status");
    if (members.empty()) {
        return {};
    }
    constexpr std::string_view kName = "; detail=";
    const std::size_t at = members.back().find(kName);
    return at == std::string_view::npos ? std::string() : std::string(members.back().substr(at + kName.size()));
}

// Differences between what was expected and what came, in words.
class Comparison {
public:
    explicit Comparison(std::string prefix) : prefix_(std::move(prefix)) {}

    void differ(std::string_view what, std::string_view expected, std::string_view got) {
        std::string line = prefix_;
        line.append(what).append(": expected ").append(expected).append("; got ").append(got);
        differences_.push_back(std::move(line));
    }
    void equal(std::string_view what, const std::optional<std::string>& expected, std::string_view got) {
        if (expected && *expected != got) {
            differ(what, quoted(*expected), quoted(got));
        }
    }
    void equal(std::string_view what, std::optional<bool> expected, bool got) {
        if (expected && *expected != got) {
            differ(what, *expected ? "true" : "false", got ? "true" : "false");
        }
    }
    void headers(const std::string& what, const std::vector<config::NamePattern>& expected,
                 const std::vector<std::string>& absent, const http::Fields& got) {
        for (const config::NamePattern& one : expected) {
            bool matches = config::text_matches(one.pattern, got.combined(one.name)) && got.contains(one.name);
            got.for_each(one.name, [&](std::string_view value) {
                matches = matches || config::text_matches(one.pattern, value);
            });
            if (!matches) {
                differ(what + "." + one.name, quoted(one.pattern),
                       got.contains(one.name) ? quoted(got.combined(one.name)) : "no such field");
            }
        }
        for (const std::string& name : absent) {
            if (got.contains(name)) {
                differ(what + "." + name, "no such field", quoted(got.combined(name)));
            }
        }
    }
    std::vector<std::string> take() { return std::move(differences_); }

private:
    static std::string quoted(std::string_view text) { return "`" + printable(text) + "`"; }

    std::string prefix_;
    std::vector<std::string> differences_;
};

std::vector<std::string> differences_of(const config::Config& config, const TestExpectation& expected,
                                        const SimulatedOutcome& got, std::string prefix) {
    Comparison compare(std::move(prefix));
    compare.equal("behavior", expected.behavior, got.routed ? config.behaviors[got.behavior].path_pattern : "none");
    compare.equal("key", expected.key, got.key);
    if (expected.cache != Source::Any && expected.cache != source_of(got)) {
        compare.differ("cache", word_of(expected.cache), word_of(source_of(got)));
    }
    compare.equal("stored", expected.stored, got.record.cache.stored);
    if (expected.ttl) {
        const auto wanted = std::chrono::floor<std::chrono::seconds>(*expected.ttl).count();
        const auto ttl = got.record.cache.ttl_seconds;
        if (ttl != wanted) {
            compare.differ("ttl", std::to_string(wanted) + "s", ttl ? std::to_string(*ttl) + "s" : "none");
        }
    }
    const std::string detail = detail_of(got.response);
    compare.equal("reason", expected.reason, detail.empty() ? "none" : detail);
    if (expected.status && *expected.status != got.response.status) {
        compare.differ("status", std::to_string(*expected.status), std::to_string(got.response.status));
    }
    if (expected.error_page && *expected.error_page != got.record.cache.page_for) {
        const int page_for = got.record.cache.page_for;
        const auto text = [](int status) { return status == 0 ? "none" : std::to_string(status); };
        compare.differ("error_page", text(*expected.error_page), text(page_for));
    }
    compare.headers("headers", expected.headers, expected.without_headers, got.response.fields);
    compare.equal("body", expected.body, got.content);
    compare.equal("origin.asked", expected.origin_asked, got.asked.has_value());
    const bool looks_at_origin =
        expected.origin_url || !expected.origin_headers.empty() || !expected.origin_without_headers.empty();
    if (looks_at_origin && !got.asked) {
        compare.differ("origin", "a request", "none: it was not asked");
    } else if (looks_at_origin) {
        compare.equal("origin.url", expected.origin_url, got.asked->target);
        compare.headers("origin.headers", expected.origin_headers, expected.origin_without_headers, got.asked->fields);
    }
    return compare.take();
}

bool is_error_page(const config::Config& config, std::string_view url) {
    const auto is_it = [url](const auto& one) { return one.second.page == url; };
    return std::any_of(config.behaviors.begin(), config.behaviors.end(), [&](const config::Behavior& behavior) {
        const auto& [by_status, by_class] = behavior.error_pages;
        return std::any_of(by_status.begin(), by_status.end(), is_it) ||
               std::any_of(by_class.begin(), by_class.end(), is_it);
    });
}

// Pages that the step tells of and nobody ever asks for. Where the step fails, also those that were not asked for now,
// and the one that was, if the step does not tell of it.
std::vector<std::string> differences_of_pages(const config::Config& config, const config::TestStep& step,
                                              const SimulatedOutcome& got, bool failed) {
    std::vector<std::string> out;
    bool is_named = false;
    for (const config::TestPage& page : step.pages) {
        is_named = is_named || page.url == got.page;
        if (!is_error_page(config, page.url)) {
            out.push_back("pages: `" + printable(page.url) + "` is no page of any error_pages");
        } else if (failed && page.url != got.page) {
            out.push_back("pages: `" + printable(page.url) + "` was not asked for");
        }
    }
    if (got.page_asked && !is_named && (failed || !out.empty())) {
        const std::string answer = step.response.error.empty() ? "answered " + std::to_string(step.response.status)
                                                               : "failed with " + step.response.error;
        out.push_back("`" + printable(got.page) + "` was asked for and " + answer + "; `pages` does not name it");
    }
    return out;
}

RuleTestResult run_one(const std::shared_ptr<const config::Config>& config, const config::RuleTest& test) {
    RuleTestResult result{test.name, test.place, {}};
    Simulation simulation(config);
    const bool has_steps = !test.steps.empty();
    const std::vector<config::TestStep> steps = has_steps ? test.steps : std::vector<config::TestStep>{test.only};
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const config::TestStep& step = steps[i];
        const std::string prefix = has_steps ? "step " + std::to_string(i + 1) + ": " : "";
        simulation.advance(step.after);
        const auto outcome = simulation.ask(simulated_request(step.request), simulated_origin(step.response),
                                            simulated_pages(step.pages));
        if (!outcome) {
            result.differences.push_back(prefix + outcome.error().detail);
            return result;
        }
        std::vector<std::string> differences = differences_of(*config, step.expect, *outcome, prefix);
        const bool failed = !differences.empty();
        for (const std::string& of_page : differences_of_pages(*config, step, *outcome, failed)) {
            differences.push_back(prefix + of_page);
        }
        std::move(differences.begin(), differences.end(), std::back_inserter(result.differences));
    }
    return result;
}

std::string place_text(const config::SourcePlace& place) {
    return printable(place.file) + ":" + std::to_string(place.line);
}

std::size_t failed_of(const std::vector<RuleTestResult>& results) {
    return static_cast<std::size_t>(
        std::count_if(results.begin(), results.end(), [](const RuleTestResult& one) { return !one.passed(); }));
}

std::string text_report(const std::vector<RuleTestResult>& results) {
    std::string out;
    for (const RuleTestResult& result : results) {
        out += result.passed() ? "ok    " : "FAIL  ";
        out += printable(result.name);
        out += result.passed() ? "\n" : "  (" + place_text(result.place) + ")\n";
        for (const std::string& difference : result.differences) {
            out += "      " + printable(difference) + "\n";
        }
    }
    out += std::to_string(results.size()) + (results.size() == 1 ? " test, " : " tests, ") +
           std::to_string(failed_of(results)) + " failed\n";
    return out;
}

std::string tap_report(const std::vector<RuleTestResult>& results) {
    std::string out = "TAP version 13\n1.." + std::to_string(results.size()) + "\n";
    for (std::size_t i = 0; i < results.size(); ++i) {
        out += (results[i].passed() ? "ok " : "not ok ") + std::to_string(i + 1) + " - ";
        for (const char c : printable(results[i].name)) {
            out += c == '#' ? "\\#" : std::string(1, c); // what follows a '#' would be a directive
        }
        out += '\n';
        for (const std::string& difference : results[i].differences) {
            out += "# " + place_text(results[i].place) + ": " + printable(difference) + "\n";
        }
    }
    return out;
}

std::string xml_text(std::string_view text) {
    std::string out;
    for (const char c : printable(text)) {
        switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        default: out += c;
        }
    }
    // The two that XML does not have: U+FFFE and U+FFFF.
    for (const std::string_view none : {std::string_view("\xEF\xBF\xBE"), std::string_view("\xEF\xBF\xBF")}) {
        for (std::size_t at = out.find(none); at != std::string::npos; at = out.find(none, at)) {
            out.replace(at, none.size(), "?");
        }
    }
    return out;
}

std::string junit_report(const std::vector<RuleTestResult>& results) {
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"gatehouse\" tests=\"" +
                      std::to_string(results.size()) + "\" failures=\"" + std::to_string(failed_of(results)) + "\">\n";
    for (const RuleTestResult& result : results) {
        out += "  <testcase name=\"" + xml_text(result.name) + "\" classname=\"" + xml_text(result.place.file) +
               "\" file=\"" + xml_text(result.place.file) + "\" line=\"" + std::to_string(result.place.line) + "\"";
        if (result.passed()) {
            out += "/>\n";
            continue;
        }
        out += ">\n    <failure message=\"" + xml_text(result.differences.front()) + "\">";
        for (const std::string& difference : result.differences) {
            out += xml_text(difference) + "\n";
        }
        out += "</failure>\n  </testcase>\n";
    }
    return out + "</testsuite>\n";
}

} // namespace

SimulatedRequest simulated_request(const config::TestRequest& request) {
    SimulatedRequest simulated;
    simulated.content = request.body;
    http::RequestHead& head = simulated.head;
    head.method = request.method;
    head.version = http::Version::Http11;
    std::string host = "test.invalid";
    head.target = request.url;
    if (const auto url = http::parse_url(request.url)) {
        host = url->authority();
        simulated.over_https = url->scheme == "https";
        head.target = url->path_as_written.empty() ? "/" : url->path_as_written;
        if (url->has_query) {
            head.target.append("?").append(url->query);
        }
    }
    const bool has_host = std::any_of(request.headers.begin(), request.headers.end(),
                                      [](const config::HeaderLine& line) { return http::iequals(line.name, "Host"); });
    if (!has_host) {
        head.fields.add("Host", host);
    }
    for (const config::HeaderLine& line : request.headers) {
        head.fields.add(line.name, line.value);
    }
    return simulated;
}

SimulatedOrigin simulated_origin(const config::TestResponse& response) {
    SimulatedOrigin origin;
    origin.delay = response.delay;
    origin.head.status = response.status;
    origin.head.version = http::Version::Http11;
    for (const config::HeaderLine& line : response.headers) {
        origin.head.fields.add(line.name, line.value);
    }
    origin.content = response.body;
    for (int kind = 0; kind <= static_cast<int>(http::ErrorKind::Internal); ++kind) {
        const auto one = static_cast<http::ErrorKind>(kind);
        if (http::source_of(one) == http::ErrorSource::Upstream && http::to_string(one) == response.error) {
            origin.error = one;
        }
    }
    return origin;
}

Simulation::Pages simulated_pages(const std::vector<config::TestPage>& pages) {
    Simulation::Pages out;
    for (const config::TestPage& page : pages) {
        out[page.url] = simulated_origin(page);
    }
    return out;
}

Source source_of(const SimulatedOutcome& outcome) {
    const cache::policy::CacheResult& result = outcome.record.cache;
    const bool hides_failure = cache::policy::hides_origin(result.reason);
    const bool is_made_here = outcome.record.error && !hides_failure && result.page_for == 0;
    if (!outcome.response.fields.contains("X-Cache") || result.reason == Reason::OnlyIfCached || is_made_here) {
        return Source::Own;
    }
    if (result.revalidated) {
        return Source::Revalidated;
    }
    const bool is_stored = result.forwarded == cache::policy::Forwarded::No || hides_failure;
    if (!is_stored) {
        return Source::Miss;
    }
    return hides_failure || result.ttl_seconds.value_or(0) < 0 ? Source::Stale : Source::Hit;
}

std::vector<RuleTestResult> run_rule_tests(const std::shared_ptr<const config::Config>& config) {
    std::vector<RuleTestResult> results;
    for (const config::RuleTest& test : config->tests) {
        results.push_back(run_one(config, test));
    }
    return results;
}

std::string report_of(const std::vector<RuleTestResult>& results, TestReport form) {
    switch (form) {
    case TestReport::Tap: return tap_report(results);
    case TestReport::JUnit: return junit_report(results);
    case TestReport::Text: break;
    }
    return text_report(results);
}

} // namespace gatehouse::proxy
