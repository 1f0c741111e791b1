// HTTP-date (RFC 9110 section 5.6.7): all three forms in, IMF-fixdate out.
#pragma once

#include "http/time.h"

#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::http {

// Accepts IMF-fixdate, RFC 850 and asctime forms, strictly, but names in any case (RFC 9111 section 4.2). A two-digit
// year that would lie more than 50 years after `now` is taken to be in the past (RFC 9110 section 5.6.7). nullopt for
// everything else: the caller treats an invalid Expires as past and an invalid Last-Modified as absent.
std::optional<WallTime> parse_http_date(std::string_view text, WallTime now);
// "Sun, 06 Nov 1994 08:49:37 GMT"; fractions of a second are cut off. 29 characters for years 0 to 9999.
std::string format_http_date(WallTime time);
void append_http_date(std::string& out, WallTime time);

} // namespace gatehouse::http
