// The coordinator against a model: a plain map of stored responses and the policy functions, asked the same questions.
//
// Both see the same random requests, origin answers, failures, purges and passing of time. What HttpCache decides and
// serves has to be what the model says. The model knows nothing of hashes, shards, fetches, readers or blocks.
#include "cache/policy/cache_groups.h"
#include "cache/policy/invalidation.h"
#include "cache/policy/storability.h"
#include "cache/policy/validation.h"
#include "cache/policy/variant.h"
#include "tests/unit/cache/http_cache_bench.h"
#include "tests/unit/cache/policy/dice.h"

#include <doctest/doctest.h>

#include <map>
#include <vector>

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;
using policy::ReuseDecision;
using policy::StoredHead;
using policy::testing::Dice;

namespace {

constexpr int kSequences = 60;
constexpr int kSteps = 120;

struct ModelResponse {
    std::string head; // policy::encode_stored_head
    std::string body;
    StoredHead view() const { return policy::view_stored_head(head); }
    std::string variant() const { return std::string(view().vary_names) + "\n" + std::string(view().vary_values); }
};

// What is to become of a request, by the map and the rules alone.
struct Expected {
    Plan::Kind kind = Plan::Kind::Alone;
    Reason reason = Reason::None;
    bool may_store = false;
    bool validate = false;
    bool in_background = false;
    const ModelResponse* match = nullptr; // the stored response that was selected
};

class Model {
public:
    explicit Model(const config::CachePolicy& policy) : policy_(policy) {}

    Expected ask(const Client& client, http::WallTime now) const {
        Expected expected;
        expected.may_store = client.decision.may_store;
        expected.reason = client.decision.reason;
        if (!client.decision.lookup) {
            return expected;
        }
        const auto at = stored_.find(client.key);
        const bool any = at != stored_.end() && !at->second.empty();
        Reason reason = any ? Reason::VaryMiss : Reason::UriMiss;
        expected.match = any ? select(at->second, client.request.fields) : nullptr;
        if (expected.match != nullptr) {
            const ReuseDecision reuse = policy::decide_reuse(client.facts, expected.match->view().facts, policy_, now);
            reason = reuse.reason;
            switch (reuse.kind) {
            case ReuseDecision::Kind::ServeStaleRevalidate:
                expected.in_background = client.decision.may_store || client.facts.range;
                [[fallthrough]];
            case ReuseDecision::Kind::ServeFresh:
            case ReuseDecision::Kind::ServeStale:
                expected.kind = Plan::Kind::Serve;
                expected.reason = reason;
                return expected;
            case ReuseDecision::Kind::GatewayTimeout:
                expected.kind = Plan::Kind::GatewayTimeout;
                expected.reason = reason;
                return expected;
            case ReuseDecision::Kind::Validate: expected.validate = true; break;
            case ReuseDecision::Kind::Forward: break;
            }
        } else if (client.facts.cache_control.only_if_cached) {
            expected.kind = Plan::Kind::GatewayTimeout;
            expected.reason = Reason::OnlyIfCached;
            return expected;
        } else if (client.facts.range) {
            expected.reason = expected.may_store ? Reason::RequestRange : expected.reason;
            return expected; // the origin's to answer
        }
        if (expected.may_store) {
            expected.kind = Plan::Kind::Wait;
            expected.reason = reason;
        }
        return expected;
    }

    // A 304 to the validation of `match`. Returns the freshened head, or nothing when it speaks of another response.
    std::optional<std::string> freshen(const Client& client, const ModelResponse& match,
                                       const http::ResponseHead& not_modified, http::WallTime now) {
        if (!policy::freshens(not_modified, match.view())) {
            return std::nullopt;
        }
        const auto updated = policy::freshen(match.view(), not_modified, as_get(client), false, now, now,
                                             policy_.targeted_cache_control);
        ModelResponse fresh{encode(updated.facts, updated.lines, client), match.body};
        const auto decision = policy::decide_storability(updated.facts, policy_);
        const bool is_about_request = decision.reason == Reason::RequestNoStore ||
                                      decision.reason == Reason::Authorization ||
                                      decision.reason == Reason::CookieForwarded;
        const std::string variant = match.variant();
        if (decision.store) {
            drop(client.key, variant);
            put(client.key, fresh);
        } else if (!is_about_request) {
            drop(client.key, variant);
        }
        return fresh.head;
    }

