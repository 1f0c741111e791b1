// The program looks into a cache directory: what it prints, and its exit statuses.
#include "tests/support/cache_directory.h"
#include "tests/support/gates.h"

#include <doctest/doctest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>

#include <sys/wait.h>

using namespace gatehouse::testing;
namespace json = boost::json;

namespace {

struct Ended {
    int status = -1;
    std::string output; // of both streams, or of standard output alone
};

// `arguments` as a shell reads them.
Ended gatehouse_cache(const std::string& arguments, const std::string& errors = "2>&1") {
    const std::string binary = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "gatehouse";
    std::FILE* const pipe = ::popen(("'" + binary + "' cache " + arguments + " " + errors).c_str(), "r");
    REQUIRE(pipe != nullptr);
    Ended ended;
    std::array<char, 4096> bytes{};
    for (std::size_t got = 0; (got = std::fread(bytes.data(), 1, bytes.size(), pipe)) > 0;) {
        ended.output.append(bytes.data(), got);
    }
    const int status = ::pclose(pipe);
    ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ended;
}

} // namespace

TEST_CASE("gatehouse cache looks into a directory that a process uses, and says by its status what it found") {
    CacheDirectory directory;
    CachedResponse response;
    for (int i = 0; i < 200; ++i) {
        response.key = key_of("shop.example", "/v1/items/" + std::to_string(i));
        response.body = std::string(static_cast<std::size_t>(i), 'x');
        directory.put(response);
    }
    response.key = key_of("shop.example", "/v1/last");
    response.body = "the last body";
    directory.put(response);

    const Ended listed = gatehouse_cache("ls " + directory.path() + " --json");
    CHECK(listed.status == 0);
    std::istringstream lines(listed.output);
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        const json::value value = json::parse(line);
        CHECK(value.at("host").as_string() == "shop.example");
    }
    CHECK(count == 201);
    const Ended sums = gatehouse_cache("stat " + directory.path() + " --json");
    CHECK(sums.status == 0);
    CHECK(json::parse(sums.output).at("entries").as_int64() == 201);
    CHECK(
        gatehouse_cache("dump " + directory.path() + " https://shop.example/v1/last --body -", "2>/dev/null").output ==
        "the last body");
    const Ended well = gatehouse_cache("verify " + directory.path());
    CHECK(well.status == 0);
    CHECK(well.output == "4 segments, 201 records, 0 wrong\n");

    directory.flip("segment-0", 100);
    const Ended wrong = gatehouse_cache("verify " + directory.path());
    CHECK(wrong.status == 1);
    CHECK(wrong.output.starts_with("segment-0:64: "));
    const Ended missing = gatehouse_cache("verify " + directory.file("none"));
    CHECK(missing.status == 2);
    CHECK(missing.output == "gatehouse: " + directory.file("none") + ": there is no such directory\n");
    CHECK(gatehouse_cache("ls").status == 2);
}
