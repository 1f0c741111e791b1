// Message body framing (RFC 9112 section 6), decided in one place for both directions.
//
// Strict on purpose: what two parsers can read differently is how requests are smuggled. Whatever is forwarded is
// framed anew, so the other side never sees the bytes this was decided from.
#pragma once

#include "http/message.h"
#include "http/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace gatehouse::http {

struct Framing {
    enum class Kind : std::uint8_t { None, Length, Chunked, UntilClose };
    Kind kind = Kind::None;
    std::uint64_t length = 0; // for Length

    bool operator==(const Framing&) const = default;
};

// BadRequest for: any Transfer-Encoding other than one line that is exactly `chunked` (without case),
// Transfer-Encoding beside Content-Length, Transfer-Encoding in HTTP/1.0, a Content-Length that is a list ("5, 5"),
// signed, empty, otherwise no digits, or over 2^63-1, and Content-Length lines that differ from one another ("5" and
// "05" differ).
// Identical repeated Content-Length lines count as one (RFC 9112 section 6.3 permits it).
// Neither field: no content. Content-Length: 0 is Length 0, not None.
Result<Framing> request_framing(const RequestHead& request);
// ProtocolError for the same faults. `request_method` because the answer to HEAD has no content; 1xx, 204 and 304
// never have: these are None whatever their fields say, because nothing is read that could be read in two ways.
// Neither field, or a single transfer coding of which nothing is known: the content ends with the connection.
Result<Framing> response_framing(const ResponseHead& response, Method request_method);

// Decodes `chunked` (RFC 9112 section 7.1) in place and strictly: 1 to 16 hex digits and at most 2^63-1, chunk
// extensions bounded and dropped, CR LF only, trailer section bounded. Total function over any split of the input;
// after an error every further call gives an error.
class ChunkedDecoder {
public:
    struct Limits {
        std::size_t extension_bytes = 256;  // per chunk
        std::size_t trailer_bytes = 8192;   // whole trailer section
        std::size_t trailer_fields = 64;
    };
    ChunkedDecoder() = default;
    explicit ChunkedDecoder(const Limits& limits) : limits_(limits) {}

    struct Step {
        std::size_t content = 0;  // bytes of content now at the front of the buffer
        std::size_t consumed = 0; // input bytes used; less than the input only when done (the rest follows the message)
        bool done = false;        // the last chunk and the trailer section have been read
    };
    // Decodes `bytes`, moving content to the front of the same memory. Error kind is BadRequest; a caller that reads
    // a response turns it into ProtocolError.
    Result<Step> decode(std::span<char> bytes);

    bool done() const noexcept { return state_ == State::Done; }
    // The trailer fields, valid once done. Never merged into the head's fields (RFC 9110 section 6.5.1).
    const Fields& trailers() const noexcept { return trailers_; }

private:
    enum class State : std::uint8_t {
        Size, SizeSpace, Extension, SizeLf, Data, DataCr, DataLf,
        TrailerStart, Trailer, TrailerLf, EndLf, Done, Failed
    };
    // Each takes one byte (or, for a trailer line, as many as there are) and gives nullptr or what is wrong.
    const char* take_size(char c) noexcept;
    const char* take_extension(char c) noexcept;
    const char* take_trailer(std::span<const char> bytes, std::size_t& used);
    const char* take_frame(char c);
    const char* end_trailer_line();
    void end_size_line() noexcept;

    Limits limits_;
    State state_ = State::Size;
    std::uint64_t remaining_ = 0;
    std::uint8_t digits_ = 0;
    std::size_t extension_seen_ = 0;
    std::size_t trailer_seen_ = 0;
    std::size_t trailer_lines_ = 0; // the dropped ones included
    std::string trailer_line_;
    Fields trailers_;
};

// Fields that must not appear in a trailer section (framing, routing, authentication, cache control...:
// RFC 9110 section 6.5.1). They are dropped before trailers are forwarded.
bool is_forbidden_trailer(std::string_view name) noexcept;

} // namespace gatehouse::http
