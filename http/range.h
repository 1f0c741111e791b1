// Range requests (RFC 9110 section 14).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::http {

// A satisfiable part of a representation: bytes first to last, both included; first <= last < complete length.
struct ByteSpan {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t size() const noexcept { return last - first + 1; }
    bool operator==(const ByteSpan&) const = default;
};

struct RangeSelection {
    enum class Kind : std::uint8_t {
        Whole,        // no Range, another unit, malformed, or too many ranges: answer 200 with everything
        Parts,        // 206 with spans (one or several)
        Unsatisfiable // 416
    };
    Kind kind = Kind::Whole;
    std::vector<ByteSpan> spans;
};

// At most this many ranges are honoured; more, or overlapping ones that add up to more than the representation, are
// answered with the whole (RFC 9110 section 14.2 lets a server ignore such a field: range amplification).
inline constexpr std::size_t kMaxRanges = 16;

// `range` is the Range field's value; complete_length the size of the selected representation.
// Spans keep the order asked for; overlapping or adjoining ones are not merged.
RangeSelection select_ranges(std::string_view range, std::uint64_t complete_length);
// "bytes 0-4/10"
std::string content_range(const ByteSpan& span, std::uint64_t complete_length);
// "bytes */10" for a 416
std::string content_range_unsatisfied(std::uint64_t complete_length);

struct ContentRange {
    ByteSpan span;
    std::optional<std::uint64_t> complete_length;
};
std::optional<ContentRange> parse_content_range(std::string_view text);

} // namespace gatehouse::http
