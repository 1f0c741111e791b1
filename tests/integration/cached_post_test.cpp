// POST where a behavior says that it only asks: keyed by its content, and otherwise treated as GET is.
#include "tests/support/proxy_under_test.h"
#include "tests/support/swarm.h"

#include <doctest/doctest.h>

#include <cstdio>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kJson = "Content-Type: application/json\r\n";

std::string post(const std::string& content, const std::string& fields = kJson, const std::string& target = "/search") {
    return "POST " + target + " HTTP/1.1\r\nHost: gate.test\r\n" + fields +
           "Content-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content;
}

std::string chunked_post(const std::string& content, const std::string& fields = kJson) {
    std::string request =
        "POST /search HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n" + fields + "\r\n";
    for (std::size_t at = 0; at < content.size(); at += 1000) {
        const std::string piece = content.substr(at, 1000);
        char size[16];
        std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
        request += size + piece + "\r\n";
    }
    return request + "0\r\n\r\n";
}

// `rules`: of the policy, behind default_ttl.
Yaml caching(const std::string& rules = "") {
    Yaml yaml;
    yaml.policies = "searches: {default_ttl: 60s" + (rules.empty() ? "" : ", " + rules) + "}";
    yaml.behaviors =
        "[{path_pattern: /search, origin: api, cache_policy: searches, cached_methods: [GET, HEAD, POST]}, "
        "{path_pattern: '*', origin: api}]";
    yaml.workers = "1";
    return yaml;
}

// Answers with what it was sent and how often it was asked.
void echo(ScriptedOrigin& origin, const std::string& fields = "") {
    origin.otherwise([fields](OriginExchange& x) {
        const std::string content = x.content();
        x.reply(200, fields, x.method() + " " + content + " " + std::to_string(x.number()));
    });
}

} // namespace

TEST_CASE("a POST of the same content is answered from the cache, and another content is another question") {
    ScriptedOrigin origin;
    echo(origin);
    ProxyUnderTest proxy(origin, caching());
    const Response first = proxy.ask(post("{a}"));
    CHECK(first.content == "POST {a} 1");
    CHECK(first.get("Cache-Status") == "gatehouse; fwd=uri-miss; fwd-status=200; stored; ttl=60");
    CHECK(proxy.ask(post("{b}")).content == "POST {b} 2");
    const Response hit = proxy.ask(post("{a}"));
    CHECK(hit.content == "POST {a} 1");
    CHECK(hit.get("X-Cache") == "Hit from gatehouse");
    CHECK(hit.get("Cache-Status") == "gatehouse; hit; ttl=60");
    CHECK(proxy.ask(post("{b}")).content == "POST {b} 2");
    CHECK(proxy.ask(chunked_post("{a}")).get("X-Cache") == "Hit from gatehouse"); // how it came makes no difference
    CHECK(origin.requests() == 2);
    const std::string asked = origin.heads("/search")[0];
    CHECK(asked.find("\r\nContent-Type: application/json\r\n") != std::string::npos);
    CHECK(asked.find("\r\nContent-Length: 3\r\n") != std::string::npos);
}

TEST_CASE("what says how content is to be read is part of the question") {
    ScriptedOrigin origin;
    echo(origin);
    ProxyUnderTest proxy(origin, caching());
    const char* const fields[] = {"", kJson, "Content-Type: text/plain\r\n",
                                  "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
                                  "Content-Type: application/json\r\nContent-Language: de\r\n"};
    int number = 0;
    for (const char* one : fields) {
        CAPTURE(one);
        CHECK(proxy.ask(post("x", one)).content == "POST x " + std::to_string(++number));
        CHECK(proxy.ask(post("x", one)).content == "POST x " + std::to_string(number));
    }
    CHECK(proxy.ask(post("x", "Content-Encoding: gzip\r\nContent-Type: application/json\r\n")).content == "POST x 4");
}

TEST_CASE("trailers of a POST are no part of the question, and the origin does not get them") {
    ScriptedOrigin origin;
    origin.on("/search", [](OriginExchange& x) {
        const std::string content = x.content();
        CHECK(x.trailers().lines.empty());
        x.ok("max-age=60", content);
    });
    ProxyUnderTest proxy(origin, caching());
    RawClient client(proxy.port());
    const std::string head = "POST /search HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const char* const checksum : {"1", "2"}) {
        client.send(head + "3\r\nabc\r\n0\r\nChecksum: " + checksum + "\r\n\r\n");
        CHECK(client.read().content == "abc");
    }
    CHECK(origin.requests() == 1);
    CHECK(origin.heads("/search")[0].find("\r\nContent-Length: 3\r\n") != std::string::npos);
}

