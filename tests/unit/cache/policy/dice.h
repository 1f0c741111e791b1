// Chance for property tests: requests, responses and policies made up from a seed that the test run prints.
#pragma once

#include "tests/support/property_seed.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

namespace gatehouse::cache::policy::testing {

using gatehouse::testing::property_seed;

// Makes up heads from lists of lines. The engine's numbers are the same everywhere; distributions are not.
class Dice {
public:
    explicit Dice(unsigned seed) : engine_(seed) {}
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_()) % limit; }
    bool one_in(std::size_t count) { return below(count) == 0; }
    const char* one_of(const std::vector<const char*>& choices) { return choices[below(choices.size())]; }

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

} // namespace gatehouse::cache::policy::testing
