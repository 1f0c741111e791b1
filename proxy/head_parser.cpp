// Line structure first, then Beast's grammar into http::Fields.
#include "proxy/head_parser.h"

#include "http/ascii.h"

#include <boost/beast/http/basic_parser.hpp>

#include <cstring>
#include <optional>
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

struct Sink {
    http::Fields& fields;
    std::uint32_t max_fields;
    bool too_many = false;
    bool bad_field = false;

    void add(string_view name, string_view value, error_code& ec) {
        if (fields.size() >= max_fields) {
            too_many = true;
            ec = beast_http::error::header_limit;
            return;
        }
        const std::string_view text = http::trim_ows({value.data(), value.size()});
        if (!http::is_token({name.data(), name.size()}) || !http::is_field_value(text)) {
            bad_field = true;
            ec = beast_http::error::bad_field;
            return;
        }
        fields.add({name.data(), name.size()}, text);
    }
};

// Beast wants every callback of the interface; those about content never run, because parsing ends with the head.
template <bool isRequest>
class HeadReader : public beast_http::basic_parser<isRequest> {
public:
    HeadReader(http::RequestHead* request, http::ResponseHead* response, Sink& sink, std::uint32_t limit)
        : request_(request), response_(response), sink_(sink) {
        this->header_limit(limit);
        this->body_limit(boost::none);
        this->skip(true);
    }

private:
    static http::Version version_of(int version) {
        return version == 10 ? http::Version::Http10 : http::Version::Http11;
    }
    void on_request_impl(beast_http::verb, string_view method, string_view target, int version,
                         error_code&) override {
        request_->method.assign(method.data(), method.size());
        request_->target.assign(target.data(), target.size());
        request_->version = version_of(version);
    }
    void on_response_impl(int code, string_view reason, int version, error_code&) override {
        response_->status = code;
        response_->reason.assign(reason.data(), reason.size());
        response_->version = version_of(version);
    }
    void on_field_impl(beast_http::field, string_view name, string_view value, error_code& ec) override {
        sink_.add(name, value, ec);
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
    std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override { return body.size(); }
    void on_finish_impl(error_code&) override {}

    http::RequestHead* request_;
    http::ResponseHead* response_;
    Sink& sink_;
};

HeadParse bad(ErrorKind kind, const char* detail) {
    HeadParse result;
    result.state = HeadParse::State::Bad;
    result.error = Error(kind, detail);
    return result;
}

// Feeds a complete head. Returns Beast's verdict.
template <bool isRequest>
error_code read_head(std::string_view head, http::RequestHead* request, http::ResponseHead* response, Sink& sink) {
    HeadReader<isRequest> reader(request, response, sink, static_cast<std::uint32_t>(head.size()) + 1);
    error_code ec;
    reader.put(boost::asio::const_buffer(head.data(), head.size()), ec);
    if (!ec && !reader.is_header_done()) {
        ec = beast_http::error::need_more;
    }
    return ec;
}

// The length of the first line so far, for telling a long target from many fields.
std::size_t first_line_bytes(std::string_view bytes) {
    const std::size_t end = bytes.find('\n');
    return end == std::string_view::npos ? bytes.size() : end;
}

constexpr std::size_t kRequestLineExtra = 64; // method, version and spaces beside the target

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
    Sink sink{out.fields, limits.fields};
    const error_code ec = read_head<true>(bytes.substr(0, head_bytes), &out, nullptr, sink);
    if (sink.too_many) {
        return bad(ErrorKind::HeadTooLarge, "the request has more fields than limits.head_fields");
    }
    if (ec == beast_http::error::bad_version) {
        return bad(ErrorKind::UnsupportedVersion, "the request's HTTP version is neither 1.0 nor 1.1");
    }
    if (ec) {
        return bad(ErrorKind::BadRequest, "the request head is malformed");
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
    Sink sink{out.fields, limits.fields};
    const std::string_view head = bytes.substr(0, head_bytes);
    // "HTTP/1.1 200" CR LF: the reason phrase and the space before it are missing. Beast insists on the space.
    constexpr std::size_t kStatusLine = 12;
    std::string with_space;
    std::string_view fed = head;
    if (head.size() > kStatusLine && head[kStatusLine] == '\r') {
        with_space.reserve(head.size() + 1);
        with_space.append(head.substr(0, kStatusLine)).push_back(' ');
        with_space.append(head.substr(kStatusLine));
        fed = with_space;
    }
    const error_code ec = read_head<false>(fed, nullptr, &out, sink);
    if (sink.too_many) {
        return bad(ErrorKind::ResponseHeadTooLarge, "the response has more fields than limits.response_head_fields");
    }
    if (ec || out.status < 100) {
        return bad(ErrorKind::ProtocolError, "the response head is malformed");
    }
    result.state = HeadParse::State::Complete;
    result.consumed = head_bytes;
    return result;
}

} // namespace gatehouse::proxy
