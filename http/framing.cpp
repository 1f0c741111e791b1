#include "http/framing.h"

#include "http/ascii.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>

namespace gatehouse::http {

namespace {

constexpr std::uint64_t kLengthMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint8_t kChunkSizeDigitsMax = 16;

// What the two framing fields say: a kind of None means neither is there. `fault` names what is wrong, if anything.
struct FramingFields {
    Framing framing;
    const char* fault = nullptr;
};

FramingFields faulty(const char* fault) noexcept { return {{}, fault}; }

FramingFields read_content_length(const Fields& fields) noexcept {
    std::optional<std::string_view> only;
    bool differs = false;
    fields.for_each("Content-Length", [&](std::string_view value) {
        differs = differs || (only && *only != value);
        only = value;
    });
    if (!only) {
        return {};
    }
    // Lines with different values cannot be framed; identical ones may be taken as one. RFC 9112 section 6.3
    if (differs) {
        return faulty("Content-Length lines differ");
    }
    // One or more digits and nothing else. RFC 9110 section 8.6
    const auto length = parse_digits(*only);
    if (!length) {
        return faulty("Content-Length is not a number");
    }
    // A recipient guards against numbers it cannot hold. RFC 9110 section 8.6
    if (*length > kLengthMax) {
        return faulty("Content-Length is too large");
    }
    return {{Framing::Kind::Length, *length}, nullptr};
}

FramingFields read_framing_fields(const Fields& fields, Version version) noexcept {
    const auto coding = fields.first("Transfer-Encoding");
    if (!coding) {
        return read_content_length(fields);
    }
    // Transfer-Encoding in HTTP/1.0 is faulty framing. RFC 9112 section 6.1
    if (version == Version::Http10) {
        return faulty("Transfer-Encoding in HTTP/1.0");
    }
    // A message with both fields may be an attempt at smuggling. RFC 9112 section 6.3
    if (fields.contains("Content-Length")) {
        return faulty("Transfer-Encoding beside Content-Length");
    }
    // Chunked is the last coding and comes once. RFC 9112 section 6.1
    // DEVIATION: other codings before it are refused instead of decoded; no client or origin of ours needs them, and
    // that is answered with 400 where 501 is suggested, because a misspelt `chunked` looks the same.
    if (fields.count("Transfer-Encoding") != 1 || !iequals(trim_ows(*coding), "chunked")) {
        return faulty("Transfer-Encoding is not exactly `chunked`");
    }
    return {{Framing::Kind::Chunked, 0}, nullptr};
}

// A coding of which nothing is known: neither `chunked`, misspelt or not, nor one of those that are registered and
// would have to be decoded.
bool is_unknown_coding(std::string_view coding) noexcept {
    static constexpr std::array<std::string_view, 6> kKnown = {"identity", "gzip",       "x-gzip",
                                                               "compress", "x-compress", "deflate"};
    constexpr std::string_view kChunked = "chunked";
    const auto contains_chunked = [&] {
        const auto same = [](char a, char b) { return to_lower(a) == b; };
        return std::search(coding.begin(), coding.end(), kChunked.begin(), kChunked.end(), same) != coding.end();
    };
    return is_token(coding) && !contains_chunked() &&
           std::none_of(kKnown.begin(), kKnown.end(), [&](std::string_view known) { return iequals(known, coding); });
}

// Whether a response is framed by a transfer coding that nobody knows, alone.
bool has_unknown_coding_only(const ResponseHead& response) noexcept {
    const auto coding = response.fields.first("Transfer-Encoding");
    return coding && response.version != Version::Http10 && response.fields.count("Transfer-Encoding") == 1 &&
           !response.fields.contains("Content-Length") && is_unknown_coding(*coding);
}

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char low = to_lower(c);
    return (low >= 'a' && low <= 'f') ? low - 'a' + 10 : -1;
}

} // namespace

// Neither field in a request means no content. RFC 9112 section 6.3
Result<Framing> request_framing(const RequestHead& request) {
    const FramingFields read = read_framing_fields(request.fields, request.version);
    if (read.fault != nullptr) {
        return Error(ErrorKind::BadRequest, read.fault);
    }
    return read.framing;
}

