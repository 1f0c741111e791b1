// The access log line and the result label as functions of the record.
#include "proxy/exchange_record.h"

#include "proxy/exchange_record_fields.h"
#include "proxy/json_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <type_traits>

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

// One object, member by member. Keys are literals of this file and need no escaping.
class ObjectWriter {
public:
    explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
    void end() { out_ += "}\n"; }

    // Left out when empty.
    void text(std::string_view name, std::string_view value) {
        if (!value.empty()) {
            key(name);
            append_json_string(out_, value);
        }
    }
    // For values of our own that are known to need no escaping.
    void plain(std::string_view name, std::string_view value) {
        if (!value.empty()) {
            key(name);
            out_ += '"';
            out_ += value;
            out_ += '"';
        }
    }
    template <class Integer>
    void number(std::string_view name, Integer value) {
        key(name);
        append_integer(value);
    }
    void flag(std::string_view name, bool value) {
        key(name);
        out_ += value ? "true" : "false";
    }
    // Milliseconds with three decimals: "12.345".
    void milliseconds(std::string_view name, std::chrono::microseconds value) {
        const auto micros = std::max<std::int64_t>(value.count(), 0);
        key(name);
        append_integer(micros / 1000);
        out_ += '.';
        append_padded(static_cast<unsigned>(micros % 1000), 3);
    }
    // ISO 8601 in UTC: "2026-11-23T23:00:00.123Z".
    void time(std::string_view name, http::WallTime value) {
        const auto day = std::chrono::floor<std::chrono::days>(value);
        const std::chrono::year_month_day date(day);
        const std::chrono::hh_mm_ss clock(value - day);
        key(name);
        out_ += '"';
        append_padded(static_cast<unsigned>(std::clamp(static_cast<int>(date.year()), 0, 9999)), 4);
        out_ += '-';
        append_padded(static_cast<unsigned>(date.month()), 2);
        out_ += '-';
        append_padded(static_cast<unsigned>(date.day()), 2);
        out_ += 'T';
        append_padded(static_cast<unsigned>(clock.hours().count()), 2);
        out_ += ':';
        append_padded(static_cast<unsigned>(clock.minutes().count()), 2);
        out_ += ':';
        append_padded(static_cast<unsigned>(clock.seconds().count()), 2);
        out_ += '.';
        append_padded(static_cast<unsigned>(clock.subseconds().count()), 3);
        out_ += "Z\"";
    }

private:
    void key(std::string_view name) {
        if (!first_) {
            out_ += ',';
        }
        first_ = false;
        out_ += '"';
        out_ += name;
        out_ += "\":";
    }
    template <class Integer>
    void append_integer(Integer value) {
        std::array<char, 24> digits;
        const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
        out_.append(digits.data(), end);
    }
    void append_padded(unsigned value, std::size_t width) {
        std::array<char, 10> digits;
        const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
        const auto size = static_cast<std::size_t>(end - digits.data());
        out_.append(width > size ? width - size : 0, '0');
        out_.append(digits.data(), size);
    }

    std::string& out_;
    bool first_ = true;
};

std::string_view reason_text(Reason reason) noexcept {
    return reason == Reason::None ? std::string_view() : cache::policy::to_string(reason);
}

} // namespace

void ExchangeRecord::clear() {
    visit_fields(*this, [](auto& field) {
        using Field = std::remove_reference_t<decltype(field)>;
        if constexpr (std::is_same_v<Field, std::string>) {
            field.clear();
        } else {
            field = Field{};
        }
    });
}

void append_json_line(std::string& out, const ExchangeRecord& record) {
    ObjectWriter object(out);
    object.time("ts", record.started);
    object.text("client", record.client);
    object.text("method", record.method);
    object.text("authority", record.authority);
    object.text("target", record.target);
    object.number("status", record.status);
    object.milliseconds("duration_ms", record.duration);
    if (record.origin_wait.count() > 0) {
        object.milliseconds("origin_wait_ms", record.origin_wait);
    }
    object.number("request_bytes", record.request_body_bytes);
    object.number("response_bytes", record.response_body_bytes);
    object.flag("complete", record.complete);
    if (record.routed) {
        object.text("behavior", record.behavior_name);
        object.text("origin", record.origin);
    }
    if (!record.origin_address.empty()) {
        object.text("origin_address", record.origin_address);
        object.flag("origin_reused", record.origin_reused);
    }
    if (record.origin_attempts > 0) {
        object.number("origin_attempts", record.origin_attempts);
    }
    if (record.origin_status) {
        object.number("origin_status", *record.origin_status);
    }
    object.plain("cache", to_string(request_result(record)));
    object.plain("fwd", forwarded_text(record.cache.forwarded));
    if (record.cache.ttl_seconds) {
        object.number("ttl", *record.cache.ttl_seconds);
    }
    if (record.cache.stored) {
        object.flag("stored", true);
    }
    if (record.cache.collapsed) {
        object.flag("collapsed", true);
    }
    if (record.cache.page_for != 0) {
        object.number("error_page", record.cache.page_for);
    }
    object.plain("reason", reason_text(record.cache.reason));
    object.plain("store_reason", reason_text(record.store_reason));
    if (record.error) {
        object.plain("error", http::to_string(*record.error));
    }
    object.text("error_detail", record.error_detail);
    object.text("user_agent", record.user_agent);
    object.plain("protocol", record.http10 ? "HTTP/1.0" : "HTTP/1.1");
    object.end();
}

// A stale response that was served counts as stale even where an error led to it, and a client that went away does
// not make an error of what it was being sent. An error status that the origin chose is a hit or a miss like any other.
RequestResult request_result(const ExchangeRecord& record) noexcept {
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
