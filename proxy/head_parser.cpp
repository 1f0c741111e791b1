// Line structure first, then Beast's grammar for the start line, then the fields.
//
// Beast does not get the fields: it judges Content-Length, Transfer-Encoding and Connection on the way, by other rules
// than http/framing.h, and refuses the whole head for what is only that file's to refuse.
#include "proxy/head_parser.h"

#include "http/ascii.h"
#include "http/reassign.h"

#include <boost/beast/http/basic_parser.hpp>

#include <cstring>
#include <string>

namespace gatehouse::proxy {

namespace beast_http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;
using http::Error;
using http::ErrorKind;

namespace {

enum class Lines : std::uint8_t { Complete, Incomplete, Bad };

// Finds the empty line that ends the head and refuses what parsers read differently: a bare LF, a bare CR, and a line
// that continues the one before (obs-fold, RFC 9112 section 5.2: a server answers 400, a gateway 502).
Lines check_lines(std::string_view bytes, std::size_t& head_bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const void* found = std::memchr(bytes.data() + at, '\n', bytes.size() - at);
        const std::size_t lf =
            found == nullptr ? bytes.size() : static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
        const std::string_view line = bytes.substr(at, lf - at);
        if (at > 0 && !line.empty() && (line.front() == ' ' || line.front() == '\t')) {
            return Lines::Bad;
        }
        const void* cr = line.empty() ? nullptr : std::memchr(line.data(), '\r', line.size());
        if (found == nullptr) {
            // The CR that waits for its LF may be the last byte so far; anywhere else it is bare.
            const bool bare = cr != nullptr && static_cast<const char*>(cr) != line.data() + line.size() - 1;
            return bare ? Lines::Bad : Lines::Incomplete;
        }
        if (cr == nullptr || static_cast<const char*>(cr) != line.data() + line.size() - 1) {
            return Lines::Bad;
        }
        at = lf + 1;
        if (line.size() == 1) {
            head_bytes = at;
            return Lines::Complete;
        }
    }
    return Lines::Incomplete;
}

// field-line = field-name ":" OWS field-value OWS (RFC 9112 section 5). No white space before the colon.
bool read_field(std::string_view line, http::Fields& out) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
        return false;
    }
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = http::trim_ows(line.substr(colon + 1));
    if (!http::is_token(name) || !http::is_field_value(value)) {
        return false;
    }
    out.add(name, value);
    return true;
}

enum class FieldsResult : std::uint8_t { Ok, Malformed, TooMany };

// `lines`: what follows the start line, the empty line included; check_lines has passed them.
FieldsResult read_fields(std::string_view lines, std::uint32_t limit, http::Fields& out) {
    for (;;) {
        const std::size_t end = lines.find('\r');
        if (end == 0) {
            return FieldsResult::Ok;
        }
        if (out.size() >= limit) {
            return FieldsResult::TooMany;
        }
        if (!read_field(lines.substr(0, end), out)) {
            return FieldsResult::Malformed;
        }
        lines.remove_prefix(end + 2);
    }
}

// Beast wants every callback of the interface; only those about the start line ever run.
template <bool isRequest>
class StartLineReader : public beast_http::basic_parser<isRequest> {
public:
    StartLineReader(http::RequestHead* request, http::ResponseHead* response, std::size_t limit)
        : request_(request), response_(response) {
        this->header_limit(static_cast<std::uint32_t>(limit));
    }
    bool done() const noexcept { return done_; }

private:
    static http::Version version_of(int version) {
        return version == 10 ? http::Version::Http10 : http::Version::Http11;
    }
    void on_request_impl(beast_http::verb, string_view method, string_view target, int version,
                         error_code&) override {
        request_->method.assign(method.data(), method.size());
        request_->target.assign(target.data(), target.size());
        request_->version = version_of(version);
        done_ = true;
    }
    void on_response_impl(int code, string_view reason, int version, error_code&) override {
        response_->status = code;
        response_->reason.assign(reason.data(), reason.size());
        response_->version = version_of(version);
        done_ = true;
    }
    void on_field_impl(beast_http::field, string_view, string_view, error_code&) override {}
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
    std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override { return body.size(); }
    void on_finish_impl(error_code&) override {}

    http::RequestHead* request_;
    http::ResponseHead* response_;
    bool done_ = false;
};

HeadParse bad(ErrorKind kind, const char* detail) {
    HeadParse result;
    result.state = HeadParse::State::Bad;
    result.error = Error(kind, detail);
    return result;
}

// `line` ends with its CR LF. Success is no error.
template <bool isRequest>
error_code read_start_line(std::string_view line, http::RequestHead* request, http::ResponseHead* response) {
    StartLineReader<isRequest> reader(request, response, line.size() + 1);
    error_code ec;
    const std::size_t used = reader.put(boost::asio::const_buffer(line.data(), line.size()), ec);
    if (reader.done() && used == line.size() && (!ec || ec == beast_http::error::need_more)) {
        return {}; // what is needed more is the fields
    }
    return ec ? ec : error_code(beast_http::error::need_more);
}

