// Partial content: what a 206 holds, which requests it answers, and how parts of one representation become one
// (RFC 9111 sections 3.3 and 3.4, RFC 9110 section 15.3.7).
//
// A part is stored as what it is, a 206 with its Content-Range among the field lines, in an entry of its own. It
// answers nothing but a Range that lies wholly within it, or behind the end of the representation. Two parts that share
// a strong validator and touch each other become one when the second arrives; parts that make up all of the
// representation become an ordinary 200, and so does one that is all of it. Where the beginning or the end of a
// representation is stored, or both, it is completed when somebody asks for the whole: what is missing is asked for
// with Range and If-Range, and put between what is stored. Everything else is asked of the origin as if no part were
// stored. multipart/byteranges and parts of unknown length are passed on and not stored.
#pragma once

#include "cache/policy/response_assembly.h"
#include "cache/policy/stored_head.h"
#include "http/range.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::policy {

// Which bytes of a representation a response says it holds.
struct ContentPart {
    http::ByteSpan span;
    std::uint64_t complete_length = 0;
};

// What Content-Range says of a 206. nullopt where it is missing, malformed, of another unit, or without the complete
// length; then the response is passed on and not stored.
std::optional<ContentPart> content_part(const http::ResponseHead& response);
// The same of a stored response; nullopt for everything that is no part.
std::optional<ContentPart> part_of(const StoredHead& stored);

// The bytes that a stored part gives to the Range of this request: `assembly.spans` has them, or the kind is
// NotModified when a condition of the request says so, or Unsatisfiable when the whole representation ends before.
// nullopt where the part may not answer: one of the ranges is not wholly within it, or an If-Range fails.
// `stored_bytes` may be less than the part says it holds (see the deviation in partial.cpp); several ranges are
// answered only where it is not.
std::optional<Assembly> assemble_part(const http::RequestHead& request, const StoredHead& stored,
                                      std::uint64_t stored_bytes, WallTime now, std::uint64_t boundary_seed);

// What this client gets of a stored response, whole or a part: assemble_part for a part, else assemble.
Assembly assemble_stored(const http::RequestHead& request, const StoredHead& stored, std::uint64_t stored_bytes,
                         WallTime now, std::uint64_t boundary_seed, bool immutable);

// What a stored part is to a fetch that completes the representation.
enum class PartPlace : std::uint8_t {
    Beginning,
    End,
    None // neither, or both; or it is not whole itself, or has no strong validator. With `immutable` it needs none: the
         // operator vouches that the content does not change
};
PartPlace place_of(const StoredHead& stored, std::uint64_t stored_bytes, bool immutable);

// What is missing between a stored beginning and a stored end of one representation; null: not stored, but one of them
// is. Precondition: place_of says what they are, and they do not touch.
ContentPart missing_between(const StoredHead* beginning, const StoredHead* end);
// How that is asked for: "bytes=5-" or "bytes=5-7", and what If-Range is to say (empty: nothing).
struct Completion {
    std::string range;
    std::string_view if_range; // a view into a stored head
};
Completion completion_of(const StoredHead* beginning, const StoredHead* end);

// What a client still gets of a stored response whose content cannot be read any more, and how the origin is asked for
// it.
struct Rest {
    ContentPart part; // of the representation
    Completion completion;
};
// Bytes [first, first + bytes) of what is stored. nullopt where the origin could not say that they are of the same
// representation: there is no strong validator, or the tag is one of our own.
std::optional<Rest> rest_of(const StoredHead& stored, std::uint64_t stored_bytes, std::uint64_t first,
                            std::uint64_t bytes);
// Whether the origin's answer begins with just these bytes of the same representation, and has all of them. No byte of
// another one may follow those that were sent. RFC 9111 section 3.4
bool is_rest(const StoredHead& answer, const Rest& rest);

// Whether both are of the same representation: they share a strong validator, or `immutable`. RFC 9111 section 3.4
bool same_representation(const http::Validators& a, const http::Validators& b, bool immutable, WallTime now);
http::Validators validators_of(const http::Fields& response) noexcept;
// What If-Range is to say of a response that came at this time; empty when it has no strong validator.
// RFC 9110 section 13.1.5
std::string_view strong_validator(const http::Validators& validators, WallTime now);
std::string_view strong_validator(const StoredHead& stored);

// The head of what parts make up together: the fields of the stored part, each replaced by those of the newer response
// that have its name, aside from Content-Range. `part`: which part that is, or nullopt when it is the whole, which is
// a 200. RFC 9110 section 15.3.7.3
struct CombinedHead {
    ResponseFacts facts;
    http::Fields lines;
};
CombinedHead combined_head(const StoredHead& stored, const ResponseFacts& newer_facts, const http::Fields& newer_lines,
                           const std::optional<ContentPart>& part, const std::vector<std::string>& targeted_names);

} // namespace gatehouse::cache::policy