TEST_CASE("GET and POST do not answer each other, and a cached POST ends nothing that is stored") {
    ScriptedOrigin origin;
    echo(origin, "Content-Location: /search\r\nCache-Control: max-age=60\r\n");
    ProxyUnderTest proxy(origin, caching());
    CHECK(proxy.get("/search").content == "GET  1");
    CHECK(proxy.ask(post("")).content == "POST  2");
    CHECK(proxy.ask(post("x")).content == "POST x 3");
    CHECK(proxy.get("/search").content == "GET  1");
    CHECK(proxy.head("/search").get("Content-Length") == "6");
    CHECK(proxy.ask(post("")).content == "POST  2");
    CHECK(proxy.ask(chunked_post("")).content == "POST  2");
    CHECK(origin.requests() == 3);
}

TEST_CASE("POST where it is not cached invalidates as ever, also what cached POSTs stored there") {
    ScriptedOrigin origin;
    echo(origin, "Cache-Control: max-age=60\r\n");
    Yaml yaml = caching();
    yaml.behaviors = "[{path_pattern: /search, origin: api, cache_policy: searches, cached_methods: [GET, HEAD, POST], "
                     "when: {headers: {X-Operation: query}}}, {path_pattern: '*', origin: api}]";
    ProxyUnderTest proxy(origin, yaml);
    const std::string query = "X-Operation: query\r\n";
    CHECK(proxy.ask(post("q", query)).content == "POST q 1");
    CHECK(proxy.get("/search").content == "GET  2");
    CHECK(proxy.ask(post("q", query)).content == "POST q 1");
    CHECK(proxy.ask(post("change")).content == "POST change 3");
    CHECK(proxy.ask(post("change")).content == "POST change 4"); // each reaches the origin
    CHECK(proxy.ask(post("q", query)).content == "POST q 5");
    CHECK(proxy.get("/search").content == "GET  6");
}

