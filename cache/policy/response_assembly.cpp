#include "cache/policy/response_assembly.h"

#include "cache/policy/head_lines.h"
#include "http/ascii.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/name_set.h"
#include "http/short_text.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace gatehouse::cache::policy {

namespace {

constexpr std::string_view kCrLf = "\r\n";

std::optional<std::string_view> unless_empty(std::string_view value) noexcept {
    return value.empty() ? std::nullopt : std::optional(value);
}

// Metadata of the representation that a client which has it needs no second time. Content-Location is not among them:
// a 304 sends what a 200 would have sent of Content-Location, Date, ETag and Vary. RFC 9110 section 15.4.5
bool is_representation_metadata(std::string_view name) noexcept {
    static constexpr http::NameSet kNames{"Content-Type",   "Content-Encoding", "Content-Language",
                                          "Content-Range",  "Content-MD5",      "Content-Disposition",
                                          "Content-Digest", "Repr-Digest",      "Digest"};
    return kNames.contains(name);
}

// A 416 speaks of the request, not of the representation: neither its validators nor its lifetime belong to it, or a
// cache behind this one could keep the error in the place of the representation.
bool belongs_to_representation(std::string_view name) noexcept {
    static constexpr http::NameSet kNames{"ETag", "Last-Modified", "Expires", "Content-Location", "Surrogate-Control"};
    constexpr std::string_view kSuffix = "Cache-Control"; // and the targeted fields: RFC 9213 section 2.4
    const bool is_cache_control =
        name.size() >= kSuffix.size() && http::iequals(name.substr(name.size() - kSuffix.size()), kSuffix);
    return is_cache_control || is_representation_metadata(name) || kNames.contains(name);
}

// Whether a stored line is sent with this kind of answer.
// Digests of the content of the message that they came in, which is not the content of a part. RFC 9530 section 2
bool is_about_content(std::string_view name) noexcept {
    return http::iequals(name, "Content-Digest") || http::iequals(name, "Content-MD5");
}

bool is_sent(std::string_view name, Assembly::Kind kind, bool has_etag) noexcept {
    switch (kind) {
    case Assembly::Kind::Whole: return true;
    case Assembly::Kind::NotModified:
        // Last-Modified helps a cache to select what to update only where there is no ETag. RFC 9110 section 15.4.5
        return !is_representation_metadata(name) && !(has_etag && http::iequals(name, "Last-Modified"));
    case Assembly::Kind::SinglePart: return !http::iequals(name, "Content-Range") && !is_about_content(name);
    case Assembly::Kind::MultiPart:
        // No Content-Range in the head of a multipart answer; each part has its own. RFC 9110 section 15.3.7.2
        return !http::iequals(name, "Content-Range") && !http::iequals(name, "Content-Type") && !is_about_content(name);
    case Assembly::Kind::Unsatisfiable: return !belongs_to_representation(name);
    }
    return true;
}

void append_status_line(std::string& out, int status) {
    if (status == 200) {
        out += "HTTP/1.1 200 OK\r\n";
        return;
    }
    http::ShortText<64> line; // the longest phrase has 31 characters
    (line << "HTTP/1.1 ").number(status) << " " << http::reason_phrase(status) << "\r\n";
    out += line.view();
}

// DEVIATION: RFC 9111 section 4.3.2 compares If-Modified-Since with Last-Modified, or with Date where there is none.
// What an operator calls immutable has not been modified since any date.
bool is_not_modified(const http::Fields& request, const StoredHead& stored, WallTime now, bool immutable) {
    if (immutable && stored.last_modified.empty() && !request.contains("If-None-Match")) {
        const auto since = request.first("If-Modified-Since");
        return since && request.count("If-Modified-Since") == 1 && http::parse_http_date(*since, now);
    }
    return http::evaluate_preconditions(request, validators_of(stored), now) == http::PreconditionResult::NotModified;
}

Assembly select_spans(const http::RequestHead& request, const StoredHead& stored, std::uint64_t complete_length,
                      WallTime now, std::uint64_t boundary_seed) {
    const auto range = request.fields.first("Range");
    // Several lines make no valid Range, and If-Range that fails makes it ignored. RFC 9110 section 14.2
    if (!range || request.fields.count("Range") != 1 ||
        !http::if_range_allows(request.fields, range_validators_of(stored), now)) {
        return {};
    }
    http::RangeSelection selection = http::select_ranges(*range, complete_length);
    Assembly assembly;
    switch (selection.kind) {
    case http::RangeSelection::Kind::Whole: return assembly;
    case http::RangeSelection::Kind::Unsatisfiable:
        assembly.kind = Assembly::Kind::Unsatisfiable;
        assembly.status = 416;
        return assembly;
    case http::RangeSelection::Kind::Parts: break;
    }
    assembly.status = 206;
    assembly.spans = std::move(selection.spans);
    // One range is answered without multipart, also where it is what is left of several. RFC 9110 section 15.3.7.2
    assembly.kind = assembly.spans.size() == 1 ? Assembly::Kind::SinglePart : Assembly::Kind::MultiPart;
    if (assembly.kind == Assembly::Kind::MultiPart) {
        assembly.boundary = boundary_text(boundary_seed);
    }
    return assembly;
}

bool is_content_type(std::string_view name) noexcept { return http::iequals(name, "Content-Type"); }

// Which of the names that rules put into a head do not belong to this kind of answer; null: all belong.
SkipName skipped_names(Assembly::Kind kind) noexcept {
    switch (kind) {
    case Assembly::Kind::NotModified: return is_representation_metadata;
    case Assembly::Kind::MultiPart: return is_content_type;
    case Assembly::Kind::Unsatisfiable: return belongs_to_representation;
    case Assembly::Kind::Whole:
    case Assembly::Kind::SinglePart: break;
    }
    return nullptr;
}

} // namespace

