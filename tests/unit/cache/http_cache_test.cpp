// What one client after another gets: lookup, storing, validation, errors, purges. Several at once:
// http_cache_collapse_test.cpp.
#include "tests/unit/cache/http_cache_bench.h"

#include <array>

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;

TEST_CASE("a miss leads, its answer is stored, and the next request is a hit") {
    CacheBench bench;
    const auto first = bench.asking();
    CHECK(first->plan.kind == Plan::Kind::Wait);
    CHECK(first->plan.leader);
    CHECK(first->plan.may_store);
    CHECK_FALSE(first->plan.validate);
    CHECK(first->plan.result.reason == Reason::UriMiss);
    CHECK(first->plan.result.forwarded == Forwarded::UriMiss);
    CHECK_FALSE(first->plan.result.collapsed);
    CHECK(bench.answer(*first, "Cache-Control: max-age=60\nContent-Length: 5", "hello") == Reason::None);
    CHECK(bench.cache.fetches_in_flight() == 0);
    const Resolution mine = bench.resolve(*first);
    CHECK(mine.kind == Resolution::Kind::Stream);
    CHECK(mine.result.stored);
    CHECK(mine.result.ttl_seconds == 60);

    bench.now = after(59);
    const auto second = bench.asking();
    CHECK(second->plan.kind == Plan::Kind::Serve);
    CHECK_FALSE(second->plan.fetch);
    CHECK(second->plan.result.forwarded == Forwarded::No);
    CHECK(second->plan.result.ttl_seconds == 1);
    CHECK(stored_text(second->plan.entry) == "hello");
}

TEST_CASE("a stale response is validated, and a 304 freshens it") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nX-Old: 1\nContent-Length: 5", "hello");
    bench.now = after(60);
    const auto client = bench.asking();
    REQUIRE(client->plan.kind == Plan::Kind::Wait);
    CHECK(client->plan.leader);
    CHECK(client->plan.validate);
    CHECK(client->plan.entry);
    CHECK(client->plan.fetch->validating == client->plan.entry);
    CHECK(client->plan.result.reason == Reason::Stale);
    CHECK(client->plan.result.forwarded == Forwarded::Stale);
    CHECK(bench.answer(*client, "304\nCache-Control: max-age=100\nX-New: 2\nETag: \"1\"") == Reason::None);
    const Resolution resolution = bench.resolve(*client);
    CHECK(resolution.kind == Resolution::Kind::Serve);
    CHECK(resolution.result.revalidated);
    CHECK(resolution.result.stored);
    CHECK(resolution.result.ttl_seconds == 100);
    CHECK(stored_text(resolution.entry) == "hello");
    CHECK(resolution.head.fields().first("X-New") == "2");
    CHECK(resolution.head.fields().first("X-Old") == "1");

    bench.now = after(159);
    const auto next = bench.asking();
    CHECK(next->plan.kind == Plan::Kind::Serve);
    CHECK(next->plan.result.ttl_seconds == 1);
    CHECK(stored_text(next->plan.entry) == "hello");
}

TEST_CASE("a response that is freshened again and again does not collect Via") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nVia: 1.1 origin\nContent-Length: 0");
    for (int i = 1; i <= 3; ++i) {
        bench.now = after(60 * i);
        const auto client = bench.asking();
        bench.answer(*client, "304\nETag: \"1\"");
        CHECK(bench.resolve(*client).head.fields().combined("Via") == "1.1 origin, 1.1 gatehouse");
    }
}

TEST_CASE("the age of a 304 counts") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 0");
    bench.now = after(60);
    const auto client = bench.asking();
    bench.answer(*client, "304\nETag: \"1\"\nAge: 10");
    CHECK(bench.resolve(*client).result.ttl_seconds == 50);
}

TEST_CASE("a response with content replaces the stale one") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 3", "old");
    bench.now = after(60);
    const auto client = bench.asking();
    CHECK(bench.answer(*client, "200\nCache-Control: max-age=60\nETag: \"2\"\nContent-Length: 3", "new") ==
          Reason::None);
    const Resolution resolution = bench.resolve(*client);
    CHECK(resolution.kind == Resolution::Kind::Stream);
    CHECK(read_answer(*client->plan.fetch) == "new");
    CHECK(stored_text(bench.asking()->plan.entry) == "new");
    CHECK(bench.store->stats().objects == 1);
}

