#include "proxy/invalidate.h"

#include "cache/policy/cache_groups.h"
#include "cache/policy/invalidation.h"
#include "proxy/router.h"

#include <utility>

namespace gatehouse::proxy {

namespace {

void invalidate(cache::HttpCache& cache, const config::Config& config, http::Method method, std::string_view scheme,
                const http::Target& target, const http::ResponseHead& response) {
    for (auto& uri : cache::policy::invalidated_uris(method, scheme, target, response)) {
        http::Target named;
        named.authority = uri.authority;
        named.path = uri.path;
        cache::PurgeMatcher matcher;
        matcher.authority = std::move(uri.authority);
        matcher.path = std::move(uri.path);
        for (std::string& query : keyed_queries(config, named, uri.query)) {
            matcher.query = std::move(query);
            cache.purge(matcher);
        }
    }
    // RFC 9875 section 3
    for (const std::string& group : cache::policy::invalidated_groups(method, response)) {
        cache.purge_group(target.authority, group);
    }
}

} // namespace

void take_unsafe_answer(cache::HttpCache& cache, const config::Config& config, const UnsafeTarget& unsafe,
                        cache::Fetch& fetch, const http::ResponseHead& answer, cache::FetchRequest& sent) {
    const bool is_purged = cache.purges().kills(fetch.key, fetch.sequence, 0);
    invalidate(cache, config, sent.sent_method, unsafe.scheme, unsafe.target, answer);
    sent.from_post = sent.may_store && cache::policy::represents_target(unsafe.scheme, unsafe.target, answer);
    if (sent.from_post && !is_purged) {
        cache.sending(fetch);
    }
}

} // namespace gatehouse::proxy
