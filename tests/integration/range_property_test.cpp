// Whatever is answered is byte for byte what the origin has under one validator: random requests, with and without
// ranges, under every policy, while the content changes, parts are purged and time passes (docs/RANGES.md).
#include "tests/support/proxy_under_test.h"
#include "tests/support/range_origin.h"
#include "tests/unit/cache/policy/dice.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <deque>
#include <mutex>
#include <string>

using namespace gatehouse::testing;
using gatehouse::cache::policy::testing::Dice;
using gatehouse::cache::policy::testing::property_seed;
using namespace std::chrono_literals;

namespace {

constexpr int kRounds = 6;
constexpr int kSteps = 150;
constexpr std::size_t kMaxObject = 64 * 1024;

struct Version {
    std::string content;
    std::string etag;
};

// The versions that the content at one URL has had; the last one is what the origin has now.
class Versions {
public:
    void add(Dice& dice) {
        const std::size_t sizes[] = {1, 2, 100, 5'000, kMaxObject, kMaxObject + 1, 150'000};
        const std::size_t size = sizes[dice.below(std::size(sizes))];
        std::string content(size, ' ');
        for (char& byte : content) {
            byte = static_cast<char>('!' + dice.below(90));
        }
        const std::lock_guard lock(mutex_);
        all_.push_back({std::move(content), "\"v" + std::to_string(all_.size()) + "\""});
    }
    Version now() const {
        const std::lock_guard lock(mutex_);
        return all_.back();
    }
    const Version* with(const std::string& etag) const {
        const std::lock_guard lock(mutex_);
        for (const Version& version : all_) {
            if (version.etag == etag) {
                return &version;
            }
        }
        return nullptr;
    }

private:
    mutable std::mutex mutex_;
    std::deque<Version> all_;
};

// How the origin answers: with ranges or without, with a length or in chunks, stored or not.
struct Manner {
    bool knows_ranges = true;
    bool obeys_if_range = true;
    bool chunked = false;
    std::string cache_control = "max-age=60";
};

void answer(OriginExchange& x, const Version& version, const Manner& manner) {
    const std::string fields = "Cache-Control: " + manner.cache_control + "\r\nContent-Type: text/plain\r\n";
    if (manner.knows_ranges && !manner.chunked) {
        answer_ranges(x, version.content, version.etag, fields, manner.obeys_if_range);
    } else if (x.get("If-None-Match") == version.etag) {
        x.reply(304, "ETag: " + version.etag + "\r\n" + fields, "");
    } else if (!manner.chunked || x.method() == "HEAD") {
        x.reply(200, "ETag: " + version.etag + "\r\n" + fields, version.content);
    } else {
        char size[32];
        std::snprintf(size, sizeof size, "%zx\r\n", version.content.size());
        x.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: " + version.etag + "\r\n" + fields + "\r\n" +
               size + version.content + "\r\n0\r\n\r\n");
    }
}

std::size_t near(Dice& dice, std::size_t size) {
    return dice.one_in(3) ? dice.below(size + 3)
                          : std::min(size, dice.below(8) + (dice.one_in(2) ? size - size / 4 : 0));
}

std::string random_range(Dice& dice, std::size_t size) {
    std::string text;
    const std::size_t count = dice.one_in(5) ? 2 + dice.below(2) : 1;
    for (std::size_t i = 0; i < count; ++i) {
        text += i == 0 ? "bytes=" : ",";
        const std::size_t first = near(dice, size);
        switch (dice.below(4)) {
        case 0: text += "-" + std::to_string(1 + near(dice, size)); break;
        case 1: text += std::to_string(first) + "-"; break;
        default: text += std::to_string(first) + "-" + std::to_string(first + near(dice, size)); break;
        }
    }
    return text;
}

std::string request_fields(Dice& dice, const Versions& versions) {
    std::string fields;
    const Version now = versions.now();
    if (!dice.one_in(4)) {
        fields += "Range: " + random_range(dice, now.content.size()) + "\r\n";
    }
    if (dice.one_in(6)) {
        fields += "If-Range: " + (dice.one_in(2) ? now.etag : std::string("\"v0\"")) + "\r\n";
    }
    if (dice.one_in(8)) {
        fields += "If-None-Match: " + now.etag + "\r\n";
    }
    if (dice.one_in(8)) {
        fields += "Cache-Control: no-cache\r\n";
    }
    return fields;
}

// The bytes that one Content-Range names are those of the content; or the first of them, where the connection was cut.
void check_span(const std::string& content_range, const std::string& bytes, const Version& version,
                bool complete = true) {
    std::size_t first = 0;
    std::size_t last = 0;
    std::size_t length = 0;
    REQUIRE(std::sscanf(content_range.c_str(), "bytes %zu-%zu/%zu", &first, &last, &length) == 3);
    CHECK(length == version.content.size());
    REQUIRE(first <= last);
    REQUIRE(last < version.content.size());
    CHECK((bytes == version.content.substr(first, complete ? last - first + 1 : bytes.size())));
}

