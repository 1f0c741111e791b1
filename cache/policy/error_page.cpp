#include "cache/policy/error_page.h"

#include "cache/policy/client_cache_control.h"
#include "cache/policy/head_lines.h"
#include "http/cache_control.h"
#include "http/fields.h"
#include "http/name_set.h"

namespace gatehouse::cache::policy {

namespace {

bool is_page_itself(const http::Target& target, std::string_view page) noexcept {
    const std::size_t mark = page.find('?');
    const std::string_view query = mark == std::string_view::npos ? std::string_view() : page.substr(mark + 1);
    return target.path == page.substr(0, mark) && target.has_query == (mark != std::string_view::npos) &&
           target.query == query;
}

bool goes_with_status(std::string_view name) noexcept {
    static constexpr http::NameSet kNames{"Allow", "Retry-After", "WWW-Authenticate", "Proxy-Authenticate",
                                          "Proxy-Status"};
    return kNames.contains(name);
}

bool is_about_page(std::string_view name) noexcept {
    static constexpr http::NameSet kNames{"ETag", "Last-Modified", "Accept-Ranges"};
    return kNames.contains(name);
}

} // namespace

const config::ErrorPage* page_for(const config::Behavior& behavior, const RequestFacts& request,
                                  const http::Target& target, int status) noexcept {
    if (status < 400 || status == 412 || status == 416 || behavior.error_pages.empty()) {
        return nullptr;
    }
    const bool is_read = request.method == http::Method::Get || request.method == http::Method::Head;
    if (!is_read || request.upgrade || request.cache_control.only_if_cached) {
        return nullptr;
    }
    const config::ErrorPage* const page = behavior.error_pages.find(status);
    // What just failed is not asked for again.
    return page != nullptr && is_page_itself(target, page->page) ? nullptr : page;
}

bool belongs_to_error(std::string_view name) noexcept {
    return tells_lifetime(name) || is_about_page(name) || goes_with_status(name);
}

std::string lines_of_error(std::string_view lines, bool same_status) {
    std::string out;
    for_each_line(lines, [&](std::string_view name, std::string_view line) {
        if (tells_lifetime(name) || (same_status && goes_with_status(name))) {
            out += line;
        }
    });
    return out;
}

bool forbids_reuse(std::string_view lines) {
    constexpr std::string_view kSuffix = "Cache-Control";
    const http::Fields fields = http::Fields::from_serialised(lines);
    bool forbids = false;
    for_each_line(lines, [&](std::string_view name, std::string_view) {
        if (!forbids && tells_lifetime(name) && name.size() >= kSuffix.size()) {
            const auto control = http::parse_response_cache_control(fields, name);
            forbids = control.no_store || control.is_private || control.no_cache;
        }
    });
    return forbids;
}

std::string vary_of_error(std::string_view lines) {
    std::string out;
    for_each_line(lines, [&](std::string_view name, std::string_view line) {
        if (http::iequals(name, "Vary")) {
            out += line;
        }
    });
    return out;
}

CacheResult result_of_page(const CacheResult& error, CacheResult page, int status) {
    if (page.forwarded == Forwarded::No && error.forwarded != Forwarded::No) {
        page.forwarded = error.forwarded;
        page.forward_status = error.forward_status;
        page.ttl_seconds = error.ttl_seconds;
        page.stored = error.stored;
        page.reason = error.reason;
        page.revalidated = error.revalidated;
        page.collapsed = error.collapsed;
        page.collapse_failed = error.collapse_failed;
    }
    page.page_for = status;
    page.error = true;
    return page;
}

} // namespace gatehouse::cache::policy
