#include "proxy/explain_live.h"

#include "cache/inspection.h"
#include "cache/policy/cache_status.h"
#include "cache/policy/error_page.h"
#include "cache/policy/freshness.h"
#include "cache/policy/normalisation.h"
#include "cache/policy/partial.h"
#include "cache/policy/reuse.h"
#include "config/units.h"
#include "http/ascii.h"
#include "http/framing.h"
#include "http/range.h"
#include "proxy/content_key.h"
#include "proxy/explain_rules.h"
#include "proxy/head_parser.h"
#include "proxy/json_text.h"
#include "proxy/rule_tests.h"
#include "proxy/viewer_rules.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace gatehouse::proxy {

namespace {

namespace json = boost::json;
namespace policy = cache::policy;
using policy::Reason;
using policy::ReuseDecision;

http::Error bad(std::string detail) { return http::Error(http::ErrorKind::BadRequest, std::move(detail)); }

std::string text_of(const json::string& text) { return {text.data(), text.size()}; }

// [["Name", "value"], ...]
http::Status take_headers(const json::value& value, std::vector<config::HeaderLine>& out) {
    const http::Error wrong = bad(R"(headers must be a list of pairs: [["Name", "value"], ...])");
    if (!value.is_array()) {
        return wrong;
    }
    for (const json::value& one : value.get_array()) {
        const json::array* pair = one.if_array();
        if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_string()) {
            return wrong;
        }
        config::HeaderLine line{text_of((*pair)[0].get_string()), text_of((*pair)[1].get_string())};
        if (!http::is_token(line.name) || !http::is_field_value(line.value)) {
            return bad("headers: a field has a name that is none, or a value with characters that no value may have");
        }
        out.push_back(std::move(line));
    }
    return http::success();
}

http::Status take_member(std::string_view name, const json::value& value, config::TestRequest& out) {
    if (name == "headers") {
        return take_headers(value, out.headers);
    }
    if (name != "url" && name != "method" && name != "body") {
        return bad("unknown member: accepted are url, method, headers, body");
    }
    if (!value.is_string()) {
        return bad(std::string(name) + " must be a string");
    }
    (name == "url" ? out.url : name == "body" ? out.body : out.method) = text_of(value.get_string());
    return http::success();
}

http::Status judge(const config::TestRequest& request) {
    if (!http::is_token(request.method) || http::method_from(request.method) == http::Method::Connect) {
        return bad("method must be one such as GET, and not CONNECT, which nobody is served");
    }
    const bool has_host = std::any_of(request.headers.begin(), request.headers.end(),
                                      [](const auto& line) { return http::iequals(line.name, "Host"); });
    if (request.url.empty()) {
        return bad("url is missing: what is asked for, such as https://shop.example/v1/items?page=2");
    }
    const bool is_path = request.url.starts_with('/');
    if (is_path && !has_host) {
        return bad("a path alone has no host: give the whole URL, or a Host field beside it");
    }
    if (const auto url = http::parse_url(is_path ? "http://host.invalid" + request.url : request.url); !url) {
        return bad("url must be http://host/path, https://host/path, or a path with a Host field: " +
                   url.error().detail);
    }
    return http::success();
}

// Fields that say how an answer is to look, and not who asks. Names in lower case.
bool is_harmless(std::string_view name) noexcept {
    constexpr std::string_view kNames[] = {"accept",
                                           "accept-charset",
                                           "accept-encoding",
                                           "accept-language",
                                           "access-control-request-headers",
                                           "access-control-request-method",
                                           "content-type",
                                           "device-memory",
                                           "downlink",
                                           "dpr",
                                           "ect",
                                           "host",
                                           "origin",
                                           "priority",
                                           "range",
                                           "rtt",
                                           "save-data",
                                           "upgrade-insecure-requests",
                                           "user-agent",
                                           "viewport-width",
                                           "width",
                                           "x-forwarded-host",
                                           "x-forwarded-proto",
                                           "x-requested-with"};
    constexpr std::string_view kBeginnings[] = {"sec-ch-", "sec-fetch-", "cloudfront-is-", "cloudfront-viewer-country",
                                                "cloudfront-forwarded-proto"};
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
           std::any_of(std::begin(kBeginnings), std::end(kBeginnings),
                       [name](std::string_view beginning) { return name.starts_with(beginning); });
}

