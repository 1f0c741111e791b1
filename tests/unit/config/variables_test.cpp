// Variables and files in values: what is put in, what is refused and where, and what messages show of it.
#include "config/variables.h"

#include "config/loader.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

using namespace gatehouse::config;

namespace {

Outside outside_of(std::map<std::string, std::string> variables, std::map<std::string, std::string> files = {}) {
    Outside out;
    out.variable = [variables](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    out.file = [files](const std::string& path) -> FileText {
        const auto found = files.find(path);
        if (found == files.end()) return {std::nullopt, "cannot be read: No such file or directory"};
        return {found->second, ""};
    };
    return out;
}

const std::map<std::string, std::string> kVariables{
    {"HOST", "api.example"}, {"EMPTY", ""},  {"_a1", "x"}, {"SELF", "${SELF}"}, {"LONG", std::string(60'000, 'l')},
    {"LATIN", "caf\xE9"},    {"TTL", "soon"}};
const std::map<std::string, std::string> kFiles{{"/etc/g/key", "secret\n"},
                                                {"/run/key", "other"},
                                                {"/etc/g/lines", "a\nb\n\n"},
                                                {"/etc/g/windows", "w\r\n"},
                                                {"/etc/g/binary", "\x01"},
                                                {"/etc/g/empty", ""},
                                                {"/etc/g/long", std::string(65'537, 'l')}};

Expanded expand(std::string_view text) {
    return expand_variables(text, "/etc/g/gatehouse.yaml", outside_of(kVariables, kFiles));
}

const std::string kRest = "\nbehaviors: [{path_pattern: '*', origin: api}]\nlisteners: [{address: '127.0.0.1:0'}]\n";

LoadResult load(const std::string& text) {
    return load_text(text, "/etc/g/gatehouse.yaml", outside_of(kVariables, kFiles));
}

} // namespace

TEST_CASE("What variables and files stand for is put in") {
    struct Row {
        std::string text;
        std::string expected;
        bool secret;
    };
    const Row rows[] = {
        {"", "", false},
        {"plain $ { } $$ $x", "plain $ { } $$ $x", false},
        {"${HOST}", "api.example", false},
        {"https://${HOST}:443/${_a1}", "https://api.example:443/x", false},
        {"${EMPTY}", "", false},
        {"${EMPTY:-default}", "default", false},
        {"${NONE:-default}", "default", false},
        {"${NONE:-}", "", false},
        {"${NONE:-a:-b}", "a:-b", false},
        {"${NONE:-$HOST}", "$HOST", false},
        {"${HOST:-default}", "api.example", false},
        {"${SELF}", "${SELF}", false},
        {"$${HOST}", "${HOST}", false},
        {"$$${HOST}", "$${HOST}", false},
        {"${file:key}", "secret", true},
        {"<${file:/run/key}>", "<other>", true},
        {"${file:lines}", "a\nb\n", true},
        {"${file:windows}", "w", true},
        {"${file:empty}", "", true},
        {"${LONG}" + std::string(5'536, 'x'), std::string(60'000, 'l') + std::string(5'536, 'x'), false},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const Expanded expanded = expand(row.text);
        CHECK(expanded.problem == "");
        CHECK((expanded.text == row.expected));
        CHECK(expanded.secret == row.secret);
    }
}

TEST_CASE("A variable that stands for nothing is refused where it begins") {
    struct Row {
        std::string text;
        std::size_t at;
        std::string problem;
    };
    const std::string accepted = "expected ${NAME}, ${NAME:-default} or ${file:PATH}, or $${ for these characters "
                                 "themselves; found ";
    const Row rows[] = {
        {"ab${NONE}", 2, "the environment has no variable NONE; ${NONE:-default} would give it a default"},
        {"${HOST}${NONE}${NONE2}", 7, "the environment has no variable NONE; ${NONE:-default} would give it a default"},
        {"a${HOST", 1, "`${` without a `}` that ends it"},
        {"${}", 0, accepted + "`${}`"},
        {"${ HOST }", 0, accepted + "`${ HOST }`"},
        {"${1A}", 0, accepted + "`${1A}`"},
        {"${A-b}", 0, accepted + "`${A-b}`"},
        {"${:-b}", 0, accepted + "`${:-b}`"},
        {"${file:}", 0, "expected ${file:PATH}; found no path"},
        {"${file:none}", 0, "`/etc/g/none` cannot be read: No such file or directory"},
        {"${file:binary}", 0, "`/etc/g/binary` is not UTF-8 text"},
        {"${LATIN}", 0, "the value of the variable LATIN is not UTF-8 text"},
        {"${file:long}", 0, "the value is longer than 64KiB with this"},
        {"${LONG}${LONG}", 7, "the value is longer than 64KiB with this"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const Expanded expanded = expand(row.text);
        CHECK(expanded.problem == row.problem);
        CHECK(expanded.problem_at == row.at);
    }
}

TEST_CASE("Variables stand in every value and in no name") {
    const LoadResult result = load("origins: {api: {url: \"https://${HOST}/prod\"}}\n"
                                   "cache_policies: {p: {min_ttl: \"${NONE:-5s}\", key: {headers: [\"X-${_a1}\"]}}}\n"
                                   "access_log: {path: '${NONE:-/var/log/${}', enabled: \"${NONE:-off}\"}\n"
                                   "workers: ${NONE:-3}" +
                                   kRest);
    REQUIRE(result.config != nullptr);
    CHECK(result.config->origins.at("api").authority == "api.example");
    CHECK(result.config->cache_policies.at("p").min_ttl == Milliseconds(5000));
    CHECK(result.config->cache_policies.at("p").key.headers.names.front() == "X-x");
    CHECK_FALSE(result.config->access_log.enabled);
    CHECK(result.config->access_log.path == "/var/log/${");
    CHECK(result.config->workers == 3);
    const LoadResult name = load("origins: {\"${HOST}\": {url: 'https://a'}}" + kRest);
    REQUIRE_FALSE(name.problems.empty());
    CHECK(name.problems.front().path == "origins.`${HOST}`");
}

TEST_CASE("What a variable holds is text within one value, never structure") {
    Outside outside = outside_of({{"X", "5s, max_ttl: 9s}, q: {"}});
    const LoadResult result = load_text(
        "origins: {api: {url: 'https://a'}}\ncache_policies: {p: {min_ttl: \"${X}\"}}" + kRest, "a.yaml", outside);
    REQUIRE(result.problems.size() == 1);
    CHECK(result.problems.front().message ==
          "expected a duration such as 250ms, 10s, 1h30m; found `5s, max_ttl: 9s}, q: {` from `${X}`");
}

TEST_CASE("A missing variable is one problem beside all others, exactly where it stands") {
    const LoadResult result = load("origins:\n"
                                   "  api:\n"
                                   "    url: https://${HOST}${NONE}\n"
                                   "    ca_file: \"${file:none}\"\n"
                                   "    idle_timeout: '${TTL}'\n"
                                   "    max_connections: \"\\u0024{NONE}\"\n"
                                   "    verify: &v ${NONE}\n"
                                   "workers: x" +
                                   kRest);
    struct Row {
        int line;
        int column;
        std::string path;
        std::string message;
    };
    const Row rows[] = {
        {3, 25, "origins.api.url", "the environment has no variable NONE"},
        {4, 15, "origins.api.ca_file", "`/etc/g/none` cannot be read: No such file or directory"},
        {5, 19, "origins.api.idle_timeout",
         "expected a duration such as 250ms, 10s, 1h30m; found `soon` from `${TTL}`"},
        {6, 22, "origins.api.max_connections", "the environment has no variable NONE"}, // written in another way
        {7, 13, "origins.api.verify", "the environment has no variable NONE"},
        {8, 10, "workers", "expected a whole number"},
    };
    REQUIRE(result.problems.size() == std::size(rows));
    for (std::size_t i = 0; i < std::size(rows); ++i) {
        CAPTURE(result.problems[i].to_string());
        CHECK(result.problems[i].place.line == rows[i].line);
        CHECK(result.problems[i].place.column == rows[i].column);
        CHECK(result.problems[i].path == rows[i].path);
        CHECK(result.problems[i].message.find(rows[i].message) == 0);
    }
}

TEST_CASE("No message shows what stands in a file") {
    for (const char* field : {"idle_timeout", "max_connections", "verify", "url", "server_name"}) {
        CAPTURE(field);
        const LoadResult result = load("origins: {api: {" + std::string(field) + ": \"a b:${file:key}?@#\"}}" + kRest);
        REQUIRE_FALSE(result.problems.empty());
        for (const Problem& problem : result.problems) {
            CHECK(problem.to_string().find("secret") == std::string::npos);
        }
        CHECK(result.problems.back().message.find("found what stands behind `a b:${file:key}?@#`") !=
              std::string::npos);
    }
    const auto digits = outside_of({}, {{"k", "12"}});
    const LoadResult result =
        load_text("origins: {api: {url: 'http://a', idle_timeout: '${file:k}'}}" + kRest, "a.yaml", digits);
    REQUIRE(result.problems.size() == 1);
    CHECK(result.problems.front().message.find("12") == std::string::npos);
}

TEST_CASE("A load says all files it was read from, those of values too, each once") {
    const auto outside =
        outside_of({}, {{"/etc/g/more.yaml", "dns: {timeout: '${file:seconds}s'}\n"}, {"/etc/g/seconds", "3"}});
    const LoadResult result = load_text("include: [more.yaml]\norigins: {api: {url: 'http://a', idle_timeout: "
                                        "'${file:seconds}m', connect_timeout: '${file:/etc/g/seconds}s'}}" +
                                            kRest,
                                        "/etc/g/gatehouse.yaml", outside);
    REQUIRE(result.config != nullptr);
    const std::vector<std::string> files{"/etc/g/gatehouse.yaml", "/etc/g/seconds", "/etc/g/more.yaml"};
    CHECK(result.files == files);
}

TEST_CASE("Within brackets a variable wants quotes, which the message says") {
    const LoadResult result = load("origins: {api: {url: ${HOST}}}" + kRest);
    REQUIRE(result.problems.size() == 1);
    CHECK(result.problems.front().message.find("within brackets a value with `${` must be quoted") !=
          std::string::npos);
    CHECK(result.problems.front().place.line == 1);
}

TEST_CASE("A file of variables cannot grow without end") {
    std::string text = "a: [";
    for (int i = 0; i < 100; ++i) text += "'${LONG}',";
    const LoadResult result = load(text + "]\n");
    REQUIRE(result.problems.size() == 1);
    CHECK(result.problems.front().message == "variables make the file longer than 4MiB");
}

TEST_CASE("The environment and the files of this process are what a load uses by itself") {
    CHECK(system_outside().variable("PATH").has_value());
    CHECK_FALSE(system_outside().variable("GATEHOUSE_NO_SUCH_VARIABLE").has_value());
    CHECK(system_outside().file("/dev/null").text == "");
    CHECK_FALSE(system_outside().file("/does/not/exist").text.has_value());
    const LoadResult result = load_text("workers: ${GATEHOUSE_NO_SUCH_VARIABLE}", "a.yaml");
    REQUIRE(result.problems.size() == 4); // and the three required fields
    CHECK(result.problems.back().path == "workers");
}
