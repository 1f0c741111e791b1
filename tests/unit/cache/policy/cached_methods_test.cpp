// POST and OPTIONS where a behavior caches them: what is decided before the lookup, the key, and what is stored.
#include "cache/policy/cache_key.h"
#include "cache/policy/facts.h"
#include "cache/policy/reuse.h"
#include "cache/policy/storability.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace cache = gatehouse::cache;
namespace config = gatehouse::config;
namespace http = gatehouse::http;

namespace {

struct Cached {
    config::CachePolicy policy = own();
    config::Behavior behavior;

    Cached() {
        policy.default_ttl = seconds(60);
        policy.key.max_body_bytes = 100;
        behavior.path_pattern = "/search";
        behavior.origin = "api";
        behavior.policy_ref = &policy;
        behavior.caches_post = true;
        behavior.caches_options = true;
    }
    RequestFacts facts(std::string_view text, std::uint64_t content_bytes = 0) const {
        const http::RequestHead request = request_of(text);
        RequestFacts facts = request_facts(request, content_bytes > 0);
        apply_cached_methods(facts, request.fields, behavior, content_bytes);
        return facts;
    }
    std::string key(std::string_view text, std::string_view digest = {}) const {
        http::Target target;
        target.authority = "a.example";
        target.path = "/search";
        target.query = "p=1";
        target.has_query = true;
        std::string key;
        make_cache_key(behavior, target, request_of(text), key);
        append_method_to_key(request_of(text), digest, key);
        return key;
    }
    ResponseFacts response(std::string_view request, std::string_view text) const {
        return response_facts(request_of(request), facts(request), false, response_of(text), kArrival, kArrival,
                              policy.targeted_cache_control);
    }
};

} // namespace

TEST_CASE("which requests of a cached method are looked up") {
    struct Row {
        const char* name;
        const char* clause;
        const char* request;
        std::uint64_t content_bytes;
        bool lookup;
        bool may_store;
        Reason reason;
    };
    const Row rows[] = {
        {"POST", "cached_methods", "POST", 100, true, true, Reason::None},
        {"POST without content", "cached_methods", "POST", 0, true, true, Reason::None},
        {"POST with more than the key takes", "max_body_size", "POST", 101, false, false, Reason::RequestTooLarge},
        {"OPTIONS", "cached_methods", "OPTIONS", 0, true, true, Reason::None},
        {"OPTIONS with content", "cached_methods", "OPTIONS", 1, false, false, Reason::RequestBody},
        {"OPTIONS for a number of hops", "RFC 9110 section 7.6.2", "OPTIONS\nMax-Forwards: 1", 0, false, false,
         Reason::Method},
        {"PUT", "RFC 9111 section 4", "PUT", 1, false, false, Reason::Method},
        {"lower case", "RFC 9110 section 9.1", "post", 1, false, false, Reason::Method},
        {"GET with content", "RFC 9110 section 9.3.1", "GET", 101, true, false, Reason::RequestBody},
        {"If-None-Match", "RFC 9110 section 13.1.2", "POST\nIf-None-Match: \"a\"", 1, false, false,
         Reason::RequestPrecondition},
        {"If-Match", "RFC 9110 section 13.1.1", "POST\nIf-Match: \"a\"", 1, false, false, Reason::RequestPrecondition},
        {"If-Modified-Since", "RFC 9110 section 13.1.3", "POST\nIf-Modified-Since: @0", 1, true, true, Reason::None},
        {"Range", "RFC 9110 section 14.2", "POST\nRange: bytes=0-1", 1, true, true, Reason::None},
        {"no-store", "RFC 9111 section 5.2.1.5", "POST\nCache-Control: no-store", 1, true, false,
         Reason::RequestNoStore},
        {"Upgrade", "RFC 9110 section 7.8", "POST\nConnection: upgrade\nUpgrade: websocket", 0, false, false,
         Reason::RequestUpgrade},
    };
    const Cached cached;
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        CAPTURE(std::string(row.clause));
        const RequestDecision decision = decide_request(cached.facts(row.request, row.content_bytes), cached.policy);
        CHECK(decision.lookup == row.lookup);
        CHECK(decision.may_store == row.may_store);
        CHECK(to_string(decision.reason) == to_string(row.reason));
    }
}

TEST_CASE("a behavior caches the methods it names, and no other") {
    Cached cached;
    cached.behavior.caches_post = false;
    CHECK_FALSE(cached.facts("POST", 1).method_is_cached);
    CHECK(cached.facts("OPTIONS").method_is_cached);
    cached.behavior.caches_options = false;
    cached.behavior.caches_post = true;
    CHECK(cached.facts("POST", 1).method_is_cached);
    CHECK_FALSE(cached.facts("OPTIONS").method_is_cached);
    CHECK_FALSE(cached.facts("GET").method_is_cached);
}

