// A stored response's head as one block of bytes, and the view that reads it in place.
//
// Layout (native byte order; what a disk store keeps is as this program has it in memory):
//   [StoredHeadPrefix][field lines][etag offset data is inside the lines][vary names][vary values][groups]
// The field lines are ready to be sent: hop-by-hop fields, Content-Length, Age and the fields a directive excludes are
// already gone, Via is already appended.
#pragma once

#include "cache/policy/facts.h"
#include "http/fields.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// Of the layout. What a disk store has of another version is not read (docs/formats/disk.md): raised with every change
// of ResponseFacts or of the layout that leaves its size.
inline constexpr std::uint64_t kStoredHeadVersion = std::uint64_t{1} << 32 | sizeof(ResponseFacts);

struct StoredHead {
    ResponseFacts facts;
    std::string_view field_lines;   // "Name: value\r\n"...
    std::string_view etag;          // value of the ETag field, empty when absent
    std::string_view last_modified; // value of the Last-Modified field, empty when absent
    std::string_view date;          // value of the Date field
    std::string_view vary_names;    // nominated names: lower case, sorted, comma-separated; empty without Vary
    std::string_view vary_values;   // the variant key those names gave for the request that caused it
    std::string_view groups;        // see cache/policy/cache_groups.h; empty without Cache-Groups
    bool etag_weakened = false;     // clients are to take the tag for a weak one (cache/policy/etag_rule.h)

    http::Fields fields() const { return http::Fields::from_serialised(field_lines); }
};

// Builds the block for a response that is stored. `lines` are the fields to keep (see fields_to_store).
std::string encode_stored_head(const ResponseFacts& facts, const http::Fields& lines, std::string_view vary_names,
                               std::string_view vary_values);
// Reads it in place: no allocation; the views live as long as the bytes. Precondition: bytes came from
// encode_stored_head of this process.
StoredHead view_stored_head(std::string_view bytes) noexcept;
// The same for bytes from anywhere. nullopt: they are no stored head.
std::optional<StoredHead> read_stored_head(std::string_view bytes) noexcept;

// The fields of a response that go into the store (RFC 9111 section 3.1) and to those who are answered from it:
// without hop-by-hop fields, Content-Length, Age (computed at sending), and without those named by no-cache="..." and
// private="...". Via is appended. Date is set from `response_time` when the origin sent none that can be read
// (RFC 9110 section 6.6.1). `left_out` gets the lines so named: the client that asked gets them all the same.
http::Fields fields_to_store(const http::ResponseHead& response, WallTime response_time,
                             http::Fields* left_out = nullptr);
// What is stored together with what was left out, for the client whose request caused the answer.
http::Fields with_left_out(const http::Fields& stored, const http::Fields& left_out);
// The fields of a response that is only passed on: the same, but Age stays, and so does what no-cache="..." and
// private="..." name, for the client that asked is the one they are meant for.
http::Fields fields_to_forward(const http::ResponseHead& response, WallTime response_time);

// Whether no-cache="..." or private="..." of Cache-Control keep the field of that name out of the store
// (RFC 9111 sections 5.2.2.4 and 5.2.2.7).
bool is_excluded_from_storage(const http::Fields& response, std::string_view name);
// Removes the fields that they name; `removed` gets their lines.
void remove_excluded_fields(http::Fields& response, http::Fields* removed = nullptr);
// Sets Date to `received` unless there is one that can be read (RFC 9110 section 6.6.1).
void ensure_date(http::Fields& response, WallTime received);

} // namespace gatehouse::cache::policy
