// Vary (RFC 9111 section 4.1): the secondary key of a stored response.
#pragma once

#include "http/fields.h"

#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// The names that all Vary lines nominate: lower case, sorted, unique, joined with ','. "*" when any member is `*`.
std::string nominated_names(const http::Fields& response);

// For each nominated name the normalised value in the request: lines combined with ", ", white space around commas
// folded (RFC 9111 section 4.1 allows what does not change meaning). A missing field differs from an empty one.
// Empty when names is empty. Values are separated so that no two different requests give the same text.
std::string variant_key(std::string_view names, const http::Fields& request);

// Whether the request selects a stored response with these names and that key. `*` never matches. Allocation-free
// when names is empty.
bool variant_matches(std::string_view names, std::string_view key, const http::Fields& request);

} // namespace gatehouse::cache::policy
