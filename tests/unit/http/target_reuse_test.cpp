// Targets that are looked at in blocks, and into which request after request is read.
#include "http/target.h"

#include "tests/unit/http/given_request.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

using namespace gatehouse::http;
using namespace gatehouse::http::testing;

namespace {

std::optional<Error> parse_into(const Given& given, Target& target) {
    return parse_target(head_of(given), given.scheme, "default.test", target);
}

} // namespace

TEST_CASE("a path that is called normal is normal, wherever its segments and its query begin") {
    std::size_t normal = 0;
    for (std::size_t size = 1; size < 36; ++size) {
        for (std::size_t at = 1; at <= size; ++at) {
            for (const std::string_view piece :
                 {"//", "/.", "/..", "/b", "\\", "%2e", "%41", ".", "?", "?/../", "?%41"}) {
                const std::string text = '/' + std::string(size, 'a').insert(at - 1, piece);
                CAPTURE(text);
                const Result<Target> target = parse(Given{text});
                if (!target) {
                    continue;
                }
                const bool is_query = piece.starts_with('?');
                CHECK(target->path + (target->has_query ? '?' + target->query : std::string()) == text);
                CHECK(target->has_query == is_query);
                CHECK((!target->is_normal || normalised_path(target->path) == target->path));
                CHECK((target->is_normal || piece.find_first_of(".%/\\") != std::string_view::npos));
                normal += target->is_normal ? 1 : 0;
            }
        }
    }
    CHECK(normal > 0);
}

TEST_CASE("a target that is used again says what a new one says") {
    const Given requests[] = {
        {"/a", {"Example.com:80"}},
        {"/b?c", {"example.com"}},
        {"/b", {"example.com"}, Version::Http11, "GET", "https"},
        {"/b", {"example.com:80"}, Version::Http11, "GET", "https"},
        {"/b", {"example.com:80"}},
        {"http://other.test/%41", {"other.test"}},
        {"/", {"other.test"}},
        {"/", {"example.com", "other.test"}},
        {"/", {"other.test"}},
        {"/", {"user@other.test"}},
        {"/", {"other.test"}},
        {"/", {}, Version::Http10},
        {"/", {"default.test"}},
        {"/../x", {"default.test"}},
        {"/x", {"default.test"}},
        {"/x", {}},
    };
    for (const Given& before : requests) {
        for (const Given& given : requests) {
            CAPTURE(std::string(before.target));
            CAPTURE(std::string(given.target));
            Target used;
            parse_into(before, used);
            const auto error = parse_into(given, used);
            const Result<Target> fresh = parse(given);
            REQUIRE(static_cast<bool>(fresh) == !error);
            if (fresh) {
                CHECK(used.authority == fresh->authority);
                CHECK(used.origin_form() == fresh->origin_form());
                CHECK(used.is_normal == fresh->is_normal);
            }
        }
    }
}