Result<Framing> response_framing(const ResponseHead& response, Method request_method) {
    // The answer to HEAD, 1xx, 204 and 304 end with the head whatever the fields say. RFC 9112 section 6.3
    if (request_method == Method::Head || status_has_no_content(response.status)) {
        return Framing{};
    }
    // Where the last coding of a response is not chunked, the content is all that comes until the close.
    // RFC 9112 section 6.3
    // DEVIATION: only where nothing is known of the coding; one that we know and do not decode is refused, see above.
    if (has_unknown_coding_only(response)) {
        return Framing{Framing::Kind::UntilClose, 0};
    }
    const FramingFields read = read_framing_fields(response.fields, response.version);
    if (read.fault != nullptr) {
        return Error(ErrorKind::ProtocolError, read.fault);
    }
    // Neither field in a response: the content is all that comes until the close. RFC 9112 section 6.3
    return read.framing.kind == Framing::Kind::None ? Framing{Framing::Kind::UntilClose, 0} : read.framing;
}

Result<ChunkedDecoder::Step> ChunkedDecoder::decode(std::span<char> bytes) {
    Step step;
    const char* fault = state_ == State::Failed ? "chunked content failed before" : nullptr;
    while (fault == nullptr && step.consumed < bytes.size() && state_ != State::Done) {
        if (state_ == State::Data) {
            const std::size_t left = bytes.size() - step.consumed;
            const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, left));
            if (step.content != step.consumed) {
                std::memmove(bytes.data() + step.content, bytes.data() + step.consumed, size);
            }
            step.content += size;
            step.consumed += size;
            remaining_ -= size;
            state_ = remaining_ == 0 ? State::DataCr : State::Data;
        } else if (state_ == State::Trailer) {
            std::size_t used = 0;
            fault = take_trailer(bytes.subspan(step.consumed), used);
            step.consumed += used;
        } else {
            fault = take_frame(bytes[step.consumed++]);
        }
    }
    if (fault != nullptr) {
        state_ = State::Failed;
        return Error(ErrorKind::BadRequest, fault);
    }
    step.done = state_ == State::Done;
    return step;
}

// Lines end with CR LF and nothing else: what one recipient takes for a line end and another does not hides a
// request. RFC 9112 section 7.1
const char* ChunkedDecoder::take_frame(char c) {
    switch (state_) {
    case State::Size:
        return take_size(c);
    case State::SizeSpace:
    case State::Extension:
        return take_extension(c);
    case State::SizeLf:
        end_size_line();
        return c == '\n' ? nullptr : "CR without LF after a chunk size";
    case State::DataCr:
        state_ = State::DataLf;
        return c == '\r' ? nullptr : "chunk is longer than its size";
    case State::DataLf:
        state_ = State::Size;
        digits_ = 0;
        extension_seen_ = 0;
        remaining_ = 0;
        return c == '\n' ? nullptr : "CR without LF after a chunk";
    case State::TrailerStart: {
        if (c == '\r') {
            state_ = State::EndLf;
            return nullptr;
        }
        state_ = State::Trailer;
        std::size_t used = 0;
        return take_trailer(std::span(&c, 1), used);
    }
    case State::TrailerLf:
        return c == '\n' ? end_trailer_line() : "CR without LF in the trailer section";
    case State::EndLf:
        state_ = State::Done;
        return c == '\n' ? nullptr : "CR without LF at the end of chunked content";
    case State::Data:
    case State::Trailer:
    case State::Done:
    case State::Failed:
        break;
    }
    return "chunked content read in a wrong state";
}

// A chunk size is hexadecimal digits; a recipient guards against overflow. RFC 9112 section 7.1
const char* ChunkedDecoder::take_size(char c) noexcept {
    const int digit = hex_digit(c);
    if (digit >= 0) {
        if (digits_ == kChunkSizeDigitsMax) {
            return "chunk size has too many digits";
        }
        ++digits_;
        remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(digit);
        return remaining_ > kLengthMax ? "chunk size is too large" : nullptr;
    }
    if (digits_ == 0) {
        return "chunk size is missing";
    }
    switch (c) {
    case '\r':
        state_ = State::SizeLf;
        return nullptr;
    case ';':
        state_ = State::Extension;
        return ++extension_seen_ > limits_.extension_bytes ? "chunk extension is too long" : nullptr;
    case ' ':
    case '\t':
        state_ = State::SizeSpace;
        return ++extension_seen_ > limits_.extension_bytes ? "chunk extension is too long" : nullptr;
    default:
        return "chunk size has a character that is no digit";
    }
}

