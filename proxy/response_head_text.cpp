#include "proxy/response_head_text.h"

#include "http/date.h"
#include "http/short_text.h"

namespace gatehouse::proxy {

namespace policy = cache::policy;

void append_status_line(std::string& out, int status) {
    out.append("HTTP/1.1 ");
    append_number(out, status);
    out.append(" ").append(http::reason_phrase(status)).append("\r\n");
}

void append_response_head(std::string& out, const ResponseSink::Head& head) {
    policy::append_head(out, head.assembly, head.stored, head.complete_length);
    const policy::ClientHead* client = head.assembly.client;
    http::ShortLines lines;
    if (head.age_seconds && (client == nullptr || !client->speaks_as_origin())) {
        (lines << "Age: ").number(*head.age_seconds) << "\r\n";
    }
    if (head.shown_key.empty()) {
        policy::put_cache_status(lines, head.cache);
    } else {
        out += lines.view();
        lines.clear();
        policy::append_cache_status(out, head.cache, head.shown_key);
    }
    lines << "X-Cache: " << policy::x_cache(head.cache) << "\r\n";
    out += lines.view();
    if (head.ignored_wishes) { // what API Gateway says, in the field's grammar (RFC 7234 section 5.5)
        out.append("Warning: 199 gatehouse \"Cache-Control was ignored because the client is not authorized\"\r\n");
    }
}

void append_own_head(std::string& out, const http::ResponseHead& head, http::WallTime now,
                     const policy::CacheResult* cache, std::string_view shown_key) {
    append_status_line(out, head.status);
    out.append(head.fields.serialised());
    if (!head.fields.contains("Date")) {
        out.append("Date: ").append(http::format_http_date(now)).append("\r\n");
    }
    if (cache != nullptr) {
        policy::append_cache_status(out, *cache, shown_key);
        out.append("X-Cache: ").append(policy::x_cache(*cache)).append("\r\n");
    }
}

} // namespace gatehouse::proxy