// Tells values apart. So little of the digest says next to nothing of the value itself.
std::string tag_of(std::string_view value) {
    constexpr std::size_t kDigits = 6;
    return content_digest_text(value).substr(0, kDigits);
}

// What a session makes of the request as it comes from a client; the error: what it refuses.
http::Result<SimulatedRequest> as_received(SimulatedRequest request, const config::Limits& limits) {
    HeadLimits head_limits;
    head_limits.bytes = limits.head_bytes;
    head_limits.fields = limits.head_fields;
    head_limits.target_bytes = limits.target_bytes;
    const std::string sent = request.head.method + " " + request.head.target + " HTTP/1.1\r\n" +
                             std::string(request.head.fields.serialised()) + "\r\n";
    HeadParse parsed = parse_request_head(sent, head_limits, request.head);
    if (parsed.state != HeadParse::State::Complete) {
        return std::move(parsed.error);
    }
    if (auto framing = http::request_framing(request.head); !framing) {
        return framing.take_error();
    }
    return request;
}

// What Vary compares, for people: "accept-language: `de`". Values of other clients by which these may be known, or that
// open something to them, are not shown.
std::vector<std::string> readable_variant(std::string_view names, std::string_view values) {
    std::vector<std::string> out;
    while (!names.empty()) {
        const std::string_view name = names.substr(0, names.find(','));
        const std::string_view value = values.substr(0, values.find('\n'));
        names.remove_prefix(std::min(name.size() + 1, names.size()));
        values.remove_prefix(std::min(value.size() + 1, values.size()));
        const std::string_view sent = value.starts_with('=') ? value.substr(1) : value;
        std::string text(name);
        if (value.starts_with('-')) {
            text += ": not in the request";
        } else if (!is_harmless(name)) {
            text += ": a value that is not shown, hash " + tag_of(sent);
        } else {
            text += ": " + in_quotes(sent);
        }
        out.push_back(std::move(text));
    }
    return out;
}

std::string since(http::Duration duration) {
    return config::format_duration(std::chrono::floor<std::chrono::seconds>(duration));
}

std::string freshness_text(const policy::Freshness& freshness) {
    return freshness.is_fresh() ? "fresh for " + since(freshness.ttl())
                                : "stale for " + since(freshness.age - freshness.lifetime.duration);
}

std::string_view words_of(ReuseDecision::Kind kind) noexcept {
    switch (kind) {
    case ReuseDecision::Kind::ServeFresh: return "served from the cache, fresh";
    case ReuseDecision::Kind::ServeStale: return "served from the cache, stale";
    case ReuseDecision::Kind::ServeStaleRevalidate:
        return "served from the cache, stale, while the origin is asked in the background";
    case ReuseDecision::Kind::Validate: return "the origin is asked whether what is stored still holds";
    case ReuseDecision::Kind::Forward: return "the origin is asked: what is stored cannot be used";
    case ReuseDecision::Kind::GatewayTimeout: return "504 from Gatehouse itself";
    }
    return "";
}

class LiveExplainer : private RulesExplainer {
public:
    explicit LiveExplainer(const LiveState& state) : RulesExplainer(state.config), state_(state) {}
    http::Result<Explanation> run(const config::TestRequest& request);

private:
    void tell_stored(const cache::StoredCandidate& candidate, bool is_chosen);
    void tell_key_state(const cache::Inspection& inspection);
    void tell_decision(const cache::Inspection& inspection, const policy::RequestFacts& facts);
    void tell_page(const policy::StoredHead& error, const policy::RequestFacts& facts);
    void tell_miss(const cache::Inspection& inspection, const policy::RequestFacts& facts, ExplainedDecision& decision);
    static void add_reason(Reason reason, ExplainedDecision& decision);

    const LiveState& state_;
};

void LiveExplainer::add_reason(Reason reason, ExplainedDecision& decision) {
    if (reason == Reason::None) {
        return;
    }
    decision.steps.push_back(
        {std::string(policy::to_string(reason)) + ": " + std::string(policy::sentence(reason)), std::nullopt});
    if (const auto advice = advice_for(reason); !advice.empty()) {
        decision.steps.push_back({std::string(advice), std::nullopt});
    }
}

