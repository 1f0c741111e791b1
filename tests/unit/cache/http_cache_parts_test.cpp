// Partial content: parts that are stored, found, validated, completed and combined.
#include "tests/unit/cache/http_cache_bench.h"

#include "cache/policy/partial.h"

#include <array>

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;

namespace {

const std::string kContent = "0123456789";

// Where ranges are passed, also of what is known to be small.
struct PassingBench : CacheBench {
    explicit PassingBench(std::uint64_t size_bytes = 4 * 1024 * 1024, std::uint64_t max_object_bytes = 256 * 1024)
        : CacheBench(size_bytes, max_object_bytes) {
        policy.range = config::RangeHandling::Pass;
    }
};

// A request with this Range, which went to the origin alone. Returns why the answer was not stored.
Reason fetch_part(CacheBench& bench, const std::string& range, const std::string& response, std::string_view body,
                  const std::string& request = "") {
    const auto client = bench.asking("Range: bytes=" + range + (request.empty() ? "" : "\n" + request));
    CHECK(client->plan.kind == Plan::Kind::Alone);
    CHECK(client->plan.as_part);
    bench.go_alone(*client);
    return bench.answer(*client, response, body);
}

// The head of a 206 with these bytes of kContent.
std::string part_head(std::size_t first, std::size_t last, const std::string& fields = "ETag: \"1\"") {
    return "206\nContent-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) +
           "/10\nCache-Control: max-age=60\nContent-Length: " + std::to_string(last - first + 1) +
           (fields.empty() ? "" : "\n" + fields);
}

Reason store_part(CacheBench& bench, std::size_t first, std::size_t last, const std::string& fields = "ETag: \"1\"",
                  const std::string& request = "") {
    return fetch_part(bench, std::to_string(first) + "-" + std::to_string(last), part_head(first, last, fields),
                      kContent.substr(first, last - first + 1), request);
}

// What a request for this range gets from the store: the bytes, or "" when it is forwarded.
std::string held(CacheBench& bench, const std::string& range, const std::string& request = "") {
    const auto client = bench.asking("Range: bytes=" + range + (request.empty() ? "" : "\n" + request));
    if (client->plan.kind != Plan::Kind::Serve) {
        return "";
    }
    const auto& entry = client->plan.entry;
    const auto assembly =
        client->plan.head.facts.is_part
            ? policy::assemble_part(client->request, client->plan.head, entry->body_size(), bench.now, 0)
            : policy::assemble(client->request, client->plan.head, entry->body_size(), bench.now, 0);
    REQUIRE(assembly);
    REQUIRE(assembly->spans.size() == 1);
    return stored_text(entry).substr(assembly->spans[0].first - assembly->content_first, assembly->spans[0].size());
}

std::size_t objects(const CacheBench& bench) { return bench.store->stats().objects; }

// A request for the whole whose fetch asks for the rest.
std::unique_ptr<Client> completing(CacheBench& bench, std::uint64_t from) {
    auto client = bench.asking();
    REQUIRE(client->plan.kind == Plan::Kind::Wait);
    REQUIRE(client->plan.leader);
    REQUIRE(client->plan.fetch->completing.beginning);
    CHECK_FALSE(client->plan.fetch->completing.end);
    CHECK(client->plan.fetch->completing.beginning->body_size() == from);
    CHECK(client->plan.result.reason == Reason::PartialMiss);
    CHECK(client->plan.result.forwarded == Forwarded::Partial);
    return client;
}

} // namespace

TEST_CASE("a part is stored, and answers the ranges that lie within it") {
    PassingBench bench;
    CHECK(store_part(bench, 4, 8) == Reason::None);
    CHECK(objects(bench) == 1);
    CHECK(held(bench, "4-8") == "45678");
    CHECK(held(bench, "5-6") == "56");
    CHECK(held(bench, "3-8").empty());
    CHECK(held(bench, "8-9").empty());
    bench.now = after(60);
    CHECK(held(bench, "4-8").empty());
}

