#include "proxy/viewer_rules.h"

#include "cache/policy/response_headers.h"
#include "http/ascii.h"

#include <algorithm>

namespace gatehouse::proxy {

namespace {

using config::ViewerProtocolPolicy;

// The default port of https, whatever port the client used for http.
std::string https_url(const http::Target& target) {
    const std::string& authority = target.authority;
    const std::size_t colon = authority.rfind(':');
    const bool has_port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
    return "https://" + authority.substr(0, has_port ? colon : std::string::npos) + target.origin_form();
}

// As CloudFront does: 301 where the method stays GET anyway, else 307, which keeps method and content.
ErrorResponse redirect_to_https(const http::RequestHead& request, const http::Target& target) {
    const http::Method method = request.method_kind();
    const bool is_get = method == http::Method::Get || method == http::Method::Head;
    ErrorResponse response = make_status_response(is_get ? 301 : 307, "https_wanted",
                                                  "This resource is served over HTTPS.", &request.fields);
    response.head.fields.set("Location", https_url(target));
    return response;
}

ErrorResponse no_content() {
    ErrorResponse response;
    response.head.status = 204;
    return response;
}

} // namespace

std::string allow_value(const std::vector<std::string>& methods) {
    std::string value;
    for (const std::string& method : methods) {
        value.append(value.empty() ? "" : ", ").append(method);
    }
    return value;
}

std::optional<ErrorResponse> answer_of_viewer_rules(const config::Behavior& behavior, const http::RequestHead& request,
                                                    const http::Target& target, bool over_https) {
    if (!over_https && behavior.viewer_protocol_policy == ViewerProtocolPolicy::RedirectToHttps) {
        return redirect_to_https(request, target);
    }
    if (!over_https && behavior.viewer_protocol_policy == ViewerProtocolPolicy::HttpsOnly) {
        return make_status_response(403, "https_only", "This resource is served over HTTPS only.", &request.fields);
    }
    if (cache::policy::answers_preflight(behavior, request)) {
        return no_content(); // the CORS fields are put on it as on every answer of our own
    }
    const auto& allowed = behavior.allowed_methods;
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), request.method) == allowed.end()) {
        // RFC 9110 section 15.5.6: a 405 says what is allowed.
        ErrorResponse response = make_status_response(405, "method_not_allowed",
                                                      "This resource does not allow the method.", &request.fields);
        response.head.fields.set("Allow", allow_value(allowed));
        return response;
    }
    return std::nullopt;
}

bool was_forwarded_over_https(const http::RequestHead& request) {
    const auto proto = request.fields.first("X-Forwarded-Proto");
    return proto && http::iequals(*proto, "https");
}

} // namespace gatehouse::proxy
