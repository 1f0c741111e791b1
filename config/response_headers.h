// Response headers policies: CloudFront's managed ones, and what is made of a policy before it is used.
#pragma once

#include "config/config.h"
#include "config/findings.h"

#include <vector>

namespace gatehouse::config {

// CORS-With-Preflight, SimpleCORS, SecurityHeadersPolicy, CORS-and-SecurityHeadersPolicy and
// CORS-with-preflight-and-SecurityHeadersPolicy, with CloudFront's values.
std::vector<ResponseHeadersPolicy> builtin_headers_policies();

// Checks across the fields of the policies, and the names that behaviors use.
void validate_response_headers(const Config& config, Findings& findings);

// Makes lines and texts of the blocks of each policy, and points behaviors at their policies and rules. Requires:
// nothing wrong was found.
void resolve_response_rules(Config& config);

} // namespace gatehouse::config