TEST_CASE("a part answers nothing but ranges") {
    CacheBench bench;
    CHECK(store_part(bench, 4, 8) == Reason::None);
    for (const char* request : {"", "HEAD", "Range: bytes=4-5,8-9"}) {
        CAPTURE(request);
        bench.policy.range = config::RangeHandling::Pass;
        const auto client = bench.asking(request);
        CHECK(client->plan.kind != Plan::Kind::Serve);
        CHECK(client->plan.result.reason == Reason::PartialMiss);
        CHECK(client->plan.result.forwarded == Forwarded::Partial);
        CHECK_FALSE(client->plan.entry);
    }
    CHECK(bench.asking("Cache-Control: only-if-cached")->plan.kind == Plan::Kind::GatewayTimeout);
    CHECK(bench.asking("Range: bytes=4-5\nCache-Control: only-if-cached")->plan.kind == Plan::Kind::Serve);
}

TEST_CASE("what is not stored as a part, and why") {
    struct Row {
        const char* name;
        std::string response;
        std::string_view body;
        Reason reason;
    };
    const Row rows[] = {
        {"no-store", "206\nContent-Range: bytes 0-1/10\nCache-Control: no-store\nContent-Length: 2", "01",
         Reason::ResponseNoStore},
        {"unknown length", "206\nContent-Range: bytes 0-1/*\nCache-Control: max-age=60\nContent-Length: 2", "01",
         Reason::ContentRange},
        {"more bytes than it says", "206\nContent-Range: bytes 0-1/10\nCache-Control: max-age=60\nContent-Length: 3",
         "012", Reason::ContentRange},
        {"no byte at all", "206\nContent-Range: bytes 0-1/10\nCache-Control: max-age=60\nContent-Length: 0", "",
         Reason::ContentRange},
        {"fewer, ended by the connection", "206\nContent-Range: bytes 0-2/10\nCache-Control: max-age=60", "01",
         Reason::ContentRange},
        {"all, ended by the connection", "206\nContent-Range: bytes 0-1/10\nCache-Control: max-age=60", "01",
         Reason::None},
        {"fewer, by a length", "206\nContent-Range: bytes 0-2/10\nCache-Control: max-age=60\nContent-Length: 2", "01",
         Reason::None},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CacheBench bench;
            CHECK(fetch_part(bench, "0-1", row.response, row.body) == row.reason);
            CHECK(objects(bench) == (row.reason == Reason::None ? 1 : 0));
        }
    }
}

TEST_CASE("a 206 that nobody asked for is no part, and is shared with nobody") {
    CacheBench bench;
    const auto client = bench.asking();
    const auto other = bench.asking();
    REQUIRE(other->plan.fetch == client->plan.fetch);
    CHECK(bench.answer(*client, part_head(0, 4), "01234") == Reason::ContentRange);
    CHECK(bench.resolve(*client).kind == Resolution::Kind::Stream);
    CHECK(bench.resolve(*other).kind == Resolution::Kind::Alone);
    CHECK(objects(bench) == 0);
}

TEST_CASE("a whole answer to a range is stored as a whole") {
    CacheBench bench;
    CHECK(fetch_part(bench, "0-1", "200\nCache-Control: max-age=60\nContent-Length: 10", kContent) == Reason::None);
    const auto client = bench.asking();
    CHECK(client->plan.kind == Plan::Kind::Serve);
    CHECK(stored_text(client->plan.entry) == kContent);
    CHECK(held(bench, "2-3") == "23");
}

