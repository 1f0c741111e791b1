// The access log line and the result label as functions of the record.
#include "proxy/exchange_record.h"

#include "proxy/exchange_record_fields.h"
#include "proxy/json_text.h"
#include "proxy/log_line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace gatehouse::proxy {

namespace {

using cache::policy::Forwarded;
using cache::policy::Reason;

// RFC 9211 section 2.2, as the access log and Cache-Status write it.
std::string_view forwarded_text(Forwarded forwarded) noexcept {
    switch (forwarded) {
    case Forwarded::No: return {};
    case Forwarded::Bypass: return "bypass";
    case Forwarded::Method: return "method";
    case Forwarded::UriMiss: return "uri-miss";
    case Forwarded::VaryMiss: return "vary-miss";
    case Forwarded::Miss: return "miss";
    case Forwarded::Request: return "request";
    case Forwarded::Stale: return "stale";
    case Forwarded::Partial: return "partial";
    }
    return {};
}

// Appends `text` to what ends at `at`.
char* put(char* at, std::string_view text) noexcept {
    std::memcpy(at, text.data(), text.size());
    return at + text.size();
}

char* put_digits(char* at, unsigned value, int width) noexcept {
    for (int i = width; i > 0; value /= 10) {
        at[--i] = static_cast<char>('0' + value % 10);
    }
    return at + width;
}

// "2026-11-23T23:00:00.": ISO 8601 up to the fraction.
void write_second(std::chrono::sys_seconds second, char* at) noexcept {
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(second - day);
    at = put_digits(at, static_cast<unsigned>(std::clamp(static_cast<int>(date.year()), 0, 9999)), 4);
    *at++ = '-';
    at = put_digits(at, static_cast<unsigned>(date.month()), 2);
    *at++ = '-';
    at = put_digits(at, static_cast<unsigned>(date.day()), 2);
    *at++ = 'T';
    at = put_digits(at, static_cast<unsigned>(clock.hours().count()), 2);
    *at++ = ':';
    at = put_digits(at, static_cast<unsigned>(clock.minutes().count()), 2);
    *at++ = ':';
    at = put_digits(at, static_cast<unsigned>(clock.seconds().count()), 2);
    *at = '.';
}

// Of everything in a line but the texts of the record.
constexpr std::size_t kFixedBytes = 1024;

// The longest line that the record can become. Each byte of a text may be escaped as six.
std::size_t line_bound(const ExchangeRecord& record) noexcept {
    std::size_t texts = 0;
    for_each_text(record, [&texts](std::string_view text) { texts += text.size(); });
    return kFixedBytes + 6 * texts;
}

} // namespace

// Writes one object, member by member, where line_bound() bytes are free. A key is a literal of this file with all that
// stands around it, as `,"status":`.
// OPTIMIZATION: appended to a string, piece by piece, a line took two and a half times the instructions.
class LineWriter {
public:
    explicit LineWriter(char* at) noexcept : at_(at) {}
    char* end() noexcept { return at_ = put(at_, "}\n"); }

    // Left out when empty.
    template <std::size_t Size>
    void text(const char (&key)[Size], std::string_view value) {
        if (!value.empty()) {
            literal(key);
            escaped(value);
        }
    }
    // For values of our own that are known to need no escaping.
    template <std::size_t Size>
    void plain(const char (&key)[Size], std::string_view value) noexcept {
        if (!value.empty()) {
            literal(key);
            *at_++ = '"';
            at_ = put(at_, value);
            *at_++ = '"';
        }
    }
    template <std::size_t Size, class Integer>
    void number(const char (&key)[Size], Integer value) noexcept {
        literal(key);
        integer(value);
    }
    template <std::size_t Size>
    void flag(const char (&key)[Size], bool value) noexcept {
        literal(key);
        at_ = put(at_, value ? std::string_view("true") : std::string_view("false"));
    }
    // Milliseconds with three decimals: "12.345".
    template <std::size_t Size>
    void milliseconds(const char (&key)[Size], std::chrono::microseconds value) noexcept {
        const auto micros = std::max<std::int64_t>(value.count(), 0);
        literal(key);
        integer(micros / 1000);
        *at_++ = '.';
        at_ = put_digits(at_, static_cast<unsigned>(micros % 1000), 3);
    }
    // ISO 8601 in UTC: "2026-11-23T23:00:00.123Z".
    template <std::size_t Size>
    void time(const char (&key)[Size], http::WallTime value, LineFormatter& formatter) noexcept {
        const auto second = std::chrono::floor<std::chrono::seconds>(value);
        if (second != formatter.second_) {
            formatter.second_ = second;
            write_second(second, formatter.second_text_.data());
        }
        literal(key);
        *at_++ = '"';
        at_ = put(at_, std::string_view(formatter.second_text_.data(), formatter.second_text_.size()));
        const auto fraction = std::chrono::duration_cast<std::chrono::milliseconds>(value - second);
        at_ = put_digits(at_, static_cast<unsigned>(fraction.count()), 3);
        at_ = put(at_, "Z\"");
    }

private:
    template <std::size_t Size>
    void literal(const char (&text)[Size]) noexcept {
        std::memcpy(at_, text, Size - 1);
        at_ += Size - 1;
    }
    template <class Integer>
    void integer(Integer value) noexcept {
        constexpr std::size_t kMostDigits = 24;
        at_ = std::to_chars(at_, at_ + kMostDigits, value).ptr;
    }
    void escaped(std::string_view value) {
        if (is_plain_json(value)) {
            *at_++ = '"';
            at_ = put(at_, value);
            *at_++ = '"';
            return;
        }
        std::string json;
        append_json_string(json, value);
        at_ = put(at_, json);
    }

