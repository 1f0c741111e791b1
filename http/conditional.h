// Preconditions (RFC 9110 section 13) evaluated against a selected representation, in the order of section 13.2.2.
#pragma once

#include "http/fields.h"
#include "http/message.h"
#include "http/time.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace gatehouse::http {

enum class PreconditionResult : std::uint8_t {
    Proceed,           // answer as if there were no precondition
    NotModified,       // 304
    PreconditionFailed // 412
};

// What the selected representation has. Both views must outlive the call.
struct Validators {
    std::optional<std::string_view> etag;          // the field value, possibly malformed
    std::optional<std::string_view> last_modified; // the field value, possibly malformed
    std::optional<std::string_view> date;          // when it was generated
};

// For GET and HEAD against a 200 representation. If-Match and If-Unmodified-Since are the origin's to evaluate and
// are not looked at here (RFC 9111 section 4.3.2): a cache only answers If-None-Match and If-Modified-Since.
// RFC 9111 section 4.3.2: without Last-Modified, If-Modified-Since is compared with Date.
PreconditionResult evaluate_preconditions(const Fields& request, const Validators& representation, WallTime now);

// If-Range (RFC 9110 section 13.1.5): whether Range applies. True when there is no If-Range. A tag must match
// strongly; a date must equal Last-Modified exactly and be strong (at least one second older than Date).
bool if_range_allows(const Fields& request, const Validators& representation, WallTime now);

// Whether the request has a precondition that a cache may evaluate too (If-None-Match, If-Modified-Since). Only these
// are answered with 304 (RFC 9110 section 15.4.5).
bool has_cache_precondition(const Fields& request) noexcept;
// Whether the request has a precondition that only the origin may evaluate (If-Match, If-Unmodified-Since).
bool has_origin_only_precondition(const Fields& request) noexcept;

} // namespace gatehouse::http