TEST_CASE("a stale part is validated, and a 304 freshens it") {
    CacheBench bench;
    CHECK(store_part(bench, 4, 8) == Reason::None);
    bench.now = after(60);
    const auto client = bench.asking("Range: bytes=5-6");
    CHECK(client->plan.kind == Plan::Kind::Alone);
    CHECK(client->plan.as_part);
    CHECK(client->plan.validate);
    CHECK(client->plan.result.reason == Reason::Stale);
    bench.go_alone(*client);
    CHECK(bench.answer(*client, "304\nETag: \"1\"\nCache-Control: max-age=100") == Reason::None);
    const Resolution resolution = bench.resolve(*client);
    CHECK(resolution.kind == Resolution::Kind::Serve);
    CHECK(resolution.head.facts.is_part);
    CHECK(resolution.result.revalidated);
    CHECK(held(bench, "5-6") == "56");
    CHECK(objects(bench) == 1);
}

TEST_CASE("a stale part with a window for revalidation is validated first") {
    CacheBench bench;
    CHECK(fetch_part(bench, "0-1",
                     "206\nContent-Range: bytes 0-1/10\nCache-Control: max-age=60, stale-while-revalidate=60\n"
                     "ETag: \"1\"\nContent-Length: 2",
                     "01") == Reason::None);
    bench.now = after(61);
    const auto client = bench.asking("Range: bytes=0-1");
    CHECK(client->plan.kind == Plan::Kind::Alone);
    CHECK(client->plan.validate);
}

TEST_CASE("variants have parts of their own") {
    PassingBench bench;
    const std::string german = "ETag: \"de\"\nVary: Accept-Language";
    const std::string english = "ETag: \"en\"\nVary: Accept-Language";
    CHECK(store_part(bench, 0, 4, german, "Accept-Language: de") == Reason::None);
    CHECK(store_part(bench, 5, 9, english, "Accept-Language: en") == Reason::None);
    CHECK(held(bench, "1-2", "Accept-Language: de") == "12");
    CHECK(held(bench, "1-2", "Accept-Language: en").empty());
    CHECK(held(bench, "6-7", "Accept-Language: en") == "67");
    CHECK(stored_text(bench.asking("Accept-Language: de")->plan.fetch->completing.beginning) == "01234");
    CHECK(stored_text(bench.asking("Accept-Language: en")->plan.fetch->completing.end) == "56789");
}

TEST_CASE("parts that touch each other become one (RFC 9111 section 3.4)") {
    struct Row {
        const char* name;
        std::vector<std::array<std::size_t, 2>> parts; // in the order in which they come
        const char* range;
        const char* content; // that is then held
        std::size_t objects;
    };
    const Row rows[] = {
        {"side by side", {{0, 2}, {3, 5}}, "1-4", "1234", 1},
        {"side by side, the later one first", {{3, 5}, {0, 2}}, "1-4", "1234", 1},
        {"overlapping", {{0, 3}, {2, 5}}, "1-4", "1234", 1},
        {"one within the other", {{0, 5}, {2, 3}}, "0-5", "012345", 1},
        {"the other within the one", {{2, 3}, {0, 5}}, "0-5", "012345", 1},
        {"the same again", {{2, 3}, {2, 3}}, "2-3", "23", 1},
        {"a gap", {{0, 2}, {4, 5}}, "1-4", "", 2},
        {"a gap that is closed", {{0, 2}, {6, 8}, {3, 5}}, "0-8", "012345678", 1},
        {"a gap that is more than closed", {{0, 3}, {6, 8}, {2, 7}}, "0-8", "012345678", 1},
        {"everything", {{0, 4}, {5, 9}}, "0-9", "0123456789", 1},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            PassingBench bench;
            for (const auto& [first, last] : row.parts) {
                if (held(bench, std::to_string(first) + "-" + std::to_string(last)).empty()) {
                    CHECK(store_part(bench, first, last) == Reason::None);
                }
            }
            CHECK(held(bench, row.range) == row.content);
            CHECK(objects(bench) == row.objects);
        }
    }
}