TEST_CASE("content up to max_body_size is keyed; larger content is forwarded as it comes, and nothing is stored") {
    constexpr std::size_t kMost = 20'000;
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        const std::string content = x.content();
        CHECK(content.find_first_not_of('x') == std::string::npos);
        x.reply(200, "", std::to_string(content.size()) + " " + std::to_string(x.number()));
    });
    ProxyUnderTest proxy(origin, caching("key: {max_body_size: 20000B}"));
    RawClient client(proxy.port());
    const auto ask = [&client](const std::string& request) {
        client.send(request);
        return client.read();
    };
    for (const bool chunked : {false, true}) {
        CAPTURE(chunked);
        const auto made = [chunked](std::size_t bytes) {
            return chunked ? chunked_post(std::string(bytes, 'x')) : post(std::string(bytes, 'x'));
        };
        const std::string number = chunked ? "4" : "2";
        CHECK(ask(made(kMost)).content == std::to_string(kMost) + " 1");
        const Response larger = ask(made(kMost + 1));
        CHECK(larger.content == std::to_string(kMost + 1) + " " + number);
        CHECK(larger.get("Cache-Status") == "gatehouse; fwd=bypass; fwd-status=200; detail=request_too_large");
        CHECK(ask(made(100'000)).content == "100000 " + std::to_string(chunked ? 5 : 3));
    }
    CHECK(origin.requests() == 5);
}

TEST_CASE("content that is known to be too large is on its way before it has come") {
    ScriptedOrigin origin;
    origin.on("/search", [](OriginExchange& x) {
        x.ok("max-age=60", x.content());
    });
    ProxyUnderTest proxy(origin, caching("key: {max_body_size: 6B}"));
    RawClient client(proxy.port());
    client.send("POST /search HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 7\r\n\r\nbegin");
    origin.await_requests("/search", 1); // the rest has not been sent yet
    client.send("XX");
    CHECK(client.read().content == "beginXX");
}

TEST_CASE("a client that waits for 100 is told to go on, and the origin is asked when the content is there") {
    ScriptedOrigin origin;
    echo(origin);
    ProxyUnderTest proxy(origin, caching());
    RawClient client(proxy.port());
    const std::string head =
        "POST /search HTTP/1.1\r\nHost: gate.test\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n";
    for (int i = 0; i < 2; ++i) {
        client.send(head);
        CHECK(client.read_raw(25) == "HTTP/1.1 100 Continue\r\n\r\n");
        CHECK(origin.requests() == i);
        client.send("content");
        const Response response = client.read();
        CHECK(response.content == "POST content 1");
        CHECK(response.interim.empty());
        CHECK(origin.requests() == 1);
    }
    CHECK(origin.heads("/search")[0].find("Expect") == std::string::npos);
}

TEST_CASE("content that turns out too large after 100 is forwarded without a second one") {
    ScriptedOrigin origin;
    echo(origin);
    ProxyUnderTest proxy(origin, caching("key: {max_body_size: 3B}"));
    RawClient client(proxy.port());
    client.send("POST /search HTTP/1.1\r\nHost: gate.test\r\nExpect: 100-continue\r\nTransfer-Encoding: "
                "chunked\r\n\r\n");
    CHECK(client.read_raw(25) == "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("4\r\nlong\r\n3\r\nest\r\n0\r\n\r\n");
    const Response response = client.read();
    CHECK(response.content == "POST longest 1");
    CHECK(response.interim.empty());
    client.send(post("abc"));
    CHECK(client.read().content == "POST abc 2");
}

TEST_CASE("a hundred clients that ask the same at once: one origin request, and one for each other question") {
    constexpr std::size_t kClients = 100;
    ScriptedOrigin origin;
    origin.on("/search", [](OriginExchange& x) {
        const std::string content = x.content();
        x.pass("answer");
        x.ok("max-age=60", content);
    });
    Yaml yaml = caching();
    yaml.workers = "2";
    ProxyUnderTest proxy(origin, yaml);
    Swarm swarm(proxy.port(), kClients, [](std::size_t i) { return post(i % 4 == 0 ? "rare" : "frequent"); });
    proxy.await_received(swarm.sent());
    origin.await_requests("/search", 2);
    origin.open("answer");
    const std::vector<Response> responses = swarm.collect();
    for (std::size_t i = 0; i < kClients; ++i) {
        REQUIRE(responses[i].complete);
        CHECK(responses[i].content == (i % 4 == 0 ? "rare" : "frequent"));
    }
    CHECK(origin.requests() == 2);
    proxy.await_metric("gatehouse_collapsed_total", kClients - 2);
}

TEST_CASE(
    "a pooled connection that breaks: the question is sent again with its content, however small replay_size is") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        const std::string content = x.content();
        if (x.target() == "/search" && x.number() == 1) {
            x.close();
            return;
        }
        x.ok("max-age=60", content + " on " + std::to_string(x.connection()));
    });
    Yaml yaml = caching();
    yaml.limits = "replay_size: 1KiB";
    ProxyUnderTest proxy(origin, yaml);
    proxy.get("/first");
    const std::string content(5000, 'x');
    CHECK(proxy.ask(post(content)).content == content + " on 1");
    CHECK(origin.requests("/search") == 2);
    CHECK(proxy.metric("gatehouse_origin_retries_total") == 1);
}

TEST_CASE("an answer that is stale for a moment is served, and the question is asked again behind the client's back") {
    ScriptedOrigin origin;
    echo(origin, "ETag: \"tag\"\r\nCache-Control: max-age=10, stale-while-revalidate=30\r\n");
    ProxyUnderTest proxy(origin, caching());
    CHECK(proxy.ask(post("content")).content == "POST content 1");
    proxy.advance(12s);
    CHECK(proxy.ask(post("content")).content == "POST content 1");
    ProxyUnderTest::await([&] { return proxy.ask(post("content")).content == "POST content 2"; },
                          "it is fetched again");
    CHECK(origin.requests() == 2);
    // A condition on a POST would ask for 412.
    CHECK(origin.heads("/search")[1].find("If-None-Match") == std::string::npos);
}

TEST_CASE("what is stale is asked for again as a whole, and served while the origin fails") {
    ScriptedOrigin origin;
    origin.on("/search", [](OriginExchange& x) {
        const std::string content = x.content();
        if (x.number() == 2) {
            x.reply(503, "", "overloaded");
        } else {
            x.reply(200, "ETag: \"tag\"\r\nCache-Control: max-age=10\r\n", content + std::to_string(x.number()));
        }
    });
    ProxyUnderTest proxy(origin, caching("stale_if_error: 1h"));
    CHECK(proxy.ask(post("q")).content == "q1");
    proxy.advance(12s);
    const Response stale = proxy.ask(post("q"));
    CHECK(stale.content == "q1");
    CHECK(stale.get("Cache-Status") == "gatehouse; fwd=stale; fwd-status=503; ttl=-2; detail=stale_if_error");
    CHECK(proxy.ask(post("q")).content == "q3");
    for (const std::string& head : origin.heads("/search")) {
        CHECK(head.find("If-None-Match") == std::string::npos);
    }
}