// Extensions are not understood, so they are ignored; their length is limited. RFC 9112 section 7.1.1
// White space may stand before the semicolon, and only there.
const char* ChunkedDecoder::take_extension(char c) noexcept {
    if (state_ == State::SizeSpace) {
        if (c == ';') {
            state_ = State::Extension;
        } else if (c != ' ' && c != '\t') {
            return "white space after a chunk size";
        }
    } else if (c == '\r') {
        state_ = State::SizeLf;
        return nullptr;
    } else if (!is_field_value(std::string_view(&c, 1))) {
        return "chunk extension has a control character";
    }
    return ++extension_seen_ > limits_.extension_bytes ? "chunk extension is too long" : nullptr;
}

// A chunk of size 0 is the last one; the trailer section follows. RFC 9112 section 7.1
void ChunkedDecoder::end_size_line() noexcept { state_ = remaining_ == 0 ? State::TrailerStart : State::Data; }

const char* ChunkedDecoder::take_trailer(std::span<const char> bytes, std::size_t& used) {
    const void* found = std::memchr(bytes.data(), '\r', bytes.size());
    const bool ends = found != nullptr;
    const std::size_t size = ends ? static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data())
                                  : bytes.size();
    used = ends ? size + 1 : size;
    constexpr std::size_t kLineEnd = 2;
    if (size + (ends ? kLineEnd : 0) > limits_.trailer_bytes - trailer_seen_) {
        return "trailer section is too long";
    }
    trailer_seen_ += size + (ends ? kLineEnd : 0);
    trailer_line_.append(bytes.data(), size);
    if (!is_field_value(std::string_view(bytes.data(), size))) {
        return "trailer field has a control character";
    }
    if (ends) {
        state_ = State::TrailerLf;
    }
    return nullptr;
}

// A trailer line is a field line: a name, a colon without white space before it, a value. A line that begins with
// white space would continue the one before it, which is obsolete and refused. RFC 9112 section 5.2
const char* ChunkedDecoder::end_trailer_line() {
    state_ = State::TrailerStart;
    const std::string_view line = trailer_line_;
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    if (colon == std::string_view::npos || !is_token(name) || name.size() > std::numeric_limits<std::uint16_t>::max()) {
        return "trailer line is no field line";
    }
    if (++trailer_lines_ > limits_.trailer_fields) {
        return "trailer section has too many fields";
    }
    if (!is_forbidden_trailer(name)) {
        trailers_.add(name, trim_ows(line.substr(colon + 1)));
    }
    trailer_line_.clear();
    return nullptr;
}

// Fields for framing, routing, request modifiers, authentication, response control and content format mean something
// before the content is read, so they are no trailers. RFC 9110 section 6.5.1
bool is_forbidden_trailer(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 50> kForbidden = {
        // framing and the connection
        "Transfer-Encoding", "Content-Length", "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer",
        "Upgrade", "HTTP2-Settings", "Expect",
        // routing and what an intermediary says about the client
        "Host", "Max-Forwards", "Forwarded", "Via", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL",
        "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override",
        // request modifiers
        "Range", "Pragma", "Accept", "Accept-Encoding", "Accept-Language",
        // authentication and state
        "Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Proxy-Authorization", "Authentication-Info",
        "Proxy-Authentication-Info", "Cookie", "Set-Cookie", "Set-Cookie2",
        // response control and caching
        "Age", "Cache-Control", "CDN-Cache-Control", "Surrogate-Control", "Expires", "Date", "Location", "Retry-After",
        "Vary", "Warning", "Last-Modified",
        // how the content is to be processed
        "Content-Encoding", "Content-Type", "Content-Range", "Content-Location", "Content-Language"};
    constexpr std::string_view kForwardedPrefix = "X-Forwarded-";
    constexpr std::string_view kConditionPrefix = "If-";
    return std::any_of(kForbidden.begin(), kForbidden.end(),
                       [&](std::string_view forbidden) { return iequals(forbidden, name); }) ||
           iequals(name.substr(0, kForwardedPrefix.size()), kForwardedPrefix) ||
           iequals(name.substr(0, kConditionPrefix.size()), kConditionPrefix);
}

} // namespace gatehouse::http
