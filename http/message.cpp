#include "http/message.h"

namespace gatehouse::http {

// Method names are compared with case. RFC 9110 section 9.1
Method method_from(std::string_view text) noexcept {
    switch (text.size()) {
    case 3:
        return text == "GET" ? Method::Get : text == "PUT" ? Method::Put : Method::Other;
    case 4:
        return text == "HEAD" ? Method::Head : text == "POST" ? Method::Post : Method::Other;
    case 5:
        return text == "PATCH" ? Method::Patch : text == "TRACE" ? Method::Trace : Method::Other;
    case 6:
        return text == "DELETE" ? Method::Delete : Method::Other;
    case 7:
        return text == "OPTIONS" ? Method::Options : text == "CONNECT" ? Method::Connect : Method::Other;
    default:
        return Method::Other;
    }
}

// GET, HEAD, OPTIONS and TRACE ask for nothing to change. RFC 9110 section 9.2.1
bool is_safe(Method method) noexcept {
    return method == Method::Get || method == Method::Head || method == Method::Options || method == Method::Trace;
}

// Doing it twice is as good as once: the safe methods, PUT and DELETE. RFC 9110 section 9.2.2
bool is_idempotent(Method method) noexcept {
    return is_safe(method) || method == Method::Put || method == Method::Delete;
}

void RequestHead::clear() noexcept {
    method.clear();
    target.clear();
    version = Version::Http11;
    fields.clear();
}

// These final status codes may be given a heuristic lifetime. RFC 9110 section 15.1
bool is_heuristically_cacheable(int status) noexcept {
    switch (status) {
    case 200: case 203: case 204: case 206: case 300: case 301: case 308:
    case 404: case 405: case 410: case 414: case 501:
        return true;
    default:
        return false;
    }
}

// A code is understood when its caching requirements are known and obeyed. RFC 9111 section 3
bool is_understood(int status) noexcept {
    // Left out though in the range: 306 and 418, which are registered as unused. RFC 9110 section 15
    const bool in_rfc_9110 = (status >= 200 && status <= 206) || (status >= 300 && status <= 308 && status != 306) ||
                             (status >= 400 && status <= 417) || status == 421 || status == 422 || status == 426 ||
                             (status >= 500 && status <= 505);
    if (in_rfc_9110) {
        return true;
    }
    switch (status) {
    case 425: case 428: case 429: case 431: case 451: case 506: case 507: case 508: case 511:
        return true;
    default:
        return false;
    }
}

std::string_view reason_phrase(int status) noexcept {
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 506: return "Variant Also Negotiates";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    case 510: return "Not Extended";
    case 511: return "Network Authentication Required";
    default: return "";
    }
}

} // namespace gatehouse::http
