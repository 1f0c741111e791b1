// The command line: what it understands, what it refuses, and the commands that end by themselves.
#include "proxy/command_line.h"

#include <doctest/doctest.h>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace gatehouse::proxy;
using Command = CommandLine::Command;

namespace {

CommandLine parse(const std::vector<std::string>& arguments) {
    std::vector<const char*> argv{"gatehouse"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

struct Performed {
    int status = -1;
    std::string out;
    std::string err;
};

Performed perform(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    const int status = run_command(parse(arguments), out, err);
    return {status, out.str(), err.str()};
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "gatehouse-command-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string write(const std::string& name, const std::string& text) const {
        const std::string path = (path_ / name).string();
        std::ofstream(path) << text;
        return path;
    }

private:
    std::filesystem::path path_;
};

constexpr const char* kGoodYaml = "listeners:\n"
                                  "  - address: 127.0.0.1:8080\n"
                                  "origins:\n"
                                  "  api: { url: \"http://127.0.0.1:3333\" }\n"
                                  "behaviors:\n"
                                  "  - path_pattern: \"*\"\n"
                                  "    origin: api\n";

} // namespace

TEST_CASE("run, check and version") {
    CHECK(parse({"run", "gatehouse.yaml"}).command == Command::Run);
    CHECK(parse({"run", "gatehouse.yaml"}).file == "gatehouse.yaml");
    CHECK(parse({"check", "a.yaml", "b.yaml"}).command == Command::Check);
    CHECK(parse({"check", "a.yaml", "b.yaml"}).files == std::vector<std::string>{"a.yaml", "b.yaml"});
    CHECK_FALSE(parse({"check", "a.yaml"}).deny_warnings);
    CHECK(parse({"check", "--deny-warnings", "a.yaml"}).deny_warnings);
    CHECK(parse({"check", "a.yaml", "--deny-warnings"}).deny_warnings);
    CHECK(parse({"version"}).command == Command::Version);
    CHECK(parse({"--version"}).command == Command::Version);
    CHECK(perform({"version"}).out == "gatehouse " GATEHOUSE_VERSION "\n");
    CHECK(perform({"version"}).status == kExitOk);
}

TEST_CASE("help for the program and for each command") {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"help"}, {"--help"}, {"-h"}, {"help", "purge"}, {"purge", "--help"}}) {
        const Performed help = perform(arguments);
        CAPTURE(help.out);
        CHECK(help.status == kExitOk);
        CHECK(help.err.empty());
        CHECK(contains(help.out, "purge"));
    }
    CHECK(contains(perform({"help"}).out, "GATEHOUSE_LOG"));
    CHECK(contains(perform({"help"}).out, "check"));
    CHECK(contains(perform({"help", "purge"}).out, "--admin"));
    CHECK(contains(perform({"help", "purge"}).out, kDefaultAdminUrl));
    CHECK_FALSE(contains(perform({"help"}).out, "--admin"));
    CHECK(contains(perform({"help", "purge"}).out, "Usage: gatehouse purge"));
    CHECK(contains(perform({"purge", "--help"}).out, "Usage: gatehouse purge"));
}

