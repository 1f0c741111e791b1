// Entity tags that are generated from the content, as far as the store is concerned.
#include "tests/unit/cache/http_cache_bench.h"

using namespace gatehouse;
using namespace gatehouse::cache;
using namespace gatehouse::cache::testing;

namespace {

constexpr const char* kAnswer = "Cache-Control: max-age=60\nContent-Length: 5";

// The stored response, whatever its age.
store::EntryRef entry_of(CacheBench& bench, std::string_view request = "") { return bench.asking(request)->plan.entry; }

std::string tag_of(const store::EntryRef& entry) {
    return std::string(policy::view_stored_head(entry->metadata()).etag);
}

} // namespace

TEST_CASE("the tag is made when the content is whole, of its bytes") {
    CacheBench bench;
    bench.generate_etag = true;
    bench.stored(kAnswer, "hello");
    const store::EntryRef entry = entry_of(bench);
    const policy::ContentDigest digest = store::content_digest("hello");
    CHECK(tag_of(entry) == policy::generated_tag(digest, ""));
    CHECK(policy::view_stored_head(entry->metadata()).facts.etag_generated);
    CHECK(stored_text(entry) == "hello");
}

TEST_CASE("a content hash is the same however the content was cut") {
    store::ContentHash hash;
    hash.update(std::string_view("he"));
    hash.update(std::string_view(""));
    hash.update(std::string_view("llo"));
    const auto whole = store::content_digest("hello");
    CHECK(hash.digest().low == whole.low);
    CHECK(hash.digest().high == whole.high);
    CHECK(hash.digest().size == 5);
    CHECK(store::content_digest("hellp").low != whole.low);
}

TEST_CASE("a refetch with the same bytes renews the head and keeps the stored content") {
    CacheBench bench;
    bench.generate_etag = true;
    bench.stored(std::string(kAnswer) + "\nX: 1", "hello");
    const store::EntryRef old = entry_of(bench);
    bench.now = after(61);
    const auto client = bench.asking();
    REQUIRE(client->plan.leader);
    CHECK_FALSE(client->plan.validate); // the origin knows nothing of the tag
    CHECK(bench.answer(*client, std::string(kAnswer) + "\nX: 2", "hello") == Reason::None);
    const auto next = bench.asking();
    REQUIRE(next->plan.kind == Plan::Kind::Serve);
    CHECK(next->plan.result.ttl_seconds == 60);
    CHECK(next->plan.head.fields().first("X") == "2");
    CHECK(tag_of(next->plan.entry) == tag_of(old));
    CHECK(next->plan.entry->body().get() == old->body().get()); // the very same bytes
    CHECK(stored_text(next->plan.entry) == "hello");
    CHECK(bench.store->stats().objects == 1);
}

TEST_CASE("other bytes, another coding, and another variant take no other's place") {
    struct Row {
        const char* name;
        const char* response;
        const char* content;
    };
    const Row rows[] = {
        {"other bytes", kAnswer, "hallo"},
        {"another coding", "Cache-Control: max-age=60\nContent-Length: 5\nContent-Encoding: gzip", "hello"},
        {"a tag of the origin", "Cache-Control: max-age=60\nContent-Length: 5\nETag: \"own\"", "hello"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        CacheBench bench;
        bench.generate_etag = true;
        bench.stored(kAnswer, "hello");
        const store::EntryRef old = entry_of(bench);
        bench.now = after(61);
        const auto client = bench.asking();
        CHECK(bench.answer(*client, row.response, row.content) == Reason::None);
        const store::EntryRef next = entry_of(bench);
        CHECK(tag_of(next) != tag_of(old));
        CHECK(next->body().get() != old->body().get());
        CHECK(stored_text(next) == row.content);
    }
}

TEST_CASE("without the rule nothing is hashed, and nothing tagged") {
    CacheBench bench;
    bench.stored(kAnswer, "hello");
    CHECK(tag_of(entry_of(bench)).empty());
}