    // A whole answer. Returns why it is not stored.
    Reason answer(const Client& client, const http::ResponseHead& response, const std::string& body,
                  http::WallTime now) {
        const auto facts = policy::response_facts(client.request, as_get(client), false, response, now, now,
                                                  policy_.targeted_cache_control);
        const auto decision = policy::decide_storability(facts, policy_);
        if (!decision.store) {
            return decision.reason;
        }
        const auto at = stored_.find(client.key);
        const ModelResponse* match = at == stored_.end() ? nullptr : select(at->second, client.request.fields);
        if (policy::is_stale_if_error_status(response.status, policy_) && match != nullptr &&
            hides_error(client, *match, now)) {
            return Reason::StaleIfError;
        }
        put(client.key, {encode(facts, policy::fields_to_store(response, now), client), body});
        return Reason::None;
    }

    // A HEAD that went alone, because its answer may not be stored: it ends the response that it does not confirm.
    void take_head(const Client& client, const ModelResponse& match, const http::ResponseHead& response) {
        if (response.status == 200 && !policy::confirms(response, match.view(), match.body.size())) {
            drop(client.key, match.variant());
        }
    }

    bool hides_error(const Client& client, const ModelResponse& match, http::WallTime now) const {
        return policy::may_serve_on_error(as_get(client), match.view().facts, policy_, now);
    }

    template <class Predicate>
    void purge(Predicate&& is_dead) {
        for (auto& [key, responses] : stored_) {
            std::erase_if(responses, [&, &name = key](const ModelResponse& one) { return is_dead(name, one); });
        }
    }

    std::size_t size() const {
        std::size_t total = 0;
        for (const auto& [key, responses] : stored_) {
            total += responses.size();
        }
        return total;
    }

private:
    using Responses = std::vector<ModelResponse>;

    static policy::RequestFacts as_get(const Client& client) {
        policy::RequestFacts facts = client.facts;
        facts.method = http::Method::Get; // a HEAD for the store asks with GET
        return facts;
    }
    static std::string encode(const policy::ResponseFacts& facts, const http::Fields& lines, const Client& client) {
        const std::string names = policy::nominated_names(lines);
        return policy::encode_stored_head(facts, lines, names, policy::variant_key(names, client.request.fields));
    }
    static const ModelResponse* select(const Responses& responses, const http::Fields& request) {
        std::vector<StoredHead> heads;
        for (auto one = responses.rbegin(); one != responses.rend(); ++one) {
            heads.push_back(one->view()); // the newest first
        }
        const auto selected = policy::select_variant(heads, request);
        return selected ? &responses[responses.size() - 1 - *selected] : nullptr;
    }
    void drop(const std::string& key, const std::string& variant) {
        std::erase_if(stored_[key], [&](const ModelResponse& one) { return one.variant() == variant; });
    }
    void put(const std::string& key, const ModelResponse& response) {
        drop(key, response.variant());
        stored_[key].push_back(response);
    }

    const config::CachePolicy& policy_;
    std::map<std::string, Responses> stored_; // for each key, one of each variant, the newest last
};

// One sequence of events, told to both.
class Game {
public:
    Game(unsigned seed, const HttpCache::Options& options) : dice_(seed), bench_(64 * 1024 * 1024, 1024, options) {
        bench_.policy = dice_.policy();
        bench_.policy.disabled = false;
    }

