// Error responses: the three forms of saying one thing, and nothing of the request in any of them.
#include "proxy/error_response.h"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <string>

using namespace gatehouse;
using namespace gatehouse::proxy;

namespace {

std::string field(const ErrorResponse& response, std::string_view name) {
    return std::string(response.head.fields.first(name).value_or("(absent)"));
}

ErrorResponse refused(const http::Fields* fields) {
    return make_error_response(http::Error(http::ErrorKind::ConnectionRefused, "192.0.2.1:443 said no"), fields);
}

} // namespace

TEST_CASE("an error as JSON, with Proxy-Status") {
    const ErrorResponse response = refused(nullptr);
    CHECK(response.head.status == 502);
    CHECK(response.head.reason == "Bad Gateway");
    CHECK(field(response, "Content-Type") == "application/json");
    CHECK(field(response, "Cache-Control") == "no-store");
    CHECK(field(response, "Proxy-Status") ==
          "gatehouse; error=connection_refused; details=\"The origin refused the connection.\"");
    CHECK(field(response, "Retry-After") == "(absent)");
    CHECK(field(response, "Content-Length") == "(absent)");
    CHECK(response.body ==
          "{\"error\":\"connection_refused\",\"status\":502,\"message\":\"The origin refused the connection.\"}\n");
}

TEST_CASE("every kind has a status, a token, a sentence, and keeps its detail to itself") {
    for (int index = 0; index <= static_cast<int>(http::ErrorKind::Internal); ++index) {
        const auto kind = static_cast<http::ErrorKind>(index);
        const std::string name(http::to_string(kind));
        CAPTURE(name);
        const ErrorResponse response = make_error_response(http::Error(kind, "secret detail"), nullptr);
        CHECK(response.head.status == http::status_of(kind));
        const boost::json::value value = boost::json::parse(response.body);
        const boost::json::object& object = value.as_object();
        CHECK(object.at("error").as_string() == name);
        CHECK(object.at("status").to_number<int>() == http::status_of(kind));
        CHECK(object.at("message").as_string().size() > 10);
        CHECK(field(response, "Proxy-Status").starts_with("gatehouse; error="));
        CHECK(response.body.find("secret") == std::string::npos);
        CHECK(response.head.fields.serialised().find("secret") == std::string_view::npos);
    }
}

TEST_CASE("Accept chooses between JSON and text") {
    struct Row {
        std::string accept;
        bool text;
    };
    const Row rows[] = {
        {"*/*", false},
        {"", false},
        {"application/json", false},
        {"text/plain", true},
        {"text/html", true},
        {"TEXT/Plain", true},
        {"text/*", true},
        {"text/plain, application/json", false}, // equal: JSON
        {"text/plain, application/json;q=0.9", true},
        {"text/plain;q=0.8, application/json;q=0.9", false},
        {"text/plain;q=0.9, */*;q=0.8", true},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true}, // browsers
        {"application/problem+json, text/html;q=0.5", false},
        {"application/*;q=0.3, application/json;q=0.1, text/plain;q=0.2", true}, // the most specific range counts
        {"text/*;q=0, */*", false},
        {"text/plain;q=0", false},
        {"image/png", false},                   // neither fits: JSON
        {"text/plain;q=abc, */*;q=0.1", false}, // a malformed quality counts for nothing
        {"text/plain;q=1.5", false},
        {"text/plain; charset=utf-8; q=0.5, application/json; Q=0.4", true},
        {"text/plain;q=0.501, application/json;q=0.5", true},
        {"text/plain;q=1.000, application/json;q=0.999", true},
        {"text", false},
        {",,;/;", false},
    };
    for (const Row& row : rows) {
        SUBCASE(row.accept.c_str()) {
            http::Fields fields;
            fields.add("Accept", row.accept);
            const ErrorResponse response = refused(&fields);
            CHECK(field(response, "Content-Type") == (row.text ? "text/plain; charset=utf-8" : "application/json"));
            if (row.text) {
                CHECK(response.body == "502 Bad Gateway\n\nThe origin refused the connection. (connection_refused)\n");
            }
        }
    }
}

TEST_CASE("several Accept lines are one list") {
    http::Fields fields;
    fields.add("Accept", "application/json;q=0.1");
    fields.add("Accept", "text/plain");
    CHECK(field(refused(&fields), "Content-Type") == "text/plain; charset=utf-8");
}

TEST_CASE("a status with a sentence of its own") {
    const ErrorResponse unavailable =
        make_status_response(503, "shutting_down", "This proxy is about to end: \"soon\".", nullptr);
    CHECK(unavailable.head.status == 503);
    CHECK(field(unavailable, "Retry-After") == "5");
    CHECK(field(unavailable, "Proxy-Status") == R"(gatehouse; details="This proxy is about to end: \"soon\".")");
    CHECK(unavailable.body ==
          "{\"error\":\"shutting_down\",\"status\":503,\"message\":\"This proxy is about to end: \\\"soon\\\".\"}\n");

    const ErrorResponse timeout = make_status_response(504, "only_if_cached", "Nothing is stored.", nullptr);
    CHECK(timeout.head.reason == "Gateway Timeout");
    CHECK(field(timeout, "Retry-After") == "(absent)");
}
