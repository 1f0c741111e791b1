#include "http/conditional.h"

#include "http/ascii.h"
#include "http/date.h"
#include "http/entity_tag.h"

#include <chrono>

namespace gatehouse::http {

namespace {

// If-None-Match is false, and the answer 304, when the list is `*` or has a tag that matches weakly.
// RFC 9110 section 13.1.2
bool none_match_fails(const Fields& request, const std::optional<std::string_view>& etag_value) noexcept {
    const auto etag = etag_value ? parse_entity_tag(*etag_value) : std::nullopt;
    std::size_t lines = 0;
    bool star = false;
    bool matched = false;
    request.for_each("If-None-Match", [&](std::string_view rest) {
        ++lines;
        star = trim_ows(rest) == "*";
        for (EntityTag tag; etag && !matched && next_entity_tag(rest, tag);) {
            matched = weak_match(tag, *etag);
        }
    });
    return matched || (star && lines == 1);
}

std::optional<WallTime> date_of(const std::optional<std::string_view>& value, WallTime now) {
    return value ? parse_http_date(*value, now) : std::nullopt;
}

} // namespace

PreconditionResult evaluate_preconditions(const Fields& request, const Validators& representation, WallTime now) {
    // If-None-Match is evaluated first, and where it is present If-Modified-Since is ignored, even when every member
    // of it is malformed. RFC 9110 section 13.2.2
    if (request.contains("If-None-Match")) {
        return none_match_fails(request, representation.etag) ? PreconditionResult::NotModified
                                                              : PreconditionResult::Proceed;
    }
    // More than one value is no valid date, and an invalid date is ignored. RFC 9110 section 13.1.3
    const auto since_value = request.first("If-Modified-Since");
    if (!since_value || request.count("If-Modified-Since") != 1) {
        return PreconditionResult::Proceed;
    }
    const auto since = parse_http_date(*since_value, now);
    // A stored response without Last-Modified is compared by its Date. RFC 9111 section 4.3.2
    auto modified = date_of(representation.last_modified, now);
    if (!modified) {
        modified = date_of(representation.date, now);
    }
    // Not modified when it is no newer than the date given. RFC 9110 section 13.1.3
    return since && modified && *modified <= *since ? PreconditionResult::NotModified : PreconditionResult::Proceed;
}

bool if_range_allows(const Fields& request, const Validators& representation, WallTime now) {
    const auto value = request.first("If-Range");
    if (!value) {
        return true;
    }
    if (request.count("If-Range") != 1) {
        return false;
    }
    // A value that has a quote among its first three characters is an entity tag. RFC 9110 section 13.1.5
    if (value->substr(0, 3).find('"') != std::string_view::npos) {
        const auto wanted = parse_entity_tag(*value);
        const auto current = representation.etag ? parse_entity_tag(*representation.etag) : std::nullopt;
        // The tags must match strongly. RFC 9110 section 13.1.5
        return wanted && current && strong_match(*wanted, *current);
    }
    const auto wanted = parse_http_date(*value, now);
    const auto modified = date_of(representation.last_modified, now);
    const auto generated = date_of(representation.date, now);
    // A date must be exactly Last-Modified, and strong: RFC 9110 section 13.1.5.
    // It is strong when the response was generated at least one second later. RFC 9110 section 8.8.2.2
    return wanted && modified && generated && *wanted == *modified &&
           *generated - *modified >= std::chrono::seconds(1);
}

bool has_cache_precondition(const Fields& request) noexcept {
    return request.contains("If-None-Match") || request.contains("If-Modified-Since");
}

bool has_origin_only_precondition(const Fields& request) noexcept {
    return request.contains("If-Match") || request.contains("If-Unmodified-Since");
}

} // namespace gatehouse::http
