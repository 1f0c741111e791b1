// Ranges of what is not stored (docs/RANGES.md): whether the whole is fetched for one, and whether a range that comes
// out of an answer still arriving is worth the wait.
#pragma once

#include "cache/policy/stored_head.h"
#include "config/config.h"
#include "http/message.h"
#include "http/range.h"

#include <cstdint>
#include <optional>
#include <span>

namespace gatehouse::cache::policy {

// What is known to have at most this many bytes is fetched whole where the policy leaves it open.
inline constexpr std::uint64_t kFilledByDefaultBytes = 8 * 1024 * 1024;
// A range that begins this far behind what has arrived is not waited for.
inline constexpr std::uint64_t kFillAheadBytes = 8 * 1024 * 1024;

// Whether the whole is fetched for a range. `length`: of the representation, from a stored part or from an answer that
// is arriving; nullopt: unknown. `largest`: what the store takes; more than that is not fetched to be thrown away.
bool fills_range(config::RangeHandling handling, std::optional<std::uint64_t> length, std::uint64_t largest) noexcept;

// An answer that is arriving.
struct ArrivingContent {
    std::optional<std::uint64_t> length; // as declared
    std::uint64_t arrived = 0;
    bool kept = false; // from its beginning, to be read again; otherwise it passes by
};
// Whether all of these can be had of that: none begins too far behind what has arrived, and what passes by is wanted in
// its order.
bool is_within_reach(std::span<const http::ByteSpan> spans, const ArrivingContent& content) noexcept;
// Whether the Range of this request is answered out of that, at once (304, 416, the whole) or when its bytes are there.
bool is_within_reach(const http::RequestHead& request, const StoredHead& answer, const ArrivingContent& content,
                     WallTime now, bool immutable);

} // namespace gatehouse::cache::policy
