// Pages in the place of errors: where they come from, what of the error stays, and when there is none.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

const std::string kPolicies = "own: {error_ttl: {4xx: 10s, 5xx: 2s}, default_ttl: 60s}";

// Behaviors for /pages/*, /api/* and everything else, which has these pages.
Yaml with_pages(const std::string& pages, const std::string& more = "", const std::string& of_pages = "") {
    Yaml yaml;
    yaml.policies = kPolicies;
    yaml.behaviors = "[{path_pattern: '/pages/*', origin: api, cache_policy: own" + of_pages +
                     "}, {path_pattern: '/api/*', origin: api, cache_policy: own}, "
                     "{path_pattern: '*', origin: api, cache_policy: own, error_pages: " +
                     pages + more + "}]";
    return yaml;
}

void page_at(ScriptedOrigin& origin, const std::string& target, const std::string& content,
             const std::string& fields = "") {
    origin.on(target, [content, fields](OriginExchange& x) {
        x.reply(200, "Content-Type: text/html\r\nETag: \"p\"\r\n" + fields, content);
    });
}

void error_at(ScriptedOrigin& origin, const std::string& target, int status, const std::string& fields = "") {
    origin.on(target, [status, fields](OriginExchange& x) { x.reply(status, fields, "the origin's words"); });
}

} // namespace

TEST_CASE("the page takes the place of a streamed error, and of the stored one; the error is not fetched again") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page");
    error_at(origin, "/gone", 404);
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /pages/404.html}}"));
    const Response first = proxy.get("/gone");
    CHECK(first.status == 404);
    CHECK(first.content == "page");
    CHECK(first.get("Content-Type") == "text/html");
    CHECK(first.get("X-Cache") == "Error from gatehouse");
    CHECK(first.get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=60; gatehouse-error=404");
    const Response second = proxy.get("/gone");
    CHECK(second.status == 404);
    CHECK(second.content == "page");
    CHECK(second.get("Cache-Status") == "gatehouse; hit; ttl=60; gatehouse-error=404");
    CHECK(origin.requests() == 2);
    // Nothing of the page is stored for the failed URL, and nothing of the error for the page's.
    const Response page = proxy.get("/pages/404.html");
    CHECK(page.status == 200);
    CHECK(page.get("Cache-Status") == "gatehouse; hit; ttl=60");
    proxy.advance(11s);
    CHECK(proxy.get("/gone").get("Cache-Status") ==
          "gatehouse; fwd=stale; fwd-status=404; stored; ttl=10; gatehouse-error=404");
    CHECK(origin.requests("/gone") == 2);
    CHECK(origin.requests("/pages/404.html") == 1);
}

TEST_CASE("a stored error waits for its page where that is not stored") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page", "Cache-Control: max-age=1\r\n");
    error_at(origin, "/gone", 404);
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /pages/404.html}}"));
    proxy.get("/gone");
    proxy.advance(5s);
    const Response later = proxy.get("/gone");
    CHECK(later.status == 404);
    CHECK(later.content == "page");
    CHECK(origin.requests("/gone") == 1);
    CHECK(origin.requests("/pages/404.html") == 2);
}

TEST_CASE("a page for an application is sent with 200 and what its own behavior tells clients") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/index.html", "application", "Cache-Control: max-age=3600\r\n");
    error_at(origin, "/deep/link", 403, "Cache-Control: max-age=5\r\n");
    ProxyUnderTest proxy(
        origin, with_pages("{403: {page: /pages/index.html, status: 200}}", "", ", client_cache_control: no-cache"));
    for (int i = 0; i < 2; ++i) {
        const Response response = proxy.get("/deep/link");
        CHECK(response.status == 200);
        CHECK(response.content == "application");
        CHECK(response.get("Cache-Control") == "no-cache");
        CHECK(response.get("ETag") == "\"p\"");
        CHECK(response.get("X-Cache") == "Error from gatehouse");
    }
    CHECK(origin.requests() == 2);
}