TEST_CASE("a 304 that speaks of another response is asked again without a condition") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 3", "old");
    bench.now = after(60);
    const auto client = bench.asking();
    bench.send(*client);
    Intake intake;
    CHECK(bench.head(*client, "304\nETag: \"2\"", intake) == HttpCache::BeginResult::RetryUnconditional);
    CHECK(client->plan.fetch->phase() == Fetch::Phase::Pending);
    CHECK(bench.cache.fetches_in_flight() == 1);
    client->plan.fetch->validating = {};
    CHECK(bench.answer(*client, "200\nCache-Control: max-age=60\nContent-Length: 3", "new") == Reason::None);
    CHECK(stored_text(bench.asking()->plan.entry) == "new");
}

TEST_CASE("a 304 to a request without a condition is no answer") {
    CacheBench bench;
    struct Row {
        const char* name;
        const char* request;
        HttpCache::BeginResult result;
    };
    // A client's own condition is not sent where the answer is fetched to be stored.
    const std::array<Row, 6> rows = {{
        {"fetched to be stored", "", HttpCache::BeginResult::Unasked},
        {"fetched to be stored, with a condition of the client", "If-None-Match: \"1\"",
         HttpCache::BeginResult::Unasked},
        {"passed through", "Cache-Control: no-store", HttpCache::BeginResult::Unasked},
        {"passed through with If-None-Match", "Cache-Control: no-store\nIf-None-Match: \"1\"",
         HttpCache::BeginResult::Answered},
        {"passed through with If-Modified-Since", "Cache-Control: no-store\nIf-Modified-Since: @0",
         HttpCache::BeginResult::Answered},
        {"a method for which 304 is not defined", "POST", HttpCache::BeginResult::Answered},
    }};
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            const auto client = bench.asking(row.request);
            if (client->plan.kind == Plan::Kind::Alone) {
                bench.go_alone(*client);
            }
            bench.send(*client);
            Intake intake;
            CHECK(bench.head(*client, "304\nETag: \"1\"", intake) == row.result);
            const bool answered = row.result == HttpCache::BeginResult::Answered;
            CHECK((client->plan.fetch->phase() == Fetch::Phase::Answered) == answered);
            if (answered) {
                CHECK(client->plan.fetch->answer().status == 304);
            } else {
                bench.cache.fail(*client->plan.fetch, {});
                CHECK(bench.resolve(*client).kind == Resolution::Kind::Failed);
            }
        }
    }
}

TEST_CASE("a 304 that forbids storing answers its client with its own fields, once") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 5", "hello");
    bench.now = after(60);
    const auto client = bench.asking();
    bench.answer(*client, "304\nETag: \"1\"\nCache-Control: no-store\nX-New: 2");
    const Resolution resolution = bench.resolve(*client);
    CHECK(resolution.kind == Resolution::Kind::Serve);
    CHECK_FALSE(resolution.result.stored);
    CHECK(resolution.head.fields().first("X-New") == "2");
    CHECK(stored_text(resolution.entry) == "hello");
    CHECK(bench.asking()->plan.result.reason == Reason::UriMiss);
}

TEST_CASE("a client with credentials does not throw out what it validated for others") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 5", "hello");
    bench.now = after(60);
    const auto client = bench.asking("Authorization: secret");
    bench.answer(*client, "304\nETag: \"1\"");
    CHECK(bench.resolve(*client).kind == Resolution::Kind::Serve);
    CHECK(bench.asking()->plan.validate); // still there, still stale
}

TEST_CASE("what was evicted while it was validated still answers with the fields of the 304") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 5", "hello");
    bench.now = after(60);
    const auto client = bench.asking();
    bench.store->erase(client->plan.entry);
    bench.answer(*client, "304\nETag: \"1\"\nX-New: 2");
    const Resolution resolution = bench.resolve(*client);
    CHECK(resolution.kind == Resolution::Kind::Serve);
    CHECK_FALSE(resolution.result.stored);
    CHECK(resolution.result.ttl_seconds == 60);
    CHECK(resolution.head.fields().first("X-New") == "2");
    CHECK(stored_text(resolution.entry) == "hello");
}

