// The rules themselves, each fed with what it must find and with what it must leave alone: a rule that finds
// nothing would otherwise pass for ever.
#include "tests/style/rules.h"
#include "tests/style/scan.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

using namespace gatehouse::style;

namespace {

// A row is a file and what the rule says about it: the lines it finds something in.
struct Row {
    const char* name;
    const char* path;
    const char* text;
    std::vector<std::size_t> lines;
};

std::string to_text(const std::vector<std::size_t>& lines) {
    std::string text;
    for (const auto line : lines) text += std::to_string(line) + " ";
    return text;
}

template <class Rule>
void check_rows(Rule rule, const std::vector<Row>& rows) {
    for (const auto& row : rows) {
        CAPTURE(row.name);
        std::vector<std::size_t> lines;
        for (const auto& finding : rule(make_source_file(row.path, row.text))) {
            CHECK(finding.path == row.path);
            CHECK_FALSE(finding.message.empty());
            lines.push_back(finding.line);
        }
        CHECK(to_text(lines) == to_text(row.lines));
    }
}

std::string repeated(std::size_t lines) {
    std::string text;
    for (std::size_t i = 0; i < lines; ++i) text += "// A line of a file that is long.\n";
    return text;
}

} // namespace

TEST_CASE("Comments and literals are taken out of code, and offsets stay") {
    const auto file = make_source_file("proxy/a.cpp", "int a; // note\n"
                                                      "auto s = \"x // y\"; /* b\n"
                                                      "c */ char q = '\"'; int n = 10'000;\n"
                                                      "auto r = R\"k(one \" )k two)k\"; int last;\n");
    CHECK(file.code.size() == file.text.size());
    CHECK(file.code_and_strings.size() == file.text.size());
    CHECK(file.code == "int a;        \n"
                       "auto s = \"      \";     \n"
                       "     char q = ' '; int n = 10'000;\n"
                       "auto r = R\"k(            )k\"; int last;\n");
    CHECK(file.code_and_strings.find("x // y") != std::string::npos);
    CHECK(file.code_and_strings.find("note") == std::string::npos);
    CHECK(line_of(file.text, file.text.find("last")) == 4);
}

TEST_CASE("The include rule knows which folder may use which") {
    check_rows(check_include_direction,
               {
                   {"http uses itself", "http/a.cpp", "#include \"http/fields.h\"\n#include <string>\n", {}},
                   {"http uses config", "http/a.cpp", "\n#include \"config/config.h\"\n", {2}},
                   {"config uses http", "config/a.h", "#include \"http/date.h\"\n", {}},
                   {"config uses cache", "config/a.h", "#include \"cache/policy/key.h\"\n", {1}},
                   {"policy uses config", "cache/policy/a.h", "#include \"config/config.h\"\n", {}},
                   {"policy uses the store", "cache/policy/a.h", "#include \"cache/store/store.h\"\n", {1}},
                   {"policy uses cache", "cache/policy/a.h", "#include \"cache/http_cache.h\"\n", {1}},
                   {"store uses policy", "cache/store/a.h", "#include \"cache/policy/key.h\"\n", {}},
                   {"store uses cache", "cache/store/a.h", "#include \"cache/http_cache.h\"\n", {1}},
                   {"cache uses both",
                    "cache/a.cpp",
                    "#include \"cache/policy/key.h\"\n#include \"cache/store/store.h\"\n",
                    {}},
                   {"cache uses proxy", "cache/a.cpp", "#  include \"proxy/clock.h\"\n", {1}},
                   {"proxy uses all", "proxy/a.cpp", "#include \"cache/http_cache.h\"\n", {}},
                   {"proxy uses tests", "proxy/a.cpp", "#include \"tests/support/clock.h\"\n", {1}},
                   {"tests use all", "tests/unit/a.cpp", "#include \"proxy/clock.h\"\n", {}},
                   {"a path that does not start at the root", "http/a.cpp", "#include \"fields.h\"\n", {1}},
                   {"an include in a comment", "http/a.cpp", "// #include \"proxy/clock.h\"\n", {}},
                   {"an include in a string", "http/a.cpp", "auto s = \"#include \\\"proxy/a.h\\\"\";\n", {}},
               });
}

