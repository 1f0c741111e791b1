// What `gatehouse cache` prints of a directory, and how it ends.
#include "proxy/command_line.h"
#include "tests/support/cache_directory.h"

#include <doctest/doctest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

using namespace gatehouse;
using namespace gatehouse::proxy;
using namespace gatehouse::testing;
namespace disk = gatehouse::cache::store::disk;

namespace {

struct Performed {
    int status = -1;
    std::string out;
    std::string err;
};

Performed perform(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"gatehouse", "cache"});
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) {
        argv.push_back(argument.c_str());
    }
    std::ostringstream out;
    std::ostringstream err;
    const int status = run_command(parse_command_line(static_cast<int>(argv.size()), argv.data()), out, err);
    return {status, out.str(), err.str()};
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::size_t lines_of(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

CachedResponse response(const std::string& path, const std::string& body, const std::string& query = "") {
    CachedResponse out;
    out.key = key_of("shop.example", path, query);
    out.body = body;
    return out;
}

// The content of a directory, with the times of the last change.
std::string state_of(const CacheDirectory& directory) {
    std::vector<std::string> lines;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
        lines.push_back(entry.path().filename().string() +
                        std::to_string(entry.last_write_time().time_since_epoch().count()) +
                        directory.content(entry.path().filename().string()));
    }
    std::sort(lines.begin(), lines.end());
    std::string out;
    for (const std::string& line : lines) {
        out += line + "\n";
    }
    return out;
}

} // namespace

TEST_CASE("cache ls has a line for each entry that a start finds, by key") {
    CacheDirectory directory;
    directory.put(response("/v1/b", "old"));
    directory.put(response("/v1/b", "newer"));
    directory.put(response("/v1/gone", "x"));
    CHECK_FALSE(directory.log().remove(key_of("shop.example", "/v1/gone"), "\n", 9));
    CachedResponse german = response("/v1/a", "Hallo", "page=2");
    german.vary_names = "accept-language";
    german.vary_values = "=de\n";
    german.status = 404;
    directory.put(german);
    const Performed listed = perform({"ls", directory.path()}); // a process uses it
    CHECK(listed.status == 0);
    CHECK(listed.err.empty());
    CHECK(listed.out == "404           5  Thu, 26 Nov 2026 19:00:00 GMT  Thu, 26 Nov 2026 19:01:00 GMT         4  "
                        "GET shop.example/v1/a?page=2  catalogue|/v1/* api  accept-language: de\n"
                        "200           5  Thu, 26 Nov 2026 19:00:00 GMT  Thu, 26 Nov 2026 19:01:00 GMT         2  "
                        "GET shop.example/v1/b  catalogue|/v1/* api\n");
    CHECK(lines_of(perform({"ls", directory.path(), "--match", "/v1/b"}).out) == 1);
    CHECK(lines_of(perform({"ls", directory.path(), "--match", "https://shop.example/*page=2"}).out) == 1);
    CHECK(perform({"ls", directory.path(), "--match", "/v2"}).out.empty());
    CHECK(perform({"ls", directory.path(), "--match", "/v2"}).status == 0);
}

TEST_CASE("cache ls --json has an object a line, with the key as it is") {
    CacheDirectory directory;
    directory.put(response("/v1/a", "Hallo", "page=2"));
    directory.put(response("/v1/b\xff\x1b[2J", "x"));
    const std::string text = perform({"ls", directory.path(), "--json"}).out;
    CHECK(lines_of(text) == 2);
    CHECK_FALSE(contains(text, "\x1b"));
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line);
    CHECK(boost::json::parse(line) == boost::json::parse(R"({
        "status": 200, "method": "GET", "host": "shop.example", "path": "/v1/a", "query": "page=2",
        "rules": "catalogue|/v1/*", "origin": "api", "key_fields": [], "variant": [], "body_bytes": 5,
        "date": "Thu, 26 Nov 2026 19:00:00 GMT", "expires": "Thu, 26 Nov 2026 19:01:00 GMT", "sequence": 1,
        "kind": "whole", "segment": "segment-0", "offset": 64, "generation": 1, "no_body": null,
        "key": "catalogue|/v1/*\napi\nshop.example\n/v1/a\npage=2\n"})"));
    std::getline(lines, line);
    CHECK(boost::json::parse(line).is_object());
}

