// CloudFront path patterns: `*` is any run of characters, '/' included; `?` is exactly one; case matters.
#pragma once

#include "config/request_rules.h"

#include <string_view>

namespace gatehouse::config {

// Whether the whole of text matches. A pattern without a leading '/' matches as if it had one ("*" matches all).
// Linear in practice: one backtrack point; no recursion.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept;
// The same for texts that are no paths: the whole of text, and a pattern means what it says.
bool text_matches(std::string_view pattern, std::string_view text) noexcept;
// Whether `general` certainly matches every text that `special` matches. False negatives are possible where stars and
// question marks meet, as in "*?" and "?*"; there are no false positives.
bool glob_covers(std::string_view general, std::string_view special);
// Whether `name` matches `pattern`, where only a trailing `*` is special (names of query parameters, cookies, fields).
bool name_matches(std::string_view pattern, std::string_view name, bool ignore_case) noexcept;

// Whether a selection has the name; each of its own names as in name_matches.
bool is_named_by(const NameSelection& selection, std::string_view name, bool ignore_case) noexcept;

} // namespace gatehouse::config
