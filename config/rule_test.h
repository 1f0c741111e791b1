// `tests:` of a configuration: requests, what the origin would answer to them, and what the rules are expected to do.
#pragma once

#include "config/basics.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::config {

// A name and what its value has to look like: `*` is any run of characters, `?` exactly one.
struct NamePattern {
    std::string name;
    std::string pattern;
};

struct HeaderLine {
    std::string name;
    std::string value;
};

struct TestRequest {
    std::string method = "GET";
    std::string url; // "/v1/items?page=2", or with http://host in front
    std::vector<HeaderLine> headers;
    std::string body;
};

// What the origin answers if it is asked: a response, or an error in its place.
struct TestResponse {
    int status = 200;
    std::vector<HeaderLine> headers;
    std::string body;
    std::string error; // "connection_refused", ...; empty: none
    std::chrono::milliseconds delay{0}; // until it answers, or fails
};

// What the origin of an error page answers, if that is asked for.
struct TestPage : TestResponse {
    std::string url; // as error_pages has it
};

struct TestExpectation {
    // Where what the client gets came from.
    enum class Source : unsigned char { Any, Hit, Stale, Revalidated, Miss, Own };
    std::optional<std::string> behavior; // its path_pattern
    std::optional<std::string> key;
    Source cache = Source::Any;
    std::optional<bool> stored; // the origin's answer was
    std::optional<std::chrono::milliseconds> ttl;
    std::optional<std::string> reason; // as Cache-Status says it in `detail`
    std::optional<int> status;
    std::optional<int> error_page;    // it is the page for an error with this status; 0: it is none
    std::vector<NamePattern> headers; // what the client gets
    std::vector<std::string> without_headers;
    std::optional<std::string> body;
    // What the origin gets.
    std::optional<bool> origin_asked;
    std::optional<std::string> origin_url;
    std::vector<NamePattern> origin_headers;
    std::vector<std::string> origin_without_headers;
};

struct TestStep {
    std::chrono::milliseconds after{0}; // how long after the step before it
    TestRequest request;
    TestResponse response;
    std::vector<TestPage> pages;
    TestExpectation expect;
    SourcePlace place;
};

// One step of its own, or several in a row that share a cache.
struct RuleTest {
    std::string name;
    TestStep only;
    std::vector<TestStep> steps;
    SourcePlace place;
};

} // namespace gatehouse::config