TEST_CASE("the key of a cached method has it behind everything else") {
    Cached cached;
    cached.policy.key.headers = {config::NameSelection::Mode::Allow, {"X-Tenant"}};
    const std::string key = cached.key("POST\nX-Tenant: t\nContent-Type: application/json\nContent-Length: 3", "d1");
    CHECK(key == "own|/search\napi\na.example\n/search\np=1\nx-tenant:t\n@POST d1\ncontent-type:application/json\n");
    const KeyParts parts = split_cache_key(key);
    CHECK(parts.authority == "a.example");
    CHECK(parts.path == "/search");
    CHECK(parts.query == "p=1");
}

TEST_CASE("what tells requests of a cached method apart, and what does not") {
    struct Row {
        const char* name;
        const char* one;
        const char* other;
        bool same;
    };
    const Row rows[] = {
        {"another type", "POST\nContent-Type: a/b", "POST\nContent-Type: a/c", false},
        {"a type and none", "POST\nContent-Type: ", "POST", false},
        {"another coding", "POST\nContent-Encoding: gzip", "POST\nContent-Encoding: br", false},
        {"another language", "POST\nContent-Language: de", "POST\nContent-Language: en", false},
        {"a part", "POST\nContent-Range: bytes 0-1/2", "POST", false},
        {"a preflight's field with POST", "POST\nOrigin: https://a", "POST\nOrigin: https://b", true},
        {"the order of fields", "POST\nContent-Type: a/b\nContent-Encoding: gzip",
         "POST\nContent-Encoding: gzip\nContent-Type: a/b", true},
        {"another field", "POST\nUser-Agent: a", "POST", true},
        {"another method", "POST", "OPTIONS", false},
        {"another origin", "OPTIONS\nOrigin: https://a", "OPTIONS\nOrigin: https://b", false},
        {"another method that is asked about", "OPTIONS\nAccess-Control-Request-Method: PUT",
         "OPTIONS\nAccess-Control-Request-Method: PATCH", false},
        {"other fields that are asked about", "OPTIONS\nAccess-Control-Request-Headers: a",
         "OPTIONS\nAccess-Control-Request-Headers: b", false},
        {"a private network", "OPTIONS\nAccess-Control-Request-Private-Network: true", "OPTIONS", false},
        {"a type with OPTIONS", "OPTIONS\nContent-Type: a/b", "OPTIONS", true},
    };
    const Cached cached;
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        CHECK((cached.key(row.one) == cached.key(row.other)) == row.same);
    }
    CHECK(cached.key("POST", "d1") != cached.key("POST", "d2"));
    CHECK(cached.key("POST", "d1") != cached.key("POST"));
}

TEST_CASE("no field or cookie of a GET looks like another method's key") {
    Cached cached;
    cached.policy.key.headers = {config::NameSelection::Mode::Allow, {"*"}};
    cached.policy.key.cookies = {config::NameSelection::Mode::All, {}};
    http::Target target;
    target.path = "/search";
    std::string key;
    make_cache_key(cached.behavior, target, request_of("GET\n!post: d1\npost: d1\nCookie: a; @POST d1"), key);
    CHECK(key.find("\n@") == std::string::npos);
}

TEST_CASE("the answer to a cached POST is stored as that to GET, but never for its validator alone") {
    struct Row {
        const char* name;
        const char* request;
        const char* response;
        bool store;
        Reason reason;
    };
    const Row rows[] = {
        {"by default_ttl", "POST", "", true, Reason::None},
        {"by max-age", "POST", "Cache-Control: max-age=5", true, Reason::None},
        {"OPTIONS", "OPTIONS", "204", true, Reason::None},
        {"private", "POST", "Cache-Control: private", false, Reason::ResponsePrivate},
        {"Authorization", "POST\nAuthorization: a", "Cache-Control: max-age=5", false, Reason::Authorization},
        {"Authorization, shared", "POST\nAuthorization: a", "Cache-Control: s-maxage=5", true, Reason::None},
        {"no-cache with a validator", "POST", "Cache-Control: no-cache\nETag: \"a\"", false, Reason::NoLifetime},
        {"stale at once with a validator", "POST", "Cache-Control: max-age=0\nETag: \"a\"", false, Reason::NoLifetime},
        {"another method", "PUT", "Cache-Control: max-age=5", false, Reason::Method},
        {"HEAD", "HEAD", "Cache-Control: max-age=5", false, Reason::Method},
    };
    const Cached cached;
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        const StoreDecision decision = decide_storability(cached.response(row.request, row.response), cached.policy);
        CHECK(decision.store == row.store);
        CHECK(to_string(decision.reason) == to_string(row.reason));
    }
}

TEST_CASE("a stored answer to POST is asked for again as a whole when it is stale") {
    const Cached cached;
    const ResponseFacts stored = cached.response("POST", "Cache-Control: max-age=10\nETag: \"a\"");
    const RequestFacts facts = cached.facts("POST", 3);
    CHECK(decide_reuse(facts, stored, cached.policy, kArrival + seconds(9)).kind == ReuseDecision::Kind::ServeFresh);
    const ReuseDecision stale = decide_reuse(facts, stored, cached.policy, kArrival + seconds(10));
    CHECK(stale.kind == ReuseDecision::Kind::Forward);
    CHECK(to_string(stale.reason) == to_string(Reason::Stale));
}
