// Entity tags (RFC 9110 section 8.8.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::http {

struct EntityTag {
    std::string_view opaque; // with its quotes, without W/
    bool weak = false;
};

// W/"x" or "x". An unquoted or otherwise malformed tag is nullopt: it can be passed on but never compared.
std::optional<EntityTag> parse_entity_tag(std::string_view text) noexcept;
bool strong_match(const EntityTag& a, const EntityTag& b) noexcept; // RFC 9110 section 8.8.3.2
bool weak_match(const EntityTag& a, const EntityTag& b) noexcept;
// Takes the next well-formed tag off the front of a list; malformed members are passed over. False at the end.
bool next_entity_tag(std::string_view& rest, EntityTag& tag) noexcept;
// The members of If-Match / If-None-Match; malformed members are left out. `*` alone is reported by any.
// The tags are views into the text that was parsed.
struct EntityTagList {
    bool any = false;
    std::vector<EntityTag> tags;
};
EntityTagList parse_entity_tag_list(std::string_view combined);

} // namespace gatehouse::http