TEST_CASE("purges of URL, path, prefix and group reach what POST stored") {
    for (const char* const purge :
         {R"({"url":"http://gate.test/search"})", R"({"url":"http://gate.test/sea*"})", R"({"path":"/search"})",
          R"({"path":"/*"})", R"({"group":"found","host":"gate.test"})", R"({"group":"found"})"}) {
        CAPTURE(purge);
        ScriptedOrigin origin;
        echo(origin, "Cache-Groups: \"found\"\r\n");
        ProxyUnderTest proxy(origin, caching());
        CHECK(proxy.ask(post("q")).content == "POST q 1");
        CHECK(proxy.ask(post("q")).content == "POST q 1");
        CHECK(proxy.purge(purge).content.starts_with("{\"purged\":1,"));
        CHECK(proxy.ask(post("q")).content == "POST q 2");
    }
}

TEST_CASE("pipelined requests of all kinds are answered in order") {
    ScriptedOrigin origin;
    echo(origin);
    ProxyUnderTest proxy(origin, caching());
    proxy.ask(post("hit"));
    RawClient client(proxy.port());
    client.send(post("hit") + post("miss") + "GET /search HTTP/1.1\r\nHost: gate.test\r\n\r\n" + chunked_post("hit") +
                post("plain", kJson, "/other") + post("hit"));
    for (const char* expected : {"POST hit 1", "POST miss 2", "GET  3", "POST hit 1", "POST plain 1", "POST hit 1"}) {
        CHECK(client.read().content == expected);
    }
    CHECK(client.is_quiet());
    CHECK(origin.requests() == 4);
}

TEST_CASE("a client that breaks off its content has asked nothing") {
    ScriptedOrigin origin;
    echo(origin);
    ProxyUnderTest proxy(origin, caching());
    {
        const std::string begun = "POST /search HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 7\r\n\r\ncon";
        RawClient client(proxy.port());
        client.send(begun);
        proxy.await_received(begun.size());
        client.reset();
    }
    ProxyUnderTest::await([&] { return proxy.metric("gatehouse_connections") == 0; }, "the connection has ended");
    CHECK(proxy.ask(post("con")).content == "POST con 1");
    CHECK(origin.requests() == 1);
}

TEST_CASE("content that does not come in time is answered with 408, malformed content with 400") {
    ScriptedOrigin origin;
    echo(origin);
    Yaml yaml = caching();
    yaml.timeouts = "body: 2s";
    ProxyUnderTest proxy(origin, yaml);
    SUBCASE("too slow") {
        const std::string begun = "POST /search HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 7\r\n\r\ncon";
        const std::size_t before = proxy.received();
        RawClient client(proxy.port());
        client.send(begun);
        proxy.await_received(before + begun.size());
        proxy.advance(1s);
        CHECK(client.is_quiet());
        proxy.advance(1s + 200ms);
        const Response response = client.read();
        CHECK(response.status == 408);
        CHECK(client.ended());
    }
    SUBCASE("malformed") {
        RawClient client(proxy.port());
        client.send("POST /search HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n");
        CHECK(client.read().status == 400);
        CHECK(client.ended());
    }
    CHECK(origin.requests() == 0);
}

TEST_CASE("content that comes a byte now and then has timeouts.body in all") {
    ScriptedOrigin origin;
    echo(origin);
    Yaml yaml = caching();
    yaml.timeouts = "body: 2s";
    ProxyUnderTest proxy(origin, yaml);
    RawClient client(proxy.port());
    const auto send = [&](const std::string& bytes) {
        const std::size_t before = proxy.received();
        client.send(bytes);
        proxy.await_received(before + bytes.size());
    };
    send("POST /search HTTP/1.1\r\nHost: gate.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n");
    proxy.advance(1500ms);
    send("1\r\no\r\n");
    proxy.advance(1s);
    CHECK(client.is_quiet()); // no byte was late by itself
    client.send("1\r\nn\r\n");
    CHECK(client.read().status == 408);
    CHECK(client.ended());
    CHECK(origin.requests() == 0);
}

TEST_CASE("content beyond limits.keyed_content_size of all clients is forwarded uncached, until others let go") {
    ScriptedOrigin origin;
    echo(origin);
    Yaml yaml = caching();
    yaml.limits = "keyed_content_size: 4B";
    ProxyUnderTest proxy(origin, yaml);
    const std::string uncached = "gatehouse; fwd=bypass; fwd-status=200; detail=request_too_large";
    {
        RawClient holder(proxy.port());
        const std::string begun = "POST /search HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 7\r\n\r\nabc";
        const std::size_t before = proxy.received();
        holder.send(begun);
        proxy.await_received(before + begun.size());
        const Response crowded = proxy.ask(post("{b}"));
        CHECK(crowded.content == "POST {b} 1");
        CHECK(crowded.get("Cache-Status") == uncached);
        holder.reset();
    }
    ProxyUnderTest::await([&] { return proxy.metric("gatehouse_connections") == 0; }, "the connections have ended");
    CHECK(proxy.ask(post("{b}")).content == "POST {b} 2");
    CHECK(proxy.ask(post("{b}")).get("X-Cache") == "Hit from gatehouse");
    CHECK(proxy.ask(post("{abc}")).get("Cache-Status") == uncached);
    CHECK(proxy.ask(post("{abc")).get("X-Cache") == "Miss from gatehouse"); // all four bytes were given back
    CHECK(proxy.ask(post("{abc")).get("X-Cache") == "Hit from gatehouse");
}

TEST_CASE("a POST with If-None-Match or If-Match is the origin's to decide, and its answer is nobody else's") {
    ScriptedOrigin origin;
    echo(origin, "ETag: \"tag\"\r\n");
    ProxyUnderTest proxy(origin, caching());
    CHECK(proxy.ask(post("q")).content == "POST q 1");
    for (const std::string condition : {"If-None-Match: \"tag\"\r\n", "If-Match: \"tag\"\r\n"}) {
        const Response response = proxy.ask(post("q", kJson + condition));
        CHECK(response.get("Cache-Status") == "gatehouse; fwd=bypass; fwd-status=200; detail=request_precondition");
        CHECK(origin.heads("/search").back().find(condition) != std::string::npos);
    }
    CHECK(proxy.ask(post("q")).content == "POST q 1");
    // These mean nothing with POST.
    const Response ranged = proxy.ask(
        post("q", std::string(kJson) + "Range: bytes=0-1\r\nIf-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT\r\n"));
    CHECK(ranged.status == 200);
    CHECK(ranged.content == "POST q 1");
    CHECK(origin.requests() == 3);
}

TEST_CASE("what a GET's answer is not stored for, a POST's is not either") {
    struct Row {
        const char* name;
        const char* request;
        const char* response;
        const char* detail;
    };
    const Row rows[] = {
        {"Authorization", "Authorization: Bearer x\r\n", "", "authorization"},
        {"Set-Cookie", "", "Set-Cookie: a=b\r\nCache-Control: max-age=60\r\n", "set_cookie"},
        {"no-store", "", "Cache-Control: no-store\r\n", "response_no_store"},
        {"private", "", "Cache-Control: private, max-age=60\r\n", "response_private"},
        {"no-store in the request", "Cache-Control: no-store\r\n", "", "request_no_store"},
        {"nothing to validate it with", "", "Cache-Control: no-cache\r\nETag: \"a\"\r\n", "no_lifetime"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        ScriptedOrigin origin;
        echo(origin, row.response);
        ProxyUnderTest proxy(origin, caching());
        const Response first = proxy.ask(post("q", row.request));
        CHECK(first.content == "POST q 1");
        CHECK(first.get("Cache-Status").ends_with(std::string("; detail=") + row.detail));
        CHECK(proxy.ask(post("q", row.request)).content == "POST q 2");
    }
}

TEST_CASE("an origin that answers before it has read the content is believed") {
    ScriptedOrigin origin;
    origin.on("/search", [](OriginExchange& x) {
        x.reply(200, "Cache-Control: max-age=60\r\nConnection: close\r\n", "early");
        x.half_close();
        x.await_close();
    });
    ProxyUnderTest proxy(origin, caching());
    RawClient client(proxy.port());
    client.send(post(std::string(60'000, 'x')));
    CHECK(client.read().content == "early");
    client.send(post(std::string(60'000, 'x')));
    CHECK(client.read().get("X-Cache") == "Hit from gatehouse");
}

TEST_CASE("Cache-Status shows the method and the hash of the content where the behavior shows keys") {
    ScriptedOrigin origin;
    echo(origin);
    Yaml yaml = caching();
    yaml.behaviors = "[{path_pattern: /search, origin: api, cache_policy: searches, cached_methods: [GET, HEAD, POST], "
                     "cache_status_key: true}]";
    ProxyUnderTest proxy(origin, yaml);
    const Response response = proxy.ask(post("abc"));
    CHECK(response.get("Cache-Status")
              .find("key=\"searches|/search api gate.test /search  @POST ba7816bf8f01cfea414140de5dae2223 "
                    "content-type:application/json\"") != std::string::npos);
}
