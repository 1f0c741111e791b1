#include "http/entity_tag.h"

#include "http/ascii.h"

namespace gatehouse::http {

namespace {

// What may stand between the quotes: visible characters but the quote, and bytes from 0x80. RFC 9110 section 8.8.3
constexpr bool is_etag_char(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

struct Scan {
    std::size_t size = 0; // how much of the text the tag, well-formed or not, takes up
    std::optional<EntityTag> tag;
};

// Reads one tag at the front of the text. A backslash is an ordinary character here: this is no quoted-string.
Scan scan_tag(std::string_view text) noexcept {
    const bool weak = text.starts_with("W/"); // with case. RFC 9110 section 8.8.3
    const std::size_t open = weak ? 2 : 0;
    if (open >= text.size() || text[open] != '"') {
        return {};
    }
    std::size_t close = open + 1;
    while (close < text.size() && is_etag_char(text[close])) {
        ++close;
    }
    if (close < text.size() && text[close] == '"') {
        return {close + 1, EntityTag{text.substr(open, close + 1 - open), weak}};
    }
    const std::size_t next_quote = text.find('"', close);
    return {next_quote == std::string_view::npos ? text.size() : next_quote + 1, std::nullopt};
}

} // namespace

std::optional<EntityTag> parse_entity_tag(std::string_view text) noexcept {
    const Scan scan = scan_tag(text);
    return scan.size == text.size() ? scan.tag : std::nullopt;
}

// Strong comparison: the same opaque tag, and neither is weak. RFC 9110 section 8.8.3.2
bool strong_match(const EntityTag& a, const EntityTag& b) noexcept {
    return !a.weak && !b.weak && a.opaque == b.opaque;
}

// Weak comparison: the same opaque tag. RFC 9110 section 8.8.3.2
bool weak_match(const EntityTag& a, const EntityTag& b) noexcept { return a.opaque == b.opaque; }

bool next_entity_tag(std::string_view& rest, EntityTag& tag) noexcept {
    while (!rest.empty()) {
        if (rest.front() == ',' || rest.front() == ' ' || rest.front() == '\t') {
            rest.remove_prefix(1);
            continue;
        }
        const Scan scan = scan_tag(rest);
        const std::size_t comma = rest.find(',', scan.size);
        const std::size_t end = comma == std::string_view::npos ? rest.size() : comma;
        const bool ends_clean = trim_ows(rest.substr(scan.size, end - scan.size)).empty();
        rest.remove_prefix(end);
        if (scan.tag && ends_clean) {
            tag = *scan.tag;
            return true;
        }
    }
    return false;
}

EntityTagList parse_entity_tag_list(std::string_view combined) {
    EntityTagList list;
    list.any = trim_ows(combined) == "*";
    for (EntityTag tag; next_entity_tag(combined, tag);) {
        list.tags.push_back(tag);
    }
    return list;
}

} // namespace gatehouse::http
