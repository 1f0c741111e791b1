#include "cache/policy/stored_head.h"

#include "cache/policy/cache_groups.h"
#include "http/ascii.h"
#include "http/cache_control.h"
#include "http/date.h"
#include "http/forwarding.h"
#include "http/name_set.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>

namespace gatehouse::cache::policy {

namespace {

constexpr std::string_view kPseudonym = "gatehouse"; // in Via

// Part of the block behind the prefix.
struct Slice {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
};

struct StoredHeadPrefix {
    ResponseFacts facts;
    Slice field_lines;
    Slice etag;
    Slice last_modified;
    Slice date;
    Slice vary_names;
    Slice vary_values;
    Slice groups;
};
static_assert(std::is_trivially_copyable_v<StoredHeadPrefix> && std::is_standard_layout_v<StoredHeadPrefix>);
static_assert(offsetof(StoredHeadPrefix, facts) == 0);

Slice slice_of(std::size_t at, std::size_t size) noexcept {
    return {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size)};
}

// Where the value of the first line of that name lies in the serialised lines, which the block begins with.
Slice value_slice(const http::Fields& lines, std::string_view name) noexcept {
    const auto value = lines.first(name);
    if (!value) {
        return {};
    }
    return slice_of(static_cast<std::size_t>(value->data() - lines.serialised().data()), value->size());
}

struct ExcludedNames {
    std::vector<std::string> no_cache;
    std::vector<std::string> is_private;

    bool contains(std::string_view name) const noexcept {
        const auto same = [&](const std::string& excluded) { return http::iequals(excluded, name); };
        return std::any_of(no_cache.begin(), no_cache.end(), same) ||
               std::any_of(is_private.begin(), is_private.end(), same);
    }
    bool empty() const noexcept { return no_cache.empty() && is_private.empty(); }
};

// no-cache with names: those fields are not sent from the store without validation. RFC 9111 section 5.2.2.4
// private with names: a shared cache stores everything but those fields. RFC 9111 section 5.2.2.7
ExcludedNames excluded_names(const http::Fields& response) {
    http::ResponseCacheControl control = http::parse_response_cache_control(response);
    return {std::move(control.no_cache_fields), std::move(control.private_fields)};
}

http::Fields end_to_end_fields(const http::ResponseHead& response, WallTime response_time) {
    constexpr std::size_t kBytesOfOurs = 128; // Via and Date
    http::Fields fields;
    fields.reserve(response.fields.serialised().size() + kBytesOfOurs, response.fields.size() + 2);
    // X-Cache says what we did. What a cache before us said of itself in it would stand beside it unattributed, unlike in
    // Cache-Status, where each member names its cache. Content-Length is written anew.
    static constexpr http::NameSet kOurs{"X-Cache", "Content-Length"};
    // Fields that are for one connection only, and those of proxy authentication, are not stored.
    // RFC 9111 section 3.1
    fields.append_if(response.fields, [](const http::Fields::Line& line) {
        return !kOurs.contains(line.name) && !http::is_hop_by_hop(line.name);
    });
    http::remove_connection_named(fields, response.fields);
    http::append_via(fields, response.version, kPseudonym);
    ensure_date(fields, response_time);
    return fields;
}

} // namespace

std::string encode_stored_head(const ResponseFacts& facts, const http::Fields& lines, std::string_view vary_names,
                               std::string_view vary_values) {
    const std::string_view text = lines.serialised();
    const std::string groups = stored_groups(lines);
    StoredHeadPrefix prefix;
    std::memset(static_cast<void*>(&prefix), 0, sizeof prefix); // no indeterminate padding in a stored block
    prefix.facts = facts;
    prefix.field_lines = slice_of(0, text.size());
    prefix.etag = value_slice(lines, "ETag");
    prefix.last_modified = value_slice(lines, "Last-Modified");
    prefix.date = value_slice(lines, "Date");
    prefix.vary_names = slice_of(text.size(), vary_names.size());
    prefix.vary_values = slice_of(text.size() + vary_names.size(), vary_values.size());
    prefix.groups = slice_of(text.size() + vary_names.size() + vary_values.size(), groups.size());

    std::string block;
    block.reserve(sizeof prefix + text.size() + vary_names.size() + vary_values.size() + groups.size());
    block.resize(sizeof prefix);
    std::memcpy(block.data(), &prefix, sizeof prefix);
    block.append(text).append(vary_names).append(vary_values).append(groups);
    return block;
}