std::string boundary_text(std::uint64_t seed) {
    std::string text = "0000000000000000";
    std::array<char, 16> digits;
    const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), seed, 16);
    const auto size = static_cast<std::size_t>(written.ptr - digits.data());
    return text.replace(text.size() - size, size, digits.data(), size);
}

http::Validators validators_of(const StoredHead& stored) noexcept {
    return {unless_empty(stored.etag), unless_empty(stored.last_modified), unless_empty(stored.date)};
}

http::Validators range_validators_of(const StoredHead& stored) noexcept {
    http::Validators validators = validators_of(stored);
    // If-Range is a strong comparison. RFC 9110 section 13.1.5
    if (stored.etag_weakened) {
        validators.etag.reset();
    }
    return validators;
}

// Preconditions come before Range. RFC 9110 section 13.2.2
Assembly assemble(const http::RequestHead& request, const StoredHead& stored,
                  std::optional<std::uint64_t> complete_length, WallTime now, std::uint64_t boundary_seed,
                  bool immutable) {
    Assembly whole;
    whole.status = stored.facts.status;
    const http::Method method = request.method_kind();
    const bool is_get = method == http::Method::Get;
    // A precondition is evaluated only where the answer without it would be a success. RFC 9110 section 13.2.1
    const bool is_complete = stored.facts.status == 200;
    if ((!is_complete && stored.facts.status != 206) || (!is_get && method != http::Method::Head)) {
        return whole;
    }
    // A cache answers If-None-Match and If-Modified-Since from what it has stored. RFC 9111 section 4.3.2
    if (http::has_cache_precondition(request.fields) && is_not_modified(request.fields, stored, now, immutable)) {
        whole.kind = Assembly::Kind::NotModified;
        whole.status = 304;
        return whole;
    }
    // Range is defined for GET only. RFC 9110 section 14.2
    if (is_get && is_complete && complete_length && request.fields.contains("Range")) {
        return select_spans(request, stored, *complete_length, now, boundary_seed);
    }
    return whole;
}