TEST_CASE("parts that make up all of it are a whole response, with the newest fields") {
    PassingBench bench;
    CHECK(store_part(bench, 0, 4, "ETag: \"1\"\nA: 1\nB: 1") == Reason::None);
    bench.now = after(10);
    CHECK(store_part(bench, 5, 9, "ETag: \"1\"\nA: 2") == Reason::None);
    const auto client = bench.asking();
    REQUIRE(client->plan.kind == Plan::Kind::Serve);
    CHECK(client->plan.head.facts.status == 200);
    CHECK(client->plan.head.fields().combined("A") == "2");
    CHECK(client->plan.head.fields().combined("B") == "1");
    CHECK_FALSE(client->plan.head.fields().contains("Content-Range"));
    CHECK(client->plan.result.ttl_seconds == 60);
    CHECK(stored_text(client->plan.entry) == kContent);
}

TEST_CASE("parts that do not share a strong validator stay apart") {
    struct Row {
        const char* first;
        const char* second;
        bool immutable;
        bool combined;
    };
    const Row rows[] = {
        {"ETag: \"1\"", "ETag: \"2\"", false, false},
        {"ETag: W/\"1\"", "ETag: W/\"1\"", false, false},
        {"", "", false, false},
        {"", "", true, true},
        {"ETag: \"1\"", "ETag: \"2\"", true, false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.first);
        PassingBench bench;
        bench.policy.immutable = row.immutable;
        CHECK(store_part(bench, 0, 2, row.first) == Reason::None);
        CHECK(store_part(bench, 3, 5, row.second) == Reason::None);
        CHECK((held(bench, "1-4") == "1234") == row.combined);
        CHECK(objects(bench) == (row.combined ? 1 : 2));
    }
}

TEST_CASE("parts that would be too large together stay apart") {
    PassingBench bench(4 * 1024 * 1024, 4);
    CHECK(store_part(bench, 0, 2) == Reason::None);
    CHECK(store_part(bench, 3, 5) == Reason::None);
    CHECK(objects(bench) == 2);
    CHECK_FALSE(bench.asking()->plan.fetch->completing);
}

TEST_CASE("a part that was purged takes no part in anything") {
    PassingBench bench;
    CHECK(store_part(bench, 0, 2) == Reason::None);
    PurgeMatcher matcher;
    matcher.path = "/a";
    bench.cache.purge(matcher);
    CHECK(held(bench, "0-1").empty());
    CHECK_FALSE(bench.asking()->plan.fetch->completing);
    CHECK(store_part(bench, 3, 5) == Reason::None);
    CHECK(held(bench, "3-5") == "345");
    CHECK(held(bench, "2-4").empty());
}

TEST_CASE("a beginning is completed, and streams from its first byte on") {
    CacheBench bench;
    CHECK(store_part(bench, 0, 4, "ETag: \"1\"\nA: 1\nB: 1") == Reason::None);
    bench.now = after(70); // also a stale one: If-Range proves that it is current
    const auto client = completing(bench, 5);
    const auto other = bench.asking();
    CHECK(other->plan.fetch == client->plan.fetch);
    bench.send(*client);
    Intake intake;
    REQUIRE(bench.head(*client, part_head(5, 9, "ETag: \"1\"\nA: 2"), intake) == HttpCache::BeginResult::Answered);
    const Answer& answer = client->plan.fetch->answer();
    CHECK(answer.status == 200);
    CHECK(answer.length == 10);
    CHECK(answer.stored);
    CHECK(read_answer(*client->plan.fetch) == "01234");
    CHECK(bench.resolve(*other).kind == Resolution::Kind::Stream);
    CHECK(fill(*intake.body, "56789") == 5);
    CHECK(bench.cache.finish(*client->plan.fetch, intake) == Reason::None);
    CHECK(read_answer(*client->plan.fetch) == kContent);
    const Resolution mine = bench.resolve(*client);
    CHECK(mine.kind == Resolution::Kind::Stream);
    CHECK(mine.result.stored);
    CHECK(mine.result.ttl_seconds == 60);
    CHECK(mine.head.fields().combined("A") == "2");
    CHECK(mine.head.fields().combined("B") == "1");

    const auto next = bench.asking();
    CHECK(next->plan.kind == Plan::Kind::Serve);
    CHECK(stored_text(next->plan.entry) == kContent);
    CHECK(objects(bench) == 1);
}

