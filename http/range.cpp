#include "http/range.h"

#include "http/ascii.h"
#include "http/list_parser.h"

#include <algorithm>
#include <limits>

namespace gatehouse::http {

namespace {

// Range units are compared without case. RFC 9110 section 14.1
bool strip_unit(std::string_view& text, char separator) noexcept {
    constexpr std::string_view kUnit = "bytes";
    if (text.size() <= kUnit.size() || !iequals(text.substr(0, kUnit.size()), kUnit) ||
        text[kUnit.size()] != separator) {
        return false;
    }
    text.remove_prefix(kUnit.size() + 1);
    return true;
}

enum class SpecKind : std::uint8_t { Malformed, Unsatisfiable, Satisfiable };

struct Spec {
    SpecKind kind = SpecKind::Malformed;
    ByteSpan span;
};

// "-5": the last five bytes.
Spec suffix_spec(std::string_view length, std::uint64_t complete_length) noexcept {
    const auto suffix = parse_digits(length);
    if (!suffix) {
        return {};
    }
    // A suffix of no bytes selects nothing. RFC 9110 section 14.1.2
    if (*suffix == 0 || complete_length == 0) {
        return {SpecKind::Unsatisfiable, {}};
    }
    // A suffix longer than the representation selects all of it. RFC 9110 section 14.1.2
    return {SpecKind::Satisfiable, {complete_length - std::min(*suffix, complete_length), complete_length - 1}};
}

// "0-4", "5-" or "-5". Numbers too large to hold saturate, which is as far beyond the end as any other.
Spec parse_spec(std::string_view text, std::uint64_t complete_length) noexcept {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) {
        return {};
    }
    if (dash == 0) {
        return suffix_spec(text.substr(1), complete_length);
    }
    const auto first = parse_digits(text.substr(0, dash));
    const std::string_view last_text = text.substr(dash + 1);
    const auto last = last_text.empty() ? std::numeric_limits<std::uint64_t>::max() : parse_digits(last_text);
    // A last position before the first makes the range invalid. RFC 9110 section 14.1.1
    if (!first || !last || *last < *first) {
        return {};
    }
    // A range that begins behind the end cannot be satisfied. RFC 9110 section 14.1.2
    if (*first >= complete_length) {
        return {SpecKind::Unsatisfiable, {}};
    }
    // A last position behind the end means the end. RFC 9110 section 14.1.2
    return {SpecKind::Satisfiable, {*first, std::min(*last, complete_length - 1)}};
}

} // namespace

RangeSelection select_ranges(std::string_view range, std::uint64_t complete_length) {
    const RangeSelection whole;
    // A unit that is not understood, or a malformed set, is ignored. RFC 9110 section 14.2
    if (!strip_unit(range, '=')) {
        return whole;
    }
    RangeSelection selection;
    std::size_t specs = 0;
    std::uint64_t selected_bytes = 0;
    bool asks_for_more_than_all = false;
    bool has_suffix = false;
    for (std::string_view member; next_member(range, member);) {
        const Spec spec = parse_spec(member, complete_length);
        if (spec.kind == SpecKind::Malformed || ++specs > kMaxRanges) {
            return whole;
        }
        if (spec.kind == SpecKind::Unsatisfiable) {
            has_suffix = has_suffix || (member.front() == '-' && member.find_first_not_of("-0") != member.npos);
            continue;
        }
        if (spec.span.size() > complete_length - selected_bytes) {
            asks_for_more_than_all = true; // the rest is still read: it may be malformed, which is whole as well
            continue;
        }
        selected_bytes += spec.span.size();
        selection.spans.push_back(spec.span);
    }
    // A non-empty suffix of an empty representation is satisfiable (RFC 9110 section 14.1.2), but no Content-Range can
    // say so: the answer is the whole, which is empty.
    if (specs == 0 || asks_for_more_than_all || has_suffix) {
        return whole;
    }
    selection.kind = selection.spans.empty() ? RangeSelection::Kind::Unsatisfiable : RangeSelection::Kind::Parts;
    return selection;
}

std::string content_range(const ByteSpan& span, std::uint64_t complete_length) {
    std::string text = "bytes ";
    text += std::to_string(span.first);
    text += '-';
    text += std::to_string(span.last);
    text += '/';
    text += std::to_string(complete_length);
    return text;
}

std::string content_range_unsatisfied(std::uint64_t complete_length) {
    return "bytes */" + std::to_string(complete_length);
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
    constexpr std::uint64_t kTooLarge = std::numeric_limits<std::uint64_t>::max();
    if (!strip_unit(text, ' ')) {
        return std::nullopt;
    }
    const std::size_t dash = text.find('-');
    const std::size_t slash = text.find('/');
    if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) {
        return std::nullopt;
    }
    const auto first = parse_digits(text.substr(0, dash));
    const auto last = parse_digits(text.substr(dash + 1, slash - dash - 1));
    // A last position before the first makes the field invalid. RFC 9110 section 14.4
    if (!first || !last || *last < *first || *last == kTooLarge) {
        return std::nullopt;
    }
    const std::string_view length_text = text.substr(slash + 1);
    if (length_text == "*") {
        return ContentRange{{*first, *last}, std::nullopt};
    }
    const auto complete_length = parse_digits(length_text);
    // A complete length not larger than the last position makes the field invalid. RFC 9110 section 14.4
    if (!complete_length || *complete_length <= *last || *complete_length == kTooLarge) {
        return std::nullopt;
    }
    return ContentRange{{*first, *last}, complete_length};
}

} // namespace gatehouse::http