TEST_CASE("under the status of an error clients are told of lifetimes what the error says, and no validator") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/sorry.html", "page",
            "Cache-Control: max-age=31536000, immutable\r\nExpires: Fri, 01 Jan 2027 00:00:00 GMT\r\n"
            "Last-Modified: Mon, 01 Dec 2025 00:00:00 GMT\r\nAccept-Ranges: bytes\r\nX-Page: 1\r\n");
    error_at(origin, "/gone", 404, "Cache-Control: max-age=7\r\nX-Error: 1\r\n");
    error_at(origin, "/busy", 503, "Retry-After: 30\r\n");
    error_at(origin, "/who", 401, "WWW-Authenticate: Basic\r\nCache-Control: no-store\r\n");
    const std::string pages = "{404: {page: /pages/sorry.html}, 503: {page: /pages/sorry.html}, 401: {page: "
                              "/pages/sorry.html}, 403: {page: /pages/sorry.html, status: 404}}";
    const std::string year = ", client_cache_control: 'public, max-age=31536000'";
    SUBCASE("whatever the page and its behavior say") {
        ProxyUnderTest proxy(origin, with_pages(pages, "", year));
        for (int i = 0; i < 2; ++i) {
            const Response gone = proxy.get("/gone");
            CHECK(gone.status == 404);
            CHECK(gone.content == "page");
            CHECK(gone.get("Cache-Control") == "max-age=7");
            for (const char* name : {"Expires", "ETag", "Last-Modified", "Accept-Ranges", "X-Error"}) {
                CHECK_FALSE(gone.has(name));
            }
            CHECK(gone.get("X-Page") == "1");
            CHECK(gone.get("Date") == "Thu, 01 Jan 2026 00:00:00 GMT");
            proxy.advance(3s);
        }
        CHECK(proxy.get("/gone").get("Age") == "6");
    }
    SUBCASE("with the fields that the status wants") {
        ProxyUnderTest proxy(origin, with_pages(pages, "", year));
        CHECK(proxy.get("/busy").get("Retry-After") == "30");
        const Response who = proxy.get("/who");
        CHECK(who.status == 401);
        CHECK(who.content == "page");
        CHECK(who.get("WWW-Authenticate") == "Basic");
        CHECK(who.get("Cache-Control") == "no-store");
    }
    SUBCASE("but for what when_status of the failed URL's behavior says") {
        ProxyUnderTest proxy(
            origin,
            with_pages(pages, ", client_cache_control: {value: max-age=99, when_status: {404: max-age=9}}", year));
        const Response gone = proxy.get("/gone");
        CHECK(gone.get("Cache-Control") == "max-age=9");
        CHECK_FALSE(gone.has("Age"));
    }
}

