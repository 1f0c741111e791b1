// What several clients of one key get that ask while a fetch is in flight. One after another: http_cache_test.cpp.
#include "tests/unit/cache/http_cache_bench.h"

#include <array>

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;

TEST_CASE("a thousand clients of a cold key make one fetch and all get its answer") {
    CacheBench bench;
    const auto leader = bench.asking();
    std::vector<std::unique_ptr<Client>> others;
    for (unsigned i = 0; i < 1000; ++i) {
        others.push_back(bench.asking("", "/a", i % 2));
        CHECK(others.back()->plan.kind == Plan::Kind::Wait);
        CHECK_FALSE(others.back()->plan.leader);
        CHECK(others.back()->plan.result.collapsed);
        CHECK(others.back()->plan.fetch == leader->plan.fetch);
    }
    bench.answer(*leader, "Cache-Control: max-age=60\nContent-Length: 5", "hello");
    for (const auto& each : others) {
        CHECK(bench.resolve(*each).kind == Resolution::Kind::Stream);
    }
    CHECK(read_answer(*leader->plan.fetch) == "hello");
}

TEST_CASE("clients join while the content still arrives, and none finds neither fetch nor entry") {
    CacheBench bench;
    const auto leader = bench.asking();
    bench.send(*leader);
    Intake intake;
    bench.head(*leader, "Cache-Control: max-age=60\nContent-Length: 5", intake);
    fill(*intake.body, "he");
    const auto joiner = bench.asking();
    CHECK(joiner->plan.fetch == leader->plan.fetch);
    CHECK(bench.resolve(*joiner).kind == Resolution::Kind::Stream);
    auto cursor = joiner->plan.fetch->answer().body->open();
    REQUIRE(cursor);
    CHECK(drain(*cursor) == "he");
    fill(*intake.body, "llo");
    CHECK(bench.cache.finish(*leader->plan.fetch, intake) == Reason::None);
    CHECK(drain(*cursor) == "llo");
    CHECK(bench.asking()->plan.kind == Plan::Kind::Serve);
}

TEST_CASE("a fetch that ends between a look into the store and one at the fetches is found all the same") {
    CacheBench bench;
    const auto leader = bench.asking();
    const char* const fields = "Cache-Control: max-age=60\nContent-Length: 5";
    SUBCASE("stored") {
        bench.store->after_lookup = [&] { bench.answer(*leader, fields, "hello"); };
        const auto other = bench.asking();
        CHECK(other->plan.kind == Plan::Kind::Serve);
        CHECK(stored_text(other->plan.entry) == "hello");
        CHECK(bench.cache.fetches_in_flight() == 0);
    }
    SUBCASE("purged at once") {
        bench.store->after_lookup = [&] {
            bench.answer(*leader, fields, "hello");
            PurgeMatcher matcher;
            matcher.path = "/a";
            bench.cache.purge(matcher);
        };
        const auto other = bench.asking();
        CHECK(other->plan.kind == Plan::Kind::Wait);
        CHECK(other->plan.leader);
    }
    SUBCASE("not stored") {
        bench.store->after_lookup = [&] {
            bench.cache.fail(*leader->plan.fetch, http::Error(http::ErrorKind::ConnectionRefused, "refused"));
        };
        CHECK(bench.asking()->plan.leader);
    }
    SUBCASE("for a client that wants an answer of its own") {
        bench.store->after_lookup = [&] { bench.answer(*leader, fields, "hello"); };
        CHECK(bench.asking("Cache-Control: no-cache")->plan.leader);
    }
}

TEST_CASE("a fetch whose answer went stale is not joined") {
    CacheBench bench;
    const auto leader = bench.asking();
    bench.send(*leader);
    Intake intake;
    bench.head(*leader, "Cache-Control: max-age=10\nContent-Length: 5", intake);
    bench.now = after(10);
    const auto late = bench.asking();
    CHECK(late->plan.leader);
    CHECK(late->plan.fetch != leader->plan.fetch);
    bench.cache.abort(*leader->plan.fetch, intake, kBrokeOff);
    bench.cache.fail(*late->plan.fetch, {});
}

