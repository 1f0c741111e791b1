// Files that nobody writes by hand: huge, deep, endless, mutated. The loader answers each soon and with problems, and
// never throws or crashes.
#include "config/loader.h"
#include "tests/unit/config/full_yaml.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace gatehouse::config;
using namespace gatehouse::config::testing;

namespace {

std::string repeat(const std::string& text, std::size_t count) {
    std::string out;
    out.reserve(text.size() * count);
    for (std::size_t i = 0; i < count; ++i) out += text;
    return out;
}

// Ten aliases of ten aliases of ten aliases ...
std::string alias_bomb() {
    std::string out = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        const std::string before = "*a" + std::to_string(i - 1);
        out += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + repeat(", " + before, 9) + "]\n";
    }
    return out;
}

// Each alias one level deeper than the one before.
std::string alias_ladder() {
    std::string out = "a0: &a0 [x]\n";
    for (int i = 1; i < 200; ++i) {
        out += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
    }
    return out;
}

struct HostileRow {
    std::string name;
    std::string text;
    std::string message; // "" for any
};

std::vector<HostileRow> hostile_rows() {
    return {
        {"alias bomb", alias_bomb(), "aliases make this more than 200000 values"},
        {"alias ladder", alias_ladder(), "nested deeper than 32 levels"},
        {"deep lists", repeat("[", 100'000), "nested deeper than 32 levels"},
        {"deep mappings", repeat("a: {", 100'000), "nested deeper than 32 levels"},
        {"deep block lists", repeat("- ", 100'000), "nested deeper than 32 levels"},
        {"deep complex keys", repeat("? ", 100'000), "nested deeper than 32 levels"},
        {"many values", "a: [" + repeat("{},", 300'000), "more than 200000 values"},
        {"too long", repeat("#", 4 * 1024 * 1024 + 1), "the file is longer than 4MiB"},
        {"one long word", repeat("a", 1'000'000), ""},
        {"one long line", "{" + repeat("a,", 90'000) + "}", ""},
        {"quotes", "a: " + repeat("\"", 1'000'000), ""},
        {"single quotes", "a: '" + repeat("''", 500'000), ""},
        {"anchors", repeat("&a ", 300'000), ""},
        {"exclamation marks", repeat("!", 1'000'000), ""},
        {"colons", repeat(": ", 300'000), ""},
        {"documents", repeat("---\n", 300'000), ""},
        {"line ends", repeat("\n", 1'000'000), "the file is empty"},
        {"returns", repeat("\r", 1'000'000), ""},
        {"closing brackets", repeat("]", 1'000'000), ""},
        {"percent signs", repeat("%", 1'000'000), ""},
        {"long lines in a block", "a: |\n" + repeat(" x", 500'000), ""},
    };
}

// What must hold for every text at all: a config, or problems of which the first says where.
void expect_sane(const LoadResult& result) {
    REQUIRE((result.config == nullptr) != result.problems.empty());
    CHECK(result.problems.size() <= 101);
    CHECK((result.warnings.empty() || result.problems.empty()));
    if (!result.problems.empty()) CHECK(result.problems.front().place.line >= 1);
    for (const Problem& problem : result.problems) {
        CHECK_FALSE(problem.message.empty());
        CHECK(problem.place.line >= 0);
        CHECK(problem.to_string().size() < 4'000);
    }
}

std::string mutated(std::string text, std::mt19937& random) {
    static const std::string kInteresting = " :-{}[]#&*!|>'\"%@`,?\n\t\r0x~<\\";
    const auto pick = [&random](std::size_t bound) {
        return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
    };
    const std::size_t edits = 1 + pick(4);
    for (std::size_t i = 0; i < edits && !text.empty(); ++i) {
        const std::size_t at = pick(text.size());
        switch (pick(6)) {
        case 0: text[at] = static_cast<char>(pick(256)); break;
        case 1: text[at] = kInteresting[pick(kInteresting.size())]; break;
        case 2: text.erase(at, 1 + pick(40)); break;
        case 3: text.insert(at, 1, kInteresting[pick(kInteresting.size())]); break;
        case 4: text.insert(pick(text.size()), text.substr(at, 1 + pick(80))); break;
        default: text.resize(at); break;
        }
    }
    return text;
}

// The kind of change that a slip of an editor makes: whole lines twice, gone, swapped, deeper or less deep.
std::string with_lines_mutated(const std::string& text, std::mt19937& random) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    const auto pick = [&random](std::size_t bound) {
        return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
    };
    const std::size_t edits = 1 + pick(3);
    for (std::size_t i = 0; i < edits; ++i) {
        const std::size_t at = pick(lines.size());
        const std::size_t other = pick(lines.size());
        const std::string copy = lines[other];
        switch (pick(7)) {
        case 0: lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), copy); break;
        case 1: lines[at].clear(); break;
        case 2: std::swap(lines[at], lines[other]); break;
        case 3: lines[at].insert(0, 2, ' '); break;
        case 4: lines[at].erase(0, lines[at].find_first_not_of(' ')); break;
        case 5: lines[at] += copy; break;
        default: // everything below one level deeper, under a new name
            for (std::size_t j = at; j < lines.size(); ++j) lines[j].insert(0, 2, ' ');
            lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), "limits:");
        }
    }
    std::string out;
    for (const std::string& line : lines) out += line + "\n";
    return out;
}

} // namespace

TEST_CASE("Hostile files give a problem and cost little") {
    for (const HostileRow& row : hostile_rows()) {
        CAPTURE(row.name);
        const LoadResult result = load_text(row.text, "hostile.yaml");
        expect_sane(result);
        REQUIRE_FALSE(result.problems.empty());
        CHECK(result.problems.front().message.find(row.message) != std::string::npos);
    }
}

TEST_CASE("Random mutations of each example give a config, or a problem with its place") {
    std::mt19937 random(20261123);
    for (const auto& entry : std::filesystem::directory_iterator(std::string(GATEHOUSE_SOURCE_DIR) + "/conf")) {
        if (entry.path().extension() != ".yaml") continue;
        const std::string path = entry.path().string();
        const std::string original = read_whole_file(path);
        for (int i = 0; i < 500; ++i) {
            CAPTURE(path);
            CAPTURE(i);
            expect_sane(load_text(mutated(original, random), path));
            expect_sane(load_text(with_lines_mutated(original, random), path));
            expect_sane(load_text(mutated(with_lines_mutated(original, random), random), path));
        }
    }
}

TEST_CASE("Every prefix of a small file is handled") {
    const std::string original = read_whole_file(std::string(GATEHOUSE_SOURCE_DIR) + "/conf/minimal.yaml");
    for (std::size_t length = 0; length <= original.size(); ++length) {
        expect_sane(load_text(original.substr(0, length), "prefix.yaml"));
    }
}

TEST_CASE("A file of mistakes is reported in part") {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
    const LoadResult result = load_text(text, "a.yaml");
    REQUIRE(result.problems.size() == 101);
    CHECK(result.problems.back().message == "there are more problems; these are the first 100");
}

TEST_CASE("Files that cannot be read are problems too") {
    const auto message = [](const std::string& path) {
        const LoadResult result = load_file(path);
        REQUIRE(result.problems.size() == 1);
        CHECK(result.config == nullptr);
        return result.problems.front().to_string();
    };
    CHECK(message("/does/not/exist.yaml") == "/does/not/exist.yaml: error: cannot be read: No such file or directory");
    CHECK(message("/") == "/: error: is a directory");
    CHECK(message("") == ": error: cannot be read: No such file or directory");
    CHECK(message("/dev/zero") == "/dev/zero: error: is longer than 4MiB");
    CHECK(message("/dev/null") ==
          "/dev/null:1:1: error: the file is empty; a configuration needs listeners, origins and behaviors");
    CHECK(message(std::string(5000, 'x')).find("cannot be read: File name too long") != std::string::npos);
}
