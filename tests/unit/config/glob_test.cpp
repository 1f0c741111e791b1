// Path patterns and name patterns.
#include "config/glob.h"

#include <doctest/doctest.h>

#include <string>

using namespace gatehouse::config;

namespace {

struct GlobRow {
    std::string pattern;
    std::string text;
    bool matches;
};

const GlobRow kGlobs[] = {
    {"*", "/", true},
    {"*", "/a/b", true},
    {"*", "", true},
    {"*", "*", true}, // the path of OPTIONS *
    {"/*", "/", true},
    {"/*", "", false},
    {"/a", "/a", true},
    {"/a", "/A", false},
    {"/a", "/a/", false},
    {"/a/*", "/a", false},
    {"/a/*", "/a/", true},
    {"/a/*", "/a/b/c", true}, // a star crosses '/'
    {"/a*", "/a", true},
    {"/a*", "/ab/c", true},
    {"/*/c", "/a/b/c", true},
    {"/*/c", "/c", false},
    {"*.jpg", "/a/b.jpg", true},
    {"*.jpg", "/a/b.jpg.png", false},
    {"*.jpg", "/.jpg", true},
    {"a/*", "/a/b", true}, // as if it had a leading '/'
    {"a/*", "a/b", false},
    {"a", "/a", true},
    {"a", "a", false},
    {"", "/", true},
    {"", "", false},
    {"", "/a", false},
    {"?", "/a", true},
    {"?", "/", false},
    {"?", "/ab", false},
    {"/a?c", "/abc", true},
    {"/a?c", "/a/c", true}, // one character, '/' included
    {"/a?c", "/ac", false},
    {"/a??", "/ab", false},
    {"/a??", "/abc", true},
    {"/a??", "/abcd", false},
    {"/**", "/a", true},
    {"/a**b", "/ab", true},
    {"/a*?b", "/ab", false},
    {"/a*?b", "/axb", true},
    {"/a?*b", "/axxb", true},
    {"*a*b*c*", "/xaxbxc", true},
    {"*a*b*c*", "/xcxbxa", false},
    {"/*aab", "/aaaab", true}, // must go back more than once
    {"/*ab*ab", "/abab", true},
    {"/*ab*ab", "/abxa", false},
    {"/a.c", "/abc", false}, // nothing else is special
    {"/[ab]", "/a", false},
    {"/[ab]", "/[ab]", true},
    {"/a\\*", "/a\\b", true},
};

struct NameRow {
    std::string pattern;
    std::string name;
    bool ignore_case;
    bool matches;
};

const NameRow kNames[] = {
    {"page", "page", false, true},
    {"page", "Page", false, false},
    {"page", "Page", true, true},
    {"page", "pages", false, false},
    {"page", "pag", false, false},
    {"utm_*", "utm_", false, true},
    {"utm_*", "utm_source", false, true},
    {"utm_*", "utm", false, false},
    {"utm_*", "UTM_x", true, true},
    {"utm_*", "UTM_x", false, false},
    {"*", "", false, true},
    {"*", "anything", false, true},
    {"a*b", "axb", false, false},
    {"a*b", "a*b", false, true},
    {"", "", false, true},
    {"", "a", false, false},
};

} // namespace

TEST_CASE("glob_matches follows CloudFront's path patterns") {
    for (const GlobRow& row : kGlobs) {
        CAPTURE(row.pattern);
        CAPTURE(row.text);
        CHECK(glob_matches(row.pattern, row.text) == row.matches);
    }
}

TEST_CASE("glob_matches stays quick on patterns that make backtracking matchers slow") {
    std::string pattern = "/";
    for (int i = 0; i < 100; ++i) pattern += "a*";
    pattern += "b";
    CHECK_FALSE(glob_matches(pattern, "/" + std::string(8'000, 'a')));
    CHECK(glob_matches(pattern, "/" + std::string(8'000, 'a') + "b"));
}

TEST_CASE("name_matches treats only a star at the end as special") {
    for (const NameRow& row : kNames) {
        CAPTURE(row.pattern);
        CAPTURE(row.name);
        CHECK(name_matches(row.pattern, row.name, row.ignore_case) == row.matches);
    }
}
