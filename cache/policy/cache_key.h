// The primary key (DESIGN 4.15): key-rule set, origin, viewer authority, path as forwarded, keyed query, keyed fields.
//
// A key cannot be made without its authority: caches that forgot it served one tenant's answers to another
// (CVE-2026-2836). GET and HEAD share a key.
#pragma once

#include "config/config.h"
#include "http/message.h"
#include "http/target.h"

#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// The key as text; parts are separated by '\n', which none of them can contain:
//   rule set '\n' origin '\n' authority '\n' path '\n' query '\n' fields...
// Written into `out` (cleared first), so that the hit path allocates nothing.
void make_cache_key(const config::Behavior& behavior, const http::Target& target, const http::RequestHead& request,
                    std::string& out);

// What the key has beside that where the method is cached and is neither GET nor HEAD (RequestFacts::method_is_cached):
// the method, of a POST the digest of its content, and the fields that say what its content means or what a preflight
// asks. They are put among the fields, so that a purge of the URI reaches what is stored under the key.
void append_method_to_key(const http::RequestHead& request, std::string_view content_digest, std::string& key);

struct KeyParts {
    std::string_view rule_set;
    std::string_view origin;
    std::string_view authority; // "*" with host: any
    std::string_view path;
    std::string_view query; // keyed query, without '?'
    std::string_view fields;
};
// Precondition: key came from make_cache_key.
KeyParts split_cache_key(std::string_view key) noexcept;

// The query's parameters that take part, joined with '&' (only '&' separates), in the order sent or sorted by name; those
// of one name stay in their order, which may mean something. Mode All in the order sent: the query byte for byte.
std::string keyed_query(std::string_view query, const config::KeyRules& rules);

// What goes to the origin. With forward_everything the target and Cookie are forwarded as they came; in an own policy
// query parameters and cookies that are not keyed are removed (DESIGN 4.16).
// What is declared forward_only is forwarded too.
std::string forwarded_target(const http::Target& target, const config::CachePolicy& policy);
// Edits the Cookie field in place. Returns whether a Cookie that is not in the key is still there.
bool forward_cookies(http::Fields& fields, const config::CachePolicy& policy);
// Whether a field is part of the key.
bool is_keyed_field(std::string_view name, const config::CachePolicy& policy) noexcept;

} // namespace gatehouse::cache::policy
