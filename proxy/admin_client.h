// The command line's side of the admin listener: one request, one answer, with a deadline.
#pragma once

#include "http/result.h"
#include "http/target.h"

#include <chrono>
#include <string>

namespace gatehouse::proxy {

struct AdminReply {
    unsigned status = 0;
    std::string body;
};

// How long connecting, asking and hearing the answer may take each.
inline constexpr std::chrono::seconds kAdminClientTimeout{10};

// POSTs JSON to the admin listener at `admin` (http only). Blocks; not for the thread of a core. The error says what
// failed and what to look at.
http::Result<AdminReply> post_to_admin(const http::Url& admin, std::string path, std::string json);

} // namespace gatehouse::proxy
