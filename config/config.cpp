// The little behaviour that the plain values have.
#include "config/config.h"

#include <algorithm>

namespace gatehouse::config {
namespace {

// In quotes, so that no two lists of conditions have the same text.
void append_quoted(std::string& out, std::string_view kind, std::string_view text) {
    out.append(out.empty() ? "" : " ").append(kind).append("=\"");
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
}

void append_sorted(std::string& out, std::string_view kind, std::vector<std::string> texts) {
    std::sort(texts.begin(), texts.end());
    for (const std::string& text : texts) append_quoted(out, kind, text);
}

std::vector<std::string> joined(const std::vector<NamePattern>& patterns) {
    std::vector<std::string> out;
    for (const NamePattern& one : patterns) out.push_back(one.name + "=" + one.pattern);
    return out;
}

} // namespace

std::optional<Milliseconds> StatusDurations::find(int status) const {
    if (const auto exact = by_status.find(status); exact != by_status.end()) return exact->second;
    if (const auto whole_class = by_class.find(status / 100); whole_class != by_class.end()) return whole_class->second;
    return std::nullopt;
}

bool StatusSet::contains(int status) const noexcept {
    return std::find(statuses.begin(), statuses.end(), status) != statuses.end() ||
           std::find(classes.begin(), classes.end(), status / 100) != classes.end();
}

bool RequestConditions::empty() const noexcept {
    return hosts.empty() && methods.empty() && headers.empty() && without_headers.empty() && query_strings.empty();
}

std::string RequestConditions::text() const {
    std::string out;
    append_sorted(out, "host", hosts);
    append_sorted(out, "method", methods);
    append_sorted(out, "header", joined(headers));
    append_sorted(out, "without", without_headers);
    append_sorted(out, "query", joined(query_strings));
    return out;
}

const ClientCacheControl::Value* ClientCacheControl::named(int status) const {
    if (const auto exact = by_status.find(status); exact != by_status.end()) return &exact->second;
    if (const auto whole_class = by_class.find(status / 100); whole_class != by_class.end()) {
        return &whole_class->second;
    }
    return nullptr;
}

const ErrorPage* ErrorPages::find(int status) const {
    if (const auto exact = by_status.find(status); exact != by_status.end()) return &exact->second;
    if (const auto whole_class = by_class.find(status / 100); whole_class != by_class.end()) {
        return &whole_class->second;
    }
    return nullptr;
}

} // namespace gatehouse::config
