// Request fields of many spellings reduced to the few that matter, so that a response that varies by them is stored a
// few times and not thousands of times. The origin gets the reduced fields too: what it saw is what the key and Vary
// see.
#pragma once

#include "config/config.h"
#include "http/fields.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::policy {

// The codings of `offered` that the client accepts, in that order, joined with ','; "identity" when it accepts none.
std::string normalised_encodings(const http::Fields& request, const std::vector<std::string>& offered);

// The language of `offered` that the client prefers (RFC 4647 section 3.4, lookup: a range matches a tag that it is, or
// that is left of it when it loses its last subtags); of equal wishes the first. The first offered when nothing
// matches. `offered` is not empty.
std::string normalised_language(const http::Fields& request, const std::vector<std::string>& offered);

// "mobile", "tablet" or "desktop", as far as User-Agent tells.
std::string_view device_class(std::string_view user_agent) noexcept;

// Replaces Accept-Encoding, Accept-Language and User-Agent where the rules say so and the request has the field.
void normalise_request(http::Fields& request, const config::Normalization& rules);

} // namespace gatehouse::cache::policy