TEST_CASE("an error of the origin is hidden by a stale response where that is allowed") {
    struct Row {
        const char* name;
        const char* response; // stored
        const char* answer;   // "" for none at all
        bool stale;
        bool validates;
    };
    const std::array<Row, 8> rows = {{
        {"no answer", "Cache-Control: max-age=60, stale-if-error=600\nETag: \"1\"", "", true, true},
        {"503", "Cache-Control: max-age=60, stale-if-error=600\nETag: \"1\"", "503", true, true},
        {"500 without a validator", "Cache-Control: max-age=60, stale-if-error=600", "500", true, false},
        {"503 with a lifetime of its own", "Cache-Control: max-age=60, stale-if-error=600",
         "503\nCache-Control: max-age=5", true, false},
        {"404 is an answer", "Cache-Control: max-age=60, stale-if-error=600", "404", false, false},
        {"501 is an answer", "Cache-Control: max-age=60, stale-if-error=600", "501", false, false},
        {"not allowed", "Cache-Control: max-age=60\nETag: \"1\"", "503", false, true},
        {"too late", "Cache-Control: max-age=60, stale-if-error=9\nETag: \"1\"", "", false, true},
    }};
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CacheBench bench;
            bench.stored(std::string(row.response) + "\nContent-Length: 5", "hello");
            bench.now = after(70);
            const auto client = bench.asking();
            REQUIRE(client->plan.leader);
            CHECK(client->plan.validate == row.validates);
            const bool answered = *row.answer != '\0';
            if (answered) {
                bench.answer(*client, std::string(row.answer) + "\nContent-Length: 1", "x");
            } else {
                bench.cache.fail(*client->plan.fetch, http::Error(http::ErrorKind::ConnectionRefused, "refused"));
            }
            CHECK(bench.cache.fetches_in_flight() == 0);
            const Resolution resolution = bench.resolve(*client);
            if (row.stale) {
                CHECK(resolution.kind == Resolution::Kind::Serve);
                CHECK(resolution.result.reason == Reason::StaleIfError);
                CHECK(resolution.result.forwarded == Forwarded::Stale);
                CHECK(resolution.result.ttl_seconds == -10);
                CHECK(resolution.result.forward_status.has_value() == answered);
                CHECK(stored_text(resolution.entry) == "hello");
                // And it is still there for the next one.
                const auto next = bench.asking();
                CHECK(next->plan.kind == Plan::Kind::Wait);
                CHECK(next->plan.entry == resolution.entry);
            } else if (answered) {
                CHECK(resolution.kind == Resolution::Kind::Stream);
            } else {
                CHECK(resolution.kind == Resolution::Kind::Failed);
                CHECK(resolution.result.reason == Reason::OriginError);
                CHECK(resolution.result.error);
            }
        }
    }
}

TEST_CASE("error_ttl keeps an error where there is nothing better, and never over a stale response that hides it") {
    CacheBench bench;
    bench.policy.error_ttl.by_class[5] = std::chrono::seconds(1);
    bench.policy.stale_if_error = std::chrono::hours(24);
    SUBCASE("nothing stored") {
        const auto client = bench.asking();
        CHECK(bench.answer(*client, "503\nContent-Length: 0") == Reason::None);
        const auto next = bench.asking();
        CHECK(next->plan.kind == Plan::Kind::Serve);
        CHECK(next->plan.head.facts.status == 503);
    }
    SUBCASE("a stale response") {
        bench.stored("Cache-Control: max-age=60\nContent-Length: 5", "hello");
        for (int i = 0; i < 3; ++i) {
            bench.now = after(60 + 10 * i);
            const auto client = bench.asking();
            REQUIRE(client->plan.kind == Plan::Kind::Wait);
            CHECK(bench.answer(*client, "503\nContent-Length: 0") == Reason::StaleIfError);
            const Resolution resolution = bench.resolve(*client);
            CHECK(resolution.kind == Resolution::Kind::Serve);
            CHECK(stored_text(resolution.entry) == "hello");
        }
    }
}

TEST_CASE("stale-while-revalidate serves at once and revalidates once in the background") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60, stale-while-revalidate=30\nETag: \"1\"\nContent-Length: 5", "hello");
    bench.now = after(65);
    const auto first = bench.asking();
    CHECK(first->plan.kind == Plan::Kind::Serve);
    CHECK(first->plan.result.reason == Reason::StaleWhileRevalidate);
    CHECK(first->plan.result.ttl_seconds == -5);
    REQUIRE(first->plan.leader);
    REQUIRE(first->plan.fetch);
    CHECK(first->plan.validate);
    const auto second = bench.asking("", "/a", 1);
    CHECK(second->plan.kind == Plan::Kind::Serve);
    CHECK_FALSE(second->plan.leader);
    CHECK_FALSE(second->plan.fetch);
    CHECK_FALSE(second->plan.result.collapsed); // it was served from the store
    bench.answer(*first, "304\nETag: \"1\"");
    const auto third = bench.asking();
    CHECK(third->plan.kind == Plan::Kind::Serve);
    CHECK(third->plan.result.ttl_seconds == 60);
    CHECK_FALSE(third->plan.fetch);
    bench.now = after(65 + 91); // beyond the window
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait);
}

