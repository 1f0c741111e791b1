// Reuse: what a stored response may do for a request, at the second before, at and after each boundary.
#include "cache/policy/reuse.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <vector>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
using Kind = ReuseDecision::Kind;

namespace {

constexpr const char* name_of(Kind kind) {
    switch (kind) {
    case Kind::ServeFresh: return "ServeFresh";
    case Kind::ServeStale: return "ServeStale";
    case Kind::ServeStaleRevalidate: return "ServeStaleRevalidate";
    case Kind::Validate: return "Validate";
    case Kind::Forward: return "Forward";
    case Kind::GatewayTimeout: return "GatewayTimeout";
    }
    return "";
}

struct Row {
    const char* name;
    const char* clause;
    const char* request;
    const char* response; // to a plain GET
    milliseconds now;     // since it arrived
    Rules rules;
    Kind kind;
    Reason reason;
};

void check(const Row& row) {
    CAPTURE(row.clause);
    const auto policy = policy_of(row.rules);
    const ReuseDecision decision =
        decide_reuse(request_facts_of(row.request), facts_of("", row.response, policy), policy, kArrival + row.now);
    CHECK(std::string(name_of(decision.kind)) == name_of(row.kind));
    CHECK(to_string(decision.reason) == to_string(row.reason));
}

constexpr const char* kTen = "Cache-Control: max-age=10\nETag: \"a\"";
constexpr const char* kTenBare = "Cache-Control: max-age=10";

} // namespace

TEST_CASE("a request before anything is looked up") {
    struct RequestRow {
        const char* name;
        const char* clause;
        const char* request;
        bool has_content;
        Rules rules;
        bool lookup;
        bool may_store;
        Reason reason;
    };
    const Rules disabled = [](auto& p) { p.disabled = true; };
    const RequestRow rows[] = {
        {"GET", "RFC 9111 section 4", "GET", false, nullptr, true, true, Reason::None},
        {"HEAD", "RFC 9111 section 4", "HEAD", false, nullptr, true, true, Reason::None},
        {"POST", "RFC 9111 section 4", "POST", false, nullptr, false, false, Reason::Method},
        {"OPTIONS", "RFC 9110 section 9.3.7", "OPTIONS", false, nullptr, false, false, Reason::Method},
        {"unknown", "RFC 9111 section 4", "PURGE", false, nullptr, false, false, Reason::Method},
        {"disabled", "DESIGN section 2", "GET", false, disabled, false, false, Reason::CachingDisabled},
        {"POST, disabled", "DESIGN section 2", "POST", false, disabled, false, false, Reason::Method},
        {"upgrade", "RFC 9110 section 7.8", "Connection: upgrade\nUpgrade: websocket", false, nullptr, false, false,
         Reason::RequestUpgrade},
        {"If-Match", "RFC 9111 section 4.3.2", "If-Match: \"a\"", false, nullptr, false, false,
         Reason::RequestPrecondition},
        {"If-Unmodified-Since", "RFC 9111 section 4.3.2", "If-Unmodified-Since: @0", false, nullptr, false, false,
         Reason::RequestPrecondition},
        {"If-None-Match", "RFC 9111 section 4.3.2", "If-None-Match: \"a\"", false, nullptr, true, true, Reason::None},
        {"content", "RFC 9110 section 9.3.1", "GET", true, nullptr, true, false, Reason::RequestBody},
        {"no-store", "RFC 9111 section 5.2.1.5", "Cache-Control: no-store", false, nullptr, true, false,
         Reason::RequestNoStore},
        {"Range", "RFC 9111 section 3.3", "Range: bytes=0-1", false, nullptr, true, true, Reason::RequestRange},
        {"Range with HEAD", "RFC 9110 section 14.2", "HEAD\nRange: bytes=0-1", false, nullptr, true, true,
         Reason::None},
        {"no-cache", "RFC 9111 section 5.2.1.4", "Cache-Control: no-cache", false, nullptr, true, true, Reason::None},
        {"Authorization", "RFC 9111 section 3.5", "Authorization: x", false, nullptr, true, true, Reason::None},
    };
    for (const RequestRow& row : rows) {
        SUBCASE(row.name) {
            CAPTURE(row.clause);
            const RequestDecision decision =
                decide_request(request_facts(request_of(row.request), row.has_content), policy_of(row.rules));
            CHECK(decision.lookup == row.lookup);
            CHECK(decision.may_store == row.may_store);
            CHECK(to_string(decision.reason) == to_string(row.reason));
        }
    }
}

