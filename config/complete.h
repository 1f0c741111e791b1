// From what the file says to a whole Config: built-in policies, defaults that depend on the machine or on other
// fields, and the references that behaviors hold.
#pragma once

#include "config/config.h"
#include "config/findings.h"

#include <cstdint>

namespace gatehouse::config {

// Fills in what the file leaves out. memory_bytes: what this process may use, 0 when unknown. Own policies under the
// name of a built-in one are left as they are: validate() reports them.
void complete(Config& config, const Findings& findings, std::uint64_t memory_bytes);

// Points each behavior at its origin and policy. Requires: validate() found nothing wrong.
void resolve_references(Config& config);

// Every policy that exists without being written: RFC9111 and CachingDisabled.
std::vector<CachePolicy> builtin_policies();

} // namespace gatehouse::config