TEST_CASE("The library rule keeps each library in its folder") {
    check_rows(check_library_includes,
               {
                   {"Beast in the proxy", "proxy/a.cpp", "#include <boost/beast/http.hpp>\n", {}},
                   {"Beast in the cache", "cache/a.cpp", "#include <boost/beast/http.hpp>\n", {1}},
                   {"OpenSSL in the store", "cache/store/a.cpp", "#include <openssl/sha.h>\n", {1}},
                   {"Asio's TLS in a test", "tests/support/a.cpp", "#include <boost/asio/ssl.hpp>\n", {}},
                   {"Asio in http", "http/a.h", "#include <boost/asio/buffer.hpp>\n", {1}},
                   {"Asio in config", "config/a.h", "#include <boost/asio.hpp>\n", {1}},
                   {"Asio in the policy", "cache/policy/a.h", "#include <boost/asio.hpp>\n", {1}},
                   {"Asio in the store", "cache/store/a.h", "#include <boost/asio.hpp>\n", {}},
                   {"Boost.System in http", "http/a.h", "#include <boost/system/result.hpp>\n", {}},
                   {"YAML in the loader", "config/loader.cpp", "#include <yaml-cpp/yaml.h>\n", {}},
                   {"YAML beside the loader", "config/config.h", "#include <yaml-cpp/yaml.h>\n", {1}},
                   {"YAML in a test", "tests/unit/a.cpp", "#include \"yaml-cpp/yaml.h\"\n", {1}},
               });
}

TEST_CASE("The waiting rule finds timers and sleeps") {
    check_rows(
        check_waiting,
        {
            {"a timer", "proxy/a.cpp", "asio::steady_timer timer(executor);\n", {1}},
            {"the wheel's timer", "proxy/deadline_wheel.h", "asio::steady_timer timer_;\n", {}},
            {"an old timer", "proxy/a.cpp", "asio::deadline_timer t;\n", {1}},
            {"a sleep in a test", "tests/a.cpp", "\nstd::this_thread::sleep_for(std::chrono::seconds(1));\n", {2}},
            {"a sleep of POSIX", "tests/a.cpp", "usleep (10);\n::sleep(1);\n", {2, 1}},
            {"a word in a comment", "proxy/a.cpp", "// no steady_timer and no sleep(1) here\n", {}},
            {"a name that contains one", "proxy/a.cpp", "int sleep_count = may_sleep();\n", {}},
            {"a member named sleep", "proxy/a.cpp", "bool sleep = false;\n", {}},
        });
}

TEST_CASE("The clock rule finds reads of the time") {
    check_rows(check_clock_reads,
               {
                   {"the wall clock", "cache/a.cpp", "auto now = std::chrono::system_clock::now();\n", {1}},
                   {"the steady clock", "proxy/a.cpp", "auto t = steady_clock::now();\n", {1}},
                   {"the system's own call", "http/a.cpp", "clock_gettime(CLOCK_REALTIME, &t);\n", {1}},
                   {"the clock itself", "proxy/clock.cpp", "return steady_clock::now();\n", {}},
                   {"a benchmark", "bench/a.cpp", "auto t = steady_clock::now();\n", {}},
                   {"test support", "tests/support/a.cpp", "auto t = steady_clock::now();\n", {}},
                   {"a test", "tests/unit/a.cpp", "auto t = steady_clock::now();\n", {1}},
                   {"a type", "cache/a.h", "using WallTime = system_clock::time_point;\n", {}},
                   {"the C type", "http/a.h", "std::time_t seconds;\n", {}},
               });
}

TEST_CASE("The detached rule finds the token and not the word") {
    check_rows(check_detached, {
                                   {"qualified", "proxy/a.cpp", "co_spawn(e, f(), asio::detached);\n", {1}},
                                   {"in full", "tests/a.cpp", "co_spawn(e, f(), boost::asio::detached);\n", {1}},
                                   {"as last argument", "proxy/a.cpp", "co_spawn(e, f(),\n    detached);\n", {2}},
                                   {"a variable", "proxy/a.cpp", "bool detached = false;\nif (detached) stop();\n", {}},
                                   {"a comment", "proxy/a.cpp", "// never asio::detached\n", {}},
                               });
}

TEST_CASE("The co_await rule finds temporaries that GCC 12 destroys twice") {
    check_rows(check_co_await_temporaries,
               {
                   {"a lambda with a capture", "proxy/a.cpp", "co_await run([x](int) { use(x); }, token);\n", {1}},
                   {"a lambda by reference", "proxy/a.cpp", "int n = co_await run([&] { return y; });\n", {1}},
                   {"a mutable lambda", "proxy/a.cpp", "co_await run([p = move(p)]() mutable { p(); });\n", {1}},
                   {"a lambda on a later line", "proxy/a.cpp", "co_await run(\n    a,\n    [this](int) {});\n", {1}},
                   {"a lambda without capture", "proxy/a.cpp", "co_await run([](int) { f(); }, token);\n", {}},
                   {"a designated aggregate", "proxy/a.cpp", "co_await send(Options{.size = 1});\n", {1}},
                   {"a bare designated aggregate", "proxy/a.cpp", "co_await send(a, {.size = 1});\n", {1}},
                   {"a bare aggregate", "proxy/a.cpp", "co_await send(a, {1, 2});\n", {1}},
                   {"empty braces", "proxy/a.cpp", "co_await send(a, {});\n", {}},
                   {"a named object", "proxy/a.cpp", "co_await send(std::move(options), token);\n", {}},
                   {"a subscript and a call", "proxy/a.cpp", "co_await readers[i](token);\n", {}},
                   {"a condition before a block",
                    "proxy/a.cpp",
                    "while (co_await next()) {\n    auto f = [&](int) {};\n    g(f, {.a = 1});\n}\n",
                    {}},
                   {"a statement before another", "proxy/a.cpp", "co_await a();\nrun([x](int) {});\n", {}},
                   {"inside a lambda that is no operand",
                    "proxy/a.cpp",
                    "spawn([self]() -> awaitable<void> { co_await self->run(); });\n",
                    {}},
                   {"an attribute", "proxy/a.cpp", "[[maybe_unused]] auto r = co_await next(a, b);\n", {}},
               });
}

