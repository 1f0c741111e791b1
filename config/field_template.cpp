#include "config/field_template.h"

#include <utility>

namespace gatehouse::config {
namespace {

using Member = std::string_view TemplateValues::*;
constexpr std::pair<std::string_view, Member> kNames[] = {
    {"client_ip", &TemplateValues::client_ip}, {"scheme", &TemplateValues::scheme}, {"host", &TemplateValues::host},
    {"method", &TemplateValues::method},       {"path", &TemplateValues::path},     {"query", &TemplateValues::query},
};

std::optional<Member> member_of(std::string_view name) {
    for (const auto& [known, member] : kNames) {
        if (known == name) return member;
    }
    return std::nullopt;
}

// Calls text(piece) and value(member) in order. False: a brace is not closed, or names nothing.
template <class Text, class Value>
bool walk(std::string_view rest, Text&& text, Value&& value) {
    while (!rest.empty()) {
        const std::size_t open = rest.find('{');
        text(rest.substr(0, open));
        if (open == std::string_view::npos) return true;
        rest.remove_prefix(open + 1);
        if (rest.starts_with('{')) {
            text(rest.substr(0, 1));
            rest.remove_prefix(1);
            continue;
        }
        const std::size_t close = rest.find('}');
        const auto member = close == std::string_view::npos ? std::nullopt : member_of(rest.substr(0, close));
        if (!member) return false;
        value(*member);
        rest.remove_prefix(close + 1);
    }
    return true;
}

} // namespace

bool is_field_template(std::string_view text) {
    return walk(
        text, [](std::string_view) {}, [](Member) {});
}

std::string fill_template(std::string_view text, const TemplateValues& values) {
    std::string out;
    walk(
        text, [&out](std::string_view piece) { out += piece; }, [&](Member member) { out += values.*member; });
    return out;
}

} // namespace gatehouse::config