    void step() {
        // At least a second: a key that could not be stored is not remembered any longer by then.
        bench_.now += std::chrono::seconds(1 + dice_.below(dice_.one_in(4) ? 30 : 3));
        switch (dice_.below(12)) {
        case 0: purge_path(); break;
        case 1: purge_group(); break;
        case 2: change(); break;
        default: request(); break;
        }
    }

    std::size_t served() const { return served_; }
    std::size_t freshened() const { return freshened_; }
    std::size_t stale() const { return stale_; }

private:
    std::string path() {
        static const std::vector<const char*> kPaths{"/a", "/b", "/c"};
        return dice_.one_of(kPaths);
    }
    std::string group() {
        static const std::vector<const char*> kGroups{"g", "h"};
        return dice_.one_of(kGroups);
    }

    std::string request_lines() {
        static const std::vector<const char*> kMethods{"", "", "", "", "HEAD", "OPTIONS"};
        static const std::vector<const char*> kLines{
            "Authorization: x",
            "Cache-Control: no-cache",
            "Cache-Control: no-store",
            "Cache-Control: max-age=5",
            "Cache-Control: min-fresh=3",
            "Cache-Control: max-stale=7",
            "Cache-Control: max-stale",
            "Cache-Control: only-if-cached",
            "Cache-Control: stale-if-error=9",
            "If-None-Match: \"a\"",
            "Range: bytes=1-3",
            "If-Match: \"a\"",
        };
        std::string text = dice_.one_of(kMethods);
        for (const std::string& line : {dice_.lines(kLines, 14), dice_.lines({"Accept: a", "Cookie: b"}, 3)}) {
            text += (text.empty() || line.empty() ? "" : "\n") + line;
        }
        return text;
    }

    std::string response_text(bool is_conditional) {
        static const std::vector<const char*> kLines{
            "Age: 4",
            "Expires: @60",
            "Last-Modified: @-500",
            "Vary: Accept",
            "Vary: Cookie",
            "Set-Cookie: a=1",
            "Cache-Control: max-age=10",
            "Cache-Control: s-maxage=20",
            "Cache-Control: public",
            "Cache-Control: no-cache",
            "Cache-Control: must-revalidate",
            "Cache-Control: stale-while-revalidate=5",
            "Cache-Control: stale-if-error=50",
            "Cache-Control: private=\"X\"",
            "CDN-Cache-Control: max-age=40",
            "X: 1",
            "Cache-Groups: \"g\"",
            "Cache-Groups: \"h\"",
        };
        static const std::vector<const char*> kRare{"Cache-Control: no-store", "Cache-Control: private", "Vary: *"};
        static const std::vector<const char*> kTags{"ETag: \"a\"", "ETag: \"a\"", "ETag: W/\"a\"", "ETag: \"b\"",
                                                    "Y: 1"};
        static const std::vector<const char*> kStatuses{"200", "200", "200", "200", "404", "500", "503"};
        std::string text = is_conditional && dice_.one_in(2) ? "304" : dice_.one_of(kStatuses);
        text += std::string("\n") + dice_.one_of(kTags);
        for (const std::string& line : {dice_.lines(kLines, 5), dice_.lines(kRare, 20)}) {
            text += (line.empty() ? "" : "\n") + line;
        }
        return text;
    }

