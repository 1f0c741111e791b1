// An Error as a response: status, Proxy-Status (RFC 9209), and a small body in JSON or text as Accept asks.
#pragma once

#include "http/fields.h"
#include "http/message.h"
#include "http/result.h"

#include <string>

namespace gatehouse::proxy {

struct ErrorResponse {
    http::ResponseHead head; // Content-Type, Proxy-Status, Cache-Control: no-store; Retry-After for 503; no framing
    std::string body;
};

// Never echoes anything of the request. JSON unless Accept prefers text/plain or text/html (quality values honoured);
// {"error":"connection_refused","status":502,"message":"..."}
ErrorResponse make_error_response(const http::Error& error, const http::Fields* request_fields);
// The same for 504 by only-if-cached and other statuses with a sentence of their own.
ErrorResponse make_status_response(int status, std::string_view token, std::string_view sentence,
                                   const http::Fields* request_fields);

} // namespace gatehouse::proxy
