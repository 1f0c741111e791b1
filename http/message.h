// Message heads: request line or status line, and fields. Plain data; parsing them from bytes is the proxy's work.
#pragma once

#include "http/fields.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::http {

enum class Version : std::uint8_t { Http10, Http11 };

enum class Method : std::uint8_t { Get, Head, Post, Put, Delete, Patch, Options, Trace, Connect, Other };

// Method names are case-sensitive (RFC 9110 section 9.1): "get" is Method::Other.
Method method_from(std::string_view text) noexcept;
bool is_safe(Method method) noexcept;       // RFC 9110 section 9.2.1: GET, HEAD, OPTIONS, TRACE
bool is_idempotent(Method method) noexcept; // RFC 9110 section 9.2.2: the safe ones, PUT and DELETE

struct RequestHead {
    std::string method; // as sent
    std::string target; // request-target as sent
    Version version = Version::Http11;
    Fields fields;

    Method method_kind() const noexcept { return method == "GET" ? Method::Get : method_from(method); }
    void clear() noexcept;
};

struct ResponseHead {
    int status = 0; // 100 to 999
    std::string reason;
    Version version = Version::Http11;
    Fields fields;
};

// RFC 9110 section 15.1: 200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501.
bool is_heuristically_cacheable(int status) noexcept;
// Status codes whose caching requirements this program implements (the "understood" ones of RFC 9111 section 3):
// every final code registered by RFC 9110 plus 421, 425, 428, 429, 431, 451, 506, 507, 508, 511. 206 and 304 are
// understood too, but never stored as they are.
bool is_understood(int status) noexcept;
// The registered reason phrase; "" when unknown.
std::string_view reason_phrase(int status) noexcept;
// 1xx, 204 and 304 never have content (RFC 9112 section 6.3).
constexpr bool status_has_no_content(int status) noexcept { return status < 200 || status == 204 || status == 304; }

} // namespace gatehouse::http
