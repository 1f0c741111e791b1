// Which behavior a path belongs to, however it is written.
#include "proxy/router.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace gatehouse;
using proxy::Mismatch;

namespace {

void behaviors(config::Config& config, const std::vector<const char*>& patterns) {
    for (const char* pattern : patterns) {
        config.behaviors.emplace_back();
        config.behaviors.back().path_pattern = pattern;
    }
}

std::optional<std::size_t> route(const config::Config& config, std::string_view path) {
    http::Target target;
    target.path = path;
    return proxy::route(config, target, http::RequestHead());
}

} // namespace

TEST_CASE("the first behavior whose pattern matches the normalised path has the request") {
    config::Config config;
    behaviors(config, {"/static/*", "/v1/items*", "/admin/*", "/.well-known/*", "/v?/x", "*"});
    struct Row {
        const char* path;
        std::size_t behavior;
    };
    const std::vector<Row> rows = {
        {"/static/a", 0},
        {"/static/", 0},
        {"/static", 5},
        {"/Static/a", 5},
        {"/v1/items", 1},
        {"/v1/items/7", 1},
        {"/v1/item", 5},
        {"/v2/x", 4},
        {"/v22/x", 5},
        {"/", 5},
        {"*", 5},
        {"/.well-known/a", 3},
        {"/static/../admin/a", 2}, // who asks for /admin by another way is still asking for /admin
        {"/static/%2e%2E/admin/a", 2},
        {"/static/%2e./admin/a", 2},
        {"//admin/a", 2},
        {"/admin//a", 2},
        {"/%61dmin/a", 2},
        {"/%61%64min/a", 2},
        {"/./admin/a", 2},
        {"/x/..//admin/a", 2},
        {"/admin%2Fa", 5}, // an escaped slash is no slash
        {"/../admin/a", 2},
        {"/admin/..", 5},
        {"/admin/.", 2},
        {"/admin%2fa", 5},
    };
    for (const Row& row : rows) {
        CAPTURE(row.path);
        CHECK(route(config, row.path) == row.behavior);
    }
}

TEST_CASE("a path that no pattern matches has no behavior") {
    config::Config config;
    CHECK_FALSE(route(config, "/"));
    behaviors(config, {"/a", "/b/*"});
    CHECK_FALSE(route(config, "/"));
    CHECK_FALSE(route(config, "/b"));
    CHECK_FALSE(route(config, "*"));
    CHECK(route(config, "/a") == 0);
}

TEST_CASE("the short way for normal paths finds what normalising first finds") {
    config::Config config;
    behaviors(config, {"/a/*", "/a.*", "/*b", "/%2F*", "/a", "/"});
    std::mt19937 random(20260301);
    const auto pick = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random); };
    const std::vector<const char*> pieces = {"/", "a", "b", ".", "..", "%2e", "%2F", "%61", "~", "//", "/../", "/./"};
    for (int round = 0; round < 20'000; ++round) {
        std::string path = "/";
        for (std::size_t i = pick(6); i > 0; --i) {
            path += pieces[pick(pieces.size() - 1)];
        }
        const std::string normal = http::normalised_path(path);
        const auto behavior = route(config, path);
        const auto expected = route(config, normal);
        CAPTURE(path);
        REQUIRE(behavior == expected);
    }
}

