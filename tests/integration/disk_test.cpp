// The disk store behind the whole proxy: what it keeps over an eviction and over a restart, what never comes back, and
// that a request does not fail because of it.
#include "tests/support/child_process.h"
#include "tests/support/proxy_under_test.h"
#include "tests/support/range_origin.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include <fcntl.h>
#include <unistd.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr const char* kHit = "Hit from gatehouse";
constexpr const char* kMiss = "Miss from gatehouse";

// A proxy on a disk, which ends and starts again.
struct Site {
    ScratchDirectory scratch;
    ScriptedOrigin origin;
    Yaml yaml;
    std::optional<ProxyUnderTest> proxy;

    Site() {
        yaml.disk = "path: " + directory() + ", size: 64MiB, segment_size: 4MiB";
        origin.otherwise([](OriginExchange& x) {
            x.reply(200, "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n",
                    x.target() + ' ' + std::to_string(x.number()));
        });
    }
    std::string directory() const { return scratch.path("store"); }
    ProxyUnderTest& start() {
        proxy.reset();
        proxy.emplace(origin, yaml);
        return *proxy;
    }
    // What was answered is on the disk.
    void settle(double objects) {
        ProxyUnderTest::await(
            [&] {
                return proxy->metric("gatehouse_disk_objects") == objects &&
                       proxy->metric("gatehouse_disk_queued_bytes") == 0;
            },
            "the disk has it");
    }
    // A process that is killed leaves what it had handed to the kernel.
    // Each segment ends there.
    void cut_segments(std::uintmax_t bytes) const {
        for (const auto& file : fs::directory_iterator(directory())) {
            if (file.path().filename().string().starts_with("segment-") && file.file_size() > bytes) {
                fs::resize_file(file.path(), bytes);
            }
        }
    }
    ProxyUnderTest& start_after_kill() {
        const std::string image = scratch.path("image");
        fs::remove_all(image);
        fs::copy(directory(), image, fs::copy_options::recursive);
        proxy.reset();
        fs::remove_all(directory());
        fs::rename(image, directory());
        return start();
    }
};

std::string large(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<char>('a' + i * i % 23);
    }
    return text;
}

} // namespace

TEST_CASE_FIXTURE(Site, "what was stored is a hit after a restart and after a kill, each variant with its age") {
    start();
    proxy->get("/a", "Accept-Language: de\r\n");
    proxy->get("/a", "Accept-Language: fr\r\n");
    proxy->get("/b?x=1");
    settle(3);
    for (const bool is_killed : {false, true}) {
        CAPTURE(is_killed);
        if (is_killed) {
            start_after_kill();
        } else {
            start();
        }
        CHECK(proxy->metric("gatehouse_disk_objects") == (is_killed ? 4 : 3));
        proxy->advance(10s);
        const Response de = proxy->get("/a", "Accept-Language: de\r\n");
        CHECK(de.content == "/a 1");
        CHECK(de.get("X-Cache") == kHit);
        CHECK(de.get("Age") == "10");
        CHECK(de.get("Cache-Status") == "gatehouse; hit; ttl=50");
        CHECK(proxy->get("/a", "Accept-Language: fr\r\n").content == "/a 2");
        CHECK(proxy->get("/b?x=1").get("X-Cache") == kHit);
        CHECK(proxy->get("/b?x=2").get("X-Cache") == (is_killed ? kHit : kMiss));
        settle(4);
    }
    CHECK(origin.requests() == 4);
}

