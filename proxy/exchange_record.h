// What happened in one exchange, as plain data filled along the way. Access log line, metrics and the fields a client
// sees (Cache-Status, X-Cache) are functions of it.
#pragma once

#include "cache/policy/cache_status.h"
#include "cache/policy/reason.h"
#include "http/result.h"
#include "http/time.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace gatehouse::proxy {

// All of it but the texts: what is handed to another thread by copying its bytes.
struct ExchangeFacts {
    http::WallTime started{};
    http::SteadyTime started_steady{};
    std::chrono::microseconds duration{0};    // head complete to last byte handed to the kernel
    std::chrono::microseconds origin_wait{0}; // request sent to response head; 0 when the origin was not asked
    int status = 0;                           // sent to the client; 0: none could be
    std::uint64_t request_body_bytes = 0;
    std::uint64_t response_body_bytes = 0;    // content handed to the kernel
    bool complete = false;                    // the response was sent whole
    bool http10 = false;
    std::size_t behavior = 0;                 // index into Config::behaviors
    bool routed = false;                      // behavior, behavior_name and origin are valid
    bool origin_reused = false;               // a pooled connection
    unsigned origin_attempts = 0;
    std::optional<int> origin_status;
    cache::policy::CacheResult cache;         // result, reason, ttl
    cache::policy::Reason store_reason = cache::policy::Reason::None; // why the answer was not stored
    std::optional<http::ErrorKind> error;
};
static_assert(std::is_trivially_copyable_v<ExchangeFacts>);

struct ExchangeRecord : ExchangeFacts {
    // Views into the request, what is known of its client, and the configuration: whoever keeps the record keeps those.
    std::string_view client; // address of the peer
    std::string_view method;
    std::string_view authority;
    std::string_view target;        // path and query as sent
    std::string_view behavior_name; // path_pattern
    std::string_view origin;        // name
    std::string user_agent;
    std::string origin_address; // "192.0.2.1:443"
    std::string error_detail;

    void clear(); // keeps the strings' capacity
};

// One JSON object and '\n'. Keys are stable; text from outside is escaped; invalid UTF-8 becomes U+FFFD.
void append_json_line(std::string& out, const ExchangeRecord& record);

// hit | miss | stale | refresh_hit | bypass | error: the label of gatehouse_requests_total.
enum class RequestResult : std::uint8_t { Hit, Miss, Stale, RefreshHit, Bypass, Error, kCount };
RequestResult request_result(const ExchangeRecord& record) noexcept;
// A hit of which there is nothing else to tell, as nearly all are. OPTIMIZATION: known without a call.
inline bool is_plain_hit(const ExchangeRecord& record) noexcept {
    const cache::policy::CacheResult& cache = record.cache;
    return cache.forwarded == cache::policy::Forwarded::No && cache.reason == cache::policy::Reason::None &&
           !cache.revalidated && !record.error && record.routed;
}
std::string_view to_string(RequestResult result) noexcept;

} // namespace gatehouse::proxy
