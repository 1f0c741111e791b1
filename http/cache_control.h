// Cache-Control (RFC 9111 section 5.2) as what it says, parsed once. Whether it is obeyed is decided elsewhere.
#pragma once

#include "http/fields.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::http {

// A delta-seconds argument (RFC 9111 section 1.2.2). Invalid is not absent: RFC 9111 section 4.2.1 lets a response
// with invalid freshness information be taken as stale.
struct DeltaSeconds {
    enum class State : std::uint8_t { Absent, Valid, Invalid };
    State state = State::Absent;
    std::uint32_t seconds = 0; // clamped to 2^31 (RFC 9111 section 1.2.2)

    bool present() const noexcept { return state != State::Absent; }
    bool valid() const noexcept { return state == State::Valid; }
    std::chrono::seconds value() const noexcept { return std::chrono::seconds(seconds); }
    bool operator==(const DeltaSeconds&) const = default;
};

// 1*DIGIT, clamped; anything else (sign, fraction, empty, white space inside) is Invalid.
DeltaSeconds parse_delta_seconds(std::string_view text) noexcept;

struct ResponseCacheControl {
    bool present = false; // at least one Cache-Control line
    bool no_store = false;
    bool no_cache = false;                       // unqualified
    std::vector<std::string> no_cache_fields;    // no-cache="a, b"
    bool is_private = false;                     // unqualified
    std::vector<std::string> private_fields;     // private="a, b"
    bool is_public = false;
    bool must_revalidate = false;
    bool proxy_revalidate = false;
    bool must_understand = false;
    bool immutable = false; // RFC 8246
    bool no_transform = false;
    DeltaSeconds max_age;
    DeltaSeconds s_maxage;
    DeltaSeconds stale_while_revalidate; // RFC 5861
    DeltaSeconds stale_if_error;         // RFC 5861
};

struct RequestCacheControl {
    bool no_cache = false; // also from Pragma: no-cache when there is no Cache-Control (RFC 9111 section 5.4)
    bool no_store = false;
    bool no_transform = false;
    bool only_if_cached = false;
    DeltaSeconds max_age;
    DeltaSeconds min_fresh;
    DeltaSeconds max_stale;
    bool max_stale_any = false; // max-stale without an argument: any staleness
    DeltaSeconds stale_if_error;
};

// Unknown directives and unparsable members are ignored (RFC 9111 section 5.2.3). When a directive with an argument
// comes twice with different values, the most restrictive counts: the smaller lifetime, and invalid beats valid
// (RFC 9111 section 4.2.1). A qualified and an unqualified no-cache together are unqualified.
ResponseCacheControl parse_response_cache_control(const Fields& fields, std::string_view field_name = "Cache-Control");
RequestCacheControl parse_request_cache_control(const Fields& fields);

} // namespace gatehouse::http