    void request() {
        const std::string lines = request_lines();
        CAPTURE(lines);
        const auto client = bench_.client(lines, path());
        const Expected expected = model_.ask(*client, bench_.now);
        bench_.ask(*client);
        const Plan& plan = client->plan;
        REQUIRE(plan.kind == expected.kind);
        const Reason reason = plan.result.reason;
        // That something was purged is seen only until the next look; the map has forgotten it at once.
        const bool is_purged = reason == Reason::Purged && expected.reason == Reason::UriMiss;
        CHECK((is_purged || to_string(reason) == to_string(expected.reason)));
        if (plan.kind == Plan::Kind::Serve) {
            ++served_;
            check_served(plan.entry, plan.head, *expected.match);
            REQUIRE((plan.fetch != nullptr) == expected.in_background);
            if (plan.fetch != nullptr) {
                client->plan.may_store = true; // also on behalf of a range
                exchange(*client, expected, plan.validate);
            }
            return;
        }
        if (plan.kind == Plan::Kind::GatewayTimeout) {
            return;
        }
        REQUIRE(plan.validate == expected.validate);
        REQUIRE(plan.may_store == expected.may_store);
        if (plan.kind == Plan::Kind::Alone) {
            bench_.go_alone(*client);
        }
        REQUIRE(plan.leader); // nobody else is there
        exchange(*client, expected, plan.may_store && plan.validate);
    }

    static void check_served(const store::EntryRef& entry, const StoredHead& head, const ModelResponse& model) {
        CHECK(stored_text(entry) == model.body);
        check_head(head, model.head);
    }
    static void check_head(const StoredHead& head, const std::string& model) {
        const StoredHead view = policy::view_stored_head(model);
        CHECK(head.field_lines == view.field_lines);
        CHECK(head.vary_names == view.vary_names);
        CHECK(head.vary_values == view.vary_values);
        CHECK(head.groups == view.groups);
    }

    // What the origin says to it, and what the client then gets.
    void exchange(Client& client, const Expected& expected, bool is_conditional) {
        bench_.send(client);
        if (dice_.one_in(12)) {
            bench_.cache.fail(*client.plan.fetch, http::Error(http::ErrorKind::ProtocolError, "nonsense"));
            return expect_failure(client, expected);
        }
        const std::string text = response_text(is_conditional);
        const std::string body = "body " + std::to_string(++bodies_);
        CAPTURE(text);
        // The map may forget the response that was asked about: it is kept for the client.
        const std::optional<ModelResponse> match =
            expected.match != nullptr ? std::optional(*expected.match) : std::nullopt;
        Intake intake;
        const http::ResponseHead response = response_of(text);
        if (response.status == 304) {
            const auto fresh = model_.freshen(client, *match, response, bench_.now);
            const auto begun = bench_.head(client, text, intake);
            REQUIRE((begun == HttpCache::BeginResult::Answered) == fresh.has_value());
            if (fresh) {
                bench_.cache.finish(*client.plan.fetch, intake);
                return expect_freshened(client, *fresh, match->body);
            }
            client.plan.fetch->validating = {}; // and is asked again without a condition
            return exchange(client, expected, false);
        }
        answer(client, text, body, match);
    }

    void answer(Client& client, const std::string& text, const std::string& body,
                const std::optional<ModelResponse>& match) {
        const http::ResponseHead response = response_of(text);
        const bool for_store = client.plan.may_store;
        Reason expected = for_store ? model_.answer(client, response, body, bench_.now) : Reason::None;
        if (!for_store && match && client.facts.method == http::Method::Head) {
            CHECK(client.facts.cache_control.no_store); // what it says may not be stored either
            model_.take_head(client, *match, response);
        }
        Intake intake;
        REQUIRE(bench_.head(client, text, intake) == HttpCache::BeginResult::Answered);
        if (intake.body) {
            fill(*intake.body, body);
        }
        CHECK(to_string(bench_.cache.finish(*client.plan.fetch, intake)) == to_string(expected));
        if (client.plan.kind == Plan::Kind::Serve) {
            return; // it has been served already
        }
        const Resolution resolution = bench_.resolve(client);
        const bool is_hidden = policy::is_stale_if_error_status(response.status, bench_.policy) && client.plan.entry && match &&
                               policy::may_serve_on_error(client.facts, match->view().facts, bench_.policy, bench_.now);
        if (is_hidden) {
            ++stale_;
            REQUIRE(resolution.kind == Resolution::Kind::Serve);
            return check_served(resolution.entry, resolution.head, *match);
        }
        REQUIRE(resolution.kind == Resolution::Kind::Stream);
        CHECK(client.plan.fetch->answer().status == response.status);
        CHECK(resolution.result.stored == (for_store && expected == Reason::None));
    }

