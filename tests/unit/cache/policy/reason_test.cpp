// Reasons: each has a token that other programs read, and a sentence for people.
#include "cache/policy/reason.h"

#include "http/ascii.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

using namespace gatehouse::cache::policy;

TEST_CASE("every reason has a token of its own and a sentence") {
    std::set<std::string_view> tokens;
    for (std::size_t i = 0; i < kReasonCount; ++i) {
        const auto reason = static_cast<Reason>(i);
        const std::string token(to_string(reason));
        CAPTURE(token);
        CHECK(gatehouse::http::is_token(token));
        CHECK(std::all_of(token.begin(), token.end(), [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); }));
        CHECK(tokens.insert(to_string(reason)).second);
        CHECK(sentence(reason).ends_with('.'));
    }
}

TEST_CASE("the tokens that other programs read do not change") {
    CHECK(to_string(Reason::UriMiss) == "uri_miss");
    CHECK(to_string(Reason::SetCookie) == "set_cookie");
    CHECK(to_string(Reason::StaleWhileRevalidate) == "stale_while_revalidate");
    CHECK(to_string(Reason::RequestMaxStale) == "request_max_stale");
    CHECK(to_string(Reason::kCount) == "none");
}
