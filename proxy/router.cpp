// First match wins, on the normalised path (DESIGN section 6).
#include "proxy/router.h"

#include "cache/policy/cache_key.h"
#include "config/glob.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

namespace {

using config::Behavior;
using config::NamePattern;
using config::RequestConditions;

// Nothing that normalisation would change: no escapes, no empty and no dot segments.
bool is_normal(std::string_view path) noexcept {
    if (path.find('%') != std::string_view::npos) {
        return false;
    }
    std::size_t slash = path.find('/');
    while (slash != std::string_view::npos && slash + 1 < path.size()) {
        ++slash;
        if (path[slash] == '/' || path[slash] == '.') {
            return false;
        }
        slash = path.find('/', slash);
    }
    return true;
}

// The path as patterns see it; `room` holds it where it is not the path as it came.
std::string_view normal_path(const http::Target& target, std::string& room) {
    if (target.is_normal || is_normal(target.path)) {
        return target.path;
    }
    room = http::normalised_path(target.path);
    return room;
}

std::string_view without_port(std::string_view authority) noexcept {
    const std::size_t colon = authority.rfind(':');
    const bool has_port = colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
    return has_port ? authority.substr(0, colon) : authority;
}

bool is_host(const RequestConditions& when, std::string_view authority) {
    const std::string_view name = without_port(authority);
    return when.hosts.empty() || std::any_of(when.hosts.begin(), when.hosts.end(), [&](const std::string& pattern) {
               return config::text_matches(pattern, authority) || config::text_matches(pattern, name);
           });
}

bool has_field(const NamePattern& wanted, const http::Fields& fields) {
    bool found = false;
    fields.for_each(wanted.name,
                    [&](std::string_view value) { found = found || config::text_matches(wanted.pattern, value); });
    return found;
}

bool has_parameter(const NamePattern& wanted, std::string_view query) {
    while (!query.empty()) {
        const std::string_view parameter = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(parameter.size() + 1, query.size()));
        const std::size_t equals = std::min(parameter.find('='), parameter.size());
        const std::string_view value = parameter.substr(std::min(equals + 1, parameter.size()));
        if (parameter.substr(0, equals) == wanted.name && config::text_matches(wanted.pattern, value)) {
            return true;
        }
    }
    return false;
}

Mismatch mismatch_of_conditions(const RequestConditions& when, const http::Target& target,
                                const http::RequestHead& request) {
    if (!is_host(when, target.authority)) {
        return Mismatch::Host;
    }
    if (!when.methods.empty() &&
        std::find(when.methods.begin(), when.methods.end(), request.method) == when.methods.end()) {
        return Mismatch::Method;
    }
    const auto& fields = request.fields;
    if (!std::all_of(when.headers.begin(), when.headers.end(),
                     [&](const auto& one) { return has_field(one, fields); })) {
        return Mismatch::Header;
    }
    if (std::any_of(when.without_headers.begin(), when.without_headers.end(),
                    [&](const std::string& name) { return fields.contains(name); })) {
        return Mismatch::UnwantedHeader;
    }
    const bool has_all = std::all_of(when.query_strings.begin(), when.query_strings.end(),
                                     [&](const auto& one) { return has_parameter(one, target.query); });
    return has_all ? Mismatch::None : Mismatch::QueryString;
}

} // namespace

Mismatch mismatch_of(const Behavior& behavior, std::string_view normalised_path, const http::Target& target,
                     const http::RequestHead& request) {
    if (!config::glob_matches(behavior.path_pattern, normalised_path)) {
        return Mismatch::Path;
    }
    return behavior.when.empty() ? Mismatch::None : mismatch_of_conditions(behavior.when, target, request);
}

std::optional<std::size_t> route(const config::Config& config, const http::Target& target,
                                 const http::RequestHead& request) {
    std::string room;
    const std::string_view path = normal_path(target, room);
    for (std::size_t i = 0; i < config.behaviors.size(); ++i) {
        if (mismatch_of(config.behaviors[i], path, target, request) == Mismatch::None) {
            return i;
        }
    }
    return std::nullopt;
}

void for_each_behavior_of(const config::Config& config, const http::Target& target,
                          const std::function<void(const Behavior&)>& visit) {
    std::string room;
    const std::string_view path = normal_path(target, room);
    for (const Behavior& behavior : config.behaviors) {
        const bool is_for = config::glob_matches(behavior.path_pattern, path) &&
                            (target.authority.empty() || is_host(behavior.when, target.authority));
        if (!is_for) {
            continue;
        }
        visit(behavior);
        if (behavior.when.empty()) {
            return;
        }
    }
}

std::vector<std::string> keyed_queries(const config::Config& config, const http::Target& target,
                                       std::string_view query) {
    std::vector<std::string> out;
    for_each_behavior_of(config, target, [&](const Behavior& behavior) {
        std::string keyed = cache::policy::keyed_query(query, behavior.policy_ref->key);
        if (std::find(out.begin(), out.end(), keyed) == out.end()) {
            out.push_back(std::move(keyed));
        }
    });
    if (out.empty()) {
        out.emplace_back(query);
    }
    return out;
}

} // namespace gatehouse::proxy
