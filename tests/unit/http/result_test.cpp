// Error kinds: their names, statuses and tokens.
#include "http/result.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <string>

using namespace gatehouse::http;

namespace {

constexpr int kKinds = static_cast<int>(ErrorKind::Internal) + 1;

} // namespace

TEST_CASE("every error kind has its own name, written in snake case") {
    std::set<std::string> names;
    for (int i = 0; i < kKinds; ++i) {
        const std::string name(to_string(static_cast<ErrorKind>(i)));
        CAPTURE(name);
        CHECK(!name.empty());
        CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos);
        CHECK(names.insert(name).second);
    }
}

TEST_CASE("the source of an error picks the family of its status") {
    for (int i = 0; i < kKinds; ++i) {
        const auto kind = static_cast<ErrorKind>(i);
        const int status = status_of(kind);
        CAPTURE(std::string(to_string(kind)));
        switch (source_of(kind)) {
        case ErrorSource::Downstream:
            CHECK((status / 100 == 4 || status == 501 || status == 505));
            CHECK(proxy_status_token(kind) == "http_request_error");
            break;
        case ErrorSource::Upstream:
            CHECK((status == 502 || status == 504));
            break;
        case ErrorSource::Internal:
            CHECK(status == 500);
            CHECK(proxy_status_token(kind) == "proxy_internal_error");
            break;
        }
    }
}

TEST_CASE("error kinds map to their status and Proxy-Status error") {
    struct Row {
        ErrorKind kind;
        int status;
        std::string_view token;
    };
    const Row rows[] = {
        {ErrorKind::BadRequest, 400, "http_request_error"},
        {ErrorKind::HeadTooLarge, 431, "http_request_error"},
        {ErrorKind::UriTooLong, 414, "http_request_error"},
        {ErrorKind::UnsafePath, 400, "http_request_error"},
        {ErrorKind::UnsupportedVersion, 505, "http_request_error"},
        {ErrorKind::UnsupportedMethod, 501, "http_request_error"},
        {ErrorKind::RequestTimeout, 408, "http_request_error"},
        {ErrorKind::DnsError, 502, "dns_error"},
        {ErrorKind::DnsTimeout, 504, "dns_timeout"},
        {ErrorKind::ConnectionRefused, 502, "connection_refused"},
        {ErrorKind::ConnectionTimeout, 504, "connection_timeout"},
        {ErrorKind::ResponseTimeout, 504, "http_response_timeout"},
        {ErrorKind::ResponseIncomplete, 502, "http_response_incomplete"},
        {ErrorKind::ProtocolError, 502, "http_protocol_error"},
        {ErrorKind::OriginUnavailable, 502, "destination_unavailable"},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(to_string(row.kind)));
        CHECK(status_of(row.kind) == row.status);
        CHECK(proxy_status_token(row.kind) == row.token);
    }
}

TEST_CASE("a result holds a value or an error, and gives either away") {
    Result<std::unique_ptr<int>> good(std::make_unique<int>(7));
    REQUIRE(good.ok());
    CHECK(**good == 7);
    const std::unique_ptr<int> taken = std::move(good).value();
    CHECK(*taken == 7);

    Result<std::unique_ptr<int>> failed(Error(ErrorKind::DnsError, "no such name", Retry::Always));
    REQUIRE(!failed);
    CHECK(failed.error().kind == ErrorKind::DnsError);
    const Error error = failed.take_error();
    CHECK(error.detail == "no such name");
    CHECK(error.retry == Retry::Always);
    CHECK(success().ok());
}