TEST_CASE("The rule on unfinished marks finds them in any file") {
    const std::string mark = "TO"
                             "DO";
    const auto in_code = "// " + mark + ": more\n";
    const auto in_docs = "text\n\n" + mark + " later\n";
    const auto longer = "METHO"
                        "DO_" +
                        mark +
                        "S mkstemp(\"aXX"
                        "XXXX\")\n";
    check_rows(check_unfinished_marks, {
                                           {"in code", "proxy/a.cpp", in_code.c_str(), {1}},
                                           {"in documentation", "docs/A.md", in_docs.c_str(), {3}},
                                           {"within longer words", "docs/A.md", longer.c_str(), {}},
                                       });
}

TEST_CASE("The length rule has three boundaries for each kind of file") {
    const auto rows = [](const char* path, std::size_t limit) {
        const auto below = repeated(limit - 1);
        const auto exact = repeated(limit);
        const auto above = repeated(limit + 1);
        check_rows(check_length, {
                                     {"one line less", path, below.c_str(), {}},
                                     {"as many lines", path, exact.c_str(), {}},
                                     {"one line more", path, above.c_str(), {limit + 1}},
                                 });
    };
    rows("proxy/a.cpp", 600);
    rows("proxy/a.h", 300);
    rows("tests/e2e/a.test.mjs", 600);
}

TEST_CASE("The comment rule wants a sentence at the top") {
    check_rows(check_opening_comment,
               {
                   {"a comment", "http/a.h", "// What this file is about.\n#pragma once\n", {}},
                   {"none", "http/a.h", "#pragma once\n", {1}},
                   {"its header speaks for it", "http/a.cpp", "#include \"http/a.h\"\n", {}},
                   {"another header does not", "http/a.cpp", "#include \"http/b.h\"\n", {1}},
                   {"one that says nothing", "http/a.h", "// a.h\n#pragma once\n", {1}},
                   {"a blank line first", "http/a.cpp", "\n// What this file is about.\n", {1}},
                   {"an empty file", "http/a.cpp", "", {1}},
                   {"a script", "run", "#!/usr/bin/env bash\n# Starts the proxy and its origin.\n", {}},
                   {"a script without", "run", "#!/usr/bin/env bash\nset -e\n", {2}},
                   {"a module", "tests/e2e/a.test.mjs", "import a from 'a';\n", {1}},
                   {"a text of another kind", "LICENSE", "Apache License\n", {}},
               });
}

TEST_CASE("The lock file rule finds recorded addresses") {
    check_rows(check_lock_file, {
                                    {"an address", "sample/package-lock.json", "{\n \"resolved\": \"x\" }\n", {2}},
                                    {"a checksum", "sample/package-lock.json", "{ \"integrity\": \"x\" }\n", {}},
                                    {"another file", "sample/package.json", "{ \"resolved\": \"x\" }\n", {}},
                                });
}

TEST_CASE("The link rule follows relative links and headings") {
    const std::filesystem::path root = GATEHOUSE_SOURCE_DIR;
    const auto rule = [&](const SourceFile& file) { return check_links(file, root); };
    check_rows(rule, {
                         {"a file", "docs/A.md", "See [the build](../CMakeLists.txt).\n", {}},
                         {"a folder", "A.md", "See [tests](tests/style).\n", {}},
                         {"nowhere", "docs/A.md", "\nSee [it](no/such/file.md).\n", {2}},
                         {"an own heading", "A.md", "# One thing, `two`\n[up](#one-thing-two)\n", {}},
                         {"no such heading", "CONTRIBUTING.md", "# One\n[up](#three)\n", {2}},
                         {"an address", "A.md", "[RFC](https://www.rfc-editor.org/rfc/rfc9111)\n", {}},
                         {"a link in code", "A.md", "```\n[x](nowhere)\n```\n and `[y](nowhere)`\n", {}},
                         {"another kind of file", "a.cpp", "// [x](nowhere)\n", {}},
                     });
}
