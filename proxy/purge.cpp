// A purge by URL, path, prefix or group.
#include "proxy/purge.h"

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

PurgeOutcome purge_path(cache::HttpCache& cache, const config::Config& config, const PurgeRequest& request) {
    http::Target target;
    target.authority = request.authority.value_or(std::string());
    target.path = request.path;
    cache::PurgeMatcher matcher;
    matcher.authority = request.authority;
    matcher.path = request.path;
    matcher.prefix = request.prefix;
    matcher.any_query = request.prefix;
    PurgeOutcome outcome;
    for (std::string& query : keyed_queries(config, target, request.query)) {
        matcher.query = std::move(query);
        outcome.sequence = cache.purge(matcher);
        outcome.removed += cache.sweep(matcher);
    }
    spdlog::info("purged: authority={} path={}{} sequence={} removed={}", request.authority.value_or("any"),
                 request.path, request.prefix ? "*" : "", outcome.sequence, outcome.removed);
    return outcome;
}

} // namespace

PurgeOutcome purge(cache::HttpCache& cache, const config::Config& config, const PurgeRequest& request) {
    return request.group ? purge_group(cache, request) : purge_path(cache, config, request);
}

} // namespace gatehouse::proxy
