// Response headers policies: which fields of a response clients get, and which are put beside them.
//
// What is stored stays as the origin sent it; the rules act on the way out, on hits and misses alike. Removing comes
// first: a field that is removed and set is there. CORS fields depend on the request; everything else is the same text
// for every response, made when the configuration was loaded.
#pragma once

#include "cache/policy/head_lines.h"
#include "config/config.h"
#include "http/message.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace gatehouse::cache::policy {

// Whether an origin ("https://www.example.org") is the one that a pattern of allow_origins names. A pattern without a
// scheme is for every scheme, and without a port then for every port; `*.` in front is any one label.
bool origin_matches(std::string_view pattern, std::string_view origin) noexcept;

// Whether a policy is for responses with this status and Content-Type.
bool headers_policy_applies(const config::ResponseHeadersPolicy& policy, int status,
                            std::string_view content_type) noexcept;

// The policies of a behavior that apply to one response. All that is referred to outlives it; nothing is allocated.
class HeadersInForce {
public:
    HeadersInForce() = default;
    // `lines`: the response's, as they are stored.
    HeadersInForce(const config::Behavior& behavior, const http::RequestHead& request, int status,
                   std::string_view lines);

    bool empty() const noexcept { return count_ == 0; }
    // Whether clients do not get the origin's field of that name.
    bool drops(std::string_view name) const noexcept;
    bool answers_preflight() const noexcept { return is_preflight_ && cors_->answers_preflights; }
    // Appends what is put beside the rest, but for the names that `skips` tells (null: none).
    void append(std::string& out, SkipName skips) const;

private:
    bool removes(std::string_view name) const noexcept;
    bool sets(std::string_view name, std::size_t from) const noexcept;
    bool is_there(std::string_view name) const noexcept;
    void choose_cors(const http::RequestHead& request);
    void append_cors(std::string& out) const;

    std::array<const config::ResponseHeadersPolicy*, config::kMostHeadersPolicies> policies_{};
    std::size_t count_ = 0;
    std::string_view lines_;
    const config::Cors* cors_ = nullptr; // null: no CORS field is put
    std::string_view allowed_origin_;    // `*`, the request's, or empty
    bool is_preflight_ = false;
};

// Whether the request is a preflight of the Fetch standard that the behavior's CORS block answers without the origin.
bool answers_preflight(const config::Behavior& behavior, const http::RequestHead& request);

// Puts the policies of the behavior on a response of our own.
void shape_own_response(const config::Behavior& behavior, const http::RequestHead& request,
                        http::ResponseHead& response);

} // namespace gatehouse::cache::policy
