// Cache groups (RFC 9875): an origin says which responses belong together, and which of them a change has made useless.
#pragma once

#include "http/message.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::policy {

// LIMIT: the groups of one response that are told apart; RFC 9875 section 2 asks for 32. A response with more counts as
// one of every group: it dies too often, never too seldom.
inline constexpr std::size_t kMaxGroups = 128;
// Stands for all groups. No group has this name: a String has no control characters (RFC 9651 section 3.3.3).
inline constexpr std::string_view kEveryGroup = "\t";

// The groups that Cache-Groups puts a response into, as one text: each name followed by '\n'. Empty when there are
// none, or when the field is no list of strings, which is then ignored as a whole. Names are opaque and compared byte
// by byte.
std::string stored_groups(const http::Fields& response);

// Calls visit(name) for each group in that text.
template <class Visitor>
void for_each_group(std::string_view groups, Visitor&& visit) {
    while (!groups.empty()) {
        const std::string_view name = groups.substr(0, groups.find('\n'));
        visit(name);
        groups.remove_prefix(std::min(name.size() + 1, groups.size()));
    }
}

// The groups of the target's origin that this answer invalidates by Cache-Group-Invalidation. None for safe methods,
// none for error answers (as RFC 9111 section 4.4 has it for URIs), and none when the field is no list of strings.
std::vector<std::string> invalidated_groups(http::Method method, const http::ResponseHead& response);

} // namespace gatehouse::cache::policy