StoredHead view_stored_head(std::string_view bytes) noexcept {
    // Copied out, because the block need not be aligned, and each part to where it stays.
    StoredHead head;
    std::memcpy(static_cast<void*>(&head.facts), bytes.data(), sizeof head.facts);
    const char* const rest = bytes.data() + sizeof(StoredHeadPrefix);
    const auto part = [&](std::size_t place) {
        Slice slice;
        std::memcpy(&slice, bytes.data() + place, sizeof slice);
        return std::string_view(rest + slice.at, slice.size);
    };
    head.field_lines = part(offsetof(StoredHeadPrefix, field_lines));
    head.etag = part(offsetof(StoredHeadPrefix, etag));
    head.last_modified = part(offsetof(StoredHeadPrefix, last_modified));
    head.date = part(offsetof(StoredHeadPrefix, date));
    head.vary_names = part(offsetof(StoredHeadPrefix, vary_names));
    head.vary_values = part(offsetof(StoredHeadPrefix, vary_values));
    head.groups = part(offsetof(StoredHeadPrefix, groups));
    return head;
}

std::optional<StoredHead> read_stored_head(std::string_view bytes) noexcept {
    StoredHeadPrefix prefix;
    if (bytes.size() < sizeof prefix) {
        return std::nullopt;
    }
    std::memcpy(static_cast<void*>(&prefix), bytes.data(), sizeof prefix);
    const std::size_t rest = bytes.size() - sizeof prefix;
    for (const Slice& slice : {prefix.field_lines, prefix.etag, prefix.last_modified, prefix.date, prefix.vary_names,
                               prefix.vary_values, prefix.groups}) {
        if (slice.at > rest || slice.size > rest - slice.at) {
            return std::nullopt;
        }
    }
    return view_stored_head(bytes);
}

http::Fields fields_to_store(const http::ResponseHead& response, WallTime response_time, http::Fields* left_out) {
    http::Fields fields = end_to_end_fields(response, response_time);
    fields.remove("Age");
    remove_excluded_fields(fields, left_out);
    ensure_date(fields, response_time); // also when Date itself was named
    return fields;
}

http::Fields with_left_out(const http::Fields& stored, const http::Fields& left_out) {
    http::Fields fields = stored;
    // A stored line of such a name can only be a Date that stands in for the one that is left out.
    fields.remove_if([&](const http::Fields::Line& line) { return left_out.contains(line.name); });
    for (const auto line : left_out) {
        fields.add(line.name, line.value);
    }
    return fields;
}

http::Fields fields_to_forward(const http::ResponseHead& response, WallTime response_time) {
    return end_to_end_fields(response, response_time);
}

bool is_excluded_from_storage(const http::Fields& response, std::string_view name) {
    return excluded_names(response).contains(name);
}

void remove_excluded_fields(http::Fields& response, http::Fields* removed) {
    const ExcludedNames names = excluded_names(response);
    if (names.empty()) {
        return;
    }
    for (const auto line : response) {
        if (removed != nullptr && names.contains(line.name)) {
            removed->add(line.name, line.value);
        }
    }
    response.remove_if([&](const http::Fields::Line& line) { return names.contains(line.name); });
}

// A recipient with a clock adds Date to a response without one before it is stored or forwarded, and may replace an
// invalid one. RFC 9110 section 6.6.1
void ensure_date(http::Fields& response, WallTime received) {
    const auto date = response.first("Date");
    if (!date || !http::parse_http_date(*date, received)) {
        response.set("Date", http::format_http_date(received));
    }
}

} // namespace gatehouse::cache::policy
