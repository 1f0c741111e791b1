// Accept-Language (RFC 9110 section 12.5.4) as part of a variant: what may be taken as the same wish.
#pragma once

#include "http/fields.h"

#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// The members of all Accept-Language lines in lower case and sorted, joined with ','. Two requests with the same text
// wish for the same languages with the same weights.
std::string unordered_languages(const http::Fields& request);

// The one language of the request that has more weight than all others, in lower case. nullopt when several share that
// weight, when it is `*`, or when a member cannot be read.
std::optional<std::string> preferred_language(const http::Fields& request);

// The one language that Content-Language names, in lower case; empty when it names none, several or something else.
std::string content_language(const http::Fields& response);

} // namespace gatehouse::cache::policy