    void expect_freshened(Client& client, const std::string& head, const std::string& body) {
        ++freshened_;
        if (client.plan.kind == Plan::Kind::Serve) {
            return;
        }
        const Resolution resolution = bench_.resolve(client);
        REQUIRE(resolution.kind == Resolution::Kind::Serve);
        CHECK(stored_text(resolution.entry) == body);
        if (client.plan.fetch->answer().first_head.empty()) {
            check_head(resolution.head, head);
        }
    }

    void expect_failure(Client& client, const Expected& expected) {
        if (client.plan.kind == Plan::Kind::Serve) {
            return;
        }
        const Resolution resolution = bench_.resolve(client);
        const bool is_hidden =
            client.plan.entry &&
            policy::may_serve_on_error(client.facts, expected.match->view().facts, bench_.policy, bench_.now);
        REQUIRE((resolution.kind == Resolution::Kind::Serve) == is_hidden);
        if (is_hidden) {
            ++stale_;
            check_served(resolution.entry, resolution.head, *expected.match);
        }
    }

    void purge_path() {
        PurgeMatcher matcher;
        matcher.path = path();
        matcher.prefix = dice_.one_in(4);
        model_.purge([&](const std::string& key, const ModelResponse&) { return matcher.matches(key); });
        bench_.cache.purge(matcher);
    }

    void forget_group(const std::string& name) {
        model_.purge([&](const std::string&, const ModelResponse& one) {
            bool is_member = false;
            policy::for_each_group(one.view().groups,
                                   [&](std::string_view group) { is_member = is_member || group == name; });
            return is_member;
        });
        bench_.cache.purge_group("h", name);
    }
    void purge_group() { forget_group(group()); }

    // An unsafe request, whose answer invalidates what the rules say. The exchange asks them; here the test does.
    void change() {
        http::Target target;
        target.authority = "h";
        target.path = path();
        const std::string text = std::string(dice_.one_in(3) ? "409" : "201") + "\nLocation: " + path() +
                                 "\nCache-Group-Invalidation: \"" + group() + "\"";
        CAPTURE(text);
        const http::ResponseHead response = response_of(text);
        for (const auto& uri : policy::invalidated_uris(http::Method::Post, "http", target, response)) {
            PurgeMatcher matcher;
            matcher.authority = uri.authority;
            matcher.path = uri.path;
            model_.purge([&](const std::string& key, const ModelResponse&) { return matcher.matches(key); });
            bench_.cache.purge(matcher);
        }
        for (const std::string& name : policy::invalidated_groups(http::Method::Post, response)) {
            forget_group(name);
        }
    }

    Dice dice_;
    CacheBench bench_;
    Model model_{bench_.policy};
    int bodies_ = 0;
    std::size_t served_ = 0;
    std::size_t freshened_ = 0;
    std::size_t stale_ = 0;
};

} // namespace

TEST_CASE("a random sequence of requests and origin answers gives what a plain map and the rules say") {
    const unsigned seed = policy::testing::property_seed();
    HttpCache::Options options;
    options.uncacheable_memory = http::Duration(0);
    std::size_t served = 0;
    std::size_t freshened = 0;
    std::size_t stale = 0;
    for (int sequence = 0; sequence < kSequences; ++sequence) {
        CAPTURE(sequence);
        Game game(seed + static_cast<unsigned>(sequence), options);
        for (int step = 0; step < kSteps; ++step) {
            CAPTURE(step);
            game.step();
        }
        served += game.served();
        freshened += game.freshened();
        stale += game.stale();
    }
    // The sequences reach what they are there for.
    CHECK(served > kSequences * 5);
    CHECK(freshened > kSequences);
    CHECK(stale > 10);
}
