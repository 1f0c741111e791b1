// Targeted Cache-Control fields (RFC 9213): a Dictionary Structured Field that replaces Cache-Control and Expires for
// the caches it is meant for.
#pragma once

#include "http/cache_control.h"
#include "http/fields.h"

#include <optional>
#include <string_view>

namespace gatehouse::cache::policy {

// The directives of the field of that name. nullopt when it is absent, empty, or no well-formed dictionary
// (RFC 9651 section 3.2): it is then ignored as a whole. A directive whose value has the wrong type is never given
// the benefit of the doubt: a lifetime becomes Invalid, `public` and `must-understand` do not count.
// Qualified forms (no-cache="a", private="a") count as unqualified, which restricts more (RFC 9111 section 5.2.2.4).
std::optional<http::ResponseCacheControl> parse_targeted_cache_control(const http::Fields& fields,
                                                                       std::string_view field_name);

} // namespace gatehouse::cache::policy