TEST_CASE("what is wrong is said on standard error, with status 2") {
    struct Row {
        std::vector<std::string> arguments;
        std::string message; // a part of it
    };
    const Row rows[] = {
        {{}, "a command is missing; there are run, check, test, explain, schema, version, purge, cache, help"},
        {{"serve"}, "no such command: serve; there are run"},
        {{"run"}, "FILE"},
        {{"run", "a.yaml", "b.yaml"}, "b.yaml"},
        {{"run", "--fast", "a.yaml"}, "--fast"},
        {{"check"}, "FILE"},
        {{"test"}, "FILE"},
        {{"test", "--tap", "--junit", "a.yaml"}, "--tap"},
        {{"explain", "a.yaml"}, "URL"},
        {{"explain"}, "explain takes FILE and URL, or --admin ADMIN and URL"},
        {{"explain", "--admin", "127.0.0.1:9180"}, "explain takes FILE and URL, or --admin ADMIN and URL"},
        {{"explain", "--admin", "127.0.0.1:9180", "a.yaml", "/"},
         "explain takes FILE and URL, or --admin ADMIN and URL"},
        {{"explain", "--admin", "https://h", "http://h/"}, "--admin must be http://HOST:PORT"},
        {{"explain", "--admin", "h:1", "/a"}, "cannot explain /a: a path alone has no host"},
        {{"explain", "--admin", "h:1", "ftp://h/"}, "url must be http://host/path, https://host/path, or a path"},
        {{"explain", "--admin", "h:1", "http://h/", "--after", "1s"}, "--after goes with FILE"},
        {{"explain", "--admin", "h:1", "http://h/", "--status", "404"}, "--status goes with FILE"},
        {{"explain", "a.yaml", "/", "-H", "no colon"}, "a field must be written `Name: value`"},
        {{"explain", "a.yaml", "/", "-H", "A B: c"}, "a field must be written `Name: value`"},
        {{"explain", "a.yaml", "/", "--response-header", ": c"}, "a field must be written `Name: value`"},
        {{"explain", "a.yaml", "/", "--after", "soon"}, "--after takes a duration such as 90s"},
        {{"explain", "a.yaml", "/", "--status", "99"}, "--status"},
        {{"explain", "a.yaml", "/", "--origin-error", "bad_request"}, "no such error: bad_request"},
        {{"version", "now"}, "now"},
        {{"schema", "gatehouse.yaml"}, "gatehouse.yaml"},
        {{"help", "serve"}, "no such command: serve"},
        {{"purge"}, "TARGET"},
        {{"purge", "/a", "--group", "g"}, "TARGET"},
        {{"purge", "/a", "--host", "h"}, "--host goes with --group"},
        {{"purge", "--group", "g", "--host", "a b"}, "cannot purge g: host must be a host"},
        {{"purge", "v1/items"}, "url must be http://host/path"},
        {{"purge", "/a*b"}, "only a '*' at the end"},
        {{"purge", "--admin", "https://127.0.0.1:9180", "/a"}, "--admin must be http://HOST:PORT"},
        {{"purge", "--admin", "http://127.0.0.1:9180/purge", "/a"}, "--admin must be http://HOST:PORT"},
        {{"purge", "--admin", "", "/a"}, "--admin"},
        {{"purge", "--admin"}, "--admin"},
    };
    for (const Row& row : rows) {
        const Performed performed = perform(row.arguments);
        CAPTURE(row.message);
        CAPTURE(performed.err);
        CHECK(performed.status == kExitUsage);
        CHECK(performed.out.empty());
        CHECK(performed.err.starts_with("gatehouse: "));
        CHECK(contains(performed.err, row.message));
        CHECK(contains(performed.err, "gatehouse help"));
    }
}