void LiveExplainer::tell_stored(const cache::StoredCandidate& candidate, bool is_chosen) {
    const policy::StoredHead& head = candidate.head;
    const policy::Freshness freshness = policy::freshness(head.facts, *rules_, state_.now);
    const std::uint64_t size = candidate.entry->body_size();
    const auto part = policy::part_of(head);
    std::string answer = std::to_string(head.facts.status) + ", " + freshness_text(freshness);
    if (candidate.dead) {
        answer = "killed by a purge: " + answer;
    } else if (!candidate.matches) {
        answer = "for other request fields: " + answer;
    } else if (!is_chosen) {
        answer = "not the one that is used: " + answer;
    }
    ExplainedDecision& stored = decide("stored", std::move(answer));
    const auto add = [&stored](std::string text) { stored.steps.push_back({std::move(text), std::nullopt}); };
    add("age " + since(freshness.age) + ", lifetime " + config::format_duration(freshness.lifetime.duration) +
        ", from " + std::string(policy::to_string(freshness.lifetime.source)));
    if (part && size > 0) {
        add("a part of it: " + http::content_range(part->span, part->complete_length));
    } else if (part) {
        add("what is known of its slices, " + std::to_string(part->complete_length) + " bytes in all");
    }
    add(std::to_string(size) + " bytes of content");
    for (std::string& text : readable_variant(head.vary_names, head.vary_values)) {
        add("variant of " + std::move(text));
    }
    if (!head.etag.empty()) {
        add("ETag: " + std::string(head.etag) + (head.facts.etag_generated ? " (made by Gatehouse)" : ""));
    }
    if (!head.last_modified.empty()) {
        add("Last-Modified: " + std::string(head.last_modified));
    }
    add("stored under number " + std::to_string(candidate.entry->sequence()));
}

void LiveExplainer::tell_key_state(const cache::Inspection& inspection) {
    if (inspection.by_rule) {
        ExplainedDecision& equal = decide("equal", policy::readable_key(inspection.key));
        equal.steps.push_back(by_policy("no_vary_search", "the key of all queries that No-Vary-Search of this resource "
                                                          "makes equal"));
    }
    if (inspection.candidates.empty()) {
        decide("stored", "nothing");
    }
    for (std::size_t i = 0; i < inspection.candidates.size(); ++i) {
        tell_stored(inspection.candidates[i], inspection.chosen == i);
    }
    if (inspection.fetches > 0) {
        decide("fetch", inspection.fetches == 1 ? "one is in flight for this key"
                                                : std::to_string(inspection.fetches) + " are in flight for this key");
    }
    if (inspection.uncacheable) {
        decide("memory", "an answer for this key could not be stored: for " +
                             since(*inspection.uncacheable - state_.now) + " more nobody waits for another's");
    }
}

// Nothing that is stored answers.
void LiveExplainer::tell_miss(const cache::Inspection& inspection, const policy::RequestFacts& facts,
                              ExplainedDecision& decision) {
    const auto& stored = inspection.candidates;
    const bool any_dead = std::any_of(stored.begin(), stored.end(), [](const auto& one) { return one.dead; });
    const bool any_part = std::any_of(stored.begin(), stored.end(),
                                      [](const auto& one) { return one.matches && one.head.facts.is_part; });
    Reason reason = Reason::UriMiss;
    if (facts.cache_control.only_if_cached) {
        decision.answer = "504 from Gatehouse itself";
        reason = Reason::OnlyIfCached;
    } else if (rules_->range == config::RangeHandling::Slice) {
        decision.answer = "put together from slices; those that are not stored are asked for";
    } else if (inspection.uncacheable) {
        decision.answer = "the origin is asked, for this request alone";
        reason = Reason::KnownUncacheable;
    } else if (inspection.fetches > 0 && rules_->collapse) {
        decision.answer = "waits for the fetch in flight";
    }
    if (reason == Reason::UriMiss && !stored.empty()) {
        reason = any_dead ? Reason::Purged : any_part ? Reason::PartialMiss : Reason::VaryMiss;
    }
    add_reason(reason, decision);
}

