// Which requests an origin cannot tell apart by who asks.
#include "cache/policy/identity.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;

TEST_CASE("requests that differ only in what says nothing of the client are the same") {
    struct Row {
        const char* name;
        const char* one;
        const char* other;
        bool same;
        Rules rules = nullptr;
    };
    const Row rows[] = {
        {"nothing", "", "", true},
        {"Authorization", "Authorization: a", "Authorization: b", false},
        {"Authorization and none", "Authorization: a", "", false},
        {"the same Authorization", "Authorization: a", "authorization: a", true},
        {"cookies", "Cookie: a=1", "Cookie: a=2", false},
        {"cookies that are not forwarded", "Cookie: a=1", "Cookie: a=2", true, own_policy},
        {"an API key", "X-Api-Key: 1", "X-Api-Key: 2", false},
        {"a field nobody knows", "X-Anything: 1", "", false},
        {"an origin of scripts", "Origin: https://a.test", "Origin: https://b.test", false},
        {"negotiation", "Accept: a\nAccept-Language: de\nAccept-Encoding: br", "Accept: b", true},
        {"browsers", "User-Agent: a\nSec-Fetch-Mode: cors\nSec-CH-UA: x\nDNT: 1", "User-Agent: b", true},
        {"the way here", "X-Forwarded-For: 192.0.2.1\nVia: 1.1 a\nForwarded: for=x", "", true},
        {"a user that a proxy names", "X-Forwarded-User: a", "X-Forwarded-User: b", false},
        {"a token that is bound", "Sec-Token-Binding: a", "", false},
        {"traces", "traceparent: 00-1\nX-Request-Id: 1\nX-Amzn-Trace-Id: 1\nX-B3-TraceId: 1", "", true},
        {"conditions and ranges", "If-None-Match: \"1\"\nRange: bytes=0-1\nIf-Modified-Since: @0", "", true},
        {"caching", "Cache-Control: max-stale\nPragma: no-cache", "", true},
        {"methods", "HEAD", "", true},
        {"a value split in two", "Authorization: a\nX-A: b", "Authorization: a\nX-A: c", false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto policy = policy_of(row.rules);
            CHECK((identity_of(request_of(row.one), policy) == identity_of(request_of(row.other), policy)) == row.same);
        }
    }
}
