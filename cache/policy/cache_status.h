// Cache-Status (RFC 9211) and X-Cache as functions of what happened.
#pragma once

#include "cache/policy/reason.h"
#include "http/short_text.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// RFC 9211 section 2.2
enum class Forwarded : std::uint8_t { No, Bypass, Method, UriMiss, VaryMiss, Miss, Request, Stale, Partial };

struct CacheResult {
    Forwarded forwarded = Forwarded::No;     // No: a hit
    std::optional<int> forward_status;       // the origin's status when it differs from the one sent
    std::optional<std::int64_t> ttl_seconds; // remaining lifetime; negative when stale
    bool stored = false;
    bool collapsed = false;
    bool collapse_failed = false; // it waited for an answer that could not be used for it, and was forwarded itself
    Reason reason = Reason::None; // `detail`
    bool revalidated = false;     // a 304 freshened what is sent: X-Cache says RefreshHit
    bool error = false; // the status sent is an error, or was before a page took its place: X-Cache says Error
    int page_for = 0;   // what was sent is the page for an error with this status: `gatehouse-error`

    bool operator==(const CacheResult&) const = default;
};

// RFC 9211's fwd for a reason: UriMiss -> UriMiss, RequestNoCache -> Request, Stale -> Stale, ...
Forwarded forwarded_for(Reason reason) noexcept;

// LIMIT: of a key that is shown; what follows is cut off and marked by "...".
inline constexpr std::size_t kMaxShownKey = 1000;

// A cache key as people read it: its parts with spaces between them.
std::string readable_key(std::string_view key);

// Appends "Cache-Status: gatehouse; hit; ttl=42\r\n" (allocation-free when `out` has capacity). Ours is the last member
// of the list: the caller has appended what caches nearer to the origin said (RFC 9211 section 2).
// `key`: the cache key where it is to be shown, else empty. Its parts are shown with spaces between them.
void append_cache_status(std::string& out, const CacheResult& result, std::string_view key = {});
// The same where no key is shown, into the text of a head's short lines.
void put_cache_status(http::ShortLines& out, const CacheResult& result);
// "Hit from gatehouse", "Miss from gatehouse", "RefreshHit from gatehouse", "Error from gatehouse"
std::string_view x_cache(const CacheResult& result) noexcept;

} // namespace gatehouse::cache::policy
