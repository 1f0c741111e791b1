// Cache-Status and X-Cache as functions of what happened.
#include "cache/policy/cache_status.h"

#include "http/ascii.h"
#include "http/structured_fields.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;

namespace {

namespace structured = gatehouse::http::structured;

std::string field_of(const CacheResult& result, std::string_view key = {}) {
    std::string out = "Age: 1\r\n";
    append_cache_status(out, result, key);
    return out.substr(8);
}

// The parameters of the only member of a Cache-Status line, read as what the RFC says that it is.
structured::Parameters parameters_of(const std::string& line) {
    constexpr std::string_view kName = "Cache-Status: ";
    REQUIRE(line.starts_with(kName));
    REQUIRE(line.ends_with("\r\n"));
    const auto list =
        structured::parse_list(std::string_view(line).substr(kName.size(), line.size() - kName.size() - 2));
    REQUIRE(list);
    REQUIRE(list->size() == 1);
    const auto& item = std::get<structured::Item>(list->front());
    CHECK(std::get<structured::Token>(item.value).text == "gatehouse");
    return item.parameters;
}

template <class T>
std::optional<T> parameter(const structured::Parameters& parameters, std::string_view name) {
    for (const structured::Parameter& one : parameters) {
        if (one.key == name) {
            REQUIRE(std::holds_alternative<T>(one.value));
            return std::get<T>(one.value);
        }
    }
    return std::nullopt;
}

CacheResult hit(std::int64_t ttl, Reason reason = Reason::None) {
    CacheResult result;
    result.ttl_seconds = ttl;
    result.reason = reason;
    return result;
}

CacheResult forwarded(Reason reason) {
    CacheResult result;
    result.forwarded = forwarded_for(reason);
    result.reason = reason;
    return result;
}

} // namespace

TEST_CASE("Cache-Status as RFC 9211 section 2 writes it") {
    CHECK(field_of(hit(42)) == "Cache-Status: gatehouse; hit; ttl=42\r\n");
    CHECK(field_of(hit(0)) == "Cache-Status: gatehouse; hit; ttl=0\r\n");
    CHECK(field_of(hit(-412, Reason::StaleWhileRevalidate)) ==
          "Cache-Status: gatehouse; hit; ttl=-412; detail=stale_while_revalidate\r\n");
    CHECK(field_of(hit(INT64_MIN)) == "Cache-Status: gatehouse; hit; ttl=-9223372036854775808\r\n");
    CHECK(field_of(CacheResult()) == "Cache-Status: gatehouse; hit\r\n");

    CacheResult miss = forwarded(Reason::UriMiss);
    CHECK(field_of(miss) == "Cache-Status: gatehouse; fwd=uri-miss\r\n");
    miss.forward_status = 200;
    miss.stored = true;
    miss.collapsed = true;
    miss.ttl_seconds = 60;
    miss.reason = Reason::SetCookie;
    CHECK(field_of(miss) ==
          "Cache-Status: gatehouse; fwd=uri-miss; fwd-status=200; stored; collapsed; ttl=60; detail=set_cookie\r\n");

    CacheResult revalidated = forwarded(Reason::Stale);
    revalidated.forward_status = 304;
    CHECK(field_of(revalidated) == "Cache-Status: gatehouse; fwd=stale; fwd-status=304\r\n");
    // Neither found nor forwarded.
    CHECK(field_of(forwarded(Reason::OnlyIfCached)) == "Cache-Status: gatehouse; detail=only_if_cached\r\n");
    CHECK(field_of(forwarded(Reason::CachingDisabled)) ==
          "Cache-Status: gatehouse; fwd=bypass; detail=caching_disabled\r\n");
}

TEST_CASE("a hit says nothing that only a forwarded request has") {
    CacheResult result = hit(1);
    result.stored = true;
    result.collapsed = true;
    result.forward_status = 200;
    CHECK(field_of(result) == "Cache-Status: gatehouse; hit; ttl=1\r\n");
}

TEST_CASE("the detail is left out where it repeats fwd") {
    for (const Reason reason : {Reason::UriMiss, Reason::VaryMiss, Reason::Stale, Reason::Method}) {
        CHECK(field_of(forwarded(reason)).find("detail") == std::string::npos);
    }
    for (std::size_t i = 0; i < kReasonCount; ++i) {
        const std::string field = field_of(forwarded(static_cast<Reason>(i)));
        const auto at = field.find("detail=");
        CHECK((at == std::string::npos ||
               gatehouse::http::is_token(std::string_view(field).substr(at + 7, field.size() - at - 9))));
    }
}

TEST_CASE("fwd for each reason (RFC 9211 section 2.2)") {
    struct Row {
        Reason reason;
        const char* token; // "" for a hit
    };
    const Row rows[] = {
        {Reason::None, ""},
        {Reason::StaleWhileRevalidate, ""},
        {Reason::RequestMaxStale, ""},
        {Reason::UriMiss, "uri-miss"},
        {Reason::VaryMiss, "vary-miss"},
        {Reason::Method, "method"},
        {Reason::CachingDisabled, "bypass"},
        {Reason::RequestUpgrade, "bypass"},
        {Reason::RequestPrecondition, "bypass"},
        {Reason::RequestNoCache, "request"},
        {Reason::RequestMaxAge, "request"},
        {Reason::RequestMinFresh, "request"},
        {Reason::Stale, "stale"},
        {Reason::ResponseNoCache, "stale"},
        {Reason::StaleIfError, "stale"},
        {Reason::StaleIfDisconnected, "stale"},
        {Reason::PolicyChanged, "miss"},
        {Reason::Purged, "miss"},
        {Reason::KnownUncacheable, "miss"},
        {Reason::SetCookie, "miss"},
    };
    for (const Row& row : rows) {
        const std::string reason(to_string(row.reason));
        CAPTURE(reason);
        const std::string expected = *row.token == '\0' ? "; hit" : std::string("; fwd=") + row.token;
        CHECK(field_of(forwarded(row.reason)).find(expected) == std::string("Cache-Status: gatehouse").size());
    }
    CacheResult partial;
    partial.forwarded = Forwarded::Partial;
    CHECK(field_of(partial) == "Cache-Status: gatehouse; fwd=partial\r\n");
}

