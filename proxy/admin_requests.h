// What the admin listener answers, as a function of the request: no socket, no Beast.
#pragma once

#include "http/result.h"
#include "proxy/admin.h"

#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::proxy {

// The views must outlive the call.
struct AdminRequest {
    std::string_view method;
    std::string_view target;
    bool http10 = false;
    std::vector<std::string_view> hosts; // the values of all Host lines
    bool has_origin = false;             // an Origin field is there, whatever it says
    std::string_view fetch_site;         // Sec-Fetch-Site
    std::string_view body;
};

struct AdminAnswer {
    int status = 200;
    std::string content_type;
    std::string allow; // for 405
    std::string body;
};

AdminAnswer answer_admin_request(const AdminRequest& request, const std::vector<std::string>& allowed_hosts,
                                 const AdminHandlers& handlers);
// {"error":"...","message":"..."}
AdminAnswer admin_error(int status, std::string_view token, std::string_view sentence);

enum class HostVerdict : unsigned char { Ours, Foreign, Malformed };
// Ours: an IP literal, localhost, or one of allowed_hosts; with or without a port.
HostVerdict judge_admin_host(std::string_view host, const std::vector<std::string>& allowed_hosts);

// {"url": "https://host/path?query"} or {"path": "/v1/*"}; a URL without its scheme and host is a path too. A `*` at
// the end makes it a prefix. Or {"group": "name"}, with "host" where one host's is meant: what Cache-Groups put into it.
// The error's detail is for the operator.
http::Result<PurgeRequest> parse_purge_request(std::string_view json);

} // namespace gatehouse::proxy