TEST_CASE("purge takes a URL or a path, and where to send it") {
    const CommandLine by_path = parse({"purge", "/v1/*"});
    CHECK(by_path.command == Command::Purge);
    CHECK(by_path.admin_url == kDefaultAdminUrl);
    CHECK(by_path.purge_json == R"({"path":"/v1/*"})");
    const CommandLine by_url = parse({"purge", "--admin", "10.0.0.7:9180", "https://api.example/v1?q=\"x\""});
    CHECK(by_url.command == Command::Purge);
    CHECK(by_url.admin_url == "http://10.0.0.7:9180");
    CHECK(by_url.purge_json == R"({"url":"https://api.example/v1?q=\"x\""})");
    CHECK(parse({"purge", "/a", "--admin", "http://[::1]:9180/"}).command == Command::Purge);
    CHECK(parse({"purge", "--group", "a \"b\""}).purge_json == R"({"group":"a \"b\""})");
    CHECK(parse({"purge", "--group", "g", "--host", "h:8080"}).purge_json == R"({"group":"g","host":"h:8080"})");
}

TEST_CASE("check says which files are good and what is wrong with the others") {
    const Folder folder;
    const std::string good = folder.write("good.yaml", kGoodYaml);
    std::string bad_yaml = kGoodYaml;
    bad_yaml.append("listener: []\n");
    const std::string bad = folder.write("bad.yaml", bad_yaml);

    const Performed both_good = perform({"check", good, good});
    CAPTURE(both_good.err);
    CHECK(both_good.status == kExitOk);
    CHECK(both_good.out == good + ": ok\n" + good + ": ok\nno errors in 2 files\n");
    CHECK(both_good.err.empty());

    const Performed mixed = perform({"check", bad, good, "/nonexistent/gatehouse.yaml"});
    CHECK(mixed.status == kExitFailed);
    CHECK(mixed.out == good + ": ok\n");
    CHECK(contains(mixed.err, bad + ":8:"));
    CHECK(contains(mixed.err, "listener"));
    CHECK(contains(mixed.err, "/nonexistent/gatehouse.yaml"));
    CHECK(mixed.err.ends_with("\n2 errors in 2 of 3 files\n"));
}

TEST_CASE("check prints warnings, which fail it only when they are denied") {
    const Folder folder;
    const std::string good = folder.write("good.yaml", kGoodYaml);
    const std::string doubtful =
        folder.write("doubtful.yaml", kGoodYaml + std::string("admin: { address: 0.0.0.0:1 }\n"));
    const Performed allowed = perform({"check", good, doubtful});
    CAPTURE(allowed.err);
    CHECK(allowed.status == kExitOk);
    CHECK(allowed.err.starts_with(doubtful + ":8:19: warning: admin.address: whoever reaches this address may purge"));
    CHECK(allowed.err.ends_with(" [admin-reachable]\n  admin: { address: 0.0.0.0:1 }\n                    ^\n"));
    CHECK(allowed.out == good + ": ok\n" + doubtful + ": ok\nno errors and 1 warning in 1 of 2 files\n");

    const Performed denied = perform({"check", "--deny-warnings", good, doubtful});
    CHECK(denied.status == kExitFailed);
    CHECK(denied.out == good + ": ok\n");
    CHECK(denied.err == allowed.err + "no errors and 1 warning in 1 of 2 files\n");
    CHECK(perform({"check", "--deny-warnings", good}).status == kExitOk);

    const Performed both = perform({"check", doubtful, folder.write("bad.yaml", "workers: ]\n")});
    CHECK(both.status == kExitFailed);
    CHECK(both.err.ends_with("\n1 error and 1 warning in 2 files\n"));
}

TEST_CASE("schema prints the file that editors read") {
    CHECK(parse({"schema"}).command == Command::Schema);
    const Performed performed = perform({"schema"});
    CHECK(performed.status == kExitOk);
    CHECK(performed.err.empty());
    std::ifstream in(GATEHOUSE_SOURCE_DIR "/conf/gatehouse.schema.json");
    std::ostringstream file;
    file << in.rdbuf();
    CHECK((performed.out == file.str()));
}

TEST_CASE("check prints every problem of every file as compilers do, and their sum last") {
    const Folder folder;
    const std::string first = folder.write("first.yaml", "listeners:\n  - adress: 127.0.0.1:80\norigins: {}\n"
                                                         "behaviors: []\n");
    const std::string second = folder.write("second.yaml", "workers: ]\n");
    const Performed performed = perform({"check", first, second});
    CHECK(performed.status == kExitFailed);
    CHECK(performed.out.empty());
    CHECK(performed.err == first +
                               ":2:5: error: listeners[0].adress: unknown field; did you mean address?\n"
                               "    - adress: 127.0.0.1:80\n"
                               "      ^\n" +
                               first +
                               ":3:10: error: origins: at least one origin is needed\n"
                               "  origins: {}\n"
                               "           ^\n" +
                               first +
                               ":4:12: error: behaviors: at least one behavior is needed\n"
                               "  behaviors: []\n"
                               "             ^\n" +
                               second +
                               ":1:10: error: bad YAML: nothing is open that this bracket could close\n"
                               "  workers: ]\n"
                               "           ^\n"
                               "4 errors in 2 files\n");
}

TEST_CASE("The sum counts what is listed, and says when there is more") {
    const Folder folder;
    std::string yaml = kGoodYaml;
    for (int i = 0; i < 150; ++i) yaml += "unknown" + std::to_string(i) + ": 1\n";
    CHECK(perform({"check", folder.write("many.yaml", yaml)}).err.ends_with("\nmore than 100 errors in 1 file\n"));
    const Performed one = perform({"check", folder.write("good.yaml", kGoodYaml)});
    CHECK(one.out.ends_with("\nno errors in 1 file\n"));
}

TEST_CASE("A start that is refused says the same as check") {
    const Folder folder;
    const std::string bad = folder.write("bad.yaml", "listeners: 8080\n");
    std::ostringstream err;
    CHECK(take_to_run(load_to_reload(parse({"run", bad})), err) == nullptr);
    const std::string checked = perform({"check", bad}).err;
    CHECK(err.str() == checked.substr(0, checked.size() - 1) + "; not started\n");
    std::ostringstream nothing;
    const auto config = take_to_run(load_to_reload(parse({"run", folder.write("good.yaml", kGoodYaml)})), nothing);
    REQUIRE(config != nullptr);
    CHECK(config->listeners.size() == 1);
    CHECK(nothing.str().empty());
}

TEST_CASE("A start writes each warning to the diagnostic log, on one line") {
    std::ostringstream log;
    const auto before = spdlog::default_logger();
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(log)));
    const Folder folder;
    const std::string file = folder.write("a.yaml", kGoodYaml + std::string("admin: { address: 0.0.0.0:1 }\n"));
    std::ostringstream err;
    const auto config = take_to_run(load_to_reload(parse({"run", file})), err);
    spdlog::set_default_logger(before);
    CHECK(config != nullptr);
    CHECK(err.str().empty());
    CHECK(contains(log.str(), "configuration: place=" + file + ":8:19 field=admin.address advice=\"whoever reaches"));
    const std::string text = log.str();
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
}

TEST_CASE("a purge without a listener fails with what to look at") {
    // Port 9 of the loopback address: nothing listens on discard.
    const Performed performed = perform({"purge", "--admin", "http://127.0.0.1:9", "/a"});
    CHECK(performed.status == kExitFailed);
    CHECK(contains(performed.err, "http://127.0.0.1:9: Connection refused"));
    CHECK(contains(performed.err, "admin.address"));
}

TEST_CASE("test runs the tests of every file and fails when one fails, or when there is none") {
    const Folder folder;
    const std::string good =
        folder.write("good.yaml", std::string(kGoodYaml) + "tests:\n- {name: a miss, request: {url: /}, expect: {cache: miss}}\n");
    const std::string failing =
        folder.write("failing.yaml", std::string(kGoodYaml) + "tests:\n- {name: a hit, request: {url: /}, expect: {cache: hit}}\n");
    const std::string without = folder.write("without.yaml", kGoodYaml);

    const Performed passed = perform({"test", good, without});
    CHECK(passed.status == kExitOk);
    CHECK(passed.out == "ok    a miss\n1 test, 0 failed\n");
    const Performed failed = perform({"test", good, failing});
    CHECK(failed.status == kExitFailed);
    CHECK(failed.out == "ok    a miss\nFAIL  a hit  (" + failing + ":9)\n      cache: expected hit; got miss\n"
                        "2 tests, 1 failed\n");
    CHECK(perform({"test", "--tap", failing}).out.starts_with("TAP version 13\n1..1\nnot ok 1 - a hit\n"));
    CHECK(perform({"test", "--junit", good}).out.starts_with("<?xml"));
    const Performed none = perform({"test", without});
    CHECK(none.status == kExitFailed);
    CHECK(contains(none.err, "no file has `tests`"));
    const Performed broken = perform({"test", good, folder.write("broken.yaml", "listeners: 1\n")});
    CHECK(broken.status == kExitFailed);
    CHECK(broken.out.empty());
    CHECK(contains(broken.err, "broken.yaml:1:12: error: listeners: "));
}

TEST_CASE("explain takes what curl takes, and says what the rules do") {
    const Folder folder;
    const std::string file = folder.write("good.yaml", kGoodYaml);
    const CommandLine asked =
        parse({"explain", file, "/a", "-X", "POST", "-H", "A: b", "-H", "C:d", "-d", "content", "--status", "404",
               "--response-header", "Cache-Control: max-age=1", "--response-body", "none", "--after", "90s", "--json"});
    CHECK(asked.command == Command::Explain);
    CHECK(asked.file == file);
    CHECK(asked.question.request.url == "/a");
    CHECK(asked.question.request.method == "POST");
    REQUIRE(asked.question.request.headers.size() == 3); // and what curl says of the content
    CHECK(asked.question.request.headers[1].name == "C");
    CHECK(asked.question.request.headers[1].value == "d");
    CHECK(asked.question.request.body == "content");
    CHECK(asked.question.response.status == 404);
    CHECK(asked.question.response.headers.size() == 1);
    CHECK(asked.question.response.body == "none");
    CHECK(asked.question.after == std::chrono::seconds(90));
    CHECK(asked.json);

    const Performed said = perform({"explain", file, "/a", "--response-header", "Cache-Control: max-age=60"});
    CHECK(said.status == kExitOk);
    CHECK(contains(said.out, "lifetime   1m, from max-age\n"));
    CHECK(perform({"explain", file, "/a", "--json"}).out.starts_with("[\n {\"decision\":\"request\""));
    const Performed refused = perform({"explain", file, "/../a"});
    CHECK(refused.status == kExitFailed);
    CHECK(contains(refused.err, "gatehouse: the request is refused: "));
    CHECK(perform({"explain", "/nowhere.yaml", "/"}).status == kExitFailed);
}

TEST_CASE("explain with -d asks as curl does, so that a cached POST has the same key") {
    const auto asked = [](std::vector<std::string> options) {
        std::vector<std::string> all{"explain", "--admin", "h:1", "http://h/a", "-d", "x=1"};
        all.insert(all.end(), options.begin(), options.end());
        return parse(all).question.request;
    };
    const auto form = asked({});
    CHECK(form.method == "POST");
    CHECK(form.body == "x=1");
    REQUIRE(form.headers.size() == 1);
    CHECK(form.headers[0].name == "Content-Type");
    CHECK(form.headers[0].value == "application/x-www-form-urlencoded");
    const auto given = asked({"-X", "PUT", "-H", "content-type: application/json"});
    CHECK(given.method == "PUT");
    REQUIRE(given.headers.size() == 1);
    CHECK(given.headers[0].value == "application/json");
}

TEST_CASE("explain --admin takes a URL, or a path with a Host, and asks there") {
    const CommandLine asked = parse({"explain", "--admin", "127.0.0.1:9180", "https://shop.test/a?b", "-X", "HEAD",
                                     "-H", "Accept-Language: de", "--json"});
    CHECK(asked.command == Command::Explain);
    CHECK(asked.admin_url == "http://127.0.0.1:9180");
    CHECK(asked.file.empty());
    CHECK(asked.question.request.url == "https://shop.test/a?b");
    CHECK(asked.question.request.method == "HEAD");
    CHECK(asked.json);
    CHECK(parse({"explain", "/a", "-H", "Host: h", "--admin", "h:1"}).question.request.url == "/a");
    const Performed nobody = perform({"explain", "--admin", "http://127.0.0.1:9", "http://h/a"});
    CHECK(nobody.status == kExitFailed);
    CHECK(nobody.out.empty());
    CHECK(contains(nobody.err, "is gatehouse running, and is this its admin.address?"));
}

TEST_CASE("with --test a configuration of which a test fails is neither started nor reloaded") {
    const Folder folder;
    const std::string failing =
        folder.write("failing.yaml", std::string(kGoodYaml) + "tests:\n- {name: a hit, request: {url: /}, expect: {cache: hit}}\n");
    std::ostringstream err;
    CHECK(take_to_run(load_to_reload(parse({"run", failing})), err) != nullptr);
    CHECK(take_to_run(load_to_reload(parse({"run", "--test", failing})), err) == nullptr);
    CHECK(err.str() == failing + ":9:3: error: tests: the test `a hit` fails: cache: expected hit; got miss\n"
                       "1 error in 1 file; not started\n");
    CHECK(load_to_reload(parse({"run", "--test", failing})).problems.size() == 1);
    CHECK(parse({"run", "--watch", failing}).watch);
}