TEST_CASE("an answer that went stale while clients waited is for those that had come before it was asked for") {
    CacheBench bench;
    const auto leader = bench.asking();
    const auto other = bench.asking();
    bench.send(*leader);
    const auto late = bench.asking();
    CHECK(late->plan.fetch == leader->plan.fetch);
    Intake intake;
    bench.head(*leader, "Cache-Control: max-age=10\nContent-Length: 0", intake);
    bench.cache.finish(*leader->plan.fetch, intake);
    bench.now = after(10);
    CHECK(bench.resolve(*leader).kind == Resolution::Kind::Stream); // its own
    CHECK(bench.resolve(*other).kind == Resolution::Kind::Stream);
    const Resolution resolution = bench.resolve(*late);
    CHECK(resolution.kind == Resolution::Kind::Rejoin);
    CHECK(resolution.result.reason == Reason::NotShareable);
}

TEST_CASE("an answer that is not storable releases those who wait, and the key is remembered") {
    CacheBench bench;
    const auto leader = bench.asking();
    const auto other = bench.asking("", "/a", 1);
    CHECK(bench.answer(*leader, "Cache-Control: no-store\nContent-Length: 1", "x") == Reason::ResponseNoStore);
    CHECK(bench.resolve(*leader).kind == Resolution::Kind::Stream);
    CHECK(bench.resolve(*other).kind == Resolution::Kind::Alone);
    const auto next = bench.asking();
    CHECK(next->plan.kind == Plan::Kind::Alone);
    CHECK(next->plan.may_store);
    CHECK(next->plan.result.reason == Reason::KnownUncacheable);
    CHECK_FALSE(bench.asking("HEAD")->plan.may_store);
    bench.now = after(60);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait);
}

TEST_CASE("a key that turns storable again is forgotten as unstorable and stored at once") {
    CacheBench bench;
    bench.answer(*bench.asking(), "Cache-Control: no-store\nContent-Length: 0");
    const auto alone = bench.asking();
    REQUIRE(alone->plan.kind == Plan::Kind::Alone);
    bench.go_alone(*alone);
    CHECK(bench.answer(*alone, "Cache-Control: max-age=60\nContent-Length: 5", "hello") == Reason::None);
    CHECK_FALSE(alone->plan.fetch->answer().shared);
    const Resolution resolution = bench.resolve(*alone);
    CHECK(resolution.kind == Resolution::Kind::Stream);
    CHECK(resolution.result.stored);
    CHECK(resolution.result.ttl_seconds == 60);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Serve);
    bench.now = after(60);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait);
}

TEST_CASE("a passing error does not make a key unstorable: the next clients collapse again") {
    CacheBench bench;
    for (const char* answer : {"500", "502", "503", "504"}) {
        CAPTURE(answer);
        const auto leader = bench.asking();
        REQUIRE(leader->plan.kind == Plan::Kind::Wait);
        bench.answer(*leader, std::string(answer) + "\nContent-Length: 0");
    }
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait);
}

TEST_CASE("a failure before the head is one result for all who wait") {
    CacheBench bench;
    const auto leader = bench.asking();
    const auto other = bench.asking("", "/a", 1);
    bench.cache.fail(*leader->plan.fetch, http::Error(http::ErrorKind::DnsError, "no such host"));
    for (const Client* each : {leader.get(), other.get()}) {
        const Resolution resolution = bench.cache.resolve(bench.context(*each), each->plan);
        CHECK(resolution.kind == Resolution::Kind::Failed);
        CHECK(each->plan.fetch->answer().error.kind == http::ErrorKind::DnsError);
    }
    CHECK(bench.asking()->plan.leader);
}

