// First match wins, on the normalised path (DESIGN section 6).
#include "proxy/router.h"

#include "config/glob.h"

#include <string>
#include <string_view>

namespace gatehouse::proxy {

namespace {

// Nothing that normalisation would change: no escapes, no empty and no dot segments.
bool is_normal(std::string_view path) noexcept {
    return path.find('%') == std::string_view::npos && path.find("//") == std::string_view::npos &&
           path.find("/.") == std::string_view::npos;
}

std::optional<std::size_t> first_match(const config::Config& config, std::string_view path) {
    for (std::size_t i = 0; i < config.behaviors.size(); ++i) {
        if (config::glob_matches(config.behaviors[i].path_pattern, path)) {
            return i;
        }
    }
    return std::nullopt;
}

} // namespace

std::optional<std::size_t> route(const config::Config& config, const http::Target& target) {
    if (is_normal(target.path)) {
        return first_match(config, target.path);
    }
    const std::string normal = http::normalised_path(target.path);
    return first_match(config, normal);
}

} // namespace gatehouse::proxy
