// A configuration in several files: what is put together, what is refused, and where.
#include "config/include.h"

#include "config/loader.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

using namespace gatehouse::config;

namespace {

using Files = std::map<std::string, std::string>;

// Loads "main.yaml" of these files.
LoadResult load(const Files& files) {
    Outside outside;
    outside.variable = [](const std::string& name) {
        return name == "PART" ? std::optional<std::string>("b") : std::nullopt;
    };
    outside.file = [&files](const std::string& path) -> FileText {
        const auto found = files.find(std::filesystem::path(path).lexically_normal().string());
        if (found == files.end()) return {std::nullopt, "cannot be read: No such file or directory"};
        return {found->second, ""};
    };
    return load_file("main.yaml", outside);
}

const std::string kListeners = "listeners: [{address: '127.0.0.1:0'}]\n";
const std::string kOrigins = "origins: {a: {url: 'http://a'}}\n";
const std::string kBehaviors = "behaviors: [{path_pattern: '*', origin: a}]\n";
const std::string kMain = kListeners + kOrigins + kBehaviors;

std::string all_problems(const LoadResult& result) {
    std::string out;
    for (const Problem& problem : result.problems) out += problem.summary() + "\n";
    return out;
}

} // namespace

TEST_CASE("Blocks of several files are put together, lists one behind the other, included ones first") {
    const LoadResult result = load({
        {"main.yaml", "include: [teams/a.yaml, \"teams/${PART}.yaml\"]\n" + kListeners +
                          "limits: {head_fields: 9}\norigins: {main: {url: 'http://m'}}\n"
                          "behaviors: [{path_pattern: '*', origin: main}]\n"},
        {"teams/a.yaml", "origins: &all {a: {url: 'http://a', ca_file: a.pem}}\nlimits:\n"
                         "behaviors: [{path_pattern: /a, origin: a}, {path_pattern: /a2, origin: main}]\n"},
        {"teams/b.yaml", "include: [deep/c.yaml]\nlimits: {head_size: 2KiB, target_size: 1KiB}\n"
                         "behaviors: [{path_pattern: /b, origin: c}]\naccess_log: {path: b.log}\n"},
        {"teams/deep/c.yaml", "origins: {c: {url: 'http://c'}}\nbehaviors: [{path_pattern: /c, origin: c}]\n"},
    });
    // The certificate is looked for beside the file that names it.
    REQUIRE(result.problems.size() == 1);
    CHECK(all_problems(result) == "teams/a.yaml:1:46: error: origins.a.ca_file: no readable file `teams/a.pem`\n");
}

TEST_CASE("What several files make is one configuration") {
    const LoadResult result = load({
        {"main.yaml", "include: [a.yaml, sub/b.yaml]\n" + kListeners + "limits: {head_fields: 9}\n" + kOrigins +
                          "behaviors: [{path_pattern: '*', origin: a}]\n"},
        {"a.yaml", "limits:\nbehaviors: [{path_pattern: /a1, origin: a}, {path_pattern: /a2, origin: c}]\n"},
        {"sub/b.yaml", "include: [c.yaml]\nlimits: {head_size: 2KiB, target_size: 1KiB}\n"
                       "behaviors:\n  - path_pattern: /b\n    origin: c\naccess_log: {path: b.log}\n"},
        {"sub/c.yaml", "origins: {c: {url: 'http://c'}}\nbehaviors: [{path_pattern: /c, origin: c}]\n"},
    });
    CAPTURE(all_problems(result));
    REQUIRE(result.config != nullptr);
    const Config& config = *result.config;
    CHECK(config.file == "main.yaml");
    CHECK(config.origins.size() == 2);
    CHECK(config.limits.head_fields == 9);
    CHECK(config.limits.head_bytes == 2048);
    CHECK(config.access_log.path == "sub/b.log");
    std::string order;
    for (const Behavior& behavior : config.behaviors) order += behavior.path_pattern + " ";
    CHECK(order == "/a1 /a2 /c /b * ");
    CHECK(config.behaviors[3].place.file == "sub/b.yaml");
    CHECK(config.behaviors[3].place.line == 4);
    CHECK(config.behaviors[4].place.file == "main.yaml");
    CHECK(config.origins.at("c").place.file == "sub/c.yaml");
    CHECK(result.warnings.empty());
}

