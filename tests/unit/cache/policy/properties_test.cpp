// Properties that hold for every request and response, tried on many that are made up from fixed seeds.
#include "cache/policy/freshness.h"
#include "cache/policy/response_assembly.h"
#include "cache/policy/reuse.h"
#include "cache/policy/storability.h"
#include "cache/policy/validation.h"
#include "http/forwarding.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;
namespace http = gatehouse::http;

namespace {

constexpr unsigned kSeed = 9111;
constexpr int kRounds = 4000;

// Makes up heads from lists of lines. The engine's numbers are the same everywhere; distributions are not.
class Dice {
public:
    explicit Dice(unsigned seed) : engine_(seed) {}
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_()) % limit; }
    bool one_in(std::size_t count) { return below(count) == 0; }

    std::string lines(const std::vector<const char*>& choices, std::size_t one_in_how_many) {
        std::string text;
        for (const char* choice : choices) {
            if (one_in(one_in_how_many)) {
                text += (text.empty() ? "" : "\n") + std::string(choice);
            }
        }
        return text;
    }

    std::string request() {
        static const std::vector<const char*> kLines = {"Authorization: x",
                                                        "Cookie: a=1; b=2",
                                                        "Cache-Control: no-cache",
                                                        "Cache-Control: no-store",
                                                        "Cache-Control: max-age=5",
                                                        "Cache-Control: min-fresh=3",
                                                        "Cache-Control: max-stale=7",
                                                        "Cache-Control: max-stale",
                                                        "Cache-Control: only-if-cached",
                                                        "Cache-Control: stale-if-error=9",
                                                        "If-None-Match: \"a\"",
                                                        "If-Modified-Since: @-30",
                                                        "Range: bytes=1-3",
                                                        "Range: bytes=0-0,5-6",
                                                        "Range: bytes=99-",
                                                        "If-Range: \"a\"",
                                                        "Accept: text/html ,a",
                                                        "Accept: b",
                                                        "Accept-Language: de"};
        return lines(kLines, 5);
    }

    std::string response() {
        static const std::vector<const char*> kLines = {"Date: @0",
                                                        "Date: @-7",
                                                        "Age: 4",
                                                        "Expires: @60",
                                                        "Expires: 0",
                                                        "Last-Modified: @-500",
                                                        "ETag: \"a\"",
                                                        "ETag: W/\"a\"",
                                                        "ETag: bad",
                                                        "Vary: Accept",
                                                        "Vary: Accept-Language, accept",
                                                        "Vary: *",
                                                        "Set-Cookie: a=1",
                                                        "Cache-Control: max-age=10",
                                                        "Cache-Control: s-maxage=20",
                                                        "Cache-Control: max-age=x",
                                                        "Cache-Control: public",
                                                        "Cache-Control: private",
                                                        "Cache-Control: no-cache",
                                                        "Cache-Control: no-store",
                                                        "Cache-Control: must-revalidate",
                                                        "Cache-Control: proxy-revalidate",
                                                        "Cache-Control: must-understand",
                                                        "Cache-Control: stale-while-revalidate=5",
                                                        "Cache-Control: stale-if-error=50",
                                                        "Cache-Control: private=\"X\"",
                                                        "Cache-Control: no-cache=\"Y\"",
                                                        "CDN-Cache-Control: max-age=40",
                                                        "X: 1",
                                                        "Y: 2",
                                                        "Connection: Z, close",
                                                        "Z: 3",
                                                        "Keep-Alive: 5",
                                                        "Transfer-Encoding: chunked",
                                                        "Upgrade: h2",
                                                        "Proxy-Authenticate: x",
                                                        "TE: x",
                                                        "Trailer: x",
                                                        "Content-Length: 10",
                                                        "Content-Type: text/plain",
                                                        "Content-Encoding: gzip",
                                                        "Via: 1.1 x"};
        static const std::vector<const char*> kStatuses = {"200", "200", "200", "200", "204", "206", "301",
                                                           "302", "304", "404", "429", "500", "503", "599"};
        std::string text = kStatuses[below(kStatuses.size())];
        text += "\n";
        text += lines(kLines, 6);
        return text;
    }

    config::CachePolicy policy() {
        config::CachePolicy policy = one_in(2) ? rfc9111() : own();
        policy.disabled = one_in(20);
        policy.refuse_set_cookie = one_in(2);
        policy.min_ttl = one_in(4) ? seconds(3) : seconds(0);
        policy.max_ttl = one_in(4) ? std::optional<milliseconds>(seconds(15)) : std::nullopt;
        policy.ttl = one_in(8) ? std::optional<milliseconds>(seconds(30)) : std::nullopt;
        policy.default_ttl = one_in(4) ? std::optional<milliseconds>(seconds(8)) : std::nullopt;
        policy.stale_while_revalidate = one_in(4) ? std::optional<milliseconds>(seconds(6)) : std::nullopt;
        policy.stale_if_error = one_in(4) ? std::optional<milliseconds>(seconds(60)) : std::nullopt;
        if (one_in(4)) {
            policy.error_ttl = {{{404, seconds(2)}}, {{5, seconds(1)}}};
        }
        return policy;
    }

