// Preconditions in the order of RFC 9110 section 13.2.2.
#include "http/conditional.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace gatehouse::http;
using Result = PreconditionResult;

namespace {

constexpr auto kNow = WallTime(std::chrono::seconds(1714564800)); // Wed, 01 May 2024 12:00:00 GMT
constexpr std::string_view kBefore = "Wed, 01 May 2024 09:59:59 GMT";
constexpr std::string_view kModified = "Wed, 01 May 2024 10:00:00 GMT";
constexpr std::string_view kAfter = "Wed, 01 May 2024 10:00:01 GMT";

using Lines = std::vector<std::pair<std::string_view, std::string_view>>;

Fields make(const Lines& lines) {
    Fields fields;
    for (const auto& [name, value] : lines) {
        fields.add(name, value);
    }
    return fields;
}

} // namespace

TEST_CASE("preconditions are evaluated in the order of RFC 9110 section 13.2.2") {
    struct Row {
        const char* name;
        Lines request;
        Validators stored;
        Result expected;
    };
    const Validators strong{"\"a\"", kModified, kAfter};
    const Validators weak{"W/\"a\"", kModified, kAfter};
    const Validators unquoted{"a", kModified, kAfter};
    const Validators no_etag{std::nullopt, kModified, kAfter};
    const Validators date_only{std::nullopt, std::nullopt, kModified};
    const Validators bad_modified{std::nullopt, "yesterday", kModified};
    const Validators nothing{};
    const Row rows[] = {
        {"no precondition", {}, strong, Result::Proceed},
        {"the tag", {{"If-None-Match", "\"a\""}}, strong, Result::NotModified},
        {"another tag", {{"If-None-Match", "\"b\""}}, strong, Result::Proceed},
        {"a weak tag against the strong one", {{"If-None-Match", "W/\"a\""}}, strong, Result::NotModified},
        {"a strong tag against the weak one", {{"If-None-Match", "\"a\""}}, weak, Result::NotModified},
        {"one of a list", {{"If-None-Match", "\"b\", \"a\""}}, strong, Result::NotModified},
        {"in a second line", {{"If-None-Match", "\"b\""}, {"If-None-Match", "\"a\""}}, strong, Result::NotModified},
        {"a star", {{"If-None-Match", "*"}}, strong, Result::NotModified},
        {"a star without any validator", {{"If-None-Match", "*"}}, nothing, Result::NotModified},
        {"a star in a list", {{"If-None-Match", "*, \"b\""}}, strong, Result::Proceed},
        {"a star in two lines", {{"If-None-Match", "\"b\""}, {"If-None-Match", "*"}}, strong, Result::Proceed},
        {"unquoted against unquoted", {{"If-None-Match", "a"}}, unquoted, Result::Proceed},
        {"quoted against unquoted", {{"If-None-Match", "\"a\""}}, unquoted, Result::Proceed},
        {"a star against unquoted", {{"If-None-Match", "*"}}, unquoted, Result::NotModified},
        {"a tag where there is none", {{"If-None-Match", "\"a\""}}, no_etag, Result::Proceed},
        {"an empty list", {{"If-None-Match", ""}}, strong, Result::Proceed},
        {"a tag that differs wins over a date that matches",
         {{"If-None-Match", "\"b\""}, {"If-Modified-Since", kAfter}}, strong, Result::Proceed},
        {"a tag that matches wins over a date that differs",
         {{"If-Modified-Since", kBefore}, {"If-None-Match", "\"a\""}}, strong, Result::NotModified},
        {"a malformed tag still hides the date", {{"If-None-Match", "a"}, {"If-Modified-Since", kAfter}}, strong,
         Result::Proceed},
        {"a date one second before", {{"If-Modified-Since", kBefore}}, strong, Result::Proceed},
        {"the date itself", {{"If-Modified-Since", kModified}}, strong, Result::NotModified},
        {"a date one second after", {{"If-Modified-Since", kAfter}}, strong, Result::NotModified},
        {"a date in another form", {{"If-Modified-Since", "Wednesday, 01-May-24 10:00:00 GMT"}}, strong,
         Result::NotModified},
        {"a date in the future", {{"If-Modified-Since", "Thu, 01 May 2025 10:00:00 GMT"}}, strong,
         Result::NotModified},
        {"an invalid date", {{"If-Modified-Since", "2024-05-01"}}, strong, Result::Proceed},
        {"two dates in one line",
         {{"If-Modified-Since", "Wed, 01 May 2024 10:00:00 GMT, Wed, 01 May 2024 10:00:00 GMT"}}, strong,
         Result::Proceed},
        {"two lines of dates", {{"If-Modified-Since", kAfter}, {"If-Modified-Since", kAfter}}, strong,
         Result::Proceed},
        {"no Last-Modified: before Date", {{"If-Modified-Since", kBefore}}, date_only, Result::Proceed},
        {"no Last-Modified: Date", {{"If-Modified-Since", kModified}}, date_only, Result::NotModified},
        {"no Last-Modified: after Date", {{"If-Modified-Since", kAfter}}, date_only, Result::NotModified},
        {"an invalid Last-Modified is none", {{"If-Modified-Since", kModified}}, bad_modified, Result::NotModified},
        {"no date at all", {{"If-Modified-Since", kAfter}}, nothing, Result::Proceed},
        {"If-Match is the origin's", {{"If-Match", "\"b\""}}, strong, Result::Proceed},
        {"If-Unmodified-Since is the origin's", {{"If-Unmodified-Since", kBefore}}, strong, Result::Proceed},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        CHECK(evaluate_preconditions(make(row.request), row.stored, kNow) == row.expected);
    }
}

