// The rules of the house, asked of every file of the repository.
#include "tests/style/rules.h"

#include <doctest/doctest.h>

#include <filesystem>

using namespace gatehouse::style;

namespace {

const std::filesystem::path kRoot = GATEHOUSE_SOURCE_DIR;

const std::vector<SourceFile>& tree() {
    static const auto kTree = read_source_tree(kRoot);
    return kTree;
}

// Applies one rule to every file and reports each finding with its place.
template <class Rule>
void expect_clean(Rule rule) {
    for (const auto& file : tree()) {
        for (const auto& finding : rule(file)) FAIL_CHECK(to_string(finding));
    }
}

bool has_file(std::string_view path) {
    for (const auto& file : tree()) {
        if (file.path == path) return true;
    }
    return false;
}

} // namespace

TEST_CASE("The style tests see the repository, and only what is ours") {
    CHECK(has_file("CMakeLists.txt"));
    CHECK(has_file("tests/style/tree_test.cpp"));
    CHECK(has_file("sample/package-lock.json"));
    CHECK(has_file(".ci/run"));
    for (const auto& file : tree()) {
        CAPTURE(file.path);
        CHECK(file.path.find("node_modules/") == std::string::npos);
        CHECK_FALSE(file.path.starts_with("build"));
    }
}

TEST_CASE("Folders include only the folders below them") { expect_clean(check_include_direction); }

TEST_CASE("Beast, OpenSSL, Asio and yaml-cpp stay in their folders") { expect_clean(check_library_includes); }

TEST_CASE("Nothing sleeps, and nothing but the deadline wheel has a timer") { expect_clean(check_waiting); }

TEST_CASE("The time is read in one place") { expect_clean(check_clock_reads); }

TEST_CASE("No coroutine is spawned detached") { expect_clean(check_detached); }

TEST_CASE("No co_await has a capturing lambda or an aggregate written in place") {
    expect_clean(check_co_await_temporaries);
}

TEST_CASE("No file carries marks of unfinished work") { expect_clean(check_unfinished_marks); }

TEST_CASE("Files have at most 600 lines and headers at most 300") { expect_clean(check_length); }

TEST_CASE("Every source file starts with a comment that says what it is") { expect_clean(check_opening_comment); }

TEST_CASE("Lock files record no address") { expect_clean(check_lock_file); }

TEST_CASE("Every relative link in the documentation leads somewhere") {
    expect_clean([](const SourceFile& file) { return check_links(file, kRoot); });
}
