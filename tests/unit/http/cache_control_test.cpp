// Cache-Control of requests and responses, directive by directive.
#include "http/cache_control.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse::http;
using State = DeltaSeconds::State;
using Names = std::vector<std::string>;

namespace {

constexpr DeltaSeconds kAbsent{};
constexpr DeltaSeconds kInvalid{State::Invalid, 0};
constexpr DeltaSeconds seconds(std::uint32_t count) { return {State::Valid, count}; }

ResponseCacheControl response(std::initializer_list<std::string_view> lines) {
    Fields fields;
    for (const std::string_view line : lines) {
        fields.add("Cache-Control", line);
    }
    return parse_response_cache_control(fields);
}

RequestCacheControl request(std::initializer_list<std::string_view> lines, std::string_view pragma = "") {
    Fields fields;
    if (!pragma.empty()) {
        fields.add("Pragma", pragma);
    }
    for (const std::string_view line : lines) {
        fields.add("cache-control", line);
    }
    return parse_request_cache_control(fields);
}

} // namespace

TEST_CASE("delta-seconds are digits only and clamped to 2^31") {
    struct Row {
        std::string_view text;
        DeltaSeconds expected;
    };
    const Row rows[] = {
        {"0", seconds(0)},
        {"1", seconds(1)},
        {"000060", seconds(60)},
        {"2147483647", seconds(2147483647U)},
        {"2147483648", seconds(2147483648U)},
        {"2147483649", seconds(2147483648U)},
        {"4294967296", seconds(2147483648U)},
        {"18446744073709551616", seconds(2147483648U)},
        {"99999999999999999999999999999999", seconds(2147483648U)},
        {"", kInvalid},
        {"-1", kInvalid},
        {"+1", kInvalid},
        {"1.5", kInvalid},
        {"10 ", kInvalid},
        {" 10", kInvalid},
        {"1 0", kInvalid},
        {"0x10", kInvalid},
        {"1e3", kInvalid},
        {"ten", kInvalid},
        {"'10'", kInvalid},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        CHECK(parse_delta_seconds(row.text) == row.expected);
    }
}

TEST_CASE("max-age takes a token or a quoted string, and says when it is invalid") {
    struct Row {
        std::string_view value;
        DeltaSeconds expected;
    };
    const Row rows[] = {
        {"", kAbsent},
        {"no-store", kAbsent},
        {"max-age=10", seconds(10)},
        {"MAX-AGE=10", seconds(10)},
        {"public,max-age=10", seconds(10)},
        {", ,max-age=10,", seconds(10)},
        {"max-age=\"10\"", seconds(10)},
        {R"(max-age="1\0")", seconds(10)},
        {"max-age=0", seconds(0)},
        {"max-age", kInvalid},
        {"max-age=", kInvalid},
        {"max-age=\"\"", kInvalid},
        {"max-age=\"10", kInvalid},
        {"max-age=\" 10\"", kInvalid},
        {"max-age='10'", kInvalid},
        {"max-age=10.5", kInvalid},
        {"max-age=-1", kInvalid},
        {"max-age= 10", kInvalid},
        {"max-age=10 20", kInvalid},
        {"max-age=10;public", kInvalid},
        {"max-age =10", kAbsent}, // the name is no token: not this directive
        {"max-agee=10", kAbsent},
        {"x-max-age=10", kAbsent},
        {"x=\"max-age=10\"", kAbsent},
        {"x=\", max-age=10\"", kAbsent},
        {"x=\"\\\", max-age=10\"", kAbsent},
        {"x=\", max-age=10", kAbsent}, // an open quoted string reaches to the end
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.value));
        CHECK(response({row.value}).max_age == row.expected);
        CHECK(request({row.value}).max_age == row.expected);
    }
}

TEST_CASE("of two lifetimes the more restrictive counts, in either order and in other lines") {
    struct Row {
        std::string_view first;
        std::string_view second;
        DeltaSeconds expected;
    };
    const Row rows[] = {
        {"max-age=10", "max-age=10", seconds(10)},
        {"max-age=10", "max-age=11", seconds(10)},
        {"max-age=10", "max-age=9", seconds(9)},
        {"max-age=10", "max-age=x", kInvalid},
        {"max-age=x", "max-age=y", kInvalid},
        {"max-age=0", "max-age=x", kInvalid},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.second));
        CHECK(response({row.first, row.second}).max_age == row.expected);
        CHECK(response({row.second, row.first}).max_age == row.expected);
        const std::string one_line = std::string(row.first) + ", " + std::string(row.second);
        CHECK(response({one_line}).max_age == row.expected);
    }
}