TEST_CASE("who revalidates in the background is a request whose answer may be stored") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60, stale-while-revalidate=30\nETag: \"1\"\nContent-Length: 5", "hello");
    bench.now = after(65);
    const auto no_store = bench.asking("Cache-Control: no-store");
    CHECK(no_store->plan.kind == Plan::Kind::Serve);
    CHECK_FALSE(no_store->plan.leader);
    CHECK(bench.cache.fetches_in_flight() == 0);
    const auto range = bench.asking("Range: bytes=0-1"); // the whole is asked for on its behalf
    CHECK(range->plan.kind == Plan::Kind::Serve);
    CHECK(range->plan.leader);
}

TEST_CASE("requests that are not looked up go alone and say why") {
    struct Row {
        const char* request;
        Reason reason;
        Forwarded forwarded;
    };
    const std::array<Row, 5> rows = {{
        {"POST", Reason::Method, Forwarded::Method},
        {"get", Reason::Method, Forwarded::Method},
        {"If-Match: \"1\"", Reason::RequestPrecondition, Forwarded::Bypass},
        {"If-Unmodified-Since: @0", Reason::RequestPrecondition, Forwarded::Bypass},
        {"Connection: upgrade\nUpgrade: websocket", Reason::RequestUpgrade, Forwarded::Bypass},
    }};
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nContent-Length: 0");
    for (const Row& row : rows) {
        SUBCASE(row.request) {
            const auto client = bench.asking(row.request);
            CHECK(client->plan.kind == Plan::Kind::Alone);
            CHECK_FALSE(client->plan.may_store);
            CHECK_FALSE(client->plan.fetch);
            CHECK(client->plan.result.reason == row.reason);
            CHECK(client->plan.result.forwarded == row.forwarded);
            CHECK(bench.cache.fetches_in_flight() == 0);
        }
    }
}

TEST_CASE("a policy that disables caching neither looks up nor stores") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nContent-Length: 0");
    bench.policy.disabled = true;
    const auto client = bench.asking();
    CHECK(client->plan.kind == Plan::Kind::Alone);
    CHECK(client->plan.result.reason == Reason::CachingDisabled);
    bench.go_alone(*client);
    bench.answer(*client, "Cache-Control: max-age=60\nContent-Length: 0");
    CHECK(bench.resolve(*client).kind == Resolution::Kind::Stream);
    CHECK(bench.store->stats().objects == 1);
}

TEST_CASE("only-if-cached is answered from the store or with 504") {
    CacheBench bench;
    CHECK(bench.asking("Cache-Control: only-if-cached")->plan.kind == Plan::Kind::GatewayTimeout);
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 0");
    CHECK(bench.asking("Cache-Control: only-if-cached")->plan.kind == Plan::Kind::Serve);
    bench.now = after(60);
    const auto stale = bench.asking("Cache-Control: only-if-cached");
    CHECK(stale->plan.kind == Plan::Kind::GatewayTimeout);
    CHECK(stale->plan.result.reason == Reason::OnlyIfCached);
    CHECK(bench.cache.fetches_in_flight() == 0);
}

TEST_CASE("a range of what is not stored goes to the origin as a range, of what is stored it is a hit") {
    CacheBench bench;
    const auto miss = bench.asking("Range: bytes=0-1");
    CHECK(miss->plan.kind == Plan::Kind::Alone);
    CHECK(miss->plan.as_part);
    CHECK(miss->plan.result.reason == Reason::RequestRange);
    bench.go_alone(*miss);
    bench.answer(*miss, "206\nContent-Range: bytes 0-1/5\nCache-Control: max-age=60\nContent-Length: 2", "he");
    const Resolution mine = bench.resolve(*miss);
    CHECK(mine.kind == Resolution::Kind::Stream);
    CHECK(mine.result.stored);
    bench.stored("Cache-Control: max-age=60\nContent-Length: 5", "hello");
    CHECK(bench.store->stats().objects == 1); // the part went when the whole came
    CHECK(bench.asking("Range: bytes=0-1")->plan.kind == Plan::Kind::Serve);
    CHECK(bench.asking("Range: bytes=0-1\nCache-Control: no-store")->plan.kind == Plan::Kind::Serve);
}

