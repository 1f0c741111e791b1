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
    case config::RangeHandling::Pass: return false;
    }
    return false;
}

bool is_in_order(std::span<const http::ByteSpan> spans) noexcept {
    return std::adjacent_find(spans.begin(), spans.end(), [](const http::ByteSpan& one, const http::ByteSpan& next) {
               return next.first <= one.last;
           }) == spans.end();
}

bool is_within_reach(const http::RequestHead& request, const StoredHead& answer, const ArrivingContent& content,
                     WallTime now, bool immutable) {
    const Assembly assembly = assemble(request, answer, content.length, now, 0, immutable);
    const bool is_far = std::any_of(assembly.spans.begin(), assembly.spans.end(), [&](const http::ByteSpan& span) {
        return span.first > content.arrived && span.first - content.arrived > kFillAheadBytes;
    });
    return !is_far && (content.kept || is_in_order(assembly.spans));
}

} // namespace gatehouse::cache::policy