TEST_CASE("nothing that came from outside sends escapes to a terminal") {
    CacheDirectory directory;
    CachedResponse hostile = response("/v1/\x1b[2J\xc2\x9b", "body", "q=\x1b");
    hostile.vary_names = "user-agent";
    hostile.vary_values = "=\x1b]0;x\x07\n";
    hostile.extra_name = "Server";
    hostile.extra_value = "\x1b[31m\x9b";
    directory.put(hostile);
    const Performed listed = perform({"ls", directory.path()});
    CHECK(contains(listed.out, "GET shop.example/v1/\\x1b[2J\\u009b?q=\\x1b"));
    const Performed dumped = perform({"dump", directory.path(), "shop.example/v1/\x1b[2J\xc2\x9b?q=\x1b"});
    CHECK(dumped.status == 0);
    CHECK(contains(dumped.out, "Server: \\x1b[31m\\x9b\n"));
    const Performed missing = perform({"dump", directory.path(), "/\x1b[2J"});
    for (const std::string& text : {listed.out, dumped.out, missing.err}) {
        CHECK_FALSE(contains(text, "\x1b"));
        CHECK_FALSE(contains(text, "\xc2\x9b"));
    }
}

TEST_CASE("cache stat counts segments, records and bytes") {
    CacheDirectory directory;
    directory.put(response("/v1/a", std::string(1000, 'x')));
    directory.put(response("/v1/a", std::string(1000, 'y')));
    CHECK_FALSE(directory.log().close());
    const auto whole = directory.put(response("/v1/b", std::string(500, 'z')));
    const std::string place = encode(disk::BodyPlace{{whole.segment, whole.units, 2}, whole.length_units});
    CachedResponse fresher = response("/v1/b", place);
    fresher.kind = disk::RecordKind::Metadata;
    fresher.total_bytes = 500;
    directory.put(fresher);
    std::ofstream(directory.file("segment-3")) << "no segment";
    const Performed counted = perform({"stat", directory.path()});
    CHECK(counted.status == 0);
    CHECK(contains(counted.out, "segments     1 free, 1 sealed, 1 unsealed, 0 of another version, 0 of another store, "
                                "1 damaged\n"));
    CHECK(contains(counted.out, "generations  1 to 2\n"));
    CHECK(contains(counted.out, "records      3 whole, 0 chunk, 0 manifest, 1 metadata, 0 removed; "));
    CHECK(contains(counted.out, "entries      2 that a start finds\n"));
    CHECK(contains(counted.out, "bodies       1500 bytes\n"));
    CHECK(contains(counted.out, "sequence     4 is the largest\n"));
    CHECK(contains(counted.out, "dates        Thu, 26 Nov 2026 19:00:00 GMT to Thu, 26 Nov 2026 19:00:00 GMT\n"));
    const boost::json::value json = boost::json::parse(perform({"stat", directory.path(), "--json"}).out);
    CHECK(json.at("entries").as_int64() == 2);
    CHECK(json.at("segments").at("damaged").as_int64() == 1);
    // Of four records of which one was replaced: the one that the metadata names is not dead.
    const std::int64_t bytes = json.at("record_bytes").as_int64();
    const std::string listed = perform({"ls", directory.path(), "--json"}).out;
    const boost::json::value first = boost::json::parse(listed.substr(0, listed.find('\n')));
    const std::int64_t one_record = first.at("offset").as_int64() - 64; // of the first, which was replaced
    CHECK(json.at("dead_per_mille").as_int64() == one_record * 1000 / bytes);
}

TEST_CASE("cache stat of a directory that nothing was stored in yet") {
    CacheDirectory directory;
    directory.kill();
    const Performed counted = perform({"stat", directory.path()});
    CHECK(counted.status == 0);
    CHECK(contains(counted.out, "generations  none\n"));
    CHECK(contains(counted.out, "dead         0.0 % of the bytes of records\n"));
    CHECK(contains(counted.out, "dates        none\n"));
    CHECK(boost::json::parse(perform({"stat", directory.path(), "--json"}).out).at("oldest_date").is_null());
}

