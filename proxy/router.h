// Which behavior a request belongs to: the first whose pattern matches the normalised path and whose conditions hold.
#pragma once

#include "config/config.h"
#include "http/message.h"
#include "http/target.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::proxy {

// The first thing that keeps a behavior from being chosen.
enum class Mismatch : std::uint8_t { None, Path, Host, Method, Header, UnwantedHeader, QueryString };
Mismatch mismatch_of(const config::Behavior& behavior, std::string_view normalised_path, const http::Target& target,
                     const http::RequestHead& request);

// Index into config.behaviors; nullopt when none matches. Allocation-free for paths that are already normal.
std::optional<std::size_t> route(const config::Config& config, const http::Target& target,
                                 const http::RequestHead& request);

// Calls visit(behavior) for each behavior that some request for this path and authority belongs to.
void for_each_behavior_of(const config::Config& config, const http::Target& target,
                          const std::function<void(const config::Behavior&)>& visit);

// What the rules of those behaviors leave of a query in their keys: under each of them something may be stored. The
// query itself where there is no such behavior.
std::vector<std::string> keyed_queries(const config::Config& config, const http::Target& target,
                                       std::string_view query);

} // namespace gatehouse::proxy
