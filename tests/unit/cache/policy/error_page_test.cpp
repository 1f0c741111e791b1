// What of an error stays where a page takes its place.
#include "cache/policy/error_page.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse;
using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;

TEST_CASE("which requests get a page, and for which statuses") {
    config::Behavior behavior;
    behavior.error_pages.by_status[404] = {"/404.html?a=1", 0};
    behavior.error_pages.by_class[4] = {"/4xx.html", 0};
    behavior.error_pages.by_class[5] = {"/5xx.html", 0};
    struct Row {
        const char* name;
        const char* request;
        const char* target; // path and query
        int status;
        const char* page; // "": none
    };
    const Row rows[] = {
        {"an exact status", "GET", "/a", 404, "/404.html?a=1"},
        {"its class", "GET", "/a", 403, "/4xx.html"},
        {"the last of a class", "HEAD", "/a", 599, "/5xx.html"},
        {"below all errors", "GET", "/a", 399, ""},
        {"the first of all errors", "GET", "/a", 400, "/4xx.html"},
        {"a condition that failed", "GET", "/a", 412, ""},
        {"between the two", "GET", "/a", 413, "/4xx.html"},
        {"a range that cannot be", "GET", "/a", 416, ""},
        {"another method", "POST", "/a", 404, ""},
        {"nothing is to be fetched", "Cache-Control: only-if-cached", "/a", 504, ""},
        {"the page itself", "GET", "/404.html?a=1", 404, ""},
        {"the page with another query", "GET", "/404.html?a=2", 404, "/404.html?a=1"},
        {"the page without a query", "GET", "/404.html", 404, "/404.html?a=1"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        http::Target target;
        const std::string text = row.target;
        target.path = text.substr(0, text.find('?'));
        target.has_query = target.path != text;
        target.query = target.has_query ? text.substr(target.path.size() + 1) : "";
        const config::ErrorPage* page = page_for(behavior, request_facts_of(row.request), target, row.status);
        CHECK((page != nullptr ? page->page : "") == row.page);
    }
    CHECK(page_for(config::Behavior(), request_facts_of(""), http::Target(), 404) == nullptr);
}

TEST_CASE("the lifetime of an error goes with a page, and what its status wants only under that very status") {
    const char* lines =
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\nCache-Control: max-age=5\r\n"
        "ETag: \"e\"\r\nRetry-After: 7\r\nAge: 3\r\nSet-Cookie: a=b\r\n";
    CHECK(lines_of_error(lines, true) ==
          "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nCache-Control: max-age=5\r\nRetry-After: 7\r\nAge: 3\r\n");
    CHECK(lines_of_error(lines, false) ==
          "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nCache-Control: max-age=5\r\nAge: 3\r\n");
    CHECK(lines_of_error("", true).empty());
}

TEST_CASE("lifetime, validators and what a status wants are the error's, everything else is the page's") {
    for (const char* name :
         {"cache-control", "CDN-Cache-Control", "Expires", "Age", "Date", "Pragma", "ETag", "last-modified",
          "Accept-Ranges", "Allow", "Retry-After", "WWW-Authenticate", "Proxy-Authenticate", "Proxy-Status"}) {
        CAPTURE(std::string(name));
        CHECK(belongs_to_error(name));
    }
    for (const char* name : {"Content-Type", "Content-Encoding", "Vary", "Set-Cookie", "Link", "Content-Length"}) {
        CAPTURE(std::string(name));
        CHECK_FALSE(belongs_to_error(name));
    }
}

TEST_CASE("an error forbids reuse with no-store, private and no-cache without names, in any field for caches") {
    struct Row {
        const char* lines;
        bool forbids;
    };
    const Row rows[] = {
        {"", false},
        {"Cache-Control: max-age=5, public\r\n", false},
        {"Cache-Control: max-age=0, must-revalidate\r\n", false},
        {"cache-control: max-age=5\r\nDate: x\r\nCACHE-CONTROL: No-Store\r\n", true},
        {"Cache-Control: private\r\n", true},
        {"Cache-Control: no-cache, max-age=5\r\n", true},
        {"Cache-Control: private=\"Set-Cookie\", no-cache=\"X-A\"\r\n", false},
        {"Cache-Control: max-age=5\r\nCDN-Cache-Control: no-store\r\n", true},
        {"X-About: no-store\r\nPragma: x\r\n", false},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.lines));
        CHECK(forbids_reuse(row.lines) == row.forbids);
    }
}

TEST_CASE("all Vary lines of an error are found, and nothing else") {
    CHECK(vary_of_error("Date: x\r\nVary: Cookie\r\nX-Vary: a\r\nvary: Origin\r\n") ==
          "Vary: Cookie\r\nvary: Origin\r\n");
    CHECK(vary_of_error("") == "");
}

TEST_CASE("the result is the page's, but a request that was forwarded for the error is no hit") {
    CacheResult hit;
    hit.ttl_seconds = 60;
    CacheResult missed;
    missed.forwarded = Forwarded::UriMiss;
    missed.forward_status = 404;
    missed.stored = true;
    missed.ttl_seconds = 10;
    const auto text = [](const CacheResult& result) {
        std::string out;
        append_cache_status(out, result);
        return out;
    };
    CHECK(text(result_of_page(hit, hit, 404)) == "Cache-Status: gatehouse; hit; ttl=60; gatehouse-error=404\r\n");
    CHECK(text(result_of_page(missed, hit, 404)) ==
          "Cache-Status: gatehouse; fwd=uri-miss; fwd-status=404; stored; ttl=10; gatehouse-error=404\r\n");
    CacheResult refused = missed;
    refused.stored = false;
    refused.ttl_seconds.reset();
    refused.reason = Reason::NoLifetime;
    CHECK(text(result_of_page(refused, hit, 404)) ==
          "Cache-Status: gatehouse; fwd=uri-miss; fwd-status=404; gatehouse-error=404; detail=no_lifetime\r\n");
    CacheResult page = missed;
    page.forward_status = 200;
    page.reason = Reason::NoLifetime;
    CHECK(text(result_of_page(hit, page, 502)) == "Cache-Status: gatehouse; fwd=uri-miss; fwd-status=200; stored; "
                                                  "ttl=10; gatehouse-error=502; detail=no_lifetime\r\n");
    CHECK(x_cache(result_of_page(hit, hit, 404)) == "Error from gatehouse");
}
