// What an intermediary does to fields on the way through (RFC 9110 section 7.6).
#pragma once

#include "http/fields.h"
#include "http/message.h"
#include "http/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::http {

// Connection, Proxy-Connection, Keep-Alive, TE, Transfer-Encoding, Upgrade, Trailer, Proxy-Authenticate,
// Proxy-Authorization, Proxy-Authentication-Info, HTTP2-Settings (RFC 9110 section 7.6.1 and the registry).
bool is_hop_by_hop(std::string_view name) noexcept;

// Removes hop-by-hop fields and those that Connection names, Content-Length too (framing is written anew).
// A name in Connection that is on the protected list (Host, Authorization, Cookie, Set-Cookie, Cache-Control, Vary,
// ETag, Content-Type, Content-Encoding, Content-Range, Range, X-Forwarded-*, Forwarded, Via, Age, Expires, Date,
// Last-Modified, Location, If-*) is not removed: an attacker would otherwise strip what the origin relies on.
void remove_hop_by_hop(Fields& fields);
// Only the fields that Connection names (protected ones stay), and none of the hop-by-hop fields themselves. Done to a
// request as soon as it is parsed: a key or a Vary computed with a field that the origin never sees would store one
// client's answer under another's name. `message`: whose Connection it is, which may be the same fields.
void remove_connection_named(Fields& fields, const Fields& message);

// Whether the connection stays open after this message (RFC 9112 section 9.3).
bool wants_keep_alive(Version version, const Fields& fields);

// Appends ours to Via: "1.1 gatehouse" (RFC 9110 section 7.6.3).
void append_via(Fields& fields, Version received, std::string_view pseudonym);

struct ForwardedFor {
    std::string_view client_address; // "192.0.2.1" or "2001:db8::1", "unix:" for Unix sockets
    std::string_view proto;          // "http" | "https"
    std::string_view host;           // authority the client asked for
    bool trusted = false;            // the peer is in trusted_proxies: append to what it sent; else overwrite
};
// Sets X-Forwarded-For, -Proto, -Host and Forwarded (RFC 7239). Untrusted: what the client sent is dropped first,
// with X-Forwarded-Port, X-Forwarded-Server, X-Real-IP, X-Original-URL, X-Rewrite-URL, X-HTTP-Method-Override,
// X-HTTP-Method, X-Method-Override. Trusted: For and Forwarded are appended to, Proto and Host are kept when present.
// The override fields (X-Original-URL...) are dropped in both cases.
void set_forwarded(Fields& fields, const ForwardedFor& facts);

// Max-Forwards as a number (RFC 9110 section 7.6.2); nullopt when absent or no number. Capped at what 32 bits hold.
std::optional<std::uint32_t> max_forwards(const Fields& request);

} // namespace gatehouse::http
