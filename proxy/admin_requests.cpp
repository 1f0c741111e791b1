// The endpoints of the admin listener.
#include "proxy/admin_requests.h"

#include "http/ascii.h"
#include "http/target.h"
#include "proxy/diagnostic_log.h"
#include "proxy/explain_live.h"
#include "proxy/json_text.h"

#include <boost/asio/ip/address.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

namespace gatehouse::proxy {

namespace {

constexpr std::string_view kJson = "application/json";

AdminAnswer answer_health(const AdminRequest&, const AdminHandlers&) {
    return {200, "text/plain; charset=utf-8", {}, "ok\n"};
}

AdminAnswer answer_readiness(const AdminRequest&, const AdminHandlers& handlers) {
    const Readiness checks = handlers.readiness();
    const bool ready = std::all_of(checks.begin(), checks.end(), [](const ReadinessCheck& check) { return check.ok; });
    std::string body = ready ? R"({"ready":true,"checks":[)" : R"({"ready":false,"checks":[)";
    bool first = true;
    for (const ReadinessCheck& check : checks) {
        body += first ? R"({"name":)" : R"(,{"name":)";
        first = false;
        append_json_string(body, check.name);
        body += check.ok ? R"(,"ok":true)" : R"(,"ok":false)";
        if (!check.detail.empty()) {
            body += R"(,"detail":)";
            append_json_string(body, check.detail);
        }
        body += '}';
    }
    body += "]}\n";
    return {ready ? 200 : 503, std::string(kJson), {}, std::move(body)};
}

AdminAnswer answer_metrics(const AdminRequest&, const AdminHandlers& handlers) {
    return {200, "text/plain; version=0.0.4; charset=utf-8", {}, handlers.metrics_text()};
}

AdminAnswer answer_version(const AdminRequest&, const AdminHandlers&) {
    return {200, std::string(kJson), {}, "{\"name\":\"gatehouse\",\"version\":\"" GATEHOUSE_VERSION "\"}\n"};
}

AdminAnswer answer_purge(const AdminRequest& request, const AdminHandlers& handlers) {
    http::Result<PurgeRequest> wanted = parse_purge_request(request.body);
    if (!wanted) {
        return admin_error(400, "bad_purge_request", wanted.error().detail);
    }
    const PurgeOutcome outcome = handlers.purge(std::move(*wanted));
    return {
        200,
        std::string(kJson),
        {},
        "{\"purged\":" + std::to_string(outcome.removed) + ",\"sequence\":" + std::to_string(outcome.sequence) + "}\n"};
}

void append_strings(std::string& out, std::string_view name, const std::vector<std::string>& texts) {
    out.append(",\"").append(name).append("\":[");
    for (std::size_t i = 0; i < texts.size(); ++i) {
        out += i > 0 ? "," : "";
        append_json_string(out, texts[i]);
    }
    out += ']';
}

AdminAnswer answer_reload(const AdminRequest&, const AdminHandlers& handlers) {
    const ReloadOutcome outcome = handlers.reload();
    std::string body = "{\"generation\":" + std::to_string(outcome.generation);
    if (outcome.applied) {
        append_strings(body, "needs_restart", outcome.needs_restart);
    } else {
        body += R"(,"error":"bad_configuration","message":"The configuration in use stays.")";
        append_strings(body, "problems", outcome.problems);
    }
    return {outcome.applied ? 200 : 422, std::string(kJson), {}, body + "}\n"};
}

AdminAnswer answer_explain(const AdminRequest& request, const AdminHandlers& handlers) {
    const http::Result<config::TestRequest> asked = parse_explain_request(request.body);
    if (!asked) {
        return admin_error(400, "bad_explain_request", asked.error().detail);
    }
    const http::Result<Explanation> told = handlers.explain(*asked);
    if (!told) {
        return admin_error(400, "request_refused", "Such a request is refused: " + told.error().detail);
    }
    return {200, std::string(kJson), {}, explanation_json(*told)};
}

struct Endpoint {
    std::string_view path;
    bool post; // else GET and HEAD
    AdminAnswer (*answer)(const AdminRequest&, const AdminHandlers&);
};

constexpr Endpoint kEndpoints[] = {
    {"/healthz", false, answer_health},  {"/readyz", false, answer_readiness}, {"/metrics", false, answer_metrics},
    {"/version", false, answer_version}, {"/purge", true, answer_purge},       {"/config/reload", true, answer_reload},
    {"/explain", true, answer_explain},
};

struct HostPort {
    std::string_view host; // without brackets
    bool literal_v6 = false;
    bool valid = false;
};

HostPort split_host(std::string_view text) noexcept {
    HostPort parts;
    std::string_view port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) {
            return {};
        }
        parts.host = text.substr(1, end - 1);
        parts.literal_v6 = true;
        port = text.substr(end + 1);
    } else {
        const auto colon = text.find(':');
        parts.host = text.substr(0, colon);
        port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
    }
    const bool port_is_valid =
        port.empty() || (port.front() == ':' && port.size() <= 6 &&
                         std::all_of(port.begin() + 1, port.end(), [](char c) { return c >= '0' && c <= '9'; }));
    parts.valid = port_is_valid && !parts.host.empty();
    return parts;
}