TEST_CASE("a content that broke off before a client was told anything is a failure, and one result for all") {
    CacheBench bench;
    const auto break_off = [&bench](Client& leader, const char* fields) {
        bench.send(leader);
        Intake intake;
        bench.head(leader, fields, intake);
        fill(*intake.body, "hel");
        bench.cache.abort(*leader.plan.fetch, intake, http::Error(http::ErrorKind::ResponseTimeout, "it paused"));
    };
    const char* const fields = "Vary: Accept-Language\nCache-Control: max-age=60\nContent-Length: 5";
    SUBCASE("nothing stored") {
        const auto leader = bench.asking("Accept-Language: de");
        const auto other = bench.asking("Accept-Language: de", "/a", 1);
        const auto english = bench.asking("Accept-Language: en", "/a", 1);
        break_off(*leader, fields);
        for (Client* each : {leader.get(), other.get()}) {
            const Resolution resolution = bench.resolve(*each);
            CHECK(resolution.kind == Resolution::Kind::Failed);
            CHECK(resolution.error.kind == http::ErrorKind::ResponseTimeout);
            CHECK(resolution.result.error);
            CHECK(resolution.result.reason == Reason::OriginError);
            CHECK_FALSE(resolution.result.stored);
        }
        CHECK(bench.resolve(*english).kind == Resolution::Kind::Rejoin); // it was not for this one
    }
    SUBCASE("something stale") {
        bench.stored("Cache-Control: max-age=60, stale-if-error=600\nContent-Length: 5", "hello");
        bench.now = after(61);
        const auto leader = bench.asking();
        const auto other = bench.asking("", "/a", 1);
        break_off(*leader, fields);
        for (Client* each : {leader.get(), other.get()}) {
            const Resolution resolution = bench.resolve(*each);
            CHECK(resolution.kind == Resolution::Kind::Serve);
            CHECK(resolution.result.reason == Reason::StaleIfError);
            CHECK(stored_text(resolution.entry) == "hello");
        }
    }
    SUBCASE("passed through") {
        const auto client = bench.asking("POST");
        bench.go_alone(*client);
        break_off(*client, "Content-Length: 5");
        CHECK(bench.resolve(*client).kind == Resolution::Kind::Failed);
    }
}

TEST_CASE("clients of a stale key make one conditional fetch, and all get what the 304 freshened") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 5", "hello");
    bench.now = after(60);
    const auto leader = bench.asking();
    const auto other = bench.asking("", "/a", 1);
    CHECK(other->plan.fetch == leader->plan.fetch);
    bench.answer(*leader, "304\nETag: \"1\"");
    for (Client* each : {leader.get(), other.get()}) {
        const Resolution resolution = bench.resolve(*each);
        CHECK(resolution.kind == Resolution::Kind::Serve);
        CHECK(resolution.result.ttl_seconds == 60);
        CHECK(stored_text(resolution.entry) == "hello");
    }
}

TEST_CASE("clients that may not be served stale fail where those that may are served") {
    CacheBench bench;
    bench.stored("Cache-Control: max-age=60, stale-if-error=600\nETag: \"1\"\nContent-Length: 0");
    bench.now = after(61);
    const auto leader = bench.asking();
    const auto other = bench.asking();
    bench.cache.fail(*leader->plan.fetch, http::Error(http::ErrorKind::ConnectionRefused, "refused"));
    CHECK(bench.resolve(*leader).kind == Resolution::Kind::Serve);
    bench.now = after(60 + 601);
    CHECK(bench.resolve(*other).kind == Resolution::Kind::Failed);
}

TEST_CASE("an origin that cannot be reached, and one that answers nonsense, are different failures") {
    using http::ErrorKind;
    struct Row {
        ErrorKind kind;
        bool is_disconnected;
    };
    const Row rows[] = {
        {ErrorKind::DnsError, true},
        {ErrorKind::DnsTimeout, true},
        {ErrorKind::ConnectionRefused, true},
        {ErrorKind::ConnectionTimeout, true},
        {ErrorKind::ConnectionTerminated, true},
        {ErrorKind::ResponseTimeout, true},
        {ErrorKind::OriginUnavailable, true},
        {ErrorKind::TlsCertificateError, false},
        {ErrorKind::TlsProtocolError, false},
        {ErrorKind::ProtocolError, false},
        {ErrorKind::ResponseHeadTooLarge, false},
        {ErrorKind::Internal, false},
    };
    for (const Row& row : rows) {
        CAPTURE(http::to_string(row.kind));
        CacheBench bench;
        bench.policy.stale_if_disconnected = std::chrono::seconds(60);
        bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 0");
        bench.now = after(61);
        const auto client = bench.asking();
        bench.cache.fail(*client->plan.fetch, http::Error(row.kind, "failed"));
        const Resolution resolution = bench.resolve(*client);
        CHECK((resolution.kind == Resolution::Kind::Serve) == row.is_disconnected);
        CHECK((resolution.result.reason == Reason::StaleIfDisconnected) == row.is_disconnected);
        CHECK((resolution.kind == Resolution::Kind::Failed) == !row.is_disconnected);
        const bool is_the_origins = http::source_of(row.kind) == http::ErrorSource::Upstream;
        CHECK((resolution.result.reason == Reason::OriginError) == (is_the_origins && !row.is_disconnected));
    }
}