TEST_CASE("a behavior with conditions is chosen only where all of them hold, and the reason it is not is told") {
    config::Behavior behavior;
    behavior.path_pattern = "/v1/*";
    behavior.when.hosts = {"*.example.com", "api.test:8080"};
    behavior.when.methods = {"GET", "HEAD"};
    behavior.when.headers = {{"X-Tier", "gold*"}, {"X-Any", "*"}};
    behavior.when.without_headers = {"X-Debug"};
    behavior.when.query_strings = {{"preview", "1"}};
    struct Row {
        const char* name;
        const char* path;
        const char* authority;
        const char* method;
        std::vector<std::pair<const char*, const char*>> fields;
        const char* query;
        Mismatch mismatch;
    };
    const std::vector<std::pair<const char*, const char*>> good = {{"x-tier", "golden"}, {"X-Any", ""}};
    const std::vector<Row> rows = {
        {"all hold", "/v1/a", "shop.example.com", "GET", good, "preview=1", Mismatch::None},
        {"another path", "/v2/a", "shop.example.com", "GET", good, "preview=1", Mismatch::Path},
        {"any port", "/v1/a", "shop.example.com:8443", "GET", good, "preview=1", Mismatch::None},
        {"the port that is named", "/v1/a", "api.test:8080", "GET", good, "preview=1", Mismatch::None},
        {"another port", "/v1/a", "api.test:8081", "GET", good, "preview=1", Mismatch::Host},
        {"the domain itself", "/v1/a", "example.com", "GET", good, "preview=1", Mismatch::Host},
        {"an IPv6 host", "/v1/a", "[::1]", "GET", good, "preview=1", Mismatch::Host},
        {"another method", "/v1/a", "shop.example.com", "POST", good, "preview=1", Mismatch::Method},
        {"a method in other case", "/v1/a", "shop.example.com", "get", good, "preview=1", Mismatch::Method},
        {"a field is missing", "/v1/a", "shop.example.com", "GET", {{"X-Tier", "gold"}}, "preview=1", Mismatch::Header},
        {"another value",
         "/v1/a",
         "shop.example.com",
         "GET",
         {{"X-Tier", "silver"}, {"X-Any", "a"}},
         "preview=1",
         Mismatch::Header},
        {"in the second line",
         "/v1/a",
         "shop.example.com",
         "GET",
         {{"X-Tier", "silver"}, {"X-Tier", "gold"}, {"X-Any", "a"}},
         "preview=1",
         Mismatch::None},
        {"an unwanted field",
         "/v1/a",
         "shop.example.com",
         "GET",
         {{"X-Tier", "gold"}, {"X-Any", "a"}, {"x-debug", ""}},
         "preview=1",
         Mismatch::UnwantedHeader},
        {"no query", "/v1/a", "shop.example.com", "GET", good, "", Mismatch::QueryString},
        {"a parameter without value", "/v1/a", "shop.example.com", "GET", good, "preview", Mismatch::QueryString},
        {"another parameter", "/v1/a", "shop.example.com", "GET", good, "apreview=1&previews=1", Mismatch::QueryString},
        {"among others", "/v1/a", "shop.example.com", "GET", good, "a=b&preview=0&preview=1&c", Mismatch::None},
        {"more of a value", "/v1/a", "shop.example.com", "GET", good, "preview=12", Mismatch::QueryString},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        http::Target target;
        target.path = row.path;
        target.authority = row.authority;
        target.query = row.query;
        target.has_query = *row.query != '\0';
        http::RequestHead request;
        request.method = row.method;
        for (const auto& [name, value] : row.fields) {
            request.fields.add(name, value);
        }
        CHECK(proxy::mismatch_of(behavior, row.path, target, request) == row.mismatch);
    }
}

TEST_CASE("under each behavior that a URL may belong to its own part of the query may be a key") {
    config::Config config;
    config::CachePolicy whole;
    config::CachePolicy narrow;
    narrow.key.query_strings = {config::NameSelection::Mode::Allow, {"page"}};
    behaviors(config, {"/v1/*", "/v1/*", "/v1/*", "*"});
    config.behaviors[0].when.methods = {"GET"};
    config.behaviors[0].policy_ref = &narrow;
    config.behaviors[1].when.hosts = {"other.test"};
    config.behaviors[1].policy_ref = &whole;
    config.behaviors[2].policy_ref = &whole;
    config.behaviors[3].policy_ref = &narrow;
    http::Target target;
    target.authority = "h.test";
    target.path = "/v1/a";
    using Queries = std::vector<std::string>;
    CHECK(proxy::keyed_queries(config, target, "page=1&x=2") == Queries{"page=1", "page=1&x=2"});
    CHECK(proxy::keyed_queries(config, target, "page=1") == Queries{"page=1"});
    config.behaviors.erase(config.behaviors.begin() + 2);
    CHECK(proxy::keyed_queries(config, target, "page=1&x=2") == Queries{"page=1"});
    target.authority = "other.test";
    CHECK(proxy::keyed_queries(config, target, "page=1&x=2") == Queries{"page=1", "page=1&x=2"});
    target.authority.clear(); // every host
    CHECK(proxy::keyed_queries(config, target, "page=1&x=2") == Queries{"page=1", "page=1&x=2"});
    config.behaviors.clear();
    CHECK(proxy::keyed_queries(config, target, "page=1&x=2") == Queries{"page=1&x=2"});
}