void LiveExplainer::tell_decision(const cache::Inspection& inspection, const policy::RequestFacts& facts) {
    ExplainedDecision& decision = decide("decision", "the origin is asked");
    if (!inspection.chosen) {
        tell_miss(inspection, facts, decision);
        return;
    }
    const policy::StoredHead& head = inspection.candidates[*inspection.chosen].head;
    const ReuseDecision reuse = policy::decide_reuse(facts, head.facts, *rules_, state_.now);
    decision.answer = words_of(reuse.kind);
    add_reason(reuse.reason, decision);
    const bool asks = reuse.kind == ReuseDecision::Kind::Validate || reuse.kind == ReuseDecision::Kind::Forward;
    if (asks && inspection.fetches > 0 && rules_->collapse) {
        decision.steps.push_back({"it may wait for the fetch in flight", std::nullopt});
    }
    if (!asks && reuse.kind != ReuseDecision::Kind::GatewayTimeout) {
        tell_page(head, facts);
    }
}

// A stored error that is served gives way to its page.
void LiveExplainer::tell_page(const policy::StoredHead& error, const policy::RequestFacts& facts) {
    const config::ErrorPage* const page = policy::page_for(*behavior_, facts, target_, error.facts.status);
    if (ExplainedDecision* told = tell_error_page(error.facts.status, page)) {
        told->steps.push_back({"what is stored for it is told by an explanation of " + std::string(scheme_) + "://" +
                                   target_.authority + page->page,
                               std::nullopt});
    }
}

http::Result<Explanation> LiveExplainer::run(const config::TestRequest& request) {
    auto received = as_received(simulated_request(request), config_->limits);
    if (!received) {
        return received.take_error();
    }
    const SimulatedRequest& as_sent = *received;
    if (const http::Status taken = take(as_sent); !taken) {
        return taken.error();
    }
    decide("rules", "generation " + std::to_string(state_.generation) + " of the configuration");
    tell_request();
    if (!tell_behavior()) {
        return std::move(explanation_);
    }
    if (const auto own = answer_of_viewer_rules(*behavior_, request_, target_, as_sent.over_https)) {
        decide("decision", std::to_string(own->head.status) + " from Gatehouse itself, by the behavior's rules");
        return std::move(explanation_);
    }
    tell_policy();
    const policy::RequestFacts facts = take_facts(request.body);
    tell_lookup(facts);
    if (wishes_ == policy::Wishes::Refused) {
        decide("decision", "403 from Gatehouse itself");
        return std::move(explanation_);
    }
    const policy::RequestDecision decision = policy::decide_request(facts, *rules_);
    if (!decision.lookup) {
        ExplainedDecision& told = decide("decision", "the origin is asked");
        told.steps.push_back({std::string(policy::to_string(decision.reason)), std::nullopt});
        return std::move(explanation_);
    }
    const std::string key = tell_key(facts, request.body);
    const cache::RequestContext context{request_, facts, *rules_, key, cache::store::hash_key(key), 0, state_.now};
    const cache::Inspection inspection = state_.cache.inspect(context);
    tell_key_state(inspection);
    tell_decision(inspection, facts);
    return std::move(explanation_);
}

} // namespace

http::Result<config::TestRequest> parse_explain_request(std::string_view text) {
    boost::system::error_code error;
    const json::value value = json::parse(text, error);
    if (error) {
        return bad("the content is not JSON: " + error.message());
    }
    const json::object* object = value.if_object();
    if (object == nullptr) {
        return bad("the content must be an object with url, and with method and headers where they matter");
    }
    config::TestRequest request;
    for (const auto& [name, member] : *object) {
        if (const http::Status taken = take_member({name.data(), name.size()}, member, request); !taken) {
            return taken.error();
        }
    }
    if (const http::Status judged = judge(request); !judged) {
        return judged.error();
    }
    return request;
}

std::string explain_request_json(const config::TestRequest& request) {
    std::string out = R"({"method":)";
    append_json_string(out, request.method);
    out += R"(,"url":)";
    append_json_string(out, request.url);
    out += R"(,"headers":)";
    const char* separator = "[[";
    for (const config::HeaderLine& line : request.headers) {
        out += separator;
        append_json_string(out, line.name);
        out += ',';
        append_json_string(out, line.value);
        out += ']';
        separator = ",[";
    }
    out += request.headers.empty() ? "[]" : "]";
    if (!request.body.empty()) {
        out += R"(,"body":)";
        append_json_string(out, request.body);
    }
    return out + "}";
}

http::Result<Explanation> explain_live(const LiveState& state, const config::TestRequest& request) {
    return LiveExplainer(state).run(request);
}

} // namespace gatehouse::proxy