TEST_CASE_FIXTURE(Site, "what memory evicts is a hit from the disk, small and large") {
    yaml.memory = "size: 2MiB, max_object_size: 1MiB";
    const std::string body = large(700'000);
    origin.on("/large", [&body](OriginExchange& x) { x.ok("max-age=60", body); });
    origin.on("/small", [](OriginExchange& x) { x.ok("max-age=60", "small"); });
    start();
    proxy->get("/small");
    settle(1); // the queue has room for less than a large one, but always for one
    proxy->get("/large");
    settle(2);
    for (int i = 0; i < 4; ++i) {
        const std::string target = "/crowd" + std::to_string(i);
        origin.on(target, [&body](OriginExchange& x) { x.ok("max-age=60", body); });
        proxy->get(target);
        settle(3 + i);
    }
    const Response found = proxy->get("/large");
    CHECK(found.get("X-Cache") == kHit);
    CHECK(found.content == body);
    CHECK(proxy->metric("gatehouse_disk_reads_total", "by=\"reader\"") == 1); // more than a loop reads at once
    const Response part = proxy->get("/crowd0", "Range: bytes=600000-600009\r\n");
    CHECK(part.status == 206);
    CHECK(part.content == body.substr(600'000, 10));
    CHECK(proxy->get("/small").get("X-Cache") == kHit);
    CHECK(origin.requests() == 6);
}

TEST_CASE_FIXTURE(Site, "what was purged, by any kind of purge or by an unsafe request, stays dead after a kill") {
    origin.on("/group",
              [](OriginExchange& x) { x.reply(200, "Cache-Control: max-age=60\r\nCache-Groups: \"g\"\r\n", "group"); });
    origin.on("/posted", [](OriginExchange& x) {
        if (x.method() == "POST") {
            x.reply(204, "", "");
        } else {
            x.ok("max-age=60", "posted");
        }
    });
    start();
    const char* const targets[] = {"/url?x=1", "/path?x=1", "/prefix/a", "/group", "/posted", "/kept"};
    for (const char* target : targets) {
        proxy->get(target);
    }
    settle(6);
    CHECK(proxy->purge(R"({"url":"http://gate.test/url?x=1"})").status == 200);
    CHECK(proxy->purge(R"({"path":"/path?x=1"})").status == 200);
    CHECK(proxy->purge(R"({"path":"/prefix/*"})").status == 200);
    CHECK(proxy->purge(R"({"group":"g"})").status == 200);
    CHECK(proxy->ask("POST /posted HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 0\r\n\r\n").status == 204);
    start_after_kill();
    for (const char* target : targets) {
        CAPTURE(target);
        CHECK(proxy->get(target).get("X-Cache") == (std::string_view(target) == "/kept" ? kHit : kMiss));
    }
}

TEST_CASE_FIXTURE(Site, "a purge is effective for what is on the disk only, and what is stored after it stays") {
    start();
    proxy->get("/a");
    settle(1);
    start();
    CHECK(proxy->purge(R"({"path":"/a"})").status == 200);
    CHECK(proxy->get("/a").content == "/a 2");
    CHECK(proxy->get("/a").get("X-Cache") == kHit);
    settle(1);
    start();
    CHECK(proxy->get("/a").content == "/a 2");
    CHECK(origin.requests() == 2);
}

TEST_CASE_FIXTURE(Site, "what took the place of a stored response is found after a restart, not the one before") {
    origin.on("/a", [](OriginExchange& x) {
        if (x.get("If-None-Match") == "\"2\"") {
            x.reply(304, "Cache-Control: max-age=60\r\nETag: \"2\"\r\nX-Fresh: yes\r\n", "");
        } else {
            const std::string number = std::to_string(x.number());
            x.reply(200, "Cache-Control: max-age=5\r\nETag: \"" + number + "\"\r\n", number);
        }
    });
    start();
    CHECK(proxy->get("/a").content == "1");
    settle(1);
    proxy->advance(6s);
    CHECK(proxy->get("/a").content == "2");
    settle(1);
    start();
    proxy->advance(12s);
    const Response freshened = proxy->get("/a");
    CHECK(freshened.content == "2");
    CHECK(freshened.get("X-Fresh") == "yes");
    settle(1);
    start_after_kill();
    proxy->advance(20s);
    const Response found = proxy->get("/a");
    CHECK(found.get("X-Cache") == kHit);
    CHECK(found.content == "2");
    CHECK(found.get("X-Fresh") == "yes");
    CHECK(origin.requests("/a") == 3);
}

TEST_CASE_FIXTURE(Site, "slices, parts and the content of cached POSTs are found after a restart") {
    yaml.policies = "sliced: {range: {slice: 64KiB}}";
    yaml.behaviors = "[{path_pattern: '/sliced/*', origin: api, cache_policy: sliced}, "
                     "{path_pattern: '/search', origin: api, cached_methods: [GET, HEAD, POST]}, "
                     "{path_pattern: '*', origin: api}]";
    const std::string body = large(150'000);
    const auto ranged = [&body](OriginExchange& x) {
        const std::string range = x.get("Range");
        std::size_t first = 0;
        std::size_t last = body.size() - 1;
        if (std::sscanf(range.c_str(), "bytes=%zu-%zu", &first, &last) < 1) {
            x.reply(200, "Cache-Control: max-age=60\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n", body);
            return;
        }
        last = std::min(last, body.size() - 1);
        x.reply(206,
                "Cache-Control: max-age=60\r\nETag: \"1\"\r\nContent-Range: bytes " + std::to_string(first) + '-' +
                    std::to_string(last) + '/' + std::to_string(body.size()) + "\r\n",
                body.substr(first, last - first + 1));
    };
    origin.on("/sliced/a", ranged);
    origin.on("/part", ranged);
    origin.on("/search", [](OriginExchange& x) { x.ok("max-age=60", "found " + x.content()); });
    start();
    const std::string post = "POST /search HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 3\r\n\r\n{a}";
    CHECK(proxy->get("/sliced/a").content == body);
    CHECK(proxy->get("/part", "Range: bytes=100-199\r\n").content == body.substr(100, 100));
    CHECK(proxy->ask(post).content == "found {a}");
    settle(6); // three slices, what is known of them, a part and an answer
    const int asked = origin.requests();
    start();
    CHECK(proxy->get("/sliced/a").content == body);
    CHECK(proxy->get("/part", "Range: bytes=120-139\r\n").content == body.substr(120, 20));
    CHECK(proxy->ask(post).content == "found {a}");
    CHECK(origin.requests() == asked);
}

TEST_CASE_FIXTURE(Site, "requests that come together for what is on the disk all get it") {
    const std::string body = large(700'000);
    origin.on("/large", [&body](OriginExchange& x) { x.ok("max-age=60", body); });
    start();
    proxy->get("/large");
    settle(1);
    start();
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(std::make_unique<RawClient>(proxy->port()));
    }
    for (const auto& client : clients) {
        client->send("GET /large HTTP/1.1\r\nHost: gate.test\r\n\r\n");
    }
    for (const auto& client : clients) {
        const Response response = client->read();
        CHECK(response.content == body);
        CHECK(response.get("X-Cache") == kHit);
    }
    CHECK(origin.requests() == 1);
}

TEST_CASE_FIXTURE(Site,
                  "what left the kernel's memory is read by threads that may wait, while the loops serve others") {
    constexpr int kTargets = 40;
    const std::string body = large(700'000);
    origin.on("/large", [&body](OriginExchange& x) { x.ok("max-age=60", body); });
    start();
    proxy->get("/large");
    for (int i = 0; i < kTargets; ++i) {
        proxy->get("/a" + std::to_string(i));
    }
    settle(kTargets + 1);
    start();
    for (const auto& file : fs::directory_iterator(directory())) {
        const int descriptor = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
        REQUIRE(descriptor >= 0);
        ::fsync(descriptor);
        ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
        ::close(descriptor);
    }
    for (int i = 0; i < kTargets; ++i) {
        CHECK(proxy->get("/a" + std::to_string(i)).get("X-Cache") == kHit);
    }
    CHECK(proxy->get("/large").content == body);
    // The kernel reads ahead: what it read for one may be at hand for the next.
    CHECK(proxy->metric("gatehouse_disk_reads_total", "by=\"reader\"") >= 2);
    CHECK(proxy->metric("gatehouse_disk_reads_total") == kTargets + 1);
    CHECK(origin.requests() == kTargets + 1);
}

TEST_CASE_FIXTURE(Site, "a directory that cannot be used leaves the proxy in service, and says why") {
    std::ofstream(directory()) << "no directory";
    start();
    CHECK(proxy->get("/a").get("X-Cache") == kMiss);
    CHECK(proxy->get("/a").get("X-Cache") == kHit);
    RawClient admin(proxy->admin_port());
    admin.send("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    const Response ready = admin.read();
    CHECK(ready.status == 200);
    CHECK(ready.content.find("\"name\":\"disk\",\"ok\":true,\"detail\":\"cache.disk.path " + directory() +
                             " cannot be used") != std::string::npos);
    CHECK(proxy->metric("gatehouse_disk_objects") == 0);
}

TEST_CASE_FIXTURE(Site, "a second process on the same directory does not start") {
    start();
    try {
        const ProxyUnderTest second(origin, yaml);
        FAIL("it started");
    } catch (const std::exception& error) {
        CHECK(std::string(error.what()).find("another process uses the directory of cache.disk.path, " + directory()) !=
              std::string::npos);
    }
    CHECK(proxy->get("/a").get("X-Cache") == kMiss);
}

TEST_CASE_FIXTURE(Site, "segments that are removed or cut under the proxy cost hits, never a request") {
    yaml.disk += ", verify: always";
    start();
    for (int i = 0; i < 10; ++i) {
        proxy->get("/a" + std::to_string(i));
    }
    settle(10);
    start();
    for (const auto& file : fs::directory_iterator(directory())) {
        if (file.path().filename().string().starts_with("segment-") && file.file_size() > 0) {
            fs::resize_file(file.path(), 1000);
        }
    }
    for (int i = 0; i < 10; ++i) {
        CHECK(proxy->get("/a" + std::to_string(i)).status == 200);
    }
    CHECK(origin.requests() >= 18);
    CHECK(proxy->metric("gatehouse_disk_errors_total", "operation=\"read\"") > 0);
}

TEST_CASE_FIXTURE(Site, "a body whose end cannot be read is cut once, and then comes from the origin") {
    const std::string body = large(900'000);
    origin.on("/large", [&body](OriginExchange& x) { x.ok("max-age=60", body); });
    yaml.access_log = "{ path: " + scratch.path("access.log") + " }";
    start();
    proxy->get("/large");
    settle(1);
    start();
    CHECK((proxy->get("/large").content == body)); // checked now
    cut_segments(600'000);
    RawClient client(proxy->port());
    client.get("/large");
    CHECK_FALSE(client.read_what_comes().complete);
    const Response again = proxy->get("/large");
    CHECK(again.get("X-Cache") == kMiss);
    CHECK((again.content == body));
    proxy.reset();
    std::ifstream log(scratch.path("access.log"));
    const std::string lines{std::istreambuf_iterator<char>(log), {}};
    CHECK(lines.find("\"response_bytes\":524288,\"complete\":false") != std::string::npos);
    CHECK(lines.find("\"error_detail\":\"the disk could not be read\"") != std::string::npos);
}

TEST_CASE_FIXTURE(Site, "a body whose end cannot be read goes on from the origin, where that still has the same one") {
    struct Row {
        const char* name;
        const char* etag; // at first,
        const char* etag_then;
        const char* fields; // of the request that meets the end
        bool is_continued;
    };
    const Row rows[] = {
        {"the same", "\"1\"", "\"1\"", "", true},
        {"another one", "\"1\"", "\"2\"", "", false},
        {"a weak tag", "W/\"1\"", "W/\"1\"", "", false},
        {"a range", "\"1\"", "\"1\"", "Range: bytes=300000-899998\r\n", true},
        {"two ranges", "\"1\"", "\"1\"", "Range: bytes=10-20,300000-899998\r\n", true},
    };
    const std::string body = large(900'000);
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const std::string target = "/large?" + std::to_string(&row - rows);
        proxy.reset();
        fs::remove_all(directory());
        start();
        std::string etag = row.etag;
        std::string if_range;
        origin.on(target, [&](OriginExchange& x) {
            if_range = x.get("If-Range");
            answer_ranges(x, body, etag, "Cache-Control: max-age=60\r\n");
        });
        proxy->get(target);
        settle(1);
        start();
        const Response before = proxy->get(target, row.fields);
        REQUIRE(before.get("X-Cache") == kHit);
        etag = row.etag_then;
        cut_segments(600'000);
        RawClient client(proxy->port());
        client.get(target, row.fields);
        const Response response = client.read_what_comes();
        CHECK(response.get("X-Cache") == kHit);
        CHECK(response.complete == row.is_continued);
        if (row.is_continued) {
            // Several ranges are between boundaries that are made anew each time.
            const std::string end = body.substr(300'000, 599'999);
            CHECK((*row.name == 't' && response.status == 206 ? response.content.find(end) != std::string::npos
                                                              : response.content == before.content));
            CHECK(if_range == row.etag);
        }
        CHECK(proxy->metric("gatehouse_disk_bodies_continued_total") == (row.is_continued ? 1 : 0));
        CHECK(proxy->get(target).content.size() == body.size());
        settle(1); // once more
    }
}

TEST_CASE_FIXTURE(Site,
                  "the space of a segment is kept for a slow client for pin_timeout, and then the origin goes on") {
    const std::string body = large(3'000'000);
    yaml.memory = "size: 2MiB, max_object_size: 512KiB";
    yaml.disk = "path: " + directory() + ", size: 64MiB, segment_size: 16MiB, pin_timeout: 2s";
    std::string etag;
    origin.on("/film", [&](OriginExchange& x) { answer_ranges(x, body, etag, "Cache-Control: max-age=600\r\n"); });
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=600", std::string(400'000, 'x')); });
    for (const bool has_tag : {true, false}) {
        CAPTURE(has_tag);
        etag = has_tag ? "\"1\"" : "";
        proxy.reset();
        fs::remove_all(directory());
        start();
        proxy->get("/film");
        settle(1);
        start();
        RawClient slow(proxy->port(), 4096);
        slow.get("/film");
        REQUIRE(slow.read_head().get("X-Cache") == kHit);
        const auto film_requests = origin.requests("/film");
        for (int i = 0; proxy->metric("gatehouse_disk_segments_reused_total") < 4; ++i) {
            const std::string target = "/" + std::to_string(i % 100) + (has_tag ? "a" : "b");
            proxy->get(target);
            proxy->get(target);
        }
        slow.read_content(600'000); // it is noticed now that the segment was given up, and goes on
        CHECK(origin.requests("/film") == film_requests);
        proxy->advance(3s);
        const Response response = slow.read_what_comes();
        CHECK(response.complete == has_tag);
        CHECK((body.starts_with(response.content)));
        CHECK(origin.requests("/film") == film_requests + (has_tag ? 1 : 0));
        CHECK(proxy->metric("gatehouse_disk_bodies_continued_total") == (has_tag ? 1 : 0));
    }
}

TEST_CASE_FIXTURE(Site,
                  "an error does not take the place of what may hide it, also while that would have to be waited for") {
    const std::string body = large(300'000);
    origin.on("/large", [&](OriginExchange& x) {
        if (x.number() == 1) {
            x.reply(200, "Cache-Control: max-age=1, stale-if-error=60\r\nETag: \"1\"\r\n", body);
            return;
        }
        for (const auto& file : fs::directory_iterator(directory())) {
            const int descriptor = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
            ::fsync(descriptor);
            ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
            ::close(descriptor);
        }
        x.reply(503, "Cache-Control: max-age=1\r\n", "broken");
    });
    start();
    proxy->get("/large");
    settle(1);
    start();
    for (int i = 0; i < 2; ++i) {
        proxy->advance(3s);
        const Response stale = proxy->get("/large");
        CHECK(stale.status == 200);
        CHECK((stale.content == body));
    }
}

TEST_CASE_FIXTURE(Site, "a reload makes the disk larger and smaller, and keeps what fits") {
    yaml.disk = "path: " + directory() + ", size: 16MiB, segment_size: 4MiB";
    start();
    proxy->get("/kept");
    settle(1);
    const auto segments = [this] {
        int count = 0;
        for (const auto& file : fs::directory_iterator(directory())) {
            count += file.path().filename().string().starts_with("segment-") ? 1 : 0;
        }
        return count;
    };
    CHECK(segments() == 4);
    const std::string here = directory();
    const std::string elsewhere = scratch.path("elsewhere"); // needs a restart, and says nothing of the disk in use
    for (const auto& [path, size, count] : {std::tuple(here, "40MiB", 10), std::tuple(elsewhere, "24MiB", 10),
                                            std::tuple(elsewhere, "16MiB", 10), std::tuple(here, "20MiB", 5)}) {
        CAPTURE(path);
        CAPTURE(size);
        yaml.disk = "path: " + path + ", size: " + size + ", segment_size: 4MiB";
        proxy->rewrite(yaml);
        CHECK(proxy->reload().status == 200);
        ProxyUnderTest::await([&, wanted = count] { return segments() == wanted; }, "the disk has its new size");
    }
    start();
    CHECK(proxy->get("/kept").get("X-Cache") == kHit);
    yaml.disk = "path: " + directory() + ", size: 20MiB, segment_size: 4MiB, verify: always";
    proxy->rewrite(yaml);
    CHECK(proxy->reload().content.find("cache.disk") != std::string::npos); // needs a restart
}

TEST_CASE_FIXTURE(Site,
                  "a response larger than memory is stored on the disk while clients read it, and served from there") {
    yaml.memory = "size: 2MiB, max_object_size: 512KiB";
    const std::string body = large(3'000'000);
    origin.on("/film", [&body](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: \"1\"\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body.substr(0, 1'000'000));
        x.pass("the rest");
        x.send(body.substr(1'000'000));
    });
    start();
    RawClient first(proxy->port());
    first.send("GET /film HTTP/1.1\r\nHost: gate.test\r\n\r\n");
    origin.await_requests("/film", 1);
    ProxyUnderTest::await([&] { return proxy->metric("gatehouse_disk_written_bytes_total") > 400'000; },
                          "the beginning is on the disk");
    // What is on its way cannot be read yet: another one goes to the origin, and what it gets is not stored again.
    RawClient second(proxy->port());
    second.send("GET /film HTTP/1.1\r\nHost: gate.test\r\n\r\n");
    origin.await_requests("/film", 2);
    origin.open("the rest");
    CHECK(first.read().content == body);
    CHECK(second.read().content == body);
    settle(1);
    for (const bool is_restarted : {false, true}) {
        CAPTURE(is_restarted);
        if (is_restarted) {
            start();
        }
        const Response found = proxy->get("/film");
        CHECK(found.get("X-Cache") == kHit);
        CHECK(found.content == body);
        const Response range = proxy->get("/film", "Range: bytes=2500000-2700000\r\n");
        CHECK(range.status == 206);
        CHECK(range.content == body.substr(2'500'000, 200'001));
        const Response parts = proxy->get("/film", "Range: bytes=0-9,2999990-2999999\r\n");
        CHECK(parts.status == 206);
        CHECK(parts.content.find(body.substr(2'999'990)) != std::string::npos);
        CHECK(proxy->head("/film").get("Content-Length") == "3000000");
        CHECK(proxy->get("/film", "If-None-Match: \"1\"\r\n").status == 304);
    }
    CHECK(origin.requests("/film") == 2);
    CHECK(proxy->purge(R"({"path":"/film"})").status == 200);
    CHECK(proxy->get("/film").get("X-Cache") == kMiss);
}

TEST_CASE_FIXTURE(Site, "a client that leaves does not end the storing of what is larger than memory; a break does") {
    yaml.memory = "size: 2MiB, max_object_size: 512KiB";
    const std::string body = large(3'000'000);
    const std::string head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3000000\r\n\r\n";
    origin.on("/left", [&](OriginExchange& x) {
        x.send(head + body.substr(0, 1'000'000));
        x.pass("the rest");
        x.send(body.substr(1'000'000));
    });
    origin.on("/broken", [&](OriginExchange& x) {
        x.send(head + body.substr(0, 1'000'000));
        x.close();
    });
    start();
    {
        RawClient client(proxy->port());
        client.send("GET /left HTTP/1.1\r\nHost: gate.test\r\n\r\n");
        origin.await_requests("/left", 1);
        client.reset();
    }
    origin.open("the rest");
    settle(1);
    CHECK(proxy->get("/left").content == body);
    RawClient client(proxy->port());
    client.send("GET /broken HTTP/1.1\r\nHost: gate.test\r\n\r\n");
    CHECK_FALSE(client.read_what_comes().complete);
    CHECK(proxy->metric("gatehouse_disk_objects") == 1);
    CHECK(origin.requests("/left") == 1);
}
