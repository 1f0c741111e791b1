// What becomes of entity tags (a behavior's `etag`): kept, generated from the content, weakened or removed.
//
// A generated tag is strong: two responses have the same one only if their content and its coding are the same, byte
// by byte. It stands in the stored head like one of the origin's, but the origin knows nothing of it: it is not sent
// there to validate (ResponseFacts::etag_generated).
#pragma once

#include "cache/policy/facts.h"
#include "cache/policy/stored_head.h"
#include "http/fields.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// What is known of a whole content: its hash and its size.
struct ContentDigest {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::uint64_t size = 0;
};

// Whether a stored response gets a tag of ours: a 200 that is whole, whose origin sent none, or one that is no
// entity tag (unquoted, say), which nobody could compare.
bool lacks_entity_tag(int status, const http::Fields& response) noexcept;

// "\"1f-0123456789abcdef0123456789abcdef\"", and "...-gzip\"" for a coded content.
std::string generated_tag(const ContentDigest& digest, std::string_view content_encoding);

// Puts it into the lines of a response that is stored.
void put_generated_tag(const ContentDigest& digest, http::Fields& lines, ResponseFacts& facts);
// The same for a head that is encoded already.
std::string with_generated_tag(const ContentDigest& digest, std::string_view stored_head);

// The stored head as clients of this behavior are to see it, as far as conditions and ranges are concerned.
StoredHead under_etag_rule(const StoredHead& stored, config::EtagRule rule) noexcept;

} // namespace gatehouse::cache::policy
