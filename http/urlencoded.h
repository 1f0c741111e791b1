// Queries as lists of names and values: application/x-www-form-urlencoded, as the URL standard of WHATWG parses it.
// Total functions: every text is some list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::http {

struct QueryParameter {
    std::string name; // bytes: mostly UTF-8
    std::string value;
    bool operator==(const QueryParameter&) const = default;
};

// '+' is a space, %XX is a byte, and what is no UTF-8 then is U+FFFD, once for each longest piece that could have begun
// a character. A '%' that two hex digits do not follow stands for itself.
std::string decode_urlencoded(std::string_view text);
// Only '&' separates, what is empty between two of them is nothing, and only the first '=' of each piece divides it. Bytes
// that are no UTF-8 stay as they are: an origin that reads another encoding can tell them apart.
std::vector<QueryParameter> parse_query(std::string_view query);
// One text for each list: parse_query(write_query(list)) == list for what parse_query gave. Letters, digits and -._~ as
// they are, everything else as %XX.
std::string write_query(const std::vector<QueryParameter>& parameters);

} // namespace gatehouse::http
