#include "cache/policy/cache_groups.h"

#include "http/structured_fields.h"

#include <optional>
#include <utility>
#include <variant>

namespace gatehouse::cache::policy {

namespace {

namespace structured = http::structured;

// A List of Strings; its order says nothing, and parameters are passed over. RFC 9875 sections 2 and 3
// With a member of another type the field is not what it is defined to be, and says nothing. RFC 9651 section 2
std::vector<std::string> group_names(const http::Fields& response, std::string_view field_name) {
    std::vector<std::string> names;
    if (!response.contains(field_name)) {
        return names;
    }
    auto list = structured::parse_list(response.combined(field_name));
    if (!list) {
        return names;
    }
    for (structured::Member& member : *list) {
        auto* item = std::get_if<structured::Item>(&member);
        auto* name = item == nullptr ? nullptr : std::get_if<std::string>(&item->value);
        if (name == nullptr) {
            return {};
        }
        names.push_back(std::move(*name));
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

} // namespace

std::string stored_groups(const http::Fields& response) {
    const std::vector<std::string> names = group_names(response, "Cache-Groups");
    if (names.size() > kMaxGroups) {
        return std::string(kEveryGroup) + '\n';
    }
    std::string groups;
    for (const std::string& name : names) {
        groups.append(name).append(1, '\n');
    }
    return groups;
}

std::vector<std::string> invalidated_groups(http::Method method, const http::ResponseHead& response) {
    // The field is ignored on answers to safe methods. RFC 9875 section 3
    if (http::is_safe(method) || response.status < 200 || response.status > 399) {
        return {};
    }
    return group_names(response.fields, "Cache-Group-Invalidation");
}

} // namespace gatehouse::cache::policy