private:
    std::mt19937 engine_;
};

std::string with_line(const std::string& text, const char* line) {
    return text.empty() || text.ends_with('\n') ? text + line : text + "\n" + line;
}

} // namespace

TEST_CASE("adding no-store never makes anything storable") {
    Dice dice(kSeed);
    int stored_before = 0;
    for (int round = 0; round < kRounds; ++round) {
        const auto policy = dice.policy();
        const std::string request = dice.request();
        const std::string response = dice.response();
        CAPTURE(request);
        CAPTURE(response);
        const bool before = decide_storability(facts_of(request, response, policy), policy).store;
        stored_before += before ? 1 : 0;
        for (const char* line : {"Cache-Control: no-store", "Cache-Control: private", "Vary: *"}) {
            const bool after = decide_storability(facts_of(request, with_line(response, line), policy), policy).store;
            CHECK((before || !after));
        }
        const std::string no_store = with_line(request, "Cache-Control: no-store");
        CHECK_FALSE(decide_storability(facts_of(no_store, response, policy), policy).store);
    }
    CHECK(stored_before > kRounds / 50); // the property says something
}

TEST_CASE("age never decreases as time passes, and what is stale stays stale") {
    Dice dice(kSeed);
    for (int round = 0; round < kRounds; ++round) {
        const auto policy = dice.policy();
        const std::string response = dice.response();
        CAPTURE(response);
        const ResponseFacts facts = facts_of("", response, policy);
        WallTime now = kArrival - seconds(5);
        Freshness last = freshness(facts, policy, now);
        CHECK(last.age >= Duration(0));
        for (int step = 0; step < 8; ++step) {
            now += milliseconds(static_cast<long>(dice.below(20000)));
            const Freshness next = freshness(facts, policy, now);
            CHECK(next.age >= last.age);
            CHECK(next.lifetime.duration == last.lifetime.duration);
            CHECK((last.is_fresh() || !next.is_fresh()));
            last = next;
        }
    }
}

TEST_CASE("a stale response is never served against must-revalidate, proxy-revalidate or no-cache") {
    Dice dice(kSeed);
    for (int round = 0; round < kRounds; ++round) {
        const auto policy = dice.policy();
        const std::string request = dice.request();
        const std::string response = dice.response();
        CAPTURE(request);
        CAPTURE(response);
        const ResponseFacts facts = facts_of("", response, policy);
        const RequestFacts asked = request_facts_of(request);
        const WallTime now = kArrival + seconds(static_cast<long>(dice.below(60)));
        const ReuseDecision decision = decide_reuse(asked, facts, policy, now);
        using Kind = ReuseDecision::Kind;
        const bool serves_stale = decision.kind == Kind::ServeStale || decision.kind == Kind::ServeStaleRevalidate;
        CHECK_FALSE((serves_stale && must_not_serve_stale(facts)));
        CHECK_FALSE((decision.kind == Kind::ServeFresh && !decision.freshness.is_fresh()));
        CHECK_FALSE((decision.kind == Kind::ServeFresh && asked.cache_control.no_cache));
        CHECK_FALSE((decision.kind == Kind::Validate && !facts.has_validator));
        const bool forwards = decision.kind == Kind::Validate || decision.kind == Kind::Forward;
        CHECK_FALSE((forwards && asked.cache_control.only_if_cached));
        CHECK((decision.kind == Kind::ServeFresh) == (decision.reason == Reason::None));
        const bool stale = !freshness(facts, policy, now).is_fresh();
        CHECK_FALSE((stale && must_not_serve_stale(facts) && may_serve_on_error(asked, facts, policy, now)));
    }
}