TEST_CASE("a range of what is not stored is passed on as it is where nothing may be stored") {
    CacheBench bench;
    const auto client = bench.asking("Range: bytes=0-1\nCache-Control: no-store");
    CHECK(client->plan.kind == Plan::Kind::Alone);
    CHECK_FALSE(client->plan.may_store);
    CHECK_FALSE(client->plan.as_part);
    CHECK(client->plan.result.reason == Reason::RequestNoStore);
}

TEST_CASE("a range of a stale response is cut from what is validated as a whole") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 5", "hello");
    bench.now = after(60);
    const auto client = bench.asking("Range: bytes=0-1");
    CHECK(client->plan.kind == Plan::Kind::Wait);
    CHECK_FALSE(client->plan.as_part);
    CHECK(client->plan.validate);
    CHECK(client->plan.result.reason == Reason::Stale);
}

TEST_CASE("HEAD is answered from GET, and a HEAD that misses fetches for both") {
    CacheBench bench;
    const auto head = bench.asking("HEAD");
    REQUIRE(head->plan.kind == Plan::Kind::Wait);
    CHECK(head->plan.leader);
    const auto get = bench.asking("", "/a", 1);
    CHECK(get->plan.fetch == head->plan.fetch);
    CHECK(bench.answer(*head, "Cache-Control: max-age=60\nContent-Length: 5", "hello") == Reason::None);
    CHECK(bench.resolve(*head).kind == Resolution::Kind::Stream);
    CHECK(bench.resolve(*get).kind == Resolution::Kind::Stream);
    CHECK(bench.asking("HEAD")->plan.kind == Plan::Kind::Serve);
    CHECK(stored_text(bench.asking()->plan.entry) == "hello");
}

TEST_CASE("what is only passed on keeps the fields that are meant for one client") {
    CacheBench bench;
    const auto client = bench.asking();
    bench.answer(*client,
                 "Cache-Control: private=\"Set-Cookie\", no-store\nSet-Cookie: a=1\nAge: 7\nContent-Length: 0");
    const auto head = policy::view_stored_head(client->plan.fetch->answer().head);
    CHECK(head.fields().first("Set-Cookie") == "a=1");
    CHECK(head.fields().first("Age") == "7"); // as it came; only what is stored has its age computed
    const auto other = bench.asking("", "/b");
    bench.answer(*other, "Cache-Control: private=\"Set-Cookie\", max-age=60\nSet-Cookie: a=1\nContent-Length: 0");
    CHECK_FALSE(bench.asking("", "/b")->plan.head.fields().contains("Set-Cookie"));
}

TEST_CASE("the client that caused an answer gets the fields that are kept out of the store, and nobody else does") {
    CacheBench bench;
    SUBCASE("of a response") {
        const auto first = bench.asking();
        const auto other = bench.asking();
        bench.answer(*first, "Cache-Control: private=\"Set-Cookie\", max-age=60\nSet-Cookie: a=1\nContent-Length: 0");
        CHECK(bench.resolve(*first).head.fields().first("Set-Cookie") == "a=1");
        CHECK_FALSE(bench.resolve(*other).head.fields().contains("Set-Cookie"));
    }
    SUBCASE("of a 304") {
        bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 0");
        bench.now = after(60);
        const auto first = bench.asking();
        const auto other = bench.asking();
        bench.answer(*first, "304\nETag: \"1\"\nCache-Control: private=\"Set-Cookie\", max-age=60\nSet-Cookie: a=1");
        const Resolution mine = bench.resolve(*first);
        CHECK(mine.kind == Resolution::Kind::Serve);
        CHECK(mine.head.fields().first("Set-Cookie") == "a=1");
        CHECK_FALSE(bench.resolve(*other).head.fields().contains("Set-Cookie"));
    }
    const auto next = bench.asking();
    CHECK(next->plan.kind == Plan::Kind::Serve);
    CHECK_FALSE(next->plan.head.fields().contains("Set-Cookie"));
}

TEST_CASE("no content is stored as no content") {
    CacheBench bench;
    const auto client = bench.asking();
    CHECK(bench.answer(*client, "204\nCache-Control: max-age=60") == Reason::None);
    CHECK_FALSE(client->plan.fetch->answer().body);
    CHECK(bench.resolve(*client).kind == Resolution::Kind::Stream);
    const auto next = bench.asking();
    CHECK(next->plan.kind == Plan::Kind::Serve);
    CHECK(next->plan.entry->body_size() == 0);
}