void check_multipart(const Response& response, const Version& version) {
    const std::string type = response.get("Content-Type");
    const std::string begin = "multipart/byteranges; boundary=";
    REQUIRE(type.starts_with(begin));
    const std::string delimiter = "--" + type.substr(begin.size());
    std::string rest = response.content;
    std::size_t parts = 0;
    while (rest.starts_with(delimiter + "\r\n")) {
        const std::size_t head_end = rest.find("\r\n\r\n");
        REQUIRE(head_end != rest.npos);
        const std::string head = rest.substr(0, head_end);
        const std::string name = "Content-Range: ";
        const std::size_t at = head.find(name);
        REQUIRE(at != head.npos);
        std::size_t end = rest.find("\r\n" + delimiter, head_end + 4);
        REQUIRE(end != rest.npos);
        check_span(head.substr(at + name.size()), rest.substr(head_end + 4, end - head_end - 4), version);
        rest.erase(0, end + 2);
        ++parts;
    }
    CHECK(parts >= 2);
    CHECK(rest == delimiter + "--\r\n");
}

// `may_be_cut`: what it is put together from may change while it is sent.
void check_response(const Response& response, const Versions& versions, bool may_be_cut) {
    REQUIRE((response.complete || may_be_cut));
    if (response.status == 416) {
        CHECK(response.content.empty());
        return;
    }
    const Version* const version = versions.with(response.get("ETag"));
    REQUIRE(version != nullptr);
    switch (response.status) {
    case 200:
        CHECK((version->content.starts_with(response.content)));
        CHECK((!response.complete || response.content == version->content));
        break;
    case 304: CHECK(response.content.empty()); break;
    case 206:
        if (response.has("Content-Range")) {
            check_span(response.get("Content-Range"), response.content, *version, response.complete);
        } else if (response.complete) {
            check_multipart(response, *version);
        }
        break;
    default: FAIL("unexpected status " << response.status);
    }
}

} // namespace

TEST_CASE("whatever is answered is what the origin has under one validator") {
    for (const char* const handling : {"auto", "pass", "fill", "{slice: 1KiB}", "{slice: 64KiB}"}) {
        for (int round = 0; round < kRounds; ++round) {
            CAPTURE(std::string(handling));
            CAPTURE(round);
            const bool sliced = handling[0] == '{';
            Dice dice(property_seed() + static_cast<unsigned>(round));
            Versions versions;
            versions.add(dice);
            std::mutex manner_mutex;
            Manner manner;
            ScriptedOrigin origin;
            origin.on("/file", [&](OriginExchange& x) {
                Manner current;
                {
                    const std::lock_guard lock(manner_mutex);
                    current = manner;
                }
                answer(x, versions.now(), current);
            });
            Yaml yaml;
            yaml.policies = "own: {range: " + std::string(handling) + "}";
            yaml.behaviors = "[{path_pattern: '*', origin: api, cache_policy: own}]";
            yaml.memory = "size: 4MiB, max_object_size: 64KiB";
            yaml.timeouts = "uncacheable_memory: 1s";
            ProxyUnderTest proxy(origin, yaml);
            for (int step = 0; step < kSteps; ++step) {
                CAPTURE(step);
                if (dice.one_in(12)) {
                    versions.add(dice);
                }
                if (dice.one_in(15)) {
                    proxy.purge(R"({"path": "/file"})");
                }
                if (dice.one_in(10)) {
                    proxy.advance(dice.one_in(2) ? 1s : 61s);
                }
                if (dice.one_in(10)) {
                    const std::lock_guard lock(manner_mutex);
                    manner = {!dice.one_in(4), !dice.one_in(3), dice.one_in(6),
                              dice.one_in(5) ? "no-store" : "max-age=60"};
                }
                if (dice.one_in(10)) {
                    const Response head = proxy.head("/file");
                    CHECK(head.status == 200);
                    CHECK(head.content.empty());
                    continue;
                }
                // Two at a time, so that they meet.
                const std::string one_fields = request_fields(dice, versions);
                const std::string two_fields = request_fields(dice, versions);
                CAPTURE(one_fields);
                CAPTURE(two_fields);
                RawClient one(proxy.port());
                RawClient two(proxy.port());
                one.get("/file", one_fields);
                two.get("/file", two_fields);
                check_response(one.read_what_comes(), versions, sliced);
                check_response(two.read_what_comes(), versions, sliced);
            }
        }
    }
}