void shape(Assembly& assembly, std::optional<ClientHead>& client, const ClientHeadFacts& facts) {
    const bool is_error = assembly.kind == Assembly::Kind::Unsatisfiable || facts.error_lines != nullptr;
    assembly.client = &client.emplace(facts, is_error ? assembly.status : facts.stored.facts.status);
}

std::span<const std::string> withheld_fields(const config::CachePolicy& policy) noexcept {
    if (!policy.withhold_targeted_cache_control) {
        return {};
    }
    return policy.targeted_cache_control;
}

void append_head(std::string& out, const Assembly& assembly, const StoredHead& stored,
                 std::optional<std::uint64_t> complete_length) {
    append_status_line(out, assembly.status);
    const ClientHead* client = assembly.client;
    if (assembly.kind == Assembly::Kind::Whole && assembly.withheld.empty() && client == nullptr) {
        out += stored.field_lines;
        return;
    }
    const auto is_withheld = [&](std::string_view name) {
        return std::any_of(assembly.withheld.begin(), assembly.withheld.end(),
                           [&](const std::string& withheld) { return http::iequals(withheld, name); });
    };
    for_each_line(stored.field_lines, [&](std::string_view name, std::string_view line) {
        if (is_sent(name, assembly.kind, !stored.etag.empty()) && !is_withheld(name) &&
            (client == nullptr || !client->drops(name))) {
            out += line;
        }
    });
    if (client != nullptr) {
        client->append(out, stored, skipped_names(assembly.kind));
    }
    const std::uint64_t length = complete_length.value_or(0);
    if (assembly.kind == Assembly::Kind::SinglePart) {
        // A single part says in Content-Range which one it is. RFC 9110 section 15.3.7.1
        append_line(out, "Content-Range", http::content_range(assembly.spans.front(), length));
    } else if (assembly.kind == Assembly::Kind::MultiPart) {
        // Several parts come as multipart/byteranges. RFC 9110 section 15.3.7.2
        append_line(out, "Content-Type", "multipart/byteranges; boundary=" + assembly.boundary);
    } else if (assembly.kind == Assembly::Kind::Unsatisfiable) {
        // A 416 says how long the representation is. RFC 9110 section 15.5.17
        append_line(out, "Content-Range", http::content_range_unsatisfied(length));
    }
}

// Each part has the Content-Type that the whole would have, and its Content-Range. RFC 9110 section 15.3.7.2
std::string multipart_part_head(const Assembly& assembly, std::size_t index, const StoredHead& stored,
                                std::uint64_t complete_length) {
    std::string head(index == 0 ? "--" : "\r\n--");
    head.append(assembly.boundary).append(kCrLf);
    const std::string_view type = first_value(stored.field_lines, "Content-Type");
    if (!type.empty()) {
        append_line(head, "Content-Type", type);
    }
    append_line(head, "Content-Range", http::content_range(assembly.spans[index], complete_length));
    head += kCrLf;
    return head;
}

std::string multipart_end(const Assembly& assembly) { return "\r\n--" + assembly.boundary + "--\r\n"; }

std::uint64_t content_length(const Assembly& assembly, const StoredHead& stored, std::uint64_t complete_length) {
    switch (assembly.kind) {
    case Assembly::Kind::Whole: return complete_length;
    case Assembly::Kind::SinglePart: return assembly.spans.front().size();
    case Assembly::Kind::NotModified:
    case Assembly::Kind::Unsatisfiable: return 0;
    case Assembly::Kind::MultiPart: break;
    }
    std::uint64_t length = multipart_end(assembly).size();
    for (std::size_t i = 0; i < assembly.spans.size(); ++i) {
        length += multipart_part_head(assembly, i, stored, complete_length).size() + assembly.spans[i].size();
    }
    return length;
}

} // namespace gatehouse::cache::policy
