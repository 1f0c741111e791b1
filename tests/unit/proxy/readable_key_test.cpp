// Keys as people read and write them.
#include "proxy/readable_key.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse::proxy;
using Answer = KeyQuestion::Answer;

namespace {

std::string key_of(const std::string& host, const std::string& path, const std::string& query,
                   const std::string& fields = "") {
    return "catalogue|/v1/*\napi\n" + host + "\n" + path + "\n" + query + "\n" + fields;
}

Answer ask(const std::string& text, const std::string& key) {
    const auto question = KeyQuestion::parse(text);
    REQUIRE(question);
    return question->ask(key, readable_key(key));
}

} // namespace

TEST_CASE("a key is read as method, URL, rules and what else tells requests apart") {
    struct Row {
        std::string key;
        std::string text; // "method url"
        std::vector<std::string> others;
    };
    const Row rows[] = {
        {key_of("shop.example", "/v1/a", ""), "GET shop.example/v1/a", {}},
        {key_of("shop.example", "/v1/a", "page=2"), "GET shop.example/v1/a?page=2", {}},
        {key_of("shop.example", "/v1/a", "", "?\n"), "GET shop.example/v1/a?", {}},
        {key_of("*", "/v1/a", "", "accept-language:de\n;a=1; b=2\n"),
         "GET */v1/a",
         {"accept-language:de", "cookie: a=1; b=2"}},
        {key_of("h", "/", "", "@POST 3f2a\ncontent-type:a/b\n"), "POST h/", {"content 3f2a", "content-type:a/b"}},
        {key_of("h", "/", "", "@OPTIONS\norigin:x\n"), "OPTIONS h/", {"origin:x"}},
        {"", "GET ", {}},
        {"no key", "GET ", {}},
    };
    for (const Row& row : rows) {
        const ReadableKey key = readable_key(row.key);
        CHECK(key.method + " " + key.url() == row.text);
        CHECK(key.others == row.others);
    }
    CHECK(readable_key(rows[0].key).rules == "catalogue|/v1/*");
    CHECK(readable_key(rows[0].key).origin == "api");
}

TEST_CASE("a variant is read by its names, and a part by where it begins") {
    CHECK(readable_variant("", "", "\n").empty());
    CHECK(readable_variant("accept-language,user-agent", "=de\n-\n", "accept-language,user-agent\n=de\n-\n") ==
          std::vector<std::string>{"accept-language: de", "user-agent: not in the request"});
    CHECK(readable_variant("", "", "\n\nfrom 1024") == std::vector<std::string>{"from byte 1024 on"});
    CHECK(readable_variant("a", "", "") == std::vector<std::string>{"a: "});
}

TEST_CASE("a pattern is the beginning of a URL, or with a star the whole") {
    struct Row {
        const char* pattern;
        bool matches;
    };
    const Row rows[] = {
        {"", true},
        {"shop.example/v1", true},
        {"https://shop.example/v1/items?page", true},
        {"http://shop.example/v1/items?page=2", true},
        {"/v1/it", true},
        {"/v2", false},
        {"example/v1", false},
        {"*.example/v1/items*", true},
        {"/v1/*=2", true},
        {"/v1/*=3", false},
        {"*", true},
    };
    const ReadableKey key = readable_key(key_of("shop.example", "/v1/items", "page=2"));
    for (const Row& row : rows) {
        CHECK_MESSAGE(UrlPattern(row.pattern).matches(key) == row.matches, row.pattern);
    }
}

TEST_CASE("a question finds the key of a URL, also where the rules leave out a part of its query") {
    const std::string key = key_of("shop.example", "/v1/items", "page=2&q=x");
    struct Row {
        std::string question;
        Answer answer;
    };
    const Row rows[] = {
        {"https://shop.example/v1/items?page=2&q=x", Answer::Yes},
        {"http://shop.example:80/v1/items?page=2&q=x", Answer::Yes},
        {"/v1/items?page=2&q=x", Answer::Yes},
        {"shop.example/v1/items?page=2&q=x", Answer::Yes},
        {key, Answer::Yes},
        {"catalogue|/v1/*\\napi\\nshop.example\\n/v1/items\\npage=2&q=x\\n", Answer::Yes},
        {"https://shop.example/v1/items?q=x&page=2", Answer::Perhaps},
        {"https://shop.example/v1/items?utm=1&page=2&q=x", Answer::Perhaps},
        {"https://shop.example/v1/items?page=2", Answer::No},
        {"https://shop.example/v1/items", Answer::No},
        {"https://shop.example:8080/v1/items?page=2&q=x", Answer::No},
        {"https://other.example/v1/items?page=2&q=x", Answer::No},
        {"https://shop.example/v1/item?page=2&q=x", Answer::No},
        {"shop.example/v1/items", Answer::No},
    };
    for (const Row& row : rows) {
        CHECK_MESSAGE(ask(row.question, key) == row.answer, row.question);
    }
    CHECK(ask("https://any.example/a", key_of("*", "/a", "")) == Answer::Yes);
    CHECK(ask("/a?x=1", key_of("h", "/a", "")) == Answer::Perhaps);
    CHECK(ask("/a?", key_of("h", "/a", "", "?\n")) == Answer::Yes);
    CHECK(ask("/a?", key_of("h", "/a", "")) == Answer::Perhaps);
    CHECK(ask("/a", key_of("h", "/a", "", "?\n")) == Answer::No);
    CHECK_FALSE(KeyQuestion::parse("ftp://h/"));
}