// Whether the request line is well formed but for its version: "... HTTP/2.0" CR LF.
bool names_other_version(std::string_view line) {
    constexpr std::size_t kSuffix = 11; // " HTTP/2.0" CR LF
    if (line.size() <= kSuffix) {
        return false;
    }
    const std::size_t at = line.size() - kSuffix;
    const std::string_view version = line.substr(at);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    return version.starts_with(" HTTP/") && is_digit(version[6]) && version[7] == '.' && is_digit(version[8]) &&
           line.find(' ', line.find(' ') + 1) == at;
}

// The length of the first line so far, for telling a long target from many fields.
std::size_t first_line_bytes(std::string_view bytes) {
    const std::size_t end = bytes.find('\n');
    return end == std::string_view::npos ? bytes.size() : end;
}

constexpr std::size_t kRequestLineExtra = 64; // method, version and spaces beside the target

// method SP request-target SP HTTP-version CR LF (RFC 9112 section 3). Returns its bytes; 0 for anything else.
std::size_t read_usual_request_line(std::string_view bytes, http::RequestHead& out) {
    constexpr std::string_view kVersion = " HTTP/1.";
    constexpr std::size_t kBehindTarget = kVersion.size() + 3; // the minor version and CR LF
    const std::size_t method = http::token_prefix(bytes);
    if (method == 0 || method == bytes.size() || bytes[method] != ' ') {
        return 0;
    }
    const std::size_t target = http::visible_prefix(bytes.substr(method + 1));
    const std::size_t target_end = method + 1 + target;
    if (target == 0 || bytes.size() - target_end < kBehindTarget) {
        return 0;
    }
    const std::string_view behind = bytes.substr(target_end, kBehindTarget);
    const char minor = behind[kVersion.size()];
    if (!behind.starts_with(kVersion) || !behind.ends_with("\r\n") || (minor != '0' && minor != '1')) {
        return 0;
    }
    http::reassign(out.method, bytes.substr(0, method));
    http::reassign(out.target, bytes.substr(method + 1, target));
    out.version = minor == '0' ? http::Version::Http10 : http::Version::Http11;
    return target_end + kBehindTarget;
}

// HTTP-version SP status-code SP [reason-phrase] CR LF (RFC 9112 section 4). Returns its bytes; 0 for anything else.
std::size_t read_usual_status_line(std::string_view bytes, http::ResponseHead& out) {
    constexpr std::string_view kVersion = "HTTP/1.";
    constexpr std::size_t kStatusAt = 9;
    constexpr std::size_t kReasonAt = kStatusAt + 4;
    const std::size_t size = http::field_value_prefix(bytes);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (size < kReasonAt || !bytes.starts_with(kVersion) || (bytes[7] != '0' && bytes[7] != '1') || bytes[8] != ' ' ||
        bytes[kStatusAt] < '1' || !is_digit(bytes[kStatusAt]) || !is_digit(bytes[kStatusAt + 1]) ||
        !is_digit(bytes[kStatusAt + 2]) || bytes[kReasonAt - 1] != ' ' || bytes.substr(size, 2) != "\r\n") {
        return 0;
    }
    out.version = bytes[7] == '0' ? http::Version::Http10 : http::Version::Http11;
    out.status = (bytes[kStatusAt] - '0') * 100 + (bytes[kStatusAt + 1] - '0') * 10 + (bytes[kStatusAt + 2] - '0');
    http::reassign(out.reason, bytes.substr(kReasonAt, size - kReasonAt));
    return size + 2;
}

// As read_usual_head() of a request, for what nearly every origin writes.
std::size_t read_usual_head(std::string_view bytes, const HeadLimits& limits, http::ResponseHead& out) {
    const std::size_t line = read_usual_status_line(bytes, out);
    const std::size_t lines = line == 0 ? 0 : out.fields.assign_lines(bytes.substr(line), limits.fields);
    return lines == 0 || line + lines > limits.bytes ? 0 : line + lines;
}

// OPTIMIZATION: a whole head as nearly every client writes it, in one pass and without Beast, takes a third of the
// instructions (docs/PERFORMANCE.md). Returns its bytes; 0: it is incomplete, malformed, over a limit or written
// otherwise, and the careful way says which.
std::size_t read_usual_head(std::string_view bytes, const HeadLimits& limits, http::RequestHead& out) {
    const std::size_t line = read_usual_request_line(bytes, out);
    if (line == 0 || out.target.size() > limits.target_bytes ||
        line > std::size_t{limits.target_bytes} + kRequestLineExtra) {
        return 0;
    }
    const std::size_t lines = out.fields.assign_lines(bytes.substr(line), limits.fields);
    return lines == 0 || line + lines > limits.bytes ? 0 : line + lines;
}

} // namespace

