// What a running proxy would do with a request now, and what it has stored for it: `gatehouse explain --admin` and
// POST /explain. Nothing is changed by looking.
#pragma once

#include "cache/http_cache.h"
#include "config/config.h"
#include "http/result.h"
#include "proxy/explain.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

// {"url": "https://host/path?query"}, with "method" and "headers": [["Name", "value"], ...] where they matter. A path
// will do where a Host field says the rest. The error's detail is for the operator.
http::Result<config::TestRequest> parse_explain_request(std::string_view json);
// The same the other way: method, URL and fields.
std::string explain_request_json(const config::TestRequest& request);

struct LiveState {
    std::shared_ptr<const config::Config> config;
    std::uint64_t generation = 0; // of the configuration
    const cache::HttpCache& cache;
    http::WallTime now;
};
// The error: what the request would be refused for.
http::Result<Explanation> explain_live(const LiveState& state, const config::TestRequest& request);

} // namespace gatehouse::proxy