TEST_CASE("cache verify says what is wrong and where, and changes nothing") {
    CacheDirectory directory;
    directory.put(response("/v1/a", "body a"));
    const auto second = directory.put(response("/v1/b", "body b"));
    CHECK_FALSE(directory.log().close());
    directory.kill();
    const std::string before = state_of(directory);
    const Performed well = perform({"verify", directory.path()});
    CHECK(well.status == 0);
    CHECK(well.out == "4 segments, 2 records, 0 wrong\n");
    CHECK(state_of(directory) == before);

    const std::string content = directory.content("segment-0");
    directory.flip("segment-0", content.find("body b"));
    const Performed wrong = perform({"verify", directory.path()});
    CHECK(wrong.status == 1);
    const std::string place = "segment-0:" + std::to_string(second.units * disk::kUnitBytes);
    CHECK(wrong.out == place + ": the checksum of the body is wrong for the 6 bytes from byte 0 on, at offset " +
                           std::to_string(content.find("body b")) + "\n4 segments, 2 records, 1 wrong\n");
    directory.flip("identity", 20);
    CHECK(contains(perform({"verify", directory.path()}).out, "identity:0: its checksum is wrong\n"));
    CHECK(contains(perform({"ls", directory.path()}).err, "identity"));
    CHECK(perform({"ls", directory.path()}).status == 2);
}

TEST_CASE("cache verify tells of a torn tail, of bodies that are gone, and of metadata that is no head") {
    CacheDirectory directory;
    directory.put(response("/v1/a", "body a"));
    const std::string reclaimed = encode(disk::BodyPlace{{0, 1, 77}, 3});
    const std::string nowhere = encode(disk::BodyPlace{{0, 900, 1}, 3});
    CachedResponse gone = response("/v1/gone", reclaimed);
    gone.kind = disk::RecordKind::Metadata;
    gone.total_bytes = 6;
    directory.put(gone);
    const auto last = directory.put(response("/v1/torn", "body of the torn one"));
    directory.kill();
    directory.flip("segment-0", directory.content("segment-0").find("body of the torn one"));
    Performed told = perform({"verify", directory.path()});
    CHECK(told.status == 0);
    CHECK(contains(told.out, "segment-0:" + std::to_string(last.units * disk::kUnitBytes) +
                                 ": (not wrong) a record that is not whole: what a kill leaves"));
    CHECK(contains(told.out, "(not wrong) the segment of its body, segment-0, was begun anew since\n"));
    CHECK(contains(told.out, "4 segments, 2 records, 0 wrong\n"));
    CHECK(contains(perform({"ls", directory.path()}).out, "no body: the segment of its body, segment-0, was begun"));
    CHECK(perform({"dump", directory.path(), "/v1/gone", "--body", "-"}).status == 1);

    CacheDirectory other;
    CachedResponse lost = response("/v1/lost", nowhere);
    lost.kind = disk::RecordKind::Metadata;
    other.put(lost);
    disk::NewRecord record;
    record.key = "k";
    record.metadata = "no head";
    REQUIRE(other.log().append(record).has_value());
    told = perform({"verify", other.path()});
    CHECK(told.status == 1);
    CHECK(
        contains(told.out, "segment-0:64: no whole record stands where its body should, in segment-0 at offset 57600"));
    CHECK(contains(told.out, ": the metadata is no head of a response\n"));
    CHECK(contains(told.out, ", 2 wrong\n"));
    CHECK(lines_of(perform({"ls", other.path()}).out) == 2);
    CHECK(contains(perform({"dump", other.path(), "k"}).out, "The metadata is no head of a response."));
}

