// Large responses on the disk through the whole proxy, with their heads kept in memory: hits, parts and tags come from what
// is stored, and nothing after it was purged.
#include "tests/support/child_process.h"
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* kHit = "Hit from gatehouse";

// A proxy whose memory is empty, with a response of 200,000 bytes on the disk that was asked for twice.
struct WithLargeResponse {
    ScratchDirectory scratch;
    ScriptedOrigin origin;
    const std::string body = [] {
        std::string text(200'000, '\0');
        for (std::size_t i = 0; i < text.size(); ++i) {
            text[i] = static_cast<char>('a' + i * i % 23);
        }
        return text;
    }();
    std::unique_ptr<ProxyUnderTest> proxy;

    WithLargeResponse() {
        origin.on("/large", [this](OriginExchange& x) { x.ok("max-age=60", body); });
        Yaml yaml;
        yaml.disk = "path: " + scratch.path("store") + ", size: 64MiB, segment_size: 4MiB";
        yaml.behaviors = "[{path_pattern: '*', origin: api, etag: generate}]";
        for (int start = 0; start < 2; ++start) {
            proxy.reset();
            proxy = std::make_unique<ProxyUnderTest>(origin, yaml);
            proxy->get("/large");
            ProxyUnderTest::await([&] { return proxy->metric("gatehouse_disk_objects") == 1; }, "the disk has it");
        }
        proxy->get("/large"); // found at once, and its head kept
    }
    double reads() const { return proxy->metric("gatehouse_disk_reads_total"); }
};

} // namespace

TEST_CASE_FIXTURE(WithLargeResponse, "a kept head answers hits, parts and 304s without a read of the record") {
    const double reads_before = reads();
    const double hits_before = proxy->metric("gatehouse_disk_file_hits_total");
    const Response hit = proxy->get("/large");
    CHECK(hit.get("X-Cache") == kHit);
    CHECK(hit.content == body);
    const Response part = proxy->get("/large", "Range: bytes=150000-150009\r\n");
    CHECK(part.status == 206);
    CHECK(part.content == body.substr(150'000, 10));
    CHECK(proxy->get("/large", "If-None-Match: " + hit.get("ETag") + "\r\n").status == 304);
    CHECK(reads() == reads_before);
    CHECK(proxy->metric("gatehouse_disk_file_hits_total") == hits_before + 3);
    CHECK(origin.requests() == 1);
}

TEST_CASE_FIXTURE(WithLargeResponse, "what is purged is not found by a head that is kept") {
    CHECK(proxy->purge(R"({"path":"/large"})").status == 200);
    CHECK(proxy->get("/large").get("X-Cache") != kHit);
    CHECK(origin.requests() == 2);
}

TEST_CASE_FIXTURE(WithLargeResponse, "the same content fetched again takes the place of what lies in a file") {
    CHECK(proxy->metric("gatehouse_store_objects") == 0);
    proxy->advance(61s);
    CHECK(proxy->get("/large").content == body);
    CHECK(origin.requests() == 2);
    CHECK(proxy->metric("gatehouse_store_objects") == 1); // and not a new head for the file alone
    CHECK(proxy->get("/large").get("X-Cache") == kHit);
}