TEST_CASE("fresh and stale, to the millisecond (RFC 9111 section 4.2)") {
    const Row rows[] = {
        {"one less", "RFC 9111 section 4.2", "", kTen, seconds(9), nullptr, Kind::ServeFresh, Reason::None},
        {"one millisecond less", "RFC 9111 section 4.2", "", kTen, milliseconds(9999), nullptr, Kind::ServeFresh,
         Reason::None},
        {"equal", "RFC 9111 section 4.2", "", kTen, seconds(10), nullptr, Kind::Validate, Reason::Stale},
        {"one more", "RFC 9111 section 4.2", "", kTen, seconds(11), nullptr, Kind::Validate, Reason::Stale},
        {"without validator", "RFC 9111 section 4.3.1", "", kTenBare, seconds(11), nullptr, Kind::Forward,
         Reason::Stale},
        {"malformed ETag", "RFC 9111 section 4.3.1", "", "Cache-Control: max-age=10\nETag: a", seconds(11), nullptr,
         Kind::Forward, Reason::Stale},
        {"Age counts", "RFC 9111 section 4.2.3", "", "Cache-Control: max-age=10\nAge: 8\nETag: \"a\"", seconds(2),
         nullptr, Kind::Validate, Reason::Stale},
        {"immutable does not prolong", "RFC 8246 section 2", "", "Cache-Control: max-age=10, immutable\nETag: \"a\"",
         seconds(10), nullptr, Kind::Validate, Reason::Stale},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("today's rules decide whether a stored response is used (DESIGN 4.12)") {
    const Rules disabled = [](auto& p) { p.disabled = true; };
    const Row rows[] = {
        {"switched off", "", "", kTen, seconds(1), disabled, Kind::Forward, Reason::PolicyChanged},
        {"default_ttl gone", "", "", "ETag: \"a\"", seconds(1), nullptr, Kind::Forward, Reason::PolicyChanged},
        {"set_cookie: refuse", "", "", "Cache-Control: max-age=10\nSet-Cookie: a=1", seconds(1), own_policy,
         Kind::Forward, Reason::PolicyChanged},
        {"max_ttl shorter", "", "", kTen, seconds(5), [](auto& p) { p.max_ttl = seconds(5); }, Kind::Validate,
         Reason::Stale},
        {"ttl longer", "", "", kTen, seconds(50), [](auto& p) { p.ttl = seconds(60); }, Kind::ServeFresh, Reason::None},
        {"switched off, only-if-cached", "", "Cache-Control: only-if-cached", kTen, seconds(1), disabled,
         Kind::GatewayTimeout, Reason::OnlyIfCached},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("no-cache in the response (RFC 9111 section 5.2.2.4)") {
    const char* kNoCache = "Cache-Control: no-cache, max-age=10\nETag: \"a\"";
    const Row rows[] = {
        {"fresh", "RFC 9111 section 5.2.2.4", "", kNoCache, seconds(1), nullptr, Kind::Validate,
         Reason::ResponseNoCache},
        {"before the request's", "RFC 9111 section 5.2.2.4", "Cache-Control: no-cache", kNoCache, seconds(1), nullptr,
         Kind::Validate, Reason::ResponseNoCache},
        {"max-stale does not help", "RFC 9111 section 4.2.4", "Cache-Control: max-stale", kNoCache, seconds(11),
         nullptr, Kind::Validate, Reason::ResponseNoCache},
        {"a window does not help", "RFC 9111 section 4.2.4", "", kNoCache, seconds(11),
         [](auto& p) { p.stale_while_revalidate = seconds(60); }, Kind::Validate, Reason::ResponseNoCache},
        {"with names", "RFC 9111 section 5.2.2.4", "", "Cache-Control: no-cache=\"a\", max-age=10", seconds(1), nullptr,
         Kind::ServeFresh, Reason::None},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("directives of the request (RFC 9111 section 5.2.1)") {
    const Row rows[] = {
        {"no-cache", "RFC 9111 section 5.2.1.4", "Cache-Control: no-cache", kTen, seconds(1), nullptr, Kind::Validate,
         Reason::RequestNoCache},
        {"no-cache without validator", "RFC 9111 section 5.2.1.4", "Cache-Control: no-cache", kTenBare, seconds(1),
         nullptr, Kind::Forward, Reason::RequestNoCache},
        {"Pragma", "RFC 9111 section 5.4", "Pragma: no-cache", kTen, seconds(1), nullptr, Kind::Validate,
         Reason::RequestNoCache},
        {"Pragma beside Cache-Control", "RFC 9111 section 5.4", "Pragma: no-cache\nCache-Control: foo", kTen,
         seconds(1), nullptr, Kind::ServeFresh, Reason::None},
        {"no-cache on what is stale", "RFC 9211 section 2.2", "Cache-Control: no-cache", kTen, seconds(10), nullptr,
         Kind::Validate, Reason::Stale},
        {"no-store", "RFC 9111 section 5.2.1.5", "Cache-Control: no-store", kTen, seconds(1), nullptr, Kind::ServeFresh,
         Reason::None},

        {"max-age, age one less", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=5", kTen, seconds(4), nullptr,
         Kind::ServeFresh, Reason::None},
        {"max-age, age equal", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=5", kTen, seconds(5), nullptr,
         Kind::ServeFresh, Reason::None},
        {"max-age, age one more", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=5", kTen, seconds(6), nullptr,
         Kind::Validate, Reason::RequestMaxAge},
        {"max-age=0 at once", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=0", kTen, seconds(0), nullptr,
         Kind::Validate, Reason::RequestMaxAge},
        {"max-age=0 of immutable", "RFC 8246 section 2", "Cache-Control: max-age=0",
         "Cache-Control: max-age=10, immutable\nETag: \"a\"", seconds(1), nullptr, Kind::Validate,
         Reason::RequestMaxAge},
        {"max-age that is no number", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=x", kTen, seconds(1), nullptr,
         Kind::ServeFresh, Reason::None},
        {"max-age longer than the lifetime", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=60", kTen, seconds(10),
         nullptr, Kind::Validate, Reason::Stale},

        {"min-fresh, one less", "RFC 9111 section 5.2.1.3", "Cache-Control: min-fresh=4", kTen, seconds(5), nullptr,
         Kind::ServeFresh, Reason::None},
        {"min-fresh, equal", "RFC 9111 section 5.2.1.3", "Cache-Control: min-fresh=5", kTen, seconds(5), nullptr,
         Kind::ServeFresh, Reason::None},
        {"min-fresh, one more", "RFC 9111 section 5.2.1.3", "Cache-Control: min-fresh=6", kTen, seconds(5), nullptr,
         Kind::Validate, Reason::RequestMinFresh},

        {"max-stale, one less", "RFC 9111 section 5.2.1.2", "Cache-Control: max-stale=5", kTen, seconds(14), nullptr,
         Kind::ServeStale, Reason::RequestMaxStale},
        {"max-stale, equal", "RFC 9111 section 5.2.1.2", "Cache-Control: max-stale=5", kTen, seconds(15), nullptr,
         Kind::ServeStale, Reason::RequestMaxStale},
        {"max-stale, one more", "RFC 9111 section 5.2.1.2", "Cache-Control: max-stale=5", kTen, seconds(16), nullptr,
         Kind::Validate, Reason::Stale},
        {"max-stale without number", "RFC 9111 section 5.2.1.2", "Cache-Control: max-stale", kTen, seconds(100000),
         nullptr, Kind::ServeStale, Reason::RequestMaxStale},
        {"max-stale, must-revalidate", "RFC 9111 section 5.2.2.2", "Cache-Control: max-stale",
         "Cache-Control: max-age=10, must-revalidate\nETag: \"a\"", seconds(11), nullptr, Kind::Validate,
         Reason::Stale},
        {"max-stale, proxy-revalidate", "RFC 9111 section 5.2.2.8", "Cache-Control: max-stale",
         "Cache-Control: max-age=10, proxy-revalidate\nETag: \"a\"", seconds(11), nullptr, Kind::Validate,
         Reason::Stale},
        {"max-stale, s-maxage", "RFC 9111 section 5.2.2.10", "Cache-Control: max-stale",
         "Cache-Control: s-maxage=10\nETag: \"a\"", seconds(11), nullptr, Kind::Validate, Reason::Stale},
        {"max-stale, fresh and must-revalidate", "RFC 9111 section 5.2.2.2", "Cache-Control: max-stale",
         "Cache-Control: max-age=10, must-revalidate", seconds(9), nullptr, Kind::ServeFresh, Reason::None},

        {"max-age and max-stale", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=12, max-stale=5", kTen,
         seconds(12), nullptr, Kind::ServeStale, Reason::RequestMaxStale},
        {"max-age and max-stale, too old", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=12, max-stale=5", kTen,
         seconds(13), nullptr, Kind::Validate, Reason::Stale},
        {"max-age and max-stale, too stale", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=60, max-stale=5", kTen,
         seconds(16), nullptr, Kind::Validate, Reason::Stale},

        {"only-if-cached, fresh", "RFC 9111 section 5.2.1.7", "Cache-Control: only-if-cached", kTen, seconds(9),
         nullptr, Kind::ServeFresh, Reason::None},
        {"only-if-cached, stale", "RFC 9111 section 5.2.1.7", "Cache-Control: only-if-cached", kTen, seconds(10),
         nullptr, Kind::GatewayTimeout, Reason::OnlyIfCached},
        {"only-if-cached, max-stale", "RFC 9111 section 5.2.1.7", "Cache-Control: only-if-cached, max-stale", kTen,
         seconds(10), nullptr, Kind::ServeStale, Reason::RequestMaxStale},
        {"only-if-cached, no-cache", "RFC 9111 section 5.2.1.7", "Cache-Control: only-if-cached, no-cache", kTen,
         seconds(1), nullptr, Kind::GatewayTimeout, Reason::OnlyIfCached},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("served stale while it is revalidated (RFC 5861 section 3)") {
    const char* kWindow = "Cache-Control: max-age=10, stale-while-revalidate=5\nETag: \"a\"";
    const Rules window = [](auto& p) { p.stale_while_revalidate = seconds(5); };
    const Row rows[] = {
        {"fresh", "RFC 5861 section 3", "", kWindow, seconds(9), nullptr, Kind::ServeFresh, Reason::None},
        {"just stale", "RFC 5861 section 3", "", kWindow, seconds(10), nullptr, Kind::ServeStaleRevalidate,
         Reason::StaleWhileRevalidate},
        {"one less", "RFC 5861 section 3", "", kWindow, seconds(14), nullptr, Kind::ServeStaleRevalidate,
         Reason::StaleWhileRevalidate},
        {"equal", "RFC 5861 section 3", "", kWindow, seconds(15), nullptr, Kind::ServeStaleRevalidate,
         Reason::StaleWhileRevalidate},
        {"one more", "RFC 5861 section 3", "", kWindow, seconds(16), nullptr, Kind::Validate, Reason::Stale},
        {"a window of zero", "RFC 5861 section 3", "",
         "Cache-Control: max-age=10, stale-while-revalidate=0\nETag: \"a\"", seconds(10), nullptr, Kind::Validate,
         Reason::Stale},
        {"the policy's", "DESIGN section 6", "", kTenBare, seconds(15), window, Kind::ServeStaleRevalidate,
         Reason::StaleWhileRevalidate},
        {"the policy's, one more", "DESIGN section 6", "", kTenBare, seconds(16), window, Kind::Forward, Reason::Stale},
        {"despite s-maxage", "DESIGN section 6", "", "Cache-Control: s-maxage=10", seconds(15), window,
         Kind::ServeStaleRevalidate, Reason::StaleWhileRevalidate},
        {"not past must-revalidate", "RFC 9111 section 5.2.2.2", "", "Cache-Control: max-age=10, must-revalidate",
         seconds(11), window, Kind::Forward, Reason::Stale},
        {"before max-stale", "", "Cache-Control: max-stale", kWindow, seconds(11), nullptr, Kind::ServeStaleRevalidate,
         Reason::StaleWhileRevalidate},
        {"max-stale goes on", "", "Cache-Control: max-stale", kWindow, seconds(16), nullptr, Kind::ServeStale,
         Reason::RequestMaxStale},
        {"not for no-cache", "RFC 9111 section 5.2.1.4", "Cache-Control: no-cache", kWindow, seconds(11), nullptr,
         Kind::Validate, Reason::Stale},
        {"not for max-age", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=60", kWindow, seconds(11), nullptr,
         Kind::Validate, Reason::Stale},
        {"not for min-fresh", "RFC 9111 section 5.2.1.3", "Cache-Control: min-fresh=0", kWindow, seconds(11), nullptr,
         Kind::Validate, Reason::Stale},
        {"for max-age with max-stale", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=60, max-stale=1", kWindow,
         seconds(12), nullptr, Kind::ServeStaleRevalidate, Reason::StaleWhileRevalidate},
        {"for only-if-cached", "RFC 9111 section 5.2.1.7", "Cache-Control: only-if-cached", kWindow, seconds(11),
         nullptr, Kind::ServeStaleRevalidate, Reason::StaleWhileRevalidate},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) { check(row); }
    }
}

TEST_CASE("served although the origin failed (RFC 5861 section 4)") {
    struct ErrorRow {
        const char* name;
        const char* clause;
        const char* request;
        const char* response;
        milliseconds now;
        Rules rules;
        bool may_serve;
    };
    const char* kWindow = "Cache-Control: max-age=10, stale-if-error=5";
    const Rules window = [](auto& p) { p.stale_if_error = seconds(5); };
    const ErrorRow rows[] = {
        {"fresh", "RFC 9111 section 4", "", kTenBare, seconds(9), nullptr, true},
        {"fresh, wanted younger", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=0", kTenBare, seconds(9), nullptr,
         true},
        {"fresh, request no-cache", "RFC 9111 section 5.2.1.4", "Cache-Control: no-cache", kTenBare, seconds(9),
         nullptr, false},
        {"fresh, request no-cache, window", "RFC 5861 section 4", "Cache-Control: no-cache", kWindow, seconds(9),
         nullptr, true},
        {"no window", "RFC 9111 section 4.2.4", "", kTenBare, seconds(10), nullptr, false},
        {"one less", "RFC 5861 section 4", "", kWindow, seconds(14), nullptr, true},
        {"equal", "RFC 5861 section 4", "", kWindow, seconds(15), nullptr, true},
        {"one more", "RFC 5861 section 4", "", kWindow, seconds(16), nullptr, false},
        {"the policy's, equal", "DESIGN section 6", "", kTenBare, seconds(15), window, true},
        {"the policy's, one more", "DESIGN section 6", "", kTenBare, seconds(16), window, false},
        {"the request's", "RFC 5861 section 4", "Cache-Control: stale-if-error=60", kTenBare, seconds(70), nullptr,
         true},
        {"the request's, one more", "RFC 5861 section 4", "Cache-Control: stale-if-error=60", kTenBare, seconds(71),
         nullptr, false},
        {"must-revalidate", "RFC 9111 section 5.2.2.2", "", "Cache-Control: max-age=10, must-revalidate", seconds(10),
         window, false},
        {"no-cache", "RFC 9111 section 5.2.2.4", "", "Cache-Control: max-age=10, no-cache\nETag: \"a\"", seconds(1),
         window, false},
        {"s-maxage, allowed", "DESIGN section 6", "", "Cache-Control: s-maxage=10", seconds(15), window, true},
        {"not stored by today's rules", "DESIGN 4.12", "", "ETag: \"a\"", seconds(1), window, false},
    };
    for (const ErrorRow& row : rows) {
        SUBCASE(row.name) {
            CAPTURE(row.clause);
            const auto policy = policy_of(row.rules);
            CHECK(may_serve_on_error(request_facts_of(row.request), facts_of("", row.response, policy), policy,
                                     kArrival + row.now) == row.may_serve);
        }
    }
    for (const int status : {500, 502, 503, 504}) {
        CHECK(is_stale_if_error_status(status, gatehouse::config::CachePolicy()));
    }
    for (const int status : {200, 404, 429, 499, 501, 505, 599}) {
        CHECK_FALSE(is_stale_if_error_status(status, gatehouse::config::CachePolicy()));
    }
    gatehouse::config::CachePolicy named;
    named.stale_if_error_statuses = {{429, 503}, {4}};
    for (const auto& [status, is_hidden] :
         {std::pair(400, true), {429, true}, {499, true}, {503, true}, {500, false}, {200, false}}) {
        CHECK(is_stale_if_error_status(status, named) == is_hidden);
    }
}

TEST_CASE("what is asked about for every request") {
    struct Row {
        const char* response;
        bool each_time;
        Rules rules = nullptr;
    };
    const Row rows[] = {
        {"Cache-Control: no-cache, max-age=60\nETag: \"1\"", true},
        {"Cache-Control: max-age=0\nETag: \"1\"", true},
        {"Cache-Control: max-age=1\nETag: \"1\"", false},
        {"Cache-Control: s-maxage=0, max-age=60\nETag: \"1\"", true},
        {"Cache-Control: no-cache=\"Set-Cookie\", max-age=60", false},
        {"Cache-Control: max-age=0\nETag: \"1\"", false,
         [](gatehouse::config::CachePolicy& policy) { policy.min_ttl = seconds(5); }},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.response));
        const auto policy = policy_of(row.rules);
        CHECK(is_validated_each_time(facts_of("", row.response, policy), policy) == row.each_time);
    }
}

TEST_CASE("an answer that must be validated serves all requests that were forwarded with it (RFC 9111 section 4)") {
    struct Row {
        const char* name;
        const char* request;
        const char* response;
        bool serves;
    };
    const char* const no_cache = "Cache-Control: no-cache\nETag: \"1\"";
    const Row rows[] = {
        {"no-cache", "", no_cache, true},
        {"no lifetime", "", "Cache-Control: max-age=0, must-revalidate\nETag: \"1\"", true},
        {"no-store", "", "Cache-Control: no-store, no-cache\nETag: \"1\"", false},
        {"private", "", "Cache-Control: private, no-cache\nETag: \"1\"", false},
        {"a request that accepts what is stale", "Cache-Control: max-stale=5", no_cache, true},
        {"a request with no-cache", "Cache-Control: no-cache", no_cache, false},
        {"a request with max-age", "Cache-Control: max-age=5", no_cache, false},
        {"a request with min-fresh", "Cache-Control: min-fresh=5", no_cache, false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CHECK(answers_collapsed(request_facts_of(row.request), facts_of("", row.response, rfc9111()), rfc9111()) ==
                  row.serves);
        }
    }
}

TEST_CASE("what may be served while the origin cannot be reached (RFC 9111 section 4.2.4)") {
    struct DisconnectedRow {
        const char* name;
        const char* clause;
        const char* request;
        const char* response;
        seconds now;
        Rules rules;
        Reason reason; // None: not served
    };
    const Rules minute = [](auto& p) { p.stale_if_disconnected = seconds(60); };
    const Rules never = [](auto& p) { p.stale_if_disconnected = seconds(0); };
    const Rules errors = [](auto& p) { p.stale_if_error = seconds(5); };
    const char* const plain_ten = "Cache-Control: max-age=10";
    const auto kStale = Reason::StaleIfDisconnected;
    const DisconnectedRow rows[] = {
        {"fresh", "RFC 9111 section 4", "Cache-Control: max-age=0", plain_ten, seconds(9), minute,
         Reason::StaleIfError},
        {"just stale", "RFC 9111 section 4.2.4", "", plain_ten, seconds(10), minute, kStale},
        {"one less", "RFC 9111 section 4.2.4", "", plain_ten, seconds(69), minute, kStale},
        {"equal", "RFC 9111 section 4.2.4", "", plain_ten, seconds(70), minute, kStale},
        {"one more", "RFC 9111 section 4.2.4", "", plain_ten, seconds(71), minute, Reason::None},
        {"a day by default", "RFC 9111 section 4.2.4", "", plain_ten, seconds(86'410), nullptr, kStale},
        {"no more than a day by default", "RFC 9111 section 4.2.4", "", plain_ten, seconds(86'411), nullptr,
         Reason::None},
        {"switched off", "DESIGN section 6", "", plain_ten, seconds(10), never, Reason::None},
        {"stale-if-error", "RFC 5861 section 4", "", "Cache-Control: max-age=10, stale-if-error=5", seconds(15), minute,
         Reason::StaleIfError},
        {"beyond stale-if-error", "RFC 5861 section 4", "", "Cache-Control: max-age=10, stale-if-error=5", seconds(16),
         minute, Reason::None},
        {"stale-if-error=0", "RFC 5861 section 4", "", "Cache-Control: max-age=10, stale-if-error=0", seconds(11),
         minute, Reason::None},
        {"beyond the policy's stale_if_error", "DESIGN section 6", "", plain_ten, seconds(16), errors, Reason::None},
        {"must-revalidate", "RFC 9111 section 5.2.2.2", "", "Cache-Control: max-age=10, must-revalidate", seconds(11),
         minute, Reason::None},
        {"proxy-revalidate", "RFC 9111 section 5.2.2.8", "", "Cache-Control: max-age=10, proxy-revalidate", seconds(11),
         minute, Reason::None},
        {"no-cache", "RFC 9111 section 5.2.2.4", "", "Cache-Control: max-age=10, no-cache\nETag: \"a\"", seconds(1),
         minute, Reason::None},
        {"s-maxage", "RFC 9111 section 5.2.2.10", "", "Cache-Control: s-maxage=10", seconds(11), minute, Reason::None},
        {"never fresh", "DESIGN section 6", "", "Cache-Control: max-age=0\nETag: \"a\"", seconds(1), minute,
         Reason::None},
        {"an error", "DESIGN section 6", "", "503\nCache-Control: max-age=10", seconds(11), minute, Reason::None},
        {"request no-cache", "RFC 9111 section 5.2.1.4", "Cache-Control: no-cache", plain_ten, seconds(11), minute,
         Reason::None},
        {"request max-age", "RFC 9111 section 5.2.1.1", "Cache-Control: max-age=600", plain_ten, seconds(11), minute,
         Reason::None},
        {"request min-fresh", "RFC 9111 section 5.2.1.3", "Cache-Control: min-fresh=1", plain_ten, seconds(11), minute,
         Reason::None},
        {"request max-age, max-stale", "RFC 9111 section 5.2.1.2", "Cache-Control: max-age=600, max-stale", plain_ten,
         seconds(11), minute, kStale},
        {"request stale-if-error", "RFC 5861 section 4", "Cache-Control: stale-if-error=99", plain_ten, seconds(11),
         never, Reason::StaleIfError},
        {"not stored by today's rules", "DESIGN 4.12", "", "ETag: \"a\"", seconds(1), minute, Reason::None},
    };
    for (const DisconnectedRow& row : rows) {
        SUBCASE(row.name) {
            CAPTURE(row.clause);
            const auto policy = policy_of(row.rules);
            const auto request = request_facts_of(row.request);
            const auto stored = facts_of("", row.response, policy);
            const Reason reason =
                reason_to_serve_on(OriginFailure::Disconnected, request, stored, policy, kArrival + row.now);
            CHECK(to_string(reason) == to_string(row.reason));
            // An answer that is an error is no disconnection.
            if (row.reason == kStale) {
                CHECK_FALSE(may_serve_on_error(request, stored, policy, kArrival + row.now));
            }
        }
    }
}

TEST_CASE("of several stored responses the most recent that matches is used (RFC 9111 section 4)") {
    const std::vector<Stored> stored = {
        stored_of("Foo: 1", "Vary: Foo\nDate: @-20\nA: 0"), stored_of("Foo: 1", "Vary: Foo\nDate: @-10\nA: 1"),
        stored_of("Foo: 1", "Vary: Foo\nDate: @-15\nA: 2"), stored_of("Foo: 2", "Vary: Foo\nDate: @-1\nA: 3"),
        stored_of("", "Vary: *\nDate: @0\nA: 4"),
    };
    std::vector<StoredHead> heads;
    heads.reserve(stored.size() + 1);
    for (const Stored& one : stored) {
        heads.push_back(one.view());
    }
    CHECK(select_variant(heads, fields_of("Foo: 1")) == 1);
    CHECK(select_variant(heads, fields_of("Foo: 2")) == 3);
    CHECK(select_variant(heads, fields_of("Foo: 3")) == std::nullopt);
    CHECK(select_variant({}, fields_of("Foo: 1")) == std::nullopt);

    // A response without Vary matches everything, and is used when it is the most recent.
    const Stored plain = stored_of("", "Date: @-5");
    heads.push_back(plain.view());
    CHECK(select_variant(heads, fields_of("Foo: 1")) == 5);
    CHECK(select_variant(heads, fields_of("Foo: 2")) == 3);
    CHECK(select_variant(heads, fields_of("Foo: 3")) == 5);

    // A part is not used as if it were the whole. RFC 9111 section 3.3
    const Stored part = stored_of("Foo: 1", "206\nVary: Foo\nDate: @0\nContent-Range: bytes 0-1/2");
    heads.push_back(part.view());
    CHECK(select_variant(heads, fields_of("Foo: 1")) == 5);

    // Of two with one Date the one that arrived later.
    std::vector<StoredHead> twins = {plain.view(), plain.view(), plain.view()};
    twins[1].facts.response_time += seconds(1);
    CHECK(select_variant(twins, fields_of("")) == 1);
}

TEST_CASE("with override: [no-cache] a response is used while it is fresh, and stale as far as it is allowed") {
    auto policy = rfc9111();
    const auto facts = facts_of("", "Cache-Control: no-cache, max-age=60, stale-if-error=60\nETag: \"a\"", policy);
    const RequestFacts request = request_facts_of("");
    CHECK(decide_reuse(request, facts, policy, kArrival).kind == ReuseDecision::Kind::Validate);
    CHECK(is_validated_each_time(facts, policy));
    CHECK_FALSE(may_serve_on_error(request, facts, policy, kArrival + seconds(61)));
    policy.overrides.no_cache = true;
    CHECK(decide_reuse(request, facts, policy, kArrival).kind == ReuseDecision::Kind::ServeFresh);
    CHECK_FALSE(is_validated_each_time(facts, policy));
    CHECK(may_serve_on_error(request, facts, policy, kArrival + seconds(61)));
}

TEST_CASE("while the origin is slow a response is served that might be if it could not be reached") {
    const Rules slow = [](auto& p) { p.stale_if_slow = milliseconds(300); };
    const Rules with_window = [](auto& p) {
        p.stale_if_slow = milliseconds(300);
        p.stale_if_error = seconds(5);
    };
    const Rules never = [](auto& p) {
        p.stale_if_slow = milliseconds(300);
        p.stale_if_disconnected = seconds(0);
    };
    struct SlowRow {
        const char* name;
        const char* request;
        const char* response;
        milliseconds now;
        Rules rules;
        Reason reason;
    };
    const SlowRow rows[] = {
        {"a policy that says nothing", "", kTen, seconds(11), nullptr, Reason::None},
        {"as long as disconnected", "", kTen, seconds(11), slow, Reason::StaleIfSlow},
        {"to the end of that", "", kTen, seconds(10 + 86'400), slow, Reason::StaleIfSlow},
        {"no longer", "", kTen, seconds(10 + 86'401), slow, Reason::None},
        {"stale_if_error says how long", "", kTen, seconds(15), with_window, Reason::StaleIfSlow},
        {"and no longer", "", kTen, seconds(16), with_window, Reason::None},
        {"the response says how long", "", "Cache-Control: max-age=10, stale-if-error=2", seconds(12), slow,
         Reason::StaleIfSlow},
        {"the response says no longer", "", "Cache-Control: max-age=10, stale-if-error=2", seconds(13), slow,
         Reason::None},
        {"nothing may be served stale", "", kTen, seconds(11), never, Reason::None},
        {"must-revalidate", "", "Cache-Control: max-age=10, must-revalidate", seconds(11), slow, Reason::None},
        {"s-maxage", "", "Cache-Control: s-maxage=10", seconds(11), slow, Reason::None},
        {"no-cache of the response", "", "Cache-Control: no-cache\nETag: \"a\"", seconds(1), slow, Reason::None},
        {"a client that wants a fresh one", "Cache-Control: no-cache", kTen, seconds(11), with_window, Reason::None},
        {"a client that reloads", "Cache-Control: max-age=0", kTen, seconds(5), with_window, Reason::None},
        {"a client that wants it to stay fresh", "Cache-Control: min-fresh=8", kTen, seconds(5), with_window,
         Reason::None},
    };
    for (const SlowRow& row : rows) {
        CAPTURE(row.name);
        const auto policy = policy_of(row.rules);
        const Reason reason = reason_to_serve_while_slow(
            request_facts_of(row.request), facts_of("", row.response, policy), policy, kArrival + row.now);
        CHECK(to_string(reason) == to_string(row.reason));
    }
}

TEST_CASE("a fresh response is fetched again the sooner the longer it took and the more eager the policy is") {
    // rand() is (dice / 2^64): -ln of a half is 0.693, of 2^-53 it is 36.7.
    constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
    struct AheadRow {
        const char* name;
        unsigned beta;
        milliseconds took;
        milliseconds left;
        std::uint64_t dice;
        bool refreshes;
    };
    const AheadRow rows[] = {
        {"never", 0, seconds(10), milliseconds(1), 0, false},
        {"within 693 ms of the end", 1, seconds(1), milliseconds(693), kHalf, true},
        {"just before", 1, seconds(1), milliseconds(694), kHalf, false},
        {"twice as eager", 2, seconds(1), milliseconds(1386), kHalf, true},
        {"twice as eager, just before", 2, seconds(1), milliseconds(1387), kHalf, false},
        {"twice as slow", 1, seconds(2), milliseconds(1386), kHalf, true},
        {"the luckiest throw", 1, seconds(1), milliseconds(36'736), 0, true},
        {"the luckiest throw does not reach", 1, seconds(1), milliseconds(36'737), 0, false},
        {"the unluckiest throw", 100, seconds(1), milliseconds(1), ~std::uint64_t{0}, false},
        {"what took no time took a millisecond", 1, milliseconds(0), milliseconds(36), 0, true},
        {"what took no time has no further reach", 1, milliseconds(0), milliseconds(37), 0, false},
    };
    for (const AheadRow& row : rows) {
        CAPTURE(row.name);
        gatehouse::config::CachePolicy policy;
        policy.refresh_ahead = row.beta;
        ResponseFacts stored;
        stored.request_time = kArrival;
        stored.response_time = kArrival + row.took;
        const Freshness freshness{{row.left + seconds(60), LifetimeSource::MaxAge}, seconds(60)};
        CHECK(refreshes_ahead(stored, freshness, policy, row.dice) == row.refreshes);
    }
}
