// CloudFront's managed cache policies, built in under their names (DESIGN 4.18): docs/FROM_CLOUDFRONT.md says what is
// the same and what is not.
#pragma once

#include "config/config.h"

#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::config {

std::vector<CachePolicy> cloudfront_policies();

// The name of the built-in policy that CloudFront knows by this id ("658327ea-..."), or by its name with "Managed-" in
// front; otherwise the name as it is.
std::string policy_name_of(std::string_view written);

} // namespace gatehouse::config
