#include "cache/policy/partial.h"

#include "http/conditional.h"
#include "http/date.h"
#include "http/entity_tag.h"

#include <algorithm>

namespace gatehouse::cache::policy {

namespace {

constexpr int kOk = 200;
constexpr int kPartialContent = 206;

std::optional<http::EntityTag> etag_of(const http::Validators& validators) noexcept {
    return validators.etag ? http::parse_entity_tag(*validators.etag) : std::nullopt;
}

// Last-Modified is a strong validator when the response was generated at least one second later.
// RFC 9110 section 8.8.2.2
std::optional<WallTime> strong_date_of(const http::Validators& validators, WallTime now) {
    if (!validators.last_modified || !validators.date) {
        return std::nullopt;
    }
    const auto generated = http::parse_http_date(*validators.date, now);
    const auto modified = http::parse_http_date(*validators.last_modified, now);
    const bool is_strong = generated && modified && *generated - *modified >= std::chrono::seconds(1);
    return is_strong ? modified : std::nullopt;
}

// "bytes=-5": counted from the end.
bool is_suffix(std::string_view range) noexcept {
    const std::size_t at = range.find('=');
    return at != range.npos &&
           range.substr(std::min(range.find_first_not_of(" \t", at + 1), range.size())).starts_with('-');
}

struct HeldBytes {
    http::ByteSpan span;             // what is sent
    std::uint64_t content_first = 0; // the position of the first stored byte, as far as this span is concerned
};

// DEVIATION: RFC 9111 section 3.3 lets a part answer what lies wholly within it, and says nothing of one whose
// Content-Range counts more bytes than its content has: an origin that names the end one too high. The origin's word is
// taken for where the part begins and ends: a suffix is counted from the end of the content, everything else from its
// beginning, and no byte is sent that is not there. A part that counts right gives the same either way.
std::optional<HeldBytes> held_bytes(const http::ByteSpan& wanted, bool suffix, const ContentPart& part,
                                    std::uint64_t stored_bytes) noexcept {
    if (wanted.first < part.span.first || wanted.last > part.span.last) {
        return std::nullopt;
    }
    if (suffix) {
        if (wanted.size() > stored_bytes) {
            return std::nullopt;
        }
        return HeldBytes{wanted, part.span.last + 1 - stored_bytes};
    }
    const bool to_the_end = wanted.last + 1 == part.complete_length;
    const std::uint64_t held_last = part.span.first + stored_bytes - 1;
    if (wanted.first > held_last || (wanted.last > held_last && !to_the_end)) {
        return std::nullopt;
    }
    return HeldBytes{{wanted.first, std::min(wanted.last, held_last)}, part.span.first};
}

bool is_exact(const ContentPart& part, std::uint64_t stored_bytes) noexcept { return stored_bytes == part.span.size(); }

// What a selection of ranges gets of a part, as an answer without conditions; nullopt: not this part's to answer.
std::optional<Assembly> cut(http::RangeSelection selection, bool suffix, const ContentPart& part,
                            std::uint64_t stored_bytes) {
    Assembly assembly;
    if (selection.kind == http::RangeSelection::Kind::Unsatisfiable) {
        // The part names the complete length: a range behind it is unsatisfiable. RFC 9110 section 15.5.17
        assembly.kind = Assembly::Kind::Unsatisfiable;
        assembly.status = 416;
        return assembly;
    }
    if (selection.spans.empty()) {
        return std::nullopt;
    }
    assembly.status = kPartialContent;
    // An incomplete response answers a request for a range that lies wholly within it, and no other.
    // RFC 9111 section 3.3
    if (selection.spans.size() == 1) {
        const auto held = held_bytes(selection.spans.front(), suffix, part, stored_bytes);
        if (!held) {
            return std::nullopt;
        }
        assembly.kind = Assembly::Kind::SinglePart;
        assembly.spans = {held->span};
        assembly.content_first = held->content_first;
        return assembly;
    }
    const bool holds_all = std::all_of(selection.spans.begin(), selection.spans.end(), [&](const http::ByteSpan& span) {
        return span.first >= part.span.first && span.last <= part.span.last;
    });
    if (!holds_all || !is_exact(part, stored_bytes)) {
        return std::nullopt;
    }
    assembly.kind = Assembly::Kind::MultiPart;
    assembly.spans = std::move(selection.spans);
    assembly.content_first = part.span.first;
    return assembly;
}

} // namespace

std::string_view strong_validator(const http::Validators& validators, WallTime now) {
    if (const auto etag = etag_of(validators)) {
        return etag->weak ? std::string_view() : *validators.etag;
    }
    return !validators.etag && strong_date_of(validators, now) ? *validators.last_modified : std::string_view();
}

std::string_view strong_validator(const StoredHead& stored) {
    return strong_validator(validators_of(stored), stored.facts.response_time);
}

std::optional<ContentPart> content_part(const http::ResponseHead& response) {
    const auto value = response.fields.first("Content-Range");
    // In several parts it stands in each of them, and not in the head. RFC 9110 section 15.3.7.2
    if (response.status != kPartialContent || !value || response.fields.count("Content-Range") != 1) {
        return std::nullopt;
    }
    // What is invalid, or of a unit that is not understood, is neither stored nor combined.
    // RFC 9110 section 14.4, RFC 9111 section 3.3
    const auto range = http::parse_content_range(*value);
    if (!range || !range->complete_length) {
        return std::nullopt;
    }
    return ContentPart{range->span, *range->complete_length};
}

std::optional<ContentPart> part_of(const StoredHead& stored) {
    if (stored.facts.status != kPartialContent) {
        return std::nullopt;
    }
    http::ResponseHead head;
    head.status = kPartialContent;
    head.fields = stored.fields();
    return content_part(head);
}

std::optional<Assembly> assemble_part(const http::RequestHead& request, const StoredHead& stored,
                                      std::uint64_t stored_bytes, WallTime now, std::uint64_t boundary_seed) {
    const auto part = part_of(stored);
    const auto range = request.fields.first("Range");
    if (!part || !range || request.fields.count("Range") != 1 || stored_bytes == 0 ||
        !http::if_range_allows(request.fields, range_validators_of(stored), now)) {
        return std::nullopt;
    }
    auto answer = cut(http::select_ranges(*range, part->complete_length), is_suffix(*range), *part, stored_bytes);
    if (!answer) {
        return std::nullopt;
    }
    // The conditions of a request that a stored 206 can satisfy are evaluated first. RFC 9111 section 4.3.2
    Assembly conditional = assemble(request, stored, std::nullopt, now, 0);
    if (conditional.kind == Assembly::Kind::NotModified) {
        return conditional;
    }
    if (answer->kind == Assembly::Kind::MultiPart) {
        answer->boundary = boundary_text(boundary_seed);
    }
    return answer;
}

Assembly assemble_stored(const http::RequestHead& request, const StoredHead& stored, std::uint64_t stored_bytes,
                         WallTime now, std::uint64_t boundary_seed, bool immutable) {
    if (stored.facts.is_part) {
        if (auto assembly = assemble_part(request, stored, stored_bytes, now, boundary_seed)) {
            return *std::move(assembly);
        }
        // It was found for this Range; a 304 since then has changed what If-Range is compared with. All of a part is
        // still a right answer: it says which part it is (RFC 9110 section 15.3.7).
    }
    return assemble(request, stored, stored_bytes, now, boundary_seed, immutable);
}

PartPlace place_of(const StoredHead& stored, std::uint64_t stored_bytes, bool immutable) {
    const auto part = part_of(stored);
    // Without a strong validator the rest could not be combined with what is there. RFC 9111 section 3.4
    if (!part || !is_exact(*part, stored_bytes) || (strong_validator(stored).empty() && !immutable)) {
        return PartPlace::None;
    }
    const bool is_beginning = part->span.first == 0;
    const bool is_end = part->span.last + 1 == part->complete_length;
    if (is_beginning == is_end) { // everything: nothing is missing; or a middle, beside which two pieces are
        return PartPlace::None;
    }
    return is_beginning ? PartPlace::Beginning : PartPlace::End;
}

ContentPart missing_between(const StoredHead* beginning, const StoredHead* end) {
    ContentPart missing;
    if (beginning != nullptr) {
        const auto part = part_of(*beginning);
        missing = {{part->span.last + 1, part->complete_length - 1}, part->complete_length};
    }
    if (end != nullptr) {
        const auto part = part_of(*end);
        missing.span.last = part->span.first - 1;
        missing.complete_length = part->complete_length;
    }
    return missing;
}

Completion completion_of(const StoredHead* beginning, const StoredHead* end) {
    const ContentPart missing = missing_between(beginning, end);
    Completion completion;
    completion.range = "bytes=" + std::to_string(missing.span.first) + "-";
    if (end != nullptr) {
        completion.range += std::to_string(missing.span.last);
    }
    completion.if_range = strong_validator(beginning != nullptr ? *beginning : *end);
    return completion;
}

std::optional<Rest> rest_of(const StoredHead& stored, std::uint64_t stored_bytes, std::uint64_t first,
                            std::uint64_t bytes) {
    const auto part = part_of(stored);
    const std::string_view validator = strong_validator(stored);
    if (validator.empty() || stored.facts.etag_generated || bytes == 0 || (!part && stored.facts.status != kOk)) {
        return std::nullopt;
    }
    Rest rest;
    const std::uint64_t begin = (part ? part->span.first : 0) + first;
    rest.part = {{begin, begin + bytes - 1}, part ? part->complete_length : stored_bytes};
    rest.completion.range = "bytes=" + std::to_string(rest.part.span.first) + "-" + std::to_string(rest.part.span.last);
    rest.completion.if_range = validator;
    return rest;
}

bool is_rest(const StoredHead& answer, const Rest& rest) {
    const auto part = part_of(answer);
    return part && part->span.first == rest.part.span.first && part->span.last >= rest.part.span.last &&
           part->complete_length == rest.part.complete_length && strong_validator(answer) == rest.completion.if_range;
}

// DEVIATION: RFC 9111 section 3.4 lets nothing be combined without a strong validator; an operator who says `immutable`
// vouches for the content instead.
bool same_representation(const http::Validators& a, const http::Validators& b, bool immutable, WallTime now) {
    if (a.etag || b.etag) {
        const auto tag_a = etag_of(a);
        const auto tag_b = etag_of(b);
        return tag_a && tag_b && http::strong_match(*tag_a, *tag_b);
    }
    if (a.last_modified || b.last_modified) {
        const auto date_a = strong_date_of(a, now);
        const auto date_b = strong_date_of(b, now);
        return date_a && date_b && *date_a == *date_b;
    }
    return immutable;
}

http::Validators validators_of(const http::Fields& response) noexcept {
    return {response.first("ETag"), response.first("Last-Modified"), response.first("Date")};
}

CombinedHead combined_head(const StoredHead& stored, const ResponseFacts& newer_facts, const http::Fields& newer_lines,
                           const std::optional<ContentPart>& part, const std::vector<std::string>& targeted_names) {
    http::ResponseHead combined;
    combined.status = part ? kPartialContent : 200;
    combined.fields = stored.fields();
    // Each field of the new response replaces the stored ones of that name, aside from Content-Range.
    // RFC 9110 section 15.3.7.3
    combined.fields.remove_if([&](const http::Fields::Line& line) { return newer_lines.contains(line.name); });
    for (const auto line : newer_lines) {
        combined.fields.add(line.name, line.value);
    }
    combined.fields.remove("Content-Range");
    // They speak of the content of one message. RFC 9530 section 2
    combined.fields.remove("Content-Digest");
    combined.fields.remove("Content-MD5");
    if (part) {
        combined.fields.add("Content-Range", http::content_range(part->span, part->complete_length));
    }
    remove_excluded_fields(combined.fields);
    ensure_date(combined.fields, newer_facts.response_time);

    // What the head says now, and what is known of the newer response and of both requests.
    RequestFacts request;
    request.authorization = newer_facts.request_authorization || stored.facts.request_authorization;
    request.cache_control.no_store = newer_facts.request_no_store;
    const bool cookie_unkeyed = newer_facts.request_cookie_unkeyed || stored.facts.request_cookie_unkeyed;
    ResponseFacts facts = response_facts(http::RequestHead(), request, cookie_unkeyed, combined,
                                         newer_facts.request_time, newer_facts.response_time, targeted_names);
    facts.age_seconds = newer_facts.age_seconds;
    facts.asker = newer_facts.asker;
    facts.dice = newer_facts.dice;
    return {facts, std::move(combined.fields)};
}

} // namespace gatehouse::cache::policy