TEST_CASE("cache dump prints heads as HTTP, and writes the body of one") {
    CacheDirectory directory;
    CachedResponse german = response("/v1/a", "Hallo", "page=2");
    german.vary_names = "accept-language";
    german.vary_values = "=de\n";
    directory.put(german);
    CachedResponse english = response("/v1/a", "Hello", "page=2");
    english.vary_names = "accept-language";
    english.vary_values = "=en\n";
    directory.put(english);
    const std::string url = "https://shop.example/v1/a?page=2&utm=1";
    const Performed first = perform({"dump", directory.path(), url, "--variant", "1"});
    CHECK(first.status == 0);
    CHECK(contains(first.out, "entry      1 of 2\n"
                              "key        GET shop.example/v1/a?page=2\n"
                              "rules      catalogue|/v1/*, origin api\n"
                              "variant    accept-language: de\n"
                              "requested  Thu, 26 Nov 2026 19:00:00 GMT\n"
                              "received   Thu, 26 Nov 2026 19:00:00 GMT\n"
                              "expires    Thu, 26 Nov 2026 19:01:00 GMT, as the store was told\n"
                              "sequence   1\n"
                              "stands in  segment-0 at offset 64, generation 1: whole, "));
    CHECK(contains(first.out, "\nbody       5 bytes\n"
                              "\n"
                              "HTTP/1.1 200 OK\n"
                              "Content-Type: text/plain\n"
                              "Date: Thu, 26 Nov 2026 19:00:00 GMT\n"
                              "ETag: \"1\"\n\n"));
    CHECK_FALSE(contains(first.out, "2 of 2"));
    const Performed both = perform({"dump", directory.path(), url});
    CHECK(contains(both.out, "1 of 2"));
    CHECK(contains(both.out, "2 of 2"));

    const Performed body = perform({"dump", directory.path(), url, "--variant", "2", "--body", "-"});
    CHECK(body.status == 0);
    CHECK(body.out == "Hello");
    CHECK(contains(body.err, "accept-language: en"));
    const ScratchDirectory scratch;
    CHECK(perform({"dump", directory.path(), url, "--variant", "1", "--body", scratch.path("b")}).status == 0);
    std::ifstream written(scratch.path("b"));
    CHECK(std::string(std::istreambuf_iterator<char>(written), {}) == "Hallo");

    struct Row {
        std::vector<std::string> arguments;
        std::string message;
    };
    const Row rows[] = {
        {{url, "--body", "-"}, "--body: 2 entries match; choose one with --variant N"},
        {{url, "--variant", "3"}, "--variant 3: there are 2"},
        {{"/v1/none"}, "nothing is stored for /v1/none"},
        {{url, "--variant", "1", "--body", directory.file("segment-1")}, "where nothing is written"},
        {{url, "--variant", "1", "--body", scratch.path("no/b")}, "cannot be written"},
    };
    for (const Row& row : rows) {
        std::vector<std::string> arguments{"dump", directory.path()};
        arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
        const Performed refused = perform(arguments);
        CHECK(refused.status == 1);
        CHECK_MESSAGE(contains(refused.err, row.message), refused.err);
    }
    CHECK_FALSE(directory.log().close());
    directory.flip("segment-0", directory.content("segment-0").find("Hallo"));
    const Performed wrong = perform({"dump", directory.path(), url, "--variant", "1", "--body", "-"});
    CHECK(wrong.status == 1);
    CHECK(wrong.out.empty());
    CHECK(contains(wrong.err, "the checksum of the body is wrong, in segment-0 at offset "));
}

TEST_CASE("a path that is no cache directory, and arguments that are wrong, are status 2 with a sentence") {
    const ScratchDirectory scratch;
    const std::string none = scratch.path("none");
    struct Row {
        std::vector<std::string> arguments;
        std::string message;
    };
    const Row rows[] = {
        {{"ls", none}, none + ": there is no such directory"},
        {{"stat", scratch.write("file", "")}, "it is no directory"},
        {{"verify", scratch.path("")}, "it has no file `identity`: no cache directory, or one that was never used"},
        {{"dump", none, "/a"}, none + ": there is no such directory"},
        {{}, "cache takes a command; there are ls, stat, verify and dump"},
        {{"list", none}, "cache takes a command; there are ls, stat, verify and dump"},
        {{"ls"}, "PATH"},
        {{"dump", none}, "TARGET"},
        {{"dump", none, "/a", "--variant", "0"}, "--variant"},
        {{"dump", none, "ftp://h/"}, "cannot look for ftp://h/"},
        {{"verify", none, "--json"}, "--json"},
    };
    for (const Row& row : rows) {
        const Performed refused = perform(row.arguments);
        CHECK(refused.status == 2);
        CHECK(refused.out.empty());
        CHECK_MESSAGE(contains(refused.err, row.message), refused.err);
    }
    CHECK_FALSE(std::filesystem::exists(none));
    CHECK_FALSE(std::filesystem::exists(scratch.path("LOCK")));
}
