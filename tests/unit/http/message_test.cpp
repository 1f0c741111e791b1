// Methods, status codes and their properties.
#include "http/message.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace gatehouse::http;

TEST_CASE("methods are known by their exact names") {
    struct Row {
        std::string_view text;
        Method method;
        bool safe;
        bool idempotent;
    };
    const Row rows[] = {
        {"GET", Method::Get, true, true},          {"HEAD", Method::Head, true, true},
        {"OPTIONS", Method::Options, true, true},  {"TRACE", Method::Trace, true, true},
        {"PUT", Method::Put, false, true},         {"DELETE", Method::Delete, false, true},
        {"POST", Method::Post, false, false},      {"PATCH", Method::Patch, false, false},
        {"CONNECT", Method::Connect, false, false}, {"get", Method::Other, false, false},
        {"Get", Method::Other, false, false},      {"", Method::Other, false, false},
        {"GETS", Method::Other, false, false},     {"PURGE", Method::Other, false, false},
        {"PROPFIND", Method::Other, false, false}, {"OPTION", Method::Other, false, false},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.text));
        CHECK(method_from(row.text) == row.method);
        CHECK(is_safe(row.method) == row.safe);
        CHECK(is_idempotent(row.method) == row.idempotent);
    }
}

TEST_CASE("clearing a request head leaves a new one") {
    RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.version = Version::Http10;
    head.fields.add("Host", "a");
    CHECK(head.method_kind() == Method::Get);
    head.clear();
    CHECK(head.method.empty());
    CHECK(head.target.empty());
    CHECK(head.version == Version::Http11);
    CHECK(head.fields.empty());
}

TEST_CASE("exactly the twelve status codes of RFC 9110 section 15.1 are heuristically cacheable") {
    const std::set<int> cacheable = {200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501};
    for (int status = 100; status <= 999; ++status) {
        CAPTURE(status);
        CHECK(is_heuristically_cacheable(status) == cacheable.contains(status));
        if (cacheable.contains(status)) {
            CHECK(is_understood(status));
        }
    }
}

TEST_CASE("understood status codes are final, registered and in use") {
    const std::set<int> understood = {200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 305, 307, 308, 400,
                                      401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416,
                                      417, 421, 422, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506,
                                      507, 508, 511};
    for (int status = 100; status <= 999; ++status) {
        CAPTURE(status);
        CHECK(is_understood(status) == understood.contains(status));
        if (understood.contains(status)) {
            CHECK(!reason_phrase(status).empty());
        }
    }
}

TEST_CASE("reason phrases are the registered ones and empty for unknown codes") {
    CHECK(reason_phrase(200) == "OK");
    CHECK(reason_phrase(404) == "Not Found");
    CHECK(reason_phrase(413) == "Content Too Large");
    CHECK(reason_phrase(504) == "Gateway Timeout");
    CHECK(reason_phrase(299).empty());
    CHECK(reason_phrase(418).empty());
    CHECK(reason_phrase(0).empty());
}

TEST_CASE("1xx, 204 and 304 have no content") {
    for (const int status : {100, 101, 103, 199, 204, 304}) {
        CHECK(status_has_no_content(status));
    }
    for (const int status : {200, 203, 205, 206, 303, 305, 404, 500}) {
        CHECK(!status_has_no_content(status));
    }
}