    char* at_;
};

namespace {

std::string_view reason_text(Reason reason) noexcept {
    return reason == Reason::None ? std::string_view() : cache::policy::to_string(reason);
}

} // namespace

void ExchangeRecord::clear() {
    static_cast<ExchangeFacts&>(*this) = ExchangeFacts();
    client = method = authority = target = behavior_name = origin = {};
    user_agent.clear();
    origin_address.clear();
    error_detail.clear();
}

void append_json_line(std::string& out, const ExchangeRecord& record) { LineFormatter().append(out, record); }

void LineFormatter::append(std::string& out, const ExchangeRecord& record) {
    constexpr std::size_t kUsualBytes = 8192;
    std::array<char, kUsualBytes> usual; // NOLINT: what is read of it has been written
    std::string large;
    const std::size_t bound = line_bound(record);
    if (bound > usual.size()) {
        large.resize(bound);
    }
    char* const line = large.empty() ? usual.data() : large.data();
    LineWriter object(line);
    object.time(R"({"ts":)", record.started, *this);
    object.text(R"(,"client":)", record.client);
    object.text(R"(,"method":)", record.method);
    object.text(R"(,"authority":)", record.authority);
    object.text(R"(,"target":)", record.target);
    object.number(R"(,"status":)", record.status);
    object.milliseconds(R"(,"duration_ms":)", record.duration);
    if (record.origin_wait.count() > 0) {
        object.milliseconds(R"(,"origin_wait_ms":)", record.origin_wait);
    }
    object.number(R"(,"request_bytes":)", record.request_body_bytes);
    object.number(R"(,"response_bytes":)", record.response_body_bytes);
    object.flag(R"(,"complete":)", record.complete);
    if (record.routed) {
        object.text(R"(,"behavior":)", record.behavior_name);
        object.text(R"(,"origin":)", record.origin);
    }
    if (!record.origin_address.empty()) {
        object.text(R"(,"origin_address":)", record.origin_address);
        object.flag(R"(,"origin_reused":)", record.origin_reused);
    }
    if (record.origin_attempts > 0) {
        object.number(R"(,"origin_attempts":)", record.origin_attempts);
    }
    if (record.origin_status) {
        object.number(R"(,"origin_status":)", *record.origin_status);
    }
    object.plain(R"(,"cache":)", to_string(request_result(record)));
    object.plain(R"(,"fwd":)", forwarded_text(record.cache.forwarded));
    if (record.cache.ttl_seconds) {
        object.number(R"(,"ttl":)", *record.cache.ttl_seconds);
    }
    if (record.cache.stored) {
        object.flag(R"(,"stored":)", true);
    }
    if (record.cache.collapsed) {
        object.flag(R"(,"collapsed":)", true);
    }
    if (record.cache.page_for != 0) {
        object.number(R"(,"error_page":)", record.cache.page_for);
    }
    object.plain(R"(,"reason":)", reason_text(record.cache.reason));
    object.plain(R"(,"store_reason":)", reason_text(record.store_reason));
    if (record.error) {
        object.plain(R"(,"error":)", http::to_string(*record.error));
    }
    object.text(R"(,"error_detail":)", record.error_detail);
    object.text(R"(,"user_agent":)", record.user_agent);
    object.plain(R"(,"protocol":)", record.http10 ? "HTTP/1.0" : "HTTP/1.1");
    out.append(line, static_cast<std::size_t>(object.end() - line));
}

// A stale response that was served counts as stale even where an error led to it, and a client that went away does
// not make an error of what it was being sent. An error status that the origin chose is a hit or a miss like any other.
RequestResult request_result(const ExchangeRecord& record) noexcept {
    if (is_plain_hit(record)) {
        return RequestResult::Hit;
    }
    const bool is_page = record.cache.page_for != 0;
    if (!is_page && is_served_stale(record.cache.reason)) {
        return RequestResult::Stale;
    }
    const bool failed = record.error && *record.error != http::ErrorKind::ClientClosed;
    if (failed || !record.routed || record.cache.reason == Reason::OnlyIfCached) {
        return RequestResult::Error;
    }
    if (is_page && is_served_stale(record.cache.reason)) {
        return RequestResult::Stale;
    }
    if (record.cache.revalidated) {
        return RequestResult::RefreshHit;
    }
    switch (record.cache.forwarded) {
    case Forwarded::No: return RequestResult::Hit;
    case Forwarded::Bypass:
    case Forwarded::Method: return RequestResult::Bypass;
    case Forwarded::UriMiss:
    case Forwarded::VaryMiss:
    case Forwarded::Miss:
    case Forwarded::Request:
    case Forwarded::Stale:
    case Forwarded::Partial: break;
    }
    return RequestResult::Miss;
}

std::string_view to_string(RequestResult result) noexcept {
    switch (result) {
    case RequestResult::Hit: return "hit";
    case RequestResult::Miss: return "miss";
    case RequestResult::Stale: return "stale";
    case RequestResult::RefreshHit: return "refresh_hit";
    case RequestResult::Bypass: return "bypass";
    case RequestResult::Error:
    case RequestResult::kCount: break;
    }
    return "error";
}

} // namespace gatehouse::proxy
