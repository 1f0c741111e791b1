// Response heads as HTTP/1.1 text, without framing and without the empty line at their end.
#pragma once

#include "proxy/response_sink.h"

#include <charconv>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

template <class Integer>
void append_number(std::string& out, Integer value, int base = 10) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
    out.append(digits, end);
}

void append_status_line(std::string& out, int status);
// A head made from a stored one: its lines, Age, Cache-Status and X-Cache. Allocation-free when `out` has capacity.
void append_response_head(std::string& out, const ResponseSink::Head& head);
// A head of our own; `now` is its Date unless it has one.
void append_own_head(std::string& out, const http::ResponseHead& head, http::WallTime now,
                     const cache::policy::CacheResult* cache, std::string_view shown_key);

} // namespace gatehouse::proxy
