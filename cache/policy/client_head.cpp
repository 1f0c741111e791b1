#include "cache/policy/client_head.h"

#include "cache/policy/client_cache_control.h"
#include "cache/policy/error_page.h"
#include "cache/policy/head_lines.h"
#include "cache/policy/storability.h"
#include "http/ascii.h"
#include "http/date.h"
#include "http/entity_tag.h"

namespace gatehouse::cache::policy {

namespace {

// What is decided for the answer to GET goes for the one to HEAD. RFC 9110 section 9.3.2
bool would_be_stored(const ResponseFacts& response, const http::RequestHead& request,
                     const config::CachePolicy& policy) {
    if (response.method_is_get || request.method_kind() != http::Method::Head) {
        return decide_storability(response, policy).store;
    }
    ResponseFacts of_get = response;
    of_get.method_is_get = true;
    return decide_storability(of_get, policy).store;
}

} // namespace

ClientHead::ClientHead(const ClientHeadFacts& facts, int status)
    : etag_(facts.behavior.etag),
      now_(facts.now),
      error_lines_(facts.error_lines),
      error_vary_(facts.error_vary),
      headers_(facts.behavior, facts.request, status, facts.stored.field_lines) {
    // What the page's behavior says is for the page under its own URL.
    if (const auto* rule = facts.behavior.client_cache_control_ref; rule != nullptr && error_lines_ == nullptr) {
        const config::CachePolicy& policy = *facts.behavior.policy_ref;
        const ResponseFacts& response = facts.stored.facts;
        const bool allowed = facts.may_be_stored && would_be_stored(response, facts.request, policy);
        lifetime_ = client_cache_control(*rule, status, response, allowed, policy);
    }
}

bool ClientHead::drops(std::string_view name) const noexcept {
    const bool is_tag = etag_ == config::EtagRule::Weaken || etag_ == config::EtagRule::Remove;
    if (error_lines_ != nullptr && belongs_to_error(name)) {
        return true;
    }
    return (is_tag && http::iequals(name, "ETag")) || (lifetime_ != nullptr && tells_lifetime(name)) ||
           headers_.drops(name);
}

// That there is an error at all depended on these fields, whatever the page itself depends on. RFC 9110 section 12.5.5
void ClientHead::append_error_vary(std::string& out, const StoredHead& stored) const {
    const bool keeps_own = !headers_.drops("Vary");
    for_each_line(*error_vary_, [&](std::string_view, std::string_view line) {
        bool is_there = false;
        for_each_line(stored.field_lines,
                      [&](std::string_view, std::string_view own) { is_there = is_there || own == line; });
        if (!is_there || !keeps_own) {
            out += line;
        }
    });
}

void ClientHead::append(std::string& out, const StoredHead& stored, SkipName skips) const {
    if (error_vary_ != nullptr) {
        append_error_vary(out, stored);
    }
    if (error_lines_ != nullptr) {
        out.append(*error_lines_);
        headers_.append(out, skips);
        return;
    }
    const auto is_sent = [skips](std::string_view name) { return skips == nullptr || !skips(name); };
    if (etag_ == config::EtagRule::Weaken && !stored.etag.empty() && is_sent("ETag")) {
        const bool is_weak = stored.etag.starts_with("W/");
        out.append(is_weak ? "ETag: " : "ETag: W/").append(stored.etag).append("\r\n");
    }
    if (lifetime_ != nullptr) {
        out.append("Date: ");
        http::append_http_date(out, now_);
        out.append("\r\n");
        append_line(out, "Cache-Control", lifetime_->text);
    }
    headers_.append(out, skips);
}

} // namespace gatehouse::cache::policy