TEST_CASE("an assembled response carries no hop-by-hop field and no Age") {
    Dice dice(kSeed);
    for (int round = 0; round < kRounds; ++round) {
        const std::string request = dice.request();
        const std::string response = dice.response();
        CAPTURE(request);
        CAPTURE(response);
        const Stored stored = stored_of(request, response);
        const StoredHead view = stored.view();
        const Assembly assembly = assemble(request_of(request), view, 10, kArrival, kSeed);
        std::string head;
        append_head(head, assembly, view, 10);
        REQUIRE(head.ends_with("\r\n"));
        const auto fields = http::Fields::from_serialised(std::string_view(head).substr(head.find("\r\n") + 2));
        CHECK(fields.contains("Date"));
        for (const auto line : fields) {
            const std::string name(line.name);
            CAPTURE(name);
            CHECK_FALSE(http::is_hop_by_hop(name));
            CHECK(name != "Age");
            CHECK(name != "Content-Length");
        }
        const auto names = nominated_names(response_of(response).fields);
        CHECK(view.vary_names == names);
    }
}

TEST_CASE("equal requests select equal variants") {
    Dice dice(kSeed);
    const std::string names = "accept,accept-language,cookie";
    for (int round = 0; round < kRounds; ++round) {
        const auto a = request_of(dice.request()).fields;
        const auto b = request_of(dice.request()).fields;
        const std::string key_a = variant_key(names, a);
        const std::string key_b = variant_key(names, b);
        CHECK(variant_matches(names, key_a, a));
        CHECK(variant_matches(names, key_b, b));
        CHECK(variant_matches(names, key_a, b) == (key_a == key_b));
        bool same_values = true;
        for (const char* name : {"Accept", "Accept-Language", "Cookie"}) {
            same_values = same_values && a.contains(name) == b.contains(name) && a.combined(name) == b.combined(name);
        }
        CHECK((!same_values || key_a == key_b));
    }
}

TEST_CASE("freshened fields can be stored again, and freshening twice changes nothing more") {
    Dice dice(kSeed);
    for (int round = 0; round < kRounds; ++round) {
        const std::string response = dice.response();
        http::ResponseHead not_modified = response_of(dice.response());
        not_modified.status = 304;
        CAPTURE(response);
        const std::string answer(not_modified.fields.serialised());
        CAPTURE(answer);
        const Stored stored = stored_of("", response);
        const WallTime later = kArrival + seconds(30);
        const auto freshen_once = [&](const Stored& from) {
            return freshen(from.view(), not_modified, RequestFacts(), false, later, later, {"CDN-Cache-Control"});
        };
        const FreshenedHead first = freshen_once(stored);
        const Stored again = {encode_stored_head(first.facts, first.lines, "", "")};
        CHECK(again.view().field_lines == first.lines.serialised());
        CHECK(http::Fields::from_serialised(first.lines.serialised()).serialised() == first.lines.serialised());
        CHECK(again.view().facts.status == stored.view().facts.status);
        const FreshenedHead second = freshen_once(again);
        for (const auto line : first.lines) {
            const std::string name(line.name);
            CAPTURE(name);
            CHECK(second.lines.combined(name) == first.lines.combined(name));
            CHECK_FALSE(http::is_hop_by_hop(name));
        }
        CHECK(second.lines.size() == first.lines.size());
        CHECK(current_age(second.facts, later) == current_age(first.facts, later));
    }
}