TEST_CASE(
    "with 200 what is for one client, or failed just now, stays that: no cache behind keeps the page for others") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/index.html", "application",
            "Cache-Control: public, max-age=600\r\nLast-Modified: Mon, 01 Dec 2025 00:00:00 GMT\r\nAge: 3\r\n");
    error_at(origin, "/mine", 403, "Cache-Control: private, no-store\r\nVary: Cookie, Authorization\r\n");
    error_at(origin, "/private", 403, "Cache-Control: private, max-age=9\r\n");
    error_at(origin, "/asked", 403, "Cache-Control: no-cache\r\n");
    error_at(origin, "/targeted", 403, "Cache-Control: max-age=9\r\nCDN-Cache-Control: no-store\r\n");
    error_at(origin, "/open", 403, "Cache-Control: max-age=9\r\nVary: X-A\r\n");
    error_at(origin, "/plain", 403);
    origin.on("/broken", [](OriginExchange& x) { x.reset(); });
    const std::string pages =
        "{403: {page: /pages/index.html, status: 200}, 5xx: {page: /pages/index.html, status: 200}}";
    const auto is_unmarked = [](const Response& response) {
        return response.status == 200 && response.content == "application" && !response.has("ETag") &&
               !response.has("Last-Modified") && !response.has("Age");
    };
    SUBCASE("without rules of the page's behavior") {
        ProxyUnderTest proxy(origin, with_pages(pages));
        const Response authorized = proxy.get("/plain", "Authorization: Basic eA==\r\n");
        CHECK(is_unmarked(authorized));
        CHECK_FALSE(authorized.has("Cache-Control"));
        for (int i = 0; i < 2; ++i) {
            const Response mine = proxy.get("/mine");
            CHECK(is_unmarked(mine));
            CHECK(mine.get("Cache-Control") == "private, no-store");
            CHECK(mine.get("Vary") == "Cookie, Authorization");
            CHECK(proxy.get("/private").get("Cache-Control") == "private, max-age=9");
            CHECK(proxy.get("/asked").get("Cache-Control") == "no-cache");
            const Response targeted = proxy.get("/targeted");
            CHECK(targeted.get("Cache-Control") == "max-age=9");
            CHECK(targeted.get("CDN-Cache-Control") == "no-store");
            const Response broken = proxy.get("/broken");
            CHECK(is_unmarked(broken));
            CHECK(broken.get("Cache-Control") == "no-store");
            const Response open = proxy.get("/open");
            CHECK(open.get("Cache-Control") == "public, max-age=600");
            CHECK(open.get("Vary") == "X-A");
            CHECK(open.get("ETag") == "\"p\"");
            CHECK(open.has("Age"));
            const Response plain = proxy.get("/plain");
            CHECK(plain.get("Cache-Control") == "public, max-age=600");
            CHECK_FALSE(plain.has("Vary"));
        }
    }
    SUBCASE("whatever the page's behavior says") {
        ProxyUnderTest proxy(origin, with_pages(pages, "", ", client_cache_control: 'public, max-age=31536000'"));
        CHECK(proxy.get("/mine").get("Cache-Control") == "private, no-store");
        CHECK(proxy.get("/broken").get("Cache-Control") == "no-store");
        const Response open = proxy.get("/open");
        CHECK(open.get("Cache-Control") == "public, max-age=31536000");
        CHECK(open.get("Vary") == "X-A");
    }
    SUBCASE("and as when_status of the failed URL's behavior says") {
        ProxyUnderTest proxy(origin,
                             with_pages(pages, ", client_cache_control: {value: pass, when_status: {403: no-store}}"));
        CHECK(proxy.get("/open").get("Cache-Control") == "no-store");
    }
}

TEST_CASE("the page has the error's Vary beside its own, each line once") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page", "Vary: Accept-Encoding\r\n");
    error_at(origin, "/gone", 404, "Vary: Accept-Encoding\r\nVary: X-A\r\n");
    error_at(origin, "/lost", 403, "Vary: *\r\n");
    ProxyUnderTest proxy(origin,
                         with_pages("{404: {page: /pages/404.html}, 403: {page: /pages/404.html, status: 200}}"));
    for (int i = 0; i < 2; ++i) {
        const auto lines = [&proxy](std::string_view target) {
            const Response response = proxy.get(target);
            std::string text;
            for (const std::string& line : response.fields.all("Vary")) {
                text += (text.empty() ? "" : "|") + line;
            }
            return text;
        };
        CHECK(lines("/gone") == "Accept-Encoding|X-A");
        CHECK(lines("/lost") == "Accept-Encoding|*");
    }
}

