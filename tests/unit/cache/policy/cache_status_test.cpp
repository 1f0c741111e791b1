// Cache-Status and X-Cache as functions of what happened.
#include "cache/policy/cache_status.h"

#include "http/ascii.h"

#include <doctest/doctest.h>

using namespace gatehouse::cache::policy;

namespace {

std::string field_of(const CacheResult& result) {
    std::string out = "Age: 1\r\n";
    append_cache_status(out, result);
    return out.substr(8);
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
    CHECK(x_cache(forwarded(Reason::OnlyIfCached)) == "Error from gatehouse");
    CacheResult result = forwarded(Reason::Stale);
    result.revalidated = true;
    CHECK(x_cache(result) == "RefreshHit from gatehouse");
    result.error = true;
    CHECK(x_cache(result) == "Error from gatehouse");
}