TEST_CASE("an answer that does not go on where the beginning ends is asked for again") {
    struct Row {
        const char* name;
        std::string response;
    };
    const Row rows[] = {
        {"another representation", part_head(5, 9, "ETag: \"2\"")},
        {"no validator", part_head(5, 9, "")},
        {"another part", part_head(4, 9)},
        {"not up to the end", part_head(5, 8)},
        {"another length",
         "206\nContent-Range: bytes 5-10/11\nCache-Control: max-age=60\nContent-Length: 6\nETag: \"1\""},
        {"fewer bytes than it says",
         "206\nContent-Range: bytes 5-9/10\nCache-Control: max-age=60\nContent-Length: 4\nETag: \"1\""},
        {"its length is not known before its end",
         "206\nContent-Range: bytes 5-9/10\nCache-Control: max-age=60\nETag: \"1\""},
        {"several parts", "206\nCache-Control: max-age=60\nContent-Length: 5\nETag: \"1\""},
        {"not to be stored any more", part_head(5, 9, "ETag: \"1\"\nCache-Control: no-store")},
        {"it became shorter", "416\nContent-Range: bytes */5\nContent-Length: 0"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            CacheBench bench;
            CHECK(store_part(bench, 0, 4) == Reason::None);
            const auto client = completing(bench, 5);
            bench.send(*client);
            Intake intake;
            CHECK(bench.head(*client, row.response, intake) == HttpCache::BeginResult::RetryUnconditional);
            CHECK(client->plan.fetch->phase() == Fetch::Phase::Pending);
            CHECK_FALSE(client->plan.fetch->completing);
            // The whole comes then, and the part is gone with it.
            CHECK(bench.answer(*client, "200\nCache-Control: max-age=60\nETag: \"2\"\nContent-Length: 3", "abc") ==
                  Reason::None);
            CHECK(stored_text(bench.asking()->plan.entry) == "abc");
            CHECK(objects(bench) == 1);
        }
    }
}

TEST_CASE("a whole answer, and an error, to a completion are answers like any other") {
    CacheBench bench;
    CHECK(store_part(bench, 0, 4) == Reason::None);
    const auto client = completing(bench, 5);
    CHECK(bench.answer(*client, "404\nContent-Length: 4", "none") == Reason::NoLifetime);
    CHECK(bench.resolve(*client).kind == Resolution::Kind::Stream);
    CHECK(client->plan.fetch->answer().status == 404);
    CHECK(held(bench, "1-2") == "12");
}

TEST_CASE("a beginning that is purged while its rest is on the way is not completed") {
    CacheBench bench;
    CHECK(store_part(bench, 0, 4) == Reason::None);
    const auto client = completing(bench, 5);
    PurgeMatcher matcher;
    matcher.path = "/a";
    bench.cache.purge(matcher);
    bench.send(*client);
    Intake intake;
    CHECK(bench.head(*client, part_head(5, 9), intake) == HttpCache::BeginResult::RetryUnconditional);
}

TEST_CASE("a beginning whose group is invalidated while its rest is on the way is not completed (RFC 9875)") {
    CacheBench bench;
    CHECK(store_part(bench, 0, 4, "ETag: \"1\"\nCache-Groups: \"g\"") == Reason::None);
    const auto client = completing(bench, 5);
    bench.cache.purge_group("h", "g");
    bench.send(*client);
    Intake intake;
    CHECK(bench.head(*client, part_head(5, 9), intake) == HttpCache::BeginResult::RetryUnconditional);
}

