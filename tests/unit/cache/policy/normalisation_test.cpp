// Request fields reduced to the few values that matter.
#include "cache/policy/normalisation.h"

#include "tests/unit/cache/policy/support.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse::cache::policy;
using namespace gatehouse::cache::policy::testing;
namespace config = gatehouse::config;

namespace {

// What the rules make of one field; "-": the request has none afterwards.
std::string reduced(const config::Normalization& rules, const std::string& name, const std::string& lines) {
    auto request = request_of(lines);
    normalise_request(request.fields, rules);
    return request.fields.contains(name) ? request.fields.combined(name) : "-";
}

} // namespace

TEST_CASE("Accept-Encoding becomes the codings that matter and the client accepts (RFC 9110 section 12.5.3)") {
    const config::Normalization both{{"br", "gzip"}, {}, false};
    const config::Normalization one{{"gzip"}, {}, false};
    struct Row {
        const char* name;
        const config::Normalization& rules;
        const char* request;
        const char* value;
    };
    const Row rows[] = {
        {"a browser", both, "Accept-Encoding: gzip, deflate, br, zstd", "br,gzip"},
        {"weights do not order", both, "Accept-Encoding: gzip;q=1, br;q=0.1", "br,gzip"},
        {"one of two", both, "Accept-Encoding: GZIP", "gzip"},
        {"the old name", both, "Accept-Encoding: x-gzip", "gzip"},
        {"refused", both, "Accept-Encoding: gzip;q=0, br", "br"},
        {"anything", both, "Accept-Encoding: *", "br,gzip"},
        {"anything but", both, "Accept-Encoding: br;q=0, *", "gzip"},
        {"nothing else", both, "Accept-Encoding: gzip, *;q=0", "gzip"},
        {"neither", both, "Accept-Encoding: deflate", "identity"},
        {"empty", both, "Accept-Encoding:", "identity"},
        {"malformed counts for nothing", both, "Accept-Encoding: gzip;q=9, br", "br"},
        {"in two lines", both, "Accept-Encoding: gzip\nAccept-Encoding: br", "br,gzip"},
        {"absent stays absent", both, "", "-"},
        {"only what is offered", one, "Accept-Encoding: gzip, br", "gzip"},
        {"without rules it stays", config::Normalization(), "Accept-Encoding: gzip, br", "gzip, br"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        CHECK(reduced(row.rules, "Accept-Encoding", row.request) == row.value);
    }
}

TEST_CASE("Accept-Language becomes the language that the client prefers of those there are (RFC 4647 section 3.4)") {
    const config::Normalization rules{{}, {"en", "de", "pt-BR", "pt", "zh-Hant"}, false};
    struct Row {
        const char* name;
        const char* request;
        const char* value;
    };
    const Row rows[] = {
        {"itself", "Accept-Language: de", "de"},
        {"in other case", "Accept-Language: PT-br", "pt-BR"},
        {"a region of it", "Accept-Language: de-AT", "de"},
        {"the longest that is left of it", "Accept-Language: pt-BR-x-a", "pt-BR"},
        {"another region", "Accept-Language: pt-PT", "pt"},
        {"a range says less than the tag", "Accept-Language: zh", "en"},
        {"no mere beginning", "Accept-Language: des", "en"},
        {"the heaviest", "Accept-Language: en;q=0.5, de;q=0.8", "de"},
        {"of equals the first", "Accept-Language: pt, de", "pt"},
        {"the next when the first is not there", "Accept-Language: fr, de;q=0.1", "de"},
        {"refused", "Accept-Language: de;q=0", "en"},
        {"none of them", "Accept-Language: fr", "en"},
        {"anything", "Accept-Language: *", "en"},
        {"absent stays absent", "", "-"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        CHECK(reduced(rules, "Accept-Language", row.request) == row.value);
    }
}

TEST_CASE("User-Agent becomes a class of devices") {
    const config::Normalization rules{{}, {}, true};
    struct Row {
        const char* agent;
        const char* value;
    };
    const Row rows[] = {
        {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36", "desktop"},
        {"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15", "desktop"},
        {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1", "mobile"},
        {"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1", "tablet"},
        {"Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/126.0 Mobile Safari/537.36", "mobile"},
        {"Mozilla/5.0 (Linux; Android 13; SM-X700) Chrome/126.0 Safari/537.36", "tablet"},
        {"Mozilla/5.0 (Android 14; Tablet; rv:127.0) Gecko/127.0 Firefox/127.0", "tablet"},
        {"curl/8.5.0", "desktop"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.agent);
        CHECK(reduced(rules, "User-Agent", std::string("User-Agent: ") + row.agent) == row.value);
    }
    CHECK(reduced(rules, "User-Agent", "") == "-");
}