TEST_CASE("an answer for another variant is joined again: one fetch for each variant") {
    CacheBench bench;
    const auto german = bench.asking("Accept-Language: de");
    std::vector<std::unique_ptr<Client>> english;
    for (int i = 0; i < 3; ++i) {
        english.push_back(bench.asking("Accept-Language: en"));
        CHECK(english.back()->plan.fetch == german->plan.fetch); // nobody knows yet what varies
    }
    const auto german_too = bench.asking("Accept-Language: de");
    bench.send(*german);
    Intake intake;
    bench.head(*german, "Vary: Accept-Language\nCache-Control: max-age=60\nContent-Length: 5", intake);
    CHECK(bench.resolve(*german_too).kind == Resolution::Kind::Stream);
    for (auto& each : english) {
        CHECK(bench.resolve(*each).kind == Resolution::Kind::Rejoin);
        bench.ask(*each);
    }
    CHECK(english[0]->plan.leader);
    CHECK(english[0]->plan.fetch->vary_names == "accept-language");
    CHECK(english[1]->plan.fetch == english[0]->plan.fetch);
    CHECK(english[2]->plan.fetch == english[0]->plan.fetch);
    CHECK(bench.cache.fetches_in_flight() == 2);
    // Now it is known what varies.
    CHECK(bench.asking("Accept-Language: fr")->plan.leader);
    fill(*intake.body, "hallo");
    bench.cache.finish(*german->plan.fetch, intake);
    bench.answer(*english[0], "Vary: Accept-Language\nCache-Control: max-age=60\nContent-Length: 5", "hello");
    CHECK(bench.resolve(*english[2]).kind == Resolution::Kind::Stream);
    CHECK(stored_text(bench.asking("Accept-Language: de")->plan.entry) == "hallo");
    CHECK(stored_text(bench.asking("Accept-Language: en")->plan.entry) == "hello");
    CHECK(bench.asking("Accept-Language: it")->plan.result.reason == Reason::VaryMiss);
}

TEST_CASE("a client that wants it from the origin leads its own fetch, and others join the newest") {
    CacheBench bench;
    struct Row {
        const char* request;
        Reason fresh; // the reason while something fresh is stored
    };
    const std::array<Row, 2> rows = {
        {{"Cache-Control: no-cache", Reason::RequestNoCache}, {"Cache-Control: max-age=0", Reason::RequestMaxAge}}};
    for (const Row& row : rows) {
        SUBCASE(row.request) {
            SUBCASE("nothing stored") {}
            SUBCASE("fresh") {
                bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 0");
                CHECK(bench.asking(row.request)->plan.result.reason == row.fresh);
            }
            SUBCASE("stale") {
                bench.stored("Cache-Control: max-age=60\nETag: \"1\"\nContent-Length: 0");
                bench.now = after(61);
            }
            const auto before = bench.asking();
            const auto client = bench.asking(row.request);
            CHECK(client->plan.kind == Plan::Kind::Wait);
            CHECK(client->plan.leader);
            CHECK(client->plan.fetch != before->plan.fetch);
            const auto another = bench.asking(row.request);
            CHECK(another->plan.leader);
        }
    }
}

TEST_CASE("of two fetches of one thing the request that was sent later wins, whichever ends first") {
    CacheBench bench;
    const auto slow = bench.asking();
    const auto quick = bench.asking("Cache-Control: no-cache");
    REQUIRE(quick->plan.leader);
    const char* const fields = "Cache-Control: max-age=60\nContent-Length: 3";
    SUBCASE("the later one ends first") {
        bench.send(*slow);
        bench.send(*quick);
        Intake intake;
        bench.head(*slow, fields, intake);
        fill(*intake.body, "old");
        Intake newer;
        bench.head(*quick, fields, newer);
        fill(*newer.body, "new");
        CHECK(bench.cache.finish(*quick->plan.fetch, newer) == Reason::None);
        CHECK(bench.cache.finish(*slow->plan.fetch, intake) == Reason::Superseded);
        CHECK(read_answer(*slow->plan.fetch) == "old"); // its own clients have it all the same
    }
    SUBCASE("the later one ends last") {
        CHECK(bench.answer(*slow, fields, "old") == Reason::None);
        CHECK(bench.answer(*quick, fields, "new") == Reason::None);
    }
    SUBCASE("the one that was made first is sent again last") {
        bench.send(*slow);
        CHECK(bench.answer(*quick, fields, "old") == Reason::None);
        CHECK(bench.answer(*slow, fields, "new") == Reason::None);
    }
    CHECK(stored_text(bench.asking()->plan.entry) == "new");
    CHECK(bench.store->stats().objects == 1);
}

