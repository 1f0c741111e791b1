// Error responses: what is said depends on the kind alone, never on the request.
#include "proxy/error_response.h"

#include "http/ascii.h"
#include "http/list_parser.h"
#include "http/weight.h"
#include "proxy/json_text.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace gatehouse::proxy {

namespace {

// Seconds: an overload of a cache passes quickly, and clients that all wait longer come back together.
constexpr std::string_view kRetryAfter = "5";

struct KindSentence {
    http::ErrorKind kind;
    std::string_view sentence;
};

using enum http::ErrorKind;

// In the order of the enum.
constexpr KindSentence kSentences[] = {
    {BadRequest, "The request is malformed."},
    {HeadTooLarge, "The request line and fields are larger than this proxy accepts."},
    {UriTooLong, "The request target is longer than this proxy accepts."},
    {UnsafePath, "The path has '..' segments that climb above the root, or that not every server reads alike."},
    {UnsupportedVersion, "This proxy speaks HTTP/1.1 and HTTP/1.0."},
    {UnsupportedMethod, "This proxy does not support the request method."},
    {RequestTimeout, "The request did not arrive in time."},
    {ClientClosed, "The client closed the connection."},
    {DnsError, "The name of the origin could not be resolved."},
    {DnsTimeout, "The name of the origin was not resolved in time."},
    {ConnectionRefused, "The origin refused the connection."},
    {ConnectionTimeout, "The origin did not accept a connection in time."},
    {ConnectionTerminated, "The origin closed the connection before the response was complete."},
    {TlsCertificateError, "The certificate of the origin could not be verified."},
    {TlsProtocolError, "The TLS handshake with the origin failed."},
    {ResponseTimeout, "The origin did not respond in time."},
    {ResponseIncomplete, "The response of the origin ended early."},
    {ProtocolError, "The origin sent a malformed response."},
    {ResponseHeadTooLarge, "The status line and fields of the origin's response are larger than this proxy accepts."},
    {OriginUnavailable, "No connection to the origin is available."},
    {Internal, "An error inside this proxy."},
};

constexpr bool sentences_follow_the_enum() {
    std::size_t index = 0;
    for (const KindSentence& row : kSentences) {
        if (static_cast<std::size_t>(row.kind) != index++) {
            return false;
        }
    }
    return index == static_cast<std::size_t>(Internal) + 1;
}
static_assert(sentences_follow_the_enum());

std::string_view sentence_of(http::ErrorKind kind) noexcept {
    return kSentences[static_cast<std::size_t>(kind)].sentence;
}

// How much Accept wants one media type (RFC 9110 section 12.5.1): the most specific range that matches counts.
struct Preference {
    std::string_view type;    // "application"
    std::string_view subtype; // "json"
    std::string_view suffix;  // "+json": subtypes that end so are the same to us; "" for none
    int specificity = 0;      // 0: nothing matched yet
    int quality = 0;

    void consider(std::string_view range_type, std::string_view range_subtype, int range_quality) noexcept {
        int match = 0;
        if (range_type == "*" && range_subtype == "*") {
            match = 1;
        } else if (http::iequals(range_type, type)) {
            const bool ends_so = !suffix.empty() && range_subtype.size() > suffix.size() &&
                                 http::iequals(range_subtype.substr(range_subtype.size() - suffix.size()), suffix);
            match = http::iequals(range_subtype, subtype) || ends_so ? 3 : range_subtype == "*" ? 2 : 0;
        }
        if (match > specificity || (match == specificity && match > 0)) {
            quality = match > specificity ? range_quality : std::max(quality, range_quality);
            specificity = match;
        }
    }
};

// The range's parameters: only q matters here. A malformed q makes the range count for nothing.
int quality_of(std::string_view parameters) noexcept {
    while (!parameters.empty()) {
        const auto semicolon = parameters.find(';');
        const std::string_view parameter = http::trim_ows(parameters.substr(0, semicolon));
        if (parameter.size() > 2 && http::iequals(parameter.substr(0, 2), "q=")) {
            return http::parse_weight(parameter.substr(2)).value_or(0);
        }
        parameters = semicolon == std::string_view::npos ? std::string_view() : parameters.substr(semicolon + 1);
    }
    return 1000;
}

bool prefers_text(const http::Fields* request_fields) {
    if (request_fields == nullptr || !request_fields->contains("Accept")) {
        return false;
    }
    Preference json{"application", "json", "+json"};
    Preference plain{"text", "plain", ""};
    Preference html{"text", "html", ""};
    request_fields->for_each("Accept", [&](std::string_view rest) {
        std::string_view member;
        while (http::next_member(rest, member)) {
            const auto semicolon = member.find(';');
            const std::string_view range = http::trim_ows(member.substr(0, semicolon));
            const auto slash = range.find('/');
            if (slash == std::string_view::npos) {
                continue;
            }
            const int quality =
                quality_of(semicolon == std::string_view::npos ? std::string_view() : member.substr(semicolon + 1));
            for (Preference* preference : {&json, &plain, &html}) {
                preference->consider(range.substr(0, slash), range.substr(slash + 1), quality);
            }
        }
    });
    return std::max(plain.quality, html.quality) > json.quality;
}

std::string digits_of(int status) {
    std::array<char, 12> digits;
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), status);
    return std::string(digits.data(), end);
}

std::string make_body(int status, std::string_view token, std::string_view sentence, bool as_text) {
    std::string body;
    if (as_text) {
        body += digits_of(status);
        body += ' ';
        body += http::reason_phrase(status);
        body += "\n\n";
        body += sentence;
        body += " (";
        body += token;
        body += ")\n";
        return body;
    }
    body += R"({"error":)";
    append_json_string(body, token);
    body += R"(,"status":)";
    body += digits_of(status);
    body += R"(,"message":)";
    append_json_string(body, sentence);
    body += "}\n";
    return body;
}

ErrorResponse make_response(int status, std::string_view token, std::string_view sentence, std::string_view proxy_error,
                            const http::Fields* request_fields) {
    const bool as_text = prefers_text(request_fields);
    ErrorResponse response;
    response.head.status = status;
    response.head.reason = http::reason_phrase(status);
    http::Fields& fields = response.head.fields;
    fields.reserve(256, 4);
    fields.add("Content-Type", as_text ? "text/plain; charset=utf-8" : "application/json");
    fields.add("Cache-Control", "no-store");
    std::string proxy_status = "gatehouse";
    if (!proxy_error.empty()) {
        proxy_status += "; error=";
        proxy_status += proxy_error;
    }
    proxy_status += "; details=";
    proxy_status += http::sf_string(sentence);
    fields.add("Proxy-Status", proxy_status);
    if (status == 503) {
        fields.add("Retry-After", kRetryAfter);
    }
    response.body = make_body(status, token, sentence, as_text);
    return response;
}

} // namespace

ErrorResponse make_error_response(const http::Error& error, const http::Fields* request_fields) {
    return make_response(http::status_of(error.kind), http::to_string(error.kind), sentence_of(error.kind),
                         http::proxy_status_token(error.kind), request_fields);
}

ErrorResponse make_status_response(int status, std::string_view token, std::string_view sentence,
                                   const http::Fields* request_fields) {
    // The token is of our own vocabulary, not one of RFC 9209's error types: it stays out of Proxy-Status.
    return make_response(status, token, sentence, {}, request_fields);
}

} // namespace gatehouse::proxy
