#include "cache/policy/range_fill.h"

#include "cache/policy/response_assembly.h"

#include <algorithm>

namespace gatehouse::cache::policy {

bool fills_range(config::RangeHandling handling, std::optional<std::uint64_t> length, std::uint64_t largest) noexcept {
    if (length && *length > largest) {
        return false;
    }
    switch (handling) {
    case config::RangeHandling::Fill: return true;
    case config::RangeHandling::Auto: return length && *length <= kFilledByDefaultBytes;
    case config::RangeHandling::Pass:
    case config::RangeHandling::Slice: return false; // what is not for slices is passed
    }
    return false;
}

bool is_within_reach(std::span<const http::ByteSpan> spans, const ArrivingContent& content) noexcept {
    const bool is_far = std::any_of(spans.begin(), spans.end(), [&](const http::ByteSpan& span) {
        return span.first > content.arrived && span.first - content.arrived > kFillAheadBytes;
    });
    const auto goes_back = [](const http::ByteSpan& one, const http::ByteSpan& next) { return next.first <= one.last; };
    return !is_far && (content.kept || std::adjacent_find(spans.begin(), spans.end(), goes_back) == spans.end());
}

bool is_within_reach(const http::RequestHead& request, const StoredHead& answer, const ArrivingContent& content,
                     WallTime now, bool immutable) {
    return is_within_reach(assemble(request, answer, content.length, now, 0, immutable).spans, content);
}

} // namespace gatehouse::cache::policy