// Nothing when the request may pass.
std::optional<AdminAnswer> refuse_foreign(const AdminRequest& request, const std::vector<std::string>& allowed_hosts) {
    if (request.has_origin || http::iequals(request.fetch_site, "cross-site") ||
        http::iequals(request.fetch_site, "same-site")) {
        return admin_error(403, "from_a_web_page",
                           "Requests made by web pages are refused: this one carries Origin or Sec-Fetch-Site.");
    }
    if (request.hosts.empty() && request.http10) {
        return std::nullopt; // plain health checks; every browser sends Host
    }
    if (request.hosts.size() != 1) {
        return admin_error(400, "bad_host", "The request must have exactly one Host field.");
    }
    switch (judge_admin_host(request.hosts.front(), allowed_hosts)) {
    case HostVerdict::Ours: return std::nullopt;
    case HostVerdict::Malformed: return admin_error(400, "bad_host", "The Host field is malformed.");
    case HostVerdict::Foreign: break;
    }
    return admin_error(421, "foreign_host",
                       "This listener answers to IP addresses, to localhost and to the names of admin.allowed_hosts.");
}

http::Error purge_error(std::string detail) { return http::Error(http::ErrorKind::BadRequest, std::move(detail)); }

http::Result<PurgeRequest> purge_of_path(std::string_view text) {
    if (!text.starts_with('/')) {
        return purge_error("path must start with '/', for instance \"/v1/*\"");
    }
    PurgeRequest request;
    request.prefix = text.ends_with('*');
    if (request.prefix) {
        text.remove_suffix(1);
    }
    // The characters of a path and its query are judged as those of a URL; the host is only there to make it one.
    const http::Result<http::Url> url = http::parse_url("http://localhost" + std::string(text));
    if (!url) {
        return purge_error("path: " + url.error().detail);
    }
    if (url->path_as_written.find('*') != std::string::npos) {
        return purge_error("only a '*' at the end of a path is a wildcard");
    }
    if (request.prefix && url->has_query) {
        return purge_error("a '*' cannot follow a query: purge the path with a '*' at its end");
    }
    request.path = url->path_as_written;
    request.query = url->query;
    request.has_query = url->has_query;
    return request;
}

http::Result<PurgeRequest> purge_of_url(std::string_view text) {
    if (text.starts_with('/')) {
        return purge_of_path(text);
    }
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) {
        return purge_error("url must be http://host/path, https://host/path or /path");
    }
    // A wildcard never reaches into the host: the part before the path has to be whole.
    const auto path_at = std::min(text.find_first_of("/?", scheme_end + 3), text.size());
    const http::Result<http::Url> base = http::parse_url(text.substr(0, path_at));
    if (!base || base->host.find('*') != std::string::npos) {
        return purge_error(base ? std::string("url: a host has no wildcard; purge a path to mean every host")
                                : "url: " + base.error().detail);
    }
    std::string path(text.substr(path_at));
    if (!path.starts_with('/')) {
        path.insert(0, "/");
    }
    http::Result<PurgeRequest> request = purge_of_path(path);
    if (request) {
        request->authority = base->authority();
    }
    return request;
}