TEST_CASE("each response directive sets its own member") {
    CHECK(response({"no-store"}).no_store);
    CHECK(response({"No-Store"}).no_store);
    CHECK(response({"no-store=\"x\""}).no_store);
    CHECK(response({"no-cache"}).no_cache);
    CHECK(response({"private"}).is_private);
    CHECK(response({"public"}).is_public);
    CHECK(response({"must-revalidate"}).must_revalidate);
    CHECK(response({"proxy-revalidate"}).proxy_revalidate);
    CHECK(response({"must-understand"}).must_understand);
    CHECK(response({"immutable"}).immutable);
    CHECK(response({"no-transform"}).no_transform);
    CHECK(response({"s-maxage=7"}).s_maxage == seconds(7));
    CHECK(response({"stale-while-revalidate=7"}).stale_while_revalidate == seconds(7));
    CHECK(response({"stale-if-error=7"}).stale_if_error == seconds(7));
    CHECK(response({"stale-if-error"}).stale_if_error == kInvalid);
}

TEST_CASE("without Cache-Control nothing is present, and unknown directives set nothing") {
    const ResponseCacheControl absent = response({});
    CHECK(!absent.present);
    for (const std::string_view line : {"", "foo", "foo=bar", "foo=\"no-store\"", "=", "no-storee", "no store"}) {
        CAPTURE(std::string(line));
        const ResponseCacheControl parsed = response({line});
        CHECK(parsed.present);
        CHECK(!parsed.no_store);
        CHECK(!parsed.no_cache);
        CHECK(!parsed.is_private);
        CHECK(!parsed.max_age.present());
    }
}

TEST_CASE("qualified no-cache and private name fields; what cannot be read counts as unqualified") {
    struct Row {
        std::string_view argument;
        bool unqualified;
        Names names;
    };
    const Row rows[] = {
        {"", true, {}},
        {"=", true, {}},
        {"=\"\"", true, {}},
        {"=\" , \"", true, {}},
        {"=Set-Cookie", false, {"Set-Cookie"}},
        {"=\"Set-Cookie\"", false, {"Set-Cookie"}},
        {"=\"a, b\"", false, {"a", "b"}},
        {"=\"a, B, A\"", false, {"a", "B"}},
        {"=\"a b\"", true, {}},
        {"=\"a, b:\"", true, {}},
        {"=\"a", true, {}},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.argument));
        const auto no_cache = response({"no-cache" + std::string(row.argument)});
        CHECK(no_cache.no_cache == row.unqualified);
        CHECK(no_cache.no_cache_fields == row.names);
        CHECK(!no_cache.is_private);
        const auto is_private = response({"private" + std::string(row.argument)});
        CHECK(is_private.is_private == row.unqualified);
        CHECK(is_private.private_fields == row.names);
        CHECK(!is_private.no_cache);
    }
}

TEST_CASE("qualified and unqualified together are unqualified, in either order") {
    for (const std::string_view line : {"no-cache, no-cache=\"a\"", "no-cache=\"a\", no-cache"}) {
        const auto parsed = response({line});
        CHECK(parsed.no_cache);
        CHECK(parsed.no_cache_fields.empty());
    }
    const auto both = response({"private=\"a\"", "private=\"b, A\""});
    CHECK(!both.is_private);
    CHECK(both.private_fields == Names{"a", "b"});
}

TEST_CASE("another field is read when it is named") {
    Fields fields;
    fields.add("Cache-Control", "no-store");
    fields.add("CDN-Cache-Control", "max-age=5");
    const auto parsed = parse_response_cache_control(fields, "CDN-Cache-Control");
    CHECK(parsed.present);
    CHECK(!parsed.no_store);
    CHECK(parsed.max_age == seconds(5));
    CHECK(!parse_response_cache_control(fields, "Surrogate-Control").present);
}

TEST_CASE("each request directive sets its own member") {
    CHECK(request({"no-cache"}).no_cache);
    CHECK(request({"no-store"}).no_store);
    CHECK(request({"no-transform"}).no_transform);
    CHECK(request({"only-if-cached"}).only_if_cached);
    CHECK(request({"min-fresh=5"}).min_fresh == seconds(5));
    CHECK(request({"stale-if-error=5"}).stale_if_error == seconds(5));
    CHECK(request({"min-fresh=5, min-fresh=9"}).min_fresh == seconds(9)); // more restrictive is more
    CHECK(request({"min-fresh=x, min-fresh=9"}).min_fresh == kInvalid);
}

TEST_CASE("max-stale without an argument allows any staleness, unless a limit is given too") {
    CHECK(request({"max-stale"}).max_stale_any);
    CHECK(!request({"max-stale"}).max_stale.present());
    CHECK(!request({"max-stale=10"}).max_stale_any);
    CHECK(request({"max-stale=10"}).max_stale == seconds(10));
    CHECK(!request({"max-stale, max-stale=10"}).max_stale_any);
    CHECK(request({"max-stale=x"}).max_stale == kInvalid);
    CHECK(!request({"max-stale="}).max_stale_any);
}

TEST_CASE("Pragma: no-cache counts only when there is no Cache-Control at all") {
    CHECK(request({}, "no-cache").no_cache);
    CHECK(request({}, "foo, No-Cache").no_cache);
    CHECK(!request({}, "cache").no_cache);
    CHECK(!request({"max-age=10"}, "no-cache").no_cache);
    CHECK(!request({""}, "no-cache").no_cache);
    CHECK(!request({}).no_cache);
}
