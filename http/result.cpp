#include "http/result.h"

namespace gatehouse::http {

namespace {

// One row for each kind, in the order of the enum: adding a kind without a row does not compile (see below).
struct KindFacts {
    ErrorKind kind;
    std::string_view name;
    ErrorSource source;
    int status;
    std::string_view proxy_status;
};

using enum ErrorSource;

// RFC 9209 section 2.3 names the errors of an intermediary; the client's own faults are all http_request_error.
// ClientClosed has a status only because every record has one: nobody receives it.
constexpr KindFacts kKinds[] = {
    {ErrorKind::BadRequest, "bad_request", Downstream, 400, "http_request_error"},
    {ErrorKind::HeadTooLarge, "head_too_large", Downstream, 431, "http_request_error"},
    {ErrorKind::UriTooLong, "uri_too_long", Downstream, 414, "http_request_error"},
    {ErrorKind::UnsafePath, "unsafe_path", Downstream, 400, "http_request_error"},
    {ErrorKind::UnsupportedVersion, "unsupported_version", Downstream, 505, "http_request_error"},
    {ErrorKind::UnsupportedMethod, "unsupported_method", Downstream, 501, "http_request_error"},
    {ErrorKind::RequestTimeout, "request_timeout", Downstream, 408, "http_request_error"},
    {ErrorKind::ClientClosed, "client_closed", Downstream, 400, "http_request_error"},
    {ErrorKind::DnsError, "dns_error", Upstream, 502, "dns_error"},
    {ErrorKind::DnsTimeout, "dns_timeout", Upstream, 504, "dns_timeout"},
    {ErrorKind::ConnectionRefused, "connection_refused", Upstream, 502, "connection_refused"},
    {ErrorKind::ConnectionTimeout, "connection_timeout", Upstream, 504, "connection_timeout"},
    {ErrorKind::ConnectionTerminated, "connection_terminated", Upstream, 502, "connection_terminated"},
    {ErrorKind::TlsCertificateError, "tls_certificate_error", Upstream, 502, "tls_certificate_error"},
    {ErrorKind::TlsProtocolError, "tls_protocol_error", Upstream, 502, "tls_protocol_error"},
    {ErrorKind::ResponseTimeout, "response_timeout", Upstream, 504, "http_response_timeout"},
    {ErrorKind::ResponseIncomplete, "response_incomplete", Upstream, 502, "http_response_incomplete"},
    {ErrorKind::ProtocolError, "protocol_error", Upstream, 502, "http_protocol_error"},
    {ErrorKind::ResponseHeadTooLarge, "response_head_too_large", Upstream, 502, "http_response_header_section_size"},
    {ErrorKind::OriginUnavailable, "origin_unavailable", Upstream, 502, "destination_unavailable"},
    {ErrorKind::Internal, "internal", Internal, 500, "proxy_internal_error"},
};

constexpr bool rows_follow_the_enum() {
    std::size_t index = 0;
    for (const KindFacts& row : kKinds) {
        if (static_cast<std::size_t>(row.kind) != index++) {
            return false;
        }
    }
    return index == static_cast<std::size_t>(ErrorKind::Internal) + 1;
}
static_assert(rows_follow_the_enum());

constexpr const KindFacts& facts(ErrorKind kind) noexcept { return kKinds[static_cast<std::size_t>(kind)]; }

} // namespace

std::string_view to_string(ErrorKind kind) noexcept { return facts(kind).name; }

ErrorSource source_of(ErrorKind kind) noexcept { return facts(kind).source; }

int status_of(ErrorKind kind) noexcept { return facts(kind).status; }

std::string_view proxy_status_token(ErrorKind kind) noexcept { return facts(kind).proxy_status; }

} // namespace gatehouse::http