TEST_CASE("an origin that is down gives the page, and what is stale goes before it") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/sorry.html", "page", "Cache-Control: max-age=3600\r\n");
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=1", "good"); });
    ProxyUnderTest proxy(origin, with_pages("{5xx: {page: /pages/sorry.html, status: 503}, 502: {page: "
                                            "/pages/sorry.html}}"));
    proxy.get("/pages/sorry.html");
    proxy.get("/a");
    origin.refuse();
    proxy.advance(5s);
    const Response stale = proxy.get("/a");
    CHECK(stale.status == 200);
    CHECK(stale.content == "good");
    for (int i = 0; i < 2; ++i) {
        const Response failed = proxy.get("/b");
        CHECK(failed.status == 502);
        CHECK(failed.content == "page");
        CHECK(failed.get("Cache-Control") == "no-store");
        CHECK(failed.get("Proxy-Status").find("gatehouse; error=connection_refused") == 0);
        CHECK(failed.get("Cache-Status") == "gatehouse; fwd=uri-miss; gatehouse-error=502; detail=origin_error");
        CHECK(failed.has("Date"));
        CHECK_FALSE(failed.has("Age"));
    }
}

TEST_CASE("where there is no page the client gets the error as it is, and nothing is tried twice") {
    ScriptedOrigin origin;
    error_at(origin, "/gone", 404, "X-Error: 1\r\n");
    ProxyUnderTest proxy(origin, with_pages("{4xx: {page: /pages/404.html}}"));
    const auto check = [&](const char* status) {
        const Response response = proxy.get("/gone");
        CHECK(response.status == 404);
        CHECK(response.content == "the origin's words");
        CHECK(response.get("X-Error") == "1");
        CHECK(response.get("Cache-Status") == status);
    };
    SUBCASE("the page is an error itself") {
        error_at(origin, "/pages/404.html", 500);
        check("gatehouse; fwd=uri-miss; fwd-status=404; stored; ttl=10");
        check("gatehouse; hit; ttl=10"); // both are stored: nobody waits
        CHECK(origin.requests("/pages/404.html") == 1);
    }
    SUBCASE("the page is somewhere else") {
        error_at(origin, "/pages/404.html", 302, "Location: /gone\r\n");
        check("gatehouse; fwd=uri-miss; fwd-status=404; stored; ttl=10");
        CHECK(origin.requests() == 2);
    }
    SUBCASE("the page's connection breaks") {
        origin.on("/pages/404.html", [](OriginExchange& x) { x.reset(); });
        check("gatehouse; fwd=uri-miss; fwd-status=404; stored; ttl=10");
        check("gatehouse; hit; ttl=10");
    }
}

TEST_CASE("a page whose own behavior has pages is not replaced again") {
    ScriptedOrigin origin;
    error_at(origin, "/404.html", 404);
    error_at(origin, "/gone", 404);
    Yaml yaml;
    yaml.policies = kPolicies;
    yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own, error_pages: {404: {page: /404.html}}}]";
    ProxyUnderTest proxy(origin, yaml);
    for (int i = 0; i < 2; ++i) {
        const Response response = proxy.get("/gone");
        CHECK(response.status == 404);
        CHECK(response.content == "the origin's words");
    }
    CHECK(proxy.get("/404.html").status == 404);
    CHECK(origin.requests("/gone") == 1);
    CHECK(origin.requests("/404.html") == 1);
}

TEST_CASE("an error that is not stored is held back for its page, and let go of") {
    const std::string large(4 * 1024 * 1024, 'e');
    ScriptedOrigin origin;
    origin.on("/gone", [&large](OriginExchange& x) { x.reply(404, "Cache-Control: no-store\r\n", large); });
    origin.on("/pages/404.html", [](OriginExchange& x) {
        x.pass("page");
        x.reply(x.number() == 1 ? 200 : 500, "Cache-Control: no-store\r\n", "page");
    });
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /pages/404.html}}"));
    origin.open("page");
    CHECK(proxy.get("/gone").content == "page");
    const Response without = proxy.get("/gone");
    CHECK(without.status == 404);
    CHECK(without.content == large);
    CHECK(origin.requests("/pages/404.html") == 2);
}

