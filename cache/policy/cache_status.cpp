#include "cache/policy/cache_status.h"

#include "http/short_text.h"

#include <algorithm>

namespace gatehouse::cache::policy {

namespace {

// Without the ends of parts that are empty.
std::string_view without_empty_end(std::string_view key) noexcept {
    while (key.ends_with('\n')) {
        key.remove_suffix(1);
    }
    return key;
}

// RFC 9211 section 2.2
std::string_view token_of(Forwarded forwarded) noexcept {
    switch (forwarded) {
    case Forwarded::No: return "";
    case Forwarded::Bypass: return "bypass";
    case Forwarded::Method: return "method";
    case Forwarded::UriMiss: return "uri-miss";
    case Forwarded::VaryMiss: return "vary-miss";
    case Forwarded::Miss: return "miss";
    case Forwarded::Request: return "request";
    case Forwarded::Stale: return "stale";
    case Forwarded::Partial: return "partial";
    }
    return "";
}

// Whether the reason says no more than `fwd` or `hit` does.
bool is_plain(Reason reason) noexcept {
    switch (reason) {
    case Reason::None:
    case Reason::UriMiss:
    case Reason::VaryMiss:
    case Reason::Stale:
    case Reason::PartialMiss:
    case Reason::Method: return true;
    default: return false;
    }
}

// What only a forwarded request has: fwd-status, stored and collapsed. RFC 9211 sections 2.3, 2.5 and 2.6
void append_forwarding(http::ShortLines& out, const CacheResult& result) {
    out << "; fwd=" << token_of(result.forwarded);
    if (result.forward_status) {
        (out << "; fwd-status=").number(*result.forward_status);
    }
    if (result.stored) {
        out << "; stored";
    }
    // True when the answer came by the request of another; false when that was waited for in vain, and absent when
    // nothing was waited for. RFC 9211 section 2.6
    if (result.collapsed) {
        out << "; collapsed";
    } else if (result.collapse_failed) {
        out << "; collapsed=?0";
    }
}

// A 504 for only-if-cached was neither found nor forwarded.
bool is_own_answer(const CacheResult& result) noexcept {
    return result.forwarded == Forwarded::No && result.reason == Reason::OnlyIfCached;
}

// The member and what is told of it by numbers and tokens of ours, each at most once.
void put_member(http::ShortLines& text, const CacheResult& result) {
    text << "Cache-Status: gatehouse";
    if (result.forwarded != Forwarded::No) {
        append_forwarding(text, result);
    } else if (!is_own_answer(result)) {
        text << "; hit";
    }
    if (result.ttl_seconds) {
        (text << "; ttl=").number(*result.ttl_seconds);
    }
    // A parameter of ours carries our name. RFC 9211 section 3
    if (result.page_for != 0) {
        (text << "; gatehouse-error=").number(result.page_for);
    }
}

void put_detail(http::ShortLines& text, const CacheResult& result) {
    if (!is_plain(result.reason)) {
        text << "; detail=" << to_string(result.reason);
    }
}

// As a String: printable ASCII with quotes and backslashes escaped. RFC 9211 section 2.7
// Whatever separates the parts of the key becomes a space, and other characters a question mark.
void append_key(std::string& out, std::string_view key) {
    key = without_empty_end(key);
    const bool is_cut = key.size() > kMaxShownKey;
    out += "; key=\"";
    for (const char c : key.substr(0, kMaxShownKey)) {
        if (c == '\n') {
            out += ' ';
        } else if (c < ' ' || c > '~') {
            out += '?';
        } else {
            out += c == '"' || c == '\\' ? "\\" : "";
            out += c;
        }
    }
    out += is_cut ? "...\"" : "\"";
}

} // namespace

std::string readable_key(std::string_view key) {
    std::string text(without_empty_end(key));
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

Forwarded forwarded_for(Reason reason) noexcept {
    switch (reason) {
    case Reason::None:
    case Reason::StaleWhileRevalidate:
    case Reason::RequestMaxStale:
    case Reason::RefreshAhead:
    case Reason::OnlyIfCached: return Forwarded::No;
    case Reason::UriMiss: return Forwarded::UriMiss;
    case Reason::VaryMiss: return Forwarded::VaryMiss;
    case Reason::Method: return Forwarded::Method;
    case Reason::PartialMiss: return Forwarded::Partial;
    case Reason::CachingDisabled:
    case Reason::RequestBody:
    case Reason::RequestTooLarge:
    case Reason::RequestPrecondition:
    case Reason::RequestUpgrade: return Forwarded::Bypass;
    case Reason::RequestNoCache:
    case Reason::RequestMaxAge:
    case Reason::RequestMinFresh: return Forwarded::Request;
    case Reason::Stale:
    case Reason::ResponseNoCache: // it may not be used without validation, as if it were stale
    case Reason::StaleIfError:    // forwarded first, answered from the cache after that
    case Reason::StaleIfDisconnected:
    case Reason::StaleIfSlow: return Forwarded::Stale;
    default: return Forwarded::Miss;
    }
}

void put_cache_status(http::ShortLines& out, const CacheResult& result) {
    put_member(out, result);
    put_detail(out, result);
    out << "\r\n";
}

void append_cache_status(std::string& out, const CacheResult& result, std::string_view key) {
    http::ShortLines text;
    if (key.empty()) {
        put_cache_status(text, result);
        out += text.view();
        return;
    }
    put_member(text, result);
    out += text.view();
    append_key(out, key);
    http::ShortLines end;
    put_detail(end, result);
    end << "\r\n";
    out += end.view();
}

std::string_view x_cache(const CacheResult& result) noexcept {
    if (result.error || is_own_answer(result)) {
        return "Error from gatehouse";
    }
    if (result.revalidated) {
        return "RefreshHit from gatehouse";
    }
    const bool is_hit = result.forwarded == Forwarded::No || hides_origin(result.reason);
    return is_hit ? "Hit from gatehouse" : "Miss from gatehouse";
}

} // namespace gatehouse::cache::policy