TEST_CASE("who wants it newer gets nothing of a stored beginning") {
    CacheBench bench;
    CHECK(store_part(bench, 0, 4) == Reason::None);
    CHECK_FALSE(bench.asking("Cache-Control: no-cache")->plan.fetch->completing);
}

TEST_CASE("a rest that breaks off leaves the beginning where it was") {
    CacheBench bench;
    CHECK(store_part(bench, 0, 4) == Reason::None);
    const auto client = completing(bench, 5);
    bench.send(*client);
    Intake intake;
    REQUIRE(bench.head(*client, part_head(5, 9), intake) == HttpCache::BeginResult::Answered);
    CHECK(fill(*intake.body, "56") == 2);
    bench.cache.abort(*client->plan.fetch, intake, http::Error(http::ErrorKind::ResponseIncomplete, "broken"));
    CHECK(held(bench, "1-2") == "12");
    CHECK(objects(bench) == 1);
}

TEST_CASE("a part is served when the origin fails, as a whole response would be") {
    CacheBench bench;
    CHECK(fetch_part(bench, "0-1",
                     "206\nContent-Range: bytes 0-1/10\nCache-Control: max-age=60, stale-if-error=60\nETag: \"1\"\n"
                     "Content-Length: 2",
                     "01") == Reason::None);
    bench.now = after(61);
    const auto client = bench.asking("Range: bytes=0-1");
    bench.go_alone(*client);
    CHECK(bench.answer(*client, "503\nContent-Length: 0") != Reason::None);
    const Resolution resolution = bench.resolve(*client);
    CHECK(resolution.kind == Resolution::Kind::Serve);
    CHECK(resolution.result.reason == Reason::StaleIfError);
    CHECK(resolution.head.facts.is_part);
}

TEST_CASE("what is missing of a stored end, or between a beginning and an end, is asked for, and put in its place") {
    struct Row {
        const char* name;
        std::vector<std::array<std::size_t, 2>> parts; // in the order in which they came
        std::array<std::size_t, 2> missing;
        const char* first_bytes; // that are there with the head
    };
    const Row rows[] = {
        {"a beginning", {{0, 4}}, {5, 9}, "01234"},
        {"an end", {{5, 9}}, {0, 4}, ""},
        {"both", {{0, 2}, {7, 9}}, {3, 6}, "012"},
        {"both, the end first", {{7, 9}, {0, 2}}, {3, 6}, "012"},
        {"one byte between them", {{0, 4}, {6, 9}}, {5, 5}, "01234"},
        {"a middle is of no use", {{0, 1}, {4, 5}, {8, 9}}, {2, 7}, "01"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name) {
            PassingBench bench;
            for (const auto& [first, last] : row.parts) {
                CHECK(store_part(bench, first, last) == Reason::None);
            }
            bench.policy.range = config::RangeHandling::Fill;
            const auto client = bench.asking();
            const auto range = bench.asking("Range: bytes=0-9");
            REQUIRE(client->plan.leader);
            CHECK(range->plan.fetch == client->plan.fetch);
            const auto [first, last] = row.missing;
            const auto completion = completion_of(client->plan.fetch->completing);
            const bool to_the_end = last == 9;
            CHECK(completion.range ==
                  "bytes=" + std::to_string(first) + "-" + (to_the_end ? "" : std::to_string(last)));
            CHECK(completion.if_range == "\"1\"");
            bench.send(*client);
            Intake intake;
            REQUIRE(bench.head(*client, part_head(first, last), intake) == HttpCache::BeginResult::Answered);
            CHECK(client->plan.fetch->answer().length == 10);
            CHECK(read_answer(*client->plan.fetch) == row.first_bytes);
            const std::string arrives = kContent.substr(first, last - first + 1);
            CHECK(fill(*intake.body, arrives) == arrives.size());
            CHECK(bench.cache.finish(*client->plan.fetch, intake) == Reason::None);
            CHECK(read_answer(*client->plan.fetch) == kContent);
            CHECK(stored_text(bench.asking()->plan.entry) == kContent);
            CHECK(objects(bench) == 1);
        }
    }
}