TEST_CASE("beyond limits.waiters_per_fetch requests go to the origin alone") {
    HttpCache::Options options;
    options.waiters_per_fetch = 2;
    CacheBench bench(4 * 1024 * 1024, 256 * 1024, options);
    const auto leader = bench.asking();
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(bench.asking("", "/a", 1));
        const bool waits = i < 2;
        CAPTURE(i);
        CHECK((clients.back()->plan.kind == Plan::Kind::Wait) == waits);
        CHECK((clients.back()->plan.fetch == leader->plan.fetch) == waits);
        CHECK(clients.back()->plan.result.collapsed == waits);
    }
    const Plan& alone = clients.back()->plan;
    CHECK(alone.kind == Plan::Kind::Alone);
    CHECK_FALSE(alone.may_store); // what it brings is being stored already
    CHECK_FALSE(alone.fetch);
    CHECK(alone.result.reason == Reason::TooManyWaiters);
    CHECK(alone.result.forwarded == Forwarded::UriMiss);
    CHECK(bench.cache.fetches_in_flight() == 1);
    CHECK(bench.asking("", "/b")->plan.leader); // each fetch for itself

    bench.send(*leader);
    Intake intake;
    bench.head(*leader, "Cache-Control: max-age=60\nContent-Length: 5", intake);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait); // it only reads, it does not wait
    bench.cache.abort(*leader->plan.fetch, intake, kBrokeOff);
}

TEST_CASE("what is served while others revalidate it waits for nothing and counts for no limit") {
    HttpCache::Options options;
    options.waiters_per_fetch = 1;
    CacheBench bench(4 * 1024 * 1024, 256 * 1024, options);
    bench.stored("Cache-Control: max-age=60, stale-while-revalidate=30\nETag: \"1\"\nContent-Length: 0");
    bench.now = after(61);
    const auto first = bench.asking();
    REQUIRE(first->plan.leader);
    for (int i = 0; i < 3; ++i) {
        CHECK(bench.asking()->plan.kind == Plan::Kind::Serve);
    }
    bench.now = after(91); // now they wait
    CHECK(bench.asking()->plan.kind == Plan::Kind::Wait);
    const auto beyond = bench.asking();
    CHECK(beyond->plan.kind == Plan::Kind::Alone);
    CHECK(beyond->plan.result.forwarded == Forwarded::Stale);
    CHECK(beyond->plan.entry); // to be served if the origin fails
}

TEST_CASE("a purge parts those who asked before it from those who ask after it") {
    CacheBench bench;
    const auto leader = bench.asking();
    PurgeMatcher matcher;
    matcher.path = "/a";
    SUBCASE("the request was not sent yet") {
        bench.cache.purge(matcher);
        const auto late = bench.asking();
        CHECK(late->plan.leader);
        bench.send(*leader); // newer than the purge now
        const auto later = bench.asking();
        CHECK_FALSE(later->plan.leader);
        bench.answer(*leader, "Cache-Control: max-age=60\nContent-Length: 0");
        CHECK(bench.store->stats().objects == 1);
    }
    SUBCASE("it was sent") {
        bench.send(*leader);
        bench.cache.purge(matcher);
        CHECK(bench.asking()->plan.leader);
    }
    SUBCASE("its head had arrived") {
        bench.send(*leader);
        Intake intake;
        bench.head(*leader, "Cache-Control: max-age=60\nContent-Length: 1", intake);
        CHECK_FALSE(bench.asking()->plan.leader);
        bench.cache.purge(matcher);
        CHECK(bench.asking()->plan.leader);
        fill(*intake.body, "x");
        CHECK(bench.cache.finish(*leader->plan.fetch, intake) == Reason::PurgedMeanwhile);
    }
    SUBCASE("another path") {
        bench.send(*leader);
        matcher.path = "/b";
        bench.cache.purge(matcher);
        CHECK_FALSE(bench.asking()->plan.leader);
    }
}

