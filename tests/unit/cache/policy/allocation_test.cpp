// The functions of the hit path allocate nothing (DESIGN 4.1): counted by replacing the global operator new.
//
// The replacements are weak, so that another test file may have its own; the first test notices when these are not in
// use.
#include "cache/policy/cache_key.h"
#include "cache/policy/cache_status.h"
#include "cache/policy/client_head.h"
#include "cache/policy/etag_rule.h"
#include "cache/policy/response_assembly.h"
#include "cache/policy/reuse.h"
#include "cache/policy/variant.h"
#include "config/key_prefix.h"
#include "config/response_headers.h"
#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <new>

namespace {

thread_local std::size_t allocations = 0;

void* counted(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size == 0 ? 1 : size)) {
        return memory;
    }
    std::abort();
}

} // namespace

[[gnu::weak]] void* operator new(std::size_t size) { return counted(size); }
[[gnu::weak]] void* operator new[](std::size_t size) { return counted(size); }
// std::stable_sort and others ask for memory this way, and give it back by the operators below.
[[gnu::weak]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
[[gnu::weak]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
[[gnu::weak]] void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;

namespace {

template <class Action>
std::size_t allocations_of(Action&& action) {
    const std::size_t before = allocations;
    action();
    return allocations - before;
}

// Whether operator new counts in this program.
bool is_counting() {
    std::unique_ptr<std::string> kept;
    return allocations_of([&] { kept = std::make_unique<std::string>(100, 'x'); }) == 2;
}

} // namespace

TEST_CASE("the hit path allocates nothing") {
    if (!is_counting()) {
        MESSAGE("another operator new is in use; nothing is counted");
        return;
    }
    auto policy = own();
    policy.key.query_strings = {gatehouse::config::NameSelection::Mode::Allow, {"page", "q*"}};
    policy.key.headers = {gatehouse::config::NameSelection::Mode::Allow, {"Accept-Language", "X-*"}};
    policy.key.cookies = {gatehouse::config::NameSelection::Mode::Allow, {"session"}};
    gatehouse::config::Behavior behavior;
    behavior.path_pattern = "/v1/items*";
    behavior.origin = "api";
    behavior.policy_ref = &policy;
    behavior.key_prefix = gatehouse::config::key_prefix_of(behavior); // as in a configuration that was loaded
    gatehouse::http::Target target;
    target.authority = "api.example.com";
    target.path = "/v1/items/with/a/rather/long/path";
    target.query = "page=1&utm_source=somewhere&q=something%20long";
    target.has_query = true;
    const auto request = request_of("Host: api.example.com\nAccept-Language: en, de\nX-B: 1\nX-A: 2\n"
                                    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\nAccept: */*");
    std::string key;
    make_cache_key(behavior, target, request, key);
    const std::string same_key = key;
    CHECK(allocations_of([&] { make_cache_key(behavior, target, request, key); }) == 0);
    CHECK(key == same_key);

    const Stored varied = stored_of("Accept-Language: en,de", "Cache-Control: max-age=60\nVary: Accept-Language");
    const Stored plain = stored_of("", "Cache-Control: max-age=60\nETag: \"a\"\nContent-Type: application/json");
    const RequestFacts facts = request_facts(request, false);
    std::string out;
    out.reserve(4096);
    bool matched = false;
    const std::size_t count = allocations_of([&] {
        const StoredHead heads[] = {plain.view(), varied.view()};
        matched = variant_matches("", "", request.fields) && select_variant(heads, request.fields).has_value() &&
                  variant_matches(heads[1].vary_names, heads[1].vary_values, request.fields);
        const RequestDecision lookup = decide_request(facts, policy);
        const ReuseDecision decision = decide_reuse(facts, heads[0].facts, policy, kArrival + seconds(1));
        const Assembly assembly = assemble(request, heads[0], 10, kArrival + seconds(1), 1);
        append_head(out, assembly, heads[0], 10);
        CacheResult result;
        result.ttl_seconds = 59;
        append_cache_status(out, result);
        matched = matched && lookup.lookup && decision.kind == ReuseDecision::Kind::ServeFresh &&
                  !x_cache(result).empty() && !split_cache_key(key).path.empty();
    });
    CHECK(count == 0);
    CHECK(matched);
    CHECK(out.ends_with("Cache-Status: gatehouse; hit; ttl=59\r\n"));
    CHECK(allocations_of([&] { static_cast<void>(request_facts(request, false)); }) == 0);
}

TEST_CASE("a hit under rules for responses allocates nothing either") {
    if (!is_counting()) {
        MESSAGE("another operator new is in use; nothing is counted");
        return;
    }
    namespace config = gatehouse::config;
    config::Config loaded;
    config::ResponseHeadersPolicy headers;
    headers.name = "p";
    headers.remove = {"Server", "X-Amzn-*"};
    headers.set = {{"X-Set", "a value that does not fit into a small string"}};
    headers.when_absent = {{"X-Absent", "yes"}};
    headers.cors.configured = true;
    headers.cors.allow_origins = {"https://*.example.org"};
    loaded.response_headers_policies["p"] = headers;
    const config::CachePolicy policy = own();
    config::Behavior& behavior = loaded.behaviors.emplace_back();
    behavior.policy_ref = &policy;
    behavior.etag = config::EtagRule::Weaken;
    behavior.response_headers_policies = {"p"};
    behavior.client_cache_control.configured = true;
    behavior.client_cache_control.value.text = "public, max-age=31536000, immutable";
    config::resolve_response_rules(loaded);
    const auto request = request_of("Origin: https://www.example.org");
    const Stored stored = stored_of("", "Cache-Control: max-age=60\nETag: \"a\"\nServer: nginx\nX-Amzn-Id: 1");
    std::string out;
    out.reserve(4096);
    const std::size_t count = allocations_of([&] {
        const StoredHead head = under_etag_rule(stored.view(), behavior.etag);
        Assembly assembly = assemble(request, head, 10, kArrival + seconds(1), 1);
        std::optional<ClientHead> client;
        shape(assembly, client, {behavior, request, head, true, kArrival + seconds(1)});
        append_head(out, assembly, head, 10);
    });
    CHECK(count == 0);
    CHECK(out == "HTTP/1.1 200 OK\r\nVia: 1.1 gatehouse\r\nETag: W/\"a\"\r\nDate: Sun, 01 Mar 2026 12:00:01 GMT\r\n"
                 "Cache-Control: public, max-age=31536000, immutable\r\n"
                 "X-Set: a value that does not fit into a small string\r\nX-Absent: yes\r\nVary: Origin\r\n"
                 "Access-Control-Allow-Origin: https://www.example.org\r\n");
}
