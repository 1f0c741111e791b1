// Bytes to message heads, with Boost.Beast's basic_parser for the start line and our own strictness around it.
//
// Beast 1.81 unfolds obs-fold and judges framing by rules of its own, so the fields are read here, and lines are checked
// first: CR LF only, no bare CR or LF, no line that begins with white space. Framing (http/framing.h) and targets
// (http/target.h) are decided elsewhere; content is never parsed here.
#pragma once

#include "http/message.h"
#include "http/result.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gatehouse::proxy {

struct HeadLimits {
    std::uint32_t bytes = 64 * 1024;
    std::uint32_t fields = 128;
    std::uint32_t target_bytes = 8192; // requests
};

struct HeadParse {
    enum class State : std::uint8_t { Complete, Incomplete, Bad };
    State state = State::Incomplete;
    std::size_t consumed = 0; // Complete: bytes of the head, a skipped leading CR LF included
    http::Error error;        // Bad
};

// `bytes` starts at a message; more than the head may follow. One leading CR LF is skipped (RFC 9112 section 2.2).
// Bad: BadRequest, HeadTooLarge, UriTooLong, UnsupportedVersion. Incomplete never with more than limits.bytes.
HeadParse parse_request_head(std::string_view bytes, const HeadLimits& limits, http::RequestHead& out);

// Bad: ProtocolError, ResponseHeadTooLarge. A status line without a reason phrase is accepted (RFC 9112 section 4).
HeadParse parse_response_head(std::string_view bytes, const HeadLimits& limits, http::ResponseHead& out);

} // namespace gatehouse::proxy
