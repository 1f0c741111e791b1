#include "cache/policy/facts.h"

#include "cache/policy/partial.h"
#include "cache/policy/stored_head.h"
#include "cache/policy/targeted_cache_control.h"
#include "cache/policy/variant.h"
#include "http/ascii.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/entity_tag.h"
#include "http/list_parser.h"

#include <algorithm>

namespace gatehouse::cache::policy {

namespace {

// A protocol switch is asked for by Upgrade together with Connection: upgrade. RFC 9110 section 7.8
// `h2c` alone does not count: a server may ignore any upgrade, HTTP/2 clients send it with ordinary requests, and
// tunnelling it would carry requests past every rule.
bool wants_upgrade(const http::Fields& fields) {
    if (!fields.contains("Upgrade") || !http::list_contains(fields, "Connection", "upgrade")) {
        return false;
    }
    const auto protocols = http::list_members(fields, "Upgrade");
    return std::any_of(protocols.begin(), protocols.end(),
                       [](std::string_view protocol) { return !http::iequals(protocol, "h2c"); });
}

// Of an Age with several members the first counts, and an invalid Age is ignored. RFC 9111 section 5.1
std::uint32_t age_of(const http::Fields& fields) noexcept {
    const auto value = fields.first("Age");
    if (!value) {
        return 0;
    }
    const auto age = http::parse_delta_seconds(http::trim_ows(value->substr(0, value->find(','))));
    return age.valid() ? age.seconds : 0;
}

// An invalid date, "0" above all, means that the response has expired. RFC 9111 section 5.3
// Of several values the most restrictive counts. RFC 9111 section 4.2.1
void take_expires(const http::Fields& fields, WallTime now, ResponseFacts& facts) {
    fields.for_each("Expires", [&](std::string_view value) {
        const auto expires = http::parse_http_date(value, now);
        if (!expires || facts.expires_state == LifetimeState::Invalid) {
            facts.expires_state = LifetimeState::Invalid;
        } else if (facts.expires_state == LifetimeState::Absent || *expires < facts.expires) {
            facts.expires_state = LifetimeState::Valid;
            facts.expires = *expires;
        }
    });
}

void take_directives(const http::ResponseCacheControl& control, ResponseFacts& facts) {
    facts.no_store = control.no_store;
    facts.no_cache = control.no_cache;
    facts.is_private = control.is_private;
    facts.is_public = control.is_public;
    facts.must_revalidate = control.must_revalidate;
    facts.proxy_revalidate = control.proxy_revalidate;
    facts.must_understand = control.must_understand;
    facts.immutable = control.immutable;
    facts.max_age = control.max_age;
    facts.s_maxage = control.s_maxage;
    facts.stale_while_revalidate = control.stale_while_revalidate;
    facts.stale_if_error = control.stale_if_error;
}

void take_caching_fields(const http::Fields& fields, WallTime now, const std::vector<std::string>& targeted_names,
                         ResponseFacts& facts) {
    const http::ResponseCacheControl own = http::parse_response_cache_control(fields);
    facts.field_no_store = own.no_store;
    facts.field_no_cache = own.no_cache || !own.no_cache_fields.empty();
    facts.field_private = own.is_private || !own.private_fields.empty();
    // The first field of the target list with a valid, non-empty value decides, and Cache-Control and Expires are
    // then ignored. RFC 9213 section 2.2
    for (const std::string& name : targeted_names) {
        if (const auto control = parse_targeted_cache_control(fields, name)) {
            facts.targeted = true;
            take_directives(*control, facts);
            return;
        }
    }
    take_directives(own, facts);
    take_expires(fields, now, facts);
}

void take_validators(const http::Fields& fields, WallTime now, ResponseFacts& facts) {
    if (const auto value = fields.first("Last-Modified")) {
        const auto modified = http::parse_http_date(*value, now);
        facts.has_last_modified = modified.has_value();
        facts.last_modified = modified.value_or(WallTime{});
    }
    const auto etag = fields.first("ETag");
    facts.has_validator = facts.has_last_modified || (etag && http::parse_entity_tag(*etag));
}

} // namespace

RequestFacts request_facts(const http::RequestHead& request, bool has_content) {
    RequestFacts facts;
    facts.method = request.method_kind();
    facts.cache_control = http::parse_request_cache_control(request.fields);
    facts.authorization = request.fields.contains("Authorization");
    facts.cookie = request.fields.contains("Cookie");
    // Range is defined for GET only and is ignored with every other method. RFC 9110 section 14.2
    facts.range = facts.method == http::Method::Get && request.fields.contains("Range");
    facts.has_content = has_content;
    // Not from HTTP/1.0, and not with content: the protocol may only change once the request is complete, and its
    // content is still on its way when the origin answers. RFC 9110 section 7.8
    facts.upgrade = request.version != http::Version::Http10 && !has_content && wants_upgrade(request.fields);
    facts.origin_only_precondition = http::has_origin_only_precondition(request.fields);
    return facts;
}

bool has_wishes(const RequestFacts& request) noexcept {
    const http::RequestCacheControl& wishes = request.cache_control;
    return asks_for_fresher(request) || wishes.only_if_cached || wishes.max_stale_any || wishes.max_stale.present() ||
           wishes.max_age.present() || wishes.min_fresh.present() || wishes.stale_if_error.present();
}

bool asks_for_fresher(const RequestFacts& request) noexcept {
    const http::RequestCacheControl& wishes = request.cache_control;
    return wishes.no_cache || wishes.no_store || wishes.max_age.valid() || wishes.min_fresh.valid();
}

// DEVIATION: RFC 9111 section 5.2.1 lets clients ask for more than a stored response gives; `ignore` and `authorized`
// are an operator's word that they may not, as no client of CloudFront may, and only some of API Gateway.
Wishes decide_wishes(const RequestFacts& request, const config::CachePolicy& policy, bool authorized) noexcept {
    using Rule = config::RequestCacheControl;
    using Otherwise = config::AuthorizedRequests::Otherwise;
    const bool may_be_obeyed = policy.request_cache_control == Rule::Authorized && authorized;
    if (policy.request_cache_control == Rule::Honor || may_be_obeyed) {
        return Wishes::Obeyed;
    }
    if (policy.request_cache_control == Rule::Ignore || !asks_for_fresher(request)) {
        return Wishes::Ignored;
    }
    switch (policy.authorized_requests.otherwise) {
    case Otherwise::Warn: return Wishes::IgnoredAndTold;
    case Otherwise::Ignore: return Wishes::Ignored;
    case Otherwise::Refuse: return Wishes::Refused;
    }
    return Wishes::Ignored;
}

// DEVIATION: RFC 9111 section 2 lets caches understand other methods than GET, but POST is unsafe by RFC 9110 section
// 9.2.1. `cached_methods` is an operator's word that each POST of a behavior only asks, as QUERY does.
void apply_cached_methods(RequestFacts& facts, const http::Fields& request, const config::Behavior& behavior,
                          std::uint64_t content_bytes) {
    const bool is_post = facts.method == http::Method::Post && behavior.caches_post;
    // With Max-Forwards somebody on the way may have answered. RFC 9110 section 7.6.2
    const bool is_options =
        facts.method == http::Method::Options && behavior.caches_options && !request.contains("Max-Forwards");
    facts.method_is_cached = is_post || is_options;
    facts.content_too_large = is_post && content_bytes > behavior.policy_ref->key.max_body_bytes;
    // With other methods than GET and HEAD a tag that matches makes the request fail, with 412. RFC 9110 section 13.1.2
    // Which tags there are is the origin's to say, so it gets the request as it is. If-Modified-Since is ignored with
    // these methods. RFC 9110 section 13.1.3
    if (facts.method_is_cached && request.contains("If-None-Match")) {
        facts.origin_only_precondition = true;
    }
}

ResponseFacts response_facts(const http::RequestHead& /*request*/, const RequestFacts& request_facts,
                             bool cookie_forwarded_unkeyed, const http::ResponseHead& response, WallTime request_time,
                             WallTime response_time, const std::vector<std::string>& targeted_names) {
    const http::Fields& fields = response.fields;
    ResponseFacts facts;
    facts.request_time = request_time;
    facts.response_time = response_time;
    // Without a usable Date the response counts as generated when it arrived. RFC 9110 section 6.6.1
    const auto date = fields.first("Date");
    facts.date = (date ? http::parse_http_date(*date, response_time) : std::nullopt).value_or(response_time);
    facts.age_seconds = age_of(fields);
    facts.status = static_cast<std::uint16_t>(response.status);
    facts.method_is_get = request_facts.method == http::Method::Get || request_facts.method_is_cached;
    facts.request_authorization = request_facts.authorization;
    facts.request_no_store = request_facts.cache_control.no_store;
    facts.request_cookie_unkeyed = cookie_forwarded_unkeyed;
    take_caching_fields(fields, response_time, targeted_names, facts);
    take_validators(fields, response_time, facts);
    // A condition on another method than GET and HEAD asks for 412, not for 304: what POST brought is asked for again
    // as a whole. RFC 9110 section 13.1.2
    facts.has_validator = facts.has_validator && !request_facts.method_is_cached;
    facts.has_set_cookie = fields.contains("Set-Cookie") && !is_excluded_from_storage(fields, "Set-Cookie");
    facts.is_part = content_part(response).has_value();
    facts.vary_star = fields.contains("Vary") && nominated_names(fields) == "*";
    return facts;
}

// DEVIATION: RFC 9111 sections 3 and 3.5 let nobody take back what a response or a request forbids. An operator who
// names it does, and answers for it.
ObeyedFacts::ObeyedFacts(const ResponseFacts& facts, const config::CachePolicy& policy) noexcept : facts_(facts) {
    const config::Overrides& overrides = policy.overrides;
    if (!overrides.any()) {
        return;
    }
    ResponseFacts& obeyed = changed_.emplace(facts);
    obeyed.no_store = facts.no_store && !overrides.no_store;
    obeyed.is_private = facts.is_private && !overrides.is_private;
    obeyed.no_cache = facts.no_cache && !overrides.no_cache;
    obeyed.has_set_cookie = facts.has_set_cookie && !overrides.set_cookie;
    obeyed.request_authorization = facts.request_authorization && !overrides.authorization;
}

} // namespace gatehouse::cache::policy