TEST_CASE("a content that grows too large is relayed to those who read it and takes no further readers") {
    CacheBench bench;
    const auto leader = bench.asking();
    const auto joined = bench.asking();
    leader->plan.fetch->expect_initiator();
    bench.send(*leader);
    Intake intake;
    bench.head(*leader, "Cache-Control: max-age=60\nTransfer-Encoding: chunked", intake);
    REQUIRE(intake.writer);
    auto cursor = leader->plan.fetch->take_initiator_cursor();
    REQUIRE(cursor);
    fill(*intake.body, "abc");
    bench.cache.detach(*leader->plan.fetch, intake, Reason::ResponseTooLarge, bench.now);
    CHECK_FALSE(intake.writer);
    CHECK(bench.cache.fetches_in_flight() == 0);
    const Resolution late = bench.resolve(*joined);
    CHECK(late.kind == Resolution::Kind::Alone);
    fill(*intake.body, "def");
    CHECK(bench.cache.finish(*leader->plan.fetch, intake) == Reason::ResponseTooLarge);
    CHECK(drain(*cursor) == "abcdef");
    cursor.reset();
    CHECK(bench.store->stats().objects == 0);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Alone);
}

TEST_CASE("a response known to be too large at its head is not collapsed") {
    CacheBench bench;
    const auto leader = bench.asking();
    const auto joined = bench.asking();
    bench.send(*leader);
    Intake intake;
    bench.head(*leader, "Cache-Control: max-age=60\nContent-Length: 262145", intake);
    CHECK_FALSE(intake.writer);
    CHECK(intake.body->mode() == store::Body::Mode::Window);
    CHECK(leader->plan.fetch->answer().not_stored == Reason::ResponseTooLarge);
    CHECK(bench.resolve(*joined).kind == Resolution::Kind::Alone);
    CHECK(bench.asking()->plan.kind == Plan::Kind::Alone);
    bench.cache.abort(*leader->plan.fetch, intake, kBrokeOff);
}

TEST_CASE("memory that is all pinned lets a response pass and does not hold it against the key") {
    CacheBench bench(1024 * 1024);
    const auto leader = bench.asking();
    bench.send(*leader);
    Intake intake;
    bench.head(*leader, "Cache-Control: max-age=60\nTransfer-Encoding: chunked", intake);
    REQUIRE(intake.writer);
    std::vector<std::unique_ptr<store::Writer>> pins;
    const auto pin = [&](std::size_t bytes) {
        for (int i = 0; i < 4096; ++i) {
            store::PutFacts facts;
            const std::string key = CacheBench::key_for("/pin" + std::to_string(i));
            facts.key = key;
            facts.hash = store::hash_key(key);
            pins.push_back(bench.store->open_writer(facts, bytes));
            if (fill(*pins.back()->body(), std::string(bytes, 'p')) < bytes) {
                break;
            }
        }
    };
    SUBCASE("while the content arrives") {
        pin(4096);
        pin(64);
        CHECK(intake.body->prepare().state == store::Body::RoomState::Exhausted);
        bench.cache.detach(*leader->plan.fetch, intake, Reason::MemoryBudget, bench.now);
        CHECK(fill(*intake.body, "x") == 1);
    }
    SUBCASE("when it is committed") {
        fill(*intake.body, "x");
        pin(4096);
        pin(64);
    }
    CHECK(bench.cache.finish(*leader->plan.fetch, intake) == Reason::MemoryBudget);
    CHECK(bench.store->stats().objects == 0);
    const auto next = bench.asking();
    CHECK(next->plan.kind == Plan::Kind::Wait);
    CHECK(next->plan.leader);
}

TEST_CASE("whoever was fetched for everybody is wanted, and a private fetch only by its client") {
    CacheBench bench;
    const auto leader = bench.asking();
    leader->plan.fetch->expect_initiator();
    leader->plan.fetch->initiator_left(); // before the head
    CHECK(leader->plan.fetch->wanted());
    CHECK(bench.answer(*leader, "Cache-Control: max-age=60\nContent-Length: 5", "hello") == Reason::None);
    CHECK(stored_text(bench.asking()->plan.entry) == "hello");

    const auto post = bench.asking("POST");
    bench.go_alone(*post);
    post->plan.fetch->expect_initiator();
    CHECK(post->plan.fetch->wanted());
    post->plan.fetch->initiator_left();
    CHECK_FALSE(post->plan.fetch->wanted());
}