HeadParse parse_request_head(std::string_view bytes, const HeadLimits& limits, http::RequestHead& out) {
    HeadParse result;
    std::size_t skipped = 0;
    // RFC 9112 section 2.2: at least one empty line before the request line is ignored. One, not any number.
    if (bytes.starts_with("\r\n")) {
        skipped = 2;
        bytes.remove_prefix(2);
    } else if (bytes == "\r") {
        return result;
    }
    if (const std::size_t usual = read_usual_head(bytes, limits, out); usual > 0) {
        result.state = HeadParse::State::Complete;
        result.consumed = skipped + usual;
        return result;
    }
    std::size_t head_bytes = 0;
    const Lines lines = check_lines(bytes.substr(0, std::size_t{limits.bytes} + 1), head_bytes);
    if (lines == Lines::Bad) {
        return bad(ErrorKind::BadRequest, "a line of the head is malformed (bare CR or LF, or a folded line)");
    }
    if (first_line_bytes(bytes) > std::size_t{limits.target_bytes} + kRequestLineExtra) {
        return bad(ErrorKind::UriTooLong, "the request target exceeds limits.target_size");
    }
    if (lines == Lines::Incomplete || head_bytes > limits.bytes) {
        if (bytes.size() > limits.bytes || head_bytes > limits.bytes) {
            return bad(ErrorKind::HeadTooLarge, "the request head exceeds limits.head_size");
        }
        return result;
    }
    out.clear();
    const std::string_view line = bytes.substr(0, first_line_bytes(bytes) + 1);
    const error_code ec = read_start_line<true>(line, &out, nullptr);
    if (ec == beast_http::error::bad_version && names_other_version(line)) {
        return bad(ErrorKind::UnsupportedVersion, "the request's HTTP version is neither 1.0 nor 1.1");
    }
    if (ec) {
        return bad(ErrorKind::BadRequest, "the request line is malformed");
    }
    switch (read_fields(bytes.substr(line.size(), head_bytes - line.size()), limits.fields, out.fields)) {
    case FieldsResult::Malformed:
        return bad(ErrorKind::BadRequest, "a field of the request is malformed");
    case FieldsResult::TooMany:
        return bad(ErrorKind::HeadTooLarge, "the request has more fields than limits.head_fields");
    case FieldsResult::Ok:
        break;
    }
    if (out.target.size() > limits.target_bytes) {
        return bad(ErrorKind::UriTooLong, "the request target exceeds limits.target_size");
    }
    result.state = HeadParse::State::Complete;
    result.consumed = skipped + head_bytes;
    return result;
}

HeadParse parse_response_head(std::string_view bytes, const HeadLimits& limits, http::ResponseHead& out) {
    HeadParse result;
    if (const std::size_t usual = read_usual_head(bytes, limits, out); usual > 0) {
        result.state = HeadParse::State::Complete;
        result.consumed = usual;
        return result;
    }
    std::size_t head_bytes = 0;
    const Lines lines = check_lines(bytes.substr(0, std::size_t{limits.bytes} + 1), head_bytes);
    if (lines == Lines::Bad) {
        return bad(ErrorKind::ProtocolError, "a line of the response head is malformed");
    }
    if (lines == Lines::Incomplete || head_bytes > limits.bytes) {
        if (bytes.size() > limits.bytes || head_bytes > limits.bytes) {
            return bad(ErrorKind::ResponseHeadTooLarge, "the response head exceeds limits.response_head_size");
        }
        return result;
    }
    out = http::ResponseHead();
    const std::string_view line = bytes.substr(0, first_line_bytes(bytes) + 1);
    // "HTTP/1.1 200" CR LF: the reason phrase and the space before it are missing. Beast insists on the space.
    constexpr std::size_t kWithoutReason = 14;
    std::string with_space;
    std::string_view fed = line;
    if (line.size() == kWithoutReason) {
        with_space.append(line.substr(0, kWithoutReason - 2)).append(" \r\n");
        fed = with_space;
    }
    const error_code ec = read_start_line<false>(fed, nullptr, &out);
    if (ec || out.status < 100) {
        return bad(ErrorKind::ProtocolError, "the status line is malformed");
    }
    switch (read_fields(bytes.substr(line.size(), head_bytes - line.size()), limits.fields, out.fields)) {
    case FieldsResult::Malformed:
        return bad(ErrorKind::ProtocolError, "a field of the response is malformed");
    case FieldsResult::TooMany:
        return bad(ErrorKind::ResponseHeadTooLarge, "the response has more fields than limits.response_head_fields");
    case FieldsResult::Ok:
        break;
    }
    result.state = HeadParse::State::Complete;
    result.consumed = head_bytes;
    return result;
}

} // namespace gatehouse::proxy