TEST_CASE("errors that are not stored leave their connection to the next request when a stored page goes out") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page");
    // The content comes after the head was acted upon.
    origin.on("/gone", [](OriginExchange& x) {
        x.send("HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\nContent-Length: 18\r\n\r\n");
        x.pass("content " + std::to_string(x.number()));
        x.send("the origin's words");
    });
    Yaml yaml = with_pages("{404: {page: /pages/404.html}}");
    yaml.workers = "1";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/pages/404.html");
    const auto get_page = [&] {
        RawClient client(proxy.port());
        client.get("/gone");
        CHECK(client.read().content == "page"); // before the error's content is there
    };
    for (int i = 1; i <= 5; ++i) {
        get_page();
        origin.open("content " + std::to_string(i));
        proxy.await_metric("gatehouse_not_stored_total", i, "response_no_store");
    }
    CHECK(origin.requests("/gone") == 5);
    CHECK(origin.connections() == 1);
}

TEST_CASE("an error that is longer than limits.drain_size is not read to its end") {
    const std::string rest(2 * 1024 * 1024, 'e');
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page");
    origin.on("/gone", [&rest](OriginExchange& x) { x.reply(404, "Cache-Control: no-store\r\n", rest); });
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /pages/404.html}}"));
    proxy.get("/pages/404.html");
    CHECK(proxy.get("/gone").content == "page");
    origin.await_connections_at_most(0);
    CHECK(proxy.get("/gone").content == "page");
    CHECK(origin.connections() == 2);
}

TEST_CASE("an error whose page takes longer than timeouts.slow_reader is let go of, and no client counts as slow") {
    const std::string large(4 * 1024 * 1024, 'e');
    ScriptedOrigin origin;
    origin.on("/gone", [&large](OriginExchange& x) { x.reply(404, "Cache-Control: no-store\r\n", large); });
    origin.on("/pages/404.html", [](OriginExchange& x) {
        x.pass("page");
        x.reply(500, "Cache-Control: no-store\r\n", "no page");
    });
    Yaml yaml = with_pages("{404: {page: /pages/404.html}}");
    yaml.timeouts = "slow_reader: 5s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(proxy.port());
    client.get("/gone");
    origin.await_requests("/pages/404.html", 1);
    ProxyUnderTest::await(
        [&] {
            proxy.advance(1s);
            return origin.open_connections() == 1; // the page's
        },
        "the error's connection is let go of");
    CHECK(proxy.metric("gatehouse_slow_readers_cut_total") == 0);
    origin.open("page");
    const Response response = client.read();
    CHECK(response.status == 404);
    CHECK(response.content.find("The page for this error is not there.") != std::string::npos);
}

TEST_CASE("a page that failed itself is not asked for again, and one with another query is") {
    ScriptedOrigin origin;
    for (const char* target : {"/lost.html", "/lost.html?a"}) {
        origin.on(target, [](OriginExchange& x) { x.reply(404, "Cache-Control: no-store\r\n", "no page"); });
    }
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /lost.html}}"));
    CHECK(proxy.get("/lost.html").content == "no page");
    CHECK(origin.requests() == 1);
    CHECK(proxy.get("/lost.html?a").content == "no page");
    CHECK(origin.requests("/lost.html?a") == 1);
    CHECK(origin.requests("/lost.html") == 2);
}

TEST_CASE("waiting for the page with others is not counted as collapsed, for no client asked for it") {
    ScriptedOrigin origin;
    origin.on("/pages/404.html", [](OriginExchange& x) {
        x.pass("page");
        x.ok("max-age=60", "page");
    });
    error_at(origin, "/a", 404);
    error_at(origin, "/b", 404);
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /pages/404.html}}"));
    RawClient first(proxy.port());
    first.get("/a");
    origin.await_requests("/pages/404.html", 1);
    RawClient second(proxy.port());
    second.get("/b");
    origin.await_requests("/b", 1);
    RawClient third(proxy.port()); // counted: its wait shows that the one before it is there
    third.get("/pages/404.html");
    proxy.await_metric("gatehouse_collapsed_total", 1);
    origin.open("page");
    CHECK(first.read().content == "page");
    CHECK(second.read().content == "page");
    CHECK(third.read().content == "page");
    CHECK(origin.requests("/pages/404.html") == 1);
    CHECK(proxy.metric("gatehouse_collapsed_total") == 1);
}

