// A purge by URL, path, prefix or group.
#include "proxy/purge.h"

#include "cache/policy/cache_key.h"
#include "proxy/diagnostic_log.h"
#include "proxy/router.h"

#include <spdlog/spdlog.h>

namespace gatehouse::proxy {

namespace {

PurgeOutcome purge_group(cache::HttpCache& cache, const PurgeRequest& request) {
    PurgeOutcome outcome;
    outcome.sequence = cache.purge_group(request.authority, *request.group);
    outcome.removed = cache.sweep();
    spdlog::info("purged: authority={} group={} sequence={} removed={}", request.authority.value_or("any"),
                 log_value(*request.group), outcome.sequence, outcome.removed);
    return outcome;
}

// Keys hold the keyed part of the query only: the same narrowing finds them.
std::string keyed_query(const config::Config& config, const PurgeRequest& request) {
    http::Target target;
    target.path = request.path;
    const auto behavior = route(config, target);
    return behavior
               ? cache::policy::keyed_query(request.query, config.behaviors[*behavior].policy_ref->key.query_strings)
               : request.query;
}

PurgeOutcome purge_path(cache::HttpCache& cache, const config::Config& config, const PurgeRequest& request) {
    cache::PurgeMatcher matcher;
    matcher.authority = request.authority;
    matcher.path = request.path;
    matcher.query = keyed_query(config, request);
    matcher.prefix = request.prefix;
    matcher.any_query = request.prefix;
    PurgeOutcome outcome;
    outcome.sequence = cache.purge(matcher);
    outcome.removed = cache.sweep(matcher);
    spdlog::info("purged: authority={} path={}{} sequence={} removed={}", request.authority.value_or("any"),
                 request.path, request.prefix ? "*" : "", outcome.sequence, outcome.removed);
    return outcome;
}

} // namespace

PurgeOutcome purge(cache::HttpCache& cache, const config::Config& config, const PurgeRequest& request) {
    return request.group ? purge_group(cache, request) : purge_path(cache, config, request);
}

} // namespace gatehouse::proxy
