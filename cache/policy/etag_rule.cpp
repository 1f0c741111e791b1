#include "cache/policy/etag_rule.h"

#include "http/ascii.h"
#include "http/entity_tag.h"

#include <array>
#include <charconv>

namespace gatehouse::cache::policy {

namespace {

void append_hex(std::string& out, std::uint64_t number, std::size_t digits) {
    std::array<char, 16> text;
    const auto written = std::to_chars(text.data(), text.data() + text.size(), number, 16);
    const auto size = static_cast<std::size_t>(written.ptr - text.data());
    out.append(digits > size ? digits - size : 0, '0').append(text.data(), size);
}

// The codings as part of a tag: "gzip", "gzip+br".
void append_coding(std::string& out, std::string_view content_encoding) {
    for (const char c : content_encoding) {
        if (http::is_token_char(c)) {
            out.push_back(http::to_lower(c));
        } else if (c == ',') {
            out.push_back('+');
        }
    }
}

} // namespace

bool lacks_entity_tag(int status, const http::Fields& response) noexcept {
    const auto etag = response.first("ETag");
    return status == 200 && (!etag || !http::parse_entity_tag(*etag));
}

// A strong validator changes whenever the content does, and is another one for another coding of it.
// RFC 9110 section 8.8.1, RFC 9110 section 8.8.3.3
std::string generated_tag(const ContentDigest& digest, std::string_view content_encoding) {
    std::string tag = "\"";
    append_hex(tag, digest.size, 1);
    tag.push_back('-');
    append_hex(tag, digest.high, 16);
    append_hex(tag, digest.low, 16);
    if (!content_encoding.empty()) {
        tag.push_back('-');
        append_coding(tag, content_encoding);
    }
    return tag.append("\"");
}

void put_generated_tag(const ContentDigest& digest, http::Fields& lines, ResponseFacts& facts) {
    lines.set("ETag", generated_tag(digest, lines.combined("Content-Encoding")));
    facts.etag_generated = true;
}

std::string with_generated_tag(const ContentDigest& digest, std::string_view stored_head) {
    const StoredHead head = view_stored_head(stored_head);
    ResponseFacts facts = head.facts;
    http::Fields lines = head.fields();
    put_generated_tag(digest, lines, facts);
    return encode_stored_head(facts, lines, head.vary_names, head.vary_values);
}

StoredHead under_etag_rule(const StoredHead& stored, config::EtagRule rule) noexcept {
    StoredHead seen = stored;
    if (rule == config::EtagRule::Remove) {
        seen.etag = {};
    } else if (rule == config::EtagRule::Weaken) {
        seen.etag_weakened = true;
        // What is no entity tag cannot be weakened: nobody could compare it.
        if (!http::parse_entity_tag(stored.etag)) {
            seen.etag = {};
        }
    }
    return seen;
}

} // namespace gatehouse::cache::policy