TEST_CASE("If-Range lets Range apply for a strong validator that matches exactly") {
    struct Row {
        const char* name;
        Lines request;
        Validators stored;
        bool expected;
    };
    const Validators strong{"\"a\"", kModified, kAfter};
    const Validators weak{"W/\"a\"", kModified, kAfter};
    const Row rows[] = {
        {"no If-Range", {}, strong, true},
        {"the strong tag", {{"If-Range", "\"a\""}}, strong, true},
        {"another tag", {{"If-Range", "\"b\""}}, strong, false},
        {"a weak tag against the strong one", {{"If-Range", "W/\"a\""}}, strong, false},
        {"a strong tag against the weak one", {{"If-Range", "\"a\""}}, weak, false},
        {"a weak tag against itself", {{"If-Range", "W/\"a\""}}, weak, false},
        {"a list of tags", {{"If-Range", "\"a\", \"b\""}}, strong, false},
        {"an unquoted tag", {{"If-Range", "a"}}, {"a", kModified, kAfter}, false},
        {"a star", {{"If-Range", "*"}}, strong, false},
        {"an empty one", {{"If-Range", ""}}, strong, false},
        {"a tag where there is none", {{"If-Range", "\"a\""}}, {}, false},
        {"the date, generated a second later", {{"If-Range", kModified}}, strong, true},
        {"the date, generated in the same second", {{"If-Range", kModified}}, {"\"a\"", kModified, kModified}, false},
        {"the date, generated a second before", {{"If-Range", kModified}}, {"\"a\"", kModified, kBefore}, false},
        {"the date, generated at an unknown time", {{"If-Range", kModified}}, {"\"a\"", kModified, {}}, false},
        {"a date one second before", {{"If-Range", kBefore}}, strong, false},
        {"a date one second after", {{"If-Range", kAfter}}, strong, false},
        {"a date without Last-Modified", {{"If-Range", kModified}}, {"\"a\"", {}, kModified}, false},
        {"two lines", {{"If-Range", "\"a\""}, {"If-Range", "\"a\""}}, strong, false},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.name));
        CHECK(if_range_allows(make(row.request), row.stored, kNow) == row.expected);
    }
}

TEST_CASE("If-None-Match and If-Modified-Since are the ones a cache may evaluate") {
    CHECK(has_cache_precondition(make({{"if-none-match", "*"}})));
    CHECK(has_cache_precondition(make({{"If-Modified-Since", kBefore}})));
    CHECK(!has_cache_precondition(make({{"If-Match", "*"}, {"If-Unmodified-Since", kBefore}})));
    CHECK(!has_cache_precondition(make({{"If-Range", kBefore}})));
    CHECK(!has_cache_precondition(make({})));
}

TEST_CASE("If-Match and If-Unmodified-Since are left to the origin") {
    CHECK(has_origin_only_precondition(make({{"if-match", "*"}})));
    CHECK(has_origin_only_precondition(make({{"If-Unmodified-Since", kBefore}})));
    CHECK(!has_origin_only_precondition(make({{"If-None-Match", "*"}, {"If-Modified-Since", kBefore}})));
    CHECK(!has_origin_only_precondition(make({})));
}
