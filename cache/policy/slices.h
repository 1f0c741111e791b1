// Slices of a representation (docs/RANGES.md): which one a byte lies in, how it is asked for, what a 206 has to be to
// be one, and the key that it is stored under.
#pragma once

#include "cache/policy/partial.h"
#include "http/framing.h"
#include "http/message.h"
#include "http/range.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// Bytes index * bytes to (index + 1) * bytes - 1, or to the end of the representation.
struct SliceOf {
    std::uint64_t bytes = 0; // of each slice
    std::uint64_t index = 0;
    bool operator==(const SliceOf&) const = default;
};

http::ByteSpan span_of(const SliceOf& slice) noexcept;
std::string range_of(const SliceOf& slice); // "bytes=0-1048575"

// The slice that the answer to a request begins with. `length`: of the representation, where it is known. nullopt: that
// cannot be said, because it is counted from an end that is not known, or several ranges may be satisfiable or not; or
// the range is malformed or of another unit, and the origin's to answer.
std::optional<std::uint64_t> first_slice(const http::RequestHead& request, std::uint64_t slice_bytes,
                                         std::optional<std::uint64_t> length);

// Whether an answer is the slice that was asked for: exactly its bytes, all of which its framing announces, with a
// strong validator. Without one no two slices could be told to belong together. RFC 9111 section 3.4 `kept`: its fields
// as they are stored.
bool is_slice(const http::ResponseHead& response, const http::Framing& framing, const http::Fields& kept, WallTime now,
              const SliceOf& slice);

// The primary key of a slice: that of the whole, and what tells it apart. An unknown validator is empty; nothing is
// stored under such a key. Purges see the key of the whole.
std::string slice_key(std::string_view key, const SliceOf& slice, std::string_view validator);

} // namespace gatehouse::cache::policy