TEST_CASE("rules that changed are asked before what they would not have stored is served") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nSet-Cookie: a=1\nETag: \"1\"\nContent-Length: 0");
    bench.policy.refuse_set_cookie = true;
    const auto client = bench.asking();
    CHECK(client->plan.kind == Plan::Kind::Wait);
    CHECK(client->plan.result.reason == Reason::PolicyChanged);
    CHECK_FALSE(client->plan.validate);
    CHECK_FALSE(client->plan.entry);
    bench.cache.fail(*client->plan.fetch, http::Error(http::ErrorKind::ConnectionRefused, "refused"));
    CHECK(bench.resolve(*client).kind == Resolution::Kind::Failed); // not in trouble either
}

TEST_CASE("a content that breaks off is never stored") {
    CacheBench bench;
    const auto client = bench.asking();
    bench.send(*client);
    Intake intake;
    bench.head(*client, "Cache-Control: max-age=60\nContent-Length: 5", intake);
    fill(*intake.body, "hel");
    bench.cache.abort(*client->plan.fetch, intake, kBrokeOff);
    CHECK(client->plan.fetch->answer().body->state() == store::Body::State::Failed);
    CHECK(bench.cache.fetches_in_flight() == 0);
    CHECK(bench.store->stats().objects == 0);
    CHECK(bench.asking()->plan.leader);
}

TEST_CASE("a purge is effective at once for what is stored") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 0");
    bench.stored("Cache-Control: max-age=60\nContent-Length: 0", "", "", "/b");
    PurgeMatcher matcher;
    matcher.path = "/a";
    bench.cache.purge(matcher);
    const auto client = bench.asking();
    CHECK(client->plan.kind == Plan::Kind::Wait);
    CHECK(client->plan.result.reason == Reason::Purged);
    CHECK_FALSE(client->plan.entry);
    CHECK(bench.store->stats().objects == 1);
    CHECK(bench.asking("", "/b")->plan.kind == Plan::Kind::Serve);
    CHECK(bench.asking("", "/b")->plan.entry->checked_sequence() == bench.cache.purges().current());
    // What is fetched after the purge lives.
    CHECK(bench.answer(*client, "Cache-Control: max-age=60\nContent-Length: 0") == Reason::None);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Serve);
}

TEST_CASE("a sweep frees what a purge killed and nothing else") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nContent-Length: 0");
    bench.stored("Cache-Control: max-age=60\nContent-Length: 0", "", "", "/b");
    PurgeMatcher matcher;
    matcher.path = "/";
    matcher.prefix = true;
    bench.cache.purge(matcher);
    bench.stored("Cache-Control: max-age=60\nContent-Length: 0", "", "", "/b2");
    CHECK(bench.cache.sweep(matcher) == 2);
    CHECK(bench.store->stats().objects == 1);
}

TEST_CASE("a response that was purged while it was validated is not brought back by a 304") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 3", "bad");
    bench.now = after(60);
    const auto client = bench.asking();
    REQUIRE(client->plan.validate);
    PurgeMatcher matcher;
    matcher.path = "/a";
    SUBCASE("before the request was sent") {
        bench.cache.purge(matcher);
        bench.send(*client);
    }
    SUBCASE("after it was sent") {
        bench.send(*client);
        bench.cache.purge(matcher);
    }
    Intake intake;
    CHECK(bench.head(*client, "304\nETag: \"1\"", intake) == HttpCache::BeginResult::RetryUnconditional);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait);
}

TEST_CASE("a response that was purged while it arrived is not stored") {
    CacheBench bench;
    const auto client = bench.asking();
    PurgeMatcher matcher;
    matcher.path = "/a";
    bench.send(*client);
    Intake intake;
    SUBCASE("before its head") {
        bench.cache.purge(matcher);
        bench.head(*client, "Cache-Control: max-age=60\nContent-Length: 1", intake);
        CHECK_FALSE(client->plan.fetch->answer().shared);
        CHECK(client->plan.fetch->answer().not_stored == Reason::PurgedMeanwhile);
    }
    SUBCASE("before its end") {
        bench.head(*client, "Cache-Control: max-age=60\nContent-Length: 1", intake);
        bench.cache.purge(matcher);
    }
    fill(*intake.body, "x");
    CHECK(bench.cache.finish(*client->plan.fetch, intake) == Reason::PurgedMeanwhile);
    CHECK(bench.store->stats().objects == 0);
    const auto next = bench.asking();
    CHECK(next->plan.kind == Plan::Kind::Wait); // and the key is not taken for one that cannot be stored
    CHECK(next->plan.leader);
}
