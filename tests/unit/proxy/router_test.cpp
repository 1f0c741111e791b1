// Which behavior a path belongs to, however it is written.
#include "proxy/router.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace gatehouse;

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
    return proxy::route(config, target);
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
        {"/static/a", 0},       {"/static/", 0},
        {"/static", 5},         {"/Static/a", 5},
        {"/v1/items", 1},       {"/v1/items/7", 1},
        {"/v1/item", 5},        {"/v2/x", 4},
        {"/v22/x", 5},          {"/", 5},
        {"*", 5},               {"/.well-known/a", 3},
        {"/static/../admin/a", 2}, // who asks for /admin by another way is still asking for /admin
        {"/static/%2e%2E/admin/a", 2}, {"/static/%2e./admin/a", 2},
        {"//admin/a", 2},       {"/admin//a", 2},
        {"/%61dmin/a", 2},      {"/%61%64min/a", 2},
        {"/./admin/a", 2},      {"/x/..//admin/a", 2},
        {"/admin%2Fa", 5}, // an escaped slash is no slash
        {"/../admin/a", 2},     {"/admin/..", 5},
        {"/admin/.", 2},        {"/admin%2fa", 5},
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