TEST_CASE("X-Cache") {
    CHECK(x_cache(hit(1)) == "Hit from gatehouse");
    CHECK(x_cache(hit(-1, Reason::StaleWhileRevalidate)) == "Hit from gatehouse");
    CHECK(x_cache(forwarded(Reason::UriMiss)) == "Miss from gatehouse");
    CHECK(x_cache(forwarded(Reason::StaleIfError)) == "Hit from gatehouse");
    CHECK(x_cache(forwarded(Reason::StaleIfDisconnected)) == "Hit from gatehouse");
    CHECK(x_cache(forwarded(Reason::OnlyIfCached)) == "Error from gatehouse");
    CacheResult result = forwarded(Reason::Stale);
    result.revalidated = true;
    CHECK(x_cache(result) == "RefreshHit from gatehouse");
    result.error = true;
    CHECK(x_cache(result) == "Error from gatehouse");
}

TEST_CASE("collapsed says whether the answer of another request could be used (RFC 9211 section 2.6)") {
    CacheResult result = forwarded(Reason::UriMiss);
    CHECK_FALSE(parameter<bool>(parameters_of(field_of(result)), "collapsed"));
    result.collapse_failed = true;
    CHECK(field_of(result) == "Cache-Status: gatehouse; fwd=uri-miss; collapsed=?0\r\n");
    result.collapsed = true; // another one that was joined after it
    CHECK(parameter<bool>(parameters_of(field_of(result)), "collapsed") == true);
    CacheResult found = hit(1);
    found.collapse_failed = true;
    CHECK(field_of(found) == "Cache-Status: gatehouse; hit; ttl=1\r\n");
}

TEST_CASE("the key is shown as a string of printable characters (RFC 9211 section 2.7)") {
    struct Row {
        std::string key;
        std::string shown;
    };
    const Row rows[] = {
        {"rules|*\napi\nh\n/a\nq=1\n", "rules|* api h /a q=1"},
        {"rules|*\napi\nh\n/a\n\n", "rules|* api h /a"},
        {"rules|*\napi\nh\n/a\n\naccept:x\n;a=1\n", "rules|* api h /a  accept:x ;a=1"},
        {"a\"b\\c", "a\"b\\c"},
        {"\xc3\xa4\t\x7f", "????"},
        {std::string(kMaxShownKey, 'x'), std::string(kMaxShownKey, 'x')},
        {std::string(kMaxShownKey + 1, 'x'), std::string(kMaxShownKey, 'x') + "..."},
    };
    for (const Row& row : rows) {
        CAPTURE(row.key);
        CHECK(parameter<std::string>(parameters_of(field_of(hit(1), row.key)), "key") == row.shown);
    }
    CHECK(field_of(hit(1, Reason::RequestMaxStale), "a") ==
          "Cache-Status: gatehouse; hit; ttl=1; key=\"a\"; detail=request_max_stale\r\n");
    CHECK(field_of(hit(1)).find("key") == std::string::npos);
}

TEST_CASE("whatever happened, the member is a structured field whose parameters have their types") {
    for (std::size_t i = 0; i < kReasonCount; ++i) {
        for (unsigned bits = 0; bits < 64; ++bits) {
            const auto has = [&](unsigned bit) { return (bits >> bit & 1U) != 0; };
            CacheResult result = forwarded(static_cast<Reason>(i));
            result.stored = has(0);
            result.collapsed = has(1);
            result.collapse_failed = has(2);
            result.forward_status = has(3) ? std::optional(504) : std::nullopt;
            result.ttl_seconds = has(4) ? std::optional<std::int64_t>(-7) : std::nullopt;
            const structured::Parameters all = parameters_of(field_of(result, has(5) ? "k\n" : ""));
            const auto is_hit = parameter<bool>(all, "hit");
            const auto token = parameter<structured::Token>(all, "fwd");
            CHECK_FALSE((is_hit && token)); // they exclude each other: RFC 9211 section 2.1
            CHECK(token.has_value() == (result.forwarded != Forwarded::No));
            // Without fwd these say nothing: RFC 9211 sections 2.3, 2.5 and 2.6.
            CHECK(parameter<bool>(all, "stored") == (token && has(0) ? std::optional(true) : std::nullopt));
            CHECK(parameter<std::int64_t>(all, "fwd-status").has_value() == (token && has(3)));
            CHECK(parameter<bool>(all, "collapsed").has_value() == (token && (has(1) || has(2))));
            CHECK(parameter<std::int64_t>(all, "ttl") == (has(4) ? std::optional<std::int64_t>(-7) : std::nullopt));
            CHECK(parameter<std::string>(all, "key") == (has(5) ? std::optional<std::string>("k") : std::nullopt));
            static_cast<void>(parameter<structured::Token>(all, "detail"));
        }
    }
}