// RFC 9875 section 2: groups are named by Strings of RFC 9651, of which every character is visible or a space.
http::Result<PurgeRequest> purge_of_group(std::string_view group, std::optional<std::string_view> host) {
    const bool is_name = std::all_of(group.begin(), group.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (!is_name) {
        return purge_error("group must be a name as Cache-Groups has it: visible ASCII characters and spaces");
    }
    PurgeRequest request;
    request.group = group;
    if (host) {
        http::Result<std::string> authority = http::canonical_authority(*host, "http");
        if (!authority) {
            return purge_error("host must be a host, with its port if it has one: " + authority.error().detail);
        }
        request.authority = std::move(*authority);
    }
    return request;
}

struct PurgeMembers {
    std::optional<std::string_view> url, path, group, host;
};

http::Result<PurgeMembers> purge_members(const boost::json::object& object) {
    PurgeMembers members;
    for (const auto& [key, value] : object) {
        std::optional<std::string_view>* const member = key == "url"     ? &members.url
                                                        : key == "path"  ? &members.path
                                                        : key == "group" ? &members.group
                                                        : key == "host"  ? &members.host
                                                                         : nullptr;
        if (member == nullptr) {
            return purge_error("unknown member: " + log_value(std::string_view(key).substr(0, 100)) +
                               "; accepted: url, path, group, host");
        }
        const boost::json::string* text = value.if_string();
        if (text == nullptr) {
            return purge_error(std::string(key) + " must be a string");
        }
        *member = std::string_view(*text);
    }
    return members;
}

} // namespace

AdminAnswer admin_error(int status, std::string_view token, std::string_view sentence) {
    std::string body = R"({"error":)";
    append_json_string(body, token);
    body += R"(,"message":)";
    append_json_string(body, sentence);
    body += "}\n";
    return {status, std::string(kJson), {}, std::move(body)};
}

HostVerdict judge_admin_host(std::string_view host, const std::vector<std::string>& allowed_hosts) {
    const HostPort parts = split_host(http::trim_ows(host));
    if (!parts.valid) {
        return HostVerdict::Malformed;
    }
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(std::string(parts.host), error);
    if (parts.literal_v6) {
        return !error && address.is_v6() ? HostVerdict::Ours : HostVerdict::Malformed;
    }
    const bool known = (!error && address.is_v4()) || http::iequals(parts.host, "localhost") ||
                       std::any_of(allowed_hosts.begin(), allowed_hosts.end(),
                                   [&parts](const std::string& allowed) { return http::iequals(allowed, parts.host); });
    return known ? HostVerdict::Ours : HostVerdict::Foreign;
}

http::Result<PurgeRequest> parse_purge_request(std::string_view json) {
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(json, error);
    if (error) {
        return purge_error("the content is not JSON: " + error.message());
    }
    const boost::json::object* object = value.if_object();
    if (object == nullptr) {
        return purge_error("the content must be an object with one of url, path, group");
    }
    http::Result<PurgeMembers> members = purge_members(*object);
    if (!members) {
        return members.take_error();
    }
    const bool one = members->url.has_value() + members->path.has_value() + members->group.has_value() == 1;
    if (!one || (members->host && !members->group)) {
        return purge_error("the content must have exactly one of url, path, group; host may stand beside group");
    }
    if (members->group) {
        return purge_of_group(*members->group, members->host);
    }
    return members->url ? purge_of_url(*members->url) : purge_of_path(*members->path);
}

AdminAnswer answer_admin_request(const AdminRequest& request, const std::vector<std::string>& allowed_hosts,
                                 const AdminHandlers& handlers) {
    if (auto refused = refuse_foreign(request, allowed_hosts)) {
        return std::move(*refused);
    }
    const std::string_view path = request.target.substr(0, request.target.find('?'));
    for (const Endpoint& endpoint : kEndpoints) {
        if (endpoint.path != path) {
            continue;
        }
        const bool allowed =
            endpoint.post ? request.method == "POST" : request.method == "GET" || request.method == "HEAD";
        if (!allowed) {
            AdminAnswer answer = admin_error(405, "method_not_allowed", "This path takes another method.");
            answer.allow = endpoint.post ? "POST" : "GET, HEAD";
            return answer;
        }
        return endpoint.answer(request, handlers);
    }
    return admin_error(
        404, "not_found",
        "There are /healthz, /readyz, /metrics, /version, /purge (POST), /config/reload (POST) and /explain "
        "(POST).");
}

} // namespace gatehouse::proxy
