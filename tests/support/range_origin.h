// An origin's answer to a request that may have one range: 206, 416, or the whole where If-Range fails, several ranges
// are asked for or there are none; 304 where If-None-Match says so.
#pragma once

#include "tests/support/scripted_origin.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::testing {

struct OneRange {
    std::size_t first = 0;
    std::size_t last = 0; // less than first: none of the content
};

// Of "bytes=5-9", "bytes=5-" and "bytes=-5"; nullopt for everything else.
inline std::optional<OneRange> one_range(std::string_view text, std::size_t length) {
    if (!text.starts_with("bytes=") || text.find(',') != text.npos) {
        return std::nullopt;
    }
    text.remove_prefix(6);
    const std::size_t dash = text.find('-');
    const auto number = [](std::string_view digits) {
        std::size_t value = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return value;
    };
    if (dash == 0) {
        return OneRange{length - std::min(number(text.substr(1)), length), length - 1};
    }
    OneRange range{number(text.substr(0, dash)), length - 1};
    if (dash + 1 < text.size()) {
        range.last = std::min(number(text.substr(dash + 1)), length - 1);
    }
    if (range.first >= length) {
        range = {1, 0};
    }
    return range;
}

// `etag` as it stands in the field, "" without one. `fields`: whole lines.
inline void answer_ranges(OriginExchange& x, const std::string& content, const std::string& etag,
                          const std::string& fields, bool obeys_if_range = true) {
    const std::string all = (etag.empty() ? "" : "ETag: " + etag + "\r\n") + fields;
    const std::string if_range = x.get("If-Range");
    const bool is_wanted = !obeys_if_range || if_range.empty() || if_range == etag;
    const auto range = is_wanted ? one_range(x.get("Range"), content.size()) : std::nullopt;
    const std::string length = "/" + std::to_string(content.size()) + "\r\n";
    if (!etag.empty() && x.get("If-None-Match") == etag) {
        x.reply(304, all, "");
    } else if (!range) {
        x.reply(200, all, content);
    } else if (range->last < range->first) {
        x.reply(416, "Content-Range: bytes *" + length, "");
    } else {
        x.reply(206,
                "Content-Range: bytes " + std::to_string(range->first) + "-" + std::to_string(range->last) + length +
                    all,
                content.substr(range->first, range->last - range->first + 1));
    }
}

} // namespace gatehouse::testing
