// May this response be stored by a shared cache (RFC 9111 section 3)?
#pragma once

#include "cache/policy/facts.h"
#include "cache/policy/freshness.h"
#include "cache/policy/reason.h"

namespace gatehouse::cache::policy {

struct StoreDecision {
    bool store = false;
    Reason reason = Reason::None; // why not; None when stored
    Lifetime lifetime;            // when stored
};

// Decided from facts and today's rules only, so it can be asked again of a stored response after a reload.
StoreDecision decide_storability(const ResponseFacts& facts, const config::CachePolicy& policy) noexcept;

} // namespace gatehouse::cache::policy
