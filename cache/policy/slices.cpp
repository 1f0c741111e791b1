#include "cache/policy/slices.h"

namespace gatehouse::cache::policy {

namespace {

// Stands for a length that is not known: far from any that is, and from the largest number.
constexpr std::uint64_t kUnknownLength = std::uint64_t{1} << 62;
// A position from here on was counted from the end, or is none that anybody means.
constexpr std::uint64_t kFarthest = kUnknownLength / 2;

} // namespace

http::ByteSpan span_of(const SliceOf& slice) noexcept {
    const std::uint64_t first = slice.index * slice.bytes;
    return {first, first + slice.bytes - 1};
}

std::string range_of(const SliceOf& slice) {
    const http::ByteSpan span = span_of(slice);
    return "bytes=" + std::to_string(span.first) + "-" + std::to_string(span.last);
}

std::optional<std::uint64_t> first_slice(const http::RequestHead& request, std::uint64_t slice_bytes,
                                         std::optional<std::uint64_t> length) {
    const auto range = request.fields.first("Range");
    if (!range || request.method_kind() != http::Method::Get) {
        return 0; // Range is defined for GET only. RFC 9110 section 14.2
    }
    if (request.fields.count("Range") != 1) {
        return std::nullopt;
    }
    const http::RangeSelection selection = http::select_ranges(*range, length.value_or(kUnknownLength));
    switch (selection.kind) {
    case http::RangeSelection::Kind::Whole: return std::nullopt;
    case http::RangeSelection::Kind::Unsatisfiable: return length ? std::optional<std::uint64_t>(0) : std::nullopt;
    case http::RangeSelection::Kind::Parts: break;
    }
    const std::uint64_t first = selection.spans.front().first;
    if (!length && (selection.spans.size() > 1 || first >= kFarthest)) {
        return std::nullopt;
    }
    return first / slice_bytes;
}

bool is_slice(const http::ResponseHead& response, const http::Framing& framing, const http::Fields& kept, WallTime now,
              const SliceOf& slice) {
    const auto part = content_part(response);
    // Without Content-Range, which private or no-cache may name, what is stored would not say which part it is.
    if (!part || !kept.contains("Content-Range")) {
        return false;
    }
    const http::ByteSpan wanted = span_of(slice);
    const bool is_last = part->span.last + 1 == part->complete_length;
    const bool ends_well = is_last ? part->span.last <= wanted.last : part->span.last == wanted.last;
    return part->span.first == wanted.first && ends_well && !strong_validator(validators_of(kept), now).empty() &&
           framing == http::Framing{http::Framing::Kind::Length, part->span.size()};
}

// An empty line, which no key has, comes between the key and the rest.
std::string slice_key(std::string_view key, const SliceOf& slice, std::string_view validator) {
    std::string out(key);
    out.append("\n\nslice ").append(std::to_string(slice.index)).append(" of ").append(std::to_string(slice.bytes));
    out.append(" ").append(validator);
    return out;
}

} // namespace gatehouse::cache::policy
