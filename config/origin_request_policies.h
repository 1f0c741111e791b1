// Origin request policies: CloudFront's managed ones, and what a behavior that names one asks of its origin.
#pragma once

#include "config/config.h"
#include "config/findings.h"

#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::config {

// AllViewer, AllViewerExceptHostHeader, AllViewerAndCloudFrontHeaders-2022-06, CORS-CustomOrigin, CORS-S3Origin,
// HostHeaderOnly, UserAgentRefererHeaders and Elemental-MediaTailor-PersonalizedManifests: docs/FROM_CLOUDFRONT.md.
std::vector<OriginRequestPolicy> cloudfront_origin_request_policies();

// The name of the built-in policy that CloudFront knows by this id, or by its name with "Managed-" in front; otherwise
// the name as it is.
std::string origin_request_policy_name_of(std::string_view written);

// Adds the built-in ones, and gives the viewer's Host to the origins of behaviors whose policy says so and that say
// nothing of `host` themselves.
void complete_origin_requests(Config& config, const Findings& findings);

// Checks names, and that nothing is said twice.
void validate_origin_requests(const Config& config, Findings& findings);

// Makes the rules of a behavior and of its policy one, and has the cache policy of the behavior forward what it does
// not key. Requires: nothing wrong was found, and cache policies are resolved.
void resolve_origin_requests(Config& config);

} // namespace gatehouse::config
