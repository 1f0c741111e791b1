#include "cache/policy/validation.h"

#include "http/ascii.h"
#include "http/date.h"
#include "http/entity_tag.h"
#include "http/forwarding.h"
#include "http/name_set.h"

#include <algorithm>

namespace gatehouse::cache::policy {

namespace {

constexpr std::string_view kPseudonym = "gatehouse"; // in Via

// The fields that the stored content depends upon: its length, its coding, its place in the whole, its digests. A 304
// brings no content, so that they would no longer be true of what is stored. RFC 9111 section 3.2
// DEVIATION: RFC 9111 section 3.2 names Content-Length and lets caches keep what they need for the integrity of what
// they stored; that is taken to include digests of the content. Content-Type is not among them: it is updated.
bool describes_content(std::string_view name) noexcept {
    static constexpr http::NameSet kNames{
        "Content-Length", "Content-Encoding", "Content-Range", "Content-MD5", "Content-Digest", "Repr-Digest", "Digest"};
    return kNames.contains(name);
}

std::optional<http::EntityTag> etag_of(std::optional<std::string_view> value) noexcept {
    return value ? http::parse_entity_tag(*value) : std::nullopt;
}

// Dates are compared as dates: a server may write the same one in another form.
std::optional<WallTime> date_of(std::optional<std::string_view> value, WallTime now) {
    return value ? http::parse_http_date(*value, now) : std::nullopt;
}

// The lines of the 304 that replace stored ones.
http::Fields replacements(const http::ResponseHead& not_modified) {
    http::Fields fields = not_modified.fields;
    // Fields that are not stored are not updated either. RFC 9111 section 3.2
    http::remove_hop_by_hop(fields);
    fields.remove_if(
        [](const http::Fields::Line& line) { return describes_content(line.name) || http::iequals(line.name, "Age"); });
    if (fields.contains("Via")) {
        http::append_via(fields, not_modified.version, kPseudonym);
    }
    return fields;
}

} // namespace

void remove_client_conditions(http::Fields& request, bool keep_range) {
    static constexpr http::NameSet kConditions{"If-None-Match", "If-Modified-Since", "If-Match",
                                               "If-Unmodified-Since"};
    static constexpr http::NameSet kRange{"Range", "If-Range"};
    request.remove_if([&](const http::Fields::Line& line) {
        return kConditions.contains(line.name) || (!keep_range && kRange.contains(line.name));
    });
}

bool add_validators(http::Fields& request, const StoredHead& stored) {
    // A tag of ours means nothing to the origin.
    const bool has_etag = !stored.facts.etag_generated && http::parse_entity_tag(stored.etag).has_value();
    // The entity tag of the stored response goes into If-None-Match. RFC 9111 section 4.3.1
    if (has_etag) {
        request.set("If-None-Match", stored.etag);
    }
    // Its Last-Modified goes, as it came, into If-Modified-Since. RFC 9111 section 4.3.1
    if (stored.facts.has_last_modified) {
        request.set("If-Modified-Since", stored.last_modified);
    }
    return has_etag || stored.facts.has_last_modified;
}

// Which stored response a 304 selects for update. RFC 9111 section 4.3.4
bool freshens(const http::ResponseHead& not_modified, const StoredHead& stored) {
    const auto new_etag = etag_of(not_modified.fields.first("ETag"));
    const auto stored_etag = http::parse_entity_tag(stored.etag);
    // A strong validator selects those with the same strong validator; with none, nothing is updated.
    // RFC 9111 section 4.3.4
    if (new_etag && !new_etag->weak) {
        return stored_etag && http::strong_match(*new_etag, *stored_etag);
    }
    // A weak validator selects the most recent response that has it. RFC 9111 section 4.3.4
    if (new_etag && stored_etag) {
        return http::weak_match(*new_etag, *stored_etag);
    }
    const WallTime now = stored.facts.response_time;
    if (const auto new_modified = date_of(not_modified.fields.first("Last-Modified"), now)) {
        return stored.facts.has_last_modified && *new_modified == stored.facts.last_modified;
    }
    // DEVIATION: without any validator RFC 9111 section 4.3.4 selects the only stored response if it has none either.
    // Here the request named exactly this one, and servers leave ETag out of a 304 although they must not.
    return !new_etag;
}

// A stored response is updated where the validators that were received, and Content-Length, match; else it is stale.
// RFC 9111 section 4.3.5
bool confirms(const http::ResponseHead& head_response, const StoredHead& stored, std::uint64_t complete_length) {
    const http::Fields& fields = head_response.fields;
    if (const auto value = fields.first("ETag")) {
        const auto received = http::parse_entity_tag(*value);
        const auto known = http::parse_entity_tag(stored.etag);
        // What is no tag was replaced by ours, and cannot be compared any more.
        const bool is_replaced = !received && stored.facts.etag_generated;
        if (!is_replaced && (received ? !known || !http::weak_match(*received, *known) : *value != stored.etag)) {
            return false;
        }
    }
    const WallTime now = stored.facts.response_time;
    if (const auto modified = date_of(fields.first("Last-Modified"), now)) {
        if (!stored.facts.has_last_modified || *modified != stored.facts.last_modified) {
            return false;
        }
    }
    const auto length = fields.first("Content-Length");
    return !length || http::parse_digits(*length) == complete_length;
}

http::Fields freshened_fields(const StoredHead& stored, const http::ResponseHead& not_modified,
                              http::Fields* left_out) {
    http::Fields fields = stored.fields();
    http::Fields updates = replacements(not_modified);
    if (stored.facts.etag_generated && !etag_of(updates.first("ETag"))) {
        updates.remove("ETag"); // none, or what is no tag: ours stays
    }
    // Each field of the 304 replaces the stored ones of that name. RFC 9111 section 3.2
    fields.remove_if([&](const http::Fields::Line& line) { return updates.contains(line.name); });
    // The stored Date tells when the answer before this one was generated; freshen() sets the new one.
    if (!date_of(updates.first("Date"), stored.facts.response_time)) {
        fields.remove("Date");
    }
    for (const auto line : updates) {
        fields.add(line.name, line.value);
    }
    // What the new no-cache="..." and private="..." name is not stored, wherever it came from.
    // RFC 9111 section 3.2
    remove_excluded_fields(fields, left_out);
    return fields;
}

FreshenedHead freshen(const StoredHead& stored, const http::ResponseHead& not_modified, const RequestFacts& request,
                      bool cookie_forwarded_unkeyed, WallTime request_time, WallTime response_time,
                      const std::vector<std::string>& targeted_names) {
    http::ResponseHead updated;
    updated.status = stored.facts.status;
    http::Fields left_out;
    updated.fields = freshened_fields(stored, not_modified, &left_out);
    ensure_date(updated.fields, response_time);
    // The age of the 304 is that of the information in it. RFC 9111 section 4.2.3
    if (const auto age = not_modified.fields.first("Age")) {
        updated.fields.set("Age", *age);
    }
    ResponseFacts facts = response_facts(http::RequestHead(), request, cookie_forwarded_unkeyed, updated, request_time,
                                         response_time, targeted_names);
    updated.fields.remove("Age");
    // A tag of ours stays ours, and is nothing to ask the origin with.
    facts.etag_generated = stored.facts.etag_generated && updated.fields.first("ETag") == stored.etag;
    facts.has_validator = facts.etag_generated ? facts.has_last_modified : facts.has_validator;
    // The content is still what the first request brought.
    facts.method_is_get = stored.facts.method_is_get;
    facts.request_authorization = facts.request_authorization || stored.facts.request_authorization;
    facts.request_cookie_unkeyed = facts.request_cookie_unkeyed || stored.facts.request_cookie_unkeyed;
    return {facts, std::move(updated.fields), std::move(left_out)};
}

} // namespace gatehouse::cache::policy
