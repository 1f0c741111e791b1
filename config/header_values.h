// Readers and rules for the values of response fields: Cache-Control, names that may be set, origins of CORS.
#pragma once

#include "config/config.h"
#include "config/findings.h"
#include "config/values.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::config {

// A value, `pass`, or {value: .., when_status: {404: .., 5xx: ..}} with one of the two members at least.
std::optional<ClientCacheControl> read_client_cache_control(const Spot& spot, Findings& findings);

// {Name: value, Name: [value, value]}. Names that field_owner() knows are problems.
std::optional<std::vector<FieldLine>> read_field_lines(const Spot& spot, Findings& findings);

// Why a headers policy does not touch a field of that name: "it frames the message", "client_cache_control says it".
// Empty: it does.
std::string_view field_owner(std::string_view name) noexcept;

// "200", "5xx"
bool is_status_pattern(std::string_view text) noexcept;
// "text/html", "text/*"
bool is_content_type_pattern(std::string_view text) noexcept;
// `*`, https://a.example, a.example:8443, *.a.example, https://*.a.example
bool is_origin_pattern(std::string_view text) noexcept;

} // namespace gatehouse::config