TEST_CASE("parts of two representations are never completed together") {
    PassingBench bench;
    CHECK(store_part(bench, 0, 2, "ETag: \"1\"") == Reason::None);
    bench.now = after(1);
    CHECK(store_part(bench, 7, 9, "ETag: \"2\"") == Reason::None);
    const auto client = bench.asking();
    const StoredEnds& ends = client->plan.fetch->completing;
    CHECK_FALSE(ends.beginning); // of the one that was heard of before
    REQUIRE(ends.end);
    CHECK(completion_of(ends).range == "bytes=0-6");
    CHECK(completion_of(ends).if_range == "\"2\"");
    bench.send(*client);
    Intake intake;
    CHECK(bench.head(*client, part_head(0, 6, "ETag: \"1\""), intake) == HttpCache::BeginResult::RetryUnconditional);
}

TEST_CASE("a part for which there is no memory left at the end cuts the readers, and nothing is stored") {
    CacheBench bench(1024 * 1024, 512 * 1024);
    bench.policy.range = config::RangeHandling::Pass;
    const std::string end(300 * 1024, 'e');
    const auto range = bench.asking("Range: bytes=10-");
    bench.go_alone(*range);
    CHECK(bench.answer(*range,
                       "206\nContent-Range: bytes 10-307209/307210\nCache-Control: max-age=60\nETag: \"1\"\n"
                       "Content-Length: 307200",
                       end) == Reason::None);
    const auto client = bench.asking();
    REQUIRE(client->plan.fetch->completing.end);
    bench.send(*client);
    Intake intake;
    REQUIRE(bench.head(*client,
                       "206\nContent-Range: bytes 0-9/307210\nCache-Control: max-age=60\nETag: \"1\"\n"
                       "Content-Length: 10",
                       intake) == HttpCache::BeginResult::Answered);
    CHECK(fill(*intake.body, kContent) == kContent.size());
    std::vector<store::BlockRef> pinned; // all the rest
    for (std::size_t size = 64 * 1024; size >= 256; size /= 2) {
        const auto other = bench.store->open_writer({"k", store::hash_key("k"), "", 1}, std::nullopt);
        for (auto room = other->body()->prepare(); room.state == store::Body::RoomState::Room;
             room = other->body()->prepare()) {
            other->body()->publish(room.room.size());
        }
        pinned.push_back(other->body()->first_block());
    }
    CHECK(bench.cache.finish(*client->plan.fetch, intake) == Reason::MemoryBudget);
    CHECK(client->plan.fetch->answer().body->state() == store::Body::State::Failed);
    CHECK(bench.resolve(*client).kind == Resolution::Kind::Failed);
}

TEST_CASE("a part that is everything is stored as the whole") {
    CacheBench bench;
    CHECK(store_part(bench, 0, 9, "ETag: \"1\"\nA: 1") == Reason::None);
    const auto client = bench.asking();
    REQUIRE(client->plan.kind == Plan::Kind::Serve);
    CHECK(client->plan.head.facts.status == 200);
    CHECK_FALSE(client->plan.head.facts.is_part);
    CHECK_FALSE(client->plan.head.fields().contains("Content-Range"));
    CHECK(client->plan.head.fields().combined("A") == "1");
    CHECK(stored_text(client->plan.entry) == kContent);
    CHECK(objects(bench) == 1);
}

TEST_CASE("a range behind the end of what is stored in part is answered, and so are several within it") {
    PassingBench bench;
    CHECK(store_part(bench, 4, 8) == Reason::None);
    for (const char* range : {"bytes=10-", "bytes=4-5,7-8"}) {
        CAPTURE(range);
        CHECK(bench.asking("Range: " + std::string(range))->plan.kind == Plan::Kind::Serve);
    }
}