TEST_CASE("Each mistake with includes is one problem, in the file that has it") {
    struct Row {
        std::string name;
        Files files;
        std::string problem; // its first line
    };
    const std::string including = "include: [b.yaml]\n" + kMain;
    const Row rows[] = {
        {"a file that is not there",
         {{"main.yaml", including}},
         "main.yaml:1:11: error: include[0]: `b.yaml` cannot be read: No such file or directory"},
        {"a word for a list",
         {{"main.yaml", "include: b.yaml\n" + kMain}},
         "main.yaml:1:10: error: include: expected a list, each item the path of a file; found `b.yaml`"},
        {"a mapping for a path",
         {{"main.yaml", "include: [{a: b}]\n" + kMain}},
         "main.yaml:1:11: error: include[0]: expected the path of a file; found a mapping"},
        {"an empty path",
         {{"main.yaml", "include: ['']\n" + kMain}},
         "main.yaml:1:11: error: include[0]: expected the path of a file; found ``"},
        {"a missing variable",
         {{"main.yaml", "include: ['x${NONE}']\n" + kMain}},
         "main.yaml:1:13: error: include[0]: the environment has no variable NONE; ${NONE:-default} would give it a "
         "default"},
        {"a file that includes itself",
         {{"main.yaml", "include: [./main.yaml]\n" + kMain}},
         "main.yaml:1:11: error: include[0]: a file that includes itself: main.yaml > ./main.yaml"},
        {"a cycle",
         {{"main.yaml", including}, {"b.yaml", "include: [c.yaml]\n"}, {"c.yaml", "include:\n  - b.yaml\n"}},
         "c.yaml:2:5: error: include[0]: a file that includes itself: b.yaml > c.yaml > b.yaml"},
        {"include twice",
         {{"main.yaml", "include: []\ninclude: []\n" + kMain}},
         "main.yaml:2:1: error: include: duplicate field; it is already given on line 1"},
        {"include twice in an included file",
         {{"main.yaml", including}, {"b.yaml", "include: []\ninclude: []\n"}},
         "b.yaml:2:1: error: include: duplicate field; it is already given on line 1"},
        {"bad YAML",
         {{"main.yaml", including}, {"b.yaml", "limits: ]\n"}},
         "b.yaml:1:9: error: bad YAML: nothing is open that this bracket could close"},
        {"a second document",
         {{"main.yaml", including}, {"b.yaml", "limits:\n---\nlimits:\n"}},
         "b.yaml:2:1: error: a second document begins here; a file holds one"},
        {"a binary file",
         {{"main.yaml", including}, {"b.yaml", "a: \x01"}},
         "b.yaml:1:4: error: the file is not UTF-8 text"},
        {"a list",
         {{"main.yaml", including}, {"b.yaml", "- a\n"}},
         "b.yaml:1:1: error: expected fields such as origins; found a list"},
        {"an unknown field",
         {{"main.yaml", including}, {"b.yaml", "\nlimits: {zz_q: 1}\n"}},
         "b.yaml:2:10: error: limits.zz_q: unknown field; accepted here: head_size, target_size, head_fields, "},
        {"a wrong value",
         {{"main.yaml", including}, {"b.yaml", "limits: {head_size: x}\n"}},
         "b.yaml:1:21: error: limits.head_size: expected a size"},
        {"a managed headers policy's name",
         {{"main.yaml", including}, {"b.yaml", "response_headers_policies: {SimpleCORS: {}}\n"}},
         "b.yaml:1:29: error: response_headers_policies.SimpleCORS: a built-in policy has this name; choose another"},
        {"a name in two files",
         {{"main.yaml", including}, {"b.yaml", "\n\norigins: {a: {url: 'http://b'}}\n"}},
         "main.yaml:3:11: error: origins.a: duplicate field; it is already given on line 3 of b.yaml"},
        {"a field in two files",
         {{"main.yaml", including + "workers: 2\n"}, {"b.yaml", "workers: 1\n"}},
         "main.yaml:5:1: error: workers: duplicate field; it is already given on line 1 of b.yaml"},
        {"a field in two included files",
         {{"main.yaml", "include: [b.yaml, c.yaml]\n" + kMain}, {"b.yaml", "workers: 1\n"}, {"c.yaml", "workers: 1\n"}},
         "c.yaml:1:1: error: workers: duplicate field; it is already given on line 1 of b.yaml"},
        {"a field twice in one file",
         {{"main.yaml", including}, {"b.yaml", "limits: {}\nlimits: {}\n"}},
         "b.yaml:2:1: error: limits: duplicate field; it is already given on line 1"},
        {"blocks of two kinds",
         {{"main.yaml", including + "access_log: {}\n"}, {"b.yaml", "access_log: off\n"}},
         "main.yaml:5:1: error: access_log: duplicate field; it is already given on line 1 of b.yaml"},
        {"an anchor of another file",
         {{"main.yaml", including + "dns: *d\n"}, {"b.yaml", "dns: &d {}\n"}},
         "main.yaml:5:6: error: bad YAML: this alias has no anchor"},
        {"no origin for a behavior of another file",
         {{"main.yaml", including}, {"b.yaml", "behaviors: [{path_pattern: /b, origin: b}]\n"}},
         "b.yaml:1:40: error: behaviors[0].origin: no origin has the name `b`"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const LoadResult result = load(row.files);
        CAPTURE(all_problems(result));
        CHECK(result.config == nullptr);
        REQUIRE(result.problems.size() == 1);
        CHECK(result.problems.front().summary().find(row.problem) == 0);
        CHECK(result.problems.front().source.empty() == (row.name == "a binary file"));
    }
}

TEST_CASE("An empty file may be included, and a file that is named several times is taken once") {
    const LoadResult result = load({
        {"main.yaml", "include: [b.yaml, c.yaml, ./b.yaml, empty.yaml, comment.yaml]\n" + kListeners + kOrigins},
        {"b.yaml", "include: [d.yaml]\n" + kBehaviors},
        {"c.yaml", "include: [sub/../d.yaml]\n"},
        {"d.yaml", "workers: 3\n"},
        {"empty.yaml", ""},
        {"comment.yaml", "# nothing yet\n"},
    });
    CAPTURE(all_problems(result));
    REQUIRE(result.config != nullptr);
    CHECK(result.config->workers == 3);
    CHECK(result.config->behaviors.size() == 1);
}

TEST_CASE("Warnings name the file that they are about") {
    const LoadResult result = load({
        {"main.yaml", "include: [b.yaml]\n" + kMain},
        {"b.yaml", "\nbehaviors: [{path_pattern: '*', origin: a}]\norigins: {unused: {url: 'http://u'}}\n"},
    });
    REQUIRE(result.warnings.size() == 2);
    CHECK(result.warnings[0].summary().find("main.yaml:4:28: warning: behaviors[1].path_pattern: never reached: `*` of "
                                            "behaviors[0] on line 2 of b.yaml takes") == 0);
    CHECK(result.warnings[1].summary().find("b.yaml:3:11: warning: origins.unused: no behavior") == 0);
}

TEST_CASE("The number of files and what they hold together are limited") {
    Files files{{"main.yaml", "include: [0.yaml]\n" + kMain}};
    for (int i = 0; i < 200; ++i) {
        files[std::to_string(i) + ".yaml"] = "include: [" + std::to_string(i + 1) + ".yaml]\n";
    }
    const LoadResult many = load(files);
    REQUIRE(many.problems.size() == 1);
    CHECK(many.problems.front().summary() == "98.yaml:1:11: error: include[0]: a configuration has at most 100 files");
    std::string values = "a: [";
    for (int i = 0; i < 150'000; ++i) values += "x,";
    const LoadResult large =
        load({{"main.yaml", "include: [b.yaml, c.yaml]\n"}, {"b.yaml", values + "]\n"}, {"c.yaml", values + "]\n"}});
    REQUIRE(large.problems.size() == 1);
    CHECK(large.problems.front().message == "more than 200000 values in all files together");
}

TEST_CASE("A symbolic link is the file that it leads to") {
    std::string folder = (std::filesystem::temp_directory_path() / "gatehouse-include-XXXXXX").string();
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    const std::string main = folder + "/main.yaml";
    std::ofstream(main) << "include: [link.yaml]\n" << kMain;
    std::filesystem::create_symlink("main.yaml", folder + "/link.yaml");
    const LoadResult result = load_file(main);
    std::filesystem::remove_all(folder);
    REQUIRE(result.problems.size() == 1);
    CHECK(result.problems.front().message == "a file that includes itself: " + main + " > " + folder + "/link.yaml");
}