TEST_CASE(
    "no request for a page carries what the client asked of caches, nor its secret, whatever the behavior reduces") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page", "Cache-Control: no-store\r\n");
    error_at(origin, "/gone", 404);
    Yaml yaml = with_pages("{404: {page: /pages/404.html}}");
    for (const char* reduced : {"", ", normalize: {accept_encoding: [br]}"}) {
        yaml.policies = "own: {error_ttl: {4xx: 10s}, default_ttl: 60s, request_cache_control: authorized, "
                        "authorized_requests: {secrets: [0123456789abcdef]}" +
                        std::string(reduced) + "}";
        ProxyUnderTest proxy(origin, yaml);
        CHECK(proxy
                  .get("/gone", "X-Gatehouse-Secret: 0123456789abcdef\r\nCache-Control: max-age=0\r\nPragma: "
                                "no-cache\r\n")
                  .content == "page");
    }
    REQUIRE(origin.requests("/pages/404.html") == 2);
    for (const std::string& head : origin.heads("/pages/404.html")) {
        CAPTURE(head);
        CHECK(head.find("Cache-Control") == std::string::npos);
        CHECK(head.find("Pragma") == std::string::npos);
        CHECK(head.find("0123456789abcdef") == std::string::npos);
    }
}

TEST_CASE("HEAD gets the page's head, other methods the error") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page");
    error_at(origin, "/gone", 404);
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /pages/404.html}}"));
    for (int i = 0; i < 2; ++i) {
        const Response head = proxy.head("/gone");
        CHECK(head.status == 404);
        CHECK(head.get("Content-Length") == "4");
        CHECK(head.get("Content-Type") == "text/html");
        CHECK(head.content == "");
    }
    const Response post = proxy.ask("POST /gone HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx");
    CHECK(post.status == 404);
    CHECK(post.content == "the origin's words");
    const Response only = proxy.get("/gone", "Cache-Control: only-if-cached\r\n");
    CHECK(only.content == "the origin's words");
}

TEST_CASE("conditions, ranges and content of the request are not the page's") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/index.html", "0123456789");
    error_at(origin, "/gone", 404);
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /pages/index.html, status: 200}}"));
    const char* const asked[] = {"If-None-Match: \"p\"\r\n", "Range: bytes=2-3\r\n",
                                 "Range: bytes=2-3\r\nIf-Range: \"p\"\r\n",
                                 "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n"};
    for (const char* fields : asked) {
        CAPTURE(fields);
        const Response response = proxy.get("/gone", fields);
        CHECK(response.status == 200);
        CHECK(response.content == "0123456789");
    }
    const Response with_content = proxy.ask("GET /gone HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 1\r\n"
                                            "Content-Type: text/x\r\nCache-Control: no-cache\r\n\r\nx");
    CHECK(with_content.content == "0123456789");
    CHECK(proxy.get("/gone", "Pragma: no-cache\r\n").content == "0123456789");
    for (const std::string& head : origin.heads("/pages/index.html")) {
        CAPTURE(head);
        CHECK(head.find("If-") == std::string::npos);
        CHECK(head.find("Range") == std::string::npos);
        CHECK(head.find("Content-") == std::string::npos);
    }
    CHECK(origin.requests("/pages/index.html") == 1); // nor is what it asks of caches
}

