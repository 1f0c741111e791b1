// One line of the access log for each request, hits, misses and failures.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

using namespace gatehouse::testing;

TEST_CASE("each request is one line that says what the cache did") {
    const auto path = std::filesystem::temp_directory_path() / ("gatehouse-log-" + std::to_string(::getpid()));
    std::filesystem::remove(path);
    ScriptedOrigin origin;
    origin.on("/a", [](OriginExchange& x) { x.ok("max-age=60", "content"); });
    origin.on("/broken", [](OriginExchange& x) {
        x.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        x.pass("break");
        x.close();
    });
    Yaml yaml;
    yaml.access_log = "{path: '" + path.string() + "'}";
    {
        ProxyUnderTest proxy(origin, yaml);
        proxy.get("/a");
        proxy.get("/a");
        RawClient broken(proxy.port());
        broken.get("/broken");
        broken.read_content(4);
        origin.open("break");
        CHECK_FALSE(broken.read_what_comes().complete);
        proxy.ask("NONSENSE\r\n\r\n");
    }
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
    }
    std::filesystem::remove(path);
    REQUIRE(lines.size() == 4);
    const auto find = [&](const std::string& text) {
        return std::count_if(lines.begin(), lines.end(),
                             [&](const std::string& line) { return line.find(text) != std::string::npos; });
    };
    CHECK(find("\"target\":\"/a\"") == 2);
    CHECK(find("\"status\":200") == 3);
    CHECK(find("\"status\":400") == 1);
    CHECK(find("\"cache\":\"hit\"") == 1);
    CHECK(find("\"cache\":\"miss\"") == 1);
    CHECK(find("\"cache\":\"error\"") == 2);
    CHECK(find("\"complete\":false") == 1);
    CHECK(find("\"error\":\"response_incomplete\"") == 1);
}
