// What a client is sent from a stored response: 200, 206, 304, 416 or 412, whole, in parts or without content.
#pragma once

#include "cache/policy/client_head.h"
#include "cache/policy/facts.h"
#include "cache/policy/stored_head.h"
#include "http/conditional.h"
#include "http/range.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gatehouse::cache::policy {

struct Assembly {
    enum class Kind : std::uint8_t { Whole, NotModified, SinglePart, MultiPart, Unsatisfiable };
    Kind kind = Kind::Whole;
    int status = 200;
    std::vector<http::ByteSpan> spans;     // SinglePart: one; MultiPart: several; else empty
    std::string boundary;                  // MultiPart
    std::uint64_t content_first = 0;       // where in the representation the stored content begins; 0 but for a part
    std::span<const std::string> withheld; // names of stored fields that are not sent; see withheld_fields
    const ClientHead* client = nullptr;    // the behavior's rules for this answer, where it has any
};

http::Validators validators_of(const StoredHead& stored) noexcept;
// A multipart boundary out of a random number.
std::string boundary_text(std::uint64_t seed);
// What If-Range is compared with: no tag that clients are to take for a weak one.
http::Validators range_validators_of(const StoredHead& stored) noexcept;

// Evaluates the request's preconditions and Range against a stored response (RFC 9110 section 13.2.2 order).
// complete_length: size of the stored content; nullopt while it is still arriving and unknown: Range is then ignored.
// Only a stored 200 is subject to Range; other statuses are sent whole. 304 is for 200 and, of a part of it, for 206;
// what a stored part gives to a Range is assemble_part's to say (cache/policy/partial.h).
// `boundary_seed` makes the multipart boundary unpredictable (a random 64-bit number from the caller). `immutable`: the
// content never changes (config::CachePolicy::immutable).
Assembly assemble(const http::RequestHead& request, const StoredHead& stored,
                  std::optional<std::uint64_t> complete_length, WallTime now, std::uint64_t boundary_seed,
                  bool immutable = false);

// Applies the behavior's rules for the head to this answer; `client` is where they are kept, and outlives it.
void shape(Assembly& assembly, std::optional<ClientHead>& client, const ClientHeadFacts& facts);

// The fields that this policy keeps from clients: the targeted ones (RFC 9213), where it says so. They stay in the
// store, because a 304 without them leaves them in force (RFC 9111 section 3.2). The names live as long as the policy.
std::span<const std::string> withheld_fields(const config::CachePolicy& policy) noexcept;

// Appends the status line and the stored field lines that belong to this assembly (all for 200 and others; for 304
// only Cache-Control, Content-Location, Date, ETag, Expires, Vary and non-representation fields such as Set-Cookie and
// Access-Control-*: everything but Content-*, Last-Modified when an ETag is there, per RFC 9110 section 15.4.5), plus
// Content-Range, multipart Content-Type where needed, Accept-Ranges: bytes on 200 when absent is NOT added.
// Age, Cache-Status and framing are the caller's to append. Allocation-free for Kind::Whole when `out` has capacity.
void append_head(std::string& out, const Assembly& assembly, const StoredHead& stored,
                 std::optional<std::uint64_t> complete_length);

// The text in front of part i of a MultiPart, and the closing delimiter.
std::string multipart_part_head(const Assembly& assembly, std::size_t index, const StoredHead& stored,
                                std::uint64_t complete_length);
std::string multipart_end(const Assembly& assembly);
// Size of the content that goes with it (0 for NotModified and Unsatisfiable).
std::uint64_t content_length(const Assembly& assembly, const StoredHead& stored, std::uint64_t complete_length);

} // namespace gatehouse::cache::policy
