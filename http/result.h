// Errors as values. The data plane throws nothing: a function that can fail returns Result<T>.
//
// An Error says what failed (kind), whose fault it is (source: picks the status family) and whether sending the
// request again can help (retry). It lives in the lowest layer so that every layer may return it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace gatehouse::http {

// Stable names: they are log fields, metric labels and the `error` token of Proxy-Status (RFC 9209 section 2.3)
// where that RFC has a fitting type.
enum class ErrorKind : std::uint8_t {
    // The client's fault: answered with a status in the 400s (or 501), connection closed.
    BadRequest,         // malformed request line, field or framing
    HeadTooLarge,       // request line and fields exceed limits.head_bytes or limits.head_fields
    UriTooLong,         // the request target alone exceeds the limit
    UnsafePath,         // ".." segments that leave the root, or that servers read differently
    UnsupportedVersion, // an HTTP version other than 1.0 and 1.1
    UnsupportedMethod,  // CONNECT, TRACE
    RequestTimeout,     // head or body did not arrive in time
    ClientClosed,       // the client went away; nothing can be answered
    // The origin's fault: 502 or 504.
    DnsError,
    DnsTimeout,
    ConnectionRefused,
    ConnectionTimeout,
    ConnectionTerminated, // closed or reset before the response was complete
    TlsCertificateError,
    TlsProtocolError,
    ResponseTimeout,      // first byte or a byte in between did not arrive in time
    ResponseIncomplete,   // content ended early
    ProtocolError,        // malformed response head or framing
    ResponseHeadTooLarge,
    OriginUnavailable,    // no address to try, or a connection limit was reached
    // Ours.
    Internal,
};

enum class ErrorSource : std::uint8_t { Downstream, Upstream, Internal };

enum class Retry : std::uint8_t { Never, OnFreshConnection, Always };

struct Error {
    ErrorKind kind = ErrorKind::Internal;
    Retry retry = Retry::Never;
    std::string detail; // one short sentence for the log; never echoed bytes of credentials

    Error() = default;
    Error(ErrorKind k, std::string d, Retry r = Retry::Never) : kind(k), retry(r), detail(std::move(d)) {}
};

// "bad_request", "dns_error", ...: stable text for logs and metrics.
std::string_view to_string(ErrorKind kind) noexcept;
ErrorSource source_of(ErrorKind kind) noexcept;
// The status a client gets for this error: 400, 408, 414, 431, 501, 505, 502, 504 or 500.
int status_of(ErrorKind kind) noexcept;
// The `error` parameter of Proxy-Status (RFC 9209 section 2.3), e.g. "dns_timeout"; "proxy_internal_error" for ours.
std::string_view proxy_status_token(ErrorKind kind) noexcept;

// Either a T or an Error. Small on purpose: C++20 with libstdc++ 12 has no std::expected.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }
    // Requires: ok().
    T& value() & noexcept { return *std::get_if<0>(&state_); }
    const T& value() const& noexcept { return *std::get_if<0>(&state_); }
    T&& value() && noexcept { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() noexcept { return std::get_if<0>(&state_); }
    const T* operator->() const noexcept { return std::get_if<0>(&state_); }
    T& operator*() & noexcept { return *std::get_if<0>(&state_); }
    const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
    // Requires: !ok().
    const Error& error() const noexcept { return *std::get_if<1>(&state_); }
    Error take_error() noexcept { return std::move(*std::get_if<1>(&state_)); }

private:
    std::variant<T, Error> state_;
};

struct Unit {};
using Status = Result<Unit>;
inline Status success() { return Status(Unit()); }

} // namespace gatehouse::http
