// Properties that hold for every request and response, tried on many that are made up from fixed seeds.
#include "cache/policy/freshness.h"
#include "cache/policy/response_assembly.h"
#include "cache/policy/reuse.h"
#include "cache/policy/storability.h"
#include "cache/policy/validation.h"
#include "http/forwarding.h"
#include "tests/unit/cache/policy/dice.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;
namespace http = gatehouse::http;

namespace {

constexpr int kRounds = 4000;

std::string with_line(const std::string& text, const std::string& line) {
    return text.empty() || text.ends_with('\n') ? text + line : text + "\n" + line;
}

} // namespace

TEST_CASE("adding no-store never makes anything storable") {
    Dice dice(property_seed());
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
        // Where a targeted field decides it is the one that has to say so. RFC 9213 section 2.2
        const std::string targeted = with_line(response, "CDN-Cache-Control: no-store");
        CHECK_FALSE(decide_storability(facts_of(request, targeted, policy), policy).store);
        const std::string no_store = with_line(request, "Cache-Control: no-store");
        CHECK_FALSE(decide_storability(facts_of(no_store, response, policy), policy).store);
    }
    CHECK(stored_before > kRounds / 50); // the property says something
}

TEST_CASE("age never decreases as time passes, and what is stale stays stale") {
    Dice dice(property_seed());
    for (int round = 0; round < kRounds; ++round) {
        const auto policy = dice.policy();
        const std::string response = dice.response();
        CAPTURE(response);
        const ResponseFacts facts = facts_of("", response, policy);
        WallTime now = kArrival - seconds(5);
        Freshness last = freshness(facts, policy, now);
        CHECK(last.age >= Duration(0));
        CHECK(last.age >= seconds(facts.age_seconds)); // nor does it fall below what a cache upstream said
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
    Dice dice(property_seed());
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
        CHECK_FALSE((serves_stale && must_not_serve_stale(facts, policy)));
        CHECK_FALSE((decision.kind == Kind::ServeFresh && !decision.freshness.is_fresh()));
        CHECK_FALSE((decision.kind == Kind::ServeFresh && asked.cache_control.no_cache));
        CHECK_FALSE((decision.kind == Kind::Validate && !facts.has_validator));
        const bool forwards = decision.kind == Kind::Validate || decision.kind == Kind::Forward;
        CHECK_FALSE((forwards && asked.cache_control.only_if_cached));
        CHECK((decision.kind == Kind::ServeFresh) == (decision.reason == Reason::None));
        const bool stale = !freshness(facts, policy, now).is_fresh();
        CHECK_FALSE((stale && must_not_serve_stale(facts, policy) && may_serve_on_error(asked, facts, policy, now)));
    }
}

TEST_CASE("an assembled response carries no hop-by-hop field and no Age") {
    Dice dice(property_seed());
    for (int round = 0; round < kRounds; ++round) {
        const std::string request = dice.request();
        std::string response = dice.response();
        // Whatever Connection names is of this connection too, but for what is protected.
        const std::string named = "N" + std::to_string(dice.below(1000));
        response = with_line(response, ("Connection: " + named + ", x\n" + named + ": 1\nX: 2"));
        CAPTURE(request);
        CAPTURE(response);
        const Stored stored = stored_of(request, response);
        const StoredHead view = stored.view();
        const Assembly assembly = assemble(request_of(request), view, 10, kArrival, 1);
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
            CHECK(name != named);
            CHECK(name != "X");
        }
        const auto names = nominated_names(response_of(response).fields);
        CHECK(view.vary_names == names);
    }
}

TEST_CASE("equal requests select equal variants") {
    Dice dice(property_seed());
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

TEST_CASE("equal requests select the same of several stored responses, in whatever order they are found") {
    Dice dice(property_seed());
    int selected_any = 0;
    for (int round = 0; round < kRounds / 4; ++round) {
        std::vector<Stored> stored;
        std::vector<StoredHead> heads;
        for (std::size_t i = 0; i < 1 + dice.below(6); ++i) {
            std::string response = "Date: @-" + std::to_string(10 * i); // no two of one Date
            for (const char* vary : {"Vary: Accept", "Vary: Accept-Language, Cookie"}) {
                response = dice.one_in(2) ? with_line(response, vary) : response;
            }
            stored.push_back(stored_of(dice.request(), response));
        }
        for (const Stored& one : stored) {
            heads.push_back(one.view());
        }
        const std::string request = dice.request();
        CAPTURE(request);
        const auto selected = select_variant(heads, request_of(request).fields);
        CHECK(select_variant(heads, request_of(request).fields) == selected);
        CHECK(select_variant(heads, request_of(with_line(request, "X-Other: 1")).fields) == selected);
        std::vector<StoredHead> reversed(heads.rbegin(), heads.rend());
        const auto mirrored = select_variant(reversed, request_of(request).fields);
        CHECK(mirrored.has_value() == selected.has_value());
        if (selected) {
            ++selected_any;
            CHECK(reversed[*mirrored].field_lines.data() == heads[*selected].field_lines.data());
        }
    }
    CHECK(selected_any > kRounds / 40);
}

TEST_CASE("freshened fields can be stored again, and freshening twice changes nothing more") {
    Dice dice(property_seed());
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
