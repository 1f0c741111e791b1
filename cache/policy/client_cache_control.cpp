#include "cache/policy/client_cache_control.h"

#include "http/ascii.h"

#include <algorithm>
#include <array>

namespace gatehouse::cache::policy {

namespace {

using Value = config::ClientCacheControl::Value;

// What a value without a status is for. 304 is among them as what a stored 200 becomes. A 404 is not: what is missing
// today may be there tomorrow.
bool is_kept_by_clients(int status) noexcept {
    static constexpr std::array<int, 5> kStatuses = {200, 203, 206, 301, 308};
    return std::find(kStatuses.begin(), kStatuses.end(), status) != kStatuses.end();
}

// Whether the value may stand in the place of what the origin says to clients, by the operator's leave or because it
// forbids as much.
bool may_replace(const Value& value, const ResponseFacts& response, const config::Overrides& overrides) noexcept {
    if (value.no_store) {
        return true;
    }
    if (response.field_no_store && !overrides.no_store) {
        return false;
    }
    if (response.field_no_cache && !value.no_cache && !overrides.no_cache) {
        return false;
    }
    if (value.is_private) {
        return true;
    }
    return (!response.field_private || overrides.is_private) && (!response.has_set_cookie || overrides.set_cookie) &&
           (!is_for_one_client(response) || overrides.authorization);
}

} // namespace

const Value* client_cache_control(const config::ClientCacheControl& rule, int status, const ResponseFacts& response,
                                  bool may_be_stored, const config::CachePolicy& policy) {
    const Value* value = rule.named(status);
    if (value == nullptr && may_be_stored && is_kept_by_clients(status)) {
        value = &rule.value;
    }
    const bool replaces = value != nullptr && !value->passes() && may_replace(*value, response, policy.overrides);
    return replaces ? value : nullptr;
}

bool is_for_one_client(const ResponseFacts& response) noexcept {
    return response.request_authorization && !response.is_public && !response.must_revalidate &&
           !response.s_maxage.valid();
}

bool tells_lifetime(std::string_view name) noexcept {
    constexpr std::string_view kSuffix = "Cache-Control";
    switch (name.size()) {
    case 3: return http::iequals(name, "Age");
    case 4: return http::iequals(name, "Date");
    case 6: return http::iequals(name, "Pragma");
    case 7: return http::iequals(name, "Expires");
    default: break;
    }
    return (name.size() >= kSuffix.size() && http::iequals(name.substr(name.size() - kSuffix.size()), kSuffix)) ||
           http::iequals(name, "Surrogate-Control");
}

} // namespace gatehouse::cache::policy