TEST_CASE("behaviors without pages keep their errors, and the page is one of its own behavior") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page");
    error_at(origin, "/gone", 404, "Content-Type: application/json\r\n");
    error_at(origin, "/api/gone", 404, "Content-Type: application/json\r\n");
    Yaml yaml = with_pages("{404: {page: /pages/404.html}}", "", ", response_headers_policy: pages");
    yaml.extra = "response_headers_policies: {pages: {set: {X-From: pages}, when: {status: [404]}}}";
    ProxyUnderTest proxy(origin, yaml);
    const Response api = proxy.get("/api/gone");
    CHECK(api.content == "the origin's words");
    CHECK(api.get("Content-Type") == "application/json");
    const Response site = proxy.get("/gone");
    CHECK(site.content == "page");
    CHECK(site.get("X-From") == "pages");
}

TEST_CASE("the page is asked for with the fields as the client sent them, though another behavior reduced them") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page");
    error_at(origin, "/gone", 404);
    Yaml yaml = with_pages("{404: {page: /pages/404.html}}");
    yaml.policies = "own: {error_ttl: {4xx: 10s}, default_ttl: 60s}, reducing: {normalize: {accept_encoding: [br]}}";
    yaml.behaviors = "[{path_pattern: '/pages/*', origin: api, cache_policy: own}, {path_pattern: '*', origin: api, "
                     "cache_policy: reducing, error_pages: {404: {page: /pages/404.html}}}]";
    ProxyUnderTest proxy(origin, yaml);
    CHECK(proxy.get("/gone", "Accept-Encoding: gzip, br;q=0.5\r\n").content == "page");
    CHECK(origin.heads("/gone").at(0).find("Accept-Encoding: br\r\n") != std::string::npos);
    CHECK(origin.heads("/pages/404.html").at(0).find("Accept-Encoding: gzip, br;q=0.5\r\n") != std::string::npos);
}

TEST_CASE("pipelined errors with pages come in order on one connection") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page");
    error_at(origin, "/gone", 404);
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=60", "good"); });
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /pages/404.html}}"));
    RawClient client(proxy.port());
    client.send("GET /gone HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n"
                "GET /gone HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(client.read().content == "page");
    CHECK(client.read().content == "good");
    const Response last = client.read();
    CHECK(last.content == "page");
    CHECK(last.get("Cache-Status") == "gatehouse; hit; ttl=60; gatehouse-error=404");
}

TEST_CASE("a page that breaks off breaks off for the client") {
    ScriptedOrigin origin;
    error_at(origin, "/gone", 404);
    origin.on("/pages/404.html", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        x.pass("break");
        x.close();
    });
    ProxyUnderTest proxy(origin, with_pages("{404: {page: /pages/404.html}}"));
    RawClient client(proxy.port());
    client.get("/gone");
    client.read_content(4);
    origin.open("break");
    CHECK_FALSE(client.read_what_comes().complete);
}

TEST_CASE("a page of a behavior that wants HTTPS is none for who came without") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", "page");
    error_at(origin, "/gone", 404);
    ProxyUnderTest proxy(origin,
                         with_pages("{404: {page: /pages/404.html}}", "", ", viewer_protocol_policy: https-only"));
    CHECK(proxy.get("/gone").content == "the origin's words");
    CHECK(origin.requests("/pages/404.html") == 0);
}

TEST_CASE("a page and an error of slices") {
    ScriptedOrigin origin;
    page_at(origin, "/pages/404.html", std::string(5000, 'p'));
    error_at(origin, "/gone", 404);
    Yaml yaml = with_pages("{404: {page: /pages/404.html}}");
    yaml.policies = "own: {error_ttl: {4xx: 10s}, default_ttl: 60s, range: {slice: 1KiB}}";
    ProxyUnderTest proxy(origin, yaml);
    for (int i = 0; i < 2; ++i) {
        const Response response = proxy.get("/gone");
        CHECK(response.status == 404);
        CHECK(response.content == std::string(5000, 'p'));
    }
}
